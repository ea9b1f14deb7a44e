//! Nothing in a request's path, query or headers opens a door, and only a page load is ever sent anywhere.

use dingtalk_tests::{Request, Setup, both};

both! {
    /// D20
    async fn no_spelling_of_a_target_passes_a_guard(framework) {
        let setup = Setup::start(framework).await;
        let mut employee = setup.browser();
        assert_eq!(employee.login(&setup.code("lina02")).await.status, 200);
        for guarded in ["guarded/page", "guarded/any", "admins/page", "admins/any", "orders", "me"] {
            for target in [
                format!("/{guarded}"),
                format!("/{guarded}?x=/public"),
                format!("/{guarded}?/public"),
                format!("/{guarded}?return_to=/public&path=/public&url=/public"),
                format!("/{guarded}/"),
                format!("/{guarded}/../{guarded}"),
                format!("/{guarded};x"),
                format!("/{guarded};/public"),
                format!("/{guarded}.html"),
                format!("/{guarded}%00"),
                format!("/{guarded}%20"),
                format!("/{guarded}%3f/public"),
                format!("/{guarded}%23/public"),
                format!("//{guarded}"),
                format!("/./{guarded}"),
                format!("/public/../{guarded}"),
                format!("/public/%2e%2e/{guarded}"),
                format!("/public/..%2f{guarded}"),
                format!("/public/..;/{guarded}"),
                format!("/public\\..\\{guarded}"),
                format!("/dingtalk/../{guarded}"),
                format!("/dingtalk/me/../../{guarded}"),
                format!("/%2e/{guarded}"),
                format!("/{}", guarded.to_uppercase()),
                format!("/{}", percent(guarded)),
            ] {
                for request in [Request::new("GET", &target).fetch(), Request::new("GET", &target).page()] {
                    let shown = format!("{request:?}");
                    let nobody = request.clone().send(setup.app.address()).await;
                    assert!([400, 401, 404].contains(&nobody.status), "{} {shown}", nobody.status);
                    assert!(!is_inside(&nobody.text()), "{shown}");
                    if guarded.starts_with("admins") {
                        let refused = employee.send(request).await;
                        assert!([400, 403, 404].contains(&refused.status), "{} {shown}", refused.status);
                        assert!(!is_inside(&refused.text()), "{shown}");
                    }
                }
            }
        }
        assert_eq!(setup.sandbox.call_count_of(dingtalk_sandbox::route::GETUSERINFO), 1);
    }

    /// D20
    async fn no_header_passes_a_guard(framework) {
        let setup = Setup::start(framework).await;
        for path in ["/", "/orders", "/me", "/guarded/page", "/guarded/any", "/admins/page", "/admins/any"] {
            for (name, value) in [
                ("user-agent", "kube-probe/1.31"),
                ("user-agent", "ELB-HealthChecker/2.0"),
                ("user-agent", "GoogleHC/1.0"),
                ("user-agent", "Mozilla/5.0 AliApp(DingTalk/7.0.50) com.alibaba.android.rimet/28810254"),
                ("x-original-url", "/public"),
                ("x-rewrite-url", "/public"),
                ("x-forwarded-uri", "/public"),
                ("x-forwarded-path", "/public"),
                ("x-forwarded-prefix", "/public"),
                ("x-http-method-override", "OPTIONS"),
                ("x-method-override", "OPTIONS"),
                ("x-forwarded-user", "manager01"),
                ("x-forwarded-for", "127.0.0.1"),
                ("x-real-ip", "127.0.0.1"),
                ("forwarded", "for=127.0.0.1"),
                ("referer", "https://hr.example.com/public"),
                ("host", "localhost"),
                ("authorization", "Bearer manager01"),
                ("x-dingtalk-user-id", "manager01"),
                ("x-dingtalk-corp-id", "$CORPID$"),
                ("access-control-request-method", "GET"),
                ("sec-purpose", "prefetch"),
                ("upgrade", "websocket"),
            ] {
                for request in [Request::new("GET", path).fetch(), Request::new("GET", path).page()] {
                    let answer = request.without(name).header(name, value).send(setup.app.address()).await;
                    assert!(!is_inside(&answer.text()), "{path} {name}: {value}");
                    assert_eq!(answer.session(), None, "{path} {name}: {value}");
                    // Inside DingTalk a page load is answered with the page that signs in: a page all the same, and not the app's.
                    let is_login_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
                    assert!(answer.status == 401 || (answer.status == 200 && is_login_page), "{path} {name}: {value}: {}", answer.status);
                }
            }
        }
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    /// E7
    async fn only_a_page_load_is_answered_with_a_page_and_nothing_else_is_sent_away(framework) {
        let setup = Setup::start(framework).await;
        let accepts = [
            None,
            Some("*/*"),
            Some("application/json"),
            Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ];
        let modes = [None, Some("navigate"), Some("cors"), Some("same-origin"), Some("no-cors"), Some("websocket")];
        let asked_by = [None, Some("XMLHttpRequest"), Some("com.alibaba.android.rimet")];
        let agents = [None, Some("Mozilla/5.0 AliApp(DingTalk/7.0.50) com.alibaba.android.rimet/28810254")];
        let mut pages = 0;
        for method in ["GET", "POST"] {
            for accept in accepts {
                for mode in modes {
                    for asked_by in asked_by {
                        for agent in agents {
                            let mut request = Request::new(method, "/orders?x=1");
                            let headers = [("accept", accept), ("sec-fetch-mode", mode), ("x-requested-with", asked_by), ("user-agent", agent)];
                            for (name, value) in headers {
                                if let Some(value) = value {
                                    request = request.header(name, value);
                                }
                            }
                            let shown = format!("{request:?}");
                            let answer = request.send(setup.app.address()).await;
                            let is_navigation = match mode {
                                Some(mode) => mode == "navigate",
                                None => accept.is_some_and(|accept| accept.contains("html")),
                            };
                            let is_page_load = method == "GET" && is_navigation && asked_by != Some("XMLHttpRequest");
                            let kind = answer.header("content-type").unwrap_or_default();
                            assert!(!(300..400).contains(&answer.status) && answer.header("location").is_none(), "{shown}");
                            if is_page_load {
                                pages += 1;
                                assert_eq!(kind, "text/html; charset=utf-8", "{shown}");
                            } else {
                                assert_eq!((answer.status, kind), (401, "application/problem+json"), "{shown}");
                                assert_eq!(answer.code(), "session.required", "{shown}");
                            }
                        }
                    }
                }
            }
        }
        // Without Sec-Fetch one of four, with `navigate` all four; times two askers, and two agents.
        assert_eq!(pages, (1 + 4) * 2 * 2);
        assert_eq!(setup.sandbox.call_count(), 0);
    }
}

/// What only the app's own handlers say.
fn is_inside(text: &str) -> bool {
    text.contains("for those who pass") || text.starts_with("hello ") || text.contains("manager01")
}

/// Every letter in its percent-encoded form.
fn percent(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'/' => "/".to_owned(),
            byte => format!("%{byte:02x}"),
        })
        .collect()
}
