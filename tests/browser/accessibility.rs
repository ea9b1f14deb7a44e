//! Every page, in every state it comes to rest in, as axe-core sees it: small and large, light and dark, in both languages. Each is
//! left as a picture in `target/tmp/pages`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod sandbox;
mod web;

use std::path::Path;

use dingtalk_core::InternalApp;
use dingtalk_sandbox::{Fault, World, route};
use dingtalk_tests::Framework;
use dingtalk_tests::chromium::{Behaviour, Look, Platform, Tab};
use serde_json::json;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_silent_login_page_has_no_barrier_whatever_it_tells() {
    let stage = stage(|world| world).await;
    for (name, behaviour, rests) in [
        ("busy", Behaviour::Silent, "busy"),
        ("cancelled", Behaviour::Cancelling, "client.cancelled"),
        (
            "app_not_found",
            Behaviour::Failing(json!(3), ""),
            "client.app_not_found",
        ),
        (
            "too_old",
            Behaviour::Failing(json!(1), ""),
            "client.too_old",
        ),
        ("failed", Behaviour::Failing(json!(2), ""), "client.failed"),
    ] {
        stage.client.answers(behaviour);
        for look in LOOKS {
            let tab = stage.profile.tab(look, Some(&stage.client)).await;
            tab.open(&stage.setup.url("/")).await;
            match rests {
                "busy" => {
                    tab.until("!!document.querySelector('#busy:not([hidden])')")
                        .await
                }
                code => tab.until_text(code).await,
            }
            assert_no_barrier(&tab, name, look).await;
        }
    }
    for look in LOOKS {
        stage.client.answers(Behaviour::Silent);
        let tab = stage.profile.tab(look, Some(&stage.client)).await;
        tab.hurry(5_000).await;
        tab.open(&stage.setup.url("/")).await;
        tab.until_text("client.no_answer").await;
        assert_no_barrier(&tab, "no_answer", look).await;

        let unreachable = Look {
            has_jsapi: false,
            ..look
        };
        let tab = stage.profile.tab(unreachable, Some(&stage.client)).await;
        tab.open(&stage.setup.url("/")).await;
        tab.until_text("browser.script_unavailable").await;
        assert_no_barrier(&tab, "script_unavailable", look).await;

        stage.client.answers(Behaviour::Normal);
        let tab = stage.profile.tab(look, Some(&stage.client)).await;
        tab.cut_off("/dingtalk/login").await;
        tab.open(&stage.setup.url("/")).await;
        tab.until_text("browser.network").await;
        assert_no_barrier(&tab, "network", look).await;

        let tab = stage.profile.tab(look, None).await;
        tab.open(&stage.setup.url("/dingtalk/login?via=client"))
            .await;
        tab.until_text("browser.not_in_dingtalk").await;
        assert_no_barrier(&tab, "not_in_dingtalk", look).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_has_no_barrier() {
    let stage = stage(|mut world| {
        world.apps[0].visible_departments = vec![2];
        world
    })
    .await;
    for look in LOOKS {
        // DingTalk's calls per second are counted on the one clock.
        stage.setup.advance(2);
        for (user_id, code) in [
            ("visitor06", "app.not_authorised"),
            ("zhaolei04", "login.person_disabled"),
        ] {
            stage.client.switch_to(user_id);
            let tab = stage.profile.tab(look, Some(&stage.client)).await;
            tab.open(&stage.setup.url("/")).await;
            tab.until_text(code).await;
            assert_no_barrier(&tab, code, look).await;
        }
        stage.client.switch_to("manager01");
        let invalid = Fault::errcode(40078).on(route::GETUSERINFO);
        stage.setup.sandbox.fault(invalid);
        let tab = stage.profile.tab(look, Some(&stage.client)).await;
        tab.open(&stage.setup.url("/")).await;
        tab.until_text("login.code_").await;
        assert_no_barrier(&tab, "code_invalid", look).await;
        tab.reload().await;
        tab.until_text("browser.too_many_attempts").await;
        assert_no_barrier(&tab, "too_many_attempts", look).await;
        stage.setup.sandbox.clear_faults();
        stage
            .setup
            .sandbox
            .fault(Fault::status(503).on(route::GETUSERINFO));
        let tab = stage.profile.tab(look, Some(&stage.client)).await;
        tab.open(&stage.setup.url("/")).await;
        tab.until_text("dingtalk.").await;
        assert_no_barrier(&tab, "dingtalk_in_trouble", look).await;
        stage.setup.sandbox.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_cookies_are_blocked_the_page_has_no_barrier() {
    let stage = Stage::without_cookies(Framework::Axum, Platform::Android).await;
    for look in LOOKS {
        let tab = stage.profile.tab(look, Some(&stage.client)).await;
        tab.open(&stage.setup.url("/")).await;
        tab.until_text("browser.cookies_blocked").await;
        assert_no_barrier(&tab, "cookies_blocked", look).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_without_a_script_have_no_barrier() {
    let other = World::default().apps.remove(2);
    let stage = Stage::with(Framework::Axum, Platform::Ios, |builder| {
        builder.internal_app(InternalApp::new(
            other.corp_id,
            other.app_key,
            other.app_secret,
        ))
    })
    .await;
    let home = format!("/?corpid={}", stage.app().0);
    for look in LOOKS {
        for (name, target) in [
            ("corp_unclear", "/"),
            ("corp_unknown", "/?corpid=ding0000000000000000"),
        ] {
            let tab = stage.profile.tab(look, Some(&stage.client)).await;
            tab.open(&stage.setup.url(target)).await;
            tab.until_text(&format!("login.{name}")).await;
            assert_no_barrier(&tab, name, look).await;
        }
        let outside = stage.profile.tab(look, None).await;
        outside.open(&stage.setup.url(&home)).await;
        outside
            .until("document.readyState === 'complete' && !!document.querySelector('h1')")
            .await;
        assert_no_barrier(&outside, "outside", look).await;

        let framed = stage.profile.tab(look, Some(&stage.client)).await;
        framed.open_framed(&stage.setup.url(&home)).await;
        framed.until_framed_text("browser.framed").await;
        let violations = framed.evaluate_framed(&axe()).await;
        assert_eq!(violations, Some(json!([])), "framed {look:?}");
    }
    for look in LOOKS {
        let tab = stage.profile.tab(look, Some(&stage.client)).await;
        tab.open(&stage.setup.url(&home)).await;
        tab.until_text("hello 张伟").await;
        tab.open(&stage.setup.url("/nobody/page")).await;
        tab.until_text("session.not_allowed").await;
        assert_no_barrier(&tab, "not_allowed", look).await;
        tab.open(&stage.setup.url(&home)).await;
        tab.until_text("hello 张伟").await;
        tab.evaluate("fetch('/dingtalk/logout', { method: 'POST' })")
            .await;
        tab.open(&stage.setup.url(&home)).await;
        tab.until("!!document.querySelector('#again:not([hidden])')")
            .await;
        tab.until_text("session.signed_out").await;
        assert_no_barrier(&tab, "signed_out", look).await;
        tab.press("#again").await;
        tab.until_text("hello 张伟").await;
    }
}

async fn stage(change: impl FnOnce(World) -> World) -> Stage {
    let world = change(World::default());
    Stage::in_world(Framework::Axum, Platform::Android, world, |builder| builder).await
}

async fn assert_no_barrier(tab: &Tab, name: &str, look: Look) {
    let violations = tab.evaluate(&axe()).await;
    assert_eq!(violations, json!([]), "{name} {look:?}: {violations:#}");
    let is_wide = tab
        .evaluate("document.documentElement.scrollWidth > innerWidth")
        .await;
    assert_eq!(
        is_wide,
        json!(false),
        "{name} {look:?}: it scrolls sideways"
    );
    let light = if look.is_dark { "dark" } else { "light" };
    let file = format!("{name}-{}-{light}-{}.png", look.width, look.language);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(file), tab.picture().await).unwrap();
}

/// Gives what axe-core finds wrong: the rule, and where.
fn axe() -> String {
    let file = std::env::var("DINGTALK_AXE")
        .expect("DINGTALK_AXE names axe-core: `cargo xtask conformance` fetches it");
    let axe = std::fs::read_to_string(file).expect("axe-core is there");
    format!(
        "(async () => {{ {axe};
            const found = await window.axe.run(document, {{ resultTypes: ['violations'], iframes: false }});
            return found.violations.map((rule) => [rule.id, rule.nodes.map((node) => [node.html, node.failureSummary])]);
        }})()"
    )
}

const LOOKS: [Look; 4] = [
    Look::PHONE,
    Look {
        is_dark: true,
        language: "zh-CN",
        ..Look::PHONE
    },
    Look {
        language: "zh-CN",
        ..Look::DESK
    },
    Look {
        is_dark: true,
        ..Look::DESK
    },
];
