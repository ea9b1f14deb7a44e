//! Sessions: sealed cookies, with limits on idleness and age, that can be revoked.

pub(crate) mod cookie;
pub(crate) mod key;
mod opened;
pub(crate) mod revocation;
pub(crate) mod seal;
pub(crate) mod state;

use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;

use crate::clock::{Time, Timestamp};
use crate::error::Error;
use crate::random;
use crate::user::{Profile, User};
use cookie::Jar;
use key::SessionKey;
use opened::{Genuine, OpenedBefore};
use revocation::Revocations;
use seal::{Purpose, Sealer};

use crate::error::setting::ConfigError;

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
}

impl SessionLimits {
    /// Ends after `idle` without a request, and after `absolute` whatever happens. Activity is noted every sixteenth of
    /// `idle`, at most every 5 minutes, so a session may end that much earlier than `idle` after its last request; never later.
    /// Where several instances share a store, a login in the minute after a revocation counts from the end of that minute.
    #[must_use]
    pub const fn new(idle: Duration, absolute: Duration) -> Self {
        Self { idle, absolute }
    }

    /// For sign-ins in a browser: idle 24 hours, absolute 7 days.
    pub(crate) const WEB: Self = Self::new(
        Duration::from_secs(24 * 3600),
        Duration::from_secs(7 * 24 * 3600),
    );

    /// For silent logins: idle 2 hours, absolute 12 hours.
    pub(crate) const SILENT: Self = Self::new(
        Duration::from_secs(2 * 3600),
        Duration::from_secs(12 * 3600),
    );

    fn note_after(self) -> Duration {
        (self.idle / 16).min(Duration::from_secs(300))
    }
}

/// The sessions of one handle.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) jar: Jar,
    pub(crate) revocations: Revocations,
    time: Time,
    sealer: Sealer,
    opened: OpenedBefore,
    pre_login: Sealer,
    limits: Limits,
    room: usize,
}

/// How long sessions last, by how they began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) silent: SessionLimits,
    pub(crate) web: SessionLimits,
}

impl Limits {
    /// No session lives longer.
    pub(crate) fn longest(self) -> Duration {
        self.silent.absolute.max(self.web.absolute)
    }

    fn of(self, user: &User) -> SessionLimits {
        if user.is_from_web() {
            self.web
        } else {
            self.silent
        }
    }
}

/// A session as a request carried it: opened and within its limits, not yet looked up among the revoked.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) user: User,
    /// Sealed with an older key, or last renewed a while ago.
    pub(crate) is_due: bool,
}

/// At most this many cookies of our name are looked at, so a request carries at most this many sessions.
pub(crate) type CarriedAll = [Option<Carried>; 4];

