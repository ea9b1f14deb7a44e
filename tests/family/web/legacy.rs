//! Sign-in on DingTalk's older pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use dingtalk_core::{
    Clock, Details, DingTalkBuilder, InternalApp, LegacySignIn, SessionKey, WebSignIn,
};
use dingtalk_sandbox::{Fault, SignInCode, World, route};
use dingtalk_tests::{
    Answer, Browser, Framework, Gate, ORIGIN, Placement, Request, SandboxClock, Setup, both,
    build_app,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use url::Url;

use super::embedded::embedded;
use super::{Begun, begun, callback, parameter, refused};

const WAYS: [&str; 2] = ["legacy_qr", "legacy_password"];
/// Where a code of each kind is traded, and nowhere else.
const EXCHANGES: [&str; 3] = [
    route::GETUSERINFO,
    route::USER_ACCESS_TOKEN,
    route::SNS_USERINFO,
];
const STRANGER: &str = "unionStranger0011";

/// The sandbox's world, with the app's callback registered for the older pages.
fn world() -> World {
    let mut world = World::default();
    world.sign_in_apps[0].redirect_urls.push(ORIGIN.to_owned());
    world
}

pub(super) fn settings() -> LegacySignIn {
    let app = &World::default().sign_in_apps[0];
    LegacySignIn::new(app.app_id.clone(), app.app_secret.clone())
}

/// A setup whose app signs people in on the older pages, and on no other.
async fn start(framework: Framework) -> Setup {
    with(framework, settings(), |builder| builder).await
}

async fn with(
    framework: Framework,
    legacy: LegacySignIn,
    change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
) -> Setup {
    Setup::of_app(framework, world(), |app| app.legacy_sign_in(legacy), change).await
}

async fn begin(browser: &mut Browser, via: &str, target: &str) -> Begun {
    let target = utf8_percent_encode(target, NON_ALPHANUMERIC);
    begun(
        &browser
            .open(&format!("/dingtalk/login?via={via}&return_to={target}"))
            .await,
    )
}

async fn come_back(browser: &mut Browser, code: &str, state: &str) -> Answer {
    let target = format!("/dingtalk/callback?code={code}&state={state}");
    let answer = browser.open(&target).await;
    super::assert_clean(&answer, code, state);
    answer
}

fn code(setup: &Setup, union_id: &str) -> String {
    let app_id = &setup.sandbox.world().sign_in_apps[0].app_id;
    setup
        .sandbox
        .sign_in_code(&SignInCode::sns(app_id, union_id))
        .unwrap()
}

pub(super) fn any_code(setup: &Setup) -> String {
    code(setup, &setup.sandbox.world().people[0].union_id)
}

/// Walks through DingTalk's page as the world's first person, and gives the callback that it leads to.
async fn through_the_page(setup: &Setup, via: &str, page: &Url) -> String {
    let person = &setup.sandbox.world().people[0];
    let address = setup.sandbox.address();
    let send = |request: Request| {
        let request = request.without("host").header("host", address.to_string());
        request.send(address)
    };
    let open = |target: &str| send(Request::new("GET", target).page());
    let shown = open(&page[url::Position::BeforePath..]).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    let next = if via == "legacy_qr" {
        let waiting = setup.sandbox.sign_ins();
        let waiting = waiting
            .iter()
            .find(|there| there.status == "waiting")
            .unwrap();
        setup
            .sandbox
            .confirm_sign_in(&waiting.id, &person.union_id)
            .unwrap()
            .next
    } else {
        let shown = shown.text();
        let step = shown
            .split("/oauth2/signin/")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let step = format!("/oauth2/signin/{}", step.unwrap());
        let form = format!("account={}&password=dingtalk", person.user_id);
        let form = Request::new("POST", &step)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let posted = send(form).await;
        assert_eq!(posted.status, 303, "{}", posted.text());
        step
    };
    let back = open(&next).await;
    assert_eq!(back.status, 303, "{}", back.text());
    back.header("location")
        .unwrap()
        .strip_prefix(ORIGIN)
        .unwrap()
        .to_owned()
}

/// A clock whose time of day is some milliseconds off.
#[derive(Clone, Debug)]
struct Off(SandboxClock, Arc<AtomicI64>);

#[async_trait::async_trait]
impl Clock for Off {
    fn wall(&self) -> SystemTime {
        let off = self.1.load(Ordering::Relaxed);
        let span = Duration::from_millis(off.unsigned_abs());
        if off < 0 {
            self.0.wall() - span
        } else {
            self.0.wall() + span
        }
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// A setup whose server's clock is off, and by how many milliseconds.
async fn off(framework: Framework, milliseconds: i64) -> (Setup, Arc<AtomicI64>) {
    let off = Arc::new(AtomicI64::new(milliseconds));
    let sandbox = dingtalk_tests::sandbox(world()).await;
    let clock = Off(SandboxClock(sandbox.clock().clone()), off.clone());
    let setup = Setup::on(framework, Placement::Right, sandbox, |builder| builder);
    let dingtalk = build_app(
        &setup.sandbox,
        |app| app.legacy_sign_in(settings()),
        |builder| builder.clock(clock),
    );
    let dingtalk = dingtalk.unwrap();
    let app = framework.start(dingtalk.clone(), Placement::Right, Gate::default());
    (
        Setup {
            dingtalk,
            app,
            ..setup
        },
        off,
    )
}

both! {
    async fn each_older_page_signs_in_and_goes_on_to_the_page_first_asked_for(framework) {
        for via in WAYS {
            let setup = start(framework).await;
            for calls in [4, 3] {
                setup.sandbox.reset_calls();
                let mut browser = setup.browser();
                let begun = begin(&mut browser, via, "/orders?x=1#/3").await;
                let path = if via == "legacy_qr" { "/connect/qrconnect" } else { "/connect/oauth2/sns_authorize" };
                assert_eq!(begun.page.path(), path);
                assert_eq!(parameter(&begun.page, "scope").as_deref(), Some("snsapi_login"));
                assert_eq!(browser.cookies.len(), 1, "{:?}", browser.cookies);
                let back = through_the_page(&setup, via, &begun.page).await;
                assert_eq!(setup.sandbox.call_count(), 0);
                let answer = browser.open(&back).await;
                assert_eq!((answer.status, answer.header("location")), (303, Some("/orders?x=1#/3")), "{}", answer.text());
                for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
                    assert_eq!(answer.header(name), Some(value));
                }
                let name = &setup.sandbox.world().people[0].name;
                let hello = browser.open("/orders?x=1").await;
                assert_eq!((hello.status, hello.text()), (200, format!("hello {name}")));
                assert_eq!(setup.sandbox.call_count(), calls, "{:?}", setup.sandbox.calls());
                for (route, calls) in [(route::SNS_USERINFO, 1), (route::GETBYUNIONID, 1), (route::USER_GET, 1)] {
                    assert_eq!(setup.sandbox.call_count_of(route), calls, "{route}");
                }
                // It lasts as any sign-in of a browser does, and works once.
                assert!(answer.headers_named("set-cookie").any(|cookie| cookie.contains("Max-Age=604800")), "{:?}", answer.headers);
                assert_eq!(refused(&browser.open(&back).await).0, 400);
                assert_eq!(setup.sandbox.call_count(), calls);
            }
        }
    }

    async fn without_details_a_sign_in_costs_two_calls(framework) {
        let setup = with(framework, settings(), |builder| builder.details(Details::None)).await;
        for calls in [3, 2] {
            setup.sandbox.reset_calls();
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "legacy_qr", "/").await;
            assert_eq!(come_back(&mut browser, &any_code(&setup), &begun.state).await.status, 303);
            assert_eq!(setup.sandbox.call_count(), calls);
            assert_eq!(browser.open("/").await.status, 200);
        }
    }

    async fn where_no_way_is_named_the_newer_page_goes_first_and_then_the_qr_code(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        assert!(browser.open("/orders").await.text().contains("/dingtalk/login?return_to=%2Forders"));
        let page = begun(&browser.open("/dingtalk/login?return_to=/orders").await).page;
        assert_eq!(page.path(), "/connect/qrconnect");
        let web = browser.open("/dingtalk/login?via=web&return_to=/orders").await;
        assert_eq!((web.status, web.header("location")), (401, None));
        assert_eq!(browser.fetch("/orders").await.json()["action"], "web_sign_in");

        let app = |app: InternalApp| app.legacy_sign_in(settings()).web_sign_in(WebSignIn::new());
        let setup = Setup::of_app(framework, world(), app, |builder| builder).await;
        let mut browser = setup.browser();
        for (query, path) in [
            ("", "/oauth2/auth"),
            ("via=web", "/oauth2/auth"),
            ("via=legacy_qr", "/connect/qrconnect"),
            ("via=legacy_password", "/connect/oauth2/sns_authorize"),
        ] {
            let page = begun(&browser.open(&format!("/dingtalk/login?{query}")).await).page;
            assert_eq!(page.path(), path, "{query}");
        }
        // Nobody gets at the older pages where they are not set.
        let setup = super::start(framework).await;
        for via in WAYS {
            let answer = setup.browser().open(&format!("/dingtalk/login?via={via}")).await;
            assert_eq!((answer.status, answer.header("location")), (401, None), "{via}");
        }
    }

    /// A10
    async fn an_older_pages_code_is_traded_at_its_own_endpoint_only_and_no_other_code_there(framework) {
        let app = |app: InternalApp| app.legacy_sign_in(settings()).web_sign_in(WebSignIn::new());
        let setup = Setup::of_app(framework, world(), app, |builder| builder).await;
        let arrive = async |kind: &str, code: &str| {
            let mut browser = setup.browser();
            let answer = match kind {
                "silent" => browser.login(code).await,
                "web" => {
                    let begun = super::begin(&mut browser, "/").await;
                    browser.open(&callback(code, &begun.state)).await
                }
                via => {
                    let begun = begin(&mut browser, via, "/").await;
                    come_back(&mut browser, code, &begun.state).await
                }
            };
            assert_eq!(browser.session().is_some(), answer.session().is_some());
            answer
        };
        let own = |kind: &str| match kind {
            "silent" => EXCHANGES[0],
            "web" => EXCHANGES[1],
            _ => EXCHANGES[2],
        };
        for way in WAYS {
            for (made_for, at) in [(way, "silent"), (way, "web"), ("silent", way), ("web", way)] {
                let code = match made_for {
                    "silent" => setup.any_code(),
                    "web" => super::any_code(&setup),
                    _ => any_code(&setup),
                };
                setup.sandbox.reset_calls();
                let refused = arrive(at, &code).await;
                assert_eq!((refused.status, refused.session()), (401, None), "{made_for} at {at}: {}", refused.text());
                for exchange in EXCHANGES {
                    let calls = usize::from(exchange == own(at));
                    assert_eq!(setup.sandbox.call_count_of(exchange), calls, "{made_for} at {at}: {exchange}");
                }
                assert_eq!(setup.sandbox.call_count_of(route::GETBYUNIONID), 0);
                // It is as good as before where it belongs.
                assert!(arrive(made_for, &code).await.session().is_some(), "{made_for} after {at}");
            }
        }
    }

    /// A4
    async fn a_state_of_one_way_is_nothing_where_that_way_is_not_the_same(framework) {
        let key = SessionKey::generate().unwrap();
        let own = &world().sign_in_apps[0];
        let setup = Setup::of_app(framework, world(), |app| app, |builder| builder.session_key(key.clone())).await;
        let instance = |legacy: Option<LegacySignIn>, web: Option<WebSignIn>| {
            let app = |mut app: InternalApp| {
                if let Some(legacy) = legacy {
                    app = app.legacy_sign_in(legacy);
                }
                if let Some(web) = web {
                    app = app.web_sign_in(web);
                }
                app
            };
            let dingtalk = build_app(&setup.sandbox, app, |builder| builder.session_key(key.clone())).unwrap();
            framework.start(dingtalk, Placement::Right, Gate::default())
        };
        let older = instance(Some(settings()), None);
        let other_older = instance(Some(LegacySignIn::new("dingoaother", own.app_secret.clone())), None);
        let newer = instance(None, Some(WebSignIn::new()));
        let framed = instance(None, Some(embedded(WebSignIn::new())));
        let all = [("legacy_qr", &older), ("legacy_password", &other_older), ("web", &newer), ("embedded", &framed)];
        for (via, begun_at) in all {
            for (at, returned_to) in all {
                setup.sandbox.reset_calls();
                let mut browser = Browser::new(begun_at.address());
                let state = super::begin_by(&mut browser, via, "/").await;
                browser.go_to(returned_to.address());
                let answer = come_back(&mut browser, &any_code(&setup), &state).await;
                // A page with a frame offers DingTalk's page too.
                let is_own = via == at || (via, at) == ("web", "embedded");
                assert_eq!(refused(&answer).1 != "login.state_invalid", is_own, "{via} at {at}: {}", answer.text());
                assert_eq!(setup.sandbox.call_count() > 0, is_own, "{via} at {at}");
            }
        }
        // The same older sign-in, of another internal app.
        let other = &setup.sandbox.world().apps[1];
        let moved = |_| InternalApp::new(&*other.corp_id, &*other.app_key, &*other.app_secret).legacy_sign_in(settings());
        let moved = build_app(&setup.sandbox, moved, |builder| builder.session_key(key.clone())).unwrap();
        let moved = framework.start(moved, Placement::Right, Gate::default());
        let mut browser = Browser::new(older.address());
        let state = super::begin_by(&mut browser, "legacy_qr", "/").await;
        browser.go_to(moved.address());
        let answer = come_back(&mut browser, &any_code(&setup), &state).await;
        assert_eq!(refused(&answer), (400, "login.state_invalid".into()));
    }

    async fn a_wrong_clock_is_explained_and_a_clock_set_right_is_right_at_once(framework) {
        for milliseconds in [60_001, -60_001, 60_000, -60_000] {
            let (setup, off) = off(framework, milliseconds).await;
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "legacy_qr", "/").await;
            let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            if milliseconds.abs() <= 60_000 {
                assert_eq!(answer.status, 303, "{milliseconds}: {}", answer.text());
                continue;
            }
            assert_eq!(refused(&answer), (500, "app.clock_wrong".into()), "{}", answer.text());
            assert!(answer.text().contains("the clock of the server that this app runs on"), "{}", answer.text());
            assert!(answer.text().contains("/dingtalk/login?via=legacy_qr&amp;return_to=%2F"), "{}", answer.text());
            assert_eq!((setup.sandbox.call_count(), answer.session()), (1, None));
            off.store(0, Ordering::Relaxed);
            let begun = begin(&mut browser, "legacy_qr", "/").await;
            let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            assert_eq!(answer.status, 303, "{milliseconds}: {}", answer.text());
        }
    }

    async fn a_wrong_id_or_secret_is_told_from_the_internal_apps_own(framework) {
        let app = &world().sign_in_apps[0];
        for legacy in [
            LegacySignIn::new("dingoaother", app.app_secret.clone()),
            LegacySignIn::new(app.app_id.clone(), "not it"),
        ] {
            let setup = with(framework, legacy, |builder| builder).await;
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "legacy_password", "/").await;
            let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            assert_eq!(refused(&answer), (500, "app.legacy_credentials_wrong".into()));
            assert!(!answer.text().contains("not it"));
            assert_eq!((setup.sandbox.call_count(), answer.session()), (1, None));
        }
    }

    /// B1 B9
    async fn a_code_is_sent_once_and_an_odd_answer_lets_nobody_in(framework) {
        for (fault, calls, status, refusal) in [
            (Fault::reset_at(0), 1, 401, "login.code_unconfirmed"),
            (Fault::reset_at(30).after(), 1, 401, "login.code_unconfirmed"),
            (Fault::status(503), 1, 502, "dingtalk.unexpected_answer"),
            (Fault::errcode(-1), 1, 503, "dingtalk.busy"),
            (Fault::errcode(40078), 1, 401, "login.code_invalid"),
            (Fault::errcode(853_001), 1, 500, "app.request_refused"),
            (Fault::edit(json!({"errcode": null})), 1, 502, "dingtalk.unexpected_answer"),
            (Fault::edit(json!({"user_info": null})), 1, 502, "dingtalk.unexpected_answer"),
            (Fault::edit(json!({"user_info": {"unionid": null}})), 1, 502, "dingtalk.unexpected_answer"),
            (Fault::set("/user_info/unionid", ""), 1, 502, "dingtalk.unexpected_answer"),
            (Fault::set("/user_info/unionid", "a\nb"), 1, 502, "dingtalk.unexpected_answer"),
            (Fault::set("/user_info", json!(["a", "b", "c"])), 1, 502, "dingtalk.unexpected_answer"),
        ] {
            for legacy in [settings(), settings().anyone()] {
                let setup = with(framework, legacy, |builder| builder).await;
                // Once more, and it would go well.
                setup.sandbox.fault(fault.clone().on(route::SNS_USERINFO).times(calls));
                let mut browser = setup.browser();
                let begun = begin(&mut browser, "legacy_qr", "/").await;
                let code = any_code(&setup);
                let answer = come_back(&mut browser, &code, &begun.state).await;
                assert_eq!(refused(&answer), (status, refusal.into()), "{fault:?}");
                assert_eq!(browser.session(), None, "{fault:?}");
                // The sandbox does not write down a call whose connection broke before its answer.
                assert!(setup.sandbox.call_count() <= usize::try_from(calls).unwrap(), "{fault:?}");
            }
        }
    }

    async fn a_stranger_is_refused_unless_anyone_may_come(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "legacy_qr", "/orders").await;
        let answer = come_back(&mut browser, &code(&setup, STRANGER), &begun.state).await;
        assert_eq!(refused(&answer), (403, "login.not_a_member".into()));
        assert!(answer.text().contains("does not belong to this organisation"));
        assert_eq!((browser.session(), browser.open("/orders").await.status), (None, 401));
        assert_eq!(setup.sandbox.call_count_of(route::USER_GET), 0);

        let setup = with(framework, settings().anyone(), |builder| builder).await;
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "legacy_qr", "/orders").await;
        let answer = come_back(&mut browser, &code(&setup, STRANGER), &begun.state).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/orders")), "{}", answer.text());
        let me = browser.fetch("/dingtalk/me").await.json();
        assert_eq!((&me["user"]["user_id"], &me["user"]["union_id"]), (&serde_json::Value::Null, &STRANGER.into()), "{me}");
        assert_eq!(setup.sandbox.call_count(), 1);
    }
}
