//! Who gets in: employees, and accounts of anybody only where the app says so.

use async_trait::async_trait;
use dingtalk_core::{
    Account, Error, InternalApp, Login, LoginCode, LoginContext, LoginFlow, SessionKey, WebSignIn,
};
use dingtalk_sandbox::SignInCode;
use dingtalk_tests::{Framework, Gate, Placement, both, build_app};

use super::{begin, come_back, refused, start, with};

/// Somebody who is in no organisation.
const STRANGER: &str = "unionStranger0011";

both! {
    async fn a_stranger_is_refused_with_a_page_that_says_why(framework) {
        let setup = start(framework).await;
        let app_key = setup.sandbox.world().apps[0].app_key.clone();
        let code = SignInCode::web(&app_key, STRANGER);
        // Who is in no organisation has none to choose.
        for code in [code.clone().corp(&setup.sandbox.world().apps[0].corp_id), code.scope("openid")] {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/orders?x=1#/3").await;
            let answer = come_back(&mut browser, &setup.sandbox.sign_in_code(&code).unwrap(), &begun.state).await;
            assert_eq!(refused(&answer), (403, "login.not_a_member".into()));
            assert_eq!(answer.session(), None);
            let again = "href=\"/dingtalk/login?via=web&amp;return_to=%2Forders%3Fx%3D1%23%2F3\"";
            assert!(answer.text().contains(again), "{}", answer.text());
        }
    }

    /// A11
    async fn anyone_lets_a_stranger_in_without_a_user_id(framework) {
        let key = SessionKey::generate().unwrap();
        let setup = with(framework, WebSignIn::anyone, |builder| builder.session_key(key.clone())).await;
        let app_key = setup.sandbox.world().apps[0].app_key.clone();
        let code = SignInCode::web(&app_key, STRANGER).scope("openid");
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/").await;
        let answer = come_back(&mut browser, &setup.sandbox.sign_in_code(&code).unwrap(), &begun.state).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(setup.sandbox.call_count(), 2);
        let me = browser.fetch("/dingtalk/me").await.json();
        assert_eq!((&me["user"]["user_id"], &me["user"]["union_id"]), (&().into(), &STRANGER.into()));
        assert_eq!(browser.fetch("/guarded/page").await.status, 200);
        assert_eq!(browser.fetch("/admins/page").await.status, 403);
        let other = &setup.sandbox.world().apps[2].corp_id;
        let elsewhere = SignInCode::web(&app_key, STRANGER).corp(other);
        let mut chooser = setup.browser();
        let begun = begin(&mut chooser, "/").await;
        let answer = come_back(&mut chooser, &setup.sandbox.sign_in_code(&elsewhere).unwrap(), &begun.state).await;
        assert_eq!(refused(&answer), (403, "login.chose_other_corp".into()));
        // Where the app takes that back, such a session is nobody's: no look at who belongs to the corp was ever taken.
        for (web, has_own_flow, status) in [(WebSignIn::new().anyone(), false, 200), (WebSignIn::new(), false, 401), (WebSignIn::new(), true, 401)] {
            let changed = |app: InternalApp| {
                let app = app.web_sign_in(web);
                // Whom that one lets in is its own business, in the client.
                if has_own_flow { app.flow(Accounts) } else { app }
            };
            let later = build_app(&setup.sandbox, changed, |builder| builder.session_key(key.clone()));
            let app = Framework::start(framework, later.unwrap(), Placement::Right, Gate::default());
            let mut same = browser.clone();
            same.go_to(app.address());
            assert_eq!(same.fetch("/").await.status, status);
        }
        let corp_id = &setup.sandbox.world().apps[0].corp_id;
        setup.dingtalk.revoke_user(corp_id, STRANGER).await.unwrap();
        assert_eq!(browser.fetch("/").await.status, 200, "a union id is nobody's user id");
        setup.dingtalk.revoke_account(corp_id, STRANGER).await.unwrap();
        assert_eq!(browser.fetch("/").await.status, 401);
    }
}

/// A silent-login flow of the app's own that knows nobody's user id.
#[derive(Debug)]
struct Accounts;

#[async_trait]
impl LoginFlow for Accounts {
    async fn identify(&self, _: LoginCode, _: &LoginContext<'_>) -> Result<Login, Error> {
        Ok(Login::new(Account::new(STRANGER), None))
    }
}
