//! Web sign-in: DingTalk's own page in any browser, by QR code or by account and password.

use async_trait::async_trait;
use serde_json::{Map, Value};
use url::Url;

use super::internal_app::check_id;
use super::{Login, LoginCode, LoginContext, LoginFlow, other_kind};
use crate::api::GrantedUserToken;
use crate::endpoint::{Endpoints, script_address};
use crate::error::setting::ConfigError;
use crate::error::{Error, Refusal};
use crate::inbound::origin::listed_origin;

/// Sign-in in any browser, on DingTalk's page: by QR code, or by account and password.
///
/// In the developer console the app needs its redirect URL registered (public origin, base path and `/callback`:
/// `https://hr.example.com/dingtalk/callback`) and the permissions `Contact.User.Read` and `qyapi_get_member`; the latter not with
/// [`anyone`](Self::anyone).
///
/// A page load without a session goes there by itself, or, after a sign-out, when the button was pressed; `GET login?via=web` goes there
/// at once. There are ten minutes to come back, in the same browser, with cookies. Inside the DingTalk client the silent login goes first.
///
/// Costs four DingTalk calls a sign-in with a warm token: `userAccessToken`, `users/me`, `getbyunionid` and, unless
/// [`Details`](crate::Details) says otherwise, `user/get`. The person is known by their union id, which the app's own token turns into
/// an employee of the corp; never by e-mail address or mobile number, which can be another company's.
///
/// Source: <https://open.dingtalk.com/document/development/obtain-identity-credentials>.
#[derive(Clone, Debug)]
pub struct WebSignIn {
    scope: Option<String>,
    prompt: String,
    corp_id: Option<String>,
    org_type: Option<String>,
    exclusive_corp_id: Option<String>,
    is_for_anyone: bool,
    keeps_user_token: bool,
    embedded_script: Option<String>,
}

