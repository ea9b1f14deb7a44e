//! What comes back wrong: a page in the visitor's language that offers to sign in again, without a call and without a word of the query.

use dingtalk_core::{InternalApp, SessionKey, WebSignIn};
use dingtalk_sandbox::World;
use dingtalk_tests::{Answer, Browser, Gate, Placement, Request, Setup, both, build_app};

use super::embedded::embedded;
use super::{any_code, begin, begin_by, come_back, legacy, refused, start, with};

/// What nobody should see again.
const HOSTILE: &str = "%3Cb%3Ecanary&error_description=%3Cscript%3Ecanary&return_to=/canary&canary=%0d%0acanary:%201&scope=canary";

/// Comes back with a query, as somebody who reads a language.
async fn come_back_with(browser: &mut Browser, query: &str, language: &str) -> Answer {
    let target = format!("/dingtalk/callback?{query}&hostile={HOSTILE}");
    let request = Request::new("GET", &target)
        .page()
        .without("accept-language");
    browser
        .send(request.header("accept-language", language))
        .await
}

both! {
    /// A1, A2, A4, A8, A9, A12
    async fn whatever_comes_back_wrong_offers_to_sign_in_again(framework) {
        let key = SessionKey::generate().unwrap();
        let elsewhere = start(framework).await;
        for via in ["web", "embedded", "legacy_qr", "legacy_password"] {
            let is_older = via.starts_with("legacy");
            let web = |app: InternalApp| app.web_sign_in(WebSignIn::new());
            let by_via = |app: InternalApp| match via {
                "web" => web(app),
                "embedded" => app.web_sign_in(embedded(WebSignIn::new())),
                _ => app.legacy_sign_in(legacy::settings()),
            };
            let setup = Setup::of_app(framework, World::default(), by_via, |builder| builder.session_key(key.clone())).await;
            let another = |app: InternalApp| if is_older { web(app) } else { app.legacy_sign_in(legacy::settings()) };
            let another = build_app(&setup.sandbox, another, |builder| builder.session_key(key.clone())).unwrap();
            let another = framework.start(another, Placement::Right, Gate::default());
            let any_code = |setup| if is_older { legacy::any_code(setup) } else { any_code(setup) };
            for case in CASES {
                let mut pages = Vec::new();
                for (language, lang) in [("en", "en"), ("zh-CN", "zh")] {
                    let mut browser = setup.browser();
                    let mut state = begin_by(&mut browser, via, "/orders?x=1#/3").await;
                    let at = |address| {
                        let mut browser = browser.clone();
                        browser.go_to(address);
                        browser
                    };
                    match case.what {
                        "another server's" => state = begin(&mut at(elsewhere.app.address()), "/").await.state,
                        "another way's" => {
                            let mut there = at(another.address());
                            state = super::begun(&there.open("/dingtalk/login").await).state;
                            browser.cookies = there.cookies;
                        }
                        "another browser's" => browser = setup.browser(),
                        "a used one" => {
                            let mut copy = browser.clone();
                            assert_eq!(come_back(&mut copy, &any_code(&setup), &state).await.status, 303);
                        }
                        "an old one" => setup.advance(601),
                        _ => {}
                    }
                    let code = any_code(&setup);
                    let query = case.query.replace("{code}", &code).replace("{state}", &state);
                    setup.sandbox.reset_calls();
                    let answer = come_back_with(&mut browser, &query, language).await;
                    let what = format!("{via}, {}: {}", case.what, answer.text());
                    assert_eq!(refused(&answer), (case.status, case.reason.into()), "{what}");
                    let text = answer.text();
                    assert!(text.contains(&format!("<html lang=\"{lang}")), "{what}");
                    // Where it was begun is known from a state of ours only.
                    let again = if case.is_ours {
                        format!("/dingtalk/login?via={via}&amp;return_to=%2Forders%3Fx%3D1%23%2F3")
                    } else {
                        "/dingtalk/login?return_to=%2F".to_owned()
                    };
                    assert!(text.contains(&format!("id=\"go\" href=\"{again}\"")), "{what}");
                    super::assert_clean(&answer, &code, &state);
                    for (name, value) in &answer.headers {
                        assert!(!name.contains("canary") && !value.contains("canary"), "{what}");
                    }
                    assert!(!text.contains("canary") && !text.contains("access_denied"), "{what}");
                    assert_eq!((answer.session(), setup.sandbox.call_count()), (None, 0), "{what}");
                    // The offer begins another.
                    super::state_of(&browser.open(&again.replace("&amp;", "&")).await);
                    pages.push(text);
                }
                assert_ne!(pages[0], pages[1]);
            }
        }
    }

    async fn of_several_organisations_the_one_signed_in_to_last_is_offered(framework) {
        let other = &World::default().apps[2];
        let other = InternalApp::new(&*other.corp_id, &*other.app_key, &*other.app_secret).web_sign_in(WebSignIn::new());
        let setup = with(framework, |web| web, |builder| builder.internal_app(other)).await;
        let mut browser = setup.browser();
        let answer = come_back_with(&mut browser, "code=a", "en").await;
        assert_eq!(refused(&answer), (400, "login.callback_malformed".into()));
        assert!(!answer.text().contains("href="), "{}", answer.text());

        let corp_id = &setup.sandbox.world().apps[0].corp_id;
        let begun = super::begun(&browser.open(&format!("/dingtalk/login?corpid={corp_id}&via=web")).await);
        assert_eq!(come_back(&mut browser, &any_code(&setup), &begun.state).await.status, 303);
        let answer = come_back_with(&mut browser, "code=a", "en").await;
        let again = format!("href=\"/dingtalk/login?corpid={corp_id}&amp;return_to=%2F\"");
        assert!(answer.text().contains(&again), "{}", answer.text());
    }

    async fn without_web_sign_in_nothing_is_offered(framework) {
        let setup = dingtalk_tests::Setup::start(framework).await;
        let answer = come_back_with(&mut setup.browser(), "code=a", "en").await;
        assert_eq!(refused(&answer), (400, "login.callback_malformed".into()));
        assert!(!answer.text().contains("href="), "{}", answer.text());
    }
}

