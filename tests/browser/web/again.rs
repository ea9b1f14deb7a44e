//! Sign-ins that come to nothing: a page that says why and begins again, and nobody let in.

use dingtalk_sandbox::World;
use dingtalk_tests::both;
use dingtalk_tests::chromium::{Look, Tab};

use super::{
    BY_PASSWORD, LEGACY_PASSWORD, LEGACY_QR, TARGET, WEB, ZHANG_WEI, answer, arrive, consent,
    start, type_in, until_at,
};
use crate::stage::Stage;

both! {
    async fn whoever_says_no_reads_so_and_starts_again_for_the_same_page(framework) {
        for no in ["on the phone", "after the phone", "after the password"] {
            let stage = start(framework, World::default()).await;
            let tab = arrive(&stage, TARGET, WEB).await;
            match no {
                "on the phone" => answer(&stage, &tab, "refuse", ZHANG_WEI).await,
                "after the phone" => {
                    answer(&stage, &tab, "confirm", ZHANG_WEI).await;
                    consent(&tab, "refuse").await;
                }
                _ => {
                    type_in(&tab, "manager01", "dingtalk").await;
                    consent(&tab, "refuse").await;
                }
            }
            assert_refused(&stage, &tab, "login.declined", "DingTalk did not sign you in").await;
            assert_eq!(stage.setup.sandbox.call_count(), 0, "{no}");
            tab.press("#go").await;
            until_at(&tab, WEB).await;
            type_in(&tab, "manager01", "dingtalk").await;
            consent(&tab, "allow").await;
            assert_greeted(&stage, &tab).await;
        }
    }

    async fn whoever_says_no_to_an_older_page_starts_again_there(framework) {
        let stage = start(framework, World::default()).await;
        let by_qr = BY_PASSWORD.replace("password", "qr");
        let tab = arrive(&stage, &by_qr, LEGACY_QR).await;
        answer(&stage, &tab, "refuse", ZHANG_WEI).await;
        assert_refused(&stage, &tab, "login.declined", "DingTalk did not sign you in").await;
        assert_eq!(stage.setup.sandbox.call_count(), 0);
        tab.press("#go").await;
        until_at(&tab, LEGACY_QR).await;
        answer(&stage, &tab, "confirm", ZHANG_WEI).await;
        assert_greeted(&stage, &tab).await;
    }

    /// A11
    async fn a_stranger_reads_why_they_are_not_let_in_and_has_no_session(framework) {
        let mut world = World::default();
        // Else DingTalk's page keeps them.
        world.apps[0].admits_strangers = true;
        for (account, reason, title) in [
            ("13900000007", "login.chose_other_corp", "You chose another organisation"),
            ("13700000011", "login.not_a_member", "Your DingTalk account does not belong to this organisation"),
        ] {
            let stage = start(framework, world.clone()).await;
            let tab = arrive(&stage, TARGET, WEB).await;
            type_in(&tab, account, "dingtalk").await;
            consent(&tab, "allow").await;
            assert_refused(&stage, &tab, reason, title).await;
            // Another of their accounts is another matter.
            tab.press("#go").await;
            until_at(&tab, WEB).await;
            type_in(&tab, "manager01", "dingtalk").await;
            consent(&tab, "allow").await;
            assert_greeted(&stage, &tab).await;

            let stage = start(framework, world.clone()).await;
            let tab = arrive(&stage, BY_PASSWORD, LEGACY_PASSWORD).await;
            type_in(&tab, account, "dingtalk").await;
            let title = "Your DingTalk account does not belong to this organisation";
            assert_refused(&stage, &tab, "login.not_a_member", title).await;
            tab.open(&stage.setup.url("/orders")).await;
            until_at(&tab, WEB).await;
        }
    }

    async fn somebody_of_another_organisation_does_not_get_past_dingtalks_page(framework) {
        let stage = start(framework, World::default()).await;
        let tab = arrive(&stage, TARGET, WEB).await;
        type_in(&tab, "13900000007", "dingtalk").await;
        tab.until_text("You are not in the organisation of this app").await;
        assert_eq!(tab.count("GET", "/dingtalk/callback"), 0);
        assert_eq!(tab.errors(), Vec::<String>::new());
    }
}

/// Our page says so under this code, and there is no session.
async fn assert_refused(stage: &Stage, tab: &Tab, code: &str, title: &str) {
    tab.until_text(code).await;
    let heading = tab
        .evaluate("document.querySelector('h1').textContent")
        .await;
    assert_eq!(heading, title);
    assert_eq!(tab.count("GET", "/dingtalk/callback"), 1);
    assert_eq!(tab.errors(), Vec::<String>::new());
    let beside = stage.profile.tab(Look::DESK, None).await;
    beside.open(&stage.setup.url("/maybe")).await;
    beside.until_text("nobody").await;
}

/// The second try went through, to the page that the first was for.
async fn assert_greeted(stage: &Stage, tab: &Tab) {
    tab.until_text("hello 张伟").await;
    assert_eq!(tab.url().await, stage.setup.url(TARGET));
    assert_eq!(tab.count("GET", "/dingtalk/callback"), 2);
    assert_eq!(tab.errors(), Vec::<String>::new());
}
