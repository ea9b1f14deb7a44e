//! No secret is printed: every flow and fault with everything logged, and all that was logged, answered or shown searched.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails this way"
)]

mod printed;

use async_trait::async_trait;
use base64_simd::STANDARD;
use dingtalk_core::{
    Claims, DingTalk, Endpoints, Error, Guard, InternalApp, LegacySignIn, Login, LoginCode,
    LoginContext, LoginFlow, Outcome, RequestHead, Secret, SessionKey, TokenCall, WebSignIn,
};
use dingtalk_sandbox::{Fault, SignInCode, World, route};
use dingtalk_tests::{Browser, Framework, Gate, ORIGIN, Placement, SandboxClock, Setup, sandbox};

use printed::{Printed, Secrets, forms, listen, pre_login, sealed};

/// G1 G2 G3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_a_log_a_reply_an_error_or_a_debug_text() {
    let printed = Printed::default();
    listen(&printed);
    let mut secrets = vec![
        ("app secret", APP_SECRET.to_owned()),
        ("session key", session_key()),
        ("session key's bytes", SESSION_KEY.to_owned()),
        ("DingTalk's text", UPSTREAM.to_owned()),
    ];
    let calls = [
        TokenCall::AccessToken,
        TokenCall::CorpToken,
        TokenCall::GetToken,
    ];
    for (at, call) in calls.into_iter().enumerate() {
        for framework in [Framework::Axum, Framework::Actix] {
            all_goes_well(framework, call, &printed, &mut secrets).await;
        }
        for (number, fault) in faults(at).into_iter().enumerate() {
            let framework = [Framework::Axum, Framework::Actix][number % 2];
            something_goes_wrong(framework, call, fault, &printed, &mut secrets).await;
        }
        nothing_answers(call, &printed, &mut secrets).await;
    }
    settings_that_cannot_work(&printed, &mut secrets);
    let text = printed.text();
    // It did listen: to us, to the client below us, and to what went wrong.
    for heard in [
        "signed in",
        "signed out",
        "starting new connection",
        "refused with code",
        "claim `roles` does not fit",
    ] {
        assert!(text.contains(heard), "nothing was heard of: {heard}");
    }
    let kinds = [
        "app secret",
        "session key",
        "code",
        "token",
        "session cookie",
        "pre-login cookie",
        "state",
        "pending sign-in's mark",
        "user's token",
    ];
    for kind in kinds {
        assert!(
            secrets.iter().any(|(there, _)| *there == kind),
            "no {kind} was made"
        );
    }
    for (kind, secret) in &secrets {
        for form in forms(secret) {
            if let Some(at) = text.find(&form) {
                let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
                let around: String = text[line..].chars().take(400).collect();
                panic!("a {kind} was printed: {around}");
            }
        }
    }
}

/// A login, requests, a logout, and the `Debug` of everything on the way.
async fn all_goes_well(
    framework: Framework,
    call: TokenCall,
    printed: &Printed,
    secrets: &mut Secrets,
) {
    let setup = start(framework, call, printed).await;
    by_older_page(&setup, printed, secrets).await;
    on_the_web(&setup, printed, secrets).await;
    let mut browser = setup.browser();
    for path in [
        "/",
        "/maybe",
        "/public",
        "/guarded/page",
        "/dingtalk/me",
        "/nowhere",
    ] {
        printed.answer(&browser.open(path).await);
        printed.answer(&browser.fetch(path).await);
    }
    secrets.extend(pre_login(&browser));
    for user_id in ["manager01", "zhaolei04", "lina02"] {
        let code = setup.code(user_id);
        secrets.push(("code", code.clone()));
        let answer = browser.login(&code).await;
        printed.answer(&answer);
        secrets.extend(answer.session().map(|session| ("session cookie", session)));
        printed.answer(&setup.browser().login(&code).await);
    }
    printed.answer(&browser.login("a code, but not a good one").await);
    let token = setup.dingtalk.token(&corp_id()).await.expect("it has one");
    secrets.push(("token", token.secret().expose().to_owned()));
    printed.debug(&token);
    setup.dingtalk.reject_token(&token);
    setup.advance(400);
    for path in ["/", "/me", "/dingtalk/me", "/nowhere"] {
        let answer = browser.open(path).await;
        secrets.extend(answer.session().map(|session| ("session cookie", session)));
        printed.answer(&answer);
    }
    printed.debug(&setup.dingtalk);
    let (name, value) = browser.session().expect("signed in");
    let heads = [
        ("GET", "/", format!("{name}={value}")),
        ("GET", "/", String::new()),
        ("POST", "/dingtalk/login", format!("{name}={value}")),
        ("POST", "/dingtalk/logout", String::new()),
    ];
    let code = setup.any_code();
    secrets.push(("code", code.clone()));
    setup.advance(400);
    for (method, path, cookie) in heads {
        let head = Asking {
            method,
            path,
            cookie,
            code: code.clone(),
        };
        let made = decided(&setup.dingtalk, &head, printed).await;
        secrets.extend(made);
    }
    printed.answer(&browser.logout().await);
}

