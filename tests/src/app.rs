//! The app under test, the same in both frameworks, on a real socket.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use dingtalk_core::DingTalk;
use tokio::sync::{Semaphore, oneshot, watch};

/// Which framework runs the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test's own")]
pub enum Framework {
    /// axum.
    Axum,
    /// actix-web.
    Actix,
}

/// Where `DingTalkAuth` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test's own")]
pub enum Placement {
    /// Outermost and last.
    Right,
    /// Nowhere.
    Missing,
    /// On a nested router, or a scope, at `/inner`.
    Nested,
    /// axum's `route_layer`; actix-web has no such thing and is wrapped on a resource of its own each.
    RouteLayer,
    /// Before the fallback; in actix-web on a scope with an empty prefix, beside the default service.
    BeforeFallback,
    /// Outermost, around a CORS layer of the app's own that allows everything to everybody.
    AroundPermissiveCors,
}

/// Holds the app's route `/slow` until a test lets it go on.
#[derive(Clone, Debug)]
pub struct Gate {
    permits: Arc<Semaphore>,
    arrived: watch::Sender<usize>,
}

impl Gate {
    /// Lets so many requests through.
    pub fn open(&self, requests: usize) {
        self.permits.add_permits(requests);
    }

    /// Completes when so many requests have arrived since the start.
    pub async fn wait_for(&self, requests: usize) {
        let mut arrived = self.arrived.subscribe();
        let arrived = arrived.wait_for(|now| *now >= requests).await;
        arrived.expect("its sender is here");
    }

    async fn pass(&self) {
        self.arrived.send_modify(|now| *now += 1);
        self.permits.acquire().await.expect("never closed").forget();
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(0)),
            arrived: watch::Sender::new(0),
        }
    }
}

/// An app on a free port. Stops on drop.
#[derive(Debug)]
pub struct RunningApp {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl RunningApp {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RunningApp {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Framework {
    /// Starts the app on a thread and runtimes of its own.
    pub fn start(self, dingtalk: DingTalk, placement: Placement, gate: Gate) -> RunningApp {
        self.start_on(free_port(), dingtalk, placement, gate)
    }

    /// As [`start`](Self::start), on a port that is bound already.
    pub fn start_on(
        self,
        listener: TcpListener,
        dingtalk: DingTalk,
        placement: Placement,
        gate: Gate,
    ) -> RunningApp {
        listener
            .set_nonblocking(true)
            .expect("a socket can be set so");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || match self {
            Self::Axum => in_axum::run(listener, dingtalk, placement, gate, stopped),
            Self::Actix => in_actix::run(listener, dingtalk, placement, gate, stopped),
        });
        RunningApp {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

/// A free port of this machine, bound.
pub(crate) fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("loopback has a free port")
}

/// The headers that a permissive CORS layer adds.
const PERMISSIVE: &[&str] = &[
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
];

mod in_axum {
    use std::net::TcpListener;

    use axum::extract::{Request, State};
    use axum::http::{Method, StatusCode, header};
    use axum::middleware::{self, Next};
    use axum::response::{IntoResponse, Json, Response};
    use axum::routing::{any, get};
    use axum::{Router, serve};
    use dingtalk_axum::{DingTalkAuth, DingTalkUser, MaybeDingTalkUser, RequireDingTalk};
    use dingtalk_core::DingTalk;
    use serde_json::Value;
    use tokio::sync::oneshot::Receiver;

    use super::{Gate, Placement};

    pub(super) fn run(
        listener: TcpListener,
        dingtalk: DingTalk,
        placement: Placement,
        gate: Gate,
        stopped: Receiver<()>,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("the socket is fit");
            let app = app(dingtalk, placement, gate);
            tokio::select! {
                served = serve(listener, app) => served.expect("it serves"),
                _ = stopped => {}
            }
        });
        runtime.shutdown_background();
    }

    fn app(dingtalk: DingTalk, placement: Placement, gate: Gate) -> Router {
        let auth = DingTalkAuth::new(dingtalk.clone());
        let routes = routes(dingtalk, gate);
        let fallback = async || StatusCode::NOT_FOUND;
        match placement {
            Placement::Right => routes.fallback(fallback).layer(auth),
            Placement::Missing => routes.fallback(fallback),
            Placement::Nested => Router::new()
                .nest("/inner", routes.layer(auth))
                .fallback(fallback),
            Placement::RouteLayer => routes.route_layer(auth).fallback(fallback),
            Placement::BeforeFallback => routes.layer(auth).fallback(fallback),
            Placement::AroundPermissiveCors => routes
                .fallback(fallback)
                .layer(middleware::from_fn(permissive_cors))
                .layer(auth),
        }
    }

