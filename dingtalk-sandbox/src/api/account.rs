//! The calls of web sign-in: a code or refresh token to a pair of user tokens, a user token to an account.

use serde_json::{Map, Value, json};

use super::{
    Request,
    token::{new_body, new_refusal, outside_limits, required},
};
use crate::{
    code::{CodeKind, Grant, Worthless},
    engine::Engine,
    envelope::{self, Reply},
    identifier, route,
    user_token::{Bearer, Closed},
    world::{Account, App},
};

/// `POST /v1.0/oauth2/userAccessToken` with `{"clientId", "clientSecret", "grantType"}` and `code` or `refreshToken`.
pub(super) fn user_access_token(engine: &Engine, request: &Request, wrong_corp: bool) -> Reply {
    let fields = match new_body(request) {
        Ok(fields) => fields,
        Err(refusal) => return *refusal,
    };
    let (key, secret, grant) = match (
        required(&fields, "clientId"),
        required(&fields, "clientSecret"),
        required(&fields, "grantType"),
    ) {
        (Ok(key), Ok(secret), Ok(grant)) => (key, secret, grant),
        (Err(refusal), ..) | (_, Err(refusal), _) | (.., Err(refusal)) => return *refusal,
    };
    let proof = match grant {
        "authorization_code" => required(&fields, "code"),
        "refresh_token" => required(&fields, "refreshToken"),
        _ => return new_refusal(400, "unsupported.grant.type"),
    };
    let proof = match proof {
        Ok(proof) => proof,
        Err(refusal) => return *refusal,
    };
    let Some(app) = engine.world.app(key).filter(|app| app.app_secret == secret) else {
        return new_refusal(400, "invalidClientIdOrSecret");
    };
    if let Some(refusal) = outside_limits(engine, request, app, route::USER_ACCESS_TOKEN) {
        return refusal;
    }
    // One lock from the spending to the new pair: no two calls can spend one code or refresh token.
    let now = engine.clock.elapsed();
    let mut state = engine.state();
    let bearer = if grant == "refresh_token" {
        state
            .user_tokens
            .spend_refresh(proof, &app.app_key, now)
            .ok_or("the refresh token is unknown, used, too old or another app's")
    } else {
        let spent = state
            .codes
            .spend(proof, CodeKind::Web, &app.corp_id, &app.app_key, now);
        match spent {
            Ok(Grant::Web { union_id, corp_id }) => Ok(Bearer {
                app_key: app.app_key.clone(),
                union_id,
                corp_id,
            }),
            Ok(_) => Err(Worthless::OtherKind.text()),
            Err(why) => Err(why.text()),
        }
    };
    let bearer = match bearer {
        Ok(bearer) => bearer,
        Err(why) => return new_refusal(400, "invalidParameter.authCode.notFound").because(why),
    };
    let life = std::time::Duration::from_secs(engine.world.token_seconds);
    let pair = state.user_tokens.issue(&bearer, life, now);
    let mut answer = json!({
        "accessToken": pair.access_token,
        "refreshToken": pair.refresh_token,
        "expireIn": engine.world.token_seconds,
    });
    if let (Some(corp_id), Some(fields)) = (bearer.corp_id, answer.as_object_mut()) {
        let other = || {
            let mut corps = engine.world.corps.iter().map(|corp| &corp.corp_id);
            corps.find(|other| **other != corp_id).cloned()
        };
        let shown = wrong_corp.then(other).flatten().unwrap_or(corp_id);
        fields.insert("corpId".to_owned(), shown.into());
    }
    Reply::new_ok(answer)
}

/// `GET /v1.0/contact/users/{unionId}`, `me` for the token's own.
pub(super) fn contact_user(engine: &Engine, request: &Request, union_id: &str) -> Reply {
    let Some(token) = &request.header_token else {
        return new_refusal(400, "AuthenticationFailed.MissingParameter");
    };
    let bearer = match bearer(engine, token) {
        Ok(bearer) => bearer,
        Err(refusal) => return *refusal,
    };
    let Some(app) = engine.world.app(&bearer.app_key) else {
        return new_refusal(400, "InvalidAuthentication");
    };
    if let Some(text) = super::member::outside_whitelist(app, request.ip) {
        return Reply::new_error(403, envelope::IP_NOT_LISTED, &text);
    }
    if !app.may(READ) {
        return new_refusal(403, envelope::PERMISSION_DENIED)
            .because(format!("the app lacks the permission {READ}"));
    }
    if let Some(refusal) = outside_limits(engine, request, app, route::CONTACT_USER) {
        return refusal;
    }
    let union_id = if union_id == "me" {
        &bearer.union_id
    } else {
        union_id
    };
    let is_near = union_id == bearer.union_id
        || engine
            .world
            .memberships(union_id)
            .any(|person| person.corp_id == app.corp_id);
    match engine.world.account(union_id).filter(|_| is_near) {
        Some(account) => Reply::new_ok(shown(&account, app)),
        None => new_refusal(404, "invalidParameter.user.notFound"),
    }
}

fn bearer(engine: &Engine, token: &str) -> Result<Bearer, Box<Reply>> {
    let now = engine.clock.elapsed();
    let state = engine.state();
    match state.user_tokens.bearer(token, now) {
        Ok(bearer) => Ok(bearer.clone()),
        Err(Closed::Expired) => Err(Box::new(new_refusal(400, "accesstoken.expired"))),
        Err(Closed::Unknown) => {
            let refusal = new_refusal(400, "InvalidAuthentication");
            Err(Box::new(match state.tokens.owner(token, now) {
                Some(_) => refusal.because("an app's token, not a user's"),
                None => refusal,
            }))
        }
    }
}

/// The account as this app may see it.
fn shown(account: &Account, app: &App) -> Value {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    };
    let text = |value: &Option<String>| value.clone().map(Value::from);
    put("nick", text(&account.nick));
    put("avatarUrl", text(&account.avatar));
    put("email", text(&account.email));
    put("loginEmail", text(&account.login_email));
    put("visitor", account.visitor.map(Value::from));
    if app.may("Contact.User.mobile") {
        let mobile = account.mobile.as_ref();
        put(
            "mobile",
            mobile.map(|mobile| {
                if app.masks_mobile {
                    masked(mobile).into()
                } else {
                    mobile.clone().into()
                }
            }),
        );
        put("stateCode", text(&account.state_code));
    }
    let open_id = identifier::open_id(&app.app_key, &account.union_id);
    put("openId", Some(open_id.into()));
    put("unionId", Some(account.union_id.clone().into()));
    Value::Object(fields)
}

/// `155****3240`: the first three and the last four digits.
fn masked(mobile: &str) -> String {
    let length = mobile.chars().count();
    let hidden = |at: usize| at >= 3 && at + 4 < length;
    mobile
        .chars()
        .enumerate()
        .map(|(at, digit)| if hidden(at) { '*' } else { digit })
        .collect()
}

const READ: &str = "Contact.User.Read";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_masked_number_is_hidden() {
        assert_eq!(masked("15512343240"), "155****3240");
        assert_eq!(masked("1234567"), "1234567");
        assert_eq!(masked(""), "");
    }
}
