//! People's own tokens: kept for the app that asks, renewed once for all who ask, gone at logout.

use std::time::Duration;

use dingtalk_core::error::Refusal;
use dingtalk_core::{
    DingTalk, Error, RequestHead, SessionKey, SessionLimits, User, UserToken, WebSignIn,
};
use dingtalk_sandbox::{Fault, World, route};
use dingtalk_tests::{
    Browser, FailingStore, Framework, Gate, Placement, Request, Setup, WatchedClock, both,
    build_app, sandbox,
};
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::{sign_in, with};

/// A setup whose app keeps user tokens, and another handle on the same store and keys.
async fn two(framework: Framework) -> (Setup, DingTalk, WatchedClock) {
    let key = SessionKey::generate().unwrap();
    let sandbox = sandbox(World::default()).await;
    let clock = WatchedClock::new(&sandbox);
    let store = FailingStore::new(&sandbox);
    let handle = || {
        let (key, store) = (key.clone(), store.clone());
        build_app(
            &sandbox,
            |app| app.web_sign_in(WebSignIn::new().keep_user_token()),
            |builder| clock.on(builder).session_key(key).store(store),
        )
        .unwrap()
    };
    let (here, there) = (handle(), handle());
    let gate = Gate::default();
    let app = framework.start(here.clone(), Placement::Right, gate.clone());
    let setup = Setup {
        sandbox,
        dingtalk: here,
        app,
        gate,
    };
    (setup, there, clock)
}

/// The person of a browser's session, as a handler would have them.
fn user(dingtalk: &DingTalk, browser: &Browser) -> User {
    let (name, value) = browser.session().expect("signed in");
    let head = Asking(format!("{name}={value}"));
    let settled = dingtalk.handle(&head).settle().now_or_never();
    let visit = settled.expect("the store is in memory").expect("a visit");
    visit.require(&head).expect("signed in")
}

struct Asking(String);

impl RequestHead for Asking {
    fn method(&self) -> &str {
        "GET"
    }

    fn path(&self) -> &str {
        "/"
    }

    fn routed_path(&self) -> &str {
        "/"
    }

    fn query(&self) -> Option<&str> {
        None
    }

    fn authority(&self) -> Option<&str> {
        None
    }

    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        (name == "cookie").then_some(self.0.as_bytes()).into_iter()
    }
}

fn is_none(token: &Result<UserToken, Error>) -> bool {
    matches!(token, Err(Error::Refused(Refusal::NoUserToken)))
}

/// Whether DingTalk takes a user token.
async fn works(setup: &Setup, token: &UserToken) -> bool {
    let request = Request::new("GET", "/v1.0/contact/users/me")
        .header("x-acs-dingtalk-access-token", token.secret().expose());
    let address = setup
        .sandbox
        .url()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    request.send(address).await.status == 200
}

