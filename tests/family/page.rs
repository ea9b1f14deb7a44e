//! The silent-login page as the server sends it: who gets it, for which corp, and what it may do.

use dingtalk_core::InternalApp;
use dingtalk_sandbox::{Fault, World, route};
use dingtalk_tests::{Answer, Browser, ORIGIN, Request, Setup, both, login};
use serde_json::{Value, json};

both! {
    async fn a_page_load_inside_the_client_gets_the_page_at_its_own_address(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        for path in ["/", "/orders?x=1", "/guarded/page", "/admins/page"] {
            let page = browser.send(Request::new("GET", path).page().in_client()).await;
            assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")), "{path}");
            let data = data(&page).expect(path);
            let app = &setup.sandbox.world().apps[0];
            assert_eq!((&data["corp_id"], &data["client_id"]), (&json!(app.corp_id), &json!(app.app_key)));
            assert_eq!((&data["login"], &data["me"]), (&json!("/dingtalk/login"), &json!("/dingtalk/me")));
            assert_eq!((&data["target"], &data["signed_out"]), (&Value::Null, &Value::Null));
        }
        assert!(browser.cookies.keys().any(|name| name.ends_with("-login")), "it marks the browser");
        // Where nobody is welcome, the app answers.
        let maybe = browser.send(Request::new("GET", "/maybe").page().in_client()).await;
        assert_eq!(maybe.text(), "nobody");
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    /// E7
    async fn only_a_page_load_gets_a_page(framework) {
        let setup = Setup::start(framework).await;
        let html = "text/html,application/xhtml+xml";
        let get = || Request::new("GET", "/orders").in_client();
        for (request, is_page) in [
            (get().header("accept", html), true),
            (get().header("accept", "*/*").header("sec-fetch-mode", "navigate"), true),
            (get().header("accept", html).header("x-requested-with", "com.alibaba.android.rimet"), true),
            (get().header("accept", html).header("x-requested-with", "XMLHttpRequest"), false),
            (get().header("accept", html).header("sec-fetch-mode", "cors"), false),
            (get().header("accept", html).header("sec-fetch-mode", "no-cors"), false),
            (get().header("accept", "application/json"), false),
            (get(), false),
            (Request::new("POST", "/orders").in_client().page().header("origin", ORIGIN), false),
        ] {
            let shown = format!("{request:?}");
            let answer = request.send(setup.app.address()).await;
            assert_eq!(answer.status, if is_page { 200 } else { 401 }, "{shown}");
            assert_eq!(data(&answer).is_some(), is_page, "{shown}");
            assert_eq!(answer.header("location"), None, "nothing is redirected");
            if !is_page {
                assert_eq!(answer.code(), "session.required");
            }
        }
        let head = Request::new("HEAD", "/orders").in_client().page().send(setup.app.address()).await;
        assert!(head.body.is_empty());
    }

    async fn the_page_may_reach_its_own_site_and_run_its_own_script_only(framework) {
        let setup = Setup::start(framework).await;
        let load = || Request::new("GET", "/").page().in_client();
        let (one, other) = (load().send(setup.app.address()).await, load().send(setup.app.address()).await);
        let policy = one.header("content-security-policy").expect("a policy").to_owned();
        let nonce = between(&policy, "script-src 'nonce-", "'").expect("a nonce").to_owned();
        assert_eq!(nonce.len(), 22);
        assert!(!other.header("content-security-policy").expect("a policy").contains(&nonce));
        for rule in ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'self'"] {
            assert!(policy.split("; ").any(|said| said == rule), "{rule} in {policy}");
        }
        let html = one.text();
        assert_eq!(html.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
        for banned in [" src=", " href=", " onclick", " style=", "javascript:"] {
            assert!(!html.contains(banned), "{banned}");
        }
    }

    async fn the_page_is_for_the_corp_that_the_request_names_or_for_the_last_one(framework) {
        let setup = Setup::with(framework, |builder| builder.internal_app(warehouse())).await;
        let world = World::default();
        let (ours, theirs) = (&world.apps[0], &world.apps[2]);
        let open = |target: &str| Request::new("GET", target).page().in_client();
        for (target, app) in [
            (format!("/?corpid={}", ours.corp_id), ours),
            (format!("/?corpId={}", theirs.corp_id), theirs),
            (format!("/dingtalk/login?via=client&corpid={}", theirs.corp_id), theirs),
        ] {
            let data = data(&setup.browser().send(open(&target)).await).expect("the page");
            assert_eq!((&data["corp_id"], &data["client_id"]), (&json!(app.corp_id), &json!(app.app_key)), "{target}");
        }
        let mut browser = setup.browser();
        let code = setup.sandbox.code(&theirs.app_key, "manager01");
        let signed_in = browser.send(login(&code).header("x-dingtalk-corp-id", &theirs.corp_id)).await;
        assert_eq!(signed_in.status, 200);
        browser.cookies.retain(|name, _| name.ends_with("-corp"));
        let last = data(&browser.send(open("/")).await).expect("the page");
        assert_eq!(last["corp_id"], json!(theirs.corp_id));
    }

    async fn whoever_cannot_be_asked_for_a_code_reads_how_to_open_the_app_and_nobody_is_called(framework) {
        let setup = Setup::with(framework, |builder| builder.internal_app(warehouse())).await;
        let address = setup.app.address();
        let open = |target: &str| Request::new("GET", target).page();
        for (request, status, code) in [
            (open("/?corpid=$CORPID$").in_client(), 400, "login.corp_unclear"),
            (open("/?corpid=%24CORPID%24").in_client(), 400, "login.corp_unclear"),
            (open("/").in_client(), 400, "login.corp_unclear"),
            (open("/?corpid=ding00000000deadbeef").in_client(), 403, "login.corp_unknown"),
            (open("/dingtalk/login?corpid=ding00000000deadbeef&via=client"), 403, "login.corp_unknown"),
            (open("/dingtalk/login?via=client"), 400, "login.corp_unclear"),
            (open("/"), 401, "session.required"),
            (open("/dingtalk/login"), 400, "login.corp_unclear"),
            (open("/dingtalk/login?via=web").in_client(), 400, "login.corp_unclear"),
        ] {
            let shown = format!("{request:?}");
            let page = request.send(address).await;
            assert_eq!((page.status, page.header("content-type")), (status, Some("text/html; charset=utf-8")), "{shown}");
            let html = page.text();
            assert!(html.contains(code) && html.contains("workbench"), "{shown}: {html}");
            assert_eq!(data(&page), None, "{shown}");
        }
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    async fn the_login_address_goes_on_to_a_page_of_the_app_and_nowhere_else(framework) {
        let setup = Setup::start(framework).await;
        for (return_to, target) in [
            ("/orders%3Fx%3D1%23%2F3", "/orders?x=1#/3"),
            ("//evil.example", "/"),
            ("/%5Cevil.example", "/"),
            ("/dingtalk/login", "/"),
            ("", "/"),
        ] {
            let address = format!("/dingtalk/login?via=client&return_to={return_to}");
            let page = setup.browser().open(&address).await;
            assert_eq!(data(&page).expect("the page")["target"], json!(target), "{return_to}");
            // Somebody who is signed in needs no page in another browser.
            let there = setup.signed_in().await.open(&address.replace("via=client", "x=1")).await;
            assert_eq!((there.status, there.header("location")), (303, Some(target)), "{return_to}");
        }
    }

    async fn after_a_logout_no_code_is_asked_for_until_somebody_wants_to_come_in(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        browser.logout().await;
        let load = || Request::new("GET", "/orders").page().in_client();
        let page = browser.send(load()).await;
        let paused = data(&page).expect("the page");
        assert_eq!(paused["signed_out"]["code"], "session.signed_out");
        assert_eq!(paused["target"], Value::Null);
        let asked = data(&browser.send(Request::new("GET", "/dingtalk/login?via=client").page()).await);
        assert_eq!(asked.expect("the page")["signed_out"], Value::Null);
        // Ten minutes are the browser's to count.
        let mark = browser.cookies.keys().find(|name| name.ends_with("-out")).cloned();
        assert!(mark.is_some());
        assert_eq!(browser.login(&setup.any_code()).await.status, 200);
        assert!(!browser.cookies.keys().any(|name| name.ends_with("-out")), "a login ends it");
    }

    async fn in_a_frame_of_another_site_the_page_says_what_to_set(framework) {
        let setup = Setup::start(framework).await;
        let framed = |site: &str| Request::new("GET", "/orders").page().in_client()
            .without("sec-fetch-site").header("sec-fetch-site", site).header("sec-fetch-dest", "iframe");
        for request in [
            framed("cross-site"),
            framed("same-site"),
            framed("cross-site").without("user-agent"),
            Request::new("GET", "/dingtalk/login?via=client").page()
                .without("sec-fetch-site").header("sec-fetch-site", "cross-site").header("sec-fetch-dest", "iframe"),
        ] {
            let page = request.send(setup.app.address()).await;
            assert_eq!((page.status, data(&page)), (403, None));
            assert!(page.text().contains(".framed_by(") && page.text().contains("browser.framed"));
            let policy = page.header("content-security-policy").expect("a policy");
            assert!(!policy.contains("frame-ancestors") && !policy.contains("script-src"), "{policy}");
        }
        for site in ["same-origin", "none"] {
            assert!(data(&framed(site).send(setup.app.address()).await).is_some(), "{site}");
        }
    }

    /// D2
    async fn a_site_that_may_frame_the_app_gets_the_page_and_cookies_of_its_own(framework) {
        let portal = "https://portal.example.com";
        let setup = Setup::with(framework, |builder| builder.framed_by([portal, "http://localhost:7070"])).await;
        let request = Request::new("GET", "/orders").page().in_client()
            .without("sec-fetch-site").header("sec-fetch-site", "cross-site").header("sec-fetch-dest", "iframe");
        let mut browser = setup.browser();
        let page = browser.send(request).await;
        assert!(data(&page).is_some());
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.ends_with("; frame-ancestors 'self' https://portal.example.com http://localhost:7070"), "{policy}");
        let signed_in = browser.login(&setup.any_code()).await;
        setup.advance(301);
        let renewed = browser.fetch("/").await;
        let signed_out = browser.logout().await;
        let cookies: Vec<&str> = [&page, &signed_in, &renewed, &signed_out].into_iter().flat_map(|answer| answer.headers_named("set-cookie")).collect();
        assert_eq!(cookies.len(), 7, "{cookies:?}");
        for cookie in cookies {
            let attributes = cookie.split_once("; ").expect("it has some").1.split("; Max-Age").next();
            assert_eq!(attributes, Some("HttpOnly; SameSite=None; Partitioned; Secure; Path=/"), "{cookie}");
        }
    }

    async fn opened_from_the_workbench_an_old_sign_in_is_verified_where_the_app_wants_it(framework) {
        let setup = Setup::with(framework, |builder| builder.verify_on_open(true)).await;
        let corp_id = &setup.sandbox.world().corps[0].corp_id;
        let mut browser = setup.signed_in().await;
        let opened = format!("/orders?corpid={corp_id}");
        let open = |target: &str| Request::new("GET", target).page().in_client();
        setup.advance(600);
        assert_eq!(browser.send(open(&opened)).await.text(), "hello 张伟", "ten minutes are not over");
        setup.advance(1);
        let page = browser.send(open(&opened)).await;
        assert!(data(&page).is_some() && !page.text().contains("张伟"), "{}", page.text());
        for request in [
            open("/orders"),
            open("/orders?corpid=$CORPID$"),
            open("/orders").header("x-dingtalk-corp-id", corp_id),
            Request::new("GET", &opened).page(),
            Request::new("GET", &opened).fetch().in_client(),
        ] {
            let shown = format!("{request:?}");
            assert_eq!(browser.send(request).await.text(), "hello 张伟", "{shown}");
        }
        // Another person holds the device by now.
        let signed_in = browser.login(&setup.code("lina02")).await;
        assert_eq!(signed_in.status, 200);
        assert_eq!(browser.send(open(&opened)).await.text(), "hello 李娜");
    }

    /// D4
    async fn a_session_that_is_over_is_not_verified_however_long_the_browser_sends_it(framework) {
        let setup = Setup::with(framework, |builder| builder.verify_on_open(true)).await;
        let opened = format!("/orders?corpid={}", setup.sandbox.world().corps[0].corp_id);
        let mut browser = setup.signed_in().await;
        let (name, over) = browser.session().expect("signed in");
        setup.advance(601);
        assert_eq!(browser.login(&setup.any_code()).await.status, 200);
        let (_, now) = browser.session().expect("signed in");
        // One cookie of an app that was not made for frames yet, one of the app as it is: browsers keep both.
        let open = |cookies: String| Request::new("GET", &opened).page().in_client().header("cookie", cookies);
        for cookies in [format!("{name}={over}; {name}={now}"), format!("{name}={now}; {name}={over}")] {
            assert_eq!(open(cookies).send(setup.app.address()).await.text(), "hello 张伟");
        }
        let page = open(format!("{name}={over}; {name}-out=1")).send(setup.app.address()).await;
        assert_eq!(data(&page).expect("the page")["signed_out"]["code"], "session.signed_out");
    }

    async fn without_the_setting_an_old_sign_in_is_not_verified(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        setup.advance(3600);
        let opened = format!("/orders?corpid={}", setup.sandbox.world().corps[0].corp_id);
        let page = browser.send(Request::new("GET", &opened).page().in_client()).await;
        assert_eq!(page.text(), "hello 张伟");
    }

    async fn whoever_may_not_use_the_app_does_not_meet_the_one_before_and_an_outage_ends_nothing(framework) {
        let setup = Setup::with(framework, |builder| {
            builder.verify_on_open(true).on_login(async |login| match login.person.user_id() {
                Some("wangfang03") => Err(dingtalk_core::LoginDenied::Refused),
                _ => Ok(dingtalk_core::Claims::new()),
            })
        }).await;
        let mut browser = setup.signed_in().await;
        setup.sandbox.fault(Fault::errcode(-1).on(route::GETUSERINFO).times(1));
        assert_eq!(browser.login(&setup.any_code()).await.status, 503);
        assert_eq!(browser.login("0000").await.status, 401);
        let copy = browser.session();
        assert_eq!(browser.fetch("/").await.text(), "hello 张伟");
        let refused = browser.login(&setup.code("wangfang03")).await;
        assert_eq!((refused.status, refused.code()), (403, "login.refused_by_app".into()));
        assert_eq!(browser.session(), None);
        let (name, value) = copy.expect("it was there");
        let mut thief = Browser::new(setup.app.address());
        thief.cookies.insert(name, value);
        assert_eq!(thief.fetch("/").await.status, 401, "a copy is no use either");
    }
}

/// What the page's script works with; `None` for any other page.
fn data(answer: &Answer) -> Option<Value> {
    let html = answer.text();
    let data = between(
        &html,
        "<script type=\"application/json\" id=\"data\">",
        "</script>",
    )?;
    serde_json::from_str(data).ok()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?
        .1
        .split_once(after)
        .map(|(inside, _)| inside)
}

fn warehouse() -> InternalApp {
    let app = World::default().apps.remove(2);
    InternalApp::new(app.corp_id, app.app_key, app.app_secret)
}
