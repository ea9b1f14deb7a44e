//! What an app asks of the sign-in pages, and what is wrong with it.

use super::problem::Problem;
use crate::world::{App, Origin, SignInApp, World, is_registered};

/// A sign-in that an app may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) flow: Flow,
    /// `app_key`, or `appid` of the older pages.
    pub(super) app: String,
    pub(super) redirect_uri: String,
    /// Where messages of a frame go: the origin of `redirect_uri`.
    pub(super) origin: Origin,
    pub(super) state: Option<String>,
    /// Permissions the page names.
    pub(super) permissions: Vec<String>,
    /// Whether an organisation is to be told, and which ones can be.
    pub(super) corp: CorpChoice,
    pub(super) exclusive: Option<Exclusive>,
    pub(super) asks_consent: bool,
    pub(super) in_frame: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// QR code, or account and password.
    Web,
    /// The older pages have one way each; a frame of theirs hands out a `loginTmpCode`.
    LegacyQr,
    LegacyPassword,
    LegacyFrame,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CorpChoice {
    /// The scope had no `corpid`.
    Untold,
    AnyOfTheirs,
    /// `org_type=management`.
    Managed,
    /// `corpId`.
    This(String),
}

/// `exclusiveLogin`: only accounts that a company manages, or that this one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exclusive {
    pub(super) corp_id: Option<String>,
}

impl Flow {
    pub(super) fn has_qr(self) -> bool {
        self != Self::LegacyPassword
    }

    pub(super) fn has_password(self, in_frame: bool) -> bool {
        match self {
            Self::Web => !in_frame,
            Self::LegacyPassword => true,
            Self::LegacyQr | Self::LegacyFrame => false,
        }
    }

    pub(super) fn is_legacy(self) -> bool {
        self != Self::Web
    }
}

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(query: &str) -> Self {
        Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub(super) fn from<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(pairs.map(owned).to_vec())
    }

    /// A parameter that is there, once, and is not empty.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            return Err(Problem::parameter(name, "is given more than once"));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    fn required(&self, name: &str) -> Result<&str, Problem> {
        self.one(name)?
            .ok_or_else(|| Problem::parameter(name, "is missing"))
    }

    fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::parameter(name, "must be true or false")),
        }
    }

    fn response_type(&self) -> Result<(), Problem> {
        if self.required("response_type")? == "code" {
            return Ok(());
        }
        Err(Problem::parameter("response_type", "must be code"))
    }

    fn redirect(
        &self,
        registered: &[String],
        code: Option<u32>,
    ) -> Result<(String, Origin), Problem> {
        let wrong = |english: &str| Problem::parameter("redirect_uri", english).numbered(code);
        let url = self.required("redirect_uri")?;
        let origin = Origin::of(url).ok_or_else(|| {
            wrong("must be an absolute http or https URL without user name and fragment")
        })?;
        if !is_registered(registered, &origin) {
            return Err(wrong(
                "scheme, host and port must be those of a redirect URL the app has registered",
            ));
        }
        Ok((url.to_owned(), origin))
    }
}

impl Wanted {
    /// `/oauth2/auth`.
    /// Source: <https://open.dingtalk.com/document/development/obtain-identity-credentials>
    pub(super) fn web(world: &World, query: &Query) -> Result<Self, Problem> {
        let app = world.app(query.required("client_id")?).ok_or_else(|| {
            Problem::new(
                Some(900_103),
                "应用不存在，请检查client_id",
                "No app has this client_id",
            )
        })?;
        let (redirect_uri, origin) = query.redirect(&app.redirect_urls, None)?;
        query.response_type()?;
        let words = scope(app, query.required("scope")?)?;
        let asks_consent = query.required("prompt")? == "consent";
        let exclusive = exclusive(world, query)?;
        Ok(Self {
            flow: Flow::Web,
            app: app.app_key.clone(),
            redirect_uri,
            origin,
            state: query.one("state")?.map(str::to_owned),
            corp: corp_choice(world, query, words.contains(&"corpid"))?,
            permissions: permissions(app),
            exclusive,
            asks_consent,
            in_frame: query.flag("iframe")?,
        })
    }