/// Sign-ins on DingTalk's older page: one that goes well, and some whose signed call does not.
async fn by_older_page(setup: &Setup, printed: &Printed, secrets: &mut Secrets) {
    let world = setup.sandbox.world();
    let wanted = SignInCode::sns(&world.sign_in_apps[0].app_id, &world.people[0].union_id);
    let faults = [
        Fault::reset_at(0),
        Fault::errcode(853_004).message(UPSTREAM),
        Fault::set("/user_info", UPSTREAM),
    ];
    for fault in std::iter::once(None).chain(faults.into_iter().map(Some)) {
        let is_faulty = fault.is_some();
        if let Some(fault) = fault {
            setup.sandbox.fault(fault.on(route::SNS_USERINFO).times(1));
        }
        let mut browser = setup.browser();
        let begun = browser.open("/dingtalk/login?via=legacy_qr").await;
        printed.answer(&begun);
        let page = begun.header("location").expect("it goes there");
        let state = page.split("state=").nth(1).expect("it has a state");
        let state = state.split('&').next().unwrap_or_default();
        let code = setup.sandbox.sign_in_code(&wanted).expect("they exist");
        secrets.push(("code", code.clone()));
        let answer = browser
            .open(&format!("/dingtalk/callback?code={code}&state={state}"))
            .await;
        assert_eq!(answer.session().is_none(), is_faulty, "{}", answer.text());
        printed.answer(&answer);
        secrets.extend(answer.session().map(|session| ("session cookie", session)));
    }
}

/// Web sign-ins: one that goes well, with the person's token and its renewals, and what comes back wrong.
async fn on_the_web(setup: &Setup, printed: &Printed, secrets: &mut Secrets) {
    let world = setup.sandbox.world();
    let wanted = SignInCode::web(&world.apps[0].app_key, &world.people[0].union_id)
        .corp(&world.apps[0].corp_id);
    let good = Fault::set("/refreshToken", REFRESH_TOKEN);
    let faults = [
        Fault::reset_at(0),
        Fault::code(400, "invalidParameter.authCode.notFound").message(UPSTREAM),
        Fault::set("/accessToken", serde_json::json!([UPSTREAM])),
        Fault::set("/corpId", UPSTREAM),
    ];
    secrets.push(("user's refresh token", REFRESH_TOKEN.to_owned()));
    let mut signed_in = setup.browser();
    for (number, fault) in std::iter::once(good).chain(faults).enumerate() {
        let fault = fault.on(route::USER_ACCESS_TOKEN).times(1);
        setup.sandbox.fault(fault);
        let mut browser = setup.browser();
        let state = begin(&mut browser, secrets).await;
        let code = setup.sandbox.sign_in_code(&wanted).expect("they exist");
        secrets.push(("code", code.clone()));
        let target = format!("/dingtalk/callback?authCode={code}&state={state}");
        let answer = browser.open(&target).await;
        assert_eq!(answer.session().is_some(), number == 0, "{}", answer.text());
        printed.answer(&answer);
        printed.answer(&browser.open(&target).await);
        secrets.extend(answer.session().map(|session| ("session cookie", session)));
        if number == 0 {
            signed_in = browser;
        }
    }
    // What the page's error says is as little for a log as for the visitor.
    let mut browser = setup.browser();
    let state = begin(&mut browser, secrets).await;
    let said = UPSTREAM.replace(' ', "+");
    let target = format!(
        "/dingtalk/callback?error={said}&error_description={said}%0d%0a{said}&state={state}"
    );
    printed.answer(&browser.open(&target).await);

    let (name, value) = signed_in.session().expect("signed in");
    let head = Asking {
        method: "GET",
        path: "/",
        cookie: format!("{name}={value}"),
        code: String::new(),
    };
    let visit = setup.dingtalk.handle(&head).settle().await;
    let visit = visit.expect("signed in");
    let user = visit.require(&head).expect("signed in");
    let token = setup.dingtalk.user_token(&user).await.expect("it is kept");
    secrets.push(("user's token", token.secret().expose().to_owned()));
    printed.debug(&token);
    // DingTalk knows no such refresh token: its renewal is refused.
    setup.advance(7200);
    let refused = setup.dingtalk.user_token(&user).await;
    printed.error(&refused.expect_err("it cannot be renewed"));
}

