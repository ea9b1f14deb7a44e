//! The control API: what a test, a script or the start page tells the sandbox. JSON under `/sandbox/`.

mod client;
mod fields;
mod guard;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use hyper::{Method, http::request::Parts};
use serde_json::{Value, json};

use self::fields::{Fields, Wrong};
use crate::{
    calls,
    code::{CodeKind, SignInCode},
    engine::{Engine, Unknown},
    envelope::Reply,
    fault::{Fault, Phase},
    route,
    server::header,
    signin::{self, PendingSignIn},
};

pub(crate) use self::guard::{admits, same_machine};

/// Answers what came to `/sandbox/…`.
pub(crate) fn answer(engine: &Engine, head: &Parts, body: &Bytes, own: SocketAddr) -> Reply {
    if let Err(why) = admits(head, own) {
        return error(403, why);
    }
    let path = head
        .uri
        .path()
        .strip_prefix("/sandbox/")
        .unwrap_or_default();
    let done = match (&head.method, path) {
        (&Method::GET, "world") => Ok(world(engine)),
        (&Method::GET, "calls") => return list_calls(engine, head),
        (&Method::GET, "calls/count") => count_calls(engine, head),
        (&Method::GET, "clock") => Ok(clock(engine)),
        (&Method::GET, "faults") => Ok(list_faults(engine)),
        (&Method::GET, "holds") => Ok(list_holds(engine)),
        (&Method::GET, "signins") => Ok(list_sign_ins(engine)),
        (&Method::DELETE, "faults") => Ok(json!({"cleared": engine.faults().clear()})),
        (&Method::POST, action) if ACTIONS.contains(&action) => {
            Fields::read(head, body).and_then(|fields| act(engine, action, fields))
        }
        (_, known) if READS.contains(&known) || ACTIONS.contains(&known) => {
            return error(
                405,
                format!("{} does not go with /sandbox/{known}", head.method),
            );
        }
        _ => {
            return error(
                404,
                format!(
                    "no such thing; there are GET {} and POST {}",
                    READS.join(", "),
                    ACTIONS.join(", ")
                ),
            );
        }
    };
    match done {
        Ok(body) => reply(200, body),
        Err(wrong) => error(400, wrong.0),
    }
}

fn act(engine: &Engine, action: &str, mut fields: Fields) -> Result<Value, Wrong> {
    match action {
        "codes" => mint_code(engine, fields),
        "client/codes" => client::code(engine, fields),
        "signins/confirm" => {
            let id = fields.required("id", "the id of a sign-in", fields::text)?;
            let corp_id = fields::corp(engine, &mut fields)?;
            let own_corp = signin::list(engine)
                .into_iter()
                .find(|sign_in| sign_in.id == id)
                .and_then(|sign_in| engine.world.owner(&sign_in.app))
                .map(|(_, corp_id)| corp_id.clone());
            let union_id = fields::account(engine, &mut fields, corp_id.or(own_corp).as_deref())?;
            fields.finish()?;
            signed_in(signin::confirm(engine, &id, &union_id))
        }
        "signins/refuse" => {
            let id = fields.required("id", "the id of a sign-in", fields::text)?;
            fields.finish()?;
            signed_in(signin::refuse(engine, &id))
        }
        "calls/reset" => {
            fields.finish()?;
            engine.calls().reset();
            Ok(json!({}))
        }
        "tokens/revoke" => {
            let app = app(engine, &mut fields)?;
            fields.finish()?;
            Ok(json!({"revoked": engine.revoke_tokens(&app)}))
        }
        "clock/advance" => {
            let seconds = fields.required("seconds", LONGEST_STEP, |value| {
                value
                    .as_f64()
                    .filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds))
            })?;
            fields.finish()?;
            engine.clock.advance(Duration::from_secs_f64(seconds));
            Ok(clock(engine))
        }
        "faults" => {
            let fault = fields::fault(&mut fields)?;
            fields.finish()?;
            if !engine.faults().add(fault) {
                return Err(Wrong(
                    "there are too many faults: DELETE /sandbox/faults first".to_owned(),
                ));
            }
            Ok(list_faults(engine))
        }
        "holds" => {
            let route = fields::route(&mut fields)?;
            let phase = if fields::after(&mut fields)? {
                Phase::After
            } else {
                Phase::Before
            };
            fields.finish()?;
            if engine.holds.gates().len() >= MOST_HOLDS {
                return Err(Wrong(
                    "there are too many holds: POST /sandbox/holds/release first".to_owned(),
                ));
            }
            Ok(json!({"id": engine.holds.open_gate(route, phase).id}))
        }
        _ => {
            let id = fields.optional("id", "the number of a hold", Value::as_u64)?;
            fields.finish()?;
            let all = || engine.holds.gates().iter().map(|gate| gate.id).collect();
            let ids: Vec<u64> = id.map_or_else(all, |id| vec![id]);
            Ok(json!({"released": ids.into_iter().filter(|id| engine.holds.release(*id)).count()}))
        }
    }
}

