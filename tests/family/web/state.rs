//! What ties a sign-in to the browser, the app and the minutes it was begun in.

use dingtalk_core::{Claims, DingTalkBuilder, InternalApp, LegacySignIn, SessionKey, WebSignIn};
use dingtalk_sandbox::{World, route};
use dingtalk_tests::{
    Browser, FailingStore, Gate, Mood, Placement, RunningApp, Setup, Verb, WatchedClock, both,
    build, build_app, login, sandbox,
};
use dingtalk_tests::{Framework, Request};
use futures_util::future::join_all;
use std::time::Duration;

use super::{any_code, begin, callback, code, come_back, refused, start, with};

/// A setup and another instance, on one store.
async fn two(framework: Framework) -> (Setup, RunningApp, FailingStore) {
    let key = SessionKey::generate().unwrap();
    let sandbox = sandbox(World::default()).await;
    let store = FailingStore::new(&sandbox);
    let handle = || {
        let web = |app: InternalApp| app.web_sign_in(WebSignIn::new());
        let change =
            |builder: DingTalkBuilder| builder.session_key(key.clone()).store(store.clone());
        build_app(&sandbox, web, change).unwrap()
    };
    let (here, there) = (handle(), handle());
    let gate = Gate::default();
    let app = framework.start(here.clone(), Placement::Right, gate.clone());
    let other = framework.start(there, Placement::Right, Gate::default());
    let setup = Setup {
        sandbox,
        dingtalk: here,
        app,
        gate,
    };
    (setup, other, store)
}

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
        assert_eq!((answer.status, &*location), (303, "/dingtalk/login?return_to=%2Forders%3Fx%3D1%23%2F3"));
        let page = client.send(Request::new("GET", &location).page().in_client()).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("\"target\":\"/orders?x=1#/3\""), "{}", page.text());
        assert_eq!(setup.sandbox.call_count(), 0);
        // Not where somebody said no on DingTalk's page: they are asked.
        let declined = format!("/dingtalk/callback?error=access_denied&state={}", begun.state);
        let answer = client.send(Request::new("GET", &declined).page().in_client()).await;
        assert_eq!(refused(&answer), (401, "login.declined".into()));
        assert!(answer.text().contains("href=\"/dingtalk/login?return_to=%2Forders%3Fx%3D1%23%2F3\""), "{}", answer.text());
        assert_eq!(come_back(&mut browser, &code, &begun.state).await.status, 303);
        // What was begun there ends there.
        let begun = begin(&mut client, "/x").await;
        let answer = client.send(Request::new("GET", &callback(&any_code(&setup), &begun.state)).page().in_client()).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/x")));
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
                // A browser has dropped its cookie by then.
                let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
                assert_eq!(refused(&answer), (400, "login.state_expired".into()));
            }
        }
    }

    /// A2 K4
    async fn a_state_of_more_than_a_minute_ahead_is_nobodys(framework) {
        let key = SessionKey::generate().unwrap();
        let setup = with(framework, |web| web, |builder| builder.session_key(key.clone())).await;
        let ahead = sandbox(World::default()).await;
        let web = |app: InternalApp| app.web_sign_in(WebSignIn::new());
        let there = build_app(&ahead, web, |builder| builder.session_key(key.clone()).endpoint(setup.sandbox.url())).unwrap();
        let there = framework.start(there, Placement::Right, Gate::default());
        for (seconds, status) in [(59, 303), (2, 400)] {
            ahead.clock().advance(Duration::from_secs(seconds));
            let mut browser = setup.browser();
            browser.go_to(there.address());
            let begun = begin(&mut browser, "/").await;
            browser.go_to(setup.app.address());
            let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            assert_eq!(answer.status, status, "{}", answer.text());
        }
    }

    /// A1 A2
    async fn one_state_at_two_instances_at_once_counts_once(framework) {
        let (setup, other, _) = two(framework).await;
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/").await;
        let hold = setup.sandbox.hold(route::USER_ACCESS_TOKEN);
        let sent: Vec<_> = (0..20).map(|at| {
            let mut same = browser.clone();
            same.go_to(if at % 2 == 0 { setup.app.address() } else { other.address() });
            let target = callback(&any_code(&setup), &begun.state);
            tokio::spawn(async move { same.open(&target).await.status })
        }).collect();
        hold.wait_for(1).await;
        hold.release();
        let mut statuses: Vec<u16> = join_all(sent).await.into_iter().map(Result::unwrap).collect();
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (303, &[400; 19][..]));
        assert_eq!(setup.sandbox.call_count_of(route::USER_ACCESS_TOKEN), 1);
    }

    /// L2
    async fn a_used_state_that_is_repeated_keeps_nobody_out(framework) {
        let setup = start(framework).await;
        let mut theirs = setup.browser();
        let begun = begin(&mut theirs, "/").await;
        for at in 0..100 {
            let mut again = theirs.clone();
            let answer = again.open(&format!("/dingtalk/callback?error=x&state={}", begun.state)).await;
            assert_eq!(refused(&answer).1, if at == 0 { "login.declined" } else { "login.state_used" });
        }
        super::sign_in(&setup, &mut setup.browser(), "/").await;
    }

    /// A7 L2
    async fn junk_that_comes_back_leaves_little_in_the_store(framework) {
        let sandbox = sandbox(World::default()).await;
        let (store, clock) = (FailingStore::new(&sandbox), WatchedClock::new(&sandbox));
        let app = |app: InternalApp| app.web_sign_in(WebSignIn::new()).legacy_sign_in(LegacySignIn::new("dingoaolder", "secret"));
        let change = |builder: DingTalkBuilder| clock.on(builder).store(store.clone()).calls_per_second(1);
        let dingtalk = build_app(&sandbox, app, change).unwrap();
        let app = framework.start(dingtalk, Placement::Right, Gate::default());
        for via in ["web", "legacy_qr"] {
            let before = store.living().await;
            sandbox.reset_calls();
            let address = app.address();
            let sent: Vec<_> = (0..100).map(|at| tokio::spawn(async move {
                let mut browser = Browser::new(address);
                let state = super::begin_by(&mut browser, via, "/").await;
                refused(&browser.open(&callback(&format!("junk{at}"), &state)).await).1
            })).collect();
            // Fifty come through. Of them one code is sent at once, and four wait for their turn.
            clock.until("all but four answers", || sent.iter().filter(|one| !one.is_finished()).count() == 4).await;
            let told = clock.drive(|| 1, || 0, join_all(sent)).await;
            let told: Vec<String> = told.into_iter().map(Result::unwrap).collect();
            let count = |code: &str| told.iter().filter(|there| *there == code).count();
            assert_eq!((count("login.crowded"), count("dingtalk.busy"), sandbox.call_count()), (50, 45, 5), "{told:?}");
            sandbox.clock().advance(Duration::from_secs(2));
            // The states that were taken, and the codes that DingTalk was asked about.
            assert_eq!(store.living().await, before + 50 + 5);
        }
    }

    async fn a_store_that_is_down_for_a_moment_takes_no_state(framework) {
        let (setup, _, store) = two(framework).await;
        for verb in [Verb::Get, Verb::Add] {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/").await;
            let code = any_code(&setup);
            store.set(verb, Mood::Fails);
            let answer = come_back(&mut browser, &code, &begun.state).await;
            assert_eq!(refused(&answer), (503, "store.unavailable".into()));
            store.set(verb, Mood::Works);
            assert_eq!(come_back(&mut browser, &code, &begun.state).await.status, 303);
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
        let one = |browser: &Browser, part: &str| {
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
        // Beside a session that has as much in it as an app may add.
        let full = async |_| Ok(Claims::new().with("roles", "x".repeat(900)));
        let setup = with(framework, |web| web, |builder| builder.on_login(full)).await;
        let mut browser = setup.browser();
        super::sign_in(&setup, &mut browser, "/").await;
        let session = browser.session().unwrap().1.len();
        assert!(session > 1000, "{session}");
        let mut states = Vec::new();
        let long = format!("/{}", "x".repeat(2000));
        for _ in 0..50 {
            states.push(begin(&mut browser, &long).await.state);
            setup.sandbox.clock().advance(Duration::from_millis(10));
            let header: usize = browser.cookies.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
            assert!(header <= 4096, "{header} bytes of cookies");
            assert!(header - session <= 2048, "{header} bytes of cookies");
        }
        for state in &states[47..] {
            let answer = come_back(&mut browser, &any_code(&setup), state).await;
            assert_eq!((answer.status, answer.header("location")), (303, Some(&*long)));
        }
        let answer = come_back(&mut browser, &any_code(&setup), &states[0]).await;
        assert_eq!(refused(&answer), (400, "login.state_elsewhere".into()));
    }

    /// A6
    async fn tabs_that_begin_at_once_leave_five_when_one_comes_back(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        // Restored tabs do not know of each other's cookies.
        let empty = browser.clone();
        let mut begun = None;
        for _ in 0..50 {
            let answer = empty.clone().open("/dingtalk/login?via=web").await;
            browser.keep(&answer);
            begun = Some(super::begun(&answer));
        }
        let count = |browser: &Browser| browser.cookies.keys().filter(|name| name.contains("-s-")).count();
        assert_eq!(count(&browser), 50);
        let answer = come_back(&mut browser, &any_code(&setup), &begun.unwrap().state).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert!(count(&browser) <= 4, "{:?}", browser.cookies.keys());
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
