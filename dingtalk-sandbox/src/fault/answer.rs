//! What a fault puts in place of DingTalk's answer, or changes in it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Fault, FaultKind};
use crate::{
    envelope::{self, Reply, ReplyBody},
    identifier, route,
};

impl Fault {
    /// The answer this fault gives in DingTalk's place. `real` is DingTalk's, when the call took effect first.
    pub(crate) fn answer(&self, route: &str, real: Option<&Reply>) -> Option<Reply> {
        let outcome = format!("fault:{}", self.kind());
        let message = self.message.as_deref();
        let mut reply = match &self.kind {
            FaultKind::Status(status) => {
                let text =
                    message.map_or_else(|| format!("{status} by the sandbox\n"), str::to_owned);
                Reply::raw(*status, "text/plain; charset=utf-8", text, &outcome)
            }
            FaultKind::Raw {
                status,
                content_type,
                body,
            } => Reply::raw(*status, content_type.clone(), body.clone(), &outcome),
            FaultKind::Redirect { status, location } => {
                let mut reply = Reply::raw(*status, "text/plain; charset=utf-8", "", &outcome);
                reply.headers.push(("location", location.clone()));
                reply
            }
            FaultKind::Errcode(88) => Reply::wrapped("", message.unwrap_or_default()),
            FaultKind::Errcode(code) => {
                let wrapped = self
                    .wrapped
                    .unwrap_or_else(|| envelope::is_gateway_code(*code) && route::is_topapi(route));
                let message = message.unwrap_or_else(|| envelope::old_text(*code));
                if wrapped {
                    Reply::wrapped(&code.to_string(), message)
                } else {
                    Reply::direct(route, *code, message)
                }
            }
            FaultKind::Code { status, code } => Reply::new_error(
                *status,
                code,
                message.unwrap_or_else(|| envelope::new_text(code)),
            ),
            FaultKind::IpBan { minutes } => ip_ban(*minutes),
            FaultKind::IpBanPage => Reply::raw(200, "text/html; charset=utf-8", BAN_PAGE, &outcome),
            FaultKind::Endless(spaces) => {
                let tail =
                    real.map_or_else(|| Bytes::from_static(b"{}"), |real| real.body.to_bytes());
                let mut reply = Reply::raw(
                    real.map_or(200, |real| real.status),
                    envelope::JSON,
                    "",
                    &outcome,
                );
                reply.body = ReplyBody::Endless(*spaces, tail);
                reply
            }
            _ => return None,
        };
        let code = std::mem::replace(&mut reply.outcome, outcome);
        if matches!(self.kind, FaultKind::Errcode(_) | FaultKind::Code { .. }) {
            reply.detail = Some(format!("answered {code}"));
        }
        Some(reply)
    }

    /// Changes the body of a successful answer.
    pub(crate) fn edit_body(&self, body: &mut Value) {
        match &self.kind {
            FaultKind::Edit(patch) => merge(body, patch),
            FaultKind::Set { pointer, value } => set(body, pointer, value),
            _ => {}
        }
    }
}

/// What an address that is shut out gets from every API.
pub(crate) fn ip_ban(minutes: u32) -> Reply {
    let body = json!({"status": 1111, "wait": minutes, "source": "x5", "punish": "deny", "uuid": identifier::hex32()});
    Reply::json(200, body, "1111")
}

/// RFC 7396.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(fields) = target.as_object_mut() else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn set(target: &mut Value, pointer: &str, value: &Value) {
    if let Some(place) = target.pointer_mut(pointer) {
        *place = value.clone();
    } else if let Some((parent, key)) = pointer.rsplit_once('/')
        && let Some(Value::Object(fields)) = target.pointer_mut(parent)
    {
        fields.insert(key.replace("~1", "/").replace("~0", "~"), value.clone());
    }
}

/// DingTalk's words are not published; pages of the same gateway at Alibaba lead to a `punish` address with `x5` data, as the JSON form
/// of the ban names `x5` as its source.
const BAN_PAGE: &str = "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>访问被阻断</title></head>\
<body><h1>很抱歉，您的访问过于频繁</h1><p>Access from this address is denied. Please wait 5 minutes.</p>\
<a href=\"/_____tmd_____/punish?x5secdata=0000&x5step=2\">punish</a></body></html>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_adds_changes_and_removes() {
        let mut body = json!({"a": 1, "b": {"c": 2, "d": 3}});
        Fault::edit(json!({"a": null, "b": {"c": "x"}, "e": [1]})).edit_body(&mut body);
        assert_eq!(body, json!({"b": {"c": "x", "d": 3}, "e": [1]}));
    }

    #[test]
    fn set_puts_null_and_new_keys() {
        let mut body = json!({"result": {"userid": "u"}});
        Fault::set("/result/userid", Value::Null).edit_body(&mut body);
        Fault::set("/result/new", 1).edit_body(&mut body);
        Fault::set("/nowhere/new", 1).edit_body(&mut body);
        assert_eq!(body, json!({"result": {"userid": null, "new": 1}}));
    }

    #[test]
    fn gateway_codes_are_wrapped_on_topapi_only() {
        let body = |fault: Fault, route| match fault.answer(route, None).unwrap().body {
            ReplyBody::Json(value) => value,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            body(Fault::errcode(40014), route::USER_GET)["sub_code"],
            "40014"
        );
        assert_eq!(
            body(Fault::errcode(40014), route::GETTOKEN)["errcode"],
            40014
        );
        assert_eq!(
            body(Fault::errcode(40078), route::USER_GET)["errcode"],
            40078
        );
        assert_eq!(
            body(Fault::errcode(40014).wrapped(false), route::USER_GET)["errcode"],
            40014
        );
        assert_eq!(body(Fault::errcode(88), route::USER_GET)["sub_code"], "");
    }
}
