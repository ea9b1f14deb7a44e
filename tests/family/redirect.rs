//! Where a visitor is sent after a login or logout: only ever back into the app.

use dingtalk_core::DingTalkBuilder;
use dingtalk_sandbox::World;
use dingtalk_tests::{Answer, Browser, Framework, ORIGIN, Placement, Request, Setup, both, login};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Url, form_urlencoded};

use self::targets::TARGETS;

mod targets;

both! {
    async fn a_prefix_that_is_the_base_path_too_hides_no_own_path(framework) {
        let under = |builder: DingTalkBuilder| builder.public_origin("https://hr.example.com/dingtalk");
        let setup = Setup::with(framework, under).await;
        for prefix in ["", "/dingtalk"] {
            let request = Request::new("POST", &format!("{prefix}/dingtalk/login"));
            let answer = request.fetch().header("x-dingtalk-auth-code", setup.any_code()).send(setup.app.address()).await;
            assert_eq!(answer.status, 200, "{prefix} {}", answer.text());
        }
    }

    /// E1 E2
    async fn no_return_to_leads_off_the_origin_after_a_login(framework) {
        let setup = unhurried(framework).await;
        let browser = setup.browser();
        for query in queries() {
            let target = format!("/dingtalk/login?{query}");
            let request = Request::new("POST", &target).fetch().header("x-dingtalk-auth-code", setup.any_code());
            let answer = browser.clone().send(request).await;
            assert_eq!(answer.status, 200, "{query} {}", answer.text());
            let target = answer.json()["return_to"].as_str().expect("a target").to_owned();
            assert_stays(&target, &query);
        }
    }

    /// E1 E2
    async fn no_return_to_leads_off_the_origin_after_a_logout(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        for query in queries() {
            let answer = logout(&mut browser, &query).await;
            let target = answer.header("location").expect("a target").to_owned();
            assert_stays(&target, &query);
            let fetched = Request::new("POST", &format!("/dingtalk/logout?{query}")).fetch();
            let fetched = browser.send(fetched).await;
            assert_eq!(fetched.json()["return_to"], target, "{query}");
        }
    }

    /// E1
    async fn a_page_of_the_app_is_returned_to_with_its_query_and_fragment(framework) {
        let setup = unhurried(framework).await;
        let mut browser = setup.browser();
        for target in ["/", "/orders?x=1&y=%20", "/orders/%E9%92%89#/item/3", "/a/b.html?next=https://x.example//y", "/@me", "/dingtalks"] {
            let query = format!("other=1&return_to={}", encoded(target));
            assert_eq!(logout(&mut browser, &query).await.header("location"), Some(target));
            let request = Request::new("POST", &format!("/dingtalk/login?{query}")).fetch();
            let request = request.header("x-dingtalk-auth-code", setup.any_code());
            assert_eq!(browser.send(request).await.json()["return_to"], target);
        }
    }

    /// E6
    async fn our_own_paths_are_nothing_to_return_to(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        for own in [
            "/dingtalk",
            "/dingtalk/",
            "/dingtalk/login",
            "/dingtalk/login?return_to=/dingtalk/login",
            "/dingtalk/logout#x",
            "/dingtalk/callback",
            "/dingtalk/admin?code=1",
            "/./dingtalk/login",
            "/a/../dingtalk/logout",
            "/a/%2e%2e/dingtalk/login",
            "/%2E/dingtalk/login",
        ] {
            let query = format!("return_to={}", encoded(own));
            assert_eq!(logout(&mut browser, &query).await.header("location"), Some("/"), "{own}");
        }
        let prefixed = Setup::with(framework, |builder| {
            builder.public_origin(format!("{ORIGIN}/hr")).base_path("/auth").name("staff")
        }).await;
        for (asked, answered) in [
            ("/hr/auth/staff/login", "/hr/"),
            ("/auth/staff/login", "/hr/"),
            ("//evil.example", "/hr/"),
            ("/hr/orders", "/hr/orders"),
        ] {
            let target = format!("/hr/auth/staff/logout?return_to={}", encoded(asked));
            let request = Request::new("POST", &target).page().without("sec-fetch-site").header("sec-fetch-site", "same-origin");
            let answer = prefixed.browser().send(request).await;
            assert_eq!((answer.status, answer.header("location")), (303, Some(answered)), "{asked}");
        }
    }

    /// E4
    async fn nothing_in_a_request_changes_the_addresses_we_emit(framework) {
        let setup = Setup::start(framework).await;
        let address = setup.app.address();
        // So that no hint comes and goes between the answers compared.
        assert_eq!(login("junk+code").send(address).await.status, 400);
        let evil = "evil.example";
        let spoofs: [&dyn Fn(Request) -> Request; 17] = [
            &|request| request.header("host", evil),
            &|request| request.without("host").header("host", evil).header("host", "hr.example.com"),
            &|request| request.without("host"),
            &|request| request.without("host").header("host", evil),
            &|request| request.without("host").header("host", "hr.example.com@evil.example"),
            &|request| request.without("host").header("host", "hr.example.com:80@evil.example/x"),
            &|request| request.without("host").header("host", ""),
            &|request| request.header("x-forwarded-host", evil),
            &|request| request.header("x-forwarded-proto", "http").header("x-forwarded-port", "81"),
            &|request| request.header("x-forwarded-prefix", "/evil.example"),
            &|request| request.header("x-forwarded-server", evil).header("x-host", evil),
            &|request| request.header("forwarded", "for=1.2.3.4;host=evil.example;proto=http"),
            &|request| request.header("x-original-url", "/evil.example").header("x-rewrite-url", "/evil.example"),
            &|request| request.header("x-original-host", evil).header("x-http-host-override", evil),
            &|request| request.header("referer", "https://evil.example/"),
            &|request| request.header("x-forwarded-host", "\u{ff}evil.example"),
            &|request| request.header("x-http-method-override", "DELETE"),
        ];
        for (at, spoof) in spoofs.into_iter().enumerate() {
            // Only a wrong number of hosts, or one that is none, is a reason to refuse.
            let may_refuse = at < 7;
            let refused = spoof(Request::new("GET", "/").fetch()).send(address).await;
            if !(may_refuse && refused.status == 400) {
                assert_eq!((refused.status, &refused.json()["login_url"]), (401, &format!("{ORIGIN}/dingtalk/login").into()), "{at}");
            }
            let page = spoof(Request::new("GET", "/").page().in_client()).send(address).await;
            assert!(may_refuse && page.status == 400 || page.text().contains("\"login\":\"/dingtalk/login\""), "{at}");
            setup.advance(1);
            let signed_in = spoof(login(&setup.any_code())).send(address).await;
            if !(may_refuse && signed_in.status == 400) {
                assert_eq!((signed_in.status, &signed_in.json()["return_to"]), (200, &"/".into()), "{at}");
            }
            let signed_out = spoof(Request::new("POST", "/dingtalk/logout").page().header("origin", ORIGIN).without("sec-fetch-site"));
            let signed_out = signed_out.send(address).await;
            if !(may_refuse && signed_out.status == 400) {
                assert_eq!((signed_out.status, signed_out.header("location")), (303, Some("/")), "{at}");
            }
            for answer in [refused, page, signed_in, signed_out] {
                let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
                let whole = headers.chain([answer.text()]).collect::<String>();
                assert!(!whole.contains(evil) && !whole.contains("http://"), "{at} {whole}");
            }
        }
        // The target itself may name a host, too.
        let request = Request::new("GET", "http://evil.example/").fetch();
        let answer = request.send(address).await;
        assert!(!answer.text().contains(evil));
        assert_eq!(answer.json()["login_url"], format!("{ORIGIN}/dingtalk/login"));
    }
}

