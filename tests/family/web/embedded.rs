//! DingTalk's QR code in a frame on a sign-in page of our own.

use dingtalk_core::{DingTalkBuilder, InternalApp, Region, WebSignIn};
use dingtalk_sandbox::World;
use dingtalk_tests::{Answer, Framework, ORIGIN, Request, Setup, both, build_app, sandbox};
use serde_json::{Value, json};

use super::{any_code, begun, code, parameter, refused, with};

/// A setup whose app shows the QR code itself. Nobody loads the script here.
async fn start(framework: Framework) -> Setup {
    with(framework, embedded, |builder| builder).await
}

pub(super) fn embedded(web: WebSignIn) -> WebSignIn {
    web.embedded_script(SCRIPT)
}

/// What the page's script reads.
fn data(page: &Answer) -> Value {
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    let data = text.split("id=\"data\">").nth(1).unwrap();
    serde_json::from_str(data.split("</script>").next().unwrap()).unwrap()
}

pub(super) fn state(page: &Answer) -> String {
    data(page)["parameters"]["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What DingTalk's script's onSuccess gives, as the page's script passes it on.
fn callback(code: &str, state: &str) -> String {
    format!("/dingtalk/callback?authCode={code}&state={state}")
}

both! {
    async fn the_page_gives_the_frame_one_state_and_leaves_one_cookie(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let page = browser.open("/dingtalk/login?return_to=%2Forders%3Fx%3D1%23%2F3").await;
        let app = &setup.sandbox.world().apps[0];
        let data = data(&page);
        let parameters = &data["parameters"];
        let sealed = state(&page);
        assert_eq!(*parameters, json!({
            "redirect_uri": format!("{ORIGIN}/dingtalk/callback"), "response_type": "code", "client_id": &*app.app_key,
            "scope": "openid", "prompt": "consent", "state": sealed,
        }));
        assert_eq!(page.text().matches(&sealed).count(), 1);
        assert_eq!((&data["script"], &data["sign_in_origin"]), (&SCRIPT.into(), &setup.sandbox.url().into()));
        assert_eq!(data["callback"], format!("{ORIGIN}/dingtalk/callback"));
        let cookies: Vec<&String> = browser.cookies.keys().collect();
        assert!(matches!(&cookies[..], [name] if name.starts_with("__Host-dt-") && name.contains("-s-")), "{cookies:?}");
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    /// A15
    async fn the_page_frames_the_sign_in_origin_and_nobody_frames_the_page(framework) {
        let setup = start(framework).await;
        let page = setup.browser().open("/dingtalk/login?via=embedded").await;
        let policy = page.header("content-security-policy").unwrap();
        let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert_eq!(policy, format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; script-src 'nonce-{nonce}'; \
             frame-src {}; frame-ancestors 'self'", setup.sandbox.url()
        ));
        assert!(page.text().contains(&format!("<script nonce=\"{nonce}\">")));
        assert_eq!((page.header("cache-control"), page.header("referrer-policy")), (Some("no-store"), Some("no-referrer")));
        let mut browser = setup.browser();
        let framed = Request::new("GET", "/dingtalk/login?via=embedded").page().without("sec-fetch-dest").without("sec-fetch-site");
        let framed = browser.send(framed.header("sec-fetch-dest", "iframe").header("sec-fetch-site", "cross-site")).await;
        assert_eq!(refused(&framed), (403, "browser.framed".into()));
        assert!(browser.cookies.is_empty());
    }

    async fn what_the_frame_gives_signs_in_once_and_goes_on(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let page = browser.open("/dingtalk/login?return_to=%2Forders%3Fx%3D1%23%2F3").await;
        let (sealed, jar, granted) = (state(&page), browser.cookies.clone(), any_code(&setup));
        let answer = browser.open(&callback(&granted, &sealed)).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/orders?x=1#/3")), "{}", answer.text());
        let hello = browser.open("/orders?x=1").await;
        assert_eq!(hello.text(), format!("hello {}", setup.sandbox.world().people[0].name));
        assert_eq!(setup.sandbox.call_count(), 5);
        // Where it is given twice, and the second arrives with the cookie all the same.
        let mut twice = setup.browser();
        twice.cookies = jar;
        assert_eq!(refused(&twice.open(&callback(&granted, &sealed)).await), (400, "login.state_used".into()));
        // Another browser's state is nobody's here.
        let page = setup.browser().open("/dingtalk/login").await;
        let answer = setup.browser().open(&callback(&any_code(&setup), &state(&page))).await;
        assert_eq!(refused(&answer), (400, "login.state_elsewhere".into()));
        assert_eq!(setup.sandbox.call_count(), 5);
        // Starting again is starting here.
        assert!(answer.text().contains("href=\"/dingtalk/login?via=embedded&amp;return_to=%2F\""), "{}", answer.text());
    }

    async fn the_page_offers_dingtalks_page_with_the_same_target(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let page = browser.open("/dingtalk/login?return_to=%2Forders%3Fx%3D1%23%2F3").await;
        let address = "/dingtalk/login?via=web&amp;return_to=%2Forders%3Fx%3D1%23%2F3";
        assert!(page.text().contains(&format!("href=\"{address}\"")), "{}", page.text());
        assert!(page.text().contains(&format!("<noscript><meta http-equiv=\"refresh\" content=\"0;url={address}\"></noscript>")));
        let begun = begun(&browser.open(&address.replace("&amp;", "&")).await);
        assert!(begun.page.as_str().starts_with(&format!("{}/oauth2/auth?", setup.sandbox.url())));
        assert_eq!(parameter(&begun.page, "scope").as_deref(), Some("openid"));
        // One is begun in each: the frame's is good still.
        let lina = code(&setup, "lina02");
        assert_eq!(browser.open(&callback(&lina, &state(&page))).await.status, 303);
        assert_eq!(browser.fetch("/dingtalk/me").await.json()["user"]["user_id"], "lina02");
        // In Chinese too.
        let page = browser.send(Request::new("GET", "/dingtalk/login?via=embedded").page().without("accept-language").header("accept-language", "zh-CN")).await;
        assert!(page.text().contains("前往钉钉页面登录") && page.text().contains("请使用手机钉钉扫描二维码。"));
    }

    async fn a_frame_that_was_not_asked_for_is_not_there(framework) {
        let setup = with(framework, |web| web, |builder| builder).await;
        let answer = setup.browser().open("/dingtalk/login?via=embedded").await;
        assert_eq!(refused(&answer).0, 401);
        let answer = setup.browser().open("/dingtalk/login").await;
        assert_eq!(answer.status, 303);
    }
}

#[tokio::test]
async fn a_frame_that_can_show_nothing_is_refused_at_once() {
    let sandbox = sandbox(World::default()).await;
    let built = |web: WebSignIn, change: fn(DingTalkBuilder) -> DingTalkBuilder| {
        let app = |app: InternalApp| app.web_sign_in(web);
        build_app(&sandbox, app, change).map_err(|error| error.to_string())
    };
    let as_it_is = |builder| builder;
    let international = |builder: DingTalkBuilder| builder.region(Region::International);
    assert!(built(embedded(WebSignIn::new()), as_it_is).is_ok());
    for (web, change) in [
        (WebSignIn::new().embedded(), international as fn(_) -> _),
        (embedded(WebSignIn::new()), international),
        (WebSignIn::new().embedded(), as_it_is),
    ] {
        let error = built(web, change).unwrap_err();
        assert!(error.contains("web_sign_in.embedded"), "{error}");
    }
}

const SCRIPT: &str = "https://cdn.example.com/ddlogin.js";
