//! People's own tokens: kept for the app that asks, renewed when they have to be, gone with the session.

mod kept;
mod lease;
mod rejected;

use std::time::Duration;

use dingtalk_core::error::Refusal;
use dingtalk_core::{
    DingTalk, DingTalkBuilder, Error, RequestHead, SessionKey, SessionLimits, User, UserToken,
    WebSignIn,
};
use dingtalk_sandbox::{Fault, World, route};
use dingtalk_tests::{
    Browser, FailingStore, Framework, Gate, Mood, Placement, Request, Setup, Verb, WatchedClock,
    app_of, both, build_app, sandbox,
};
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::{begin, begun, callback, come_back, sign_in, with};

/// Two handles on one store, one set of keys and one clock, whose app keeps user tokens, and its first person signed in.
struct Two {
    setup: Setup,
    there: DingTalk,
    clock: WatchedClock,
    store: FailingStore,
    key: SessionKey,
    browser: Browser,
    user: User,
}

impl Two {
    async fn start(framework: Framework) -> Self {
        Self::with(framework, |builder| builder).await
    }

    async fn with(
        framework: Framework,
        change: impl Fn(DingTalkBuilder) -> DingTalkBuilder,
    ) -> Self {
        let key = SessionKey::generate().unwrap();
        let sandbox = sandbox(World::default()).await;
        let clock = WatchedClock::new(&sandbox);
        let store = FailingStore::new(&sandbox);
        let handle = || {
            let (key, store) = (key.clone(), store.clone());
            build_app(
                &sandbox,
                |app| app.web_sign_in(WebSignIn::new().keep_user_token()),
                |builder| change(clock.on(builder).session_key(key).store(store)),
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
        let mut browser = setup.browser();
        sign_in(&setup, &mut browser, "/").await;
        setup.sandbox.reset_calls();
        let user = user(&setup.dingtalk, &browser);
        Self {
            setup,
            there,
            clock,
            store,
            key,
            browser,
            user,
        }
    }

    /// Asks for the token here.
    async fn token(&self) -> Result<UserToken, Error> {
        self.setup.dingtalk.user_token(&self.user).await
    }

    /// Asks for the token in a task of its own.
    fn ask(&self, handle: &DingTalk) -> tokio::task::JoinHandle<Result<UserToken, Error>> {
        let (handle, user) = (handle.clone(), self.user.clone());
        tokio::spawn(async move { handle.user_token(&user).await })
    }

    /// How many wait for another instance's renewal.
    fn waiting(&self) -> usize {
        self.clock.asleep(Duration::from_millis(100))
    }

    /// How often DingTalk was asked for a user token since the sign-in.
    fn renewals(&self) -> usize {
        self.setup.sandbox.call_count_of(route::USER_ACCESS_TOKEN)
    }
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

fn is_same(token: &UserToken, other: &UserToken) -> bool {
    token.secret().matches(other.secret())
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

    async fn beside_an_app_that_asks_the_token_of_one_that_does_not_is_kept_nowhere(framework) {
        let sandbox = sandbox(World::default()).await;
        let store = FailingStore::new(&sandbox);
        let other = sandbox.world().apps[2].clone();
        let beside = app_of(&sandbox, &other.app_key).web_sign_in(WebSignIn::new());
        let dingtalk = build_app(
            &sandbox,
            |app| app.web_sign_in(WebSignIn::new().keep_user_token()),
            |builder| builder.internal_app(beside).store(store.clone()),
        )
        .unwrap();
        let app = framework.start(dingtalk.clone(), Placement::Right, Gate::default());
        let mut browser = Browser::new(app.address());
        let login = format!("/dingtalk/login?via=web&corpid={}&return_to=/", other.corp_id);
        let begun = begun(&browser.open(&login).await);
        let person = sandbox.world().people.iter().find(|person| person.corp_id == other.corp_id).unwrap();
        let code = sandbox.web_code(&other.app_key, &person.user_id);
        assert_eq!(come_back(&mut browser, &code, &begun.state).await.status, 303);
        let user = user(&dingtalk, &browser);
        assert_eq!(user.corp_id(), other.corp_id);
        assert!(is_none(&dingtalk.user_token(&user).await));
        assert_eq!(store.entries("user-token:").await.len(), 0);
    }

    async fn another_app_of_the_corp_gets_no_token(framework) {
        let two = Two::start(framework).await;
        let other = app_of(&two.setup.sandbox, &two.setup.sandbox.world().apps[1].app_key);
        assert!(two.there.user_token(&two.user).await.is_ok());
        let other = build_app(
            &two.setup.sandbox,
            |_| other.web_sign_in(WebSignIn::new().keep_user_token()),
            |builder| builder.session_key(two.key.clone()).store(two.store.clone()),
        );
        assert!(is_none(&other.unwrap().user_token(&two.user).await));
    }

    /// D15
    async fn a_revoked_session_gets_no_token_at_an_instance_that_serves_no_requests(framework) {
        let two = Two::start(framework).await;
        assert!(two.there.user_token(&two.user).await.is_ok());
        let user_id = two.user.user_id().unwrap();
        two.setup.dingtalk.revoke_user(two.user.corp_id(), user_id).await.unwrap();
        assert!(is_none(&two.token().await), "here at once");
        two.setup.advance(3);
        assert!(is_none(&two.there.user_token(&two.user).await));
        assert_eq!(two.renewals(), 0);
    }

    /// D15
    async fn where_the_store_does_not_tell_who_is_signed_out_there_is_an_error_and_no_token(framework) {
        let two = Two::start(framework).await;
        assert!(two.token().await.is_ok());
        let refused = |token: Result<UserToken, Error>| matches!(token, Err(Error::Store { .. }));
        two.store.set(Verb::Since, Mood::Fails);
        two.setup.advance(2);
        assert!(two.token().await.is_ok(), "it told two seconds ago");
        two.setup.advance(1);
        let looks = two.store.calls(Verb::Since);
        for _ in 0..20 {
            assert!(refused(two.token().await));
        }
        assert_eq!(two.store.calls(Verb::Since), looks + 1, "it is not asked by everybody");
        two.store.set(Verb::Since, Mood::Works);
        two.setup.advance(1);
        assert!(two.token().await.is_ok(), "it is back");
        two.store.set(Verb::Since, Mood::Hangs);
        two.setup.advance(3);
        let asking = two.ask(&two.setup.dingtalk);
        two.store.wait_for(1).await;
        // The look's limit, and that of the wait for it.
        let limit = Duration::from_secs(1);
        two.clock.until("a wait", || two.clock.asleep(limit) == 2).await;
        two.clock.advance(limit);
        assert!(refused(asking.await.unwrap()));
    }

    async fn in_its_last_minute_a_token_is_renewed(framework) {
        let two = Two::start(framework).await;
        let first = two.token().await.unwrap();
        two.setup.advance(7200 - 61);
        assert!(is_same(&two.token().await.unwrap(), &first));
        assert_eq!(two.renewals(), 0);
        two.setup.advance(1);
        assert!(!is_same(&two.token().await.unwrap(), &first));
        assert_eq!(two.renewals(), 1);
    }

    async fn a_token_goes_with_its_session_renewed_or_not(framework) {
        for (hours, renewals) in [(1, 0), (3, 1)] {
            let life = Duration::from_secs(hours * 3600);
            let two = Two::with(framework, |builder| builder.web_session(SessionLimits::new(life, life))).await;
            for _ in 0..hours {
                two.setup.advance(3600 - 1);
                assert!(two.token().await.is_ok());
                two.setup.advance(1);
            }
            assert!(is_none(&two.token().await));
            assert_eq!(two.renewals(), renewals);
            assert_eq!(two.store.entries("user-token:").await.len(), 0, "nothing is left in the store");
        }
    }

    async fn a_refresh_token_that_dingtalk_forgot_means_signing_in_again(framework) {
        let two = Two::start(framework).await;
        two.setup.advance(7200);
        two.setup.sandbox.fault(Fault::code(400, "invalidParameter.authCode.notFound").on(route::USER_ACCESS_TOKEN).times(1));
        for handle in [&two.setup.dingtalk, &two.there, &two.setup.dingtalk] {
            assert!(is_none(&handle.user_token(&two.user).await));
        }
        assert_eq!(two.setup.sandbox.call_count(), 1);
        assert_eq!(two.browser.clone().fetch("/").await.status, 200, "the session goes on");
    }

    async fn an_outage_is_told_and_over_when_it_is_over(framework) {
        let two = Two::start(framework).await;
        two.setup.advance(7200);
        // The gateway turned it away: the refresh token is as good as before.
        let throttled = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi";
        two.setup.sandbox.fault(Fault::code(403, throttled).on(route::USER_ACCESS_TOKEN).times(1));
        for _ in 0..20 {
            assert!(two.setup.dingtalk.user_token(&two.user).await.is_err());
        }
        assert_eq!(two.setup.sandbox.call_count(), 1);
        two.setup.advance(1);
        assert!(works(&two.setup, &two.token().await.unwrap()).await);
    }

    async fn an_answer_without_a_token_is_no_renewal(framework) {
        let two = Two::start(framework).await;
        for body in ["{}", "[]", r#"{"accessToken":"","refreshToken":"x","expireIn":7200}"#, r#"{"accessToken":null}"#] {
            two.setup.advance(7200);
            two.setup.sandbox.fault(Fault::raw(200, "application/json", body).on(route::USER_ACCESS_TOKEN).times(1));
            let refused = two.token().await;
            assert!(matches!(refused, Err(Error::Unexpected { .. })), "{body} {refused:?}");
            two.setup.advance(1);
            assert!(works(&two.setup, &two.token().await.unwrap()).await, "{body}");
        }
    }

    async fn where_a_renewal_brings_no_refresh_token_the_old_one_stays(framework) {
        let two = Two::start(framework).await;
        two.setup.advance(7200);
        let alone = r#"{"accessToken":"alone","expireIn":7200}"#;
        two.setup.sandbox.fault(Fault::raw(200, "application/json", alone).on(route::USER_ACCESS_TOKEN).times(1));
        assert_eq!(two.token().await.unwrap().secret().expose(), "alone");
        two.setup.advance(7200);
        assert!(works(&two.setup, &two.token().await.unwrap()).await);
    }

    /// L2
    async fn junk_codes_leave_renewals_their_share(framework) {
        let two = Two::with(framework, |builder| builder.calls_per_second(4)).await;
        two.setup.advance(7200);
        let mut junk = Vec::new();
        for at in 0..40 {
            let mut attacker = two.setup.browser();
            let begun = begin(&mut attacker, "/").await;
            let target = callback(&format!("junk{at}"), &begun.state);
            junk.push(tokio::spawn(async move { attacker.open(&target).await }));
        }
        // All that may wait for a turn do, and the others are refused.
        let over = || junk.iter().filter(|one| one.is_finished()).count();
        two.clock.until("a queue of codes", || over() >= 24 && over() + two.clock.waiting() == 40).await;
        assert!(works(&two.setup, &two.token().await.unwrap()).await);
        two.clock.drive(|| 1, || 0, join_all(junk)).await;
    }
}
