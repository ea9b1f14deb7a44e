//! Web sign-in in axum: a page for everybody, a page for employees, and the way out.

#[cfg(test)]
mod tests;

use std::error::Error;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use dingtalk_axum::{
    DingTalk, DingTalkAuth, DingTalkBuilder, DingTalkUser, InternalApp, MaybeDingTalkUser,
    WebSignIn,
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let internal_app = InternalApp::from_env()?.web_sign_in(WebSignIn::new());
    let dingtalk = DingTalkBuilder::from_env()?
        .internal_app(internal_app)
        .build()?;
    let listener = TcpListener::bind(ADDRESS).await?;
    println!("Open http://{ADDRESS} in a browser.");
    Ok(axum::serve(listener, app(dingtalk)).await?)
}

fn app(dingtalk: DingTalk) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/orders", get(orders))
        .layer(DingTalkAuth::new(dingtalk))
}

/// For everybody.
async fn home(MaybeDingTalkUser(user): MaybeDingTalkUser) -> Html<&'static str> {
    Html(if user.is_some() {
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