impl Sessions {
    pub(crate) fn new(
        jar: Jar,
        handle: &str,
        keys: &SessionKey,
        limits: Limits,
        revocations: Revocations,
        time: Time,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            sealer: Sealer::new(keys, Purpose::Session, jar.session(), handle)?,
            pre_login: Sealer::new(keys, Purpose::PreLogin, jar.pre_login(), handle)?,
            opened: OpenedBefore::default(),
            room: seal::room_in(jar.room()),
            jar,
            revocations,
            time,
            limits,
        })
    }

    /// Opens the sessions in a request's cookies.
    pub(crate) fn read<'a>(&self, cookies: impl Iterator<Item = &'a [u8]>) -> CarriedAll {
        let mut carried = [const { None }; 4];
        let mut now = None;
        for (value, place) in cookie::values(cookies, self.jar.session()).zip(&mut carried) {
            let genuine = self.opened.open(value, || {
                let opened = self.sealer.open(value)?;
                Some(Genuine {
                    user: User::read(opened.text)?,
                    is_current: opened.is_current,
                })
            });
            *place = genuine.and_then(|genuine| {
                let now = *now.get_or_insert_with(|| self.time.now());
                self.within_limits(genuine, now)
            });
        }
        carried
    }

    /// The one person that the sessions of a request stand for; nobody where they disagree.
    pub(crate) fn resolve(&self, carried: CarriedAll) -> Option<Carried> {
        let mut best: Option<Carried> = None;
        for session in carried.into_iter().flatten() {
            if self.revocations.is_revoked(&session.user) {
                continue;
            }
            match &best {
                Some(best) if !session.user.is_same_person(&best.user) => {
                    tracing::warn!(
                        "two session cookies for different people in one request: treated as nobody's"
                    );
                    return None;
                }
                Some(best) if session.user.issued() <= best.user.issued() => {}
                _ => best = Some(session),
            }
        }
        best
    }

    /// Makes a session; gives the person and the `Set-Cookie` value.
    pub(crate) async fn mint(&self, profile: Profile) -> Result<(User, String), Error> {
        let id: [u8; 16] = random::bytes()?;
        // Later than any revocation that this person falls under, even where two instances' clocks disagree.
        self.revocations.catch_up().await;
        let revoked = self
            .revocations
            .not_before(&profile.corp_id, &profile.person());
        let issued = self.time.now().max(Timestamp(revoked.0.saturating_add(1)));
        let text = User::write(
            profile,
            &URL_SAFE_NO_PAD.encode_to_string(id),
            issued,
            self.room,
        )?;
        let sealed = self.sealer.seal(&text)?;
        let user = User::read(text).ok_or(Error::NoRandomness)?;
        let cookie = self.cookie(&user, &sealed, issued);
        Ok((user, cookie))
    }

    /// A session in the client ends with it; one in a browser lasts as long as it may.
    fn cookie(&self, user: &User, sealed: &str, now: Timestamp) -> String {
        let life = self.limits.of(user).absolute;
        let left = life.saturating_sub(now.since(user.issued()));
        self.jar.set(
            self.jar.session(),
            sealed,
            user.is_from_web().then_some(left),
        )
    }

    /// The `Set-Cookie` value that notes a session's activity; nothing for one that was revoked meanwhile, so that a late
    /// response never brings it back.
    pub(crate) fn renew(&self, user: &User) -> Option<String> {
        if self.revocations.is_revoked(user) {
            return None;
        }
        let now = self.time.now();
        let sealed = self.sealer.seal(&user.renew(now)).ok()?;
        Some(self.cookie(user, &sealed, now))
    }

    /// Ends one session everywhere, copies of its cookie included. One that is over already costs the store nothing, however
    /// often its cookie is sent.
    pub(crate) async fn revoke(&self, user: &User) -> Result<(), Error> {
        // One cookie sent again and again must not fill the store.
        if self.revocations.is_revoked(user) {
            return Ok(());
        }
        // The longest of all: no entry goes before its session, of whatever kind that is.
        let over = user.issued().after(self.limits.longest());
        self.revocations
            .revoke_session(user.session_id(), over)
            .await
    }

    /// The browser's mark in its pre-login cookie.
    pub(crate) fn read_pre_login<'a>(
        &self,
        cookies: impl Iterator<Item = &'a [u8]>,
    ) -> Option<PreLogin> {
        cookie::values(cookies, self.jar.pre_login()).find_map(|value| {
            let text = self.pre_login.open(value)?.text;
            let mut parts = text.split(' ');
            let (made, instance, browser) = (parts.next()?, parts.next()?, parts.next()?);
            let made = Timestamp(made.parse().ok()?);
            (self.time.now().since(made) < PRE_LOGIN_LIFE).then(|| PreLogin {
                instance: instance.to_owned(),
                browser: browser.to_owned(),
            })
        })
    }

    /// A `Set-Cookie` value with a new mark for a browser.
    pub(crate) fn make_pre_login(&self, instance: &str) -> Option<String> {
        let id: [u8; 16] = random::bytes().ok()?;
        let text = format!(
            "{} {instance} {}",
            self.time.now().0,
            URL_SAFE_NO_PAD.encode_to_string(id)
        );
        let sealed = self.pre_login.seal(&text).ok()?;
        Some(
            self.jar
                .set(self.jar.pre_login(), &sealed, Some(PRE_LOGIN_LIFE)),
        )
    }

    fn within_limits(&self, genuine: Genuine, now: Timestamp) -> Option<Carried> {
        let Genuine { user, is_current } = genuine;
        let (issued, renewed) = (user.issued(), user.renewed());
        let is_from_the_future = issued.max(renewed) > now.after(MAX_AHEAD);
        let limits = self.limits.of(&user);
        let is_over = now.since(issued) > limits.absolute || now.since(renewed) > limits.idle;
        if is_from_the_future || is_over {
            return None;
        }
        Some(Carried {
            is_due: !is_current || now.since(renewed) >= limits.note_after(),
            user,
        })
    }
}

/// Which browser began a login.
#[derive(Clone, Debug)]
pub(crate) struct PreLogin {
    /// The process that set the mark.
    pub(crate) instance: String,
    pub(crate) browser: String,
}

/// How far a session may be ahead of this instance's clock. A revocation reaches beyond the clock of the instance that made it, by
/// as much as clocks may differ; that clock may be ahead by as much; and a login afterwards is dated behind the revocation. A
/// second more leaves room for several in a row.
const MAX_AHEAD: Duration = revocation::SKEW
    .saturating_mul(2)
    .saturating_add(Duration::from_secs(1));
const PRE_LOGIN_LIFE: Duration = Duration::from_secs(600);