    /// What a permissive CORS layer does: answers every preflight, and adds its headers to every other answer.
    async fn permissive_cors(request: Request, next: Next) -> Response {
        let is_preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key("access-control-request-method");
        let mut response = if is_preflight {
            StatusCode::OK.into_response()
        } else {
            next.run(request).await
        };
        for name in super::PERMISSIVE {
            let any = header::HeaderValue::from_static("*");
            response.headers_mut().insert(*name, any);
        }
        response
    }

    fn routes(dingtalk: DingTalk, gate: Gate) -> Router {
        let inside = Router::new()
            .route("/page", get(hello))
            .route("/any", any(async || "for those who pass"));
        Router::new()
            .route("/", get(hello))
            .route("/orders", get(hello).post(hello))
            .route("/maybe", get(maybe))
            .route("/option", get(option))
            .route("/public", get(async || "public"))
            .route(
                "/shared",
                get(async || ([(header::CACHE_CONTROL, "public, max-age=60")], "shared")),
            )
            .route("/cached", get(cached))
            .route("/me", get(me))
            .route("/slow", get(slow).with_state(gate))
            .route("/token", get(token).with_state(dingtalk))
            .nest("/guarded", inside.clone().layer(RequireDingTalk::new()))
            .nest(
                "/nobody",
                inside
                    .clone()
                    .layer(RequireDingTalk::new().allow(|_| false).allow(|_| true)),
            )
            .nest(
                "/admins",
                inside.layer(RequireDingTalk::new().allow(|user| user.is_admin())),
            )
    }

    async fn hello(user: DingTalkUser) -> String {
        format!("hello {}", user.name())
    }

    async fn maybe(MaybeDingTalkUser(user): MaybeDingTalkUser) -> String {
        user.map_or_else(
            || "nobody".to_owned(),
            |user| format!("hello {}", user.name()),
        )
    }

    async fn option(user: Option<DingTalkUser>) -> String {
        user.map_or_else(
            || "nobody".to_owned(),
            |user| format!("hello {}", user.name()),
        )
    }

    async fn cached(user: DingTalkUser) -> impl IntoResponse {
        (
            [(header::CACHE_CONTROL, "public, max-age=60")],
            user.name().to_owned(),
        )
    }

    async fn me(user: DingTalkUser) -> Json<Value> {
        Json(user.to_json())
    }

    async fn slow(State(gate): State<Gate>, user: DingTalkUser) -> String {
        gate.pass().await;
        format!("hello {}", user.name())
    }

    async fn token(
        State(dingtalk): State<DingTalk>,
        user: DingTalkUser,
    ) -> Result<String, StatusCode> {
        let token = dingtalk.user_token(&user).await;
        let token = token.map_err(|_| StatusCode::BAD_GATEWAY)?;
        Ok(token.secret().expose().to_owned())
    }
}

mod in_actix {
    use std::net::TcpListener;

    use actix_web::body::{BoxBody, MessageBody};
    use actix_web::dev::{ServiceRequest, ServiceResponse};
    use actix_web::http::{Method, header};
    use actix_web::middleware::{Next, from_fn};
    use actix_web::web::{self, ServiceConfig};
    use actix_web::{App, HttpResponse, HttpServer};
    use dingtalk_actix::{DingTalkAuth, DingTalkUser, MaybeDingTalkUser, RequireDingTalk};
    use dingtalk_core::DingTalk;
    use tokio::sync::oneshot::Receiver;

    use super::{Gate, Placement};

