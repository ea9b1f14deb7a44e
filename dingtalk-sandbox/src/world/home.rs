//! Where an app is, and the address at which the DingTalk client opens it.

use std::borrow::Cow;

use form_urlencoded::byte_serialize;

use super::{App, redirect::Origin};

impl App {
    /// Where its home page is. `None` when it has none.
    pub(crate) fn home(&self) -> Option<Address<'_>> {
        Address::parse(&self.home_url)
    }

    /// The path that starts a silent login: the app's own setting, or where the `dingtalk-axum` and `dingtalk-actix` crates have it.
    pub(crate) fn login_address(&self) -> Option<String> {
        match &self.login_url {
            Some(url) => Some(url.clone()),
            None => Some(format!("{}/dingtalk/login", self.home()?.origin())),
        }
    }

    /// The origins its pages come from.
    pub(crate) fn origins(&self) -> Vec<String> {
        let login = self.login_url.as_deref().and_then(Address::parse);
        let mut origins: Vec<String> = [self.home(), login]
            .iter()
            .flatten()
            .map(Address::origin)
            .collect();
        origins.dedup();
        origins
    }
}

/// How somebody came to open an app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OpenedFrom {
    /// OpenedFrom the workbench (工作台): `$CORPID$` in the home URL becomes the organisation.
    #[default]
    Workbench,
    /// By a link in a chat: nothing is replaced.
    Chat,
}

impl OpenedFrom {
    pub(crate) const ALL: [Self; 2] = [Self::Workbench, Self::Chat];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Workbench => "workbench",
            Self::Chat => "chat",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|from| from.name() == name)
    }
}

/// An app as the client opens it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// The login page, told where to go on.
    pub(crate) login: String,
    /// The page itself, as any browser would open it.
    pub(crate) page: String,
}

impl Opening {
    /// `path`, of the app's origin, opens another page than the home page.
    pub(crate) fn new(
        app: &App,
        corp_id: &str,
        from: OpenedFrom,
        path: Option<&str>,
    ) -> Option<Self> {
        let home = app.home()?;
        let asked = path.map_or_else(|| home.target(), Cow::Borrowed);
        let target = match from {
            OpenedFrom::Workbench => with_corp(&asked, corp_id),
            OpenedFrom::Chat => asked.into_owned(),
        };
        let mut login = app.login_address()?;
        login.push(if login.contains('?') { '&' } else { '?' });
        login += "via=client";
        let is_told =
            from == OpenedFrom::Workbench && with_corp(&home.target(), corp_id) != home.target();
        let corp_id = is_told.then_some(("corpid", corp_id));
        for (name, value) in corp_id.into_iter().chain([("return_to", &*target)]) {
            login.push('&');
            login += name;
            login.push('=');
            login.extend(byte_serialize(value.as_bytes()));
        }
        Some(Self {
            login,
            page: format!("{}{target}", home.origin()),
        })
    }
}

/// An `http` or `https` address, in pieces.
#[derive(Debug)]
pub(crate) struct Address<'a> {
    origin: Origin,
    rest: &'a str,
}

impl<'a> Address<'a> {
    /// `None` for anything else: user names, blanks, other schemes.
    pub(crate) fn parse(url: &'a str) -> Option<Self> {
        if !is_clean(url) {
            return None;
        }
        let authority = url.find("://")? + "://".len();
        let rest = url.get(authority..)?.find(['/', '?', '#']);
        let (before, rest) = url.split_at_checked(rest.map_or(url.len(), |at| authority + at))?;
        // A policy that lists origins reads these three as ends of something.
        if before.contains([';', ',', '\'']) {
            return None;
        }
        let origin = Origin::of(before)?;
        Some(Self { origin, rest })
    }

    /// As browsers write it: in lower case, without the port that goes without saying.
    pub(crate) fn origin(&self) -> String {
        self.origin.to_string()
    }

    pub(crate) fn host(&self) -> &str {
        self.origin.host()
    }

    /// Path, query and fragment.
    fn target(&self) -> Cow<'a, str> {
        if self.rest.starts_with('/') {
            Cow::Borrowed(self.rest)
        } else {
            Cow::Owned(format!("/{}", self.rest))
        }
    }
}

