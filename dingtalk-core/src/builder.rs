//! Settings: what is given, what is the default, and what cannot work.

mod check;
mod environment;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::DingTalk;
use crate::api::{Api, CallLimits};
use crate::clock::{Clock, SystemClock, Time};
use crate::endpoint::{Endpoints, Region, script_address};
use crate::error::setting::ConfigError;
use crate::inbound::origin::PublicOrigin;
use crate::inbound::request::{CorpOf, CorpRequest, Corps};
use crate::login::app::App;
use crate::login::exchange::{LoginDenied, Logins, NewLogin, OnLogin};
use crate::login::user_token::UserTokens;
use crate::login::user_token::kept::KeptTokens;
use crate::login::{Details, InternalApp};
use crate::pace::Pace;
use crate::random;
use crate::session::cookie::Jar;
use crate::session::key::SessionKey;
use crate::session::revocation::Revocations;
use crate::session::seal::{Purpose, Sealer};
use crate::session::state::States;
use crate::session::{Limits, SessionLimits, Sessions};
use crate::store::once::Once;
use crate::store::{BoxError, MemoryStore, Store};
use crate::user::Claims;

/// The handle's shared inside.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) origin: PublicOrigin,
    pub(crate) base_path: String,
    pub(crate) corps: Corps,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) logins: Arc<Logins>,
    pub(crate) states: States,
    /// The turns of callbacks in a browser that began its sign-in.
    pub(crate) callbacks: Pace,
    /// Origins of other sites that may frame our pages.
    pub(crate) framed_by: Vec<String>,
    pub(crate) jsapi_script: String,
    pub(crate) verify_on_open: bool,
    /// This process, in the marks it gives to browsers.
    pub(crate) instance: String,
    pub(crate) was_own_path_reached: AtomicBool,
    pub(crate) was_visitor_refused: AtomicBool,
}

/// Collects the settings of a [`DingTalk`].
#[must_use]
pub struct DingTalkBuilder {
    public_origin: String,
    internal_apps: Vec<InternalApp>,
    session_key: Option<SessionKey>,
    endpoints: Result<Endpoints, ConfigError>,
    name: String,
    base_path: String,
    trusted_origins: Vec<String>,
    framed_by: Vec<String>,
    allow_plain_http: bool,
    jsapi_script: String,
    verify_on_open: bool,
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    details: Details,
    on_login: Option<Box<OnLogin>>,
    corp_query_names: Vec<String>,
    corp_of: Option<Box<CorpOf>>,
    silent_session: SessionLimits,
    web_session: SessionLimits,
    connect_limit: Duration,
    attempt_limit: Duration,
    login_limit: Duration,
    calls_per_second: usize,
}

impl DingTalkBuilder {
    pub(crate) fn new() -> Self {
        Self {
            public_origin: String::new(),
            internal_apps: Vec::new(),
            session_key: None,
            endpoints: Ok(Region::default().into()),
            name: String::new(),
            base_path: "/dingtalk".to_owned(),
            trusted_origins: Vec::new(),
            framed_by: Vec::new(),
            allow_plain_http: false,
            jsapi_script: JSAPI_SCRIPT.to_owned(),
            verify_on_open: false,
            store: None,
            clock: Arc::new(SystemClock::new()),
            details: Details::default(),
            on_login: None,
            corp_query_names: ["corpid", "corpId"].map(str::to_owned).into(),
            corp_of: None,
            silent_session: SessionLimits::SILENT,
            web_session: SessionLimits::WEB,
            connect_limit: Duration::from_secs(3),
            attempt_limit: Duration::from_secs(5),
            login_limit: Duration::from_secs(10),
            calls_per_second: 20,
        }
    }

    /// Where browsers see the app: `https://hr.example.com`, with a path if a proxy serves it under one. Required. It stands in
    /// every URL we emit; no header is trusted for it.
    pub fn public_origin(mut self, origin: impl Into<String>) -> Self {
        self.public_origin = origin.into();
        self
    }

    /// An internal app: one per corp, at least one in all.
    pub fn internal_app(mut self, app: InternalApp) -> Self {
        self.internal_apps.push(app);
        self
    }