    pub(super) fn run(
        listener: TcpListener,
        dingtalk: DingTalk,
        placement: Placement,
        gate: Gate,
        stopped: Receiver<()>,
    ) {
        let auth = DingTalkAuth::new(dingtalk.clone());
        // Each placement makes another type of app, so each has its own server.
        macro_rules! serve {
            ($app:expr) => {{
                let server = HttpServer::new(move || $app)
                    .workers(2)
                    .disable_signals()
                    .shutdown_timeout(0);
                let server = server.listen(listener).expect("the socket is fit").run();
                let handle = server.handle();
                actix_web::rt::System::new().block_on(async move {
                    actix_web::rt::spawn(async move {
                        let _ = stopped.await;
                        handle.stop(false).await;
                    });
                    server.await.expect("it serves");
                });
            }};
        }
        let fallback = || web::to(async || HttpResponse::NotFound().finish());
        match placement {
            Placement::Right => serve!(
                App::new()
                    .configure(|app| routes(app, &dingtalk, &gate))
                    .default_service(fallback())
                    .wrap(auth.clone())
            ),
            Placement::Missing => {
                serve!(
                    App::new()
                        .configure(|app| routes(app, &dingtalk, &gate))
                        .default_service(fallback())
                )
            }
            Placement::Nested => serve!(
                App::new()
                    .service(
                        web::scope("/inner")
                            .configure(|app| routes(app, &dingtalk, &gate))
                            .wrap(auth.clone())
                    )
                    .default_service(fallback())
            ),
            Placement::RouteLayer => serve!(
                App::new()
                    .service(
                        web::resource("/")
                            .route(web::get().to(hello))
                            .wrap(auth.clone())
                    )
                    .service(
                        web::resource("/maybe")
                            .route(web::get().to(maybe))
                            .wrap(auth.clone())
                    )
                    .default_service(fallback())
            ),
            Placement::BeforeFallback => serve!(
                App::new()
                    .service(
                        web::scope("")
                            .configure(|app| routes(app, &dingtalk, &gate))
                            .wrap(auth.clone())
                    )
                    .default_service(fallback())
            ),
            Placement::AroundPermissiveCors => serve!(
                App::new()
                    .configure(|app| routes(app, &dingtalk, &gate))
                    .default_service(fallback())
                    .wrap(from_fn(permissive_cors))
                    .wrap(auth.clone())
            ),
        }
    }

    /// What a permissive CORS layer does: answers every preflight, and adds its headers to every other answer.
    async fn permissive_cors(
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
        let is_preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key("access-control-request-method");
        let mut response = if is_preflight {
            request.into_response(HttpResponse::Ok().finish())
        } else {
            next.call(request).await?.map_into_boxed_body()
        };
        for name in super::PERMISSIVE {
            let name = header::HeaderName::from_static(name);
            let any = header::HeaderValue::from_static("*");
            response.headers_mut().insert(name, any);
        }
        Ok(response)
    }

    fn routes(app: &mut ServiceConfig, dingtalk: &DingTalk, gate: &Gate) {
        let inside = |app: &mut ServiceConfig| {
            app.route("/page", web::get().to(hello))
                .route("/any", web::to(async || "for those who pass"));
        };
        app.app_data(web::Data::new(gate.clone()))
            .app_data(web::Data::new(dingtalk.clone()))
            .route("/", web::get().to(hello))
            .service(
                web::resource("/orders")
                    .route(web::get().to(hello))
                    .route(web::post().to(hello)),
            )
            .route("/maybe", web::get().to(maybe))
            .route("/option", web::get().to(maybe))
            .route("/public", web::get().to(async || "public"))
            .route(
                "/shared",
                web::get().to(async || public("shared".to_owned())),
            )
            .route("/cached", web::get().to(cached))
            .route("/me", web::get().to(me))
            .route("/slow", web::get().to(slow))
            .route("/token", web::get().to(token))
            .service(
                web::scope("/guarded")
                    .configure(inside)
                    .wrap(RequireDingTalk::new()),
            )
            .service(
                web::scope("/nobody")
                    .configure(inside)
                    .wrap(RequireDingTalk::new().allow(|_| false).allow(|_| true)),
            )
            .service(
                web::scope("/admins")
                    .configure(inside)
                    .wrap(RequireDingTalk::new().allow(|user| user.is_admin())),
            );
    }

    async fn hello(user: DingTalkUser) -> String {
        format!("hello {}", user.name())
    }

    async fn maybe(MaybeDingTalkUser(user): MaybeDingTalkUser) -> String {
        user.map_or_else(
            || "nobody".to_owned(),
            |user| format!("hello {}", user.name()),
        )
    }

    async fn cached(user: DingTalkUser) -> HttpResponse {
        public(user.name().to_owned())
    }

    async fn me(user: DingTalkUser) -> HttpResponse {
        HttpResponse::Ok().json(user.to_json())
    }

    async fn slow(gate: web::Data<Gate>, user: DingTalkUser) -> String {
        gate.pass().await;
        format!("hello {}", user.name())
    }

    async fn token(dingtalk: web::Data<DingTalk>, user: DingTalkUser) -> HttpResponse {
        match dingtalk.user_token(&user).await {
            Ok(token) => HttpResponse::Ok().body(token.secret().expose().to_owned()),
            Err(_) => HttpResponse::BadGateway().finish(),
        }
    }

    fn public(body: String) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
            .body(body)
    }
}
