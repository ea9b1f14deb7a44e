//! Opened inside DingTalk: in the app, greeted by name, where one wanted to be.

use dingtalk_tests::chromium::{Behaviour, Platform, Tab};
use dingtalk_tests::{Framework, both};
use serde_json::json;

use crate::stage::{Stage, left_by, log};

both! {
    async fn on_android_one_lands_in_the_app(framework) {
        lands(framework, Platform::Android).await;
    }

    async fn on_ios_one_lands_in_the_app(framework) {
        lands(framework, Platform::Ios).await;
    }

    async fn on_harmony_one_lands_in_the_app(framework) {
        lands(framework, Platform::Harmony).await;
    }

    async fn on_a_pc_one_lands_in_the_app(framework) {
        lands(framework, Platform::Pc).await;
    }

    async fn an_old_client_is_asked_by_the_classic_call(framework) {
        for platform in [Platform::Android, Platform::Ios, Platform::Harmony, Platform::Pc] {
            let stage = Stage::on(framework, platform).await;
            stage.client.answers(Behaviour::Old);
            let tab = stage.open("/orders?x=1").await;
            tab.until_text("hello 张伟").await;
            let (corp_id, app_key) = stage.app();
            let asked: Vec<_> = stage.client.asked().into_iter().map(|asked| (asked.method, asked.parameters)).collect();
            assert_eq!(asked, [
                ("runtime.permission.requestAuthCodeV2".to_owned(), json!({"corpId": corp_id, "clientId": app_key})),
                ("runtime.permission.requestAuthCode".to_owned(), json!({"corpId": corp_id})),
            ]);
            assert_eq!(stage.exchanges(), 1, "{platform:?}");
        }
    }

    async fn the_login_address_goes_on_to_where_it_was_told(framework) {
        let stage = Stage::on(framework, Platform::Android).await;
        let tab = stage.open("/dingtalk/login?via=client&return_to=%2Forders%3Fx%3D1%23%2F3").await;
        tab.until_text("hello 张伟").await;
        assert_eq!(tab.url().await, stage.setup.url("/orders?x=1#/3"));
        assert_eq!(stage.exchanges(), 1);
        assert_leaves_nothing(&stage, &tab).await;
    }

    async fn one_who_is_signed_in_meets_no_page_of_ours(framework) {
        let stage = Stage::on(framework, Platform::Ios).await;
        let tab = stage.open("/orders?x=1").await;
        tab.until_text("hello 张伟").await;
        stage.setup.sandbox.reset_calls();
        for target in ["/", "/orders?x=2", "/guarded/page"] {
            let tab = stage.open(target).await;
            tab.until("document.readyState === 'complete'").await;
            assert_eq!(tab.count("POST", "/dingtalk/login") + tab.count("GET", "/dingtalk/me"), 0, "{target}");
        }
        assert_eq!(stage.setup.sandbox.call_count(), 0);
        assert_eq!(stage.client.asked().len(), 1);
    }
}

async fn lands(framework: Framework, platform: Platform) {
    for target in [
        "/orders?x=1",
        "/#/orders/3",
        "/orders?corpid=%24CORPID%24#/3",
    ] {
        let stage = Stage::on(framework, platform).await;
        let tab = stage.open(target).await;
        tab.until_text("hello 张伟").await;
        assert_eq!(tab.url().await, stage.setup.url(target));
        assert_eq!(
            stage.exchanges(),
            1,
            "one exchange; {:?}",
            stage.client.asked()
        );
        assert_eq!(tab.count("POST", "/dingtalk/login"), 1);
        let (corp_id, app_key) = stage.app();
        let asked = stage.client.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].method, "runtime.permission.requestAuthCodeV2");
        assert_eq!(
            asked[0].parameters,
            json!({"corpId": corp_id, "clientId": app_key})
        );
        assert_leaves_nothing(&stage, &tab).await;
    }
}

/// The code went out once, in its header, and is nowhere else: in no URL, no referrer, no history, no storage, no log. And nothing
/// went wrong on the way.
async fn assert_leaves_nothing(stage: &Stage, tab: &Tab) {
    assert_eq!(tab.errors(), Vec::<String>::new());
    let codes = stage.client.codes();
    let left = left_by(tab).await;
    let log = log();
    assert!(log.contains("signed in"), "it did listen");
    for code in &codes {
        assert!(
            !left.contains(code),
            "the code was left in the page: {left}"
        );
        assert!(!log.contains(code), "the code was logged");
        let mut carried = 0;
        for sent in tab.sent() {
            assert!(
                !sent.url.contains(code),
                "the code is in a URL: {}",
                sent.url
            );
            if sent.headers.contains(code) {
                assert_eq!(
                    (&*sent.method, sent.url.ends_with("/dingtalk/login")),
                    ("POST", true)
                );
                carried += 1;
            }
        }
        assert_eq!(carried, 1);
    }
    // As many entries as a page that never signs in: the way back leads out of the app.
    let plain = stage.open("/public").await;
    plain.until_text("public").await;
    assert_eq!(
        tab.evaluate("history.length").await,
        plain.evaluate("history.length").await
    );
}