    /// The keys that sessions are sealed with. Required.
    pub fn session_key(mut self, key: SessionKey) -> Self {
        self.session_key = Some(key);
        self
    }

    /// DingTalk's region. Default: [`Region::China`].
    pub fn region(mut self, region: Region) -> Self {
        self.endpoints = Ok(region.into());
        self
    }

    /// One address for all of DingTalk, in place of a region: a sandbox, a proxy, a private deployment.
    pub fn endpoint(mut self, address: &str) -> Self {
        self.endpoints = Endpoints::one(address);
        self
    }

    /// The addresses of DingTalk's APIs one by one, in place of a region.
    pub fn endpoints(mut self, endpoints: Endpoints) -> Self {
        self.endpoints = Ok(endpoints);
        self
    }

    /// Tells this handle from others on the same origin: it is in the paths, the cookies' names and the sealed data. Lower-case
    /// letters, digits and `-`, at most 32. Default: none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Where our own paths are; a handle's name comes behind it. Default: `/dingtalk`.
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// Another origin whose pages may post logins and logouts and read the replies, such as `https://spa.example.com`. It must
    /// be of the same site, or browsers keep the cookies back. Default: none.
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Other sites that may show the app in a frame, by origin, such as `https://portal.example.com`. They go into the
    /// `frame-ancestors` of our own pages (yours are yours to allow), and our cookies become `SameSite=None; Secure; Partitioned`:
    /// each site that frames the app has a sign-in of its own. Default: none; a page load in a foreign frame gets a page that
    /// names this setting.
    ///
    /// Such cookies come with other sites' forms too, which `SameSite=Lax` keeps them from: have your own routes that change
    /// something look at `Sec-Fetch-Site` or `Origin`, or ask for a token. Ours do. Chrome 51 to 66, and web views made of it,
    /// refuse such cookies everywhere.
    pub fn framed_by(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.framed_by = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The address of DingTalk's JSAPI script, which the silent-login page loads: `https`, or `http` on loopback, as a sandbox has
    /// one. Default: DingTalk's own, version 3.1.0.
    ///
    /// Source: <https://open.dingtalk.com/document/development/jsapi-request-auth-code>.
    pub fn jsapi_script(mut self, address: impl Into<String>) -> Self {
        self.jsapi_script = address.into();
        self
    }

    /// Whether a page load from the workbench (one whose `corpid` DingTalk filled in) signs in again, at most once in ten
    /// minutes: so that somebody who switches accounts in DingTalk does not meet the session of the account before. Costs a login
    /// each time. Default: no.
    pub fn verify_on_open(mut self, verify: bool) -> Self {
        self.verify_on_open = verify;
        self
    }

    /// Lets a public origin be plain `http` outside loopback; cookies lose `Secure` and their `__Host-` prefix, and anybody on
    /// the way can take a session. Default: not allowed.
    pub fn allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// A store that all instances share. Default: a [`MemoryStore`], right for one instance.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Where time comes from. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Whether a login asks for the person's details. Default: [`Details::Required`].
    pub fn details(mut self, details: Details) -> Self {
        self.details = details;
        self
    }

    /// Runs once at each login, with everything DingTalk told: add claims, map the person to an account, or refuse. It shares
    /// the login's time limit. Default: everybody comes in.
    pub fn on_login<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(NewLogin) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Claims, LoginDenied>> + Send + 'static,
    {
        self.on_login = Some(Box::new(move |login| Box::pin(hook(login))));
        self
    }

    /// The query parameters that name a corp. Default: `corpid` and `corpId`.
    pub fn corp_query_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.corp_query_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Names the corp of a request that carries neither header nor query for it, for apps with a host or path per corp.
    /// `Ok(None)` leaves it open; an error is answered with 503. Default: none.
    pub fn corp_of<F>(mut self, corp_of: F) -> Self
    where
        F: Fn(CorpRequest<'_>) -> Result<Option<String>, BoxError> + Send + Sync + 'static,
    {
        self.corp_of = Some(Box::new(corp_of));
        self
    }

    /// How long sessions from silent logins last. Default: idle 2 hours, absolute 12 hours; their cookie ends with the client.
    pub fn silent_session(mut self, limits: SessionLimits) -> Self {
        self.silent_session = limits;
        self
    }

    /// How long sessions from web sign-in last. Default: idle 24 hours, absolute 7 days; their cookie outlives the browser.
    pub fn web_session(mut self, limits: SessionLimits) -> Self {
        self.web_session = limits;
        self
    }

    /// How long connecting to DingTalk may take. Default: 3 seconds.
    pub fn connect_limit(mut self, limit: Duration) -> Self {
        self.connect_limit = limit;
        self
    }

    /// How long one call of DingTalk's may take; its own gateway gives up after about 3 seconds. Default: 5 seconds.
    pub fn attempt_limit(mut self, limit: Duration) -> Self {
        self.attempt_limit = limit;
        self
    }

    /// How long a whole login may take. A code that cannot be sent within half of it is not sent at all. Default: 10 seconds.
    pub fn login_limit(mut self, limit: Duration) -> Self {
        self.login_limit = limit;
        self
    }

    /// DingTalk's calls per second for one app at one API, as far as this instance may use them; where an app
    /// [keeps user tokens](crate::WebSignIn::keep_user_token), a quarter of those at `userAccessToken` is for renewals only, and with
    /// 1 there is none to spare. Default: 20, DingTalk's limit for a standard organisation.
    pub fn calls_per_second(mut self, calls: usize) -> Self {
        self.calls_per_second = calls;
        self
    }

    /// Checks everything and makes the handle. Calls nobody.
    pub fn build(self) -> Result<DingTalk, ConfigError> {
        if self.public_origin.is_empty() {
            return Err(ConfigError::missing(
                "public_origin",
                "DINGTALK_PUBLIC_ORIGIN",
            ));
        }
        let origin = PublicOrigin::parse(
            &self.public_origin,
            &self.trusted_origins,
            self.allow_plain_http,
        )?;
        let keys = self
            .session_key
            .ok_or_else(|| ConfigError::missing("session_key", "DINGTALK_SESSION_KEY"))?;
        if self.internal_apps.is_empty() {
            return Err(ConfigError::missing("internal_app", "DINGTALK_APP_KEY"));
        }
        check::limits(&[
            ("connect_limit", self.connect_limit),
            ("attempt_limit", self.attempt_limit),
            ("login_limit", self.login_limit),
        ])?;
        if self.attempt_limit > self.login_limit {
            return Err(ConfigError::invalid(
                "attempt_limit",
                "",
                "it is longer than login_limit",
            ));
        }
        for (setting, SessionLimits { idle, absolute }) in [
            ("silent_session", self.silent_session),
            ("web_session", self.web_session),
        ] {
            check::limits(&[(setting, idle), (setting, absolute)])?;
            if idle > absolute {
                return Err(ConfigError::invalid(
                    setting,
                    "",
                    "its idle limit is longer than its absolute limit",
                ));
            }
        }
        let limits = Limits {
            silent: self.silent_session,
            web: self.web_session,
        };
        if !(1..=10_000).contains(&self.calls_per_second) {
            return Err(ConfigError::invalid(
                "calls_per_second",
                "",
                "it must be between 1 and 10000",
            ));
        }
        let base_path = check::base_path(&self.base_path, &self.name)?;
        let time = Time::new(Arc::clone(&self.clock));
        let call_limits = CallLimits {
            connect: self.connect_limit,
            attempt: self.attempt_limit,
        };
        let endpoints = self.endpoints?;
        if endpoints.needs_tls() && !HAS_TLS {
            // Not an error: another crate may have turned it on in the HTTP client that we share.
            tracing::warn!(
                "DingTalk's address is https and this build may have no TLS: turn on the feature `rustls` or `native-tls`"
            );
        }
        let has_web = self
            .internal_apps
            .iter()
            .any(|app| app.web_sign_in.is_some() || app.legacy_sign_in.is_some());
        if endpoints.is_international() && has_web {
            tracing::warn!(
                "web sign-in on DingTalk's international site: its documentation has the sign-in page and the user token, and does not \
                 mention the older pages, nor `topapi/user/getbyunionid`, which says who is a member; try it with an account of yours"
            );
        }
        let callbacks = Pace::new(time.clone(), CALLBACKS_PER_SECOND);
        let api = Api::new(endpoints, call_limits, time.clone()).map_err(|error| {
            let why = format!("no HTTP client can be made: {}", error.without_url());
            ConfigError::invalid("endpoint", "DINGTALK_ENDPOINT", why)
        })?;
        let mut apps = BTreeMap::new();
        for app in self.internal_apps {
            app.check(api.endpoints())?;
            let app = App::run(app, &api, &time, self.login_limit, self.calls_per_second);
            if let Some(twice) = apps.insert(Arc::clone(&app.corp_id), Arc::new(app)) {
                let why = format!(
                    "the corp {} has two apps: two apps are two handles with a name each",
                    twice.corp_id
                );
                return Err(ConfigError::invalid(
                    "internal_app",
                    "DINGTALK_CORP_ID",
                    why,
                ));
            }
        }
        let is_secure = origin.is_https() || !self.allow_plain_http;
        let framed_by = check::framed_by(&self.framed_by, is_secure)?;
        let jsapi_script =
            script_address("jsapi_script", "DINGTALK_JSAPI_SCRIPT", &self.jsapi_script)?;
        let jar = Jar::new(
            origin.as_str(),
            &self.name,
            is_secure,
            !framed_by.is_empty(),
        );
        let states = States::new(&keys, &jar, &self.name, time.clone())?;
        let user_token_sealer = Sealer::new(&keys, Purpose::UserToken, jar.session(), &self.name)?;
        let is_shared = self.store.is_some();
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(MemoryStore::with_clock(self.clock)));
        let revocations = Revocations::new(
            Arc::clone(&store),
            is_shared,
            jar.session(),
            limits.longest(),
            time.clone(),
        );
        let sessions = Arc::new(Sessions::new(
            jar,
            &self.name,
            &keys,
            limits,
            revocations,
            time.clone(),
        )?);
        let once = Once::new(Arc::clone(&store), time.clone());
        let keeps_user_tokens = apps.values().any(|app: &Arc<App>| app.keeps_user_token());
        let user_tokens = keeps_user_tokens.then(|| {
            Arc::new(UserTokens {
                time: time.clone(),
                api: api.clone(),
                kept: KeptTokens {
                    time: time.clone(),
                    store,
                    sealer: user_token_sealer,
                },
                once: once.clone(),
                limit: self.login_limit,
                session_life: self.web_session.absolute,
                renewals: Mutex::default(),
            })
        });
        let logins = Arc::new(Logins {
            time,
            api,
            once,
            user_tokens,
            sessions: Arc::clone(&sessions),
            details: self.details,
            limit: self.login_limit,
            on_login: self.on_login,
            recent: Mutex::default(),
        });
        let instance = random::bytes::<8>().map_err(|_| {
            ConfigError::invalid(
                "session_key",
                "DINGTALK_SESSION_KEY",
                "the operating system gave no random bytes",
            )
        })?;
        Ok(DingTalk(Arc::new(Inner {
            origin,
            base_path,
            corps: Corps {
                apps,
                query_names: self.corp_query_names,
                corp_of: self.corp_of,
            },
            sessions,
            logins,
            states,
            callbacks,
            framed_by,
            jsapi_script,
            verify_on_open: self.verify_on_open,
            instance: format!("{:016x}", u64::from_be_bytes(instance)),
            was_own_path_reached: AtomicBool::new(false),
            was_visitor_refused: AtomicBool::new(false),
        })))
    }
}

impl fmt::Debug for DingTalkBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DingTalkBuilder")
            .field("public_origin", &self.public_origin)
            .field("internal_apps", &self.internal_apps)
            .finish_non_exhaustive()
    }
}

