//! One renewal for all who ask, at whatever instance, and what becomes of it where an instance is slow or stands still.

use std::time::Duration;

use dingtalk_core::Error;
use dingtalk_sandbox::{Clock, Fault, route};
use dingtalk_tests::{Framework, Gate, Mood, Placement, Request, SandboxClock, Verb, both};
use futures_util::future::join_all;

use super::super::{begin, callback};
use super::{Two, is_none, is_same, works};

/// Instances that stand still while DingTalk and the store go on.
async fn standing_still(framework: Framework) -> Two {
    let clock = Clock::manual();
    let two = Two::with(framework, |builder| {
        builder.clock(SandboxClock(clock.clone()))
    })
    .await;
    two.setup.advance(7200);
    clock.advance(Duration::from_secs(7200));
    two
}

both! {
    /// A13
    async fn fifty_requests_with_an_expired_token_make_one_renewal(framework) {
        let two = Two::start(framework).await;
        let other = framework.start(two.there.clone(), Placement::Right, Gate::default());
        let first = two.token().await.unwrap();
        for round in 1..4 {
            two.setup.advance(7200);
            assert!(!works(&two.setup, &first).await);
            // Both know who is signed out as of now.
            for address in [two.setup.app.address(), other.address()] {
                let mut browser = two.browser.clone();
                browser.go_to(address);
                assert_eq!(browser.fetch("/").await.status, 200);
            }
            let asking = (0..50).map(|at| {
                let address = if at % 2 == 0 { two.setup.app.address() } else { other.address() };
                let (name, value) = two.browser.session().expect("signed in");
                let request = Request::new("GET", "/token").fetch().header("cookie", format!("{name}={value}"));
                tokio::spawn(request.send(address))
            });
            let answers = two.clock.drive(|| 1, || 0, join_all(asking)).await;
            assert_eq!(two.renewals(), round);
            let token = two.token().await.unwrap();
            for answer in answers {
                let answer = answer.unwrap();
                assert_eq!((answer.status, &*answer.text()), (200, token.secret().expose()));
            }
            assert!(works(&two.setup, &token).await);
        }
    }

    async fn where_one_instance_fails_the_one_that_waits_renews(framework) {
        let two = Two::start(framework).await;
        two.setup.advance(7200);
        let throttled = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi";
        two.setup.sandbox.fault(Fault::code(403, throttled).on(route::USER_ACCESS_TOKEN).times(1));
        let hold = two.setup.sandbox.hold(route::USER_ACCESS_TOKEN);
        let failing = two.ask(&two.setup.dingtalk);
        hold.wait_for(1).await;
        let waiting = two.ask(&two.there);
        two.clock.until("one that waits", || two.waiting() == 1).await;
        hold.release();
        assert!(two.clock.drive(|| 1, || 0, failing).await.unwrap().is_err());
        let token = two.clock.drive(|| 1, || 0, waiting).await.unwrap().unwrap();
        assert!(works(&two.setup, &token).await);
        assert_eq!(two.renewals(), 2);
    }

    /// A13 J6
    async fn a_renewal_as_slow_as_the_limits_allow_is_made_once(framework) {
        let limit = Duration::from_secs(4);
        let two = Two::with(framework, |builder| builder.attempt_limit(limit).login_limit(limit)).await;
        two.setup.advance(7200);
        // The store is slow, for the lease and for the look behind it; then DingTalk is, and then the store again.
        two.store.set(Verb::Add, Mood::AnswersLate);
        let first = two.ask(&two.setup.dingtalk);
        two.store.wait_for(1).await;
        two.clock.advance(Duration::from_millis(900));
        let hold = two.setup.sandbox.hold(route::USER_ACCESS_TOKEN);
        let gets = two.store.calls(Verb::Get);
        two.store.set(Verb::Get, Mood::AnswersLate);
        two.store.set(Verb::Add, Mood::Works);
        two.clock.until("a look", || two.store.calls(Verb::Get) > gets).await;
        two.store.wait_for(1).await;
        two.clock.advance(Duration::from_millis(900));
        two.store.set(Verb::Get, Mood::Works);
        hold.wait_for(1).await;
        two.clock.advance(Duration::from_millis(3_900));
        let puts = two.store.calls(Verb::Put);
        two.store.set(Verb::Put, Mood::Hangs);
        hold.release();
        for (tries, milliseconds) in [(1, 1_000), (2, 1_000), (3, 900)] {
            two.clock.until("a try", || two.store.calls(Verb::Put) == puts + tries).await;
            two.clock.advance(Duration::from_millis(milliseconds));
        }
        // DingTalk has changed the refresh token, and the store has not got it.
        let second = two.ask(&two.there);
        two.clock.until("one that waits", || two.waiting() == 1 || two.renewals() > 1).await;
        two.store.set(Verb::Put, Mood::Works);
        let first = first.await.unwrap().unwrap();
        let second = two.clock.drive(|| 1, || 0, second).await.unwrap().unwrap();
        assert!(is_same(&first, &second) && is_same(&first, &two.token().await.unwrap()));
        assert_eq!(two.renewals(), 1);
    }

    async fn a_renewal_that_may_have_run_is_not_made_again_before_its_lease_is_over(framework) {
        let two = Two::start(framework).await;
        two.setup.advance(7200);
        two.setup.sandbox.fault(Fault::reset_at(0).after().on(route::USER_ACCESS_TOKEN).times(1));
        assert!(two.token().await.is_err());
        let waiting = two.ask(&two.there);
        two.clock.until("one that waits", || two.waiting() == 1 || two.renewals() > 1).await;
        let waiting = two.clock.drive(|| 1, || 0, waiting).await.unwrap();
        assert!(matches!(waiting, Err(Error::Unavailable { .. })), "{waiting:?}");
        assert_eq!(two.renewals(), 1);
        two.setup.advance(6);
        assert!(is_none(&two.token().await), "the answer with the next refresh token is lost");
        assert_eq!(two.renewals(), 2);
    }

    /// A13 J6
    async fn a_renewal_whose_turn_comes_too_late_for_its_lease_is_not_sent(framework) {
        let two = Two::with(framework, |builder| builder.calls_per_second(1)).await;
        two.setup.advance(7200);
        let mut other = two.setup.browser();
        let begun = begin(&mut other, "/").await;
        other.open(&callback("junk", &begun.state)).await;
        let first = two.ask(&two.setup.dingtalk);
        two.clock.until("a wait for its turn", || two.clock.asleep(Duration::from_millis(1_050)) == 1).await;
        // The machine stood still.
        two.setup.advance(7);
        let first = first.await.unwrap();
        assert!(matches!(first, Err(Error::Unavailable { .. })), "{first:?}");
        assert_eq!(two.renewals(), 1, "the junk");
        let second = two.ask(&two.there);
        two.clock.until("one that waits", || two.waiting() == 1 || two.renewals() > 1).await;
        assert_eq!(two.renewals(), 1, "the lease is not given back");
        let second = two.clock.drive(|| 1, || 0, second).await.unwrap().unwrap();
        assert!(works(&two.setup, &second).await);
    }

    /// A13
    async fn whoever_gets_a_lease_late_looks_whether_another_was_faster(framework) {
        let two = standing_still(framework).await;
        let hold = two.setup.sandbox.hold(route::USER_ACCESS_TOKEN);
        let first = two.ask(&two.setup.dingtalk);
        hold.wait_for(1).await;
        two.store.set(Verb::Get, Mood::AnswersLate);
        let second = two.ask(&two.there);
        two.store.wait_for(1).await;
        hold.release();
        let first = first.await.unwrap().unwrap();
        two.setup.advance(60);
        two.store.set(Verb::Get, Mood::Works);
        assert!(is_same(&second.await.unwrap().unwrap(), &first));
        assert_eq!(two.renewals(), 1);
    }

    /// A13 J6
    async fn whoever_outlives_its_lease_still_wins_with_the_next_refresh_token(framework) {
        let two = standing_still(framework).await;
        let late = |seconds| Fault::delay(Duration::from_secs(seconds)).after().on(route::USER_ACCESS_TOKEN).times(1);
        two.setup.sandbox.fault(late(600));
        let first = two.ask(&two.setup.dingtalk);
        two.clock.until("the first renewal", || two.renewals() == 1).await;
        two.setup.advance(60);
        // The first has used the refresh token up, and its answer is on the way.
        assert!(is_none(&two.there.user_token(&two.user).await));
        two.setup.advance(600);
        let first = first.await.unwrap().unwrap();
        assert!(works(&two.setup, &first).await);
        assert!(is_same(&two.setup.dingtalk.user_token(&two.user).await.unwrap(), &first));
        assert_eq!(two.renewals(), 2);
    }

    /// A13 J6
    async fn whoever_finds_the_refresh_token_used_up_takes_what_the_faster_one_got(framework) {
        let two = standing_still(framework).await;
        let late = |seconds| Fault::delay(Duration::from_secs(seconds)).after().on(route::USER_ACCESS_TOKEN).times(1);
        two.setup.sandbox.fault(late(100));
        let first = two.ask(&two.setup.dingtalk);
        two.clock.until("the first renewal", || two.renewals() == 1).await;
        two.setup.advance(60);
        two.setup.sandbox.fault(late(600));
        let second = two.ask(&two.there);
        two.clock.until("the second renewal", || two.renewals() == 2).await;
        two.setup.advance(40);
        let first = first.await.unwrap().unwrap();
        two.setup.advance(600);
        assert!(is_same(&second.await.unwrap().unwrap(), &first));
        assert!(is_same(&two.there.user_token(&two.user).await.unwrap(), &first));
    }
}