/// Begins a web sign-in and gives its state. Where it leads is not searched: the state belongs there.
async fn begin(browser: &mut Browser, secrets: &mut Secrets) -> String {
    let begun = browser.open("/dingtalk/login?via=web").await;
    let page = begun.header("location").expect("it goes there");
    let state = page.split("state=").nth(1).expect("it has a state");
    let state = state.split('&').next().unwrap_or_default().to_owned();
    secrets.push(("state", state.clone()));
    let pending = begun.headers_named("set-cookie").find_map(sealed);
    secrets.extend(pending.map(|(_, mark)| ("pending sign-in's mark", mark)));
    state
}

/// What core decides about a request, printed at every step; gives the sessions it made.
async fn decided(dingtalk: &DingTalk, head: &Asking, printed: &Printed) -> Secrets {
    let mut outcome = dingtalk.handle(head);
    loop {
        printed.debug(&outcome);
        match outcome {
            Outcome::Wait(pending) => outcome = pending.await,
            Outcome::Respond(reply) => {
                let cookies = reply.headers().filter(|(name, _)| *name == "set-cookie");
                return cookies.filter_map(|(_, cookie)| sealed(cookie)).collect();
            }
            Outcome::Continue(visit) => {
                printed.debug(&visit.require(head));
                printed.debug(&visit.optional(head));
                printed.debug(&Guard::default().admit(&visit, head));
                let mut made = Secrets::new();
                for change in visit.finish(std::iter::empty()) {
                    printed.debug(&change);
                    if change.name == "set-cookie" {
                        let cookie = &change.value;
                        made.extend(sealed(cookie));
                    }
                }
                return made;
            }
        }
    }
}

/// A login, a second one and a token under a fault.
async fn something_goes_wrong(
    framework: Framework,
    call: TokenCall,
    fault: Fault,
    printed: &Printed,
    secrets: &mut Secrets,
) {
    let setup = start(framework, call, printed).await;
    setup.sandbox.fault(fault);
    let mut browser = setup.browser();
    printed.answer(&browser.open("/").await);
    secrets.extend(pre_login(&browser));
    for _ in 0..2 {
        let code = setup.any_code();
        secrets.push(("code", code.clone()));
        let answer = setup.as_time_passes(browser.login(&code)).await;
        printed.answer(&answer);
        secrets.extend(answer.session().map(|session| ("session cookie", session)));
    }
    match setup.as_time_passes(setup.dingtalk.token(&corp_id())).await {
        Ok(token) => secrets.push(("token", token.secret().expose().to_owned())),
        Err(error) => printed.error(&error),
    }
    printed.debug(&setup.dingtalk);
}

