//! The calls that say who somebody is: a code to a user id, a user id to details, a union id to a user id.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::Request;
use crate::{
    code::{CodeKind, Grant, Worthless},
    engine::{Engine, State},
    envelope::{self, Reply},
    route,
    world::{App, Person, World},
};

/// `POST /topapi/v2/user/getuserinfo` with `code`.
pub(super) fn getuserinfo(engine: &Engine, request: &Request, wrong_corp: bool) -> Reply {
    const ROUTE: &str = route::GETUSERINFO;
    // One lock from the first check to the spending: no two calls can spend one code.
    let mut state = engine.state();
    let app = match gateway(engine, &mut state, request, ROUTE, "qyapi_base") {
        Ok(app) => app,
        Err(refusal) => return *refusal,
    };
    let Some(params) = request.params() else {
        return Reply::business(ROUTE, 400_002);
    };
    let Some(code) = text(&params, "code") else {
        return Reply::business(ROUTE, 40078).because("no code was sent");
    };
    let now = engine.clock.elapsed();
    let spent = state
        .codes
        .spend(&code, CodeKind::Silent, &app.corp_id, &app.app_key, now);
    let person = match spent {
        Ok(Grant::Silent { corp_id, user_id }) => engine.world.person(&corp_id, &user_id),
        Ok(_) => return Reply::business(ROUTE, 40078).because(Worthless::OtherKind.text()),
        Err(why) => return Reply::business(ROUTE, 40078).because(why.text()),
    };
    let Some(person) = person else {
        return Reply::business(ROUTE, 60121);
    };
    if !app.sees(person) {
        return Reply::business(ROUTE, 40079)
            .because("the person is outside the app's visible range");
    }
    Reply::topapi_ok(shown(engine, person, wrong_corp).identity())
}

/// `POST /topapi/v2/user/get` with `userid` (or `login_id`) and `language`.
pub(super) fn user_get(engine: &Engine, request: &Request, wrong_corp: bool) -> Reply {
    const ROUTE: &str = route::USER_GET;
    let app = match gateway(
        engine,
        &mut engine.state(),
        request,
        ROUTE,
        "qyapi_get_member",
    ) {
        Ok(app) => app,
        Err(refusal) => return *refusal,
    };
    let Some(params) = request.params() else {
        return Reply::business(ROUTE, 400_002);
    };
    let english = match text(&params, "language").as_deref() {
        None | Some("zh_CN") => false,
        Some("en_US") => true,
        Some(_) => {
            return Reply::business(ROUTE, 400_002).because("language is neither zh_CN nor en_US");
        }
    };
    let World { people, .. } = &engine.world;
    let person = match (text(&params, "login_id"), params.get("userid")) {
        (Some(login), _) => people.iter().find(|person| {
            person.corp_id == app.corp_id
                && person.exclusive_account
                && person.login_id.as_ref() == Some(&login)
        }),
        (None, None) => return Reply::business(ROUTE, 400_002).because("userid is missing"),
        (None, Some(_)) => match text(&params, "userid") {
            Some(user_id) => engine.world.person(&app.corp_id, &user_id),
            None => return Reply::business(ROUTE, 33012),
        },
    };
    match person {
        None => Reply::business(ROUTE, 60121),
        Some(person) if !app.sees(person) => Reply::business(ROUTE, 50002),
        Some(person) => {
            Reply::topapi_ok(shown(engine, person, wrong_corp).details(&engine.world, app, english))
        }
    }
}

/// `POST /topapi/user/getbyunionid` with `unionid`.
pub(super) fn getbyunionid(engine: &Engine, request: &Request, wrong_corp: bool) -> Reply {
    const ROUTE: &str = route::GETBYUNIONID;
    let app = match gateway(
        engine,
        &mut engine.state(),
        request,
        ROUTE,
        "qyapi_get_member",
    ) {
        Ok(app) => app,
        Err(refusal) => return *refusal,
    };
    let Some(union_id) = request.params().and_then(|params| text(&params, "unionid")) else {
        return Reply::business(ROUTE, 400_002).because("unionid is missing");
    };
    let here = |person: &&Person| person.corp_id == app.corp_id && person.union_id == union_id;
    match engine.world.people.iter().find(here) {
        None => Reply::business(ROUTE, 60121),
        Some(person) if !app.sees(person) => Reply::business(ROUTE, 50002),
        Some(person) => {
            let person = shown(engine, person, wrong_corp);
            Reply::topapi_ok(json!({"userid": person.user_id, "contact_type": person.contact_type}))
        }
    }
}

/// What the gateway checks before any topapi call, in DingTalk's order: token, IP, permission, calls per second.
fn gateway<'a>(
    engine: &'a Engine,
    state: &mut State,
    request: &Request,
    route: &'static str,
    permission: &str,
) -> Result<&'a App, Box<Reply>> {
    let refuse = |code: i64, message: &str| Err(Box::new(Reply::gateway(route, code, message)));
    let Some(token) = request.access_token() else {
        return refuse(40000, envelope::old_text(40000));
    };
    let now = engine.clock.elapsed();
    let Some(app) = state
        .tokens
        .owner(&token, now)
        .and_then(|key| engine.world.app(key))
    else {
        return refuse(40014, envelope::old_text(40014));
    };
    if let Some(text) = outside_whitelist(app, request.ip) {
        return refuse(60020, &text);
    }
    if !app.may(permission) {
        let reply = Reply::gateway(route, 60011, envelope::old_text(60011));
        return Err(Box::new(
            reply.because(format!("the app lacks the permission {permission}")),
        ));
    }
    if !state
        .app_rates
        .accept(&app.app_key, route, app.calls_per_second, now)
    {
        return refuse(90018, envelope::old_text(90018));
    }
    Ok(app)
}

/// DingTalk's text for an address that is not on the app's list.
pub(super) fn outside_whitelist(app: &App, ip: IpAddr) -> Option<String> {
    let allowed = app.allowed_ips.is_empty()
        || app
            .allowed_ips
            .iter()
            .any(|allowed| allowed.parse() == Ok(ip));
    (!allowed).then(|| {
        format!(
            "{},request ip={ip} appKey({})",
            envelope::old_text(60020),
            app.app_key
        )
    })
}

/// The person asked for, or with the fault `wrong_corp` one of another organisation.
fn shown<'a>(engine: &'a Engine, person: &'a Person, wrong_corp: bool) -> &'a Person {
    if !wrong_corp {
        return person;
    }
    let others = || {
        engine
            .world
            .people
            .iter()
            .filter(|other| other.corp_id != person.corp_id)
    };
    others()
        .find(|other| other.user_id == person.user_id)
        .or_else(|| others().next())
        .unwrap_or(person)
}

/// A parameter as text. The gateway takes a number for its digits.
pub(super) fn text(params: &Map<String, Value>, key: &str) -> Option<String> {
    match params.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
