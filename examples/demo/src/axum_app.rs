//! The app in axum.

use std::net::TcpListener;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use dingtalk_axum::{DingTalk, DingTalkAuth, DingTalkUser, MaybeDingTalkUser, RequireDingTalk};

use crate::page::{self, Links};

pub(crate) async fn serve(
    listener: TcpListener,
    dingtalk: DingTalk,
    links: Links,
) -> std::io::Result<()> {
    let home = async move |MaybeDingTalkUser(user)| Html(page::home("axum", user.as_ref(), &links));
    let admin = Router::new().route("/", get(async || "for administrators"));
    let app = Router::new()
        .route("/", get(home))
        .route("/orders", get(orders))
        .nest(
            "/admin",
            admin.layer(RequireDingTalk::new().allow(|user| user.is_admin())),
        )
        .layer(DingTalkAuth::new(dingtalk));
    axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await
}

async fn orders(user: DingTalkUser) -> String {
    format!("你好, {}", user.name())
}