/// DingTalk does not answer in time, and then is not there at all.
async fn nothing_answers(call: TokenCall, printed: &Printed, secrets: &mut Secrets) {
    let setup = start(Framework::Axum, call, printed).await;
    let hold = setup.sandbox.hold(route::ANY);
    let dingtalk = setup.dingtalk.clone();
    let token = tokio::spawn(async move { dingtalk.token(&corp_id()).await });
    hold.wait_for(1).await;
    let error = setup
        .as_time_passes(token)
        .await
        .expect("no panic")
        .expect_err("no answer");
    printed.error(&error);
    hold.release();
    let setup = start(Framework::Actix, call, printed).await;
    let code = setup.any_code();
    secrets.push(("code", code.clone()));
    setup.sandbox.stop().await;
    let dingtalk = setup.dingtalk.clone();
    let token = tokio::spawn(async move { dingtalk.token(&corp_id()).await });
    let clock = setup.sandbox.clock();
    while !token.is_finished() {
        // The pauses between tries pass; the limits of the tries do not, so the error is that of the connection.
        if let Some(pause) = clock.next_wake().filter(|wake| wake.as_secs() <= 1) {
            clock.advance(pause);
        }
        tokio::task::yield_now().await;
    }
    let error = token.await.expect("no panic").expect_err("nobody is there");
    assert!(error.to_string().ends_with("no connection"), "{error}");
    printed.error(&error);
    setup.advance(120);
    let answer = setup.browser().login(&code).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    printed.answer(&answer);
}

fn settings_that_cannot_work(printed: &Printed, secrets: &mut Secrets) {
    let bad = "canary of a setting that cannot work";
    secrets.push(("bad setting", bad.to_owned()));
    let app = || InternalApp::new("ding0a1b", "dingkey", "secret");
    let builder = || {
        DingTalk::builder()
            .public_origin("https://hr.example.com")
            .internal_app(app())
    };
    let endpoint = Endpoints::one(&format!(
        "https://user:{}@example.com",
        bad.replace(' ', "-")
    ));
    let key = SessionKey::parse(&bad.replace(' ', "-"));
    let secret = builder().internal_app(InternalApp::new("ding9", "key", format!("{bad}\n")));
    secrets.push(("bad setting", bad.replace(' ', "-")));
    for error in [
        endpoint.expect_err("it carries a password"),
        key.expect_err("it is no key"),
        secret
            .session_key(SessionKey::parse(&session_key()).unwrap())
            .build()
            .expect_err("it has blanks"),
    ] {
        printed.debug(&error);
        printed.line(&error.to_string());
    }
    let app = InternalApp::new("ding9", "key", bad);
    printed.debug(&app);
    printed.debug(&builder().internal_app(app));
    printed.debug(&SessionKey::parse(&session_key()));
    printed.debug(&Secret::new(bad));
}

fn faults(call: usize) -> Vec<Fault> {
    let token = [route::ACCESS_TOKEN, route::CORP_TOKEN, route::GETTOKEN][call];
    let mut faults = Vec::new();
    for at in [token, route::GETUSERINFO, route::USER_GET] {
        let page = format!("<html>{UPSTREAM}</html>");
        let odd = format!(
            "{{\"errcode\":\"{UPSTREAM}\",\"errmsg\":\"{UPSTREAM}\",\"result\":\"{UPSTREAM}\"}}"
        );
        let elsewhere = format!("https://example.com/?access_token={UPSTREAM}");
        faults.extend([
            Fault::status(503).message(UPSTREAM).on(at),
            Fault::raw(200, "text/html", page).on(at),
            Fault::raw(200, "application/json", odd).on(at),
            Fault::raw(
                200,
                "application/json",
                format!(
                    "{{\"errcode\":0,\"accessToken\":7,\"result\":{{\"userid\":[\"{UPSTREAM}\"]}}}}"
                ),
            )
            .on(at),
            Fault::redirect(307, elsewhere).on(at),
            Fault::errcode(-1).message(UPSTREAM).on(at),
            Fault::errcode(40078).message(UPSTREAM).on(at),
            Fault::errcode(40014).message(UPSTREAM).on(at),
            Fault::errcode(90018).message(UPSTREAM).on(at).times(2),
            Fault::code(400, "invalidClientIdOrSecret")
                .message(UPSTREAM)
                .on(at),
            Fault::ip_ban(5).on(at),
            Fault::ip_ban_page().on(at),
            Fault::reset_at(0).on(at).after(),
            Fault::reset_at(40).on(at),
            Fault::cut_at(20).on(at),
        ]);
    }
    faults.push(Fault::endless(2 << 20).on(route::GETUSERINFO));
    faults.push(Fault::set("/result/userid", "").on(route::GETUSERINFO));
    faults.push(Fault::set("/result/userid", "somebody-else").on(route::USER_GET));
    faults
}

