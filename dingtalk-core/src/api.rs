//! DingTalk's calls, typed: both generations of its API, one kind of error.

mod answer;
mod details;
mod field;
mod person;
mod sign_in;
mod sns;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::clock::{Moment, Time};
use crate::endpoint::Endpoints;
use crate::error::{Error, Outage};
use crate::secret::Secret;
use answer::{Answer, Host, Object};

pub use details::UserDetails;
pub use person::{Account, Employee, Person};
pub(crate) use sign_in::{Grant, GrantedUserToken, Membership};
pub(crate) use sns::SnsCredentials;

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    pub(crate) connect: Duration,
    pub(crate) attempt: Duration,
}

/// DingTalk, as this handle reaches it.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    endpoints: Endpoints,
    attempt: Duration,
    time: Time,
    /// DingTalk blocks an address for all its APIs at once: no call goes out before this is over.
    blocked: Mutex<Option<(Moment, Duration)>>,
}

/// An app's key and secret, and how it asks for its token.
#[derive(Clone, Debug)]
pub(crate) struct AppCredentials {
    pub(crate) corp_id: Arc<str>,
    pub(crate) app_key: Arc<str>,
    pub(crate) app_secret: Secret,
    pub(crate) token_call: TokenCall,
}

/// Which of DingTalk's three calls an internal app gets its token from. The tokens are interchangeable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenCall {
    /// `POST /v1.0/oauth2/accessToken` on the new host. The default.
    ///
    /// Source: <https://open.dingtalk.com/document/development/obtain-the-access-token-of-an-internal-app>.
    #[default]
    AccessToken,
    /// `POST /v1.0/oauth2/{corpId}/token` on the new host: the newest, the same for internal and ISV apps.
    ///
    /// Source: <https://open.dingtalk.com/document/development/api-gettoken>.
    CorpToken,
    /// `GET /gettoken` on the old host. Only where the new host cannot be reached: DingTalk wants the secret in the URL, where
    /// a proxy on the way may log it.
    ///
    /// Source: <https://open.dingtalk.com/document/development/obtain-orgapp-token>.
    GetToken,
}

/// A token as DingTalk granted it.
#[derive(Clone, Debug)]
pub(crate) struct GrantedToken {
    pub(crate) value: Secret,
    /// DingTalk's number, clamped to something usable.
    pub(crate) lifetime: Duration,
}

/// A failed call.
#[derive(Clone, Debug)]
pub(crate) struct CallFailure {
    pub(crate) error: Error,
    /// The request may have reached DingTalk and been carried out.
    pub(crate) may_have_run: bool,
}