fn mint_code(engine: &Engine, mut fields: Fields) -> Result<Value, Wrong> {
    let kind = fields.optional("flow", &CodeKind::NAMES.join(", "), |value| {
        CodeKind::from_name(value.as_str()?)
    })?;
    let code = match kind.unwrap_or(CodeKind::Silent) {
        CodeKind::Silent => {
            let app = app(engine, &mut fields)?;
            let user_id = fields.required("user_id", "a text", fields::text)?;
            fields.finish()?;
            engine
                .silent_code(&app, &user_id)
                .map_err(|unknown| Wrong(format!("user_id: {unknown}")))?
        }
        kind => {
            let wanted = sign_in_code(engine, kind, &mut fields)?;
            fields.finish()?;
            engine
                .sign_in_code(&wanted)
                .map_err(|unknown| Wrong(unknown.to_string()))?
        }
    };
    Ok(json!({"code": code, "expires_in": engine.world.code_seconds}))
}

/// `app`, and somebody: `union_id`, or `user_id` in the organisation `corp_id`, by default the app's. A `corp_id` is also the
/// organisation that was chosen.
fn sign_in_code(engine: &Engine, kind: CodeKind, fields: &mut Fields) -> Result<SignInCode, Wrong> {
    let world = &engine.world;
    let is_legacy = kind == CodeKind::Sns;
    let keys: Vec<&str> = if is_legacy {
        let apps = world.sign_in_apps.iter();
        apps.map(|app| app.app_id.as_str()).collect()
    } else {
        world.apps.iter().map(|app| app.app_key.as_str()).collect()
    };
    let app = fields.required("app", &keys.join(", "), |value| {
        let key = value.as_str()?;
        keys.contains(&key).then(|| key.to_owned())
    })?;
    let corp_id = fields::corp(engine, fields)?;
    let own_corp = world.owner(&app).map(|(_, corp_id)| corp_id.as_str());
    let union_id = fields::account(engine, fields, corp_id.as_deref().or(own_corp))?;
    if is_legacy {
        return Ok(SignInCode::sns(app, union_id));
    }
    let mut wanted = SignInCode::web(app, union_id);
    if let Some(corp_id) = corp_id {
        wanted = wanted.corp(corp_id);
    }
    if let Some(scope) = fields.optional("scope", "words as openid corpid", fields::text)? {
        wanted = wanted.scope(scope);
    }
    Ok(wanted)
}

/// `app`, and a `corp_id` that must be the app's own when it is given.
fn app(engine: &Engine, fields: &mut Fields) -> Result<String, Wrong> {
    let keys: Vec<&str> = engine
        .world
        .apps
        .iter()
        .map(|app| app.app_key.as_str())
        .collect();
    let app = fields.required("app", &keys.join(", "), |value| {
        engine.world.app(value.as_str()?)
    })?;
    fields.optional(
        "corp_id",
        &format!("the app's own, {}", app.corp_id),
        |value| (value.as_str()? == app.corp_id).then_some(()),
    )?;
    Ok(app.app_key.clone())
}

