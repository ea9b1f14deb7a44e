//! The sandbox's own client page: an app in its frame, on another site, with its stand-in for DingTalk's script.

use dingtalk_core::DingTalkBuilder;
use dingtalk_sandbox::Sandbox;
use dingtalk_tests::both;
use dingtalk_tests::chromium::{Look, Tab};

use crate::stage::Stage;

both! {
    async fn one_click_on_the_start_page_shows_a_login(framework) {
        let stage = Stage::beside(framework, in_the_sandboxs_client).await;
        let tab = stage.profile.tab(Look::DESK, None).await;
        tab.open(stage.setup.sandbox.url()).await;
        tab.until("!!document.querySelector('.welcome a.primary')").await;
        tab.press(".welcome a.primary").await;
        tab.until_framed_text("hello 张伟").await;
        tab.until("document.querySelectorAll('#asked li').length === 1").await;
        assert!(tab.url().await.starts_with("http://localhost:"), "the app is framed from another site");
        assert_eq!(stage.exchanges(), 1);
        // To open it again is to sign in again.
        tab.press("#reload").await;
        tab.until("document.querySelectorAll('#asked li').length === 2").await;
        tab.until_framed_text("hello 张伟").await;
        assert_eq!((stage.exchanges(), tab.errors()), (2, Vec::new()));
    }

    async fn somebody_else_and_another_device_are_greeted_by_their_name(framework) {
        let stage = Stage::beside(framework, in_the_sandboxs_client).await;
        for (user_id, name) in [("lina02", "李娜"), ("sunli05", "孙丽")] {
            for device in ["android", "ios", "pc"] {
                let tab = open(&stage, user_id, &format!("device={device}")).await;
                tab.until_framed_text(&format!("hello {name}")).await;
                assert_eq!(tab.errors(), Vec::<String>::new());
                tab.evaluate_framed("fetch('/dingtalk/logout', { method: 'POST' }).then((answer) => answer.status)").await;
                stage.setup.advance(1);
            }
        }
    }

    async fn a_frame_that_the_app_does_not_allow_says_what_to_set(framework) {
        let stage = Stage::beside(framework, |builder, sandbox| {
            builder.jsapi_script(format!("{}/sandbox/jsapi.js", sandbox.url()))
        }).await;
        let tab = open(&stage, "manager01", "").await;
        tab.until_framed_text("browser.framed").await;
        assert_eq!(stage.setup.sandbox.call_count(), 0);
    }

    async fn in_a_tab_of_its_own_ordinary_cookies_do(framework) {
        let stage = Stage::beside(framework, |builder, sandbox| {
            builder.jsapi_script(format!("{}/sandbox/jsapi.js", sandbox.url()))
        }).await;
        let client = open(&stage, "lina02", "").await;
        client.until_framed_text("browser.framed").await;
        let app = stage.profile.opened_by(&client, "#tab").await;
        app.until_text("hello 李娜").await;
        assert_eq!(app.url().await, stage.setup.url(&format!("/?corpid={}", stage.app().0)));
        assert_eq!(stage.exchanges(), 1);
        app.reload().await;
        app.until_text("hello 李娜").await;
        assert_eq!((stage.exchanges(), app.errors()), (1, Vec::new()));
    }

    async fn each_switch_of_the_client_shows_its_text(framework) {
        let stage = Stage::beside(framework, in_the_sandboxs_client).await;
        for (switch, told) in [
            ("answer=cancelled", "client.cancelled"),
            ("answer=wrong_corp", "client.app_not_found"),
            ("answer=wrong_domain", "client.app_not_found"),
            ("answer=not_authorised", "client.app_not_found"),
            ("answer=unknown_method", "client.too_old"),
            ("answer=nothing", "client.no_answer"),
            ("old=1", "hello 张伟"),
        ] {
            let tab = stage.profile.tab(Look::DESK, None).await;
            if switch == "answer=nothing" {
                tab.hurry(5_000).await;
            }
            tab.open(&address(&stage, "manager01", switch)).await;
            tab.until_framed_text(told).await;
            assert_eq!(stage.exchanges(), usize::from(switch == "old=1"), "{switch}");
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
    }

    async fn opened_from_a_chat_or_in_a_browser_nothing_names_the_corp(framework) {
        let stage = Stage::beside(framework, in_the_sandboxs_client).await;
        let tab = open(&stage, "manager01", "from=chat").await;
        tab.until_framed_text("hello 张伟").await;
        let outside = tab.evaluate("document.querySelector('.menu a').href").await;
        let browser = stage.outside().await;
        browser.open(outside.as_str().unwrap()).await;
        browser.until_text("workbench").await;
        assert_eq!(stage.exchanges(), 1);
    }
}

/// As the demo's apps are set.
fn in_the_sandboxs_client(builder: DingTalkBuilder, sandbox: &Sandbox) -> DingTalkBuilder {
    let url = sandbox.url();
    builder
        .jsapi_script(format!("{url}/sandbox/jsapi.js"))
        .framed_by([url, &url.replace("127.0.0.1", "localhost")])
}

async fn open(stage: &Stage, user_id: &str, query: &str) -> Tab {
    let tab = stage.profile.tab(Look::DESK, None).await;
    tab.open(&address(stage, user_id, query)).await;
    tab
}

fn address(stage: &Stage, user_id: &str, query: &str) -> String {
    let (_, app_key) = stage.app();
    let client = stage.setup.sandbox.client_url(&app_key, user_id);
    format!("{}&{query}", client.unwrap())
}
