//! One code, one exchange, one session: who may post a code, and what an answer must have to let somebody in.

use std::collections::BTreeSet;
use std::time::Duration;

use dingtalk_core::Details;
use dingtalk_sandbox::{Fault, World, route};
use dingtalk_tests::{FailingStore, ORIGIN, Placement, Request, Setup, both, login, sandbox};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

both! {
    /// B2
    async fn a_code_posted_a_hundred_times_by_one_browser_makes_one_session(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        assert_eq!(browser.fetch("/").await.status, 401);
        assert_eq!(browser.cookies.len(), 1, "the pre-login cookie");
        let code = setup.any_code();
        let request = browser.carry(login(&code));
        let posts = (0..100).map(|_| tokio::spawn(request.clone().send(setup.app.address())));
        let mut sessions = BTreeSet::new();
        for answer in join_all(posts.collect::<Vec<_>>()).await {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            sessions.insert(answer.session().unwrap());
        }
        assert_eq!(sessions.len(), 1);
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1);
        setup.advance(11);
        let late = request.send(setup.app.address()).await;
        assert_eq!((late.status, late.code()), (401, "login.code_used".to_owned()));
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1);
    }

    /// B2
    async fn a_code_posted_from_elsewhere_or_without_the_cookie_makes_no_second_session(framework) {
        let setup = Setup::start(framework).await;
        let (mut browser, mut thief) = (setup.browser(), setup.browser());
        browser.fetch("/").await;
        thief.fetch("/").await;
        let code = setup.any_code();
        let hold = setup.sandbox.hold(route::GETUSERINFO);
        let first = tokio::spawn(browser.carry(login(&code)).send(setup.app.address()));
        hold.wait_for(1).await;
        let refused = ["login.code_used"; 2].map(str::to_owned);
        let early = [thief.login(&code).await.code(), setup.browser().login(&code).await.code()];
        assert_eq!(early, refused);
        hold.release();
        assert_eq!(first.await.unwrap().status, 200);
        for wait in [0, 11, 300] {
            setup.advance(wait);
            for mut other in [thief.clone(), setup.browser()] {
                let answer = other.login(&code).await;
                assert_eq!((answer.status, answer.code()), (401, refused[0].clone()));
                assert_eq!(answer.session(), None);
            }
        }
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1);
    }

    /// B2
    async fn browsers_without_a_cookie_share_nothing(framework) {
        let setup = Setup::start(framework).await;
        let code = setup.any_code();
        let posts = (0..20).map(|_| tokio::spawn(login(&code).send(setup.app.address())));
        let answers = join_all(posts.collect::<Vec<_>>()).await;
        let is_in = |status: u16| answers.iter().filter(|done| done.as_ref().unwrap().status == status).count();
        assert_eq!((is_in(200), is_in(401)), (1, 19));
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1);
    }

    /// B1
    async fn a_code_whose_answer_was_lost_is_never_sent_again(framework) {
        let lost = |fault: Fault| fault.on(route::GETUSERINFO).times(1);
        for fault in [
            Fault::reset_at(0),
            Fault::reset_at(0).after(),
            Fault::reset_at(30),
            Fault::cut_at(0),
            Fault::cut_at(20),
            Fault::reset_at(250),
        ] {
            let setup = Setup::start(framework).await;
            setup.signed_in().await;
            setup.sandbox.reset_calls();
            setup.sandbox.fault(lost(fault.clone()));
            let (mut browser, code) = (setup.browser(), setup.any_code());
            let answer = browser.login(&code).await;
            assert_eq!((answer.status, answer.code()), (401, "login.code_unconfirmed".to_owned()), "{fault:?}");
            assert!(answer.json()["detail"].as_str().unwrap().contains("new code"));
            assert_eq!(answer.session(), None);
            assert_eq!(setup.sandbox.call_count(), 1, "{fault:?}");
            setup.advance(11);
            assert_eq!(browser.login(&code).await.status, 401);
            assert_eq!(setup.sandbox.call_count(), 1, "{fault:?}");
        }
    }

    /// B1
    async fn a_code_refused_with_its_token_is_sent_once_more(framework) {
        let setup = Setup::start(framework).await;
        setup.signed_in().await;
        setup.sandbox.reset_calls();
        setup.sandbox.revoke_tokens(&setup.sandbox.world().apps[0].app_key);
        setup.signed_in().await;
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 2);
        assert_eq!(setup.sandbox.call_count_of(route::ACCESS_TOKEN), 1);
    }

    /// B1 H13
    async fn a_token_that_is_refused_however_fresh_ends_the_login_and_spends_no_code(framework) {
        let setup = Setup::start(framework).await;
        setup.signed_in().await;
        setup.sandbox.reset_calls();
        setup.sandbox.fault(Fault::errcode(40014).on(route::GETUSERINFO));
        let code = setup.any_code();
        let answer = setup.browser().login(&code).await;
        assert_eq!((answer.status, answer.code()), (500, "app.token_rejected".to_owned()));
        // The same token came again, so the code was not even sent twice, and for a moment nobody asks at all.
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1);
        for _ in 0..20 {
            assert_eq!(setup.browser().login(&setup.any_code()).await.status, 500);
        }
        assert_eq!(setup.sandbox.call_count(), 2);
        setup.sandbox.clear_faults();
        setup.advance(2);
        assert_eq!(setup.browser().login(&code).await.status, 200);
    }

    /// B1
    async fn a_throttled_code_is_sent_again_after_a_second(framework) {
        for (times, calls, status) in [(1, 2, 200), (2, 3, 200), (3, 3, 503)] {
            let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder).await;
            let throttled = Fault::errcode(90018).on(route::GETUSERINFO);
            setup.sandbox.fault(throttled.times(times));
            let (mut browser, code) = (setup.browser(), setup.any_code());
            let answer = clock.drive(|| 1, || 0, browser.login(&code)).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            let sent: Vec<_> = setup.sandbox.calls().into_iter().filter(|call| call.route == route::GETUSERINFO).collect();
            assert_eq!(sent.len(), calls);
            for pair in sent.windows(2) {
                let apart = pair[1].at.duration_since(pair[0].at).unwrap();
                assert!(apart >= Duration::from_secs(1), "{apart:?}");
            }
            if status == 503 {
                assert_eq!(answer.code(), "dingtalk.throttled");
                assert!(answer.header("retry-after").is_some());
                assert_eq!(browser.login(&code).await.status, 200, "the code stayed good");
            }
        }
    }

    /// B1
    async fn a_code_that_met_a_busy_dingtalk_is_not_sent_again(framework) {
        for fault in [Fault::errcode(-1), Fault::errcode(88), Fault::errcode(90002), Fault::code(503, "systemBusy"), Fault::status(503)] {
            let setup = Setup::start(framework).await;
            setup.sandbox.fault(fault.clone().on(route::GETUSERINFO));
            let answer = setup.browser().login(&setup.any_code()).await;
            assert!([502, 503].contains(&answer.status), "{fault:?}: {}", answer.text());
            assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1, "{fault:?}");
        }
    }

    async fn a_code_is_called_good_only_where_it_is(framework) {
        for errcode in [-1, 88, 45009, 90002, 90018] {
            for route in [route::GETUSERINFO, route::USER_GET] {
                let (setup, clock) = Setup::watched(framework, World::default(), |builder| builder).await;
                setup.sandbox.fault(Fault::errcode(errcode).on(route));
                let (mut browser, code) = (setup.browser(), setup.any_code());
                let refused = clock.drive(|| 1, || 0, browser.login(&code)).await;
                assert_eq!(refused.status, 503, "{route} {errcode}: {}", refused.text());
                setup.sandbox.clear_faults();
                let again = browser.login(&code).await;
                assert_eq!(
                    refused.text().contains("stays good"),
                    again.status == 200,
                    "{route} {errcode}: {}", refused.text()
                );
                // The exchange was over: this code is spent.
                assert!(again.status != 200 || route == route::GETUSERINFO, "{route} {errcode}");
            }
        }
    }

    async fn a_code_that_was_given_back_is_forgotten_after_a_second(framework) {
        let sandbox = sandbox(World::default()).await;
        let store = FailingStore::new(&sandbox);
        let setup = Setup::on(framework, Placement::Right, sandbox, |builder| builder.store(store.clone()));
        setup.sandbox.fault(Fault::code(400, "invalidClientIdOrSecret").on(route::ACCESS_TOKEN));
        for number in 0..20 {
            let junk = format!("never-seen-{number}");
            assert_eq!(setup.browser().login(&junk).await.status, 500);
        }
        assert_eq!(store.living().await, 20);
        setup.advance(1);
        assert_eq!(store.living().await, 0);
    }

    /// B4
    async fn junk_codes_cost_no_call(framework) {
        let setup = Setup::start(framework).await;
        let mut junk: Vec<Vec<u8>> = vec![
            b"".to_vec(), b" ".to_vec(), b"a b".to_vec(), b"a,b".to_vec(), b"a/../b".to_vec(), b"a%00".to_vec(),
            b"\xff\xfe".to_vec(), "码".as_bytes().to_vec(), b"a&access_token=x".to_vec(), vec![b'a'; 513],
        ];
        let mut runner = TestRunner::deterministic();
        let printable = proptest::collection::vec(0x21_u8..=0xff, 1..700);
        for _ in 0..100 {
            junk.push(printable.new_tree(&mut runner).unwrap().current());
        }
        let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.~-".contains(byte);
        junk.retain(|code| code.len() > 512 || code.is_empty() || !code.iter().all(is_usual));
        for code in junk {
            let request = login("").without("x-dingtalk-auth-code").header("x-dingtalk-auth-code", &code);
            let answer = request.send(setup.app.address()).await;
            assert_eq!(answer.status, 400, "{code:?}");
        }
        let twice = login(&setup.any_code()).header("x-dingtalk-auth-code", setup.any_code());
        assert_eq!(twice.send(setup.app.address()).await.status, 400);
        assert_eq!(setup.sandbox.call_count(), 0);
        let unknown = setup.browser().login(&"a".repeat(512)).await;
        assert_eq!((unknown.status, unknown.code()), (401, "login.code_invalid".to_owned()));
        assert_eq!(setup.sandbox.call_count(), 2);
    }

    /// B3
    async fn a_login_from_another_site_is_refused_without_a_call(framework) {
        let setup = Setup::with(framework, |builder| builder.trusted_origin("https://desk.example.com")).await;
        let code = setup.any_code();
        let bare = || Request::new("POST", "/dingtalk/login").header("x-dingtalk-auth-code", &code);
        let evil = "https://evil.example.com";
        for (request, status) in [
            (bare(), 403),
            (bare().header("origin", evil), 403),
            (bare().header("origin", "null"), 403),
            (bare().header("origin", "http://hr.example.com"), 403),
            (bare().header("origin", "https://hr.example.com.evil.example.com"), 403),
            (bare().header("origin", "https://hr.example.com:444"), 403),
            (bare().header("origin", ORIGIN).header("origin", evil), 403),
            (bare().header("sec-fetch-site", "cross-site"), 403),
            (bare().header("sec-fetch-site", "same-site"), 403),
            (bare().header("sec-fetch-site", "none"), 403),
            (bare().header("sec-fetch-site", "cross-site").header("origin", ORIGIN), 403),
            (bare().header("sec-fetch-site", "same-origin").header("origin", evil), 403),
            (bare().header("sec-fetch-site", "cross-site").header("origin", evil).without("host").header("host", "evil.example.com"), 403),
            // A form, or a text, posted from another site or from ours: no header, no code.
            (form(evil, &code), 403),
            (form(ORIGIN, &code), 400),
            (text(ORIGIN, &code), 400),
            (Request::new("POST", &format!("/dingtalk/login?code={code}")).fetch(), 400),
            (Request::new("GET", "/dingtalk/login").header("x-dingtalk-auth-code", &code).fetch(), 401),
        ] {
            let shown = format!("{request:?}");
            let answer = request.send(setup.app.address()).await;
            assert_eq!(answer.status, status, "{shown}");
            assert_eq!(answer.session(), None);
        }
        assert_eq!(setup.sandbox.call_count(), 0);
        let listed = bare().header("origin", "https://desk.example.com").header("sec-fetch-site", "same-site");
        let answer = listed.send(setup.app.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://desk.example.com"));
    }

    /// B3
    async fn a_page_of_ours_that_hides_its_origin_is_known_by_its_browsers_word_alone(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        let logout = |site: &str| Request::new("POST", "/dingtalk/logout").header("accept", "text/html")
            .header("origin", "null").header("sec-fetch-site", site).header("sec-fetch-mode", "navigate");
        for site in ["cross-site", "same-site", "none", ""] {
            assert_eq!(browser.send(logout(site)).await.status, 403, "{site}");
        }
        assert_eq!(browser.fetch("/").await.text(), "hello 张伟");
        assert_eq!(browser.send(logout("same-origin")).await.status, 303);
        assert_eq!(browser.fetch("/").await.status, 401);
    }

    /// B3
    async fn a_preflight_from_elsewhere_grants_nothing_whatever_the_app_allows(framework) {
        for placement in [Placement::Right, Placement::AroundPermissiveCors] {
            let listed = "https://desk.example.com";
            let setup = Setup::placed(framework, placement, World::default(), |builder| builder.trusted_origin(listed)).await;
            let preflight = |path: &str, origin: &str| {
                Request::new("OPTIONS", path)
                    .header("origin", origin)
                    .header("access-control-request-method", "POST")
                    .header("access-control-request-headers", "x-dingtalk-auth-code")
            };
            for path in ["/dingtalk/login", "/dingtalk/logout", "/dingtalk/me"] {
                for origin in ["https://evil.example.com", "null", "https://desk.example.com.evil.example.com"] {
                    let answer = preflight(path, origin).send(setup.app.address()).await;
                    let granted: Vec<_> = answer.headers.iter().filter(|(name, _)| name.starts_with("access-control-")).collect();
                    assert!(granted.is_empty(), "{placement:?} {path} {origin}: {granted:?}");
                    let posted = Request::new("POST", "/dingtalk/login").header("origin", origin);
                    let posted = posted.header("x-dingtalk-auth-code", setup.any_code()).send(setup.app.address()).await;
                    assert_eq!(posted.status, 403);
                    assert_eq!(posted.header("access-control-allow-origin"), None);
                }
                let answer = preflight(path, listed).send(setup.app.address()).await;
                assert_eq!(answer.header("access-control-allow-origin"), Some(listed));
                assert!(answer.header("access-control-allow-headers").unwrap().contains("x-dingtalk-auth-code"));
            }
            // The app's own answer to a preflight for its own path is its own business.
            if placement == Placement::AroundPermissiveCors {
                let answer = preflight("/orders", "https://evil.example.com").send(setup.app.address()).await;
                assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            }
            assert_eq!(setup.sandbox.call_count(), 0);
        }
    }

    /// B9
    async fn an_answer_without_a_usable_user_id_lets_nobody_in(framework) {
        let odd = [
            json!(null), json!(""), json!(7), json!(true), json!([]), json!(["manager01"]), json!({}), json!("x".repeat(200)),
        ];
        let faults = odd.into_iter().map(|userid| Fault::set("/result/userid", userid)).chain([
            Fault::edit(json!({"result": {"userid": null}})),
            Fault::edit(json!({"result": null})),
            Fault::set("/result", json!(null)),
            Fault::set("/result", json!("manager01")),
            Fault::set("/result", json!(["manager01", null, null, null, null])),
            Fault::set("/result", json!([{"userid": "manager01"}])),
        ]);
        let faults: Vec<Fault> = faults.collect();
        for details in [Details::Required, Details::None] {
            let setup = Setup::with(framework, |builder| builder.details(details)).await;
            for fault in &faults {
                setup.sandbox.clear_faults();
                setup.sandbox.fault(fault.clone().on(route::GETUSERINFO));
                let mut browser = setup.browser();
                let answer = browser.login(&setup.any_code()).await;
                assert_eq!((answer.status, answer.code()), (502, "dingtalk.unexpected_answer".to_owned()), "{fault:?}");
                assert_eq!(browser.session(), None, "{fault:?}");
            }
            setup.advance(60);
            assert_eq!(setup.sandbox.call_count_of(route::USER_GET), 0);
        }
    }
}

fn form(origin: &str, code: &str) -> Request {
    Request::new("POST", "/dingtalk/login")
        .header("origin", origin)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("code={code}&x-dingtalk-auth-code={code}"))
}

fn text(origin: &str, code: &str) -> Request {
    Request::new("POST", "/dingtalk/login")
        .header("origin", origin)
        .header("content-type", "text/plain")
        .body(code)
}
