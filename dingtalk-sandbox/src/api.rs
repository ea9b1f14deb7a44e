//! DingTalk's calls: which one it is, who is calling, and the faults and gates on its way.

mod account;
mod member;
mod request;
mod sns;
mod token;

use std::sync::Arc;

use serde_json::Value;

pub(crate) use self::request::Request;
use crate::{
    engine::Engine,
    envelope::{Reply, ReplyBody},
    fault::{Class, Fault, FaultKind, Phase, Target, ip_ban},
    route,
    wire::{End, Plan},
};

/// Which of DingTalk's calls a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    Known(&'static str),
    /// `{corpId}/token`, with the corp id of the path.
    CorpToken(String),
    /// `contact/users/{unionId}`, with the union id of the path.
    ContactUser(String),
    /// A path the old host knows with another method, and the code it answers.
    OldMethod(i64),
    UnknownTopapi,
    UnknownOld,
    UnknownNew,
}

fn which(method: &str, path: &str) -> Which {
    match (method, path) {
        // The documentation's own example posts; the gateway reads the query all the same.
        ("GET" | "POST", "/gettoken") => Which::Known(route::GETTOKEN),
        (_, "/gettoken") => Which::OldMethod(43001),
        ("POST", "/topapi/v2/user/getuserinfo") => Which::Known(route::GETUSERINFO),
        ("POST", "/topapi/v2/user/get") => Which::Known(route::USER_GET),
        ("POST", "/topapi/user/getbyunionid") => Which::Known(route::GETBYUNIONID),
        (
            _,
            "/topapi/v2/user/getuserinfo" | "/topapi/v2/user/get" | "/topapi/user/getbyunionid",
        ) => Which::OldMethod(43002),
        ("POST", "/v1.0/oauth2/accessToken") => Which::Known(route::ACCESS_TOKEN),
        ("POST", "/v1.0/oauth2/userAccessToken") => Which::Known(route::USER_ACCESS_TOKEN),
        ("POST", "/sns/getuserinfo_bycode") => Which::Known(route::SNS_USERINFO),
        (_, "/sns/getuserinfo_bycode") => Which::OldMethod(43002),
        (method, path) => in_path(method, path).unwrap_or_else(|| unknown(path)),
    }
}

/// The calls that have somebody's id in their path.
fn in_path(method: &str, path: &str) -> Option<Which> {
    match method {
        "POST" => segment(path, "/v1.0/oauth2/", "/token").map(Which::CorpToken),
        "GET" => segment(path, "/v1.0/contact/users/", "").map(Which::ContactUser),
        _ => None,
    }
}

fn unknown(path: &str) -> Which {
    match path {
        path if path.starts_with("/topapi/") => Which::UnknownTopapi,
        path if is_versioned(path) => Which::UnknownNew,
        _ => Which::UnknownOld,
    }
}

/// The one segment between two parts of a path, decoded.
fn segment(path: &str, before: &str, after: &str) -> Option<String> {
    let part = path.strip_prefix(before)?.strip_suffix(after)?;
    let part = percent_encoding::percent_decode_str(part)
        .decode_utf8()
        .ok()?;
    (!part.is_empty() && !part.contains('/')).then(|| part.into_owned())
}

