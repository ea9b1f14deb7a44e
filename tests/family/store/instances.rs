//! Instances of one app that share a store and a key.

use std::time::Duration;

use dingtalk_core::{DingTalk, SessionKey};
use dingtalk_sandbox::{Fault, World, route};
use dingtalk_tests::{
    Browser, FailingStore, Framework, Mood, Placement, RunningApp, Setup, Verb, both, login,
    sandbox,
};

/// Two instances of one app: two handles on one sandbox, one store and one key.
struct Pair {
    here: Setup,
    there: (DingTalk, RunningApp),
    store: FailingStore,
}

impl Pair {
    async fn start(framework: Framework) -> Self {
        let sandbox = sandbox(World::default()).await;
        let store = FailingStore::new(&sandbox);
        let key = SessionKey::generate().unwrap();
        let here = Setup::on(framework, Placement::Right, sandbox, |builder| {
            builder.store(store.clone()).session_key(key.clone())
        });
        let there = here.instance(framework, |builder| {
            builder.store(store.clone()).session_key(key.clone())
        });
        Self { here, there, store }
    }

    /// The same browser at the other instance.
    fn there(&self, browser: &Browser) -> Browser {
        let mut browser = browser.clone();
        browser.go_to(self.there.1.address());
        browser
    }

    fn advance(&self, milliseconds: u64) {
        self.here
            .sandbox
            .clock()
            .advance(Duration::from_millis(milliseconds));
    }
}

