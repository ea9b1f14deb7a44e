//! How sessions begin, last and end.

use std::collections::BTreeMap;
use std::time::Duration;

use dingtalk_core::{DingTalk, SessionKey, SessionLimits};
use dingtalk_sandbox::Sandbox;
use dingtalk_tests::{Answer, Browser, Gate, Placement, Request, Setup, both, build};
use futures_util::future::join_all;

pub(crate) mod clock;
mod race;

both! {
    /// D8
    async fn keys_rotated_twice_under_load_sign_nobody_out_and_a_dropped_key_only_its_own(framework) {
        let setup = Setup::start(framework).await;
        let handles = [&[1][..], &[2, 1], &[3, 2, 1], &[3, 2]].map(|keys| keyed(&setup.sandbox, keys));
        let apps = handles.map(|handle| framework.start(handle, Placement::Right, Gate::default()));
        let [first, second, third, last] = apps.each_ref().map(dingtalk_tests::RunningApp::address);
        let mut browsers = Vec::new();
        for _ in 0..6 {
            let mut browser = Browser::new(first);
            assert_eq!(browser.login(&setup.any_code()).await.status, 200);
            browsers.push(browser);
        }
        // One closed its window before the first rotation and one before the second.
        let oldest = browsers[0].clone();
        let load = browsers.into_iter().map(async |browser| {
            let mut jar = browser;
            for app in [first, second, third] {
                let mut browser = Browser::new(app);
                browser.cookies = jar.cookies;
                for round in 0..10 {
                    // A page asks several times at once, and the answers come as they come.
                    let asked = join_all((0..3).map(|_| browser.carry(Request::new("GET", "/").fetch()).send(app)));
                    let answers = asked.await;
                    assert!(answers.iter().all(|answer| answer.status == 200));
                    let resealed = answers.iter().filter(|answer| answer.session().is_some()).count();
                    assert_eq!(resealed > 0, round == 0 && app != first, "round {round}");
                    answers.iter().rev().for_each(|answer| browser.keep(answer));
                }
                jar = browser;
            }
            jar.cookies
        });
        for cookies in join_all(load).await {
            let mut browser = Browser::new(last);
            browser.cookies = cookies;
            assert_eq!(browser.fetch("/").await.status, 200);
        }
        for (app, status) in [(second, 200), (third, 200), (last, 401)] {
            let mut browser = Browser::new(app);
            browser.cookies = oldest.cookies.clone();
            let answer = browser.fetch("/").await;
            assert_eq!((answer.status, answer.session().is_some()), (status, status == 200));
            assert!(browser.session().is_some(), "nobody's cookie is removed");
        }
    }

    /// D8
    async fn a_key_that_comes_in_behind_first_signs_nobody_out_while_instances_change_one_by_one(framework) {
        let setup = Setup::start(framework).await;
        let handles = [&[1][..], &[1, 2], &[2, 1], &[2]].map(|keys| keyed(&setup.sandbox, keys));
        let apps = handles.map(|handle| framework.start(handle, Placement::Right, Gate::default()));
        let mut cookies = BTreeMap::new();
        for (round, both) in apps.windows(2).enumerate() {
            // While one rollout lasts, requests meet either.
            for app in both.iter().chain(both) {
                let mut browser = Browser::new(app.address());
                browser.cookies = cookies;
                if browser.session().is_none() {
                    assert_eq!(browser.login(&setup.any_code()).await.status, 200);
                }
                assert_eq!(browser.fetch("/").await.status, 200, "round {round}");
                cookies = browser.cookies;
            }
        }
    }

    /// D10
    async fn a_session_active_every_minute_ends_at_the_absolute_limit(framework) {
        let limits = SessionLimits::new(Duration::from_secs(600), Duration::from_secs(3600));
        let setup = Setup::with(framework, |builder| builder.silent_session(limits)).await;
        let mut browser = setup.signed_in().await;
        for minute in 1..=60 {
            setup.advance(60);
            assert_eq!(browser.fetch("/").await.status, 200, "minute {minute}");
        }
        setup.advance(1);
        let over = browser.fetch("/").await;
        assert_eq!((over.status, over.code()), (401, "session.required".into()));
        assert_untouched(&over);
        assert_eq!(browser.login(&setup.any_code()).await.status, 200);
        assert_eq!(browser.fetch("/").await.status, 200);
    }

    /// D10
    async fn a_silent_session_ends_after_two_idle_hours_or_twelve_in_all(framework) {
        let setup = Setup::start(framework).await;
        let mut idle = setup.signed_in().await;
        let mut busy = setup.signed_in().await;
        setup.advance(3600);
        assert_eq!(idle.fetch("/").await.status, 200);
        setup.advance(7200);
        // Two hours after its last request, which the answer's cookie notes, it still lives; a second later it is over.
        let mut late = idle.clone();
        assert_eq!(idle.fetch("/").await.status, 200);
        setup.advance(1);
        assert_eq!(late.fetch("/").await.code(), "session.required");
        assert_eq!(busy.fetch("/").await.status, 401);
        busy = setup.signed_in().await;
        for _ in 0..12 {
            setup.advance(3600);
            assert_eq!(busy.fetch("/").await.status, 200);
        }
        setup.advance(1);
        assert_eq!(busy.fetch("/").await.code(), "session.required");
    }

    /// D11
    async fn a_session_planted_before_a_login_is_worthless_after_it(framework) {
        let setup = Setup::start(framework).await;
        let mut attacker = setup.browser();
        assert_eq!(attacker.login(&setup.code("lina02")).await.status, 200);
        let (name, planted) = attacker.session().expect("signed in");
        let mut victim = setup.browser();
        victim.cookies.insert(name, planted.clone());
        assert_eq!(victim.login(&setup.any_code()).await.status, 200);
        let (_, own) = victim.session().expect("signed in");
        assert_ne!(own, planted);
        assert_eq!(attacker.fetch("/").await.code(), "session.required");
        assert_eq!(victim.fetch("/me").await.json()["user_id"], "manager01");
    }

    /// D11
    async fn a_login_over_a_live_session_ends_it_whoever_logs_in(framework) {
        let setup = Setup::start(framework).await;
        for next in ["lina02", "manager01"] {
            let mut browser = setup.signed_in().await;
            let mut elsewhere = setup.signed_in().await;
            let mut copy = browser.clone();
            assert_eq!(browser.login(&setup.code(next)).await.status, 200);
            assert_ne!(browser.session(), copy.session());
            assert_eq!(browser.fetch("/me").await.json()["user_id"], next);
            let old = copy.fetch("/").await;
            assert_eq!((old.status, old.code()), (401, "session.required".into()), "{next}");
            assert_untouched(&old);
            assert_eq!(elsewhere.fetch("/").await.status, 200, "another browser's session stays");
        }
    }

    async fn a_refused_login_leaves_the_session_that_was_there(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        let refused = browser.login("0123456789abcdef0123456789abcdef").await;
        assert_eq!(refused.status, 401);
        assert_untouched(&refused);
        let disabled = browser.login(&setup.code("zhaolei04")).await;
        assert_eq!(disabled.status, 403);
        assert_untouched(&disabled);
        assert_eq!(browser.fetch("/me").await.json()["user_id"], "manager01");
    }

    /// D15
    async fn a_logout_makes_a_copied_cookie_worthless(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        let mut copy = browser.clone();
        let mut elsewhere = setup.signed_in().await;
        assert_eq!(copy.fetch("/").await.status, 200);
        let out = browser.logout().await;
        assert_eq!((out.status, &out.json()["signed_out"]), (200, &true.into()));
        assert_eq!(browser.session(), None);
        for path in ["/", "/guarded/page", "/dingtalk/me"] {
            let answer = copy.fetch(path).await;
            assert_eq!((answer.status, answer.code()), (401, "session.required".into()), "{path}");
            assert_untouched(&answer);
        }
        assert_eq!(copy.fetch("/maybe").await.text(), "nobody");
        // Renewed copies are copies too, and another logout finds nothing to end.
        setup.advance(400);
        assert_eq!(copy.fetch("/").await.status, 401);
        assert_eq!(copy.logout().await.status, 200);
        assert_eq!(elsewhere.fetch("/").await.status, 200);
    }

    async fn a_revoked_person_is_out_everywhere_and_can_come_back(framework) {
        let setup = Setup::start(framework).await;
        let (mut one, mut two) = (setup.signed_in().await, setup.signed_in().await);
        let mut other = setup.browser();
        other.login(&setup.code("lina02")).await;
        let corp_id = &setup.sandbox.world().corps[0].corp_id;
        setup.dingtalk.revoke_user(corp_id, "manager01").await.expect("it is in memory");
        assert_eq!((one.fetch("/").await.status, two.fetch("/").await.status), (401, 401));
        assert_eq!(other.fetch("/").await.status, 200);
        // Within the same millisecond.
        assert_eq!(one.login(&setup.any_code()).await.status, 200);
        assert_eq!(one.fetch("/").await.status, 200);
        setup.dingtalk.revoke_corp(corp_id).await.expect("it is in memory");
        assert_eq!((one.fetch("/").await.status, other.fetch("/").await.status), (401, 401));
    }

    /// D13
    async fn a_slow_answer_never_brings_back_a_session_that_ended_meanwhile(framework) {
        enum End { Nothing, Logout, Login, Revoked }
        let setup = Setup::start(framework).await;
        let corp_id = &setup.sandbox.world().corps[0].corp_id;
        for (round, end) in [End::Nothing, End::Logout, End::Login, End::Revoked].into_iter().enumerate() {
            let mut browser = setup.signed_in().await;
            setup.advance(400);
            let request = browser.carry(Request::new("GET", "/slow").fetch());
            let slow = tokio::spawn(request.send(setup.app.address()));
            setup.gate.wait_for(round + 1).await;
            match end {
                End::Nothing => {}
                End::Logout => assert_eq!(browser.logout().await.status, 200),
                End::Login => assert_eq!(browser.login(&setup.code("lina02")).await.status, 200),
                End::Revoked => setup.dingtalk.revoke_user(corp_id, "manager01").await.expect("it is in memory"),
            }
            setup.gate.open(1);
            let slow = slow.await.expect("it ends");
            assert_eq!(slow.status, 200);
            assert_eq!(slow.session().is_some(), matches!(end, End::Nothing), "round {round}");
            let before = browser.cookies.clone();
            browser.keep(&slow);
            match end {
                End::Nothing => assert_ne!(browser.cookies, before),
                _ => assert_eq!(browser.cookies, before),
            }
            if matches!(end, End::Login) {
                assert_eq!(browser.fetch("/me").await.json()["user_id"], "lina02");
            }
        }
    }

    /// D14
    async fn activity_is_noted_once_in_five_minutes_and_not_more_often(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        let mut noted = Vec::new();
        for minute in 1..=20 {
            setup.advance(60);
            if browser.fetch("/public").await.session().is_some() {
                noted.push(minute);
            }
        }
        assert_eq!(noted, [5, 10, 15, 20]);
    }
}

/// A handle on a list of keys, the first of which seals.
fn keyed(sandbox: &Sandbox, keys: &[u8]) -> DingTalk {
    let key = |seed: &u8| -> String {
        (0..32_u8)
            .map(|at| format!("{:02x}", at ^ seed.wrapping_mul(37)))
            .collect()
    };
    let keys: Vec<String> = keys.iter().map(key).collect();
    let keys = SessionKey::parse(&keys.join(",")).expect("keys of 32 bytes");
    build(sandbox, |builder| builder.session_key(keys)).expect("the settings can work")
}

/// The answer neither sets nor removes the session cookie.
fn assert_untouched(answer: &Answer) {
    for cookie in answer.headers_named("set-cookie") {
        assert!(cookie.starts_with("__Host-dt-624a92d9-"), "{cookie}");
    }
}
