//! The way to DingTalk's sign-in page.

use dingtalk_core::WebSignIn;
use dingtalk_tests::{ORIGIN, Request, Setup, both};

use super::{begin, parameter, start, with};

both! {
    async fn a_sign_in_goes_to_dingtalks_page_and_leaves_one_cookie(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/orders?x=1#/3").await;
        let app = &setup.sandbox.world().apps[0];
        assert!(begun.page.as_str().starts_with(&format!("{}/oauth2/auth?", setup.sandbox.url())));
        for (name, value) in [
            ("client_id", &*app.app_key),
            ("redirect_uri", &format!("{ORIGIN}/dingtalk/callback")),
            ("response_type", "code"),
            ("scope", "openid corpid"),
            ("prompt", "consent"),
        ] {
            assert_eq!(parameter(&begun.page, name).as_deref(), Some(value), "{name}");
        }
        let cookies: Vec<&String> = browser.cookies.keys().collect();
        assert!(matches!(&cookies[..], [name] if name.starts_with("__Host-dt-") && name.contains("-s-")), "{cookies:?}");
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    async fn a_page_load_goes_there_by_itself_and_a_script_is_told(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let page = browser.open("/orders?x=1&y=a%20b").await;
        assert_eq!((page.status, page.header("cache-control")), (401, Some("no-store")));
        let address = "/dingtalk/login?return_to=%2Forders%3Fx%3D1%26y%3Da%2520b";
        assert!(page.text().contains(&format!("<noscript><meta http-equiv=\"refresh\" content=\"0;url={address}\"></noscript>")));
        assert!(page.text().contains(&format!("href=\"{address}\"")));
        assert!(browser.cookies.is_empty(), "only the login sets something");
        let begun = super::begun(&browser.open(address).await);
        assert_eq!(parameter(&begun.page, "response_type").as_deref(), Some("code"));
        let told = browser.fetch("/orders").await;
        assert_eq!((told.status, &told.json()["action"]), (401, &"web_sign_in".into()));
        let in_client = browser.send(Request::new("GET", "/orders").fetch().in_client()).await;
        assert_eq!((in_client.status, &in_client.json()["action"]), (401, &"silent_login".into()));
        let script = browser.fetch("/dingtalk/login?via=web").await;
        assert_eq!((script.status, script.header("location")), (401, None));
    }

    async fn without_web_sign_in_nothing_begins(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        for target in ["/dingtalk/login?via=web", "/dingtalk/login", "/orders"] {
            let answer = browser.open(target).await;
            assert_eq!((answer.status, answer.header("location")), (401, None), "{target}");
        }
        let answer = browser.open("/dingtalk/callback?code=a&state=b").await;
        assert_eq!(super::refused(&answer), (400, "login.state_invalid".into()));
    }

    async fn after_a_logout_the_page_waits_for_the_button(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        super::sign_in(&setup, &mut browser, "/").await;
        assert_eq!(browser.logout().await.status, 200);
        let page = browser.open("/orders").await;
        assert_eq!(page.status, 401);
        assert!(page.text().contains("You are signed out") && !page.text().contains("http-equiv"));
        super::sign_in(&setup, &mut browser, "/").await;
        assert_eq!(browser.open("/orders").await.status, 200);
    }

    /// A14
    async fn beginning_a_sign_in_leaves_a_session_alone(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        super::sign_in(&setup, &mut browser, "/").await;
        let session = browser.session();
        for site in ["cross-site", "same-site", "none"] {
            let request = Request::new("GET", "/dingtalk/login?via=web&return_to=/x").page();
            let answer = browser.send(request.without("sec-fetch-site").header("sec-fetch-site", site)).await;
            assert_eq!(answer.status, 303);
        }
        assert_eq!(browser.session(), session);
        assert_eq!(browser.open("/").await.status, 200);
        // Without a way named, whoever is signed in goes on at once.
        let answer = browser.open("/dingtalk/login?return_to=/orders").await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/orders")));
    }

    /// A14
    async fn in_the_client_too_a_link_to_the_login_leaves_a_session_alone(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        super::sign_in(&setup, &mut browser, "/").await;
        let request = Request::new("GET", "/dingtalk/login?return_to=/x").page().in_client().without("sec-fetch-site");
        let answer = browser.send(request.header("sec-fetch-site", "cross-site")).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/x")));
        // A way that is none of ours is none named.
        let answer = browser.open("/dingtalk/login?via=elsewhere&return_to=/x").await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/x")));
        assert_eq!(browser.fetch("/").await.status, 200);
    }

    async fn nothing_begins_in_another_sites_frame(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let framed = Request::new("GET", "/dingtalk/login?via=web").page().without("sec-fetch-dest").without("sec-fetch-site");
        let framed = framed.header("sec-fetch-dest", "iframe").header("sec-fetch-site", "cross-site");
        assert_eq!(super::refused(&browser.send(framed).await), (403, "browser.framed".into()));
        assert!(browser.cookies.is_empty());
    }

    async fn settings_are_in_the_pages_address(framework) {
        let corp_id = dingtalk_sandbox::World::default().apps[0].corp_id.clone();
        let settings = |web: WebSignIn| web.corp_id(corp_id.clone()).org_type("management").prompt("none");
        let setup = with(framework, settings, |builder| builder).await;
        let begun = begin(&mut setup.browser(), "/").await;
        for (name, value) in [("corpId", &*corp_id), ("org_type", "management"), ("prompt", "none")] {
            assert_eq!(parameter(&begun.page, name).as_deref(), Some(value), "{name}");
        }
    }
}
