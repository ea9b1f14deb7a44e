//! A signed-in request on both frameworks, through `DingTalkAuth` and through a layer that does nothing.

use std::hint::black_box;

use dingtalk_core::{Claims, DingTalk, SystemClock};
use dingtalk_sandbox::Sandbox;
use dingtalk_tests::{Browser, Framework, Gate, ORIGIN, Placement, build};

/// Sends one request and checks its answer.
pub(crate) type Request<'a> = &'a mut dyn FnMut();

/// Compares a request without and with `DingTalkAuth`, for each framework, with the user left alone and read.
pub(crate) fn compare<T>(
    mut compare: impl FnMut(Request<'_>, Request<'_>) -> T,
) -> Vec<(&'static str, T)> {
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
    let results = vec![
        (
            "axum, user not read",
            in_axum::compare(&dingtalk, &cookie, false, &mut compare),
        ),
        (
            "axum, user read",
            in_axum::compare(&dingtalk, &cookie, true, &mut compare),
        ),
        (
            "actix-web, user not read",
            in_actix::compare(&dingtalk, &cookie, false, &mut compare),
        ),
        (
            "actix-web, user read",
            in_actix::compare(&dingtalk, &cookie, true, &mut compare),
        ),
    ];
    drop(sandbox);
    results
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

    use super::{ORIGIN, Request as Send, black_box};

    pub(super) fn compare<T>(
        dingtalk: &DingTalk,
        cookie: &str,
        reads: bool,
        compare: impl FnOnce(Send<'_>, Send<'_>) -> T,
    ) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime can be made");
        // `with_state` makes the routes once, as `axum::serve` does, and not with every request.
        let mut without = Router::new()
            .route("/", get(async || "hello"))
            .layer(NoOp)
            .with_state(());
        let routes = if reads {
            Router::new().route("/", get(hello))
        } else {
            Router::new().route("/", get(async || "hello"))
        };
        let mut with = routes
            .layer(DingTalkAuth::new(dingtalk.clone()))
            .with_state(());
        let call = |app: &mut Router| {
            let response: Response = runtime
                .block_on(app.call(request(cookie)))
                .expect("never fails");
            assert_eq!(black_box(response).status(), 200);
        };
        compare(&mut || call(&mut without), &mut || call(&mut with))
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

    use super::{ORIGIN, Request as Send, black_box};

    pub(super) fn compare<T>(
        dingtalk: &DingTalk,
        cookie: &str,
        reads: bool,
        compare: impl FnOnce(Send<'_>, Send<'_>) -> T,
    ) -> T {
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
        compare(&mut || call(&system, &without, cookie), &mut || {
            call(&system, &with, cookie)
        })
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
