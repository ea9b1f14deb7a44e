//! What DingTalk or the way to it does wrong, and what people then see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dingtalk_core::{Clock, Details, DingTalk, InternalApp, SessionKey};
use dingtalk_sandbox::{Fault, Sandbox, World, route};
use dingtalk_tests::{
    Framework, LOGIN, ORIGIN, Placement, Request, Setup, WatchedClock, both, login,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// An app whose DingTalk is at another address: a peer of the test's own.
async fn against(framework: Framework, address: &str) -> (Setup, WatchedClock) {
    let sandbox = Sandbox::builder()
        .clock(dingtalk_sandbox::Clock::manual())
        .start()
        .await
        .unwrap();
    let clock = WatchedClock::new(&sandbox);
    let setup = Setup::on(framework, Placement::Right, sandbox, |builder| {
        clock.on(builder).endpoint(address)
    });
    (setup, clock)
}

/// Counts who connects, and keeps every connection open in silence.
async fn listener() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            open.push(stream);
        }
    });
    (address, connections)
}

both! {
    /// I1
    async fn a_call_that_is_never_answered_ends_by_its_limit(framework) {
        for (route, code, status) in [
            (route::ACCESS_TOKEN, "dingtalk.unreachable", 503),
            (route::GETUSERINFO, "login.code_unconfirmed", 401),
            (route::USER_GET, "dingtalk.unreachable", 503),
        ] {
            let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder).await;
            let hold = setup.sandbox.hold(route);
            let answer = clock
                .drive(|| 1, || hold.waiting(), setup.browser().login(&setup.any_code()))
                .await;
            assert!(clock.elapsed() <= LOGIN, "{route}: {:?}", clock.elapsed());
            // Where a code was sent, the login's own limit may come first; where none was, nothing is unconfirmed.
            let is_cut = route != route::ACCESS_TOKEN && answer.status == 401 && answer.code() == "login.code_unconfirmed";
            assert!((answer.status, &*answer.code()) == (status, code) || is_cut, "{route}: {}", answer.text());
            assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), usize::from(route != route::ACCESS_TOKEN));
            drop(hold);
            clock.until("no wait is left", || clock.waiting() + clock.calling() == 0).await;
        }
    }

    /// I1
    async fn an_answer_of_a_byte_a_second_ends_by_its_limit(framework) {
        for route in [route::ACCESS_TOKEN, route::GETUSERINFO] {
            let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder).await;
            setup.sandbox.fault(Fault::drip(1).on(route));
            let browser = &mut setup.browser();
            let code = setup.any_code();
            let answer = clock.step(Duration::from_millis(500), browser.login(&code)).await;
            assert!(clock.elapsed() <= LOGIN + Duration::from_secs(1), "{route}: {:?}", clock.elapsed());
            let status = if route == route::ACCESS_TOKEN { 503 } else { 401 };
            assert_eq!(answer.status, status, "{route}: {}", answer.text());
            assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), usize::from(route != route::ACCESS_TOKEN));
        }
    }

    /// I1
    async fn a_connection_that_never_comes_about_ends_by_its_limit(framework) {
        // A listener whose queue is full: further connections are neither taken nor refused.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let address = full.local_addr().unwrap();
        let _queue: Vec<_> = (0..8).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
        let (setup, clock) = against(framework, &format!("http://{address}")).await;
        let code = setup.any_code();
        let browser = &mut setup.browser();
        let answer = clock.step(Duration::from_millis(500), browser.login(&code)).await;
        assert_eq!((answer.status, answer.code()), (503, "dingtalk.unreachable".to_owned()));
        assert!(clock.elapsed() <= LOGIN + Duration::from_secs(1), "{:?}", clock.elapsed());
    }

    /// I3
    async fn a_page_or_nothing_in_place_of_an_answer_lets_nobody_in(framework) {
        let page = "<html><body>Gateway canary-7f3a</body></html>";
        for route in [route::ACCESS_TOKEN, route::GETUSERINFO, route::USER_GET] {
            for (status, kind, body) in [
                (200, "text/html", page), (200, "application/json", ""), (200, "application/json", "{\"errcode\":0,canary-7f3a"),
                (200, "text/plain", "canary-7f3a"), (502, "text/html", page), (500, "text/html", ""), (404, "text/html", page),
                (200, "application/json", "null"), (200, "application/json", "[]"), (200, "application/json", "{}"),
            ] {
                let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder).await;
                setup.sandbox.fault(Fault::raw(status, kind, body).on(route));
                let mut browser = setup.browser();
                let answer = clock.drive(|| 1, || 0, browser.login(&setup.any_code())).await;
                assert_eq!((answer.status, answer.code()), (502, "dingtalk.unexpected_answer".to_owned()), "{route} {status} {body}");
                assert_eq!(browser.session(), None);
                for leak in ["canary", "expected value", "column", "EOF", "Gateway"] {
                    assert!(!answer.text().contains(leak), "{}", answer.text());
                }
            }
        }
    }

    /// I4
    async fn a_block_is_told_before_a_turn_is_waited_for(framework) {
        let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder.calls_per_second(1)).await;
        assert_eq!(setup.browser().login(&setup.any_code()).await.status, 200);
        setup.sandbox.fault(Fault::ip_ban(5));
        // The first waits for its turn and hears of the block.
        let waited = [true, false, false];
        for has_waited in waited {
            let before = setup.sandbox.clock().elapsed();
            let (mut browser, code) = (setup.browser(), setup.any_code());
            let answer = clock.drive(|| 1, || 0, browser.login(&code)).await;
            assert_eq!((answer.status, answer.code()), (503, "dingtalk.blocked".to_owned()));
            assert_eq!(setup.sandbox.clock().elapsed() > before, has_waited);
        }
    }

    /// I4
    async fn a_block_of_this_address_stops_all_calls_until_it_is_over(framework) {
        let page = "<!DOCTYPE html><html><!--x5--><body data=\"punish\">访问被阻断</body></html>";
        for ban in [Fault::ip_ban(5), Fault::raw(200, "text/html", page)] {
            let setup = Setup::start(framework).await;
            let mut inside = setup.signed_in().await;
            setup.sandbox.reset_calls();
            setup.sandbox.fault(ban);
            let code = setup.any_code();
            let mut browser = setup.browser();
            for minute in 0..5 {
                for _ in 0..4 {
                    let answer = browser.login(&code).await;
                    assert_eq!((answer.status, answer.code()), (503, "dingtalk.blocked".to_owned()), "minute {minute}");
                    let told: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                    assert_eq!(told, 300 - 60 * minute);
                }
                assert_eq!(inside.fetch("/").await.status, 200);
                assert_eq!(setup.sandbox.call_count(), 1, "minute {minute}");
                if minute < 4 {
                    setup.advance(60);
                }
            }
            setup.sandbox.clear_faults();
            setup.advance(59);
            assert_eq!(browser.login(&code).await.status, 503);
            setup.advance(1);
            let fresh = setup.any_code();
            assert_eq!(browser.login(&fresh).await.status, 200, "it is over");
        }
    }

    /// I5: strict where an answer lets somebody in, lenient about everything else.
    async fn only_a_complete_and_valid_answer_lets_somebody_in(framework) {
        let who = r#"{"userid":"manager01","unionid":"u1","name":"n"}"#;
        let good = [
            format!(r#"{{"errcode":0,"result":{who}}}"#),
            format!(r#"{{"errcode":"0","result":{who}}}"#),
            format!("\u{feff}{{\"errcode\":0,\"result\":{who}}}"),
            format!("\r\n {{\"errcode\":0,\"result\":{who}}}\n"),
            format!(r#"{{"errcode":0,"errmsg":null,"extra":[{{}}],"request_id":7,"result":{who}}}"#),
            r#"{"errcode":0,"result":{"userid":"manager01","new":1,"new":2,"sys":"maybe","sys_level":"x"}}"#.to_owned(),
        ];
        let bad = [
            format!(r#"{{"errcode":1,"result":{who}}}"#),
            format!(r#"{{"errcode":"40078","result":{who}}}"#),
            format!(r#"{{"errcode":0.0,"result":{who}}}"#),
            format!(r#"{{"errcode":-0.5,"result":{who}}}"#),
            format!(r#"{{"errcode":false,"result":{who}}}"#),
            format!(r#"{{"errcode":null,"result":{who}}}"#),
            format!(r#"{{"errcode":"","result":{who}}}"#),
            format!(r#"{{"errcode":[0],"result":{who}}}"#),
            format!(r#"{{"errcode":18446744073709551616,"result":{who}}}"#),
            format!(r#"{{"errcode":40078,"errcode":0,"result":{who}}}"#),
            format!(r#"{{"errcode":0,"errcode":40078,"result":{who}}}"#),
            format!(r#"{{"errcode":0,"\u0065rrcode":40078,"result":{who}}}"#),
            format!(r#"{{"errcode":0,"result":{who},"result":{who}}}"#),
            format!(r#"{{"Errcode":0,"result":{who}}}"#),
            format!(r#"{{"result":{who}}}"#),
            format!(r#"{{"success":true,"result":{who}}}"#),
            format!(r#"{{"code":"ok","result":{who}}}"#),
            format!(r#"[{{"errcode":0,"result":{who}}}]"#),
            format!(r#"{{"errcode":0,"result":[{who}]}}"#),
            format!(r#"{{"errcode":0,"result":{who}}} trailing"#),
            format!(r#"{{"errcode":0,"result":{who}"#),
            format!(r#"{{"errcode":0,"result":"{}"}}"#, who.replace('"', "\\\"")),
            r#"{"errcode":0,"result":null}"#.to_owned(),
            r#"{"errcode":0}"#.to_owned(),
            r#"{"errcode":0,"userid":"manager01"}"#.to_owned(),
            r#"{"errcode":0,"result":{"userId":"manager01"}}"#.to_owned(),
            r#"{"errcode":0,"result":{"userid":"lina02","userid":"manager01"}}"#.to_owned(),
            r#"{"errcode":0,"result":{"userid":"manager01","unionid":7}}"#.to_owned(),
            r#"{"errcode":0,"result":{"userid":"manager01","name":["n"]}}"#.to_owned(),
            r#"[0,"manager01"]"#.to_owned(),
        ];
        let setup = Setup::with(framework, |builder| builder.details(Details::None)).await;
        let all = good.iter().map(|body| (200, body, true)).chain(bad.iter().map(|body| (200, body, false)));
        // Nothing lets anybody in under a status that is not success.
        let refused = [201, 300, 304, 400, 401, 403, 404, 500, 503].map(|status| (status, &good[0], status == 201));
        for (status, body, gets_in) in all.chain(refused) {
            setup.advance(2);
            setup.sandbox.clear_faults();
            setup.sandbox.fault(Fault::raw(status, "application/json", body.as_str()).on(route::GETUSERINFO));
            let mut browser = setup.browser();
            let answer = browser.login(&setup.any_code()).await;
            assert_eq!(answer.status == 200, gets_in, "{status} {body}: {}", answer.text());
            assert_eq!(browser.session().is_some(), gets_in, "{status} {body}");
        }
    }

    /// I5
    async fn only_a_complete_and_valid_token_is_used(framework) {
        for (body, gets_in) in [
            (r#"{"accessToken":"TOKEN","expireIn":7200,"new":{}}"#, true),
            (r#"{"accessToken":"","expireIn":7200}"#, false),
            (r#"{"accessToken":7,"expireIn":7200}"#, false),
            (r#"{"accessToken":["TOKEN"],"expireIn":7200}"#, false),
            (r#"{"accessToken":null}"#, false),
            (r#"{"expireIn":7200}"#, false),
            (r#"{"errcode":40096,"accessToken":"TOKEN","expireIn":7200}"#, false),
            (r#"{"errcode":0.0,"accessToken":"TOKEN","expireIn":7200}"#, false),
            (r#"{"accessToken":"x","accessToken":"TOKEN","expireIn":7200}"#, false),
            (r#"["TOKEN"]"#, false),
        ] {
            let setup = Setup::start(framework).await;
            let other = dingtalk_tests::build(&setup.sandbox, |builder| builder).unwrap();
            let token = other.token(&setup.sandbox.world().apps[0].corp_id).await.unwrap();
            let body = body.replace("TOKEN", token.secret().expose());
            setup.sandbox.fault(Fault::raw(200, "application/json", body.as_str()).on(route::ACCESS_TOKEN));
            let answer = setup.browser().login(&setup.any_code()).await;
            assert_eq!(answer.status == 200, gets_in, "{}", answer.text());
            assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), usize::from(gets_in));
        }
    }

    /// I9
    async fn missing_details_are_met_as_the_setting_says(framework) {
        let lost = [
            Fault::errcode(60011), Fault::status(500), Fault::raw(200, "text/html", "<html>"), Fault::reset_at(0), Fault::errcode(40035),
            Fault::set("/result/userid", "lina02"), Fault::edit(json!({"result": {"userid": null}})), Fault::set("/result", json!([])),
        ];
        for (details, gets_in) in [(Details::Required, false), (Details::BestEffort, true), (Details::None, true)] {
            for fault in &lost {
                let (setup, clock) =
                    Setup::watched(framework, World::default(), |builder| builder.details(details)).await;
                setup.sandbox.fault(fault.clone().on(route::USER_GET));
                let mut browser = setup.browser();
                let answer = clock.drive(|| 1, || 0, browser.login(&setup.code("manager01"))).await;
                assert_eq!(answer.status == 200, gets_in, "{details:?} {fault:?}: {}", answer.text());
                assert_eq!(browser.session().is_some(), gets_in);
                if gets_in {
                    let user = browser.fetch("/me").await.json();
                    let person = &setup.sandbox.world().people[0];
                    assert_eq!(user["user_id"], "manager01");
                    assert_eq!(user["name"], person.name.as_str());
                    assert_eq!(user.get("title").unwrap_or(&Value::Null), &Value::Null, "{user}");
                } else {
                    assert!(answer.status >= 500, "{}", answer.text());
                }
                let asked = setup.sandbox.call_count_of(route::USER_GET);
                assert_eq!(asked > 0, details != Details::None);
            }
        }
    }

    /// I9: somebody whom DingTalk does not count as the corp's is not let in for want of details.
    async fn a_person_outside_the_corp_gets_in_with_no_setting_that_asks(framework) {
        for details in [Details::Required, Details::BestEffort] {
            for errcode in [60121, 50002] {
                let setup = Setup::with(framework, |builder| builder.details(details)).await;
                setup.sandbox.fault(Fault::errcode(errcode).on(route::USER_GET));
                let answer = setup.browser().login(&setup.any_code()).await;
                assert_eq!((answer.status, answer.code()), (403, "login.person_not_in_range".to_owned()), "{details:?}");
            }
        }
    }

    /// I10
    async fn an_outage_ends_logins_within_their_limit_and_touches_nobody_inside(framework) {
        for is_warm in [true, false] {
            let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder).await;
            let mut inside = is_warm.then(|| setup.browser());
            if let Some(browser) = &mut inside {
                assert_eq!(browser.login(&setup.any_code()).await.status, 200);
            }
            let codes: Vec<String> = (0..10).map(|_| setup.any_code()).collect();
            setup.sandbox.stop().await;
            let calls = setup.sandbox.call_count();
            if let Some(browser) = &mut inside {
                for _ in 0..10_000 {
                    assert_eq!(browser.fetch("/").await.status, 200);
                }
            }
            for code in codes {
                let start = clock.elapsed();
                let answer = clock.drive(|| 1, || 0, setup.browser().login(&code)).await;
                assert_eq!((answer.status, answer.code()), (503, "dingtalk.unreachable".to_owned()));
                assert!(answer.header("retry-after").is_some());
                assert!(clock.elapsed() - start <= LOGIN);
            }
            if let Some(browser) = &mut inside {
                assert_eq!(browser.fetch("/").await.status, 200);
            }
            assert_eq!(setup.sandbox.call_count(), calls);
        }
    }

    /// G5
    async fn a_redirect_is_an_error_and_nothing_follows_it(framework) {
        let (elsewhere, connections) = listener().await;
        for status in [301, 302, 303, 307, 308] {
            for route in [route::ACCESS_TOKEN, route::GETUSERINFO, route::USER_GET] {
                let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder).await;
                setup.sandbox.fault(Fault::redirect(status, format!("{elsewhere}/steal")).on(route));
                let mut browser = setup.browser();
                let answer = clock.drive(|| 1, || 0, browser.login(&setup.any_code())).await;
                assert_eq!((answer.status, answer.code()), (502, "dingtalk.unexpected_answer".to_owned()), "{status} {route}");
                assert!(!answer.text().contains("steal"));
                assert_eq!(browser.session(), None);
            }
        }
        assert_eq!(connections.load(Ordering::SeqCst), 0);
    }

    /// G6
    async fn nothing_in_a_request_chooses_whom_we_call(framework) {
        let (elsewhere, connections) = listener().await;
        let host = elsewhere.trim_start_matches("http://").to_owned();
        let setup = Setup::start(framework).await;
        for corp_id in ["../x", "a?b", "a%2fb", "a/b", "a#b", &format!("@{host}"), &elsewhere] {
            let named = login(&setup.any_code()).header("x-dingtalk-corp-id", corp_id);
            let answer = named.send(setup.app.address()).await;
            assert_eq!((answer.status, answer.code()), (403, "login.corp_unknown".to_owned()), "{corp_id}");
            let query: String = corp_id.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let asked = Request::new("POST", &format!("/dingtalk/login?corpid={query}"));
            let asked = asked.fetch().header("x-dingtalk-auth-code", setup.any_code());
            assert_eq!(asked.send(setup.app.address()).await.status, 403, "{corp_id}");
        }
        assert_eq!(setup.sandbox.call_count(), 0);
        let lying = |request: Request| {
            let request = request.without("host").header("host", &host);
            ["x-forwarded-host", "x-host", "x-original-url"].iter().fold(request, |request, name| request.header(name, &host))
                .header("forwarded", format!("host={host}"))
        };
        let refused = lying(Request::new("GET", "/").fetch()).send(setup.app.address()).await;
        assert_eq!(refused.json()["login_url"], format!("{ORIGIN}/dingtalk/login"));
        let answer = lying(login(&setup.any_code())).send(setup.app.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(setup.sandbox.call_count(), 3);
        assert_eq!(connections.load(Ordering::SeqCst), 0);
    }

    /// I6
    async fn an_answer_without_an_end_is_left_after_a_megabyte(framework) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = sent.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = counter.clone();
                tokio::spawn(async move {
                    let mut asked = [0; 4096];
                    let n = stream.read(&mut asked).await.unwrap();
                    let asked = String::from_utf8_lossy(&asked[..n]).to_ascii_lowercase();
                    // Nothing is asked for that could unfold into more than was sent.
                    assert!(!asked.contains("accept-encoding"));
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
                    stream.write_all(head.as_bytes()).await.unwrap();
                    let spaces = vec![b' '; 64 * 1024];
                    for _ in 0..16 * 1024 {
                        let Ok(n) = stream.write(&spaces).await else { return };
                        counter.fetch_add(n, Ordering::SeqCst);
                    }
                });
            }
        });
        let (setup, clock) = against(framework, &address).await;
        let answer = clock.drive(|| 1, || 0, setup.browser().login(&setup.any_code())).await;
        assert_eq!((answer.status, answer.code()), (502, "dingtalk.unexpected_answer".to_owned()));
        let sent = sent.load(Ordering::SeqCst);
        // What the sockets between hold comes on top.
        assert!(sent < 64 * 1024 * 1024, "{sent} bytes were taken");
    }

    /// I6
    async fn only_a_megabyte_and_sixty_four_levels_are_read(framework) {
        let answer = |extra: String| {
            format!("{{\"errcode\":0,\"result\":{{\"userid\":\"manager01\",\"unionid\":\"u\",\"name\":\"n\"}},\"extra\":{extra}}}")
        };
        let deep = |levels: usize| answer(format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        let long = |bytes: usize| answer(format!("\"{}\"", " ".repeat(bytes - answer("\"\"".to_owned()).len())));
        let megabyte = 1024 * 1024;
        for (body, status) in [
            (deep(63), 200), (deep(64), 502), (deep(100_000), 502), ("[".repeat(500_000), 502),
            (long(megabyte), 200), (long(megabyte + 1), 502),
        ] {
            let setup = Setup::with(framework, |builder| builder.details(Details::None)).await;
            let length = body.len();
            setup.sandbox.fault(Fault::raw(200, "application/json", body).on(route::GETUSERINFO));
            let answer = setup.browser().login(&setup.any_code()).await;
            assert_eq!(answer.status, status, "{length} bytes: {}", answer.text());
        }
        let setup = Setup::start(framework).await;
        setup.sandbox.fault(Fault::endless(1 << 30).after().on(route::GETUSERINFO));
        let answer = setup.browser().login(&setup.any_code()).await;
        assert_eq!((answer.status, answer.code()), (502, "dingtalk.unexpected_answer".to_owned()));
    }
}

/// G6
#[test]
fn a_setting_that_could_change_an_address_is_refused() {
    let build = |corp_id: &str, endpoint: &str| {
        DingTalk::builder()
            .public_origin(ORIGIN)
            .session_key(SessionKey::generate().unwrap())
            .internal_app(InternalApp::new(corp_id, "dingkey", "secret"))
            .endpoint(endpoint)
            .build()
    };
    build("ding0a1b", "http://127.0.0.1:9").unwrap();
    build("ding0a1b", "https://dingtalk.example.com/proxy").unwrap();
    for corp_id in ["../x", "a?b", "a%2fb", "a/b", "a b", ""] {
        build(corp_id, "http://127.0.0.1:9").unwrap_err();
    }
    for endpoint in [
        "http://dingtalk.example.com",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://user:password@example.com",
    ] {
        build("ding0a1b", endpoint).unwrap_err();
    }
}