/// Whether this is path, query and fragment of an address, and nothing that leads elsewhere.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && is_clean(text)
}

fn is_clean(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'))
}

fn with_corp(target: &str, corp_id: &str) -> String {
    target
        .replace("$CORPID$", corp_id)
        .replace("%24CORPID%24", corp_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(home_url: &str) -> App {
        App {
            home_url: home_url.to_owned(),
            ..App::default()
        }
    }

    fn opened(home_url: &str, from: OpenedFrom, path: Option<&str>) -> Opening {
        Opening::new(&app(home_url), "dingcorp", from, path).unwrap()
    }

    #[test]
    fn the_workbench_puts_the_corp_into_both_spellings_of_its_place() {
        for place in ["$CORPID$", "%24CORPID%24"] {
            let home = format!("http://127.0.0.1:7081/a?corpid={place}#/x");
            let opening = opened(&home, OpenedFrom::Workbench, None);
            assert_eq!(
                opening.page, "http://127.0.0.1:7081/a?corpid=dingcorp#/x",
                "{place}"
            );
            assert_eq!(
                opening.login,
                "http://127.0.0.1:7081/dingtalk/login?via=client&corpid=dingcorp&return_to=%2Fa%3Fcorpid%3Ddingcorp%23%2Fx",
                "{place}"
            );
        }
    }

    #[test]
    fn a_link_in_a_chat_keeps_what_was_there_and_tells_no_corp() {
        let opening = opened(
            "http://127.0.0.1:7081/?corpid=$CORPID$",
            OpenedFrom::Chat,
            None,
        );
        assert_eq!(opening.page, "http://127.0.0.1:7081/?corpid=$CORPID$");
        assert_eq!(
            opening.login,
            "http://127.0.0.1:7081/dingtalk/login?via=client&return_to=%2F%3Fcorpid%3D%24CORPID%24"
        );
    }

    #[test]
    fn a_page_of_the_app_can_be_opened_instead_of_its_home() {
        let opening = opened(
            "http://127.0.0.1:7081/?corpid=$CORPID$",
            OpenedFrom::Workbench,
            Some("/orders?x=1"),
        );
        assert_eq!(
            opening.login,
            "http://127.0.0.1:7081/dingtalk/login?via=client&corpid=dingcorp&return_to=%2Forders%3Fx%3D1"
        );
    }

    #[test]
    fn a_home_without_the_place_tells_no_corp() {
        let opening = opened("https://HR.example.com:443", OpenedFrom::Workbench, None);
        assert_eq!(
            opening.login,
            "https://hr.example.com/dingtalk/login?via=client&return_to=%2F"
        );
    }

    #[test]
    fn a_login_page_of_its_own_keeps_its_query_and_counts_as_an_origin() {
        let app = App {
            login_url: Some("http://127.0.0.1:9000/sso?x=1".to_owned()),
            ..app("http://127.0.0.1:7081/")
        };
        let opening = Opening::new(&app, "dingcorp", OpenedFrom::Workbench, None).unwrap();
        assert_eq!(
            opening.login,
            "http://127.0.0.1:9000/sso?x=1&via=client&return_to=%2F"
        );
        assert_eq!(
            app.origins(),
            ["http://127.0.0.1:7081", "http://127.0.0.1:9000"]
        );
    }

    #[test]
    fn only_plain_web_addresses_are_addresses() {
        for good in [
            "http://127.0.0.1:7081/",
            "https://a.example",
            "http://[::1]:80/x",
        ] {
            assert!(Address::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "ftp://a.example",
            "http://",
            "http://a@b.example",
            "http://a.example; script-src *",
            "http://a.example;x",
            "http://a.example/\"",
            "http://a.example\\@b.example",
            "//a.example",
        ] {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_path_cannot_lead_to_another_origin() {
        for (path, expected) in [
            ("/orders?x=1#/3", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example", false),
            ("", false),
            ("/a b", false),
        ] {
            assert_eq!(is_path(path), expected, "{path}");
        }
    }
}