both! {
    /// B2
    async fn a_code_at_two_instances_is_exchanged_once(framework) {
        let pair = Pair::start(framework).await;
        let code = pair.here.any_code();
        let hold = pair.here.sandbox.hold(route::GETUSERINFO);
        let addresses = [pair.here.app.address(), pair.there.1.address()];
        let sent = (0..20).map(|at| tokio::spawn(login(&code).send(addresses[at % 2])));
        let sent: Vec<_> = sent.collect();
        hold.wait_for(1).await;
        hold.release();
        let mut statuses = Vec::new();
        for answer in sent {
            let answer = answer.await.unwrap();
            if answer.status != 200 {
                assert_eq!((answer.code(), answer.session()), ("login.code_used".into(), None));
            }
            statuses.push(answer.status);
        }
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[1], statuses[19]), (200, 401, 401));
        assert_eq!(pair.here.sandbox.call_count_of(route::GETUSERINFO), 1);
    }

    /// B2
    async fn a_used_code_is_used_at_the_other_instance_too(framework) {
        let pair = Pair::start(framework).await;
        let code = pair.here.any_code();
        let mut browser = pair.here.browser();
        browser.open("/").await;
        assert_eq!(browser.clone().login(&code).await.status, 200);
        for _ in 0..3 {
            let answer = pair.there(&browser).login(&code).await;
            assert_eq!((answer.status, answer.code()), (401, "login.code_used".into()));
            pair.advance(20_000);
        }
        assert_eq!(pair.here.sandbox.call_count_of(route::GETUSERINFO), 1);
    }

    /// B2
    async fn a_code_that_was_not_spent_is_good_at_the_other_instance(framework) {
        let pair = Pair::start(framework).await;
        let code = pair.here.any_code();
        pair.here.sandbox.fault(Fault::code(400, "invalidClientIdOrSecret").on(route::ACCESS_TOKEN));
        let answer = pair.here.browser().login(&code).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        pair.here.sandbox.clear_faults();
        let answer = pair.there(&pair.here.browser()).login(&code).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        // It is spent now: the first instance must not think that it still has it back.
        let answer = pair.here.browser().login(&code).await;
        assert_eq!((answer.status, answer.code()), (401, "login.code_used".into()));
        assert_eq!(pair.here.sandbox.call_count_of(route::GETUSERINFO), 1);
    }

    /// D15
    async fn a_logout_is_seen_at_the_other_instance_in_time(framework) {
        let pair = Pair::start(framework).await;
        let mut browser = pair.here.signed_in().await;
        let mut copy = pair.there(&browser);
        assert_eq!(copy.fetch("/").await.status, 200);
        assert_eq!(browser.logout().await.status, 200);
        pair.advance(2_250);
        assert_eq!(copy.fetch("/").await.status, 401);
        assert_eq!(copy.fetch("/maybe").await.text(), "nobody");
        assert_eq!(copy.fetch("/dingtalk/me").await.status, 401);
    }

    /// D15
    async fn a_look_at_the_store_that_answers_late_counts_from_its_start(framework) {
        let pair = Pair::start(framework).await;
        let mut browser = pair.here.signed_in().await;
        let mut copy = pair.there(&browser);
        assert_eq!(copy.fetch("/").await.status, 200);
        pair.advance(1_500);
        pair.store.set(Verb::Since, Mood::AnswersLate);
        assert_eq!(copy.fetch("/").await.status, 200);
        pair.store.wait_for(1).await;
        // What it has read is from before this.
        assert_eq!(browser.logout().await.status, 200);
        pair.advance(900);
        pair.store.set(Verb::Since, Mood::Works);
        while pair.here.sandbox.clock().sleepers() > 0 {
            tokio::task::yield_now().await;
        }
        pair.advance(1_350);
        assert_eq!(copy.fetch("/").await.status, 401);
    }

    /// D15
    async fn a_look_never_makes_a_signed_in_request_wait_for_long(framework) {
        let pair = Pair::start(framework).await;
        let browser = pair.here.signed_in().await;
        let mut copy = pair.there(&browser);
        assert_eq!(copy.fetch("/").await.status, 200);
        pair.store.set(Verb::Since, Mood::Hangs);
        pair.advance(2_000);
        // Two seconds old: it looks behind the request.
        assert_eq!(copy.fetch("/").await.status, 200);
        pair.store.wait_for(1).await;
        pair.advance(100);
        // Older: it waits, a quarter of a second.
        let (answer, ()) = tokio::join!(copy.fetch("/"), async {
            pair.here.asleep(2).await;
            pair.advance(250);
        });
        assert_eq!(answer.status, 200);
    }

    /// D15
    async fn a_store_that_comes_back_tells_what_was_missed(framework) {
        let pair = Pair::start(framework).await;
        let mut browser = pair.here.signed_in().await;
        let mut copy = pair.there(&browser);
        assert_eq!(copy.fetch("/").await.status, 200);
        pair.store.set(Verb::Since, Mood::Fails);
        assert_eq!(browser.logout().await.status, 200);
        for _ in 0..3 {
            pair.advance(3_000);
            assert_eq!(copy.fetch("/").await.status, 200, "not to be seen");
        }
        pair.store.set(Verb::Since, Mood::Works);
        // People do not wait for a store that was down: the look that finds it well again is behind one of them.
        for _ in 0..50 {
            pair.advance(100);
            if copy.fetch("/").await.status == 401 {
                break;
            }
        }
        assert_eq!(copy.fetch("/").await.status, 401);
        // From now on it is waited for again.
        let mut browser = pair.here.signed_in().await;
        let mut copy = pair.there(&browser);
        assert_eq!(copy.fetch("/").await.status, 200);
        assert_eq!(browser.logout().await.status, 200);
        pair.advance(2_250);
        assert_eq!(copy.fetch("/").await.status, 401);
    }

    /// D15
    async fn where_the_store_lost_logouts_everybody_signs_in_again_once(framework) {
        let pair = Pair::start(framework).await;
        for _ in 0..3 {
            assert_eq!(pair.here.signed_in().await.logout().await.status, 200);
        }
        let browser = pair.here.signed_in().await;
        let mut copy = pair.there(&browser);
        assert_eq!(copy.fetch("/").await.status, 200);
        pair.store.forget_all();
        pair.advance(3_000);
        assert_eq!(copy.fetch("/").await.status, 401);
        assert_eq!(pair.here.browser().fetch("/maybe").await.text(), "nobody");
        assert_eq!(copy.login(&pair.here.any_code()).await.status, 200);
        for _ in 0..3 {
            pair.advance(3_000);
            assert_eq!(copy.fetch("/").await.status, 200, "once is enough");
        }
        // The new log is followed like the old one.
        let mut away = copy.clone();
        away.go_to(pair.here.app.address());
        assert_eq!(away.logout().await.status, 200);
        pair.advance(2_250);
        assert_eq!(copy.fetch("/").await.status, 401);
    }

    /// D15
    async fn revoking_a_person_ends_all_their_sessions_and_nobody_elses(framework) {
        let pair = Pair::start(framework).await;
        let people = &pair.here.sandbox.world().people;
        let (manager, lina) = (&people[0], &people[1]);
        let (mut first, mut second) = (pair.here.signed_in().await, pair.here.signed_in().await);
        let mut other = pair.here.browser();
        assert_eq!(other.login(&pair.here.code(&lina.user_id)).await.status, 200);
        pair.here.dingtalk.revoke_user(&manager.corp_id, &manager.user_id).await.unwrap();
        for browser in [&mut first, &mut second] {
            assert_eq!(browser.fetch("/").await.status, 401);
            assert_eq!(pair.there(browser).fetch("/").await.status, 401);
        }
        assert_eq!(other.fetch("/").await.status, 200);
        assert_eq!(pair.there(&other).fetch("/").await.status, 200);
        // The clock has not moved.
        assert_eq!(first.login(&pair.here.any_code()).await.status, 200);
        assert_eq!(first.fetch("/").await.status, 200);
        pair.advance(5_000);
        assert_eq!(first.fetch("/").await.status, 200);
        assert_eq!(pair.there(&first).fetch("/").await.status, 200);
        assert_eq!(second.fetch("/").await.status, 401);
    }

    /// D15
    async fn revoking_a_corp_or_everything_before_a_time_ends_what_began_by_then(framework) {
        let pair = Pair::start(framework).await;
        let corp_id = &pair.here.sandbox.world().people[0].corp_id;
        let mut old = pair.here.signed_in().await;
        pair.here.dingtalk.revoke_corp("ding9f8e7d6c5b4a3f2e").await.unwrap();
        assert_eq!(old.fetch("/").await.status, 200, "another corp's");
        pair.here.dingtalk.revoke_corp(corp_id).await.unwrap();
        assert_eq!(old.fetch("/").await.status, 401);
        // A login in the minute after a revocation is dated behind that minute.
        pair.advance(60_001);
        let mut old = pair.here.signed_in().await;
        assert_eq!(old.fetch("/").await.status, 200);
        pair.advance(10_000);
        let between = pair.here.sandbox.clock().now();
        pair.advance(10_000);
        let mut new = pair.here.signed_in().await;
        pair.here.dingtalk.revoke_before(between).await.unwrap();
        assert_eq!((old.fetch("/").await.status, new.fetch("/").await.status), (401, 200));
        pair.advance(3_000);
        assert_eq!(pair.there(&old).fetch("/").await.status, 401);
        assert_eq!(pair.there(&new).fetch("/").await.status, 200);
        // A time to come counts as now: tomorrow's logins are not refused today.
        let tomorrow = pair.here.sandbox.clock().now() + Duration::from_secs(86_400);
        pair.here.dingtalk.revoke_before(tomorrow).await.unwrap();
        assert_eq!(new.fetch("/").await.status, 401);
        assert_eq!(new.login(&pair.here.any_code()).await.status, 200);
        assert_eq!(new.fetch("/").await.status, 200);
    }
}
