//! A request on its way through the app: who it is, and what its response needs.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::reply::{Failure, Reply};
use super::request::{Asked, RequestHead};
use crate::DingTalk;
use crate::error::catalogue;
use crate::error::{Error, Refusal};
use crate::session::Carried;
use crate::user::User;

/// A request on its way through the app. Cheap to clone: adapters keep one and put one into the request's extensions.
#[derive(Clone, Debug)]
pub struct Visit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dingtalk: DingTalk,
    who: Result<Carried, Absence>,
    was_read: AtomicBool,
}

/// The headers of [`Visit::finish`], in order.
pub type HeaderChanges = std::iter::Flatten<std::array::IntoIter<Option<HeaderChange>, 3>>;

/// Why nobody is signed in.
#[derive(Debug)]
pub(crate) enum Absence {
    Nobody(Asked),
    /// Somebody is, for another corp than the one asked for.
    OtherCorp(Asked),
}

/// One header that a response needs besides the app's own. `Debug` shows no value: it may be a session.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderChange {
    /// In lower case.
    pub name: &'static str,
    /// The value.
    pub value: Cow<'static, str>,
    /// It takes the place of what is there; otherwise it goes beside it.
    pub replaces: bool,
}

impl Visit {
    pub(crate) fn somebody(dingtalk: &DingTalk, session: Carried) -> Self {
        Self::new(dingtalk, Ok(session))
    }

    pub(crate) fn nobody(dingtalk: &DingTalk, absence: Absence) -> Self {
        Self::new(dingtalk, Err(absence))
    }

    fn new(dingtalk: &DingTalk, who: Result<Carried, Absence>) -> Self {
        Self(Arc::new(Inner {
            dingtalk: dingtalk.clone(),
            who,
            was_read: AtomicBool::new(false),
        }))
    }

    pub(crate) fn is_somebody(&self) -> bool {
        self.0.who.is_ok()
    }

    /// The person, or the refusal that fits the visitor.
    pub fn require(&self, head: &impl RequestHead) -> Result<User, Reply> {
        self.0.was_read.store(true, Ordering::Relaxed);
        match &self.0.who {
            Ok(session) => Ok(session.user.clone()),
            Err(absence) => Err(self.0.dingtalk.refuse(head, &absence.failure())),
        }
    }

    /// The person, if there is one. Nobody is `None`; a fault while deciding is a refusal and never `None`.
    pub fn optional(&self, head: &impl RequestHead) -> Result<Option<User>, Reply> {
        self.0.was_read.store(true, Ordering::Relaxed);
        match &self.0.who {
            Ok(session) => Ok(Some(session.user.clone())),
            Err(Absence::Nobody(Asked::Fault(error))) => {
                Err(self.0.dingtalk.refuse(head, &error.clone().into()))
            }
            Err(_) => Ok(None),
        }
    }

    /// The headers that the app's response needs, given the `Cache-Control` values it has: shared caches must not keep what
    /// was made for one person, and a session's activity is noted after the app ran, so that a slow response never
    /// overwrites a newer login.
    pub fn finish<'a>(&self, cache_control: impl Iterator<Item = &'a [u8]>) -> HeaderChanges {
        let renewed = match &self.0.who {
            Ok(session) if session.is_due => self.0.dingtalk.0.sessions.renew(&session.user),
            _ => None,
        };
        let is_personal = renewed.is_some() || self.0.was_read.load(Ordering::Relaxed);
        let caching = if is_personal {
            private(cache_control)
        } else {
            None
        };
        let change = |name, value, replaces| HeaderChange {
            name,
            value,
            replaces,
        };
        let vary = is_personal.then(|| change("vary", "Cookie".into(), false));
        let caching = caching.map(|value| change("cache-control", value, true));
        let session = renewed.map(|cookie| change("set-cookie", cookie.into(), false));
        [vary, caching, session].into_iter().flatten()
    }
}

impl fmt::Debug for HeaderChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderChange")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Who may pass to a part of an app.
#[derive(Clone, Default)]
pub struct Guard(Option<Arc<Allow>>);

type Allow = dyn Fn(&User) -> bool + Send + Sync;

impl Guard {
    /// Lets only those through that `allow` takes too; without any rule, everybody who is signed in.
    #[must_use]
    pub fn allow(self, allow: impl Fn(&User) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(match self.0 {
            None => Arc::new(allow),
            Some(before) => Arc::new(move |user| before(user) && allow(user)),
        }))
    }

    /// Lets a request through or gives its refusal. A CORS preflight is refused like any other: whoever likes can make one up,
    /// and a handler that answers every method would answer it. A CORS layer goes around the guard.
    pub fn admit(&self, visit: &Visit, head: &impl RequestHead) -> Result<(), Reply> {
        let user = visit.require(head)?;
        match &self.0 {
            Some(allow) if !allow(&user) => {
                let refused = Failure::of(&catalogue::SESSION_NOT_ALLOWED);
                Err(visit.0.dingtalk.refuse(head, &refused))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Absence {
    fn failure(&self) -> Failure {
        let (asked, advice) = match self {
            Self::Nobody(asked) => (asked, &catalogue::SESSION_REQUIRED),
            Self::OtherCorp(asked) => (asked, &catalogue::SESSION_OTHER_CORP),
        };
        match asked {
            Asked::Nothing => Failure::of(advice),
            Asked::App(app) => Failure::of(advice).for_app(Arc::clone(app)),
            Asked::Unknown => Error::Refused(Refusal::UnknownCorp).into(),
            Asked::Fault(error) => error.clone().into(),
        }
    }
}

/// The `Cache-Control` value that keeps shared caches off; nothing if the one there does.
fn private<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'static, str>> {
    let mut kept = String::new();
    for value in values {
        for directive in String::from_utf8_lossy(value).split(',') {
            let directive = directive.trim();
            let name = directive
                .split('=')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            match name.as_str() {
                "no-store" => return None,
                // `private="field"` keeps only that field from shared caches, so it does not count.
                "private" if directive.len() == name.len() => return None,
                "" | "public" | "s-maxage" | "private" => {}
                _ => {
                    kept.push_str(", ");
                    kept.push_str(directive);
                }
            }
        }
    }
    Some(if kept.is_empty() {
        Cow::Borrowed("private")
    } else {
        format!("private{kept}").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D19
    #[test]
    fn shared_caches_are_kept_off_and_the_rest_stays() {
        let made = |value: &'static str| private(std::iter::once(value.as_bytes()));
        assert_eq!(private(std::iter::empty()).as_deref(), Some("private"));
        assert_eq!(
            made("public, max-age=60").as_deref(),
            Some("private, max-age=60")
        );
        assert_eq!(
            made("Public,S-MaxAge=9, immutable").as_deref(),
            Some("private, immutable")
        );
        assert_eq!(made("private=\"set-cookie\"").as_deref(), Some("private"));
        assert_eq!(made("no-store"), None);
        assert_eq!(made("max-age=0, Private"), None);
    }
}
