//! Web sign-in in an ordinary browser: from a page of the app over DingTalk's, by QR code or by account and password, and back.

mod again;
mod phone;

use dingtalk_core::{InternalApp, LegacySignIn, WebSignIn};
use dingtalk_sandbox::{Sandbox, World, route};
use dingtalk_tests::chromium::{Look, Tab};
use dingtalk_tests::{Framework, both};
use serde_json::json;
use url::Url;

use crate::stage::{Stage, left_by, log};

both! {
    /// A12
    async fn whoever_scans_the_code_on_dingtalks_page_lands_where_they_wanted(framework) {
        let stage = start(framework, World::default()).await;
        let tab = arrive(&stage, TARGET, WEB).await;
        answer(&stage, &tab, "confirm", ZHANG_WEI).await;
        consent(&tab, "allow").await;
        assert_landed(&stage, &tab, &BY_WEB).await;
    }

    /// A12
    async fn whoever_types_account_and_password_lands_where_they_wanted(framework) {
        let stage = start(framework, World::default()).await;
        let tab = arrive(&stage, TARGET, WEB).await;
        // A slip of the finger is DingTalk's page's business.
        type_in(&tab, "manager01", "dingdong").await;
        tab.until_text("Wrong account or password").await;
        type_in(&tab, "", "dingtalk").await;
        consent(&tab, "allow").await;
        assert_landed(&stage, &tab, &BY_WEB).await;
    }

    /// A12
    async fn the_older_page_with_the_code_is_reached_from_the_apps_own_page(framework) {
        let app = |app: InternalApp, sandbox: &Sandbox| app.legacy_sign_in(legacy(sandbox));
        let stage = Stage::of_app(framework, World::default(), app, |builder, _| builder).await;
        let tab = arrive(&stage, TARGET, LEGACY_QR).await;
        answer(&stage, &tab, "confirm", ZHANG_WEI).await;
        assert_landed(&stage, &tab, &BY_LEGACY).await;
    }

    /// A12
    async fn the_older_page_for_account_and_password_is_reached_by_its_name(framework) {
        let stage = start(framework, World::default()).await;
        let tab = arrive(&stage, BY_PASSWORD, LEGACY_PASSWORD).await;
        type_in(&tab, "13800000001", "dingtalk").await;
        assert_landed(&stage, &tab, &BY_LEGACY).await;
    }
}

/// An app with both ways: web sign-in, and the older pages.
async fn start(framework: Framework, world: World) -> Stage {
    let app = |app: InternalApp, sandbox: &Sandbox| {
        app.web_sign_in(WebSignIn::new())
            .legacy_sign_in(legacy(sandbox))
    };
    Stage::of_app(framework, world, app, |builder, _| builder).await
}

fn legacy(sandbox: &Sandbox) -> LegacySignIn {
    let app = &sandbox.world().sign_in_apps[0];
    LegacySignIn::new(app.app_id.clone(), app.app_secret.clone())
}

/// An ordinary browser's tab with a target of the app in it, which led to a page of DingTalk's at no cost.
async fn arrive(stage: &Stage, target: &str, page: &str) -> Tab {
    let tab = stage.profile.tab(Look::DESK, None).await;
    // DingTalk's page asks each second whether a phone has answered.
    tab.hurry(1_000).await;
    tab.open(&stage.setup.url(target)).await;
    until_at(&tab, page).await;
    assert_eq!(tab.count("GET", "/dingtalk/login"), 1);
    assert_eq!(stage.setup.sandbox.call_count(), 0);
    tab
}

async fn until_at(tab: &Tab, page: &str) {
    let page = json!(page);
    tab.until(&format!(
        "location.pathname === {page} && document.readyState === 'complete'"
    ))
    .await;
}

