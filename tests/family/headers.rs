//! What caches, scripts of other origins and readers of two languages get to see.

use dingtalk_actix::{DingTalkAuth, DingTalkUser};
use dingtalk_tests::{Answer, Browser, Framework, Request, Setup, both, login};

both! {
    /// D19
    async fn shared_caches_keep_nothing_that_was_made_for_one_person(framework) {
        let setup = Setup::start(framework).await;
        let mut nobody = setup.browser();
        let mut somebody = setup.signed_in().await;
        // Path, what nobody gets, what somebody gets: status, Cache-Control, Vary.
        let personal = Some("private");
        let cookie = Some("Cookie");
        for (path, for_nobody, for_somebody) in [
            ("/", (401, Some("no-store"), cookie), (200, personal, cookie)),
            ("/orders", (401, Some("no-store"), cookie), (200, personal, cookie)),
            ("/maybe", (200, personal, cookie), (200, personal, cookie)),
            ("/option", (200, personal, cookie), (200, personal, cookie)),
            ("/cached", (401, Some("no-store"), cookie), (200, Some("private, max-age=60"), cookie)),
            ("/me", (401, Some("no-store"), cookie), (200, personal, cookie)),
            ("/guarded/page", (401, Some("no-store"), cookie), (200, personal, cookie)),
            ("/admins/page", (401, Some("no-store"), cookie), (200, personal, cookie)),
            ("/public", (200, None, None), (200, None, None)),
            ("/shared", (200, Some("public, max-age=60"), None), (200, Some("public, max-age=60"), None)),
            ("/nowhere", (404, None, None), (404, None, None)),
            ("/dingtalk/me", (401, Some("no-store"), None), (200, Some("no-store"), None)),
            ("/dingtalk/login", (401, Some("no-store"), None), (303, Some("no-store"), None)),
            ("/dingtalk/logout", (405, Some("no-store"), None), (405, Some("no-store"), None)),
        ] {
            assert_eq!(seen(&nobody.fetch(path).await), for_nobody, "{path}");
            assert_eq!(seen(&nobody.open(path).await), for_nobody, "{path} as a page");
            assert_eq!(seen(&somebody.fetch(path).await), for_somebody, "{path}");
        }
    }

    /// D19
    async fn an_answer_that_renews_a_session_is_private_even_where_nobody_asked_who_it_is(framework) {
        let setup = Setup::start(framework).await;
        for (path, caching) in [("/public", "private"), ("/shared", "private, max-age=60"), ("/nowhere", "private")] {
            let mut browser = setup.signed_in().await;
            setup.advance(300);
            let answer = browser.fetch(path).await;
            assert!(answer.session().is_some(), "{path}");
            assert_eq!((answer.header("cache-control"), answer.header("vary")), (Some(caching), Some("Cookie")), "{path}");
            // The renewed cookie is not due again.
            let answer = browser.fetch(path).await;
            assert_eq!((answer.session(), answer.header("vary")), (None, None), "{path}");
        }
    }

    /// D19
    async fn answers_about_logins_are_never_stored_sniffed_or_told_to_others(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        let answers = [
            browser.fetch("/").await,
            browser.open("/").await,
            browser.login(&setup.any_code()).await,
            browser.login("0123456789abcdef0123456789abcdef").await,
            browser.send(Request::new("POST", "/dingtalk/login").fetch()).await,
            browser.send(Request::new("POST", "/dingtalk/login").header("origin", "https://evil.example")).await,
            browser.send(Request::new("OPTIONS", "/dingtalk/login").fetch()).await,
            browser.fetch("/dingtalk/me").await,
            browser.logout().await,
            browser.send(Request::new("POST", "/dingtalk/logout").page().header("origin", dingtalk_tests::ORIGIN)).await,
        ];
        let statuses = [401, 401, 200, 401, 400, 403, 204, 200, 200, 403];
        for (answer, status) in answers.iter().zip(statuses) {
            assert_eq!(answer.status, status, "{}", answer.text());
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{status}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{status}");
        }
    }

    async fn texts_are_in_the_language_the_visitor_prefers(framework) {
        let setup = Setup::start(framework).await;
        for (accepted, is_english) in [
            (Some("en"), true),
            (Some("en-GB,en;q=0.9"), true),
            (Some("zh;q=0.2, en;q=0.3"), true),
            (Some("fr, EN-us;q=0.5"), true),
            (Some("zh-CN,zh;q=0.9,en;q=0.8"), false),
            (Some("en;q=0.1, zh-TW"), false),
            (Some("de"), false),
            (Some("en;q=0"), false),
            (Some("\u{ff}\u{fe};q=NaN,,;;="), false),
            (None, false),
        ] {
            let ask = |request: Request| match accepted {
                Some(accepted) => request.header("accept-language", accepted),
                None => request,
            };
            let problem = ask(Request::new("GET", "/")).send(setup.app.address()).await;
            let title = if is_english { "You are not signed in" } else { "您尚未登录" };
            assert_eq!(problem.json()["title"], title, "{accepted:?}");
            let page = ask(Request::new("GET", "/").header("accept", "text/html")).send(setup.app.address()).await;
            let lang = if is_english { "en" } else { "zh-CN" };
            assert_eq!(page.header("content-language"), Some(lang), "{accepted:?}");
            assert!(page.text().contains(title) && page.text().contains(&format!("<html lang=\"{lang}\">")));
            let own = ask(Request::new("GET", "/dingtalk/logout")).send(setup.app.address()).await;
            let title = if is_english { "This path does not answer that method" } else { "此路径不支持该请求方法" };
            assert_eq!(own.json()["title"], title, "{accepted:?}");
        }
    }

    async fn a_preflight_of_the_apps_own_paths_is_the_apps_to_answer_and_passes_no_guard(framework) {
        let setup = Setup::start(framework).await;
        let preflight = |path| Request::new("OPTIONS", path)
            .header("origin", "https://spa.example.com")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "x-dingtalk-corp-id")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-site", "cross-site");
        let answer = preflight("/public").send(setup.app.address()).await;
        assert!([404, 405].contains(&answer.status), "the app has no answer of its own: {}", answer.status);
        for name in ["set-cookie", "content-type", "www-authenticate", "access-control-allow-origin"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        for path in ["/guarded/page", "/guarded/any", "/admins/page", "/admins/any"] {
            let answer = preflight(path).send(setup.app.address()).await;
            assert_eq!((answer.status, answer.code()), (401, "session.required".into()), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        }
    }

    /// B3
    async fn only_a_listed_origin_may_read_our_answers(framework) {
        let spa = "https://spa.example.com";
        let setup = Setup::with(framework, |builder| builder.trusted_origin(spa)).await;
        let mut browser = setup.browser();
        for (origin, is_listed) in [
            (spa, true),
            ("https://spa.example.com.evil.example", false),
            ("https://evil.example", false),
            ("http://spa.example.com", false),
            ("https://spa.example.com:8443", false),
            ("null", false),
            (dingtalk_tests::ORIGIN, false),
        ] {
            for request in [
                Request::new("OPTIONS", "/dingtalk/login").header("access-control-request-method", "POST"),
                Request::new("GET", "/dingtalk/me"),
                Request::new("POST", "/dingtalk/login"),
            ] {
                let answer = browser.send(request.header("origin", origin)).await;
                let granted = answer.header("access-control-allow-origin");
                assert_eq!(granted, is_listed.then_some(spa), "{origin} {}", answer.status);
                assert_eq!(answer.header("access-control-allow-credentials").is_some(), is_listed);
                if is_listed {
                    assert!(answer.headers_named("vary").any(|vary| vary == "Origin"));
                }
            }
        }
        let posted = login(&setup.any_code()).without("origin").without("sec-fetch-site");
        let posted = browser.send(posted.header("origin", spa).header("sec-fetch-site", "same-site")).await;
        assert_eq!(posted.status, 200, "{}", posted.text());
        assert_eq!(posted.header("access-control-allow-origin"), Some(spa));
        assert_still_signed_in(&mut browser).await;
    }
}

fn seen(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (
        answer.status,
        answer.header("cache-control"),
        answer.header("vary"),
    )
}

async fn assert_still_signed_in(browser: &mut Browser) {
    assert_eq!(browser.fetch("/").await.status, 200);
}

/// D19
#[test]
fn an_error_of_an_actix_middleware_made_for_one_person_is_private_too() {
    use actix_web::middleware::from_fn;
    use actix_web::{App, body::BoxBody, dev, error, middleware, test};

    actix_web::rt::System::new().block_on(async {
        let setup = Setup::start(Framework::Actix).await;
        let (name, value) = setup.signed_in().await.session().expect("signed in");
        setup.advance(600);
        let refuse =
            async |user: DingTalkUser, _: dev::ServiceRequest, _: middleware::Next<BoxBody>| {
                let none = error::ErrorNotFound(format!("{} has no orders", user.name()));
                Err::<dev::ServiceResponse, _>(none)
            };
        let app = App::new()
            .wrap(from_fn(refuse))
            .wrap(DingTalkAuth::new(setup.dingtalk.clone()));
        let app = test::init_service(app).await;
        let request =
            test::TestRequest::default().insert_header(("cookie", format!("{name}={value}")));
        let error = test::try_call_service(&app, request.to_request())
            .await
            .expect_err("it refuses");
        let answer = error.error_response();
        assert_eq!(answer.status(), 404);
        for (name, value) in [("vary", "Cookie"), ("cache-control", "private")] {
            assert_eq!(answer.headers().get(name).expect(name), value);
        }
        assert!(
            answer.headers().contains_key("set-cookie"),
            "the activity is noted"
        );
    });
}
