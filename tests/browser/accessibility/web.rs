//! The pages of ours that are on the way of a web sign-in.

use std::net::TcpListener;

use dingtalk_core::{DingTalkBuilder, Endpoints, InternalApp, WebSignIn};
use dingtalk_sandbox::{Fault, Sandbox, SignInCode, World, route};
use dingtalk_tests::Framework;
use dingtalk_tests::chromium::{Look, Tab};
use serde_json::json;

use super::{LOOKS, assert_no_barrier, axe};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_with_dingtalks_code_in_a_frame_has_no_barrier() {
    let stage = Stage::with_web_sign_in(Framework::Axum, |web, sandbox| {
        web.embedded_script(format!("{}/sandbox/ddlogin.js", sandbox.url()))
    })
    .await;
    let sandbox = &stage.setup.sandbox;
    // A desk's screen at 400 % is as narrow as this.
    let narrow = Look {
        width: 320,
        ..Look::PHONE
    };
    for look in LOOKS.into_iter().chain([narrow]) {
        let tab = stage.profile.tab(look, None).await;
        tab.open(&stage.setup.url("/orders")).await;
        let scan = if look.language == "en" {
            "Scan to sign in"
        } else {
            "扫码登录"
        };
        tab.until_framed_text(scan).await;
        assert_no_barrier(&tab, "embedded", look).await;
        let is_cut = tab
            .evaluate("(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('#frame'))")
            .await;
        assert_eq!(is_cut, json!(false), "{look:?}: the frame scrolls");
        let violations = tab.evaluate_framed(&axe()).await;
        assert_eq!(violations, Some(json!([])), "framed {look:?}");
        let waiting = sandbox.sign_ins();
        sandbox.refuse_sign_in(&waiting.last().unwrap().id).unwrap();
        tab.until_text("login.declined").await;
        assert_no_barrier(&tab, "embedded_declined", look).await;

        let tab = stage.profile.tab(look, None).await;
        tab.cut_off("/sandbox/ddlogin.js").await;
        tab.open(&stage.setup.url("/orders")).await;
        tab.until_text("browser.sign_in_script_unavailable").await;
        assert_no_barrier(&tab, "embedded_script_unavailable", look).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_that_goes_to_dingtalks_has_no_barrier() {
    // It rests where DingTalk's page does not answer, and somebody stops waiting.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let change = |builder: DingTalkBuilder, sandbox: &Sandbox| {
        let url = sandbox.url();
        builder.endpoints(Endpoints::new(url, url, &silent).unwrap())
    };
    let stage = Stage::of_app(Framework::Axum, World::default(), signs_in, change).await;
    for look in LOOKS {
        let tab = stage.profile.tab(look, None).await;
        go(&tab, &stage.setup.url("/orders")).await;
        tab.until_sent("GET", "/oauth2/auth", 1).await;
        tab.stop().await;
        tab.until(RESTS).await;
        assert_no_barrier(&tab, "to_sign_in", look).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_after_a_logout_has_no_barrier() {
    let stage = Stage::with_web_sign_in(Framework::Axum, |web, _| web).await;
    for look in LOOKS {
        let tab = stage.profile.tab(look, None).await;
        let state = begin(&stage, &tab).await;
        come_back(&stage, &tab, &any_code(&stage), &state).await;
        tab.until_text("hello 张伟").await;
        tab.evaluate("fetch('/dingtalk/logout', { method: 'POST' })")
            .await;
        tab.open(&stage.setup.url("/orders")).await;
        tab.until(RESTS).await;
        assert_no_barrier(&tab, "web_signed_out", look).await;
        tab.press("#go").await;
        tab.until("location.pathname === '/oauth2/auth'").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_wrong_has_no_barrier() {
    let mut world = World::default();
    world.apps[0].admits_strangers = true;
    let stage = Stage::of_app(Framework::Axum, world, signs_in, |builder, _| builder).await;
    let sandbox = &stage.setup.sandbox;
    for look in LOOKS {
        // DingTalk's calls per second are counted on the one clock.
        stage.setup.advance(2);
        let tab = stage.profile.tab(look, None).await;
        for (reason, query) in [
            ("login.callback_malformed", ""),
            ("login.state_invalid", "?code=a&state=b"),
        ] {
            tab.open(&stage.setup.url(&format!("/dingtalk/callback{query}")))
                .await;
            tab.until_text(reason).await;
            assert_no_barrier(&tab, reason, look).await;
        }
        for reason in [
            "login.declined",
            "login.state_expired",
            "login.code_invalid",
            "login.not_a_member",
            "login.chose_other_corp",
            "dingtalk.busy",
        ] {
            let state = begin(&stage, &tab).await;
            match reason {
                "login.declined" => {
                    let back = format!("/dingtalk/callback?error=access_denied&state={state}");
                    tab.open(&stage.setup.url(&back)).await;
                }
                "login.state_expired" => {
                    stage.setup.advance(601);
                    come_back(&stage, &tab, "any", &state).await;
                }
                "login.not_a_member" => {
                    come_back(
                        &stage,
                        &tab,
                        &code(&stage, "unionStranger0011", None),
                        &state,
                    )
                    .await;
                }
                "login.chose_other_corp" => {
                    come_back(
                        &stage,
                        &tab,
                        &code(&stage, "unionLiuYang00007", Some(2)),
                        &state,
                    )
                    .await;
                }
                "dingtalk.busy" => {
                    let busy = Fault::code(500, "systemBusy").on(route::USER_ACCESS_TOKEN);
                    sandbox.fault(busy.times(1));
                    come_back(&stage, &tab, &any_code(&stage), &state).await;
                }
                _ => come_back(&stage, &tab, "unknown", &state).await,
            }
            tab.until_text(reason).await;
            assert_no_barrier(&tab, reason, look).await;
        }
        // It comes back twice: while the first is under way, and when it is over.
        let state = begin(&stage, &tab).await;
        let code = any_code(&stage);
        let hold = sandbox.hold(route::USER_ACCESS_TOKEN);
        go(&tab, &stage.setup.url(&callback(&code, &state))).await;
        tab.until_sent("GET", "/dingtalk/callback", 9).await;
        let beside = stage.profile.tab(look, None).await;
        come_back(&stage, &beside, &code, &state).await;
        beside.until_text("login.state_used").await;
        assert_no_barrier(&beside, "login.state_used", look).await;
        hold.release();
        tab.until_text("hello 张伟").await;
        come_back(&stage, &beside, &code, &state).await;
        beside.until_text("login.state_elsewhere").await;
        assert_no_barrier(&beside, "login.state_elsewhere", look).await;
    }
}

fn signs_in(app: InternalApp, _: &Sandbox) -> InternalApp {
    app.web_sign_in(WebSignIn::new())
}

/// Begins a sign-in, and gives its state.
async fn begin(stage: &Stage, tab: &Tab) -> String {
    tab.open(&stage.setup.url("/dingtalk/login?via=web&return_to=/orders"))
        .await;
    tab.until("location.pathname === '/oauth2/auth'").await;
    let state = tab
        .evaluate("new URLSearchParams(location.search).get('state')")
        .await;
    state.as_str().unwrap().to_owned()
}

/// Sets out for a URL, and does not wait for an answer.
async fn go(tab: &Tab, url: &str) {
    tab.evaluate(&format!("location.assign({})", json!(url)))
        .await;
}

async fn come_back(stage: &Stage, tab: &Tab, code: &str, state: &str) {
    tab.open(&stage.setup.url(&callback(code, state))).await;
}

fn callback(code: &str, state: &str) -> String {
    format!("/dingtalk/callback?code={code}&authCode={code}&state={state}")
}

fn any_code(stage: &Stage) -> String {
    code(stage, "unionZhangWei0001", Some(0))
}

/// A code of somebody who chose the organisation of one of the world's apps.
fn code(stage: &Stage, union_id: &str, chosen: Option<usize>) -> String {
    let sandbox = &stage.setup.sandbox;
    let mut code = SignInCode::web(stage.app().1, union_id);
    if let Some(chosen) = chosen {
        code = code.corp(&*sandbox.world().apps[chosen].corp_id);
    }
    sandbox.sign_in_code(&code).unwrap()
}

/// The page has a button, and waits for it.
const RESTS: &str = "document.readyState === 'complete' && !!document.querySelector('#go')";