fn world(engine: &Engine) -> Value {
    serde_json::to_value(&engine.world).unwrap_or_default()
}

fn clock(engine: &Engine) -> Value {
    let now = engine
        .clock
        .now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    json!({
        "now_ms": u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        "elapsed_seconds": engine.clock.elapsed().as_secs_f64(),
        "manual": engine.clock.is_manual(),
    })
}

fn list_faults(engine: &Engine) -> Value {
    json!({"faults": engine.faults().active().iter().map(Fault::to_json).collect::<Vec<_>>()})
}

fn list_sign_ins(engine: &Engine) -> Value {
    let sign_ins = signin::list(engine);
    json!({"signins": sign_ins.iter().map(PendingSignIn::to_json).collect::<Vec<_>>()})
}

fn signed_in(answered: Result<PendingSignIn, Unknown>) -> Result<Value, Wrong> {
    answered
        .map(|sign_in| sign_in.to_json())
        .map_err(|unknown| Wrong(format!("id: {unknown}")))
}

fn list_holds(engine: &Engine) -> Value {
    let show = |gate: std::sync::Arc<crate::hold::Gate>| {
        let when = if gate.phase == Phase::After {
            "after"
        } else {
            "before"
        };
        json!({"id": gate.id, "route": gate.route, "when": when, "waiting": gate.waiting()})
    };
    json!({"holds": engine.holds.gates().into_iter().map(show).collect::<Vec<_>>()})
}

/// The latest calls, as many as `last=` says, oldest first. `If-None-Match` with the `ETag` of an earlier answer gets 304 when
/// nothing changed.
fn list_calls(engine: &Engine, head: &Parts) -> Reply {
    let last = match query(head, "last").map(|last| last.parse::<usize>()) {
        None => calls::MOST,
        Some(Ok(last)) => last.min(calls::MOST),
        Some(Err(_)) => return error(400, "last: must be a number".to_owned()),
    };
    let calls = engine.calls();
    let tag = format!("\"{}-{last}\"", calls.revision());
    let mut answer = if header(head, "if-none-match") == Some(tag.as_str()) {
        Reply::raw(304, crate::envelope::JSON, "", "")
    } else {
        let mut latest: Vec<Value> = calls
            .latest()
            .rev()
            .take(last)
            .map(crate::calls::Call::to_json)
            .collect();
        latest.reverse();
        reply(
            200,
            json!({"total": calls.total(), "counts": calls.counts(), "calls": latest}),
        )
    };
    answer.headers.push(("etag", tag));
    answer
}

fn count_calls(engine: &Engine, head: &Parts) -> Result<Value, Wrong> {
    let calls = engine.calls();
    let count = match query(head, "route") {
        None => calls.total(),
        Some(text) => match route::known(&text) {
            Some(route::ANY) => calls.total(),
            Some(route) => calls.count_of(route),
            None => return Err(Wrong(format!("route: must be one of {}", fields::routes()))),
        },
    };
    Ok(json!({"count": count}))
}

fn query(head: &Parts, key: &str) -> Option<String> {
    let query = head.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
}

fn reply(status: u16, body: Value) -> Reply {
    let mut reply = Reply::json(status, body, "");
    reply.headers.extend([
        ("cache-control", "no-store".to_owned()),
        ("cross-origin-resource-policy", "same-origin".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]);
    reply
}

pub(crate) fn error(status: u16, text: String) -> Reply {
    reply(status, json!({"error": text}))
}

const READS: &[&str] = &[
    "world",
    "calls",
    "calls/count",
    "clock",
    "faults",
    "holds",
    "signins",
];
const ACTIONS: &[&str] = &[
    "codes",
    "client/codes",
    "signins/confirm",
    "signins/refuse",
    "calls/reset",
    "tokens/revoke",
    "clock/advance",
    "faults",
    "holds",
    "holds/release",
];
const MOST_HOLDS: usize = 100;
/// Ten years.
const MOST_SECONDS: f64 = 315_360_000.0;
const LONGEST_STEP: &str = "a number of seconds from 0 to 315360000";
