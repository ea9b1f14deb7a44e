//! The signed call of the older sign-in pages: a code to an account.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::{Request, member::text};
use crate::{
    code::{CodeKind, Grant, Worthless},
    engine::Engine,
    envelope::Reply,
    identifier, route,
};

/// `POST /sns/getuserinfo_bycode?accessKey=&timestamp=&signature=` with `{"tmp_auth_code"}`.
pub(super) fn getuserinfo_bycode(engine: &Engine, request: &Request) -> Reply {
    const ROUTE: &str = route::SNS_USERINFO;
    let Some((timestamp, at)) = request.query("timestamp").and_then(milliseconds) else {
        return Reply::business(ROUTE, 853_001);
    };
    let now = engine.clock.now().duration_since(SystemTime::UNIX_EPOCH);
    if now.unwrap_or_default().as_millis().abs_diff(at) > MOST_SKEW_MS {
        return Reply::business(ROUTE, 853_002);
    }
    let app = request
        .query("accessKey")
        .and_then(|key| engine.world.sign_in_app(key));
    let Some(app) = app else {
        return Reply::business(ROUTE, 853_003);
    };
    // The query was decoded once: a `+` sent as it is came as a blank, and no signature has one.
    let signature = request.query("signature").unwrap_or_default();
    if !is_signed(&app.app_secret, timestamp, signature) {
        return Reply::business(ROUTE, 853_004);
    }
    let now = engine.clock.elapsed();
    let mut state = engine.state();
    if !state
        .app_rates
        .accept(&app.app_id, ROUTE, CALLS_PER_SECOND, now)
    {
        return Reply::business(ROUTE, 90018);
    }
    let code = request
        .params()
        .and_then(|params| text(&params, "tmp_auth_code"));
    let Some(code) = code else {
        return Reply::business(ROUTE, 40078).because("no code was sent");
    };
    let spent = state
        .codes
        .spend(&code, CodeKind::Sns, &app.corp_id, &app.app_id, now);
    let union_id = match spent {
        Ok(Grant::Sns { union_id }) => union_id,
        Ok(_) => return Reply::business(ROUTE, 40078).because(Worthless::OtherKind.text()),
        Err(why) => return Reply::business(ROUTE, 40078).because(why.text()),
    };
    let Some(account) = engine.world.account(&union_id) else {
        return Reply::business(ROUTE, 40078).because("the account is gone");
    };
    Reply::old_ok(json!({"user_info": {
        "nick": account.nick,
        "unionid": union_id,
        "openid": identifier::open_id(&app.app_id, &union_id),
        "main_org_auth_high_level": engine.world.memberships(&union_id).next().is_some(),
    }}))
}

fn milliseconds(text: &str) -> Option<(&str, u128)> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let at: u64 = text.parse().ok().filter(|_| digits)?;
    Some((text, at.into()))
}

/// Whether `signature` is the Base64 of the timestamp's HMAC-SHA256 under the app's secret.
fn is_signed(secret: &str, timestamp: &str, signature: &str) -> bool {
    let Ok(signature) = base64_simd::STANDARD.decode_to_vec(signature) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    mac.update(timestamp.as_bytes());
    mac.verify_slice(&signature).is_ok()
}

/// Source: <https://open.dingtalk.com/document/development/queries-basic-user-information>
const MOST_SKEW_MS: u128 = 60_000;
/// As the other apps' default.
const CALLS_PER_SECOND: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_signature_is_right_and_no_other() {
        let signature = "HCbG3xNE3vzhO+u7qCUL1jS5hsu2n5r2cFhnTrtyDAE=";
        assert!(is_signed("testappSecret", "1546084445901", signature));
        assert!(!is_signed("testappSecret", "1546084445902", signature));
        assert!(!is_signed("testappsecret", "1546084445901", signature));
        for other in [
            "",
            "HCbG3xNE3vzhO u7qCUL1jS5hsu2n5r2cFhnTrtyDAE=",
            "HCbG3xNE3vzhO%2Bu7qCUL1jS5hsu2n5r2cFhnTrtyDAE%3D",
            "HCbG3xNE3vzhO+u7qCUL1jS5hsu2n5r2cFhnTrty",
        ] {
            assert!(!is_signed("testappSecret", "1546084445901", other));
        }
    }

    #[test]
    fn a_timestamp_is_digits() {
        for text in ["", "now", "-1", "+1", "1.5", "99999999999999999999"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
        assert!(milliseconds("1546084445901").is_some());
    }
}
