//! The state of a sign-in on DingTalk's page: it travels there and back sealed, and counts only in the browser that began it.
//! The server keeps nothing meanwhile.

use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;

use super::cookie::{self, Jar};
use super::key::SessionKey;
use super::revocation::SKEW;
use super::seal::{Purpose, Sealer};
use crate::clock::{Time, Timestamp};
use crate::error::Error;
use crate::error::setting::ConfigError;
use crate::random;

/// Seals and opens the states of one handle.
#[derive(Debug)]
pub(crate) struct States {
    time: Time,
    state: Sealer,
    pending: Sealer,
}

/// A sign-in on DingTalk's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) way: Way,
    pub(crate) app_key: String,
    /// As whom DingTalk's page knows the app: on the older pages by an id of another kind.
    pub(crate) app_id: String,
    pub(crate) corp_id: String,
    pub(crate) redirect_uri: String,
    /// Where to go on, fragment included.
    pub(crate) return_to: String,
}

/// Which page of DingTalk's a sign-in goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Web,
    /// The same page, in a frame on one of ours.
    Embedded,
    LegacyQr,
    LegacyPassword,
}

/// A state that was begun.
pub(crate) struct Begun {
    /// For the page's URL.
    pub(crate) sealed: String,
    /// `Set-Cookie` values: the new sign-in's, and the removal of old ones.
    pub(crate) cookies: Vec<String>,
}

/// A state that came back, and is ours.
pub(crate) struct Returned {
    pub(crate) state: State,
    /// This browser began it.
    pub(crate) is_from_here: bool,
    pub(crate) is_expired: bool,
    id: Id,
}

/// 128 random bits, for nobody to guess.
type Id = [u8; 16];

impl Way {
    const ALL: [Self; 4] = [
        Self::Web,
        Self::Embedded,
        Self::LegacyQr,
        Self::LegacyPassword,
    ];

    /// As `via` of a login's URL names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Embedded => "embedded",
            Self::LegacyQr => "legacy_qr",
            Self::LegacyPassword => "legacy_password",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

impl States {
    pub(crate) fn new(
        keys: &SessionKey,
        jar: &Jar,
        handle: &str,
        time: Time,
    ) -> Result<Self, ConfigError> {
        let sealer = |purpose| Sealer::new(keys, purpose, jar.pending(), handle);
        Ok(Self {
            time,
            state: sealer(Purpose::State)?,
            pending: sealer(Purpose::Pending)?,
        })
    }

    /// Begins a sign-in in a browser that has these cookies. Of the ones begun before, the four newest stay.
    pub(crate) fn begin<'a>(
        &self,
        state: &State,
        jar: &Jar,
        cookies: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Begun, Error> {
        let id: Id = random::bytes()?;
        let now = self.time.now();
        let sealed = self.state.seal(&text_of(state, &id, now))?;
        let mark = self.pending.seal(&mark_of(&id, now))?;
        let mut cookies = self.outlived(jar, cookies);
        cookies.push(jar.set(&name_of(jar, &id), &mark, Some(LIFE)));
        Ok(Begun { sealed, cookies })
    }

    /// Opens a state that DingTalk's page sent back; nothing for one that is not ours.
    pub(crate) fn open<'a>(
        &self,
        sealed: &str,
        jar: &Jar,
        cookies: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Returned> {
        let text = self.state.open(sealed.as_bytes())?.text;
        let (state, id, begun) = read_text(&text)?;
        let now = self.time.now();
        if begun > now.after(SKEW) {
            return None;
        }
        let is_from_here = cookie::values(cookies, &name_of(jar, &id))
            .any(|mark| self.read_mark(mark).is_some_and(|(marked, _)| marked == id));
        Some(Returned {
            state,
            is_from_here,
            is_expired: now.since(begun) > LIFE,
            id,
        })
    }

    /// The removal of the cookie of a sign-in that came back, and of others: tabs that begin at once leave more than may stay.
    pub(crate) fn removals<'a>(
        &self,
        returned: &Returned,
        jar: &Jar,
        cookies: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<String> {
        let mut removals = self.outlived(jar, cookies);
        let own = jar.remove(&name_of(jar, &returned.id));
        if !removals.contains(&own) {
            removals.push(own);
        }
        removals
    }

    /// The removal of cookies that begun sign-ins left: unreadable ones, old ones, and all but the newest four.
    fn outlived<'a>(&self, jar: &Jar, cookies: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
        let now = self.time.now();
        let mut living = Vec::new();
        let mut removed = Vec::new();
        for (name, mark) in cookie::beginning(cookies, jar.pending()).take(MAX_SEEN) {
            let Some(name) = std::str::from_utf8(name)
                .ok()
                .filter(|name| is_name(jar, name))
            else {
                continue;
            };
            match self.read_mark(mark) {
                Some((_, begun)) if now.since(begun) <= LIFE => living.push((begun, name)),
                _ => removed.push(name),
            }
        }
        living.sort_by(|one, other| other.cmp(one));
        removed.extend(living.iter().skip(MAX_PENDING - 1).map(|(_, name)| *name));
        removed.into_iter().map(|name| jar.remove(name)).collect()
    }

    fn read_mark(&self, mark: &[u8]) -> Option<(Id, Timestamp)> {
        let text = self.pending.open(mark)?.text;
        let (id, begun) = text.split_once(' ')?;
        Some((read_id(id)?, Timestamp(begun.parse().ok()?)))
    }
}

impl Returned {
    /// Under which key the store remembers that it was used, and for how long.
    pub(crate) fn claim(&self) -> (String, Duration) {
        let id = URL_SAFE_NO_PAD.encode_to_string(self.id);
        (format!("state:{id}"), LIFE + 2 * SKEW)
    }
}