/// A state is remembered for twelve minutes: these fill a third of a [`MemoryStore`]. The codes that DingTalk is asked about, twenty
/// a second of each kind, are remembered for ten and fill another. DingTalk lets far fewer people in.
const CALLBACKS_PER_SECOND: usize = 50;
const HAS_TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));
/// Source: <https://open.dingtalk.com/document/development/jsapi-request-auth-code>.
const JSAPI_SCRIPT: &str = "https://g.alicdn.com/dingding/dingtalk-jsapi/3.1.0/dingtalk.open.js";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::WebSignIn;

    fn builder() -> DingTalkBuilder {
        DingTalkBuilder::new()
            .public_origin("https://hr.example.com")
            .session_key(SessionKey::generate().unwrap())
            .internal_app(InternalApp::new("ding0a1b", "dingkey", "secret"))
    }

    fn refused(builder: DingTalkBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn what_may_not_work_is_warned_of_and_nothing_else_is() {
        let warned = |builder: DingTalkBuilder, of: &str| {
            let (reader, writer) = std::io::pipe().unwrap();
            let subscriber = tracing_subscriber::fmt().with_writer(std::sync::Mutex::new(writer));
            tracing::subscriber::with_default(subscriber.finish(), || builder.build().unwrap());
            std::io::read_to_string(reader).unwrap().contains(of)
        };
        assert_eq!(warned(builder().region(Region::China), "no TLS"), !HAS_TLS);
        assert!(!warned(builder().endpoint("http://127.0.0.1:7070"), "WARN"));
        // Of the international site's sign-in less is known.
        let web = || {
            let app = InternalApp::new("ding9", "dingkey", "secret");
            builder().internal_app(app.web_sign_in(WebSignIn::new()))
        };
        let site = "international site";
        assert!(warned(web().region(Region::International), site));
        assert!(!warned(web().region(Region::China), site));
        assert!(!warned(builder().region(Region::International), site));
    }

    #[test]
    fn a_setting_that_cannot_work_is_named_with_its_variable() {
        assert!(builder().build().is_ok());
        for (broken, setting) in [
            (DingTalkBuilder::new(), "public_origin"),
            (
                builder().public_origin("http://hr.example.com"),
                "DINGTALK_PUBLIC_ORIGIN",
            ),
            (
                builder().endpoint("http://proxy.example.com"),
                "DINGTALK_ENDPOINT",
            ),
            (
                builder().internal_app(InternalApp::new("ding0a1b", "other", "secret")),
                "two handles",
            ),
            (
                builder().internal_app(InternalApp::new("ding9", "", "secret")),
                "DINGTALK_APP_KEY",
            ),
            (
                builder().internal_app(InternalApp::new("ding9", "k", "")),
                "DINGTALK_APP_SECRET",
            ),
            (
                builder().internal_app(InternalApp::new("ding9", "k", " secret")),
                "DINGTALK_APP_SECRET",
            ),
            (builder().name("HR"), "name"),
            (builder().base_path("dingtalk"), "base_path"),
            (builder().base_path("/"), "base_path"),
            (builder().base_path("/a/../b"), "base_path"),
            (
                builder().trusted_origin("https://a.example.com/path"),
                "trusted_origin",
            ),
            (
                builder().trusted_origin("http://a.example.com"),
                "trusted_origin",
            ),
            (builder().login_limit(Duration::ZERO), "login_limit"),
            (
                builder().attempt_limit(Duration::from_secs(11)),
                "attempt_limit",
            ),
            (builder().calls_per_second(0), "calls_per_second"),
            (
                builder().framed_by(["https://portal.example.com/x"]),
                "framed_by",
            ),
            (builder().framed_by(["https://*"]), "framed_by"),
            (
                builder().framed_by(["https://a;b.example.com"]),
                "framed_by",
            ),
            (
                builder()
                    .public_origin("http://hr.internal")
                    .allow_plain_http()
                    .framed_by(["https://portal.example.com"]),
                "framed_by",
            ),
            (
                builder().jsapi_script("http://cdn.example.com/dd.js"),
                "jsapi_script",
            ),
            (
                builder().jsapi_script("javascript:alert(1)"),
                "jsapi_script",
            ),
            (
                builder().silent_session(SessionLimits::new(
                    Duration::from_secs(9),
                    Duration::from_secs(8),
                )),
                "silent_session",
            ),
        ] {
            let error = refused(broken);
            assert!(error.contains(setting), "{error} does not name {setting}");
            assert!(!error.contains("secret\""), "{error}");
        }
    }
}
