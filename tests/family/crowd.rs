//! Many logins at once: one fetch, fair turns, and codes that stay good.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dingtalk_core::Clock;
use dingtalk_sandbox::{World, route};
use dingtalk_tests::{Answer, LOGIN, Setup, WatchedClock, both, login};
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

/// A world in which nobody is throttled.
fn unlimited() -> World {
    let mut world = World::default();
    world
        .apps
        .iter_mut()
        .for_each(|app| app.calls_per_second = 0);
    world
}

/// Sends so many logins at once, each with a code and a browser of its own.
fn crowd(setup: &Setup, logins: usize) -> Vec<JoinHandle<Answer>> {
    (0..logins)
        .map(|_| {
            let request = login(&setup.any_code());
            tokio::spawn(request.send(setup.app.address()))
        })
        .collect()
}

/// Everybody comes in, on a clock that stands still.
async fn all_in(clock: &WatchedClock, crowd: Vec<JoinHandle<Answer>>) {
    clock
        .until("all answers", || crowd.iter().all(JoinHandle::is_finished))
        .await;
    for answer in join_all(crowd).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.session().is_some());
    }
}

both! {
    /// H1: through HTTP.
    async fn a_thousand_logins_on_a_cold_cache_cost_one_token(framework) {
        let fast = |builder: dingtalk_core::DingTalkBuilder| builder.calls_per_second(10_000);
        let (setup, clock) = Setup::watched(framework, unlimited(), fast).await;
        let hold = setup.sandbox.hold(route::ACCESS_TOKEN);
        let crowd = crowd(&setup, 1000);
        // Each login and its wait for the token, and the one fetch.
        clock.until("1000 waiting logins", || clock.waiting() == 2001).await;
        assert_eq!(setup.sandbox.call_count(), 1);
        hold.release();
        all_in(&clock, crowd).await;
        assert_eq!(setup.sandbox.call_count_of(route::ACCESS_TOKEN), 1);
        assert_eq!(setup.sandbox.call_count(), 2001);
    }

    /// H13 B1: through HTTP.
    async fn a_token_revoked_early_costs_one_fetch_and_lets_all_in(framework) {
        let fast = |builder: dingtalk_core::DingTalkBuilder| builder.calls_per_second(10_000);
        let (setup, clock) = Setup::watched(framework, unlimited(), fast).await;
        setup.signed_in().await;
        setup.sandbox.reset_calls();
        let hold = setup.sandbox.hold(route::GETUSERINFO);
        let crowd = crowd(&setup, 1000);
        hold.wait_for(1000).await;
        setup.sandbox.revoke_tokens(&setup.sandbox.world().apps[0].app_key);
        hold.release();
        all_in(&clock, crowd).await;
        let counted = [route::ACCESS_TOKEN, route::GETUSERINFO, route::USER_GET]
            .map(|route| setup.sandbox.call_count_of(route));
        assert_eq!(counted, [1, 2000, 1000]);
    }

    /// H2: through HTTP, where a client leaves by closing its connection.
    async fn clients_that_leave_take_nobody_with_them(framework) {
        let (setup, clock) = Setup::watched(framework, unlimited(), |builder| builder).await;
        for round in 1..=20 {
            let hold = setup.sandbox.hold(route::ACCESS_TOKEN);
            let mut leaver = tokio::net::TcpStream::connect(setup.app.address()).await.unwrap();
            let code = setup.any_code();
            let head = format!(
                "POST /dingtalk/login HTTP/1.1\r\nhost: hr.example.com\r\norigin: https://hr.example.com\r\n\
                 x-dingtalk-auth-code: {code}\r\ncontent-length: 0\r\n\r\n"
            );
            leaver.write_all(head.as_bytes()).await.unwrap();
            hold.wait_for(1).await;
            let crowd = crowd(&setup, 3);
            clock.until("waiting logins", || clock.waiting() == 9).await;
            drop(leaver);
            hold.release();
            all_in(&clock, crowd).await;
            assert_eq!(setup.sandbox.call_count_of(route::ACCESS_TOKEN), round);
            clock.until("the end of the round", || clock.waiting() == 0).await;
            setup.advance(7200);
        }
    }

    /// L1: core knows DingTalk's limit, so none of its calls is throttled.
    async fn two_hundred_logins_at_twenty_calls_a_second_are_all_in_within_half_a_minute(framework) {
        let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder).await;
        setup.signed_in().await;
        setup.advance(60);
        let told = all_come_back_until_they_are_in(&setup, &clock, 200).await;
        assert!(told.contains(&"login.crowded".to_owned()), "nobody was told to wait");
        assert!(told.iter().all(|code| code == "login.crowded"), "{told:?}");
        let calls = setup.sandbox.calls();
        let refused: Vec<_> = calls.iter().filter(|call| call.outcome != "ok").collect();
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// B1 L1: core believes in a higher limit than DingTalk's, so DingTalk's own refusals are met.
    async fn a_limit_set_too_high_is_met_by_waiting_and_costs_no_code(framework) {
        let (setup, clock) =
            Setup::watched(framework, World::default(), |builder| builder.calls_per_second(40)).await;
        setup.signed_in().await;
        setup.advance(60);
        let told = all_come_back_until_they_are_in(&setup, &clock, 200).await;
        let is_usual = |code: &String| code == "login.crowded" || code == "dingtalk.throttled";
        assert!(told.iter().all(is_usual), "{told:?}");
        let calls = setup.sandbox.calls();
        assert!(calls.iter().any(|call| call.outcome == "88/90018"));
        let others: Vec<_> = calls
            .iter()
            .filter(|call| call.outcome != "ok" && call.outcome != "88/90018")
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

/// So many people log in at once, and those who are told to come back do, with the same code. Everybody must be in within
/// half a minute of DingTalk's time. Gives the codes of all refusals.
async fn all_come_back_until_they_are_in(
    setup: &Setup,
    clock: &WatchedClock,
    people: usize,
) -> Vec<String> {
    let start = clock.elapsed();
    let outside = Arc::new(AtomicUsize::new(people));
    let clients = (0..people).map(|_| {
        let (clock, outside) = (clock.clone(), outside.clone());
        let (mut browser, code) = (setup.browser(), setup.any_code());
        tokio::spawn(async move {
            let mut told = Vec::new();
            loop {
                let sent = clock.elapsed();
                let answer = browser.login(&code).await;
                assert!(
                    clock.elapsed() - sent <= LOGIN,
                    "longer than a login may take"
                );
                if answer.status == 200 {
                    outside.fetch_sub(1, Ordering::SeqCst);
                    return told;
                }
                assert_eq!(answer.status, 503, "{told:?} {}", answer.text());
                let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                told.push(answer.code());
                clock.sleep(Duration::from_secs(wait)).await;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let told = clock
        .drive(|| outside.load(Ordering::SeqCst), || 0, join_all(clients))
        .await;
    let took = clock.elapsed() - start;
    assert!(took <= Duration::from_secs(30), "{took:?}");
    let employees = setup.sandbox.calls();
    let spent = employees
        .iter()
        .filter(|call| call.route == route::GETUSERINFO && call.outcome == "ok");
    assert_eq!(
        spent.count(),
        people + 1,
        "each code buys once, and somebody was there before"
    );
    told.into_iter().flat_map(Result::unwrap).collect()
}
