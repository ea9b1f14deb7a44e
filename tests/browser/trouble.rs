//! What can go wrong on the way in: each has its own text, nothing loops, and no more than three codes are traded.

use dingtalk_core::InternalApp;
use dingtalk_sandbox::{Fault, World, route};
use dingtalk_tests::both;
use dingtalk_tests::chromium::{Behaviour, Look, Platform, Tab};
use serde_json::json;

use crate::stage::Stage;

both! {
    async fn a_person_who_cancels_is_not_asked_again_before_the_button_is_pressed(framework) {
        for platform in [Platform::Android, Platform::Ios, Platform::Harmony, Platform::Pc] {
            let stage = Stage::on(framework, platform).await;
            stage.client.answers(Behaviour::Cancelling);
            let tab = stage.open("/orders?x=1").await;
            told(&tab, "client.cancelled", "You cancelled signing in").await;
            assert_eq!(stage.client.asked().len(), 1, "{platform:?}: the classic call does not ask a second time");
            assert_eq!(stage.setup.sandbox.call_count(), 0);
            stage.client.answers(Behaviour::Normal);
            tab.press("#again").await;
            tab.until_text("hello 张伟").await;
            assert_eq!(tab.url().await, stage.setup.url("/orders?x=1"));
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
    }

    async fn a_bridge_that_does_not_answer_is_not_waited_for_long(framework) {
        for behaviour in [Behaviour::Silent, Behaviour::Absent] {
            for platform in [Platform::Android, Platform::Ios, Platform::Harmony, Platform::Pc] {
                let stage = Stage::on(framework, platform).await;
                stage.client.answers(behaviour.clone());
                let tab = stage.tab().await;
                tab.hurry(5_000).await;
                tab.open(&stage.setup.url("/")).await;
                match (&behaviour, platform) {
                    // Only its bridge tells the desktop's client from a browser.
                    (Behaviour::Absent, Platform::Pc) => told(&tab, "browser.not_in_dingtalk", "This page opens inside DingTalk").await,
                    _ => told(&tab, "client.no_answer", "DingTalk does not answer this page").await,
                }
                let asked = if behaviour == Behaviour::Silent { 2 } else { 0 };
                assert_eq!(stage.client.asked().len(), asked, "{platform:?}: each call once");
                assert_eq!(stage.setup.sandbox.call_count(), 0);
                assert_eq!(tab.errors(), Vec::<String>::new());
            }
        }
    }

    async fn each_refusal_of_the_client_has_its_own_text(framework) {
        let stage = Stage::on(framework, Platform::Android).await;
        for (error, code, title) in [
            (json!(3), "client.app_not_found · 3", "does not know this page as an app of your organisation"),
            (json!("3"), "client.app_not_found · 3", "does not know this page as an app of your organisation"),
            (json!(7), "client.app_not_found · 7", "does not know this page as an app of your organisation"),
            (json!("PC_1005"), "client.app_not_found · PC_1005", "does not know this page as an app of your organisation"),
            (json!("PC_1007"), "client.app_not_found · PC_1007", "does not know this page as an app of your organisation"),
            (json!("PC_1009"), "client.app_not_found · PC_1009", "does not know this page as an app of your organisation"),
            (json!(1), "client.too_old", "This DingTalk is too old"),
            (json!(2), "client.failed · 2", "DingTalk could not give a login code"),
            (json!("<img src=x>"), "client.failed · imgsrcx", "DingTalk could not give a login code"),
            (json!("-1"), "client.cancelled", "You cancelled signing in"),
            (json!("PC_1011"), "client.cancelled", "You cancelled signing in"),
        ] {
            stage.client.answers(Behaviour::Failing(error, "对应企业没有xxxx域名微应用"));
            let tab = stage.open("/").await;
            told(&tab, code, title).await;
            assert!(!tab.text().await.contains("xxxx"), "the client's own words are not repeated");
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
        assert_eq!(stage.setup.sandbox.call_count(), 0);
    }

    async fn a_client_of_another_organisation_gives_no_code_and_the_page_says_so(framework) {
        let mut world = World::default();
        let elsewhere = world.apps.remove(2);
        let ours = world.apps[0].clone();
        world.apps.insert(0, elsewhere);
        // The handle is the first company's; the client is signed in to the other.
        let stage = Stage::in_world(framework, Platform::Android, world, |builder| {
            builder.internal_app(InternalApp::new(ours.corp_id.clone(), ours.app_key, ours.app_secret))
        }).await;
        let tab = stage.open(&format!("/?corpid={}", ours.corp_id)).await;
        told(&tab, "client.app_not_found · 3", "does not know this page as an app of your organisation").await;
        assert_eq!(stage.setup.sandbox.call_count(), 0);
    }

    async fn somebody_outside_the_apps_range_reads_who_can_change_that(framework) {
        let mut world = World::default();
        world.apps[0].visible_departments = vec![2];
        let stage = Stage::in_world(framework, Platform::Ios, world, |builder| builder).await;
        stage.client.switch_to("visitor06");
        let tab = stage.open("/").await;
        told(&tab, "app.not_authorised", "Your organisation has not authorised this app").await;
        // DingTalk has one error for both.
        assert!(tab.text().await.contains("An administrator can authorise it, and put you into its range"));
        assert_eq!(stage.exchanges(), 1);
        assert_eq!(tab.errors(), Vec::<String>::new());
        stage.client.switch_to("zhaolei04");
        tab.press("#again").await;
        told(&tab, "login.person_disabled", "Your account is disabled").await;
        assert_eq!(stage.exchanges(), 2);
    }

    /// B8
    async fn codes_that_are_never_good_are_asked_for_three_times_and_no_more(framework) {
        for behaviour in [Behaviour::Normal, Behaviour::Repeating] {
            let stage = Stage::on(framework, Platform::Pc).await;
            stage.client.answers(behaviour.clone());
            stage.setup.sandbox.fault(Fault::errcode(40078).on(route::GETUSERINFO));
            let tab = stage.open("/orders?x=1").await;
            told(&tab, "login.code_", "The login code").await;
            assert_eq!(tab.count("POST", "/dingtalk/login"), 3, "{behaviour:?}");
            let exchanges = if behaviour == Behaviour::Normal { 3 } else { 1 };
            assert_eq!(stage.exchanges(), exchanges, "{behaviour:?}");
            // Neither a reload nor another page of the app begins anew.
            for target in ["/orders?x=1", "/"] {
                tab.open(&stage.setup.url(target)).await;
                told(&tab, "browser.too_many_attempts", "Signing in did not last").await;
            }
            tab.reload().await;
            told(&tab, "browser.too_many_attempts", "Signing in did not last").await;
            assert_eq!((stage.exchanges(), stage.client.asked().len()), (exchanges, 3), "{behaviour:?}");
            // By hand it goes once at a time.
            tab.press("#again").await;
            told(&tab, "login.code_", "The login code").await;
            assert_eq!(stage.client.asked().len(), 4, "{behaviour:?}");
            stage.setup.sandbox.clear_faults();
            stage.client.answers(Behaviour::Normal);
            tab.press("#again").await;
            tab.until_text("hello 张伟").await;
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
    }

    /// B8
    async fn a_browser_whose_storage_is_full_asks_no_more_often(framework) {
        let stage = Stage::on(framework, Platform::Android).await;
        stage.setup.sandbox.fault(Fault::errcode(40078).on(route::GETUSERINFO));
        let tab = stage.open("/public").await;
        tab.until_text("public").await;
        tab.evaluate(FILL_STORAGE).await;
        tab.open(&stage.setup.url("/orders?x=1")).await;
        told(&tab, "login.code_", "The login code").await;
        assert_eq!((tab.count("POST", "/dingtalk/login"), stage.exchanges()), (3, 3));
        tab.reload().await;
        told(&tab, "browser.too_many_attempts", "Signing in did not last").await;
        assert_eq!((stage.exchanges(), tab.errors()), (3, Vec::new()));
    }

    async fn what_a_gateway_answers_in_the_apps_place_is_not_taken_for_an_answer_of_ours(framework) {
        let stage = Stage::on(framework, Platform::Android).await;
        for (status, body) in [(403, r#"{"code":403,"message":"blocked"}"#), (401, r#"{"code":"AuthFailed"}"#), (200, r#"{"ok":true}"#), (200, "null")] {
            let tab = stage.tab().await;
            tab.run_first(format!("window.fetch = () => Promise.resolve(new Response('{body}', {{ status: {status} }}));")).await;
            tab.open(&stage.setup.url("/")).await;
            told(&tab, &format!("setup.login_unreachable · {status}"), "This app's login address does not answer").await;
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
    }

    async fn a_browser_that_keeps_no_cookies_costs_one_code_and_says_what_to_change(framework) {
        let stage = Stage::without_cookies(framework, Platform::Android).await;
        let tab = stage.open("/orders?x=1").await;
        told(&tab, "browser.cookies_blocked", "Your browser did not keep the sign-in").await;
        assert!(tab.text().await.contains("Allow cookies for this site"));
        assert_eq!((stage.exchanges(), tab.count("POST", "/dingtalk/login")), (1, 1));
        assert_eq!(tab.count("GET", "/orders"), 1, "it is not loaded again");
        assert_eq!(tab.errors(), Vec::<String>::new());
    }

    async fn what_cannot_be_reached_is_named(framework) {
        let stage = Stage::on(framework, Platform::Harmony).await;
        let tab = stage.profile.tab(Look { has_jsapi: false, ..Look::PHONE }, Some(&stage.client)).await;
        tab.open(&stage.setup.url("/")).await;
        told(&tab, "browser.script_unavailable", "DingTalk's script did not load").await;
        assert_eq!(stage.client.asked(), []);
        for (path, exchanges) in [("/dingtalk/login", 0), ("/dingtalk/me", 1)] {
            let tab = stage.tab().await;
            tab.cut_off(path).await;
            tab.open(&stage.setup.url("/orders")).await;
            told(&tab, "browser.network", "This app cannot be reached").await;
            assert_eq!(stage.exchanges(), exchanges, "{path}");
        }
    }

    async fn a_dingtalk_in_trouble_is_asked_three_times_at_most_and_then_said_to_be(framework) {
        for (fault, exchanges) in [(Fault::status(503), 1), (Fault::errcode(-1), 3), (Fault::raw(200, "text/html", "<html>"), 1)] {
            let stage = Stage::on(framework, Platform::Android).await;
            stage.setup.sandbox.fault(fault.clone().on(route::GETUSERINFO));
            let tab = stage.tab().await;
            tab.hurry(4_000).await;
            tab.open(&stage.setup.url("/")).await;
            told(&tab, "dingtalk.", "DingTalk").await;
            assert_eq!((stage.exchanges(), tab.count("POST", "/dingtalk/login")), (exchanges, exchanges), "{fault:?}");
            assert_eq!(stage.client.codes().len(), exchanges, "a code each");
        }
    }

    async fn outside_dingtalk_one_reads_how_to_open_the_app_and_dingtalk_is_not_asked(framework) {
        let stage = Stage::on(framework, Platform::Android).await;
        let (corp_id, _) = stage.app();
        for target in ["/orders?x=1".to_owned(), "/?corpid=$CORPID$".to_owned(), format!("/?corpid={corp_id}")] {
            let tab = stage.outside().await;
            tab.open(&stage.setup.url(&target)).await;
            tab.until_text("DingTalk").await;
            tab.until("document.readyState === 'complete'").await;
            assert!(tab.text().await.contains("workbench"), "{target}: {}", tab.text().await);
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
        // An address that says it is inside is not believed by DingTalk's script.
        let tab = stage.outside().await;
        tab.open(&stage.setup.url("/dingtalk/login?via=client&return_to=/orders")).await;
        told(&tab, "browser.not_in_dingtalk", "This page opens inside DingTalk").await;
        assert!(tab.text().await.contains("workbench"));
        assert_eq!(stage.setup.sandbox.call_count(), 0);
        assert_eq!(stage.client.asked(), []);
    }

    async fn a_corp_that_is_not_named_or_not_known_is_a_page_and_no_call(framework) {
        let world = World::default();
        let other = world.apps[2].clone();
        let stage = Stage::with(framework, Platform::Ios, |builder| {
            builder.internal_app(InternalApp::new(other.corp_id, other.app_key, other.app_secret))
        }).await;
        for (target, code) in [
            ("/", "login.corp_unclear"),
            ("/?corpid=$CORPID$", "login.corp_unclear"),
            ("/?corpid=%24CORPID%24", "login.corp_unclear"),
            ("/?corpid=ding0000000000000000", "login.corp_unknown"),
            ("/?corpid=%3Cscript%3E", "login.corp_unknown"),
            ("/dingtalk/login?return_to=/&corpid=$CORPID$", "login.corp_unclear"),
        ] {
            let tab = stage.open(target).await;
            tab.until_text(code).await;
            assert!(tab.text().await.contains("workbench"), "{target}: {}", tab.text().await);
            assert_eq!(tab.errors(), Vec::<String>::new());
        }
        assert_eq!(stage.setup.sandbox.call_count(), 0);
        assert_eq!(stage.client.asked(), []);
        // Filled in, it works, for either.
        let (corp_id, _) = stage.app();
        let tab = stage.open(&format!("/?corpid={corp_id}")).await;
        tab.until_text("hello 张伟").await;
    }
}

/// Leaves no room for another character of session storage.
const FILL_STORAGE: &str = "(() => {
    for (let size = 1 << 22; size > 0; size >>= 1) {
        try {
            sessionStorage.setItem(`full-${size}`, 'x'.repeat(size));
        } catch (error) { /* half of it may fit */ }
    }
    return true;
})()";

/// The page has come to rest on a text, with its reference, and offers to try again.
async fn told(tab: &Tab, code: &str, title: &str) {
    tab.until(&format!(
        "!!document.querySelector('#again:not([hidden])') && document.getElementById('reference').textContent.includes({})",
        json!(code)
    ))
    .await;
    let heading = tab.evaluate("document.querySelector('h1').innerText").await;
    assert!(heading.as_str().unwrap().contains(title), "{heading}");
    assert_eq!(tab.evaluate("document.title").await, heading);
}
