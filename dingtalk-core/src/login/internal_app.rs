//! Silent login (免登) for an app that one organisation develops for its own people.

use std::sync::Arc;

use async_trait::async_trait;

use super::{LegacySignIn, Login, LoginCode, LoginContext, LoginFlow, WebSignIn, other_kind};
use crate::api::{AppCredentials, TokenCall};
use crate::endpoint::Endpoints;
use crate::error::Error;
use crate::error::setting::ConfigError;
use crate::secret::Secret;

/// An app that one organisation develops for its own people (企业内部应用), and its silent login (免登).
///
/// Costs two DingTalk calls a login with a warm token: `getuserinfo` and, unless [`Details`](crate::Details) says otherwise,
/// `user/get`. The app needs the permission `qyapi_get_member` for the second.
#[derive(Clone, Debug)]
pub struct InternalApp {
    pub(crate) credentials: AppCredentials,
    pub(crate) flow: Option<Arc<dyn LoginFlow>>,
    pub(crate) web_sign_in: Option<WebSignIn>,
    pub(crate) legacy_sign_in: Option<LegacySignIn>,
}

impl InternalApp {
    /// The corp, and the app's key (Client ID) and secret (Client Secret) from its credentials page in the developer console.
    ///
    /// `corp_id` is believed: [`TokenCall::AccessToken`] does not prove that the app is in that corp. [`TokenCall::CorpToken`] does,
    /// by `unauthorized.client`.
    #[must_use]
    pub fn new(
        corp_id: impl Into<String>,
        app_key: impl Into<String>,
        app_secret: impl Into<Secret>,
    ) -> Self {
        Self {
            credentials: AppCredentials {
                corp_id: corp_id.into().into(),
                app_key: app_key.into().into(),
                app_secret: app_secret.into(),
                token_call: TokenCall::default(),
            },
            flow: None,
            web_sign_in: None,
            legacy_sign_in: None,
        }
    }

    /// Which call the token comes from. Default: [`TokenCall::AccessToken`].
    #[must_use]
    pub fn token_call(mut self, call: TokenCall) -> Self {
        self.credentials.token_call = call;
        self
    }

    /// Lets people sign in in any browser too. Default: only inside DingTalk.
    #[must_use]
    pub fn web_sign_in(mut self, web_sign_in: WebSignIn) -> Self {
        self.web_sign_in = Some(web_sign_in);
        self
    }

    /// Lets people sign in on DingTalk's older pages too. Default: not.
    #[must_use]
    pub fn legacy_sign_in(mut self, legacy_sign_in: LegacySignIn) -> Self {
        self.legacy_sign_in = Some(legacy_sign_in);
        self
    }

    /// Replaces the exchange of silent-login codes by a flow of yours. Default: DingTalk's `getuserinfo`.
    #[must_use]
    pub fn flow(mut self, flow: impl LoginFlow) -> Self {
        self.flow = Some(Arc::new(flow));
        self
    }

    /// Refuses ids that cannot be DingTalk's: they stand in URLs and in sessions.
    pub(crate) fn check(&self, endpoints: &Endpoints) -> Result<(), ConfigError> {
        check_id("corp_id", "DINGTALK_CORP_ID", &self.credentials.corp_id)?;
        check_id("app_key", "DINGTALK_APP_KEY", &self.credentials.app_key)?;
        check_secret(
            "app_secret",
            "DINGTALK_APP_SECRET",
            &self.credentials.app_secret,
        )?;
        if let Some(web_sign_in) = &self.web_sign_in {
            web_sign_in.check(&self.credentials.corp_id, endpoints)?;
        }
        self.legacy_sign_in
            .as_ref()
            .map_or(Ok(()), LegacySignIn::check)
    }
}

#[async_trait]
impl LoginFlow for InternalApp {
    async fn identify(&self, code: LoginCode, context: &LoginContext<'_>) -> Result<Login, Error> {
        let LoginCode::Silent(code) = code else {
            return Err(other_kind());
        };
        let employee = context.exchange(&code).await?;
        context.login_of(employee).await
    }
}

pub(super) fn check_id(
    setting: &'static str,
    variable: &'static str,
    id: &str,
) -> Result<(), ConfigError> {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() {
        return Err(ConfigError::missing(setting, variable));
    }
    if id.len() > MAX_ID || !id.bytes().all(is_usual) {
        let why =
            "only letters, digits, `_` and `-`, at most 64: copy it from the developer console";
        return Err(ConfigError::invalid(setting, variable, why));
    }
    Ok(())
}

pub(super) fn check_secret(
    setting: &'static str,
    variable: &'static str,
    secret: &Secret,
) -> Result<(), ConfigError> {
    let secret = secret.expose();
    if secret.is_empty() {
        return Err(ConfigError::missing(setting, variable));
    }
    if secret.trim() != secret || secret.contains(char::is_control) {
        let why = "it has blanks or control characters around or in it";
        return Err(ConfigError::invalid(setting, variable, why));
    }
    Ok(())
}

const MAX_ID: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Region;

    /// G6
    #[test]
    fn ids_that_could_change_a_url_are_refused() {
        for bad in [
            "../x",
            "a?b",
            "a%2fb",
            "a/b",
            "a b",
            "a#b",
            "钉",
            &"a".repeat(65),
        ] {
            let error = InternalApp::new(bad, "key", "secret")
                .check(&Region::China.into())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("corp_id") && error.contains("DINGTALK_CORP_ID"),
                "{error}"
            );
        }
        assert!(
            InternalApp::new("ding0a1b2c", "dingkey", "secret")
                .check(&Region::China.into())
                .is_ok()
        );
    }
}
