//! What `DingTalkAuth` adds to a signed-in request: time and allocations over a layer that does nothing, in one process, in
//! alternating rounds, on both frameworks.
//!
//! Ends with exit status 1 when allocations are over their limit; time is printed with its limit and judged by the reader,
//! because machines are noisy.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on stops"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use dingtalk_core::{Claims, DingTalk, SystemClock};
use dingtalk_sandbox::Sandbox;
use dingtalk_tests::{Browser, Framework, Gate, ORIGIN, Placement, build};

const ROUNDS: usize = 201;
const REQUESTS: usize = 500;
const MAX_ADDED: Duration = Duration::from_micros(1);
const MAX_ALLOCATIONS: i64 = 10;

fn main() -> ExitCode {
    // `cargo test --benches` builds and runs this too; it has nothing to test.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let (dingtalk, cookie, sandbox) = runtime.block_on(signed_in());
    let value = cookie.split_once('=').map_or(0, |(_, value)| value.len());
    println!(
        "a signed-in person of {} bytes; cookie of {} characters",
        value * 3 / 4 - 29,
        cookie.len()
    );
    println!("{ROUNDS} rounds of {REQUESTS} requests each, in turn; medians per request\n");
    let results = [
        (
            "axum, user not read",
            in_axum::compare(&dingtalk, &cookie, false),
        ),
        (
            "axum, user read",
            in_axum::compare(&dingtalk, &cookie, true),
        ),
        (
            "actix-web, user not read",
            in_actix::compare(&dingtalk, &cookie, false),
        ),
        (
            "actix-web, user read",
            in_actix::compare(&dingtalk, &cookie, true),
        ),
    ];
    drop(sandbox);
    let mut is_within = true;
    for (name, result) in &results {
        let added = result.with.saturating_sub(result.without);
        println!(
            "{name:26} no-op {:>5} ns   DingTalkAuth {:>5} ns   ratio {:.2}   adds {:>4} ns (limit {}) and {} allocations (limit {MAX_ALLOCATIONS})",
            result.without.as_nanos(),
            result.with.as_nanos(),
            result.with.as_secs_f64() / result.without.as_secs_f64(),
            added.as_nanos(),
            MAX_ADDED.as_nanos(),
            result.allocations,
        );
        is_within &= result.allocations <= MAX_ALLOCATIONS;
    }
    if is_within {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Signs the world's first person in, with a claim that makes a session of about 250 bytes.
async fn signed_in() -> (DingTalk, String, Sandbox) {
    let sandbox = Sandbox::start().await;
    let dingtalk = build(&sandbox, |builder| {
        let builder = builder.clock(SystemClock::new());
        builder.on_login(async |_| Ok(Claims::new().with("role", "x".repeat(36))))
    });
    let dingtalk = dingtalk.expect("the settings can work");
    let app = Framework::Axum.start(dingtalk.clone(), Placement::Right, Gate::default());
    let mut browser = Browser::new(app.address());
    let world = sandbox.world();
    let code = sandbox.code(&world.apps[0].app_key, &world.people[0].user_id);
    assert_eq!(browser.login(&code).await.status, 200, "the login works");
    let (name, value) = browser.session().expect("signed in");
    (dingtalk, format!("{name}={value}"), sandbox)
}

/// Medians per request.
struct Comparison {
    without: Duration,
    with: Duration,
    allocations: i64,
}

fn compare(mut without: impl FnMut(), mut with: impl FnMut()) -> Comparison {
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(time(&mut without));
        ours.push(time(&mut with));
    }
    plain.sort();
    ours.sort();
    Comparison {
        without: plain[ROUNDS / 2],
        with: ours[ROUNDS / 2],
        allocations: allocations(&mut with) - allocations(&mut without),
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn time(request: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..REQUESTS {
        request();
    }
    start.elapsed() / u32::try_from(REQUESTS).expect("a small number")
}

fn allocations(request: &mut impl FnMut()) -> i64 {
    let info = allocation_counter::measure(&mut *request);
    i64::try_from(info.count_total).expect("a small number")
}

mod in_axum {
    use axum::Router;
    use axum::body::Body;
    use axum::http::Request;
    use axum::response::Response;
    use axum::routing::get;
    use dingtalk_axum::{DingTalkAuth, DingTalkUser};
    use dingtalk_core::DingTalk;
    use tower_layer::Layer;
    use tower_service::Service;

    use super::{Comparison, ORIGIN, black_box};

    pub(super) fn compare(dingtalk: &DingTalk, cookie: &str, reads: bool) -> Comparison {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime can be made");
        let mut without = Router::new().route("/", get(async || "hello")).layer(NoOp);
        let routes = if reads {
            Router::new().route("/", get(hello))
        } else {
            Router::new().route("/", get(async || "hello"))
        };
        let mut with = routes.layer(DingTalkAuth::new(dingtalk.clone()));
        let call = |app: &mut Router| {
            let response: Response = runtime
                .block_on(app.call(request(cookie)))
                .expect("never fails");
            assert_eq!(black_box(response).status(), 200);
        };
        super::compare(|| call(&mut without), || call(&mut with))
    }

    fn request(cookie: &str) -> Request<Body> {
        let host = ORIGIN.trim_start_matches("https://");
        Request::get("/")
            .header("host", host)
            .header("cookie", cookie)
            .body(Body::empty())
            .expect("well formed")
    }

    async fn hello(user: DingTalkUser) -> &'static str {
        assert!(!black_box(user).name().is_empty());
        "hello"
    }

    #[derive(Clone)]
    struct NoOp;

    #[derive(Clone)]
    struct NoOpService<S>(S);

    impl<S> Layer<S> for NoOp {
        type Service = NoOpService<S>;

        fn layer(&self, inner: S) -> Self::Service {
            NoOpService(inner)
        }
    }

    impl<S: Service<Request<Body>>> Service<Request<Body>> for NoOpService<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(
            &mut self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: Request<Body>) -> S::Future {
            self.0.call(request)
        }
    }
}

mod in_actix {
    use actix_http::Request;
    use actix_web::dev::{Service, ServiceResponse};
    use actix_web::test::{TestRequest, init_service};
    use actix_web::{App, Error, web};
    use dingtalk_actix::{DingTalkAuth, DingTalkUser};
    use dingtalk_core::DingTalk;

    use super::{Comparison, ORIGIN, black_box};

    pub(super) fn compare(dingtalk: &DingTalk, cookie: &str, reads: bool) -> Comparison {
        let system = actix_web::rt::System::new();
        let without = system.block_on(init_service(
            App::new()
                .route("/", web::get().to(async || "hello"))
                .wrap_fn(|request, service| service.call(request)),
        ));
        let with = system.block_on(init_service(
            App::new()
                .route(
                    "/",
                    if reads {
                        web::get().to(hello)
                    } else {
                        web::get().to(async || "hello")
                    },
                )
                .wrap(DingTalkAuth::new(dingtalk.clone())),
        ));
        super::compare(
            || call(&system, &without, cookie),
            || call(&system, &with, cookie),
        )
    }

    async fn hello(user: DingTalkUser) -> &'static str {
        assert!(!black_box(user).name().is_empty());
        "hello"
    }

    fn call<B>(
        system: &actix_web::rt::SystemRunner,
        app: &impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
        cookie: &str,
    ) {
        let host = ORIGIN.trim_start_matches("https://");
        let request = TestRequest::get()
            .uri("/")
            .insert_header(("host", host))
            .insert_header(("cookie", cookie));
        let answer = system
            .block_on(app.call(request.to_request()))
            .expect("never fails");
        assert_eq!(black_box(answer).status(), 200);
    }
}