    /// The older pages.
    /// Source: <https://open.dingtalk.com/document/development/scan-qr-code-to-log-on-to-third-party-websites>
    pub(super) fn legacy(world: &World, query: &Query, flow: Flow) -> Result<Self, Problem> {
        let app: &SignInApp = world
            .sign_in_app(query.required("appid")?)
            .ok_or_else(|| Problem::parameter("appid", "no app has this appid"))?;
        // The number is the old host's for this.
        let (redirect_uri, origin) = query.redirect(&app.redirect_urls, Some(50001))?;
        query.response_type()?;
        match (query.required("scope")?, flow) {
            ("snsapi_login", _) | ("snsapi_auth", Flow::LegacyPassword) => {}
            _ => return Err(Problem::parameter("scope", "must be snsapi_login")),
        }
        Ok(Self {
            flow,
            app: app.app_id.clone(),
            redirect_uri,
            origin,
            state: query.one("state")?.map(str::to_owned),
            permissions: Vec::new(),
            corp: CorpChoice::Untold,
            exclusive: None,
            asks_consent: false,
            in_frame: flow == Flow::LegacyFrame,
        })
    }

    /// The way back with these parameters, `state` after them. A query of the app's own stays.
    pub(super) fn back(&self, parameters: &[(&str, &str)]) -> String {
        let mut url = self.redirect_uri.clone();
        let state = self.state.as_deref().map(|state| ("state", state));
        for (name, value) in parameters.iter().copied().chain(state) {
            let joint = match url.split_once('?') {
                None => "?",
                Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
                Some(_) => "&",
            };
            url += joint;
            url += name;
            url += "=";
            url.extend(percent_encoding::utf8_percent_encode(value, PLAIN));
        }
        // A header is ASCII.
        percent_encoding::utf8_percent_encode(&url, percent_encoding::CONTROLS).to_string()
    }
}

fn scope<'a>(app: &App, text: &'a str) -> Result<Vec<&'a str>, Problem> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if !words.contains(&"openid") {
        return Err(Problem::parameter("scope", "must have openid in it"));
    }
    let known = |word: &&str| matches!(*word, "openid" | "corpid") || app.may(word);
    if !words.iter().all(known) {
        return Err(Problem::parameter(
            "scope",
            "besides openid and corpid only permissions that the app has",
        ));
    }
    Ok(words)
}

fn corp_choice(world: &World, query: &Query, told: bool) -> Result<CorpChoice, Problem> {
    let org_type = query.one("org_type")?;
    let corp_id = query.one("corpId")?;
    for (name, value) in [("org_type", org_type), ("corpId", corp_id)] {
        if value.is_some() && !told {
            return Err(Problem::parameter(name, "needs corpid in the scope"));
        }
    }
    match org_type {
        None | Some("management") => {}
        Some(_) => return Err(Problem::parameter("org_type", "must be management")),
    }
    if let Some(corp_id) = corp_id {
        if !world.corps.iter().any(|corp| corp.corp_id == corp_id) {
            return Err(Problem::parameter("corpId", "no organisation has this id"));
        }
        return Ok(CorpChoice::This(corp_id.to_owned()));
    }
    Ok(match (told, org_type) {
        (false, _) => CorpChoice::Untold,
        (true, None) => CorpChoice::AnyOfTheirs,
        (true, Some(_)) => CorpChoice::Managed,
    })
}

fn exclusive(world: &World, query: &Query) -> Result<Option<Exclusive>, Problem> {
    let corp_id = query.one("exclusiveCorpId")?;
    if !query.flag("exclusiveLogin")? {
        return match corp_id {
            None => Ok(None),
            Some(_) => Err(Problem::parameter(
                "exclusiveCorpId",
                "needs exclusiveLogin=true",
            )),
        };
    }
    let known = |id: &str| world.corps.iter().any(|corp| corp.corp_id == id);
    if corp_id.is_some_and(|id| !known(id)) {
        return Err(Problem::parameter(
            "exclusiveCorpId",
            "no organisation has this id",
        ));
    }
    Ok(Some(Exclusive {
        corp_id: corp_id.map(str::to_owned),
    }))
}

/// The permissions of the app that are about a person's own data.
fn permissions(app: &App) -> Vec<String> {
    let about_oneself = |code: &&String| code.starts_with("Contact.User.");
    app.permissions
        .iter()
        .filter(about_oneself)
        .cloned()
        .collect()
}

