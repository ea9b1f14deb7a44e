//! JSON bodies of the control API, read field by field so that a refusal names the field and what it may be.

use std::time::Duration;

use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::{Map, Value};

use crate::{engine::Engine, fault::Fault, route, server::header};

/// Which field is wrong, and what is allowed.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) String);

/// The fields not yet read.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// An object, or nothing at all, sent as JSON: no form of another site can do that.
    pub(super) fn read(head: &Parts, body: &Bytes) -> Result<Self, Wrong> {
        let is_json = header(head, "content-type").is_some_and(|value| {
            value
                .split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
        if !is_json {
            return Err(Wrong("Content-Type: must be application/json".to_owned()));
        }
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Wrong("the body must be a JSON object".to_owned())),
            Err(error) => Err(Wrong(format!("the body is not JSON: {error}"))),
        }
    }

    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        allowed: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Wrong> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(&value)
                .map(Some)
                .ok_or_else(|| Wrong(format!("{key}: must be {allowed}"))),
        }
    }

    pub(super) fn required<T>(
        &mut self,
        key: &str,
        allowed: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, Wrong> {
        self.optional(key, allowed, read)?
            .ok_or_else(|| Wrong(format!("{key}: is missing; must be {allowed}")))
    }

    pub(super) fn optional_text(&mut self, key: &str) -> Result<Option<String>, Wrong> {
        self.optional(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    fn number(&mut self, key: &str) -> Result<u64, Wrong> {
        self.required(key, "a whole number from 0", Value::as_u64)
    }

    fn status(&mut self, key: &str) -> Result<u16, Wrong> {
        let read = |value: &Value| {
            value
                .as_u64()
                .and_then(|n| u16::try_from(n).ok())
                .filter(|n| (200..600).contains(n))
        };
        self.required(key, "an HTTP status from 200 to 599", read)
    }

    pub(super) fn text(&mut self, key: &str) -> Result<String, Wrong> {
        self.required(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// Refuses what nobody asked for: a misspelt field would otherwise do nothing.
    pub(super) fn finish(self) -> Result<(), Wrong> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => Err(Wrong(format!("{key}: is not a field of this request"))),
        }
    }
}

/// `route`, by default every one.
pub(super) fn route(fields: &mut Fields) -> Result<&'static str, Wrong> {
    let route = fields.optional("route", &format!("one of {}", routes()), |value| {
        route::known(value.as_str()?)
    })?;
    Ok(route.unwrap_or(route::ANY))
}

pub(super) fn routes() -> String {
    format!("{}, {}", route::ALL.join(", "), route::ANY)
}

/// `when`, by default before.
pub(super) fn after(fields: &mut Fields) -> Result<bool, Wrong> {
    let when = fields.optional("when", "before or after", |value| match value.as_str()? {
        "before" => Some(false),
        "after" => Some(true),
        _ => None,
    })?;
    Ok(when.unwrap_or(false))
}

/// A fault, with the names and units of [`Fault::to_json`].
/// A text.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// `corp_id`, of an organisation there is.
pub(super) fn corp(engine: &Engine, fields: &mut Fields) -> Result<Option<String>, Wrong> {
    let corps = engine.world.corps.iter().map(|corp| corp.corp_id.as_str());
    let ids: Vec<&str> = corps.collect();
    fields.optional("corp_id", &ids.join(", "), |value| {
        text(value).filter(|id| ids.contains(&id.as_str()))
    })
}

/// The union id of somebody: `union_id`, or `user_id` in this organisation.
pub(super) fn account(
    engine: &Engine,
    fields: &mut Fields,
    corp_id: Option<&str>,
) -> Result<String, Wrong> {
    if let Some(union_id) = fields.optional("union_id", "an account's", |value| {
        engine.world.account(value.as_str()?)
    })? {
        return Ok(union_id.union_id);
    }
    let user_id = fields.required("user_id", "a text, or give union_id", text)?;
    engine
        .member(corp_id.unwrap_or_default(), &user_id)
        .map(|person| person.union_id.clone())
        .map_err(|unknown| Wrong(format!("user_id: {unknown}")))
}

pub(super) fn fault(fields: &mut Fields) -> Result<Fault, Wrong> {
    let kind = fields.required("kind", KINDS, |value| {
        let kind = value.as_str()?;
        KINDS.split(", ").find(|known| *known == kind)
    })?;
    let mut fault = match kind {
        "delay" => Fault::delay(Duration::from_millis(fields.number("ms")?)),
        "status" => {
            let status = fields.status("status")?;
            match fields.optional("body", "a text", |value| value.as_str().map(str::to_owned))? {
                Some(body) => Fault::status(status).message(body),
                None => Fault::status(status),
            }
        }
        "raw" => {
            let content_type = fields.optional("content_type", "a text", |value| {
                value.as_str().map(str::to_owned)
            })?;
            let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
            Fault::raw(fields.status("status")?, content_type, fields.text("body")?)
        }
        "redirect" => Fault::redirect(fields.status("status")?, fields.text("location")?),
        "errcode" => Fault::errcode(fields.required("code", "a whole number", Value::as_i64)?),
        "code" => Fault::code(fields.status("http_status")?, fields.text("code")?),
        "ip_ban" => {
            let minutes = fields.optional("minutes", "a whole number from 0", |value| {
                value
                    .as_u64()
                    .and_then(|minutes| u32::try_from(minutes).ok())
            })?;
            Fault::ip_ban(minutes.unwrap_or(5))
        }
        "ip_ban_page" => Fault::ip_ban_page(),
        "endless" => Fault::endless(fields.number("bytes")?),
        "wrong_corp" => Fault::wrong_corp(),
        "edit" => Fault::edit(fields.required(
            "patch",
            "a JSON merge patch: an object",
            |value| value.is_object().then(|| value.clone()),
        )?),
        "set" => {
            let pointer =
                fields.required("pointer", "a JSON pointer as /result/userid", |value| {
                    value
                        .as_str()
                        .filter(|pointer| pointer.starts_with('/'))
                        .map(str::to_owned)
                })?;
            let value = fields
                .0
                .remove("value")
                .ok_or_else(|| Wrong("value: is missing; may be anything".to_owned()))?;
            Fault::set(pointer, value)
        }
        "reset" => Fault::reset_at(fields.number("at")?),
        "cut" => Fault::cut_at(fields.number("at")?),
        _ => {
            Fault::drip(
                fields.required("bytes_per_second", "a whole number from 1", |value| {
                    value
                        .as_u64()
                        .and_then(|pace| u32::try_from(pace).ok())
                        .filter(|pace| *pace > 0)
                })?,
            )
        }
    };
    if matches!(kind, "errcode" | "code" | "status")
        && let Some(message) = fields.optional("message", "a text", |value| {
            value.as_str().map(str::to_owned)
        })?
    {
        fault = fault.message(message);
    }
    if kind == "errcode"
        && let Some(wrapped) = fields.optional("wrapped", "true or false", Value::as_bool)?
    {
        fault = fault.wrapped(wrapped);
    }
    filters(fault, fields)
}

fn filters(mut fault: Fault, fields: &mut Fields) -> Result<Fault, Wrong> {
    fault = fault.on(route(fields)?);
    let times = fields.optional("times", "a whole number from 1", |value| {
        value
            .as_u64()
            .and_then(|times| u32::try_from(times).ok())
            .filter(|times| *times > 0)
    })?;
    if let Some(times) = times {
        fault = fault.times(times);
    }
    if let Some(app) = fields.optional("app", "an app_key", |value| {
        value.as_str().map(str::to_owned)
    })? {
        fault = fault.app(app);
    }
    if let Some(corp) = fields.optional("corp_id", "a corp_id", |value| {
        value.as_str().map(str::to_owned)
    })? {
        fault = fault.corp(corp);
    }
    if after(fields)? {
        fault = fault.after();
    }
    Ok(fault)
}

const KINDS: &str = "delay, status, raw, redirect, errcode, code, ip_ban, ip_ban_page, endless, wrong_corp, edit, set, reset, \
cut, drip";
