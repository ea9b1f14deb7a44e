//! Web sign-in in actix-web: a page for everybody, a page for employees, and the way out.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::web::{self, Html};
use actix_web::{App, HttpServer};
use dingtalk_actix::{
    ConfigError, DingTalk, DingTalkAuth, DingTalkUser, InternalApp, MaybeDingTalkUser, SessionKey,
    WebSignIn,
};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let dingtalk = dingtalk(|variable| std::env::var(variable).ok())?;
    let listener = TcpListener::bind(ADDRESS)?;
    println!("Open http://{ADDRESS} in a browser.");
    Ok(server(listener, dingtalk)?.await?)
}

/// The app that we are at DingTalk, as the environment says. What is missing there has a name in the error.
fn dingtalk(read: impl Fn(&str) -> Option<String>) -> Result<DingTalk, ConfigError> {
    let given = |variable| read(variable).unwrap_or_default();
    let app = InternalApp::new(
        given("DINGTALK_CORP_ID"),
        given("DINGTALK_APP_KEY"),
        given("DINGTALK_APP_SECRET"),
    );
    let builder = DingTalk::builder()
        .public_origin(given("DINGTALK_PUBLIC_ORIGIN"))
        .session_key(SessionKey::parse(&given("DINGTALK_SESSION_KEY"))?)
        .internal_app(app.web_sign_in(WebSignIn::new()));
    // DingTalk itself, unless a sandbox is named.
    match read("DINGTALK_ENDPOINT") {
        Some(sandbox) => builder.endpoint(&sandbox).build(),
        None => builder.build(),
    }
}

fn server(listener: TcpListener, dingtalk: DingTalk) -> std::io::Result<Server> {
    // Made once: all workers share what it knows.
    let auth = DingTalkAuth::new(dingtalk);
    let app = move || {
        App::new()
            .route("/", web::get().to(home))
            .route("/orders", web::get().to(orders))
            .wrap(auth.clone())
    };
    Ok(HttpServer::new(app).listen(listener)?.run())
}

/// For everybody.
async fn home(MaybeDingTalkUser(user): MaybeDingTalkUser) -> Html {
    Html::new(if user.is_some() {
        SIGNED_IN
    } else {
        SIGNED_OUT
    })
}

/// For the company's employees. Anybody else is taken to DingTalk's sign-in page, and from there back to here.
async fn orders(user: DingTalkUser) -> String {
    format!("你好, {}", user.name())
}

/// Browsers see it under `DINGTALK_PUBLIC_ORIGIN`.
const ADDRESS: &str = "127.0.0.1:8080";

const SIGNED_IN: &str = "<!doctype html><meta charset=\"utf-8\"><title>Orders</title>\
    <p><a href=\"/orders\">Orders</a></p>\
    <form method=\"post\" action=\"/dingtalk/logout\"><button>Sign out</button></form>";

const SIGNED_OUT: &str = "<!doctype html><meta charset=\"utf-8\"><title>Orders</title>\
    <p><a href=\"/dingtalk/login?return_to=/orders\">Sign in with DingTalk</a></p>";