/// What stays as it is in a query's value.
const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::{super::language::Language, *};

    const GOOD: &str = "client_id=dinghr0000000000001&redirect_uri=http%3A%2F%2F127.0.0.1%3A7081%2Fcb%3Fx%3D1\
                        &response_type=code&scope=openid%20corpid&prompt=consent&state=s";

    impl Wanted {
        /// What the HR app of the built-in world asks for, with these parameters in the place of its own.
        pub(in crate::signin) fn of_hr(world: &World, change: &str) -> Result<Self, Problem> {
            let mut pairs: Vec<(String, String)> = Query::of(GOOD).0;
            for (name, value) in Query::of(change).0 {
                pairs.retain(|(other, _)| *other != name);
                pairs.push((name, value));
            }
            Self::web(world, &Query(pairs))
        }
    }

    fn web(change: &str) -> Result<Wanted, String> {
        Wanted::of_hr(&World::default(), change)
            .map_err(|problem| problem.text(Language::English).to_owned())
    }

    #[test]
    fn each_wrong_parameter_is_named() {
        for (change, expected) in [
            ("client_id=", "client_id: is missing"),
            ("client_id=dingoafrontdesk0001", "No app has this client_id"),
            ("redirect_uri=", "redirect_uri: is missing"),
            ("redirect_uri=/cb", "redirect_uri: must be an absolute"),
            (
                "redirect_uri=http://evil.example/cb",
                "redirect_uri: scheme, host and port",
            ),
            ("response_type=token", "response_type: must be code"),
            ("response_type=", "response_type: is missing"),
            ("scope=", "scope: is missing"),
            ("scope=corpid", "scope: must have openid"),
            ("scope=openid+mail", "scope: besides openid"),
            ("prompt=", "prompt: is missing"),
            ("org_type=family", "org_type: must be management"),
            ("org_type=management&scope=openid", "org_type: needs corpid"),
            (
                "corpId=ding0a1b2c3d4e5f6a7b&scope=openid",
                "corpId: needs corpid",
            ),
            ("corpId=dingx", "corpId: no organisation"),
            (
                "exclusiveLogin=yes",
                "exclusiveLogin: must be true or false",
            ),
            (
                "exclusiveCorpId=ding0a1b2c3d4e5f6a7b",
                "exclusiveCorpId: needs",
            ),
            (
                "exclusiveLogin=true&exclusiveCorpId=dingx",
                "exclusiveCorpId: no organisation",
            ),
            ("iframe=1", "iframe: must be true or false"),
        ] {
            let error = web(change).unwrap_err();
            assert!(error.starts_with(expected), "{change}: {error}");
        }
        let twice = Query::of(&format!("{GOOD}&state=t"));
        let error = Wanted::web(&World::default(), &twice).unwrap_err();
        assert_eq!(
            error.text(Language::English),
            "state: is given more than once"
        );
    }

    #[test]
    fn what_is_good_is_understood() {
        let wanted = web("").unwrap();
        assert_eq!(wanted.corp, CorpChoice::AnyOfTheirs);
        assert!(wanted.asks_consent && !wanted.in_frame);
        assert_eq!(web("scope=openid").unwrap().corp, CorpChoice::Untold);
        assert_eq!(
            web("org_type=management").unwrap().corp,
            CorpChoice::Managed
        );
        let corp_id = "ding9f8e7d6c5b4a3f2e";
        let wanted = web(&format!("org_type=management&corpId={corp_id}")).unwrap();
        assert_eq!(wanted.corp, CorpChoice::This(corp_id.to_owned()));
        assert!(!web("prompt=none").unwrap().asks_consent);
        assert!(web("scope=openid+Contact.User.Read").is_ok());
        assert!(web("iframe=true").unwrap().in_frame);
        let wanted = web("exclusiveLogin=true").unwrap();
        assert_eq!(wanted.exclusive, Some(Exclusive { corp_id: None }));
    }

    #[test]
    fn the_way_back_keeps_the_apps_query_and_the_state() {
        let back = |redirect: &str, state: Option<&str>| {
            Wanted {
                redirect_uri: redirect.to_owned(),
                state: state.map(str::to_owned),
                ..web("").unwrap()
            }
            .back(&[("code", "c"), ("authCode", "c")])
        };
        assert_eq!(back("http://a/cb", None), "http://a/cb?code=c&authCode=c");
        assert_eq!(
            back("http://a/cb?x=1", Some("a b+&=%/中")),
            "http://a/cb?x=1&code=c&authCode=c&state=a%20b%2B%26%3D%25%2F%E4%B8%AD"
        );
        assert_eq!(back("http://a/cb?", None), "http://a/cb?code=c&authCode=c");
        assert_eq!(
            back("http://a/路", None),
            "http://a/%E8%B7%AF?code=c&authCode=c"
        );
    }
}
