//! Paths, methods and requests that nobody means.

use dingtalk_tests::{ORIGIN, Request, Setup, both, login};

both! {
    /// M4
    async fn a_path_that_only_resembles_ours_is_the_apps(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        setup.sandbox.reset_calls();
        let code = setup.any_code();
        for path in [
            "/dingtalk/login/",
            "//dingtalk/login",
            "/dingtalk//login",
            "/dingtalk/%6cogin",
            "/%64ingtalk/login",
            "/dingtalk%2flogin",
            "/DingTalk/login",
            "/dingtalk/LOGIN",
            "/dingtalk/login;x",
            "/dingtalk/login.json",
            "/dingtalk/login%20",
            "/dingtalk/./login",
            "/dingtalk/x/../login",
            "/x/dingtalk/login",
            "/dingtalk",
            "/dingtalk/",
            "/dingtalk/login%00",
            "/dingtalk/login%3f",
        ] {
            let posted = Request::new("POST", path).fetch().header("x-dingtalk-auth-code", &code);
            let posted = browser.send(posted).await;
            assert_eq!((posted.status, posted.session()), (404, None), "{path}");
            let out = Request::new("POST", &path.replace("login", "logout").replace("%6cogin", "%6cogout")).fetch();
            assert_eq!(browser.send(out).await.status, 404, "{path}");
        }
        assert_eq!(setup.sandbox.call_count(), 0);
        assert_eq!(browser.fetch("/").await.status, 200, "nothing signed out");
        assert_eq!(browser.login(&code).await.status, 200, "and the code is unspent");
    }

    /// M4 B7
    async fn an_own_path_answers_its_own_methods_only(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        setup.sandbox.reset_calls();
        let code = setup.any_code();
        let others = ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "post", "get", "POSTS"];
        for (path, allowed, refused) in [
            ("/dingtalk/login", "GET, HEAD, POST, OPTIONS", &[][..]),
            ("/dingtalk/login?return_to=/x", "GET, HEAD, POST, OPTIONS", &[]),
            ("/dingtalk/logout", "POST, OPTIONS", &["GET", "HEAD"]),
            ("/dingtalk/me", "GET, HEAD, OPTIONS", &["POST"]),
        ] {
            for method in others.iter().chain(refused) {
                for request in [Request::new(method, path).fetch(), Request::new(method, path).page()] {
                    let request = request.header("x-dingtalk-auth-code", &code);
                    let answer = browser.send(request).await;
                    assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {path}");
                    assert_eq!(answer.headers_named("set-cookie").count(), 0, "{method} {path}");
                    if *method != "HEAD" {
                        assert_eq!(answer.code(), "request.method_not_allowed", "{method} {path}");
                    }
                }
            }
            let options = browser.send(Request::new("OPTIONS", path).fetch()).await;
            assert_eq!((options.status, options.header("allow")), (204, Some(allowed)), "{path}");
        }
        let head = browser.send(Request::new("HEAD", "/dingtalk/me").fetch()).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(setup.sandbox.call_count(), 0);
        assert_eq!(browser.fetch("/").await.status, 200, "nothing signed out");
        assert_eq!(browser.login(&code).await.status, 200, "and the code is unspent");
    }

    /// M4
    async fn a_logout_from_elsewhere_is_refused_and_ends_nothing(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        for (origin, site) in [
            (None, None),
            (None, Some("cross-site")),
            (None, Some("same-site")),
            (None, Some("none")),
            (Some("https://evil.example"), None),
            (Some("https://evil.example"), Some("same-origin")),
            (Some("null"), None),
            (Some(ORIGIN), Some("cross-site")),
            (Some(ORIGIN), Some("same-site")),
            (Some("https://hr.example.com.evil.example"), None),
            (Some("https://hr.example.com:444"), None),
            (Some("http://hr.example.com"), None),
            (Some("HTTPS://HR.EXAMPLE.COM"), None),
            (Some(""), None),
        ] {
            let mut request = Request::new("POST", "/dingtalk/logout");
            for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            let answer = browser.send(request).await;
            assert_eq!((answer.status, answer.code()), (403, "login.origin_refused".into()), "{origin:?} {site:?}");
        }
        let two = Request::new("POST", "/dingtalk/logout").header("origin", ORIGIN).header("origin", "https://evil.example");
        assert_eq!(browser.send(two).await.status, 403);
        assert_eq!(browser.fetch("/").await.status, 200);
    }

    /// M1 M2
    async fn no_request_however_odd_panics_or_leaves_a_session(framework) {
        let setup = Setup::start(framework).await;
        let mut random = Random(0x5eed);
        let methods = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "X"];
        let paths = ["/", "/maybe", "/guarded/page", "/dingtalk/login", "/dingtalk/logout", "/dingtalk/me", "/nowhere"];
        let names = [
            "cookie", "cookie", "origin", "host", "accept", "accept-language", "user-agent", "sec-fetch-mode",
            "sec-fetch-site", "x-dingtalk-auth-code", "x-dingtalk-corp-id", "x-requested-with",
            "access-control-request-method",
        ];
        let known = [
            "__Host-dt-624a92d9=", "__Host-dt-624a92d9-login=;", "__Host-dt-624a92d9-corp=\u{ff}", ORIGIN, "null", "same-origin",
            "navigate", "cors", "text/html", "en;q=1e999,zh;q=-1", "DingTalk", "XMLHttpRequest", "$CORPID$", "%24CORPID%24",
            "0123456789abcdef", "; ; =;=", ",,;q=,", "",
        ];
        for round in 0..400 {
            let query = match random.below(4) {
                0 => String::new(),
                1 => format!("?corpid={}", random.query()),
                2 => format!("?return_to={}", random.query()),
                _ => format!("?{}", random.query()),
            };
            let target = format!("{}{query}", random.pick(&paths));
            let mut request = Request::new(random.pick(&methods), &target);
            for _ in 0..random.below(8) {
                let value = match random.below(2) {
                    0 => random.pick(&known).as_bytes().to_vec(),
                    _ => random.bytes(),
                };
                request = request.header(random.pick(&names), value);
            }
            let shown = format!("round {round}: {request:?}");
            let answer = request.send(setup.app.address()).await;
            assert!(answer.status < 500, "{} {shown}", answer.status);
            assert_eq!(answer.session(), None, "{shown}");
        }
        assert_eq!(setup.signed_in().await.fetch("/").await.status, 200);
    }

    /// M2
    async fn heads_and_queries_beyond_any_use_are_refused_or_nobodys(framework) {
        let setup = Setup::start(framework).await;
        let address = setup.app.address();
        let long = "a".repeat(60_000);
        let many = "a=b&".repeat(10_000);
        for request in [
            Request::new("GET", "/").header("cookie", &long),
            Request::new("GET", "/").header("cookie", "__Host-dt-624a92d9=x; ".repeat(2_000)),
            Request::new("GET", "/").header("cookie", ";".repeat(30_000)),
            Request::new("GET", &format!("/?{many}corpid=x")),
            Request::new("GET", "/").header("x-dingtalk-corp-id", &long),
            Request::new("GET", "/").header("accept-language", "en,".repeat(15_000)),
            Request::new("POST", &format!("/dingtalk/logout?return_to=/{long}")).header("origin", ORIGIN),
            login(&long),
        ] {
            let answer = request.try_send(address).await;
            // A framework may also hang up on a head that it does not want to read.
            if let Ok(answer) = answer {
                assert!(answer.status < 500, "{}", answer.status);
                assert!(answer.status != 200 || answer.json()["return_to"] == "/");
                assert_eq!(answer.session(), None);
            }
        }
        assert_eq!(setup.sandbox.call_count(), 0);
    }
}

/// The same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// What HTTP lets into a header.
    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(80))
            .map(|_| match self.below(256) as u8 {
                byte @ (b' '..=b'~' | 0x80..) => byte,
                _ => b'=',
            })
            .collect()
    }

    /// What HTTP lets into a query.
    fn query(&mut self) -> String {
        (0..self.below(60))
            .map(|_| match self.below(128) as u8 {
                byte @ (b'$'..=b';' | b'A'..=b'Z' | b'a'..=b'z' | b'=' | b'?' | b'_') => {
                    char::from(byte)
                }
                _ => '%',
            })
            .collect()
    }
}