/// Scans the code on DingTalk's page with somebody's phone, and answers there.
async fn answer(stage: &Stage, tab: &Tab, answer: &str, union_id: &str) {
    let phone = stage.profile.opened_by(tab, "a[href^='/phone/']").await;
    phone.until_text("Whose phone is this?").await;
    // The page beside it has noticed.
    tab.until_text("Scanned. Confirm on the phone").await;
    phone
        .evaluate(&format!(
            "document.querySelector('#union-id').value = {}",
            json!(union_id)
        ))
        .await;
    phone.press(&format!("button[value={answer}]")).await;
    phone.until_text("Go on at the computer").await;
    assert_eq!(phone.errors(), Vec::<String>::new());
}

/// Types into DingTalk's page what is not typed already, and sends it.
async fn type_in(tab: &Tab, account: &str, password: &str) {
    tab.type_in("#account", account).await;
    tab.type_in("#password", password).await;
    tab.press(".type button.primary").await;
}

/// Answers DingTalk's question whether the app may know who they are.
async fn consent(tab: &Tab, answer: &str) {
    let button = format!("button[name=consent][value={answer}]");
    tab.until(&format!("!!document.querySelector({})", json!(button)))
        .await;
    tab.press(&button).await;
}

/// The world's first person is greeted where they wanted to be, after one way back and after these calls and no others.
async fn assert_landed(stage: &Stage, tab: &Tab, calls: &[&str]) {
    tab.until_text("hello 张伟").await;
    assert_eq!(tab.url().await, stage.setup.url(TARGET));
    assert_eq!(tab.count("GET", "/dingtalk/callback"), 1);
    assert_eq!(tab.errors(), Vec::<String>::new());
    let sandbox = &stage.setup.sandbox;
    for route in calls {
        assert_eq!(sandbox.call_count_of(route), 1, "{route}");
    }
    assert_eq!(sandbox.call_count(), calls.len(), "{:?}", sandbox.calls());
    assert_leaves_no_code(tab).await;
}

/// The code came in the callback's URL and is nowhere else: in no other request, no history, no storage, no log.
async fn assert_leaves_no_code(tab: &Tab) {
    let sent = tab.sent();
    let is_callback = |url: &Url| url.path() == "/dingtalk/callback";
    let callback = sent.iter().find_map(|sent| {
        let url = Url::parse(&sent.url).unwrap();
        is_callback(&url).then_some(url)
    });
    let code = callback
        .unwrap()
        .query_pairs()
        .find_map(|(name, value)| (name == "code").then(|| value.into_owned()))
        .unwrap();
    assert!(!code.is_empty());
    let (left, log) = (left_by(tab).await, log());
    assert!(log.contains("signed in"), "it did listen");
    assert!(
        !left.contains(&code),
        "the code was left in the page: {left}"
    );
    assert!(!log.contains(&code), "the code was logged");
    for sent in sent {
        assert!(
            !sent.headers.contains(&code),
            "{} was told the code",
            sent.url
        );
        let url = Url::parse(&sent.url).unwrap();
        assert!(is_callback(&url) || !sent.url.contains(&code), "{url}");
    }
}

const TARGET: &str = "/orders?x=1#/3";
/// [`TARGET`], by the older page for account and password.
const BY_PASSWORD: &str = "/dingtalk/login?via=legacy_password&return_to=%2Forders%3Fx%3D1%23%2F3";
const WEB: &str = "/oauth2/auth";
const LEGACY_QR: &str = "/connect/qrconnect";
const LEGACY_PASSWORD: &str = "/connect/oauth2/sns_authorize";
/// What a first sign-in costs.
const BY_WEB: [&str; 5] = [
    route::USER_ACCESS_TOKEN,
    route::CONTACT_USER,
    route::ACCESS_TOKEN,
    route::GETBYUNIONID,
    route::USER_GET,
];
const BY_LEGACY: [&str; 4] = [
    route::SNS_USERINFO,
    route::ACCESS_TOKEN,
    route::GETBYUNIONID,
    route::USER_GET,
];
const ZHANG_WEI: &str = "unionZhangWei0001";
