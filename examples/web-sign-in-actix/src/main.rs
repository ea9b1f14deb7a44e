//! Web sign-in in actix-web: a page for everybody, a page for employees, and the way out.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::web::{self, Html};
use actix_web::{App, HttpServer};
use dingtalk_actix::{
    DingTalk, DingTalkAuth, DingTalkBuilder, DingTalkUser, InternalApp, MaybeDingTalkUser,
    WebSignIn,
};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let internal_app = InternalApp::from_env()?.web_sign_in(WebSignIn::new());
    let dingtalk = DingTalkBuilder::from_env()?
        .internal_app(internal_app)
        .build()?;
    let listener = TcpListener::bind(ADDRESS)?;
    println!("Open http://{ADDRESS} in a browser.");
    Ok(server(listener, dingtalk)?.await?)
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