impl WebSignIn {
    /// Members of the corp, with every setting at its default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            scope: None,
            prompt: "consent".to_owned(),
            corp_id: None,
            org_type: None,
            exclusive_corp_id: None,
            is_for_anyone: false,
            keeps_user_token: false,
            embedded_script: None,
        }
    }

    /// What the app asks for: `openid`, `openid corpid`, and permissions such as `Contact.User.Read`, separated by blanks. With
    /// `corpid` the person chooses an organisation, which must be the app's. Default: `openid corpid`; `openid` with
    /// [`anyone`](Self::anyone) or [`embedded`](Self::embedded).
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// DingTalk's `prompt`. Default: `consent`, which shows the page where the person agrees; permissions that the app got
    /// later reach a person only there.
    #[must_use]
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.prompt = prompt.into();
        self
    }

    /// Chooses the organisation in the person's place: the app's own. Needs `corpid` in the scope. Default: the person chooses.
    #[must_use]
    pub fn corp_id(mut self, corp_id: impl Into<String>) -> Self {
        self.corp_id = Some(corp_id.into());
        self
    }

    /// Which organisations are offered: `management` for those that the person manages. Needs `corpid` in the scope. Default: all
    /// of the person's.
    #[must_use]
    pub fn org_type(mut self, org_type: impl Into<String>) -> Self {
        self.org_type = Some(org_type.into());
        self
    }

    /// Only company-managed accounts (企业账号), on that corp's own sign-in page. Default: any account.
    #[must_use]
    pub fn exclusive_login(mut self, corp_id: impl Into<String>) -> Self {
        self.exclusive_corp_id = Some(corp_id.into());
        self
    }

    /// Lets everybody in who has a DingTalk account, as [`Person::Account`](crate::Person::Account): nobody asks whether the corp knows
    /// them, so none of them has a user id, and two DingTalk calls are enough. Default: only the corp's employees.
    #[must_use]
    pub fn anyone(mut self) -> Self {
        self.is_for_anyone = true;
        self
    }

    /// Keeps the person's own token in the store, for calls in their name: [`DingTalk::user_token`](crate::DingTalk::user_token).
    /// Default: it is forgotten at once.
    #[must_use]
    pub fn keep_user_token(mut self) -> Self {
        self.keeps_user_token = true;
        self
    }

    /// Shows DingTalk's QR code in a frame on a sign-in page of our own, with a link to DingTalk's page for account and password.
    /// `GET {base}/login?via=embedded` is that page, and so is `login` without `via`; `via=web` is DingTalk's. Default: DingTalk's
    /// page only.
    ///
    /// With `corpid` in the scope DingTalk's script demands [`org_type`](Self::org_type); the organisation is then the app's own.
    /// Without it, as by default here, membership decides as always.
    #[must_use]
    pub fn embedded(mut self) -> Self {
        self.embedded_script
            .get_or_insert_with(|| EMBEDDED_SCRIPT.to_owned());
        self
    }

    /// [`embedded`](Self::embedded), with DingTalk's script at an address of yours: `https`, or `http` on loopback, as a sandbox has
    /// one. It must frame the sign-in page of the endpoints: DingTalk's own, version 0.21.0, knows `login.dingtalk.com` only.
    #[must_use]
    pub fn embedded_script(mut self, address: impl Into<String>) -> Self {
        self.embedded_script = Some(address.into());
        self
    }

    /// Refuses what DingTalk's page or a login would refuse later.
    pub(crate) fn check(&self, corp_id: &str, endpoints: &Endpoints) -> Result<(), ConfigError> {
        let refuse = |setting, why: &str| Err(ConfigError::invalid(setting, "", why));
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let scope = self.scope_asked();
        if !scope.split(' ').all(is_word) || scope.len() > MAX_TEXT || !self.has_scope("openid") {
            return refuse(
                "web_sign_in.scope",
                "it must be words separated by single blanks, `openid` among them",
            );
        }
        for (setting, text) in [
            ("web_sign_in.prompt", Some(&self.prompt)),
            ("web_sign_in.org_type", self.org_type.as_ref()),
        ] {
            if text.is_some_and(|text| !is_word(text) || text.len() > MAX_TEXT) {
                return refuse(setting, "it must be a word");
            }
        }
        for (setting, given) in [
            ("web_sign_in.org_type", &self.org_type),
            ("web_sign_in.corp_id", &self.corp_id),
        ] {
            if given.is_some() && !self.has_scope("corpid") {
                return refuse(setting, "it needs `corpid` in the scope");
            }
        }
        if self.corp_id.as_deref().is_some_and(|said| said != corp_id) {
            return refuse(
                "web_sign_in.corp_id",
                "it must be the app's own corp: no other lets anybody in",
            );
        }
        if self.is_for_anyone && self.has_scope("corpid") {
            return refuse(
                "web_sign_in.anyone",
                "with `corpid` in the scope only people of the app's corp get in: leave it out",
            );
        }
        if let Some(corp_id) = &self.exclusive_corp_id {
            check_id("web_sign_in.exclusive_login", "", corp_id)?;
        }
        match &self.embedded_script {
            Some(script) => self.check_embedded(script, endpoints),
            None => Ok(()),
        }
    }

    fn check_embedded(&self, script: &str, endpoints: &Endpoints) -> Result<(), ConfigError> {
        let refuse = |why: &str| Err(ConfigError::invalid("web_sign_in.embedded", "", why));
        script_address("web_sign_in.embedded_script", "", script)?;
        // It stands in the page's policy.
        listed_origin("web_sign_in.embedded", &endpoints.login_origin())?;
        if endpoints.is_international() {
            return refuse(
                "DingTalk's script frames login.dingtalk.com: none is known for the international site",
            );
        }
        if script == EMBEDDED_SCRIPT && endpoints.login_origin() != EMBEDDED_ORIGIN {
            return refuse(
                "DingTalk's own script frames https://login.dingtalk.com only: name the script of your sign-in page with embedded_script",
            );
        }
        if self.has_scope("corpid") && self.org_type.is_none() {
            return refuse(
                "with `corpid` in the scope DingTalk's script demands an org_type: name one, or leave `corpid` out",
            );
        }
        Ok(())
    }

    /// The address of DingTalk's sign-in page.
    pub(crate) fn page(
        &self,
        endpoints: &Endpoints,
        app_key: &str,
        redirect_uri: &str,
        state: &str,
    ) -> Url {
        let mut url = endpoints.login(&["oauth2", "auth"]);
        url.query_pairs_mut()
            .extend_pairs(self.parameters(app_key, redirect_uri, state));
        url
    }

    /// What DingTalk's script is given for the page in its frame, unencoded; nothing where no frame is wanted.
    pub(crate) fn frame(
        &self,
        corp_id: &str,
        app_key: &str,
        redirect_uri: &str,
        state: &str,
    ) -> Option<Frame<'_>> {
        let script = self.embedded_script.as_deref()?;
        let mut parameters: Map<String, Value> = self
            .parameters(app_key, redirect_uri, state)
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        if self.has_scope("corpid") {
            parameters.insert("corpId".to_owned(), corp_id.into());
        }
        Some(Frame { script, parameters })
    }

    fn parameters<'a>(
        &'a self,
        app_key: &'a str,
        redirect_uri: &'a str,
        state: &'a str,
    ) -> impl Iterator<Item = (&'static str, &'a str)> {
        let exclusive_corp_id = self.exclusive_corp_id.as_deref();
        [
            ("redirect_uri", Some(redirect_uri)),
            ("response_type", Some("code")),
            ("client_id", Some(app_key)),
            ("scope", Some(self.scope_asked())),
            ("prompt", Some(&*self.prompt)),
            ("state", Some(state)),
            ("org_type", self.org_type.as_deref()),
            ("corpId", self.corp_id.as_deref()),
            ("exclusiveLogin", exclusive_corp_id.map(|_| "true")),
            ("exclusiveCorpId", exclusive_corp_id),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded_script.is_some()
    }

    pub(crate) fn is_for_anyone(&self) -> bool {
        self.is_for_anyone
    }

    pub(crate) fn keeps_user_token(&self) -> bool {
        self.keeps_user_token
    }

    fn scope_asked(&self) -> &str {
        match &self.scope {
            Some(scope) => scope,
            None if self.is_for_anyone || self.is_embedded() => "openid",
            None => "openid corpid",
        }
    }

    fn has_scope(&self, word: &str) -> bool {
        self.scope_asked().split(' ').any(|there| there == word)
    }

    /// The organisation that the person chose, if there was a choice, must be the one that the login is for.
    fn check_corp(granted: &GrantedUserToken, corp_id: &str) -> Result<(), Error> {
        match granted.corp_id.as_deref() {
            Some(chosen) if chosen != corp_id => Err(Error::Refused(Refusal::OtherCorp)),
            _ => Ok(()),
        }
    }

    /// Whoever is in an organisation had a choice, if the scope offers one.
    fn check_choice(&self, granted: &GrantedUserToken) -> Result<(), Error> {
        if granted.corp_id.is_some() || !self.has_scope("corpid") {
            return Ok(());
        }
        Err(Error::Unexpected {
            during: "userAccessToken",
            what: "no corpId in it, although the scope has corpid",
            status: 200,
            length: 0,
        })
    }
}