both! {
    async fn a_token_is_kept_only_where_the_app_asks(framework) {
        let setup = super::start(framework).await;
        let mut browser = setup.browser();
        sign_in(&setup, &mut browser, "/").await;
        assert!(is_none(&setup.dingtalk.user_token(&user(&setup.dingtalk, &browser)).await));
        let setup = with(framework, WebSignIn::keep_user_token, |builder| builder).await;
        let mut browser = setup.browser();
        sign_in(&setup, &mut browser, "/").await;
        let calls = setup.sandbox.call_count();
        let token = setup.dingtalk.user_token(&user(&setup.dingtalk, &browser)).await.unwrap();
        assert_eq!(setup.sandbox.call_count(), calls);
        assert!(works(&setup, &token).await);
        // A silent login has none.
        let silent = setup.signed_in().await;
        assert!(is_none(&setup.dingtalk.user_token(&user(&setup.dingtalk, &silent)).await));
    }

    /// A13
    async fn fifty_requests_with_an_expired_token_make_one_renewal(framework) {
        let (setup, there, clock) = two(framework).await;
        let other = framework.start(there, Placement::Right, Gate::default());
        let mut browser = setup.browser();
        sign_in(&setup, &mut browser, "/").await;
        let user = user(&setup.dingtalk, &browser);
        let first = setup.dingtalk.user_token(&user).await.unwrap();
        for round in 0..3 {
            setup.advance(7200);
            assert!(!works(&setup, &first).await);
            setup.sandbox.reset_calls();
            let asking = (0..50).map(|at| {
                let address = if at % 2 == 0 { setup.app.address() } else { other.address() };
                let (name, value) = browser.session().expect("signed in");
                let request = Request::new("GET", "/token").fetch().header("cookie", format!("{name}={value}"));
                tokio::spawn(request.send(address))
            });
            let answers = clock.drive(|| 1, || 0, join_all(asking)).await;
            assert_eq!(setup.sandbox.call_count_of(route::USER_ACCESS_TOKEN), 1, "round {round}");
            let token = setup.dingtalk.user_token(&user).await.unwrap();
            for answer in answers {
                let answer = answer.unwrap();
                assert_eq!((answer.status, &*answer.text()), (200, token.secret().expose()));
            }
            assert!(works(&setup, &token).await);
        }
    }

    async fn where_one_instance_fails_the_one_that_waits_renews(framework) {
        let (setup, there, clock) = two(framework).await;
        let mut browser = setup.browser();
        sign_in(&setup, &mut browser, "/").await;
        let user = user(&setup.dingtalk, &browser);
        setup.advance(7200);
        setup.sandbox.reset_calls();
        let throttled = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi";
        setup.sandbox.fault(Fault::code(403, throttled).on(route::USER_ACCESS_TOKEN).times(1));
        let hold = setup.sandbox.hold(route::USER_ACCESS_TOKEN);
        let ask = |handle: &DingTalk| {
            let (handle, user) = (handle.clone(), user.clone());
            tokio::spawn(async move { handle.user_token(&user).await })
        };
        let failing = ask(&setup.dingtalk);
        hold.wait_for(1).await;
        let waiting = ask(&there);
        clock.idle(|| 2, || 1).await;
        hold.release();
        assert!(clock.drive(|| 1, || 0, failing).await.unwrap().is_err());
        let token = clock.drive(|| 1, || 0, waiting).await.unwrap().unwrap();
        assert!(works(&setup, &token).await);
        assert_eq!(setup.sandbox.call_count_of(route::USER_ACCESS_TOKEN), 2);
    }

    async fn a_logout_takes_the_token_along_for_good(framework) {
        let (setup, there, _) = two(framework).await;
        let mut browser = setup.browser();
        sign_in(&setup, &mut browser, "/").await;
        let user = user(&setup.dingtalk, &browser);
        setup.advance(7200);
        // A renewal is under way while the person signs out.
        let hold = setup.sandbox.hold(route::USER_ACCESS_TOKEN);
        let renewing = tokio::spawn({
            let (there, user) = (there.clone(), user.clone());
            async move { there.user_token(&user).await }
        });
        hold.wait_for(1).await;
        assert_eq!(browser.logout().await.status, 200);
        hold.release();
        assert!(is_none(&renewing.await.unwrap()));
        for handle in [&setup.dingtalk, &there] {
            assert!(is_none(&handle.user_token(&user).await));
        }
    }

    async fn a_refresh_token_that_dingtalk_forgot_means_signing_in_again(framework) {
        let (setup, there, _) = two(framework).await;
        let mut browser = setup.browser();
        sign_in(&setup, &mut browser, "/").await;
        let user = user(&setup.dingtalk, &browser);
        setup.advance(7200);
        setup.sandbox.fault(Fault::code(400, "invalidParameter.authCode.notFound").on(route::USER_ACCESS_TOKEN).times(1));
        setup.sandbox.reset_calls();
        for handle in [&setup.dingtalk, &there, &setup.dingtalk] {
            assert!(is_none(&handle.user_token(&user).await));
        }
        assert_eq!(setup.sandbox.call_count(), 1);
        assert_eq!(browser.fetch("/").await.status, 200, "the session goes on");
    }

    async fn an_outage_is_told_and_over_when_it_is_over(framework) {
        let (setup, _, clock) = two(framework).await;
        let mut browser = setup.browser();
        sign_in(&setup, &mut browser, "/").await;
        let user = user(&setup.dingtalk, &browser);
        setup.advance(7200);
        setup.sandbox.reset_calls();
        // The gateway turned it away: the refresh token is as good as before.
        let throttled = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi";
        setup.sandbox.fault(Fault::code(403, throttled).on(route::USER_ACCESS_TOKEN).times(1));
        for _ in 0..20 {
            assert!(setup.dingtalk.user_token(&user).await.is_err());
        }
        assert_eq!(setup.sandbox.call_count(), 1);
        setup.advance(1);
        let token = clock.drive(|| 1, || 0, setup.dingtalk.user_token(&user)).await;
        assert!(works(&setup, &token.unwrap()).await);
    }

    async fn a_session_from_the_web_lasts_days_and_its_cookie_outlives_the_browser(framework) {
        let hour = Duration::from_secs(3600);
        let setup = with(framework, |web| web, |builder| builder.web_session(SessionLimits::new(2 * hour, 5 * hour))).await;
        let mut browser = setup.browser();
        let begun = super::begin(&mut browser, "/").await;
        let answer = super::come_back(&mut browser, &super::any_code(&setup), &begun.state).await;
        let cookie = answer.headers_named("set-cookie").find(|cookie| cookie.contains(&answer.session().unwrap())).unwrap();
        assert!(cookie.ends_with("; Max-Age=18000"), "{cookie}");
        for _ in 0..3 {
            setup.advance(3600 + 1800);
            let answer = browser.fetch("/").await;
            assert_eq!(answer.status, 200);
            assert!(answer.session().is_some(), "its activity is noted");
        }
        setup.advance(1801);
        assert_eq!(browser.fetch("/").await.status, 401);
    }
}
