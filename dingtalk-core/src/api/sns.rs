//! The signed call of DingTalk's older sign-in pages: a code becomes an account.

use std::sync::Arc;

use base64_simd::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::answer::{Host, Object};
use super::sign_in::account;
use super::{Account, Api, CallFailure};
use crate::error::{Error, Refusal};
use crate::secret::Secret;

/// An older sign-in app's id and secret.
#[derive(Clone, Debug)]
pub(crate) struct SnsCredentials {
    pub(crate) app_id: Arc<str>,
    pub(crate) app_secret: Secret,
}

impl Api {
    /// Trades a code of an older page for the account it stands for.
    ///
    /// Shape: `tmp_auth_code` → `{"errcode": 0, "user_info": {"nick": "…", "unionid": "…", "openid": "…"}}`.
    /// Units: the time is in milliseconds, of the clock on the wall, and at most a minute off; a code works once.
    /// Errors: 40078 for a code that is unknown, used or expired; 853001 to 853004 for time, app id and signature.
    /// Source: <https://open.dingtalk.com/document/development/obtain-the-user-information-based-on-the-sns-temporary-authorization>.
    pub(crate) async fn fetch_sns_account(
        &self,
        app: &SnsCredentials,
        code: &Secret,
    ) -> Result<Account, CallFailure> {
        let here = &self.0;
        let timestamp = here.time.wall().0.to_string();
        let signature = signature(&app.app_secret, &timestamp);
        let mut url = here.endpoints.oapi(&["sns", "getuserinfo_bycode"]);
        url.query_pairs_mut()
            .append_pair("accessKey", &app.app_id)
            .append_pair("timestamp", &timestamp)
            .append_pair("signature", &signature);
        let body = serde_json::json!({ "tmp_auth_code": code.expose() });
        let answer = self
            .send("getuserinfo_bycode", here.http.post(url).json(&body))
            .await?
            .check(Host::Old)?;
        let SnsAnswer {
            user_info: Object(said),
        } = answer.read()?;
        match account(said.unionid, said.openid, said.nick, None) {
            Ok(Some(account)) => Ok(account),
            // Here no scope decides whether it comes.
            Ok(None) | Err(Error::Refused(Refusal::NoUnionId)) => {
                Err(answer.unexpected("no usable unionid in it").into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Base64 of the timestamp's HMAC-SHA256 under the app's secret.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn signature(app_secret: &Secret, timestamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    STANDARD.encode_to_string(mac.finalize().into_bytes())
}

#[derive(Deserialize)]
struct SnsAnswer {
    user_info: Object<SnsAccount>,
}

#[derive(Deserialize)]
struct SnsAccount {
    unionid: Option<String>,
    openid: Option<String>,
    nick: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_published_one() {
        let signature = signature(&"testappSecret".into(), "1546084445901");
        assert_eq!(signature, "HCbG3xNE3vzhO+u7qCUL1jS5hsu2n5r2cFhnTrtyDAE=");
    }
}