/// As many logins as the test likes, at one moment.
async fn unhurried(framework: Framework) -> Setup {
    let mut world = World::default();
    world.apps[0].calls_per_second = 0;
    let fast = |builder: DingTalkBuilder| builder.calls_per_second(10_000);
    Setup::placed(framework, Placement::Right, world, fast).await
}

/// Signs out as a form does: with a redirect.
async fn logout(browser: &mut Browser, query: &str) -> Answer {
    let request = Request::new("POST", &format!("/dingtalk/logout?{query}"))
        .page()
        .without("sec-fetch-site")
        .header("sec-fetch-site", "same-origin");
    let answer = browser.send(request).await;
    assert_eq!(answer.status, 303, "{query} {}", answer.text());
    answer
}

/// What a browser makes of a target, on any page of the app, is still the app.
fn assert_stays(target: &str, asked: &str) {
    let mut query = form_urlencoded::parse(asked.as_bytes());
    let (_, seen) = query.next().expect("the query asks for something");
    let is_path = seen.starts_with('/') && !seen.starts_with("//");
    if !is_path
        || !seen
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        // No parser is asked what it makes of these.
        assert_eq!(target, "/", "{asked}");
    }
    assert!(
        target.starts_with('/') && !target.starts_with("//"),
        "{asked} became {target}"
    );
    assert!(
        target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\'),
        "{asked} became {target}"
    );
    for page in ["/", "/deep/page?x#y"] {
        let page = Url::parse(ORIGIN)
            .and_then(|origin| origin.join(page))
            .expect("a page of ours");
        let there = page.join(target).expect("a target");
        assert_eq!(
            there.origin().ascii_serialization(),
            ORIGIN,
            "{asked} became {target}"
        );
    }
}

/// Every form of the corpus as a query: encoded so that we see it as it is, encoded once more, decoded once and twice, and
/// as bare as HTTP lets it be.
fn queries() -> Vec<String> {
    let mut queries = Vec::new();
    for form in TARGETS {
        let once = percent_decode_str(form).collect::<Vec<u8>>();
        let twice = percent_decode_str(form).decode_utf8_lossy().into_owned();
        let twice = percent_decode_str(&twice).collect::<Vec<u8>>();
        let seen = [form.as_bytes(), &once, &twice];
        let seen =
            seen.map(|bytes| percent_encoding::percent_encode(bytes, NON_ALPHANUMERIC).to_string());
        queries.extend(seen.clone().map(|seen| format!("return_to={seen}")));
        queries.push(format!("return_to={}", encoded(&seen[0])));
        queries.push(format!("return_to={seen}&return_to=%2F", seen = seen[0]));
        if form
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"<>#".contains(&byte))
        {
            queries.push(format!("return_to={form}"));
        }
    }
    queries.sort();
    queries.dedup();
    queries
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
