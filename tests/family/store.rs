//! Faults while deciding, and a store that is down.

mod instances;
mod skew;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dingtalk_core::Error;
use dingtalk_sandbox::{World, route};
use dingtalk_tests::{FailingStore, Framework, Mood, Placement, Setup, Verb, both, sandbox};

async fn one(framework: Framework) -> (Setup, FailingStore) {
    let sandbox = sandbox(World::default()).await;
    let store = FailingStore::new(&sandbox);
    let setup = Setup::on(framework, Placement::Right, sandbox, |builder| {
        builder.store(store.clone())
    });
    (setup, store)
}

both! {
    /// D21
    async fn a_fault_while_deciding_is_503_and_never_nobody(framework) {
        let is_broken = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&is_broken);
        let setup = Setup::with(framework, move |builder| {
            builder.corp_of(move |_| match switch.load(Ordering::Relaxed) {
                true => Err("the directory of tenants is away".into()),
                false => Ok(None),
            })
        })
        .await;
        let mut somebody = setup.signed_in().await;
        let mut nobody = setup.browser();
        is_broken.store(true, Ordering::Relaxed);
        for path in ["/", "/maybe", "/option", "/guarded/page", "/dingtalk/me"] {
            for browser in [&mut somebody, &mut nobody] {
                let answer = browser.fetch(path).await;
                assert_eq!((answer.status, answer.code()), (503, "app.failed".into()), "{path}");
                assert!(!answer.text().contains("directory"), "{}", answer.text());
                assert!(answer.header("retry-after").is_some());
                assert_eq!(answer.header("set-cookie"), None, "{path}");
            }
        }
        assert_eq!(somebody.fetch("/public").await.status, 200, "nobody was asked for");
        is_broken.store(false, Ordering::Relaxed);
        assert!(somebody.fetch("/option").await.text().starts_with("hello"));
        assert_eq!(nobody.fetch("/option").await.text(), "nobody");
    }

    /// D21
    async fn a_fault_while_deciding_spends_no_code(framework) {
        let is_broken = Arc::new(AtomicBool::new(true));
        let switch = Arc::clone(&is_broken);
        let setup = Setup::with(framework, move |builder| {
            builder.corp_of(move |_| match switch.load(Ordering::Relaxed) {
                true => Err("the directory of tenants is away".into()),
                false => Ok(None),
            })
        })
        .await;
        let code = setup.any_code();
        let answer = setup.browser().login(&code).await;
        assert_eq!((answer.status, answer.code()), (503, "app.failed".into()));
        assert_eq!(setup.sandbox.call_count(), 0);
        is_broken.store(false, Ordering::Relaxed);
        assert_eq!(setup.browser().login(&code).await.status, 200);
    }

    /// D21
    async fn a_store_that_is_down_ends_no_session_and_takes_no_logout(framework) {
        let (setup, store) = one(framework).await;
        let mut browser = setup.signed_in().await;
        let session = browser.session();
        store.set_all(Mood::Fails);
        for _ in 0..3 {
            for path in ["/", "/maybe", "/guarded/page", "/dingtalk/me"] {
                assert_eq!(browser.fetch(path).await.status, 200, "{path}");
            }
            let answer = browser.logout().await;
            assert_eq!((answer.status, answer.code()), (503, "store.unavailable".into()));
            assert!(answer.header("retry-after").is_some());
            assert_eq!(answer.header("set-cookie"), None, "a logout that failed keeps the cookie");
            setup.advance(600);
        }
        assert!(browser.session().is_some());
        store.set_all(Mood::Works);
        assert_eq!(browser.logout().await.status, 200);
        assert_eq!(browser.session(), None);
        let (name, value) = session.unwrap();
        browser.cookies.insert(name, value);
        assert_eq!(browser.fetch("/").await.status, 401);
    }

    /// D21
    async fn a_store_that_is_down_refuses_a_login_before_its_code_is_spent(framework) {
        let (setup, store) = one(framework).await;
        let code = setup.any_code();
        let mut browser = setup.browser();
        store.set_all(Mood::Fails);
        for _ in 0..2 {
            let answer = browser.login(&code).await;
            assert_eq!((answer.status, answer.code()), (503, "store.unavailable".into()));
        }
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 0);
        store.set_all(Mood::Works);
        let answer = browser.login(&code).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// D21
    async fn a_store_that_hangs_is_not_waited_for_long(framework) {
        let (setup, store) = one(framework).await;
        let mut browser = setup.signed_in().await;
        setup.advance(3);
        store.set_all(Mood::Hangs);
        // The look behind it and the wait for it: two sleepers.
        let (answer, ()) = tokio::join!(browser.fetch("/"), async {
            setup.asleep(2).await;
            setup.sandbox.clock().advance(Duration::from_millis(250));
        });
        assert_eq!(answer.status, 200);
        let code = setup.any_code();
        let mut other = setup.browser();
        let answer = setup.as_time_passes(other.login(&code)).await;
        assert_eq!((answer.status, answer.code()), (503, "store.unavailable".into()));
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1, "only the first login's");
    }

    /// D21
    async fn a_store_that_is_down_is_not_asked_by_every_request(framework) {
        let (setup, store) = one(framework).await;
        let mut browser = setup.signed_in().await;
        setup.advance(5);
        store.set_all(Mood::Fails);
        let before = store.calls(Verb::Since);
        for _ in 0..30 {
            assert_eq!(browser.fetch("/").await.status, 200);
        }
        assert_eq!(store.calls(Verb::Since) - before, 1);
        setup.advance(2);
        for _ in 0..30 {
            assert_eq!(browser.fetch("/").await.status, 200);
        }
        assert_eq!(store.calls(Verb::Since) - before, 2);
    }

    /// D21
    async fn a_revocation_that_the_store_did_not_take_is_an_error_and_ends_nothing(framework) {
        let (setup, store) = one(framework).await;
        let mut browser = setup.signed_in().await;
        let person = &setup.sandbox.world().people[0];
        store.set(Verb::Append, Mood::Fails);
        let revoked = setup.dingtalk.revoke_user(&person.corp_id, &person.user_id).await;
        assert!(matches!(&revoked, Err(error @ Error::Store { .. }) if error.is_retryable()), "{revoked:?}");
        assert!(setup.dingtalk.revoke_corp(&person.corp_id).await.is_err());
        assert_eq!(browser.fetch("/").await.status, 200);
    }

    /// D15
    async fn signing_out_again_and_again_writes_once(framework) {
        let (setup, store) = one(framework).await;
        let signed_in = setup.signed_in().await;
        for _ in 0..5 {
            assert_eq!(signed_in.clone().logout().await.status, 200);
        }
        assert_eq!(store.calls(Verb::Append), 1);
    }
}
