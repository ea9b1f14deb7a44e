//! People's own tokens that DingTalk rejects before their time.

use dingtalk_core::Error;
use dingtalk_sandbox::route;
use dingtalk_tests::{Mood, Verb, both};
use futures_util::future::join_all;

use super::{Two, is_none, is_same, user, works};

both! {
    /// A13 H13
    async fn a_rejected_token_is_renewed_once_for_all_who_ask(framework) {
        let two = Two::start(framework).await;
        let old = two.token().await.unwrap();
        let asking = (0..50).map(|at| {
            let handle = if at % 2 == 0 { &two.setup.dingtalk } else { &two.there };
            let (handle, user, old) = (handle.clone(), two.user.clone(), old.clone());
            tokio::spawn(async move {
                handle.reject_user_token(&user, &old).await?;
                handle.user_token(&user).await
            })
        });
        let tokens = two.clock.drive(|| 1, || 0, join_all(asking)).await;
        let new = two.token().await.unwrap();
        assert!(!is_same(&new, &old) && works(&two.setup, &new).await);
        for token in tokens {
            assert!(is_same(&token.unwrap().unwrap(), &new));
        }
        assert_eq!(two.renewals(), 1);
    }

    /// H13
    async fn a_token_that_was_replaced_meanwhile_is_left_alone(framework) {
        let two = Two::start(framework).await;
        let old = two.token().await.unwrap();
        two.setup.advance(7200);
        let new = two.token().await.unwrap();
        for handle in [&two.setup.dingtalk, &two.there] {
            handle.reject_user_token(&two.user, &old).await.unwrap();
            assert!(is_same(&handle.user_token(&two.user).await.unwrap(), &new));
        }
        assert_eq!(two.renewals(), 1);
        // The new one can be rejected as well, at the other instance.
        two.there.reject_user_token(&two.user, &new).await.unwrap();
        assert!(!is_same(&two.token().await.unwrap(), &new));
        assert_eq!(two.renewals(), 2);
    }

    /// A13
    async fn a_rejection_while_a_renewal_is_under_way_makes_no_second_one(framework) {
        let two = Two::start(framework).await;
        let old = two.token().await.unwrap();
        two.setup.advance(7200);
        let hold = two.setup.sandbox.hold(route::USER_ACCESS_TOKEN);
        let first = two.ask(&two.setup.dingtalk);
        hold.wait_for(1).await;
        let mut others = Vec::new();
        for handle in [&two.there, &two.setup.dingtalk] {
            handle.reject_user_token(&two.user, &old).await.unwrap();
            others.push(two.ask(handle));
        }
        two.clock.until("one that waits", || two.waiting() == 1 || two.renewals() > 1).await;
        hold.release();
        let first = two.clock.drive(|| 1, || 0, first).await.unwrap().unwrap();
        assert!(works(&two.setup, &first).await);
        for other in two.clock.drive(|| 1, || 0, join_all(others)).await {
            assert!(is_same(&other.unwrap().unwrap(), &first));
        }
        assert_eq!(two.renewals(), 1);
    }

    async fn a_rejection_brings_nothing_back_and_is_nothing_where_no_token_is_kept(framework) {
        let two = Two::start(framework).await;
        let old = two.token().await.unwrap();
        let silent = two.setup.signed_in().await;
        let silent = user(&two.setup.dingtalk, &silent);
        two.setup.dingtalk.reject_user_token(&silent, &old).await.unwrap();
        assert!(is_same(&two.token().await.unwrap(), &old));
        assert_eq!(two.browser.clone().logout().await.status, 200);
        for handle in [&two.setup.dingtalk, &two.there] {
            handle.reject_user_token(&two.user, &old).await.unwrap();
            assert!(is_none(&handle.user_token(&two.user).await));
        }
        assert_eq!(two.renewals(), 0);
    }

    async fn a_rejection_that_the_store_does_not_take_is_told(framework) {
        let two = Two::start(framework).await;
        let old = two.token().await.unwrap();
        for verb in [Verb::Get, Verb::Put] {
            two.store.set(verb, Mood::Fails);
            let refused = two.there.reject_user_token(&two.user, &old).await;
            assert!(matches!(refused, Err(Error::Store { .. })), "{refused:?}");
            two.store.set(verb, Mood::Works);
        }
        two.there.reject_user_token(&two.user, &old).await.unwrap();
        assert!(!is_same(&two.token().await.unwrap(), &old));
    }
}
