//! Settings: what is given, what is the default, and what cannot work.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::DingTalk;
use crate::api::{Api, CallLimits};
use crate::clock::{Clock, SystemClock, Time};
use crate::endpoint::{Endpoints, Region};
use crate::error::setting::ConfigError;
use crate::inbound::origin::PublicOrigin;
use crate::inbound::request::{CorpOf, CorpRequest, Corps};
use crate::login::app::App;
use crate::login::exchange::{LoginDenied, Logins, NewLogin, OnLogin};
use crate::login::{Details, InternalApp};
use crate::random;
use crate::session::cookie::Jar;
use crate::session::key::SessionKey;
use crate::session::revocation::Revocations;
use crate::session::{SessionLimits, Sessions};
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
    allow_plain_http: bool,
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    details: Details,
    on_login: Option<Box<OnLogin>>,
    corp_query_names: Vec<String>,
    corp_of: Option<Box<CorpOf>>,
    silent_session: SessionLimits,
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
            allow_plain_http: false,
            store: None,
            clock: Arc::new(SystemClock::new()),
            details: Details::default(),
            on_login: None,
            corp_query_names: ["corpid", "corpId"].map(str::to_owned).into(),
            corp_of: None,
            silent_session: SessionLimits::SILENT,
            connect_limit: Duration::from_secs(3),
            attempt_limit: Duration::from_secs(5),
            login_limit: Duration::from_secs(10),
            calls_per_second: 20,
        }
    }

    /// Reads the settings of one internal app from the environment: `DINGTALK_PUBLIC_ORIGIN`, `DINGTALK_CORP_ID`,
    /// `DINGTALK_APP_KEY`, `DINGTALK_APP_SECRET`, `DINGTALK_SESSION_KEY`, and where DingTalk is: `DINGTALK_REGION` (`china`,
    /// the default, or `international`) or `DINGTALK_ENDPOINT` (a URL).
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = |variable| read(variable).filter(|value| !value.is_empty());
        let required = |setting, variable| {
            given(variable).ok_or_else(|| ConfigError::missing(setting, variable))
        };
        let app = InternalApp::new(
            required("corp_id", "DINGTALK_CORP_ID")?,
            required("app_key", "DINGTALK_APP_KEY")?,
            required("app_secret", "DINGTALK_APP_SECRET")?,
        );
        let builder = Self::new()
            .public_origin(required("public_origin", "DINGTALK_PUBLIC_ORIGIN")?)
            .session_key(SessionKey::parse(&required(
                "session_key",
                "DINGTALK_SESSION_KEY",
            )?)?)
            .internal_app(app);
        match (given("DINGTALK_ENDPOINT"), given("DINGTALK_REGION")) {
            (Some(_), Some(_)) => {
                let why = "DINGTALK_REGION is set too: set one of the two";
                Err(ConfigError::invalid("endpoint", "DINGTALK_ENDPOINT", why))
            }
            (Some(endpoint), None) => Ok(builder.endpoint(&endpoint)),
            (None, None) => Ok(builder),
            (None, Some(region)) => match region.as_str() {
                "china" => Ok(builder.region(Region::China)),
                "international" => Ok(builder.region(Region::International)),
                _ => Err(ConfigError::invalid(
                    "region",
                    "DINGTALK_REGION",
                    "it is neither `china` nor `international`",
                )),
            },
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

    /// DingTalk's calls per second for one app at one API, as far as this instance may use them. Default: 20, DingTalk's limit
    /// for a standard organisation.
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
        check_limits(&[
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
        let SessionLimits { idle, absolute } = self.silent_session;
        check_limits(&[("silent_session", idle), ("silent_session", absolute)])?;
        if idle > absolute {
            return Err(ConfigError::invalid(
                "silent_session",
                "",
                "its idle limit is longer than its absolute limit",
            ));
        }
        if !(1..=10_000).contains(&self.calls_per_second) {
            return Err(ConfigError::invalid(
                "calls_per_second",
                "",
                "it must be between 1 and 10000",
            ));
        }
        let base_path = base_path(&self.base_path, &self.name)?;
        let time = Time::new(Arc::clone(&self.clock));
        let limits = CallLimits {
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
        let api = Api::new(endpoints, limits, time.clone()).map_err(|error| {
            let why = format!("no HTTP client can be made: {}", error.without_url());
            ConfigError::invalid("endpoint", "DINGTALK_ENDPOINT", why)
        })?;
        let mut apps = HashMap::new();
        for app in self.internal_apps {
            app.check()?;
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
        let jar = Jar::new(
            origin.as_str(),
            &self.name,
            origin.is_https() || !self.allow_plain_http,
        );
        let is_shared = self.store.is_some();
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(MemoryStore::with_clock(self.clock)));
        let revocations = Revocations::new(
            Arc::clone(&store),
            is_shared,
            jar.session(),
            absolute,
            time.clone(),
        );
        let sessions = Arc::new(Sessions::new(
            jar,
            &self.name,
            &keys,
            self.silent_session,
            revocations,
            time.clone(),
        )?);
        let logins = Arc::new(Logins {
            time,
            api,
            store,
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

fn base_path(base: &str, name: &str) -> Result<String, ConfigError> {
    let is_name = |name: &str| {
        name.len() <= 32
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_name(name) {
        return Err(ConfigError::invalid(
            "name",
            "",
            "only lower-case letters, digits and `-`, at most 32",
        ));
    }
    let segments: Vec<&str> = base.split('/').skip(1).collect();
    let is_segment = |segment: &&str| {
        !segment.is_empty()
            && *segment != "."
            && *segment != ".."
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    if !base.starts_with('/') || base.len() > 128 || !segments.iter().all(is_segment) {
        return Err(ConfigError::invalid(
            "base_path",
            "",
            "it must be a path such as /dingtalk, without a slash at its end",
        ));
    }
    Ok(if name.is_empty() {
        base.to_owned()
    } else {
        format!("{base}/{name}")
    })
}

fn check_limits(limits: &[(&'static str, Duration)]) -> Result<(), ConfigError> {
    for (setting, limit) in limits {
        if limit.is_zero() || *limit > LONGEST_LIMIT {
            return Err(ConfigError::invalid(
                setting,
                "",
                "it must be more than nothing and at most a year",
            ));
        }
    }
    Ok(())
}

const HAS_TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));
const LONGEST_LIMIT: Duration = Duration::from_secs(366 * 86_400);
#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_environment_is_read_and_its_faults_are_named() {
        let key = SessionKeyText::new();
        let full = [
            ("DINGTALK_PUBLIC_ORIGIN", "https://hr.example.com"),
            ("DINGTALK_CORP_ID", "ding0a1b"),
            ("DINGTALK_APP_KEY", "dingkey"),
            ("DINGTALK_APP_SECRET", "secret"),
            ("DINGTALK_SESSION_KEY", &key.0),
        ];
        let read = |changes: &[(&'static str, &'static str)]| {
            let mut all: HashMap<&str, &str> = full.into_iter().collect();
            all.extend(changes.iter().copied());
            DingTalkBuilder::from_variables(|name| all.get(name).map(|value| (*value).to_owned()))
                .and_then(DingTalkBuilder::build)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]), Ok(()));
        assert_eq!(read(&[("DINGTALK_REGION", "international")]), Ok(()));
        assert_eq!(
            read(&[("DINGTALK_ENDPOINT", "http://127.0.0.1:7070")]),
            Ok(())
        );
        for (variable, _) in full {
            assert!(read(&[(variable, "")]).unwrap_err().contains(variable));
        }
        assert!(
            read(&[("DINGTALK_REGION", "moon")])
                .unwrap_err()
                .contains("DINGTALK_REGION")
        );
        let both = [
            ("DINGTALK_REGION", "china"),
            ("DINGTALK_ENDPOINT", "http://127.0.0.1:7070"),
        ];
        assert!(read(&both).unwrap_err().contains("one of the two"));
        assert!(
            read(&[("DINGTALK_ENDPOINT", "oapi.dingtalk.com")])
                .unwrap_err()
                .contains("DINGTALK_ENDPOINT")
        );
    }

    struct SessionKeyText(String);

    impl SessionKeyText {
        fn new() -> Self {
            Self((0..32).map(|byte| format!("{byte:02x}")).collect())
        }
    }
}
