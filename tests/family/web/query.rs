//! What a callback's query may say, and what becomes of everything else in it.

use dingtalk_sandbox::route;
use dingtalk_tests::{Request, both};

use super::{any_code, begin, begun, callback, come_back, refused, start};

/// How a parameter stands in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Once,
    Absent,
    Empty,
    Twice,
}

impl How {
    const ALL: [Self; 4] = [Self::Once, Self::Absent, Self::Empty, Self::Twice];

    fn write(self, name: &str, value: &str) -> String {
        match self {
            Self::Once => format!("{name}={value}&"),
            Self::Absent => String::new(),
            Self::Empty => format!("{name}=&"),
            Self::Twice => format!("{name}={value}&{name}={value}&"),
        }
    }
}

both! {
    /// A8
    async fn a_code_and_a_state_must_stand_there_once(framework) {
        let setup = start(framework).await;
        for code_stands in How::ALL {
            for state_stands in How::ALL {
                for name in ["code", "authCode"] {
                    let mut browser = setup.browser();
                    let begun = begin(&mut browser, "/").await;
                    let query = code_stands.write(name, &any_code(&setup)) + &state_stands.write("state", &begun.state);
                    setup.sandbox.reset_calls();
                    let answer = browser.open(&format!("/dingtalk/callback?{query}")).await;
                    let is_good = code_stands == How::Once && state_stands == How::Once;
                    assert_eq!(answer.status, if is_good { 303 } else { 400 }, "{name} {code_stands:?} {state_stands:?}");
                    assert_eq!(answer.session().is_some(), is_good);
                    assert_eq!(setup.sandbox.call_count() > 0, is_good);
                }
            }
        }
        for target in ["/dingtalk/callback", "/dingtalk/callback?", "/dingtalk/callback?%00=%ff&&=&state=%ff%fe&code=%00"] {
            assert_eq!(setup.browser().open(target).await.status, 400, "{target}");
        }
    }

    /// A9
    async fn an_error_of_dingtalks_page_is_told_in_our_words(framework) {
        let setup = start(framework).await;
        let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%0d%0aSet-Cookie:%20evil=1";
        for language in ["en", "zh-CN"] {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/orders#/3").await;
            let target = format!("/dingtalk/callback?error={hostile}&error_description={hostile}&state={}", begun.state);
            let answer = browser.send(Request::new("GET", &target).page().without("accept-language").header("accept-language", language)).await;
            assert_eq!(refused(&answer), (401, "login.declined".into()));
            let text = answer.text();
            assert!(!text.contains("alert") && !text.contains("evil") && !text.contains("access_denied"));
            assert!(text.contains(if language == "en" { "did not sign you in" } else { "钉钉未完成登录授权" }));
            assert!(text.contains("href=\"/dingtalk/login?via=web&amp;return_to=%2Forders%23%2F3\""));
            assert!(answer.headers_named("set-cookie").all(|cookie| !cookie.contains("evil")));
            assert_eq!(answer.session(), None);
        }
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    /// A12
    async fn no_answer_of_the_callback_is_kept_or_leads_anybody_to_its_code(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/orders?x=1#/3").await;
        let code = any_code(&setup);
        let good = come_back(&mut browser, &code, &begun.state).await;
        let used = come_back(&mut browser, &code, &begun.state).await;
        let bad = come_back(&mut browser, "junk", "junk").await;
        for (answer, status) in [(&good, 303), (&used, 400), (&bad, 400)] {
            assert_eq!(answer.status, status);
            super::assert_clean(answer, &code, &begun.state);
        }
        assert_eq!(good.header("location"), Some("/orders?x=1#/3"));
    }

    /// B7
    async fn looking_at_a_callback_spends_nothing(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/").await;
        let target = callback(&any_code(&setup), &begun.state);
        for request in [
            Request::new("HEAD", &target).page(),
            Request::new("OPTIONS", &target).page(),
            Request::new("POST", &target).fetch(),
            Request::new("GET", &target).page().header("sec-purpose", "prefetch;prerender"),
            Request::new("GET", &target).page().header("sec-purpose", "prefetch"),
            Request::new("GET", &target).page().header("purpose", "prefetch"),
            Request::new("GET", &target).page().header("Purpose", "Prefetch"),
            Request::new("GET", &target).page().header("x-moz", "prefetch"),
            Request::new("GET", &target).page().header("x-purpose", "preview"),
        ] {
            let shown = format!("{request:?}");
            let answer = browser.send(request).await;
            assert!(matches!(answer.status, 204 | 403 | 405), "{shown}: {}", answer.status);
            assert_eq!(answer.headers_named("set-cookie").count(), 0, "{shown}");
        }
        assert_eq!(setup.sandbox.call_count(), 0);
        assert_eq!(browser.open(&target).await.status, 303);
    }

    /// E3, E5
    async fn where_it_goes_on_is_decided_at_the_beginning(framework) {
        let setup = start(framework).await;
        for (asked, target) in [
            ("/orders?x=1#/3", "/orders?x=1#/3"),
            ("https://hr.example.com/orders", "/"),
            ("https://hr.example.com.evil.example/", "/"),
            ("https://hr.example.com@evil.example/", "/"),
            ("http://hr.example.com/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("/dingtalk/callback?code=x", "/"),
            ("/dingtalk/login?via=web", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, asked).await;
            let answer = browser
                .open(&format!(
                    "{}&return_to=//evil.example&redirect_uri=https://evil.example&target=%ff%00",
                    callback(&any_code(&setup), &begun.state)
                ))
                .await;
            assert_eq!((answer.status, answer.header("location")), (303, Some(target)), "{asked}");
        }
    }

    /// E4
    async fn no_header_stands_in_the_redirect_uri(framework) {
        let setup = start(framework).await;
        let request = Request::new("GET", "/dingtalk/login?via=web").page().without("host");
        for request in [
            request.clone().header("host", "evil.example"),
            request.clone().header("host", "hr.example.com").header("x-forwarded-host", "evil.example").header("forwarded", "host=evil.example"),
        ] {
            let begun = begun(&setup.browser().send(request).await);
            let uri = super::parameter(&begun.page, "redirect_uri");
            assert_eq!(uri.as_deref(), Some("https://hr.example.com/dingtalk/callback"));
        }
    }

    /// A10, B5
    async fn a_code_of_one_kind_is_never_tried_as_another(framework) {
        let setup = start(framework).await;
        let world = setup.sandbox.world();
        let (app, person) = (&world.apps[0], &world.people[0]);
        let sns = || {
            let code = dingtalk_sandbox::SignInCode::sns(&*world.sign_in_apps[0].app_id, &*person.union_id);
            setup.sandbox.sign_in_code(&code).unwrap()
        };
        let silent = || setup.sandbox.code(&app.app_key, &person.user_id);
        let web = || setup.sandbox.web_code(&app.app_key, &person.user_id);
        for (kind, code, at, only) in [
            ("web", web(), "login", route::GETUSERINFO),
            ("sns", sns(), "login", route::GETUSERINFO),
            ("silent", silent(), "callback", route::USER_ACCESS_TOKEN),
            ("sns", sns(), "callback", route::USER_ACCESS_TOKEN),
        ] {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/").await;
            setup.sandbox.reset_calls();
            let answer = match at {
                "login" => browser.login(&code).await,
                _ => come_back(&mut browser, &code, &begun.state).await,
            };
            assert_eq!((answer.status, answer.session()), (401, None), "{kind} at {at}: {}", answer.text());
            let exchanges = [route::GETUSERINFO, route::USER_ACCESS_TOKEN, route::SNS_USERINFO];
            for exchange in exchanges {
                assert_eq!(setup.sandbox.call_count_of(exchange), usize::from(exchange == only), "{kind} at {at}: {exchange}");
            }
        }
        // A code never signs in twice, also by another sign-in's state.
        let mut browser = setup.browser();
        let code = web();
        let first = begin(&mut browser, "/").await;
        assert_eq!(come_back(&mut browser, &code, &first.state).await.status, 303);
        setup.sandbox.reset_calls();
        let second = begin(&mut browser, "/").await;
        let answer = come_back(&mut browser, &code, &second.state).await;
        assert_eq!(refused(&answer), (401, "login.code_used".into()));
        assert_eq!(setup.sandbox.call_count(), 0);
    }
}
