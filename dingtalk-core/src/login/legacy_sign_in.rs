//! Sign-in on DingTalk's older pages (扫码登录 and 账号密码登录), with an app of their own kind: an app id and its secret.

use async_trait::async_trait;
use url::Url;

use super::internal_app::{check_id, check_secret};
use super::{Login, LoginCode, LoginContext, LoginFlow, other_kind};
use crate::api::SnsCredentials;
use crate::endpoint::Endpoints;
use crate::error::Error;
use crate::error::setting::ConfigError;
use crate::secret::Secret;

/// Sign-in in any browser on DingTalk's older pages, for who still has an app of the older kind: one page shows a QR code, one asks for
/// account and password. New apps take [`WebSignIn`](crate::WebSignIn), whose page has both.
///
/// `GET login?via=legacy_qr` and `GET login?via=legacy_password` choose. Where no `via` is named, a `WebSignIn` of the same app goes
/// first, then the QR code.
///
/// In the developer console the older app needs its callback URL registered (public origin, base path and `/callback`:
/// `https://hr.example.com/dingtalk/callback`); the [`InternalApp`](crate::InternalApp) that this is set on needs the permission
/// `qyapi_get_member`, and must belong to the same developer, or the union ids of the two are not the same.
///
/// Costs three DingTalk calls a sign-in with a warm token: `getuserinfo_bycode`, `getbyunionid` and, unless
/// [`Details`](crate::Details) says otherwise, `user/get`. The first is signed with the time of this machine: DingTalk refuses it where
/// that is more than a minute off.
///
/// Source: <https://open.dingtalk.com/document/development/obtain-the-user-information-based-on-the-sns-temporary-authorization>.
#[derive(Clone, Debug)]
pub struct LegacySignIn {
    credentials: SnsCredentials,
    is_for_anyone: bool,
}

/// The two older pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegacyPage {
    Qr,
    Password,
}

impl LegacySignIn {
    /// Members of the corp. The app id (`dingoa…`) and the app secret are the older app's, from its page in the developer console.
    #[must_use]
    pub fn new(app_id: impl Into<String>, app_secret: impl Into<Secret>) -> Self {
        Self {
            credentials: SnsCredentials {
                app_id: app_id.into().into(),
                app_secret: app_secret.into(),
            },
            is_for_anyone: false,
        }
    }

    /// Lets everybody in who has a DingTalk account, as [`Person::Account`](crate::Person::Account): nobody asks whether the corp knows
    /// them, so none of them has a user id, and one DingTalk call is enough. Default: only the corp's employees.
    #[must_use]
    pub fn anyone(mut self) -> Self {
        self.is_for_anyone = true;
        self
    }

    /// Refuses what DingTalk's page or a login would refuse later.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_id("legacy_sign_in.app_id", "", &self.credentials.app_id)?;
        check_secret(
            "legacy_sign_in.app_secret",
            "",
            &self.credentials.app_secret,
        )
    }

    pub(crate) fn app_id(&self) -> &str {
        &self.credentials.app_id
    }

    pub(crate) fn is_for_anyone(&self) -> bool {
        self.is_for_anyone
    }

    /// The address of one of DingTalk's older pages.
    pub(crate) fn page(
        &self,
        page: LegacyPage,
        endpoints: &Endpoints,
        redirect_uri: &str,
        state: &str,
    ) -> Url {
        let mut url = match page {
            LegacyPage::Qr => endpoints.oapi(&["connect", "qrconnect"]),
            LegacyPage::Password => endpoints.oapi(&["connect", "oauth2", "sns_authorize"]),
        };
        url.query_pairs_mut()
            .append_pair("appid", self.app_id())
            .append_pair("response_type", "code")
            .append_pair("scope", "snsapi_login")
            .append_pair("state", state)
            .append_pair("redirect_uri", redirect_uri);
        url
    }
}

#[async_trait]
impl LoginFlow for LegacySignIn {
    async fn identify(&self, code: LoginCode, context: &LoginContext<'_>) -> Result<Login, Error> {
        let LoginCode::Sns(code) = code else {
            return Err(other_kind());
        };
        let account = context.exchange_sns(&self.credentials, &code).await?;
        if self.is_for_anyone {
            return Ok(Login::new(account, None));
        }
        context.login_of_member(account).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_the_settings_name() {
        assert!(LegacySignIn::new("dingoa1", "secret").check().is_ok());
        for (legacy, setting) in [
            (LegacySignIn::new("", "secret"), "app_id"),
            (LegacySignIn::new("a&b", "secret"), "app_id"),
            (LegacySignIn::new("dingoa1", ""), "app_secret"),
            (LegacySignIn::new("dingoa1", "secret\n"), "app_secret"),
        ] {
            let error = legacy.check().unwrap_err().to_string();
            assert!(
                error.contains(&format!("legacy_sign_in.{setting}")),
                "{error}"
            );
        }
    }

    #[test]
    fn each_page_has_its_address() {
        let page = |page| {
            let endpoints = Endpoints::one("https://oapi.example.com").unwrap();
            let callback = "https://hr.example.com/dingtalk/callback";
            let legacy = LegacySignIn::new("dingoa1", "secret");
            legacy.page(page, &endpoints, callback, "s").to_string()
        };
        let query = "appid=dingoa1&response_type=code&scope=snsapi_login&state=s\
                     &redirect_uri=https%3A%2F%2Fhr.example.com%2Fdingtalk%2Fcallback";
        assert_eq!(
            page(LegacyPage::Qr),
            format!("https://oapi.example.com/connect/qrconnect?{query}")
        );
        assert_eq!(
            page(LegacyPage::Password),
            format!("https://oapi.example.com/connect/oauth2/sns_authorize?{query}")
        );
    }
}