async fn start(framework: Framework, call: TokenCall, printed: &Printed) -> Setup {
    let mut world = World::default();
    world.apps[0].app_secret = APP_SECRET.to_owned();
    world.sign_in_apps[0].app_secret = APP_SECRET.to_owned();
    let app = InternalApp::new(corp_id(), world.apps[0].app_key.clone(), APP_SECRET)
        .token_call(call)
        .legacy_sign_in(LegacySignIn::new(
            world.sign_in_apps[0].app_id.clone(),
            APP_SECRET,
        ))
        .web_sign_in(WebSignIn::new().keep_user_token())
        .flow(Shown(printed.clone()));
    printed.debug(&app);
    let sandbox = sandbox(world).await;
    let shown = printed.clone();
    let builder = DingTalk::builder()
        .public_origin(ORIGIN)
        .endpoint(sandbox.url())
        .clock(SandboxClock(sandbox.clock().clone()))
        .session_key(SessionKey::parse(&session_key()).expect("32 bytes"))
        .internal_app(app)
        .on_login(move |login| {
            shown.debug(&login);
            let claims = match login.person.user_id() {
                Some("lina02") => Claims::new().with("roles", "r".repeat(2000)),
                _ => Claims::new(),
            };
            async { Ok(claims) }
        });
    printed.debug(&builder);
    let dingtalk = builder.build().expect("the settings can work");
    let gate = Gate::default();
    let app = framework.start(dingtalk.clone(), Placement::Right, gate.clone());
    Setup {
        sandbox,
        dingtalk,
        app,
        gate,
    }
}

/// The usual flow, which also shows what it is given.
#[derive(Debug)]
struct Shown(Printed);

#[async_trait]
impl LoginFlow for Shown {
    async fn identify(&self, code: LoginCode, context: &LoginContext<'_>) -> Result<Login, Error> {
        self.0.debug(&code);
        self.0.debug(context);
        let LoginCode::Silent(code) = code else {
            return Err(Error::NoRandomness);
        };
        self.0.debug(&code);
        let employee = context.exchange(&code).await?;
        let details = context.details(&employee.user_id).await?;
        let login = Login::new(employee, details);
        self.0.debug(&login);
        Ok(login)
    }
}

/// A request of our own, given to core directly.
struct Asking {
    method: &'static str,
    path: &'static str,
    cookie: String,
    code: String,
}

impl RequestHead for Asking {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        self.path
    }

    fn routed_path(&self) -> &str {
        self.path
    }

    fn query(&self) -> Option<&str> {
        None
    }

    fn authority(&self) -> Option<&str> {
        None
    }

    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let value = match name {
            "cookie" => Some(self.cookie.as_bytes()),
            "x-dingtalk-auth-code" => Some(self.code.as_bytes()),
            "origin" => Some(ORIGIN.as_bytes()),
            _ => None,
        };
        value.into_iter()
    }
}

fn corp_id() -> String {
    World::default().apps[0].corp_id.clone()
}

fn session_key() -> String {
    STANDARD.encode_to_string(SESSION_KEY)
}

const APP_SECRET: &str = "canary+App/Secret=&\"%\\-5f1c";
const SESSION_KEY: &str = "canary?Session>Key~~-0123456789abcdef";
const REFRESH_TOKEN: &str = "canary-refresh/Token+~4d2e";
const UPSTREAM: &str = "canary of a text of DingTalks";