impl Default for WebSignIn {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl LoginFlow for WebSignIn {
    async fn identify(&self, code: LoginCode, context: &LoginContext<'_>) -> Result<Login, Error> {
        let LoginCode::Web(code) = code else {
            return Err(other_kind());
        };
        let granted = context.exchange_web(&code).await?;
        Self::check_corp(&granted, context.corp_id())?;
        let account = context.account(&granted).await?;
        let mut login = if self.is_for_anyone {
            Login::new(account, None)
        } else {
            context.login_of_member(account).await?
        };
        // Who is in no organisation had none to choose, and is no member.
        self.check_choice(&granted)?;
        login.user_token = self.keeps_user_token.then_some(granted);
        Ok(login)
    }
}

/// A frame for DingTalk's page.
pub(crate) struct Frame<'a> {
    /// The script's address.
    pub(crate) script: &'a str,
    /// Its `loginParams`.
    pub(crate) parameters: Map<String, Value>,
}

const MAX_TEXT: usize = 500;
const EMBEDDED_SCRIPT: &str = "https://g.alicdn.com/dingding/h5-dingtalk-login/0.21.0/ddlogin.js";
/// What that script frames: it is written in it.
const EMBEDDED_ORIGIN: &str = "https://login.dingtalk.com";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Region;

    #[test]
    fn what_cannot_work_is_refused_with_the_settings_name() {
        let check = |web: WebSignIn| web.check("ding0a1b", &Region::China.into());
        assert!(check(WebSignIn::new()).is_ok());
        assert!(check(WebSignIn::new().anyone().keep_user_token()).is_ok());
        assert!(check(WebSignIn::new().corp_id("ding0a1b").org_type("management")).is_ok());
        for (web, setting) in [
            (WebSignIn::new().scope(""), "scope"),
            (WebSignIn::new().scope("corpid"), "scope"),
            (WebSignIn::new().scope("openid  corpid"), "scope"),
            (WebSignIn::new().scope("openid\ncorpid"), "scope"),
            (WebSignIn::new().prompt(""), "prompt"),
            (WebSignIn::new().org_type("a b"), "org_type"),
            (
                WebSignIn::new().scope("openid").org_type("management"),
                "org_type",
            ),
            (
                WebSignIn::new().scope("openid").corp_id("ding0a1b"),
                "corp_id",
            ),
            (WebSignIn::new().corp_id("ding9"), "corp_id"),
            (WebSignIn::new().anyone().scope("openid corpid"), "anyone"),
            (WebSignIn::new().exclusive_login("../x"), "exclusive_login"),
            (
                WebSignIn::new().embedded().scope("openid corpid"),
                "embedded",
            ),
            (
                WebSignIn::new().embedded_script("http://cdn.example.com/dd.js"),
                "embedded_script",
            ),
        ] {
            let error = check(web).unwrap_err().to_string();
            assert!(error.contains(&format!("web_sign_in.{setting}")), "{error}");
        }
    }

    #[test]
    fn a_frame_is_refused_where_its_script_shows_another_sign_in_page() {
        let check = |web: WebSignIn, endpoints: &Endpoints| web.check("ding0a1b", endpoints);
        let sandbox = Endpoints::one("http://127.0.0.1:7070").unwrap();
        let own = |web: WebSignIn| web.embedded_script("http://127.0.0.1:7070/sandbox/ddlogin.js");
        let china = Region::China.into();
        assert!(check(WebSignIn::new().embedded(), &china).is_ok());
        assert!(check(own(WebSignIn::new()), &sandbox).is_ok());
        assert!(check(own(WebSignIn::new()).embedded(), &sandbox).is_ok());
        let chosen = WebSignIn::new()
            .scope("openid corpid")
            .org_type("management");
        assert!(check(chosen.embedded(), &china).is_ok());
        let international = Region::International.into();
        let policy = Endpoints::one("https://a;script-src.example.com").unwrap();
        for (web, endpoints) in [
            (WebSignIn::new().embedded(), &international),
            (own(WebSignIn::new()), &international),
            (WebSignIn::new().embedded(), &sandbox),
            (own(WebSignIn::new()), &policy),
        ] {
            let error = check(web, endpoints).unwrap_err().to_string();
            assert!(error.contains("web_sign_in.embedded"), "{error}");
        }
    }

    #[test]
    fn the_frame_is_given_what_the_page_is_and_the_apps_own_corp() {
        let frame = |web: &WebSignIn| {
            let frame = web.frame("ding0a1b", "key", "https://hr.example.com/cb", "s");
            Value::Object(frame.unwrap().parameters)
        };
        let usual = serde_json::json!({
            "redirect_uri": "https://hr.example.com/cb", "response_type": "code", "client_id": "key", "scope": "openid",
            "prompt": "consent", "state": "s",
        });
        assert_eq!(frame(&WebSignIn::new().embedded()), usual);
        let chosen = WebSignIn::new()
            .scope("openid corpid")
            .org_type("management");
        let chosen = frame(&chosen.embedded());
        assert_eq!(
            (&chosen["corpId"], &chosen["org_type"]),
            (&"ding0a1b".into(), &"management".into())
        );
        assert!(WebSignIn::new().frame("ding0a1b", "key", "", "s").is_none());
    }

    #[test]
    fn the_page_is_asked_for_what_the_settings_say() {
        let page = |web: &WebSignIn| {
            let endpoints = Endpoints::one("https://login.example.com").unwrap();
            let page = web.page(
                &endpoints,
                "key",
                "https://hr.example.com/dingtalk/callback",
                "s",
            );
            page.as_str().to_owned()
        };
        assert_eq!(
            page(&WebSignIn::new()),
            "https://login.example.com/oauth2/auth?redirect_uri=https%3A%2F%2Fhr.example.com%2Fdingtalk%2Fcallback\
             &response_type=code&client_id=key&scope=openid+corpid&prompt=consent&state=s"
        );
        let web = WebSignIn::new()
            .org_type("management")
            .corp_id("ding0a1b")
            .exclusive_login("ding9");
        assert!(page(&web).ends_with(
            "&state=s&org_type=management&corpId=ding0a1b&exclusiveLogin=true&exclusiveCorpId=ding9"
        ));
        assert!(page(&WebSignIn::new().anyone()).contains("&scope=openid&"));
    }

    /// A11
    #[test]
    fn only_the_expected_organisation_can_be_chosen() {
        let granted = |corp_id: Option<&str>| GrantedUserToken {
            access: crate::api::GrantedToken {
                value: "t".into(),
                lifetime: std::time::Duration::from_secs(60),
            },
            refresh: None,
            corp_id: corp_id.map(str::to_owned),
        };
        let check = |web: &WebSignIn, chosen| {
            let granted = granted(chosen);
            WebSignIn::check_corp(&granted, "ding1").and_then(|()| web.check_choice(&granted))
        };
        let both = WebSignIn::new();
        assert!(check(&both, Some("ding1")).is_ok());
        for chosen in [Some("ding2"), Some("ding11"), Some("DING1"), None] {
            assert!(check(&both, chosen).is_err(), "{chosen:?}");
        }
        let open = WebSignIn::new().anyone();
        assert!(check(&open, None).is_ok());
        assert!(check(&open, Some("ding2")).is_err());
    }
}
