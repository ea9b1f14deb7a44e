//! The sandbox's own pages: its start page, its client, and its sign-in pages.

use dingtalk_tests::chromium::{Look, Tab};
use serde_json::json;

use super::{LOOKS, assert_no_barrier, stage};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandboxs_pages_have_no_barrier() {
    let stage = stage(|world| world).await;
    stage.open("/").await.until_text("hello 张伟").await;
    for look in LOOKS {
        let tab = open(&stage, look, "/").await;
        // Its list of calls has come.
        tab.until_text("getuserinfo").await;
        assert_no_barrier(&tab, "sandbox_start", look).await;
        for (name, target) in CLIENT.into_iter().chain(SIGN_IN) {
            let tab = open(&stage, look, target).await;
            assert_no_barrier(&tab, name, look).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandboxs_sign_in_page_has_no_barrier_however_far_one_comes() {
    let stage = stage(|world| world).await;
    for look in LOOKS {
        let tab = open(&stage, look, WEB).await;
        type_in(&tab, "wulei07", "nothing").await;
        rests(&tab, "#alert", "sandbox_password_wrong", look).await;
        type_in(&tab, "", "dingtalk").await;
        rests(&tab, "[name=corp_id]", "sandbox_choose_corp", look).await;
        tab.press("[name=corp_id]").await;
        rests(&tab, "[name=consent]", "sandbox_consent", look).await;
        tab.press("[value=allow]").await;
        tab.until("location.pathname === '/signin/back' && document.querySelectorAll('#steps li').length > 4")
            .await;
        assert_no_barrier(&tab, "sandbox_back", look).await;

        let tab = open(&stage, look, WEB).await;
        type_in(&tab, "13700000011", "dingtalk").await;
        rests(&tab, ".mark.bad", "sandbox_not_in_corp", look).await;

        let tab = open(&stage, look, LEGACY_PASSWORD).await;
        rests(&tab, "#account", "sandbox_legacy_password", look).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandboxs_code_and_its_phone_have_no_barrier() {
    let stage = stage(|world| world).await;
    for look in LOOKS {
        for (answer, mark, name) in [
            ("confirm", ".mark.good", "sandbox_phone_confirmed"),
            ("refuse", ".mark.bad", "sandbox_phone_refused"),
        ] {
            let tab = open(&stage, look, LEGACY_QR).await;
            let phone = stage.profile.tab(look, None).await;
            let scanned = tab
                .evaluate("document.querySelector('a[href^=\"/phone/\"]').href")
                .await;
            phone.open(scanned.as_str().unwrap()).await;
            rests(&phone, "[name=answer]", "sandbox_phone_asks", look).await;
            rests(&tab, "#scanned:not([hidden])", "sandbox_scanned", look).await;
            phone.press(&format!("[name=answer][value={answer}]")).await;
            rests(&phone, mark, name, look).await;
            phone.open(scanned.as_str().unwrap()).await;
            rests(&phone, ".mark.bad", "sandbox_phone_over", look).await;
        }
        let tab = open(&stage, look, WEB).await;
        let step = tab.evaluate("document.body.dataset.step").await;
        stage.setup.advance(301);
        rests(&tab, "#expired:not([hidden])", "sandbox_expired", look).await;
        tab.open(&format!(
            "{}{}",
            stage.setup.sandbox.url(),
            step.as_str().unwrap()
        ))
        .await;
        rests(&tab, ".mark.bad", "sandbox_sign_in_over", look).await;
    }
}

/// A tab with a page of the sandbox's.
async fn open(stage: &Stage, look: Look, target: &str) -> Tab {
    let tab = stage.profile.tab(look, None).await;
    tab.hurry(1_000).await;
    tab.open(&format!("{}{target}", stage.setup.sandbox.url()))
        .await;
    tab.until("document.readyState === 'complete' && !!document.querySelector('h1')")
        .await;
    tab
}

async fn type_in(tab: &Tab, account: &str, password: &str) {
    tab.type_in("#account", account).await;
    tab.type_in("#password", password).await;
    tab.press(".type button.primary").await;
}

/// The page that has this has no barrier.
async fn rests(tab: &Tab, selector: &str, name: &str, look: Look) {
    let there = format!(
        "document.readyState === 'complete' && !!document.querySelector({})",
        json!(selector)
    );
    tab.until(&there).await;
    assert_no_barrier(tab, name, look).await;
}

/// The client page: an app on a phone, one on a PC, the workbench, the chats, and something that is not there.
const CLIENT: [(&str, &str); 5] = [
    (
        "sandbox_phone",
        "/client?app=dinghr0000000000001&user=manager01",
    ),
    (
        "sandbox_pc",
        "/client?app=dinghr0000000000001&user=manager01&device=pc",
    ),
    ("sandbox_workbench", "/client?user=manager01"),
    ("sandbox_chats", "/client?user=manager01&from=chat"),
    ("sandbox_client_error", "/client?app=nobody"),
];

/// The sign-in page as it is first seen, and one that nobody can use.
const SIGN_IN: [(&str, &str); 2] = [
    ("sandbox_sign_in", WEB),
    ("sandbox_sign_in_error", "/oauth2/auth?client_id=nobody"),
];

/// Leads back to a page of the sandbox's own.
const WEB: &str = "/signin/try";
const LEGACY_QR: &str = "/connect/qrconnect?appid=dingoafrontdesk0001&redirect_uri=http%3A%2F%2F127.0.0.1%3A7081%2F&response_type=code&scope=snsapi_login&state=x";
const LEGACY_PASSWORD: &str = "/connect/oauth2/sns_authorize?appid=dingoafrontdesk0001&redirect_uri=http%3A%2F%2F127.0.0.1%3A7081%2F&response_type=code&scope=snsapi_login&state=x";