impl Api {
    pub(crate) fn new(
        endpoints: Endpoints,
        limits: CallLimits,
        time: Time,
    ) -> Result<Self, reqwest::Error> {
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(limits.connect)
            .pool_idle_timeout(Duration::from_secs(15))
            .user_agent(concat!("dingtalk-core/", env!("CARGO_PKG_VERSION")));
        if endpoints.is_loopback() {
            http = http.no_proxy();
        }
        Ok(Self(Arc::new(Inner {
            http: http.build()?,
            endpoints,
            attempt: limits.attempt,
            time,
            blocked: Mutex::new(None),
        })))
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    /// How long a call may take.
    pub(crate) fn attempt_limit(&self) -> Duration {
        self.0.attempt
    }

    /// Fetches an internal app's token.
    ///
    /// Units: 7200 s; a repeat within the validity returns the same token and extends it.
    /// Errors: `invalidClientIdOrSecret`, `invalid.client`, 40096 for a wrong key or secret.
    /// Source: see [`TokenCall`].
    pub(crate) async fn fetch_app_token(
        &self,
        app: &AppCredentials,
    ) -> Result<GrantedToken, CallFailure> {
        let here = &self.0;
        let answer = match app.token_call {
            TokenCall::AccessToken => {
                let url = here.endpoints.api(&["v1.0", "oauth2", "accessToken"]);
                let body = serde_json::json!({
                    "appKey": &*app.app_key, "appSecret": app.app_secret.expose(),
                });
                self.send("accessToken", here.http.post(url).json(&body))
                    .await?
                    .check(Host::New)?
            }
            TokenCall::CorpToken => {
                let url = here
                    .endpoints
                    .api(&["v1.0", "oauth2", &app.corp_id, "token"]);
                let body = serde_json::json!({
                    "client_id": &*app.app_key,
                    "client_secret": app.app_secret.expose(),
                    "grant_type": "client_credentials",
                });
                self.send("corp token", here.http.post(url).json(&body))
                    .await?
                    .check(Host::New)?
            }
            TokenCall::GetToken => {
                let mut url = here.endpoints.oapi(&["gettoken"]);
                url.query_pairs_mut()
                    .append_pair("appkey", &app.app_key)
                    .append_pair("appsecret", app.app_secret.expose());
                self.send("gettoken", here.http.get(url))
                    .await?
                    .check(Host::Old)?
            }
        };
        let granted: TokenAnswer = answer.read()?;
        let value = granted
            .access_token
            .or(granted.access_token_snake)
            .unwrap_or_default();
        if value.is_empty() {
            return Err(answer.unexpected("no token in it").into());
        }
        let lifetime = [
            granted.expire_in,
            granted.expires_in,
            granted.expires_in_camel,
        ];
        Ok(GrantedToken {
            value: Secret::new(value),
            lifetime: field::lifetime_of(lifetime.into_iter().flatten().next().as_ref()),
        })
    }

    /// Trades a silent-login code for the employee it stands for.
    ///
    /// Shape: `code` → `{"errcode": 0, "result": {"userid": "…", "unionid": "…", "name": "…", "sys": true, "sys_level": 1}}`.
    /// Units: a code lives five minutes and works once.
    /// Errors: 40078 for a code that is unknown, used, expired or of another kind.
    /// Source: <https://open.dingtalk.com/document/development/obtain-the-userid-of-a-user-by-using-the-log-free>.
    pub(crate) async fn fetch_employee(
        &self,
        token: &Secret,
        code: &Secret,
    ) -> Result<Employee, CallFailure> {
        let answer = self
            .topapi(
                "getuserinfo",
                &["topapi", "v2", "user", "getuserinfo"],
                token,
                ("code", code.expose()),
            )
            .await?;
        let EmployeeAnswer {
            result: Object(result),
        } = answer.read()?;
        let employee = Employee {
            union_id: result.unionid.filter(|id| !id.is_empty()),
            name: result.name.filter(|name| !name.is_empty()),
            is_admin: field::flag(result.sys.as_ref()) == Some(true),
            sys_level: field::whole(result.sys_level.as_ref()).unwrap_or(0),
            ..Employee::new(result.userid)
        };
        if !employee.is_usable() {
            return Err(answer
                .unexpected("no usable userid or unionid in it")
                .into());
        }
        Ok(employee)
    }

    /// Fetches what DingTalk knows about a person.
    ///
    /// Errors: 60121 not in the corp, 50002 outside the app's range, 60011 permission `qyapi_get_member` missing.
    /// Source: <https://open.dingtalk.com/document/development/query-user-details>.
    pub(crate) async fn fetch_user(
        &self,
        token: &Secret,
        user_id: &str,
    ) -> Result<UserDetails, CallFailure> {
        let answer = self
            .topapi(
                "user/get",
                &["topapi", "v2", "user", "get"],
                token,
                ("userid", user_id),
            )
            .await?;
        let UserAnswer { result } = answer.read()?;
        let details = UserDetails::read(result)
            .ok_or_else(|| answer.unexpected("its result is not an object"))?;
        if details.user_id() != Some(user_id) {
            return Err(answer.unexpected("it is about another person").into());
        }
        Ok(details)
    }

    /// Token and parameter travel in the form body: the old host reads both there, and a URL would show them to every proxy.
    async fn topapi(
        &self,
        during: &'static str,
        path: &[&str],
        token: &Secret,
        (name, value): (&str, &str),
    ) -> Result<Answer, CallFailure> {
        let url = self.0.endpoints.oapi(path);
        let form = [("access_token", token.expose()), (name, value)];
        Ok(self
            .send(during, self.0.http.post(url).form(&form))
            .await?
            .check(Host::Old)?)
    }

    async fn send(
        &self,
        during: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, CallFailure> {
        self.check_open(during)?;
        let answer = self
            .0
            .time
            .within(
                self.0.attempt,
                Answer::receive(during, request.header("accept", "application/json")),
            )
            .await
            .unwrap_or_else(|| {
                Err(CallFailure {
                    error: Error::unavailable(during, Outage::TimedOut),
                    may_have_run: true,
                })
            })?;
        if let Some(minutes) = answer.block() {
            let span = Duration::from_secs(60 * minutes);
            *self
                .0
                .blocked
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some((self.0.time.moment(), span));
            tracing::error!(
                during,
                minutes,
                "DingTalk has blocked this address: no calls until that is over"
            );
            return Err(blocked(during, span).into());
        }
        Ok(answer)
    }

    /// Fails while DingTalk blocks this address.
    pub(crate) fn check_open(&self, during: &'static str) -> Result<(), Error> {
        match self.blocked_for() {
            Some(left) => Err(blocked(during, left)),
            None => Ok(()),
        }
    }

    fn blocked_for(&self) -> Option<Duration> {
        let mut blocked = self
            .0
            .blocked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (since, span) = (*blocked)?;
        let left = span.saturating_sub(since.run(self.0.time.moment()));
        if left.is_zero() {
            *blocked = None;
            return None;
        }
        Some(left)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Api").field(&self.0.endpoints).finish()
    }
}

/// A refusal is definite: DingTalk answered before it carried anything out, or said what it did.
impl From<Error> for CallFailure {
    fn from(error: Error) -> Self {
        Self {
            error,
            may_have_run: false,
        }
    }
}

fn blocked(during: &'static str, left: Duration) -> Error {
    Error::Unavailable {
        during,
        reason: Outage::Blocked,
        retry_after: Some(left),
        source: None,
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(rename = "accessToken")]
    access_token: Option<String>,
    #[serde(rename = "access_token")]
    access_token_snake: Option<String>,
    #[serde(rename = "expireIn")]
    expire_in: Option<Value>,
    expires_in: Option<Value>,
    #[serde(rename = "expiresIn")]
    expires_in_camel: Option<Value>,
}

#[derive(Deserialize)]
struct EmployeeAnswer {
    result: Object<EmployeeResult>,
}

#[derive(Deserialize)]
struct EmployeeResult {
    userid: String,
    unionid: Option<String>,
    name: Option<String>,
    sys: Option<Value>,
    sys_level: Option<Value>,
}

#[derive(Deserialize)]
struct UserAnswer {
    result: Value,
}
