//! What a login and a signed-in request cost in calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dingtalk_core::{
    BoxError, Details, DingTalk, Entry, MemoryStore, SessionKey, Store, Tail, TokenCall,
};
use dingtalk_sandbox::{Sandbox, route};
use dingtalk_tests::{Framework, ORIGIN, Placement, Request, SandboxClock, Setup, app_of, both};

/// A store that counts every call of it.
#[derive(Clone, Debug, Default)]
struct Counted(Arc<(MemoryStore, AtomicUsize)>);

impl Counted {
    fn calls(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }

    fn inner(&self) -> &MemoryStore {
        self.0.1.fetch_add(1, Ordering::Relaxed);
        &self.0.0
    }
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, key: &str) -> Result<Option<Entry>, BoxError> {
        self.inner().get(key).await
    }

    async fn add(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, BoxError> {
        self.inner().add(key, value, ttl).await
    }

    async fn put(&self, key: &str, entry: &Entry, ttl: Duration) -> Result<bool, BoxError> {
        self.inner().put(key, entry, ttl).await
    }

    async fn append(&self, log: &str, entry: &[u8], ttl: Duration) -> Result<(), BoxError> {
        self.inner().append(log, entry, ttl).await
    }

    async fn since(&self, log: &str, position: u64) -> Result<Tail, BoxError> {
        self.inner().since(log, position).await
    }
}

const PATHS: [&str; 4] = ["/", "/maybe", "/guarded/page", "/dingtalk/me"];

both! {
    /// I10: a signed-in request asks nobody, so DingTalk's outage is not its business.
    async fn a_signed_in_request_costs_no_call_and_survives_an_outage(framework) {
        let store = Counted::default();
        let setup = Setup::with(framework, |builder| builder.store(store.clone())).await;
        let mut browser = setup.signed_in().await;
        // One look at the shared store is made on first use; within a second there is none after it.
        assert_eq!(browser.fetch("/").await.status, 200);
        let (calls, store_calls) = (setup.sandbox.call_count(), store.calls());
        for path in PATHS.iter().cycle().take(200) {
            let answer = browser.fetch(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
        assert_eq!(setup.sandbox.call_count(), calls);
        assert_eq!(store.calls(), store_calls);
        setup.sandbox.stop().await;
        for path in PATHS.iter().cycle().take(200) {
            let answer = browser.fetch(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
        assert_eq!(store.calls(), store_calls);
    }

    async fn a_cold_login_costs_three_calls_and_a_warm_one_two(framework) {
        for (call, token_route) in [
            (TokenCall::AccessToken, route::ACCESS_TOKEN),
            (TokenCall::CorpToken, route::CORP_TOKEN),
            (TokenCall::GetToken, route::GETTOKEN),
        ] {
            for (details, with_details) in [
                (Details::Required, 1),
                (Details::BestEffort, 1),
                (Details::None, 0),
            ] {
                let setup = token_from(framework, call, details).await;
                for (cold, which) in [(1, "cold"), (0, "warm"), (0, "warm")] {
                    setup.sandbox.reset_calls();
                    let answer = setup.browser().login(&setup.any_code()).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let counted = [token_route, route::GETUSERINFO, route::USER_GET]
                        .map(|route| setup.sandbox.call_count_of(route));
                    assert_eq!(counted, [cold, 1, with_details], "{call:?} {details:?} {which}");
                    assert_eq!(setup.sandbox.call_count(), cold + 1 + with_details);
                }
            }
        }
    }

    async fn a_refusal_costs_no_call(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        for path in PATHS {
            browser.open(path).await;
            browser.fetch(path).await;
            browser.send(Request::new("POST", path).fetch()).await;
        }
        browser.logout().await;
        assert_eq!(setup.sandbox.call_count(), 0);
    }
}

/// The world's first app with a token call of choice.
async fn token_from(framework: Framework, call: TokenCall, details: Details) -> Setup {
    let clock = dingtalk_sandbox::Clock::manual();
    let sandbox = Sandbox::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let app = app_of(&sandbox, &sandbox.world().apps[0].app_key).token_call(call);
    let url = sandbox.url().to_owned();
    Setup::on(framework, Placement::Right, sandbox, |_| {
        DingTalk::builder()
            .public_origin(ORIGIN)
            .endpoint(&url)
            .clock(SandboxClock(clock))
            .session_key(SessionKey::generate().unwrap())
            .internal_app(app)
            .details(details)
    })
}
