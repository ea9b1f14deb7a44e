//! The three endpoints that hand out app tokens.

use serde_json::{Map, Value, json};

use super::Request;
use crate::{
    engine::Engine,
    envelope::{self, Reply},
    route,
    token::TokenKind,
    world::{App, TokenRepeat},
};

/// `GET /gettoken?appkey=&appsecret=`: the query only, whatever a body says.
pub(super) fn gettoken(engine: &Engine, request: &Request) -> Reply {
    const ROUTE: &str = route::GETTOKEN;
    let (Some(key), Some(secret)) = (request.query("appkey"), request.query("appsecret")) else {
        return Reply::business(ROUTE, 40035);
    };
    let Some(app) = engine.world.app(key).filter(|app| app.app_secret == secret) else {
        return Reply::business(ROUTE, 40096);
    };
    if let Some(refusal) = outside_limits(engine, request, app, ROUTE) {
        return refusal;
    }
    let token = issue(engine, app, TokenKind::App);
    Reply::old_ok(json!({"access_token": token, "expires_in": engine.world.token_seconds}))
}

/// `POST /v1.0/oauth2/accessToken` with `{"appKey", "appSecret"}`.
pub(super) fn access_token(engine: &Engine, request: &Request) -> Reply {
    let fields = match new_body(request) {
        Ok(fields) => fields,
        Err(refusal) => return *refusal,
    };
    let (key, secret) = match (required(&fields, "appKey"), required(&fields, "appSecret")) {
        (Ok(key), Ok(secret)) => (key, secret),
        (Err(refusal), _) | (_, Err(refusal)) => return *refusal,
    };
    let Some(app) = engine.world.app(key).filter(|app| app.app_secret == secret) else {
        return new_refusal(400, "invalidClientIdOrSecret");
    };
    if let Some(refusal) = outside_limits(engine, request, app, route::ACCESS_TOKEN) {
        return refusal;
    }
    let token = issue(engine, app, TokenKind::App);
    Reply::new_ok(json!({"accessToken": token, "expireIn": engine.world.token_seconds}))
}

/// `POST /v1.0/oauth2/{corpId}/token` with `{"client_id", "client_secret", "grant_type": "client_credentials"}`.
pub(super) fn corp_token(engine: &Engine, request: &Request, corp_id: &str) -> Reply {
    let fields = match new_body(request) {
        Ok(fields) => fields,
        Err(refusal) => return *refusal,
    };
    let (key, secret, grant) = match (
        required(&fields, "client_id"),
        required(&fields, "client_secret"),
        required(&fields, "grant_type"),
    ) {
        (Ok(key), Ok(secret), Ok(grant)) => (key, secret, grant),
        (Err(refusal), ..) | (_, Err(refusal), _) | (.., Err(refusal)) => return *refusal,
    };
    if grant != "client_credentials" {
        return new_refusal(400, "unsupported.grant.type");
    }
    if !engine
        .world
        .corps
        .iter()
        .any(|corp| corp.corp_id == corp_id)
    {
        return new_refusal(500, "unknownError").because("no such organisation");
    }
    let Some(app) = engine.world.app(key).filter(|app| app.app_secret == secret) else {
        return new_refusal(400, "invalid.client");
    };
    if app.corp_id != corp_id {
        return new_refusal(401, "unauthorized.client")
            .because("the app belongs to another organisation");
    }
    if let Some(refusal) = outside_limits(engine, request, app, route::CORP_TOKEN) {
        return refusal;
    }
    let token = issue(engine, app, TokenKind::Corp);
    Reply::new_ok(json!({"access_token": token, "expires_in": engine.world.token_seconds}))
}

fn issue(engine: &Engine, app: &App, kind: TokenKind) -> String {
    let repeat = match kind {
        TokenKind::App => TokenRepeat::Same,
        TokenKind::Corp => engine.world.corp_token_repeat,
    };
    let life = std::time::Duration::from_secs(engine.world.token_seconds);
    engine
        .state()
        .tokens
        .issue(&app.app_key, kind, repeat, life, engine.clock.elapsed())
}

/// The new host reads JSON only, and answers anything else as if there were no body.
pub(super) fn new_body(request: &Request) -> Result<Map<String, Value>, Box<Reply>> {
    let fields = request.is_json().then(|| request.json()).flatten();
    fields.ok_or_else(|| Box::new(new_refusal(400, "Missingbody")))
}

pub(super) fn required<'a>(
    fields: &'a Map<String, Value>,
    key: &str,
) -> Result<&'a str, Box<Reply>> {
    fields
        .get(key)
        .and_then(Value::as_str)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            Box::new(Reply::new_error(
                400,
                &format!("Missing{key}"),
                &format!("{key} is mandatory for this action."),
            ))
        })
}

pub(super) fn new_refusal(status: u16, code: &str) -> Reply {
    Reply::new_error(status, code, envelope::new_text(code))
}

/// IP, then calls per second.
pub(super) fn outside_limits(
    engine: &Engine,
    request: &Request,
    app: &App,
    route: &'static str,
) -> Option<Reply> {
    if let Some(text) = super::member::outside_whitelist(app, request.ip) {
        return Some(if route::is_new_host(route) {
            Reply::new_error(403, envelope::IP_NOT_LISTED, &text)
        } else {
            Reply::gateway(route, 60020, &text)
        });
    }
    if engine.state().app_rates.accept(
        &app.app_key,
        route,
        app.calls_per_second,
        engine.clock.elapsed(),
    ) {
        return None;
    }
    Some(if route::is_new_host(route) {
        new_refusal(403, envelope::QPS_LIMIT)
    } else {
        Reply::gateway(route, 90018, envelope::old_text(90018))
    })
}
