//! What a page in the DingTalk client asks for, asked through the control API: the client page does, and so can a test.

use serde_json::{Value, json};

use super::fields::{Fields, Wrong};
use crate::{
    client::{self, Answer, Call, Device, Question},
    engine::Engine,
};

/// `{code, app, corp_id, user_id}`, or `{errorCode, errorMessage}` as the client says it.
pub(super) fn code(engine: &Engine, mut fields: Fields) -> Result<Value, Wrong> {
    let world = &engine.world;
    let account_corp = fields.text("account_corp_id")?;
    let user_id = fields.text("user_id")?;
    let person = world.person(&account_corp, &user_id).ok_or_else(|| {
        Wrong(format!(
            "user_id: nobody in the organisation `{account_corp}` has the user_id `{user_id}`"
        ))
    })?;
    let origin = fields.text("origin")?;
    let device = fields.optional("device", &names(Device::ALL.map(Device::name)), |value| {
        Device::from_name(value.as_str()?)
    })?;
    let device = device.unwrap_or_default();
    let app = fields.optional("app", "an app_key", |value| world.app(value.as_str()?))?;
    let corp_id = fields.optional_text("corp_id")?;
    let client_id = fields.optional_text("client_id")?;
    let is_v2 = fields.required("call", &names([CLASSIC, V2]), |value| {
        match value.as_str()? {
            CLASSIC => Some(false),
            V2 => Some(true),
            _ => None,
        }
    })?;
    let answers = Answer::all().filter(|answer| *answer != Answer::Nothing);
    let answer = fields.optional("answer", &names(answers.map(Answer::name)), |value| {
        Answer::from_name(value.as_str()?).filter(|answer| *answer != Answer::Nothing)
    })?;
    fields.finish()?;
    let call = if is_v2 {
        Call::V2 {
            client_id: client_id.as_deref(),
        }
    } else {
        Call::Classic
    };
    let question = Question {
        person,
        app,
        origin: &origin,
        corp_id: corp_id.as_deref(),
        call,
    };
    let refusal = match answer {
        Some(Answer::Refusal(refusal)) => refusal,
        _ => match client::auth_code(engine, &question) {
            Ok(handed) => {
                return Ok(json!({
                    "code": handed.code,
                    "app": handed.app.app_key,
                    "corp_id": handed.person.corp_id,
                    "user_id": handed.person.user_id,
                }));
            }
            Err(refusal) => refusal,
        },
    };
    Ok(json!({
        "errorCode": refusal.error_code(device),
        "errorMessage": refusal.message(&origin),
    }))
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

const CLASSIC: &str = "requestAuthCode";
const V2: &str = "requestAuthCodeV2";
