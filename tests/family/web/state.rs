//! What ties a sign-in to the browser, the app and the minutes it was begun in.

use dingtalk_core::{Claims, InternalApp, SessionKey, WebSignIn};
use dingtalk_sandbox::{World, route};
use dingtalk_tests::{
    FailingStore, Gate, Mood, Placement, RunningApp, Setup, Verb, both, build, build_app, login,
    sandbox,
};
use dingtalk_tests::{Framework, Request};
use std::time::Duration;

use super::{any_code, begin, callback, code, come_back, refused, start, with};

both! {
    /// A1
    async fn a_state_carried_to_another_browser_signs_nobody_in(framework) {
        let setup = start(framework).await;
        let (mut here, mut there) = (setup.browser(), setup.browser());
        let begun = begin(&mut here, "/").await;
        let code = any_code(&setup);
        // The other browser has begun one of its own.
        begin(&mut there, "/").await;
        let answer = come_back(&mut there, &code, &begun.state).await;
        assert_eq!(refused(&answer), (400, "login.state_elsewhere".into()));
        assert_eq!((answer.session(), setup.sandbox.call_count()), (None, 0));
        assert_eq!(come_back(&mut here, &code, &begun.state).await.status, 303);
        assert_eq!(here.fetch("/").await.status, 200);
    }

    async fn a_phone_that_opened_the_client_goes_on_there_and_the_code_is_left_alone(framework) {
        let setup = start(framework).await;
        let (mut browser, mut client) = (setup.browser(), setup.browser());
        let begun = begin(&mut browser, "/orders?x=1#/3").await;
        let code = any_code(&setup);
        let answer = client.send(Request::new("GET", &callback(&code, &begun.state)).page().in_client()).await;
        let location = answer.header("location").unwrap().to_owned();
        assert_eq!((answer.status, &*location), (303, "/dingtalk/login?via=client&return_to=%2Forders%3Fx%3D1%23%2F3"));
        let page = client.send(Request::new("GET", &location).page().in_client()).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("\"target\":\"/orders?x=1#/3\""), "{}", page.text());
        assert_eq!(setup.sandbox.call_count(), 0);
        assert_eq!(come_back(&mut browser, &code, &begun.state).await.status, 303);
    }

    /// A2
    async fn a_state_is_used_up_by_whatever_comes_back_with_it(framework) {
        let setup = start(framework).await;
        for wrong in ["error=access_denied", "error=", "code=", "code=a%20b", "", "code=x&code=y", "code=x&authCode=y"] {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/").await;
            let jar = browser.cookies.clone();
            let answer = browser.open(&format!("/dingtalk/callback?{wrong}&state={}", begun.state)).await;
            assert!(matches!(answer.status, 400 | 401), "{wrong}: {}", answer.status);
            assert!(browser.cookies.keys().all(|name| !name.contains("-s-")), "{wrong}");
            browser.cookies = jar;
            let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            assert_eq!(refused(&answer), (400, "login.state_used".into()), "{wrong}");
        }
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    /// A2
    async fn a_state_lasts_ten_minutes(framework) {
        let setup = start(framework).await;
        for (seconds, status) in [(600, 303), (601, 400)] {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/").await;
            setup.advance(seconds);
            setup.sandbox.reset_calls();
            let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            assert_eq!(answer.status, status);
            if status == 400 {
                assert_eq!(refused(&answer).1, "login.state_expired");
                assert_eq!(setup.sandbox.call_count(), 0);
                assert!(browser.cookies.keys().all(|name| !name.contains("-s-")));
            }
        }
    }

    /// A4
    async fn a_state_of_another_app_or_of_other_settings_is_refused(framework) {
        let key = SessionKey::generate().unwrap();
        let setup = with(framework, |web| web, |builder| builder.session_key(key.clone())).await;
        let world = setup.sandbox.world();
        let (app, other) = (&world.apps[0], &world.apps[1]);
        assert_eq!(app.corp_id, other.corp_id);
        let of_other = |_| InternalApp::new(&*other.corp_id, &*other.app_key, &*other.app_secret).web_sign_in(WebSignIn::new());
        let web = |app: InternalApp| app.web_sign_in(WebSignIn::new());
        let run = |dingtalk| Framework::start(framework, dingtalk, Placement::Right, Gate::default());
        let others: [(&str, RunningApp); 5] = [
            ("/dingtalk", run(build_app(&setup.sandbox, of_other, |builder| builder.session_key(key.clone())).unwrap())),
            ("/dingtalk/b", run(build_app(&setup.sandbox, web, |builder| builder.session_key(key.clone()).name("b")).unwrap())),
            ("/sso", run(build_app(&setup.sandbox, web, |builder| builder.session_key(key.clone()).base_path("/sso")).unwrap())),
            ("/dingtalk", run(build_app(&setup.sandbox, web, |builder| builder).unwrap())),
            ("/dingtalk", run(build(&setup.sandbox, |builder| builder.session_key(key.clone())).unwrap())),
        ];
        for (at, (base, there)) in others.iter().enumerate() {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/").await;
            let code = any_code(&setup);
            browser.go_to(there.address());
            let answer = browser.open(&callback(&code, &begun.state).replacen("/dingtalk", base, 1)).await;
            assert_eq!(refused(&answer), (400, "login.state_invalid".into()), "{at}");
            assert_eq!((answer.session(), setup.sandbox.call_count()), (None, 0), "{at}");
        }
    }

    /// A5
    async fn no_sealed_value_passes_for_another(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        super::sign_in(&setup, &mut browser, "/").await;
        let mut marked = setup.browser();
        marked.send(Request::new("GET", "/").page().in_client()).await;
        let mut pending = setup.browser();
        let begun = begin(&mut pending, "/").await;
        let (session_name, session) = browser.session().unwrap();
        let one = |browser: &dingtalk_tests::Browser, part: &str| {
            let found = browser.cookies.iter().find(|(name, _)| name.contains(part));
            found.map(|(name, value)| (name.clone(), value.clone())).unwrap()
        };
        let (pre_login_name, pre_login) = one(&marked, "-login");
        let (pending_name, mark) = one(&pending, "-s-");
        let values = [("session", &session), ("pre-login", &pre_login), ("state", &begun.state), ("pending", &mark)];
        setup.sandbox.reset_calls();
        for (kind, value) in values {
            let mut probe = setup.browser();
            for name in [&session_name, &pre_login_name, &pending_name] {
                probe.cookies.insert(name.clone(), value.clone());
            }
            let status = probe.fetch("/").await.status;
            assert_eq!(status, if kind == "session" { 200 } else { 401 }, "{kind} as a session");
            let answer = come_back(&mut probe, &any_code(&setup), if kind == "pending" { value } else { &begun.state }).await;
            let code = if kind == "pending" { "login.state_invalid" } else { "login.state_elsewhere" };
            assert_eq!(refused(&answer), (400, code.into()), "{kind} as a pending sign-in's mark");
            if kind != "state" {
                let answer = come_back(&mut pending.clone(), &any_code(&setup), value).await;
                assert_eq!(refused(&answer), (400, "login.state_invalid".into()), "{kind} as a state");
            }
        }
        assert_eq!(setup.sandbox.call_count(), 0);
        // Only a pre-login mark shares the result of the code that it was posted with.
        for (kind, value) in values {
            let request = login(&setup.any_code()).header("cookie", format!("{pre_login_name}={value}"));
            let first = request.clone().send(setup.app.address()).await;
            let second = request.send(setup.app.address()).await;
            assert_eq!((first.status, second.status), (200, if kind == "pre-login" { 200 } else { 401 }), "{kind} as a pre-login mark");
        }
    }

    /// A6
    async fn of_fifty_sign_ins_begun_in_one_browser_the_last_ones_complete(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let mut states = Vec::new();
        let long = format!("/{}", "x".repeat(2000));
        for _ in 0..50 {
            states.push(begin(&mut browser, &long).await.state);
            setup.sandbox.clock().advance(Duration::from_millis(10));
            let header: usize = browser.cookies.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
            assert!(header <= 2048, "{header} bytes of cookies");
        }
        for state in &states[47..] {
            let answer = come_back(&mut browser, &any_code(&setup), state).await;
            assert_eq!((answer.status, answer.header("location")), (303, Some(&*long)));
        }
        let answer = come_back(&mut browser, &any_code(&setup), &states[0]).await;
        assert_eq!(refused(&answer), (400, "login.state_elsewhere".into()));
    }

    /// A7
    async fn beginning_sign_ins_asks_neither_the_store_nor_dingtalk(framework) {
        let sandbox = sandbox(World::default()).await;
        let store = FailingStore::new(&sandbox);
        let app = |app: InternalApp| app.web_sign_in(WebSignIn::new());
        let dingtalk = build_app(&sandbox, app, |builder| builder.store(store.clone())).unwrap();
        let app = Framework::start(framework, dingtalk.clone(), Placement::Right, Gate::default());
        let setup = Setup { sandbox, dingtalk, app, gate: Gate::default() };
        for verb in [Verb::Get, Verb::Add, Verb::Put, Verb::Append] {
            store.set(verb, Mood::Fails);
        }
        for _ in 0..100 {
            begin(&mut setup.browser(), "/").await;
        }
        for verb in [Verb::Get, Verb::Add, Verb::Put, Verb::Append] {
            assert_eq!(store.calls(verb), 0, "{verb:?}");
        }
        assert_eq!(setup.sandbox.call_count(), 0);
        // A store that is down lets nobody in, and the code is left alone.
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/").await;
        let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
        assert_eq!(refused(&answer), (503, "store.unavailable".into()));
        assert_eq!((answer.session(), setup.sandbox.call_count_of(route::USER_ACCESS_TOKEN)), (None, 0));
    }

    /// D11
    async fn signing_in_over_a_session_ends_it(framework) {
        let setup = with(framework, |web| web, |builder| builder.on_login(async |_| Ok(Claims::new()))).await;
        let mut browser = setup.browser();
        super::sign_in(&setup, &mut browser, "/").await;
        let old = browser.clone();
        let begun = begin(&mut browser, "/").await;
        assert_eq!(come_back(&mut browser, &code(&setup, "lina02"), &begun.state).await.status, 303);
        assert_eq!(old.clone().fetch("/").await.status, 401);
        assert!(browser.fetch("/").await.text().contains(&*setup.sandbox.world().people[1].name));
    }
}
