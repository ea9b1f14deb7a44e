//! What the store has of people's own tokens.

use dingtalk_core::Store;
use dingtalk_sandbox::route;
use dingtalk_tests::{Mood, Verb, both};

use super::{Two, is_none, is_same, sign_in, user, works};

/// The keys and values of tokens in the store, without leases.
async fn tokens(two: &Two) -> Vec<(String, dingtalk_core::Entry)> {
    let mut entries = two.store.entries("user-token:").await;
    entries.retain(|(key, _)| key.matches(':').count() == 1);
    entries
}

both! {
    async fn a_logout_takes_the_token_along_for_good(framework) {
        for renewed in [0, 3] {
            let two = Two::start(framework).await;
            for _ in 0..renewed {
                two.setup.advance(7200);
                assert!(two.token().await.is_ok());
            }
            two.setup.advance(7200);
            // A renewal is under way while the person signs out.
            let hold = two.setup.sandbox.hold(route::USER_ACCESS_TOKEN);
            let renewing = two.ask(&two.there);
            hold.wait_for(1).await;
            assert_eq!(two.browser.clone().logout().await.status, 200);
            hold.release();
            assert!(is_none(&renewing.await.unwrap()));
            for handle in [&two.setup.dingtalk, &two.there] {
                assert!(is_none(&handle.user_token(&two.user).await));
            }
            let left = tokens(&two).await;
            assert!(left.iter().all(|(_, entry)| entry.value.is_empty()), "after {renewed} renewals");
        }
    }

    /// G1
    async fn neither_the_store_nor_the_browser_can_read_a_token(framework) {
        let two = Two::start(framework).await;
        let token = two.token().await.unwrap();
        let secret = token.secret().expose();
        let entries = two.store.entries("").await;
        assert!(entries.iter().any(|(key, _)| key.starts_with("user-token:")));
        for (key, entry) in entries {
            let value = String::from_utf8_lossy(&entry.value).into_owned();
            assert!(!key.contains(secret) && !value.contains(secret) && !value.contains("access"), "{key}");
        }
        // What the session's cookie has is what it has where no token is kept.
        let plain = super::super::start(framework).await;
        let mut without = plain.browser();
        sign_in(&plain, &mut without, "/").await;
        let length = |browser: &dingtalk_tests::Browser| browser.session().unwrap().1.len();
        assert_eq!(length(&two.browser), length(&without));
    }

    async fn a_value_moved_to_another_persons_key_is_nobodys(framework) {
        let two = Two::start(framework).await;
        let before = tokens(&two).await;
        let mut browser = two.setup.browser();
        sign_in(&two.setup, &mut browser, "/").await;
        let other = user(&two.setup.dingtalk, &browser);
        let (key, entry) = tokens(&two).await.into_iter().find(|entry| !before.contains(entry)).unwrap();
        let (_, mut moved) = before.into_iter().next().unwrap();
        assert!(two.setup.dingtalk.user_token(&other).await.is_ok());
        moved.version = entry.version + 3;
        assert!(two.store.put(&key, &moved, std::time::Duration::from_secs(60)).await.unwrap());
        assert!(is_none(&two.setup.dingtalk.user_token(&other).await));
        assert!(two.token().await.is_ok(), "whose it is has it");
    }

    async fn a_renewed_token_reaches_a_store_that_answers_at_the_third_try(framework) {
        let two = Two::start(framework).await;
        two.setup.advance(7200);
        let puts = two.store.calls(Verb::Put);
        two.store.set(Verb::Put, Mood::Hangs);
        let renewing = two.ask(&two.setup.dingtalk);
        for tries in 1..3 {
            two.clock.until("a try", || two.store.calls(Verb::Put) == puts + tries).await;
            two.store.wait_for(1).await;
            two.setup.advance(1);
        }
        two.clock.until("the third try", || two.store.calls(Verb::Put) == puts + 3).await;
        two.store.set(Verb::Put, Mood::Works);
        let token = renewing.await.unwrap().unwrap();
        assert!(works(&two.setup, &token).await);
        assert!(is_same(&two.there.user_token(&two.user).await.unwrap(), &token));
        assert_eq!(two.renewals(), 1);
    }
}
