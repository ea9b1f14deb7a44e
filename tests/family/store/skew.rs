//! Revocations where the clocks of two instances differ by a minute.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use dingtalk_core::{DingTalk, SessionKey};
use dingtalk_sandbox::{Sandbox, World};
use dingtalk_tests::{
    Browser, FailingStore, Framework, Gate, Placement, RunningApp, both, build, sandbox,
};

use crate::session::clock::JumpingClock;

/// Two instances of one app, each with a clock of its own.
struct Skewed {
    sandbox: Sandbox,
    instances: [(DingTalk, RunningApp); 2],
}

/// The instance whose clock is right, and the one whose clock is a minute ahead.
const BEHIND: usize = 0;
const AHEAD: usize = 1;
const AHEAD_BY: u64 = 60;

impl Skewed {
    async fn start(framework: Framework) -> Self {
        let sandbox = sandbox(World::default()).await;
        let store = FailingStore::new(&sandbox);
        let key = SessionKey::generate().unwrap();
        let instances = [BEHIND, AHEAD].map(|at| {
            let clock = JumpingClock {
                clock: sandbox.clock().clone(),
                wall: Arc::new(AtomicI64::new(at as i64 * AHEAD_BY as i64)),
            };
            let dingtalk = build(&sandbox, |builder| {
                let builder = builder.clock(clock).session_key(key.clone());
                builder.store(store.clone())
            });
            let dingtalk = dingtalk.unwrap();
            let app = framework.start(dingtalk.clone(), Placement::Right, Gate::default());
            (dingtalk, app)
        });
        Self { sandbox, instances }
    }

    /// Somebody who signed in at an instance.
    async fn signed_in(&self, at: usize) -> Browser {
        let world = self.sandbox.world();
        let mut browser = Browser::new(self.instances[at].1.address());
        let code = self
            .sandbox
            .code(&world.apps[0].app_key, &world.people[0].user_id);
        assert_eq!(browser.login(&code).await.status, 200);
        browser
    }

    /// What both instances answer to somebody, when all has been seen everywhere.
    async fn seen(&self, browser: &Browser) -> [u16; 2] {
        self.sandbox.clock().advance(Duration::from_secs(3));
        let mut statuses = [0; 2];
        for (status, (_, app)) in statuses.iter_mut().zip(&self.instances) {
            let mut browser = browser.clone();
            browser.go_to(app.address());
            *status = browser.fetch("/").await.status;
        }
        statuses
    }

    /// Ends all sessions of what an instance is told.
    async fn revoke(&self, at: usize, what: &str) {
        let person = &self.sandbox.world().people[0];
        let dingtalk = &self.instances[at].0;
        let now = self.sandbox.clock().now() + Duration::from_secs(at as u64 * AHEAD_BY);
        let revoked = match what {
            "person" => dingtalk.revoke_user(&person.corp_id, &person.user_id).await,
            "corp" => dingtalk.revoke_corp(&person.corp_id).await,
            // The time that the caller read a moment ago.
            _ => dingtalk.revoke_before(now - Duration::from_millis(5)).await,
        };
        revoked.unwrap();
    }
}

both! {
    /// D15 K4
    async fn a_revocation_by_a_clock_behind_ends_sessions_dated_by_one_ahead(framework) {
        for what in ["person", "corp", "everyone"] {
            let skewed = Skewed::start(framework).await;
            let old = skewed.signed_in(AHEAD).await;
            assert_eq!(skewed.seen(&old).await, [200; 2], "{what}");
            skewed.revoke(BEHIND, what).await;
            assert_eq!(skewed.seen(&old).await, [401; 2], "{what}");
        }
    }

    /// D15 K4
    async fn a_login_right_after_a_revocation_is_good_at_every_instance(framework) {
        for what in ["person", "corp", "everyone"] {
            let skewed = Skewed::start(framework).await;
            for (by, at) in [(BEHIND, BEHIND), (BEHIND, AHEAD), (AHEAD, BEHIND), (AHEAD, AHEAD)] {
                // Both looked just now, and what follows is news to the other one.
                let old = skewed.signed_in(by).await;
                assert_eq!(skewed.seen(&old).await, [200; 2], "{what} {by} {at}");
                skewed.revoke(by, what).await;
                let new = skewed.signed_in(at).await;
                assert_eq!(skewed.seen(&new).await, [200; 2], "{what} {by} {at}");
                assert_eq!(skewed.seen(&old).await, [401; 2], "{what} {by} {at}");
            }
        }
    }

    /// D15 K4
    async fn a_second_revocation_reaches_a_login_after_the_first_wherever_it_is_made(framework) {
        for what in ["person", "corp", "everyone"] {
            let skewed = Skewed::start(framework).await;
            let old = skewed.signed_in(BEHIND).await;
            assert_eq!(skewed.seen(&old).await, [200; 2], "{what}");
            skewed.revoke(AHEAD, "person").await;
            let new = skewed.signed_in(AHEAD).await;
            // Nobody has been here since.
            skewed.revoke(BEHIND, what).await;
            assert_eq!(skewed.seen(&new).await, [401; 2], "{what}");
        }
    }
}
