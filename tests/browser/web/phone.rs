//! A sign-in that a phone's browser begins and its DingTalk ends: DingTalk's page has opened the client, and the way back leads there.

use dingtalk_sandbox::{World, route};
use dingtalk_tests::both;
use dingtalk_tests::chromium::{Chromium, Look};

use super::{TARGET, WEB, ZHANG_WEI, arrive, consent, start};

both! {
    /// A1, A12
    async fn a_way_back_into_the_client_is_a_silent_login_for_the_same_page(framework) {
        let stage = start(framework, World::default()).await;
        let sandbox = &stage.setup.sandbox;
        let browser = arrive(&stage, TARGET, WEB).await;
        let step = browser.evaluate("document.body.dataset.step").await;
        let waiting = sandbox.sign_ins();
        sandbox.confirm_sign_in(&waiting[0].id, ZHANG_WEI).unwrap();
        // The client has cookies of its own.
        let profile = Chromium::shared().await.profile().await;
        let tab = profile.tab(Look::PHONE, Some(&stage.client)).await;
        tab.open(&format!("{}{}", sandbox.url(), step.as_str().unwrap())).await;
        consent(&tab, "allow").await;
        tab.until_text("hello 张伟").await;
        assert_eq!(tab.url().await, stage.setup.url(TARGET));
        assert_eq!(tab.count("GET", "/dingtalk/callback"), 1);
        // The callback's code is left alone, and stays where it came.
        assert_eq!((stage.exchanges(), sandbox.call_count_of(route::USER_ACCESS_TOKEN)), (1, 0));
        assert_eq!(tab.errors(), Vec::<String>::new());
        super::assert_leaves_no_code(&tab).await;
    }
}
