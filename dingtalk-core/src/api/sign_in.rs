//! The calls of web sign-in: a code becomes a user token, the token an account, the account somebody of the corp.

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Host, Object};
use super::person::is_id;
use super::{Account, Api, AppCredentials, CallFailure, GrantedToken, field};
use crate::error::{Error, Refusal};
use crate::secret::Secret;

/// What a user token is asked for with.
pub(crate) enum Grant<'a> {
    Code(&'a Secret),
    Refresh(&'a Secret),
}

/// A user token as DingTalk granted it.
#[derive(Clone, Debug)]
pub(crate) struct GrantedUserToken {
    pub(crate) access: GrantedToken,
    /// Good for 30 days, once.
    pub(crate) refresh: Option<Secret>,
    /// The corp that the person chose; only where the scope has `corpid`.
    pub(crate) corp_id: Option<String>,
}

/// What a corp knows about an account.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) user_id: String,
    /// An employee; otherwise an external contact.
    pub(crate) is_employee: bool,
}

impl Api {
    /// Trades a web code, or a refresh token, for a user token.
    ///
    /// Shape: `{"accessToken": "…", "refreshToken": "…", "expireIn": 7200, "corpId": "…"}`.
    /// Units: a code works once; a refresh token lives 30 days and each use gives a new one.
    /// Errors: `invalidParameter.authCode.notFound` for a code or refresh token that is unknown, used or expired.
    /// Source: <https://open.dingtalk.com/document/development/obtain-user-token>.
    pub(crate) async fn fetch_user_token(
        &self,
        app: &AppCredentials,
        grant: Grant<'_>,
    ) -> Result<GrantedUserToken, CallFailure> {
        let here = &self.0;
        let url = here.endpoints.api(&["v1.0", "oauth2", "userAccessToken"]);
        let (kind, name, value) = match grant {
            Grant::Code(code) => ("authorization_code", "code", code),
            Grant::Refresh(token) => ("refresh_token", "refreshToken", token),
        };
        let body = serde_json::json!({
            "clientId": &*app.app_key,
            "clientSecret": app.app_secret.expose(),
            "grantType": kind,
            name: value.expose(),
        });
        let answer = self
            .send("userAccessToken", here.http.post(url).json(&body))
            .await?
            .check(Host::New)?;
        let granted: UserTokenAnswer = answer.read()?;
        if granted.access_token.is_empty() {
            return Err(answer.unexpected("no token in it").into());
        }
        let lifetime = granted.expire_in.or(granted.expires_in);
        Ok(GrantedUserToken {
            access: GrantedToken {
                value: Secret::new(granted.access_token),
                lifetime: field::lifetime_of(lifetime.as_ref()),
            },
            refresh: granted
                .refresh_token
                .filter(|token| !token.is_empty())
                .map(Secret::new),
            corp_id: granted.corp_id.filter(|corp_id| !corp_id.is_empty()),
        })
    }

    /// Asks whose a user token is. E-mail address and mobile number are not read: they can be another company's.
    ///
    /// Shape: `{"unionId": "…", "openId": "…", "nick": "…", "avatarUrl": "…"}`; only the ids are always there.
    /// Errors: `Forbidden.AccessDenied.AccessTokenPermissionDenied` without the permission `Contact.User.Read`.
    /// Source: <https://open.dingtalk.com/document/development/dingtalk-retrieve-user-information>.
    pub(crate) async fn fetch_account(&self, user_token: &Secret) -> Result<Account, CallFailure> {
        let url = self.0.endpoints.api(&["v1.0", "contact", "users", "me"]);
        let request = self
            .0
            .http
            .get(url)
            .header("x-acs-dingtalk-access-token", unprinted(user_token)?);
        let answer = self.send("users/me", request).await?.check(Host::New)?;
        let AccountAnswer {
            union_id,
            open_id,
            nick,
            avatar_url,
        } = answer.read()?;
        let account = account(union_id, open_id, nick, avatar_url)?;
        account.ok_or_else(|| answer.unexpected("no usable unionId in it").into())
    }

    /// Asks whom in the corp an account is.
    ///
    /// Shape: `unionid` → `{"errcode": 0, "result": {"contact_type": 0, "userid": "…"}}`.
    /// Errors: 60121 for an account that is not in the corp; 60011 permission `qyapi_get_member` missing.
    /// Source: <https://open.dingtalk.com/document/development/query-a-user-by-the-union-id>.
    pub(crate) async fn fetch_membership(
        &self,
        token: &Secret,
        union_id: &str,
    ) -> Result<Membership, CallFailure> {
        let answer = self
            .topapi(
                "getbyunionid",
                &["topapi", "user", "getbyunionid"],
                token,
                ("unionid", union_id),
            )
            .await?;
        let MembershipAnswer {
            result: Object(result),
        } = answer.read()?;
        let contact_type = field::whole(Some(&result.contact_type));
        let is_employee = match contact_type {
            Some(0) => true,
            Some(_) => false,
            None => return Err(answer.unexpected("no usable contact_type in it").into()),
        };
        if !is_id(&result.userid) {
            return Err(answer.unexpected("no usable userid in it").into());
        }
        Ok(Membership {
            user_id: result.userid,
            is_employee,
        })
    }
}

/// An account of DingTalk's answer: nothing where its union id cannot be one, an error that hints at the scope where there is
/// none at all.
pub(super) fn account(
    union_id: Option<String>,
    open_id: Option<String>,
    name: Option<String>,
    avatar: Option<String>,
) -> Result<Option<Account>, Error> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let union_id = filled(union_id).ok_or(Error::Refused(Refusal::NoUnionId))?;
    Ok(is_id(&union_id).then(|| Account {
        open_id: filled(open_id),
        name: filled(name),
        avatar: filled(avatar),
        ..Account::new(union_id)
    }))
}

/// A token as a header that no `Debug` shows.
fn unprinted(token: &Secret) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(token.expose()).map_err(|_| Error::Unexpected {
        during: "userAccessToken",
        what: "its token cannot stand in a header",
        status: 200,
        length: token.expose().len(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[derive(Deserialize)]
struct UserTokenAnswer {
    #[serde(rename = "accessToken")]
    access_token: String,
    #[serde(rename = "refreshToken")]
    refresh_token: Option<String>,
    #[serde(rename = "expireIn")]
    expire_in: Option<Value>,
    // DingTalk's own command line program reads this spelling too.
    #[serde(rename = "expiresIn")]
    expires_in: Option<Value>,
    #[serde(rename = "corpId")]
    corp_id: Option<String>,
}

#[derive(Deserialize)]
struct AccountAnswer {
    #[serde(rename = "unionId")]
    union_id: Option<String>,
    #[serde(rename = "openId")]
    open_id: Option<String>,
    nick: Option<String>,
    #[serde(rename = "avatarUrl")]
    avatar_url: Option<String>,
}

#[derive(Deserialize)]
struct MembershipAnswer {
    result: Object<MembershipResult>,
}

#[derive(Deserialize)]
struct MembershipResult {
    userid: String,
    contact_type: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G1
    #[test]
    fn a_token_in_a_header_is_not_printable() {
        let header = unprinted(&"usertoken".into()).unwrap();
        assert_eq!(header, "usertoken");
        assert!(!format!("{header:?}").contains("usertoken"));
        let broken = unprinted(&"user\ntoken".into()).unwrap_err();
        assert!(!format!("{broken:?} {broken}").contains("user\ntoken"));
    }
}