/// Something that comes back wrong.
struct Case {
    what: &'static str,
    query: &'static str,
    status: u16,
    reason: &'static str,
    /// Whether its state is one of ours.
    is_ours: bool,
}

const fn case(
    what: &'static str,
    query: &'static str,
    status: u16,
    reason: &'static str,
    is_ours: bool,
) -> Case {
    Case {
        what,
        query,
        status,
        reason,
        is_ours,
    }
}

const BOTH: &str = "code={code}&state={state}";

const CASES: [Case; 12] = [
    case(
        "no state",
        "code={code}",
        400,
        "login.callback_malformed",
        false,
    ),
    case(
        "an empty state",
        "code={code}&state=",
        400,
        "login.state_invalid",
        false,
    ),
    case(
        "no state but an error",
        "error=access_denied",
        400,
        "login.callback_malformed",
        false,
    ),
    case(
        "junk for a state",
        "code={code}&state=canary",
        400,
        "login.state_invalid",
        false,
    ),
    case(
        "a state twice",
        "code={code}&state={state}&state={state}",
        400,
        "login.callback_malformed",
        false,
    ),
    case("another server's", BOTH, 400, "login.state_invalid", false),
    case("another way's", BOTH, 400, "login.state_invalid", false),
    case(
        "another browser's",
        BOTH,
        400,
        "login.state_elsewhere",
        true,
    ),
    case("a used one", BOTH, 400, "login.state_used", true),
    case("an old one", BOTH, 400, "login.state_expired", true),
    case(
        "no code",
        "state={state}",
        400,
        "login.callback_malformed",
        true,
    ),
    case(
        "a refusal",
        "error=canary&state={state}",
        401,
        "login.declined",
        true,
    ),
];