/// `/v1.0/…`: paths of the new host.
fn is_versioned(path: &str) -> bool {
    let Some((version, _)) = path
        .strip_prefix("/v")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    !version.is_empty()
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

impl Which {
    /// Its name in the list of calls. Long parts of unknown paths are left out: they may be secrets.
    fn label(&self, request: &Request) -> String {
        match self {
            Self::Known(route) => (*route).to_owned(),
            Self::CorpToken(_) => route::CORP_TOKEN.to_owned(),
            Self::ContactUser(_) => route::CONTACT_USER.to_owned(),
            _ => {
                let short = |part: &str| {
                    if part.chars().count() > 20 {
                        "…".to_owned()
                    } else {
                        part.to_owned()
                    }
                };
                let path: Vec<String> = request.path.split('/').take(8).map(short).collect();
                format!("{} {}", short(&request.method), path.join("/"))
            }
        }
    }
}

/// Who is calling, as far as what they sent says: for filters and the list of calls, before anything is checked.
fn caller(engine: &Engine, which: &Which, request: &Request) -> (Option<String>, Option<String>) {
    let field = |key: &str| {
        request
            .json()
            .and_then(|fields| fields.get(key)?.as_str().map(str::to_owned))
    };
    let named = match which {
        Which::Known(route::GETTOKEN) => request.query("appkey").map(str::to_owned),
        Which::Known(route::ACCESS_TOKEN) => field("appKey"),
        Which::CorpToken(_) => field("client_id"),
        Which::Known(route::USER_ACCESS_TOKEN) => field("clientId"),
        Which::Known(route::SNS_USERINFO) => request.query("accessKey").map(str::to_owned),
        Which::ContactUser(_) => request
            .header_token
            .as_ref()
            .and_then(|token| engine.owner_of(token)),
        _ => request
            .access_token()
            .and_then(|token| engine.owner_of(&token)),
    };
    let app = named.and_then(|key| engine.world.owner(&key));
    let corp = match which {
        Which::CorpToken(corp) => engine
            .world
            .corps
            .iter()
            .map(|known| &known.corp_id)
            .find(|known| *known == corp),
        _ => app.map(|(_, corp_id)| corp_id),
    };
    (app.map(|(key, _)| key.clone()), corp.cloned())
}

/// Answers a call: gates, faults, then what DingTalk would do.
pub(crate) async fn answer(engine: &Arc<Engine>, request: Request) -> (Reply, Plan) {
    let which = which(&request.method, &request.path);
    let label = which.label(&request);
    let (app_key, corp_id) = caller(engine, &which, &request);
    let open = engine.begin_call(&label, app_key.as_deref(), corp_id.as_deref());
    let target = Target {
        route: &label,
        app_key: app_key.as_deref(),
        corp_id: corp_id.as_deref(),
    };

    if let Err(left) = engine.state().ip_rates.accept(
        request.ip,
        engine.world.calls_per_ip,
        engine.clock.elapsed(),
    ) {
        let reply = ip_ban(u32::try_from(left.as_secs().div_ceil(60)).unwrap_or(u32::MAX));
        open.finish(&reply, Vec::new());
        return (reply, Plan::default());
    }

    engine.holds.pass(&label, Phase::Before).await;
    let mut met = engine.faults().take(Phase::Before, &target, false);
    delay(engine, &met).await;
    let mut reply = match met
        .iter()
        .find(|fault| matches!(fault.class(), Class::Answer | Class::Break))
    {
        Some(fault) => fault
            .answer(&label, None)
            .unwrap_or_else(|| Reply::raw(500, "text/plain", "", "fault:reset")),
        None => {
            let wrong_corp = met.iter().any(|fault| fault.class() == Class::WrongCorp);
            handle(engine, &which, &request, wrong_corp)
        }
    };

    engine.holds.pass(&label, Phase::After).await;
    let later = engine.faults().take(Phase::After, &target, reply.is_ok());
    delay(engine, &later).await;
    if let ReplyBody::Json(body) = &mut reply.body {
        later.iter().for_each(|fault| fault.edit_body(body));
    }
    if let Some(answer) = later
        .iter()
        .find_map(|fault| fault.answer(&label, Some(&reply)))
    {
        reply = answer;
    }
    met.extend(later);
    let plan = plan(&met);
    if let Some(fault) = met.iter().find(|fault| fault.class() == Class::Break) {
        reply.outcome = format!("fault:{}", fault.kind());
    }
    if route::is_new_host(&label) || matches!(which, Which::UnknownNew) {
        new_host_headers(&mut reply);
    }
    open.finish(&reply, met.iter().map(Fault::kind).collect());
    (reply, plan)
}

async fn delay(engine: &Engine, faults: &[Fault]) {
    for fault in faults {
        if let FaultKind::Delay(duration) = fault.kind {
            engine.clock.sleep(duration).await;
        }
    }
}

fn plan(faults: &[Fault]) -> Plan {
    let mut plan = Plan::default();
    for fault in faults {
        match fault.kind {
            FaultKind::ResetAt(n) => plan.end = plan.end.or(Some(End::Reset(n))),
            FaultKind::CutAt(n) => plan.end = plan.end.or(Some(End::Cut(n))),
            FaultKind::Drip(pace) => plan.bytes_per_second = plan.bytes_per_second.or(Some(pace)),
            _ => {}
        }
    }
    plan
}

fn handle(engine: &Engine, which: &Which, request: &Request, wrong_corp: bool) -> Reply {
    let path = &request.path;
    match which {
        Which::Known(route::GETTOKEN) => token::gettoken(engine, request),
        Which::Known(route::ACCESS_TOKEN) => token::access_token(engine, request),
        Which::CorpToken(corp_id) => token::corp_token(engine, request, corp_id),
        Which::Known(route::USER_ACCESS_TOKEN) => {
            account::user_access_token(engine, request, wrong_corp)
        }
        Which::ContactUser(union_id) => account::contact_user(engine, request, union_id),
        Which::Known(route::SNS_USERINFO) => sns::getuserinfo_bycode(engine, request),
        Which::Known(route::GETUSERINFO) => member::getuserinfo(engine, request, wrong_corp),
        Which::Known(route::USER_GET) => member::user_get(engine, request, wrong_corp),
        Which::Known(route::GETBYUNIONID) => member::getbyunionid(engine, request, wrong_corp),
        Which::OldMethod(code) => Reply::business(&format!("{} {path}", request.method), *code),
        Which::UnknownTopapi => Reply::unknown_topapi(path),
        Which::UnknownNew => Reply::unknown_new(),
        Which::Known(_) | Which::UnknownOld => Reply::unknown_old(),
    }
}

fn new_host_headers(reply: &mut Reply) {
    let id = match &reply.body {
        ReplyBody::Json(body) => body
            .get("requestid")
            .and_then(Value::as_str)
            .map(str::to_owned),
        _ => None,
    };
    reply.headers.extend([
        (
            "x-acs-request-id",
            id.unwrap_or_else(crate::identifier::new_request_id),
        ),
        ("x-acs-trace-id", crate::identifier::hex32()),
        ("server", "DingTalk/1.0.0".to_owned()),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_which_host_they_belong_to() {
        for (method, path, expected) in [
            ("GET", "/gettoken", Which::Known(route::GETTOKEN)),
            ("POST", "/gettoken", Which::Known(route::GETTOKEN)),
            ("PUT", "/gettoken", Which::OldMethod(43001)),
            ("GET", "/topapi/v2/user/get", Which::OldMethod(43002)),
            ("POST", "/topapi/v2/user/notexist", Which::UnknownTopapi),
            (
                "POST",
                "/v1.0/oauth2/accessToken",
                Which::Known(route::ACCESS_TOKEN),
            ),
            ("GET", "/v1.0/oauth2/accessToken", Which::UnknownNew),
            (
                "POST",
                "/v1.0/oauth2/ding1/token",
                Which::CorpToken("ding1".to_owned()),
            ),
            ("POST", "/v1.0/oauth2//token", Which::UnknownNew),
            ("POST", "/v1.0/oauth2/a/b/token", Which::UnknownNew),
            ("POST", "/v1.0/oauth2/a%2Fb/token", Which::UnknownNew),
            ("POST", "/v2.1/x", Which::UnknownNew),
            ("POST", "/version/x", Which::UnknownOld),
            ("GET", "/user/getuserinfo", Which::UnknownOld),
            (
                "GET",
                "/v1.0/contact/users/me",
                Which::ContactUser("me".to_owned()),
            ),
            (
                "GET",
                "/v1.0/contact/users/a%2Bb",
                Which::ContactUser("a+b".to_owned()),
            ),
            ("POST", "/v1.0/contact/users/me", Which::UnknownNew),
            ("GET", "/v1.0/contact/users/", Which::UnknownNew),
            ("GET", "/v1.0/contact/users/a/b", Which::UnknownNew),
            ("GET", "/v1.0/oauth2/userAccessToken", Which::UnknownNew),
            ("GET", "/sns/getuserinfo_bycode", Which::OldMethod(43002)),
            ("GET", "/sns/gettoken", Which::UnknownOld),
        ] {
            assert_eq!(which(method, path), expected, "{method} {path}");
        }
    }
}
