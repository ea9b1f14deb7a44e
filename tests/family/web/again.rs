//! What comes back wrong: a page in the visitor's language that offers to sign in again, without a call and without a word of the query.

use dingtalk_core::{InternalApp, LegacySignIn, SessionKey, WebSignIn};
use dingtalk_sandbox::World;
use dingtalk_tests::{Answer, Browser, Framework, Gate, Placement, Request, both, build_app};

use super::{any_code, begin, come_back, refused, start, with};

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
        let setup = with(framework, |web| web, |builder| builder.session_key(key.clone())).await;
        let older = |app: InternalApp| app.legacy_sign_in(LegacySignIn::new("dingoaolder", "secret"));
        let older = build_app(&setup.sandbox, older, |builder| builder.session_key(key.clone())).unwrap();
        let older = Framework::start(framework, older, Placement::Right, Gate::default());
        let elsewhere = start(framework).await;
        let (known, unknown) = ("login?via=web&amp;return_to=%2Forders%3Fx%3D1%23%2F3", "login?return_to=%2F");
        for (case, status, reason, again) in [
            ("no state", 400, "login.callback_malformed", unknown),
            ("an empty state", 400, "login.state_invalid", unknown),
            ("no state but an error", 400, "login.callback_malformed", unknown),
            ("junk for a state", 400, "login.state_invalid", unknown),
            ("a state twice", 400, "login.callback_malformed", unknown),
            ("another server's", 400, "login.state_invalid", unknown),
            ("another way's", 400, "login.state_invalid", unknown),
            ("another browser's", 400, "login.state_elsewhere", known),
            ("a used one", 400, "login.state_used", known),
            ("an old one", 400, "login.state_expired", known),
            ("no code", 400, "login.callback_malformed", known),
            ("a refusal", 401, "login.declined", known),
        ] {
            let mut pages = Vec::new();
            for (language, lang) in [("en", "en"), ("zh-CN", "zh")] {
                let mut browser = setup.browser();
                let begun = begin(&mut browser, "/orders?x=1#/3").await;
                let begun_by = |address| {
                    let mut browser = browser.clone();
                    browser.go_to(address);
                    browser
                };
                let mut state = begun.state.clone();
                match case {
                    "another server's" => state = begin(&mut begun_by(elsewhere.app.address()), "/").await.state,
                    "another way's" => {
                        let mut at_older = begun_by(older.address());
                        state = super::begun(&at_older.open("/dingtalk/login?via=legacy_qr").await).state;
                        browser.cookies = at_older.cookies;
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
                let query = match case {
                    "no state" => format!("code={code}"),
                    "an empty state" => format!("code={code}&state="),
                    "no state but an error" => "error=access_denied".to_owned(),
                    "junk for a state" => format!("code={code}&state=canary"),
                    "a state twice" => format!("code={code}&state={state}&state={state}"),
                    "no code" => format!("state={state}"),
                    "a refusal" => format!("error=canary&state={state}"),
                    _ => format!("code={code}&state={state}"),
                };
                setup.sandbox.reset_calls();
                let answer = come_back_with(&mut browser, &query, language).await;
                assert_eq!(refused(&answer), (status, reason.into()), "{case}");
                let text = answer.text();
                assert!(text.contains(&format!("<html lang=\"{lang}")), "{case}: {text}");
                assert!(text.contains(&format!("id=\"go\" href=\"/dingtalk/{again}\"")), "{case}: {text}");
                super::assert_clean(&answer, &code, &state);
                for (name, value) in &answer.headers {
                    assert!(!name.contains("canary") && !value.contains("canary"), "{case}: {name}");
                }
                assert!(!text.contains("canary") && !text.contains("access_denied"), "{case}: {text}");
                assert_eq!((answer.session(), setup.sandbox.call_count()), (None, 0), "{case}");
                // The offer leads to DingTalk's page.
                let again = again.replace("&amp;", "&");
                super::begun(&browser.open(&format!("/dingtalk/{again}")).await);
                pages.push(text);
            }
            assert_ne!(pages[0], pages[1]);
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