fn name_of(jar: &Jar, id: &Id) -> String {
    let hex: String = id
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}{hex}", jar.pending())
}

fn is_name(jar: &Jar, name: &str) -> bool {
    name.strip_prefix(jar.pending())
        .is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn mark_of(id: &Id, begun: Timestamp) -> String {
    format!("{} {}", URL_SAFE_NO_PAD.encode_to_string(id), begun.0)
}

fn text_of(state: &State, id: &Id, begun: Timestamp) -> String {
    let State {
        way,
        app_key,
        app_id,
        corp_id,
        redirect_uri,
        return_to,
    } = state;
    let (way, mark) = (way.name(), mark_of(id, begun));
    format!("{way}\n{mark}\n{app_key}\n{app_id}\n{corp_id}\n{redirect_uri}\n{return_to}")
}

fn read_text(text: &str) -> Option<(State, Id, Timestamp)> {
    let mut lines = text.split('\n');
    let way = Way::of_name(lines.next()?)?;
    let (id, begun) = lines.next()?.split_once(' ')?;
    let mut line = || lines.next().map(str::to_owned);
    let state = State {
        way,
        app_key: line()?,
        app_id: line()?,
        corp_id: line()?,
        redirect_uri: line()?,
        return_to: line()?,
    };
    Some((state, read_id(id)?, Timestamp(begun.parse().ok()?)))
}

fn read_id(text: &str) -> Option<Id> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()?.try_into().ok()
}

/// How long a sign-in may take.
pub(crate) const LIFE: Duration = Duration::from_secs(600);
/// Sign-ins begun in one browser that may come back.
const MAX_PENDING: usize = 5;
/// A browser that was never asked to keep so many has them from elsewhere.
const MAX_SEEN: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::clock::tests::SetClock;

    fn states() -> (States, Jar, std::sync::Arc<SetClock>) {
        let clock = SetClock::new();
        let jar = Jar::new("https://hr.example.com", "", true, false);
        let keys = SessionKey::generate().unwrap();
        let states = States::new(&keys, &jar, "", Time::new(clock.clone())).unwrap();
        (states, jar, clock)
    }

    fn state() -> State {
        State {
            way: Way::Web,
            app_key: "dingkey".into(),
            app_id: "dingkey".into(),
            corp_id: "dingcorp".into(),
            redirect_uri: "https://hr.example.com/dingtalk/callback".into(),
            return_to: "/orders?x=1#/3".into(),
        }
    }

    fn pair(cookie: &str) -> String {
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A5
    #[test]
    fn a_state_comes_back_in_its_browser_as_it_left() {
        let (states, jar, clock) = states();
        let begun = states.begin(&state(), &jar, std::iter::empty()).unwrap();
        let [cookie] = &begun.cookies[..] else {
            panic!("one cookie")
        };
        assert!(cookie.ends_with("; Max-Age=600"), "{cookie}");
        let cookie = pair(cookie);
        let (_, mark) = cookie.split_once('=').unwrap();
        assert!(states.pending.open(mark.as_bytes()).is_some());
        assert!(states.state.open(mark.as_bytes()).is_none());
        assert!(states.pending.open(begun.sealed.as_bytes()).is_none());
        let open = |cookie: &str| {
            let returned = states.open(&begun.sealed, &jar, std::iter::once(cookie.as_bytes()));
            let returned = returned.unwrap();
            assert_eq!(returned.state, state());
            (returned.is_from_here, returned.is_expired)
        };
        assert_eq!(open(&cookie), (true, false));
        assert_eq!(open("a=b"), (false, false));
        // Another sign-in's mark under this one's name.
        let other = states.begin(&state(), &jar, std::iter::empty()).unwrap();
        let (name, _) = cookie.split_once('=').unwrap();
        let (_, other) = other.cookies[0].split_once('=').unwrap();
        assert_eq!(open(&format!("{name}={}", pair(other))), (false, false));
        clock.run(Duration::from_secs(600));
        assert_eq!(open(&cookie), (true, false));
        clock.run(Duration::from_secs(1));
        assert_eq!(open(&cookie), (true, true));
        assert!(states.open(&cookie, &jar, std::iter::empty()).is_none());
    }

    /// A3
    #[test]
    fn states_are_never_the_same() {
        let (states, jar, _) = states();
        let ids: HashSet<Id> = (0..100_000)
            .map(|_| {
                let begun = states.begin(&state(), &jar, std::iter::empty()).unwrap();
                states
                    .open(&begun.sealed, &jar, std::iter::empty())
                    .unwrap()
                    .id
            })
            .collect();
        assert_eq!(ids.len(), 100_000);
    }

    /// A6
    #[test]
    fn a_browser_keeps_five_sign_ins_and_no_junk() {
        let (states, jar, clock) = states();
        let mut kept: Vec<String> = vec![
            format!("{}00000000=junk", jar.pending()),
            format!("{}another-thing=stays", jar.pending()),
        ];
        for begun in 1..=50_usize {
            clock.run(Duration::from_millis(1));
            let header = kept.join("; ");
            let cookies = std::iter::once(header.as_bytes());
            let set = states.begin(&state(), &jar, cookies).unwrap().cookies;
            for cookie in &set {
                let (name, _) = cookie.split_once('=').unwrap();
                kept.retain(|there| there.split_once('=').unwrap().0 != name);
                if !cookie.ends_with("Max-Age=0") {
                    kept.push(pair(cookie));
                }
            }
            assert_eq!(kept.len(), 1 + begun.min(5));
        }
        let header = kept.join("; ");
        assert!(header.len() <= 2048, "{}", header.len());
    }
}
