//! Who is signed in: small, cheap to clone, and read without unpacking.

mod claims;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::api::{Person, UserDetails};
use crate::clock::Timestamp;
use crate::error::Error;

pub use claims::Claims;

/// A signed-in person. Cloning is one reference count.
///
/// Identity is [`app_key`](Self::app_key), [`corp_id`](Self::corp_id) and [`user_id`](Self::user_id) together: user ids repeat
/// across corps. Where there is no user id, the union id takes its place. `Debug` shows no personal data beyond these.
#[derive(Clone)]
pub struct User(Arc<Record>);

/// A session's content as one text and where its parts are: opening a session cuts nothing into pieces.
///
/// The text is a line of numbers, then the parts one after another without separators.
struct Record {
    text: String,
    parts: [Range<u16>; PARTS],
    issued: Timestamp,
    renewed: Timestamp,
    flags: u8,
}

/// What a session is made from.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    pub(crate) app_key: String,
    pub(crate) corp_id: String,
    pub(crate) user_id: String,
    pub(crate) union_id: String,
    pub(crate) name: String,
    pub(crate) avatar: String,
    pub(crate) title: String,
    pub(crate) departments: Vec<i64>,
    pub(crate) claims: Claims,
    pub(crate) is_admin: bool,
    pub(crate) is_main_admin: bool,
    pub(crate) is_boss: bool,
    pub(crate) is_from_web: bool,
}

impl User {
    /// The key of the app the person signed in to.
    #[must_use]
    pub fn app_key(&self) -> &str {
        self.part(APP_KEY)
    }

    /// The corp that the login was for: that of the token which traded the code, never one from a URL. Only somebody with a
    /// [`user_id`](Self::user_id) belongs to it.
    #[must_use]
    pub fn corp_id(&self) -> &str {
        self.part(CORP_ID)
    }

    /// The person in that corp; `None` only for somebody whom [`WebSignIn::anyone`](crate::WebSignIn::anyone) or
    /// [`LegacySignIn::anyone`](crate::LegacySignIn::anyone) let in, and of whom nothing says that they belong to it.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.present(USER_ID)
    }

    /// The person across the developer's apps.
    #[must_use]
    pub fn union_id(&self) -> Option<&str> {
        self.present(UNION_ID)
    }

    /// The name; the user id or union id where DingTalk gave none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.present(NAME).unwrap_or_else(|| self.id())
    }

    /// The picture's address; `None` for the default picture.
    #[must_use]
    pub fn avatar(&self) -> Option<&str> {
        self.present(AVATAR)
    }

    /// The job title.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.present(TITLE)
    }

    /// The departments; the root is 1.
    pub fn department_ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.part(DEPARTMENTS)
            .split(',')
            .filter_map(|id| id.parse().ok())
    }

    /// Was an administrator of the corp at login. A hint for display, not a live grant.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.0.flags & ADMIN != 0
    }

    /// Was the corp's main administrator at login. A hint for display, not a live grant.
    #[must_use]
    pub fn is_main_admin(&self) -> bool {
        self.0.flags & MAIN_ADMIN != 0
    }

    /// Was the corp's boss at login. A hint for display, not a live grant.
    #[must_use]
    pub fn is_boss(&self) -> bool {
        self.0.flags & BOSS != 0
    }

    /// Name, title, avatar or departments were shortened to fit a cookie. All of them went to `on_login`.
    #[must_use]
    pub fn is_trimmed(&self) -> bool {
        self.0.flags & TRIMMED != 0
    }

    /// A claim that the app's `on_login` hook added.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims()
            .find_map(|(there, value)| (there == name).then_some(value))
    }

    /// All claims that the app's `on_login` hook added.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        claims::read(self.part(CLAIMS))
    }

    /// When the person signed in.
    #[must_use]
    pub fn signed_in_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.issued.0)
    }

    /// As the reply of `GET {base}/me` shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let claims: Map<String, Value> = self
            .claims()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        json!({
            "app_key": self.app_key(),
            "corp_id": self.corp_id(),
            "user_id": self.user_id(),
            "union_id": self.union_id(),
            "name": self.name(),
            "avatar": self.avatar(),
            "title": self.title(),
            "department_ids": self.department_ids().collect::<Vec<_>>(),
            "admin": self.is_admin(),
            "main_admin": self.is_main_admin(),
            "boss": self.is_boss(),
            "claims": claims,
            "trimmed": self.is_trimmed(),
            "signed_in_at": self.0.issued.0 / 1000,
        })
    }

    pub(crate) fn issued(&self) -> Timestamp {
        self.0.issued
    }

    pub(crate) fn renewed(&self) -> Timestamp {
        self.0.renewed
    }

    pub(crate) fn session_id(&self) -> &str {
        self.part(SESSION_ID)
    }

    /// The user id; the union id where there is none.
    pub(crate) fn id(&self) -> &str {
        self.present(USER_ID).unwrap_or_else(|| self.part(UNION_ID))
    }

    /// From a sign-in in a browser, not in the client.
    pub(crate) fn is_from_web(&self) -> bool {
        self.0.flags & FROM_WEB != 0
    }

    /// The person in the corp as one key: no id has a control character, so no union id passes for a user id.
    pub(crate) fn person(&self) -> Cow<'_, str> {
        match self.user_id() {
            Some(user_id) => user_id.into(),
            None => person_of_account(self.part(UNION_ID)).into(),
        }
    }

    /// The same person, in the sense that duplicates of a cookie must agree on.
    pub(crate) fn is_same_person(&self, other: &Self) -> bool {
        [APP_KEY, CORP_ID]
            .into_iter()
            .all(|at| self.part(at) == other.part(at))
            && self.person() == other.person()
    }

    /// Makes a session's text, trimmed so that it is at most `limit` bytes long.
    pub(crate) fn write(
        mut profile: Profile,
        session_id: &str,
        issued: Timestamp,
        limit: usize,
    ) -> Result<String, Error> {
        let claims = profile.claims.to_text()?;
        let mut is_trimmed = false;
        loop {
            let text = text_of(&profile, &claims, session_id, issued, is_trimmed);
            let Some(over) = text.len().checked_sub(limit).filter(|over| *over > 0) else {
                return Ok(text);
            };
            is_trimmed = true;
            // Least missed first. Half the list at a time is enough: it goes once, at login.
            if profile.departments.len() > 8 {
                profile.departments.truncate(profile.departments.len() / 2);
            } else if !profile.avatar.is_empty() {
                profile.avatar.clear();
            } else if profile.title.len() > SHORT || profile.name.len() > SHORT {
                let longest = if profile.title.len() > profile.name.len() {
                    &mut profile.title
                } else {
                    &mut profile.name
                };
                shorten(longest, longest.len().saturating_sub(over + 8).max(SHORT));
            } else {
                return Err(profile.claims.too_large());
            }
        }
    }

    /// The text with a new time of renewal.
    pub(crate) fn renew(&self, now: Timestamp) -> String {
        let (line, parts) = self.0.text.split_once('\n').unwrap_or_default();
        let mut line: Vec<&str> = line.split(' ').collect();
        let now = now.0.to_string();
        if let Some(renewed) = line.get_mut(2) {
            *renewed = &now;
        }
        format!("{}\n{parts}", line.join(" "))
    }

    /// Reads a session's text; `None` for anything that [`write`](Self::write) does not make.
    pub(crate) fn read(text: String) -> Option<Self> {
        let mut line = text.as_bytes().strip_prefix(VERSION.as_bytes())?;
        let issued = Timestamp(take_number(&mut line, b' ')?);
        let renewed = Timestamp(take_number(&mut line, b' ')?);
        let flags = take_number(&mut line, b' ')?.try_into().ok()?;
        let mut lengths = [0; PARTS];
        for (index, length) in lengths.iter_mut().enumerate() {
            let end = if index + 1 == PARTS { b'\n' } else { b' ' };
            *length = take_number(&mut line, end)?.try_into().ok()?;
        }
        let mut at = text.len().checked_sub(line.len())?;
        let mut parts = [const { 0..0 }; PARTS];
        for (part, length) in parts.iter_mut().zip(lengths) {
            let end = at.checked_add(length)?;
            text.get(at..end)?;
            *part = at.try_into().ok()?..end.try_into().ok()?;
            at = end;
        }
        if at != text.len() {
            return None;
        }
        let user = Self(Arc::new(Record {
            text,
            parts,
            issued,
            renewed,
            flags,
        }));
        let is_there = |at| !user.part(at).is_empty();
        let is_whole = [SESSION_ID, APP_KEY, CORP_ID].into_iter().all(is_there)
            && (is_there(USER_ID) || is_there(UNION_ID));
        is_whole.then_some(user)
    }

    fn part(&self, at: usize) -> &str {
        let range = self
            .0
            .parts
            .get(at)
            .map(|part| usize::from(part.start)..usize::from(part.end));
        range
            .and_then(|range| self.0.text.get(range))
            .unwrap_or_default()
    }

    fn present(&self, at: usize) -> Option<&str> {
        Some(self.part(at)).filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("corp_id", &self.corp_id())
            .field("user_id", &self.user_id())
            .field("union_id", &self.union_id())
            .finish_non_exhaustive()
    }
}

impl Profile {
    /// Details win over what the code alone said; an absent field stays empty.
    pub(crate) fn new(
        app_key: &str,
        corp_id: &str,
        person: &Person,
        details: Option<&UserDetails>,
        claims: Claims,
    ) -> Self {
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        let (employee, account) = match person {
            Person::Employee(employee) => (Some(employee), None),
            Person::Account(account) => (None, Some(account)),
        };
        let avatar = details.and_then(UserDetails::avatar);
        let sys_level = employee.map(|employee| employee.sys_level);
        Self {
            app_key: app_key.to_owned(),
            corp_id: corp_id.to_owned(),
            user_id: text(person.user_id()),
            union_id: text(person.union_id().or_else(|| details?.union_id())),
            name: text(
                details
                    .and_then(UserDetails::name)
                    .or_else(|| person.name()),
            ),
            avatar: text(avatar.or_else(|| account?.avatar.as_deref())),
            title: text(details.and_then(UserDetails::title)),
            departments: details.map(UserDetails::department_ids).unwrap_or_default(),
            claims,
            is_admin: employee.is_some_and(|employee| employee.is_admin)
                || details.is_some_and(UserDetails::is_admin),
            is_main_admin: sys_level == Some(1),
            is_boss: sys_level == Some(100) || details.is_some_and(UserDetails::is_boss),
            is_from_web: false,
        }
    }

    /// The same person's key as [`User::person`] will give.
    pub(crate) fn person(&self) -> Cow<'_, str> {
        if self.user_id.is_empty() {
            person_of_account(&self.union_id).into()
        } else {
            (&*self.user_id).into()
        }
    }
}

/// The key in a corp of an account without a user id.
pub(crate) fn person_of_account(union_id: &str) -> String {
    format!("\n{union_id}")
}

fn text_of(
    profile: &Profile,
    claims: &str,
    session_id: &str,
    issued: Timestamp,
    is_trimmed: bool,
) -> String {
    let departments: Vec<String> = profile.departments.iter().map(i64::to_string).collect();
    let departments = departments.join(",");
    let parts: [&str; PARTS] = [
        session_id,
        &profile.app_key,
        &profile.corp_id,
        &profile.user_id,
        &profile.union_id,
        &profile.name,
        &profile.avatar,
        &profile.title,
        &departments,
        claims,
    ];
    let flags = [
        (profile.is_admin, ADMIN),
        (profile.is_main_admin, MAIN_ADMIN),
        (profile.is_boss, BOSS),
        (is_trimmed, TRIMMED),
        (profile.is_from_web, FROM_WEB),
    ];
    let flags: u8 = flags
        .into_iter()
        .filter_map(|(is, flag)| is.then_some(flag))
        .sum();
    let mut text = format!("{VERSION}{} {} {flags}", issued.0, issued.0);
    for part in parts {
        text.push(' ');
        text.push_str(&part.len().to_string());
    }
    text.push('\n');
    text.extend(parts);
    text
}

/// Takes the decimal number in front of a separator, and the separator.
fn take_number(line: &mut &[u8], end: u8) -> Option<u64> {
    let mut number = 0;
    // So few digits do not overflow.
    for (at, byte) in line.iter().enumerate().take(MAX_DIGITS + 1) {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            number = number * 10 + u64::from(digit);
        } else if *byte == end && at > 0 {
            *line = line.get(at + 1..)?;
            return Some(number);
        } else {
            return None;
        }
    }
    None
}

fn shorten(text: &mut String, length: usize) {
    let cut = (0..=length).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(cut.unwrap_or_default());
}

/// In front of every session's text.
const VERSION: &str = "1 ";
/// A time in milliseconds has 13 digits for the next 200 years.
const MAX_DIGITS: usize = 15;

const SESSION_ID: usize = 0;
const APP_KEY: usize = 1;
const CORP_ID: usize = 2;
const USER_ID: usize = 3;
const UNION_ID: usize = 4;
const NAME: usize = 5;
const AVATAR: usize = 6;
const TITLE: usize = 7;
const DEPARTMENTS: usize = 8;
const CLAIMS: usize = 9;
const PARTS: usize = 10;

const ADMIN: u8 = 1;
const MAIN_ADMIN: u8 = 2;
const BOSS: u8 = 4;
const TRIMMED: u8 = 8;
const FROM_WEB: u8 = 16;

/// Names and titles are never cut below this many bytes.
const SHORT: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn profile() -> Profile {
        Profile {
            app_key: "dingkey".into(),
            corp_id: "dingcorp".into(),
            user_id: "manager01".into(),
            ..Profile::default()
        }
    }

    fn user(profile: Profile) -> User {
        User::read(User::write(profile, "sid", Timestamp(7), 2900).unwrap()).unwrap()
    }

    #[test]
    fn a_session_reads_back_as_it_was_written() {
        let user = user(Profile {
            union_id: "u1".into(),
            name: "张三\n1 2".into(),
            title: "总监".into(),
            departments: vec![1, -2, i64::MAX],
            claims: Claims::new()
                .with("role", "a:b\n")
                .with("", "")
                .with("role", "owner"),
            is_boss: true,
            ..profile()
        });
        assert_eq!(user.name(), "张三\n1 2");
        assert_eq!(user.title(), Some("总监"));
        assert_eq!(user.avatar(), None);
        assert_eq!(user.department_ids().collect::<Vec<_>>(), [1, -2, i64::MAX]);
        assert_eq!(
            user.claims().collect::<Vec<_>>(),
            [("", ""), ("role", "owner")]
        );
        assert_eq!(user.claim("role"), Some("owner"));
        assert!(user.is_boss() && !user.is_admin() && !user.is_trimmed());
        let renewed = User::read(user.renew(Timestamp(99))).unwrap();
        assert_eq!(
            (renewed.issued(), renewed.renewed()),
            (Timestamp(7), Timestamp(99))
        );
        assert_eq!(renewed.name(), user.name());
        let text = &user.0.text;
        assert!(User::read(format!("{text}x")).is_none());
        assert!(User::read(text[..text.len() - 1].to_owned()).is_none());
        assert!(User::read(text.replacen(VERSION, "v9 ", 1)).is_none());
    }

    #[test]
    fn an_account_without_a_user_id_is_nobodys_user_id() {
        let account = |union_id: &str, user_id: &str| {
            user(Profile {
                union_id: union_id.into(),
                user_id: user_id.into(),
                ..profile()
            })
        };
        let stranger = account("u1", "");
        assert_eq!((stranger.user_id(), stranger.name()), (None, "u1"));
        assert!(stranger.is_same_person(&account("u1", "")));
        assert!(!stranger.is_same_person(&account("u2", "")));
        assert!(!stranger.is_same_person(&account("u1", "manager01")));
        assert!(!stranger.is_same_person(&account("", "u1")));
        // A login that did not tell the union id is the same employee's.
        assert!(account("u1", "manager01").is_same_person(&account("", "manager01")));
        let nobody = Profile {
            user_id: String::new(),
            ..profile()
        };
        let text = User::write(nobody, "sid", Timestamp(7), 2900).unwrap();
        assert!(User::read(text).is_none());
    }

    #[test]
    fn claims_that_do_not_fit_are_an_error_that_names_the_largest() {
        let claims = Claims::new()
            .with("small", "x")
            .with("large", "x".repeat(1100));
        let error = User::write(
            Profile {
                claims,
                ..profile()
            },
            "sid",
            Timestamp(7),
            2900,
        )
        .unwrap_err();
        assert!(matches!(error, Error::ClaimTooLarge { claim, .. } if claim == "large"));
    }

    proptest! {
        /// D18
        #[test]
        fn any_profile_is_trimmed_to_the_limit_and_keeps_its_identity(
            name in ".{0,3000}", title in ".{0,3000}", avatar in ".{0,3000}", user_id in "[a-z0-9]{1,128}",
            departments in proptest::collection::vec(any::<i64>(), 0..400),
        ) {
            let text = User::write(
                Profile { user_id: user_id.clone(), name: name.clone(), title, avatar, departments: departments.clone(), ..profile() },
                "sid", Timestamp(7), 2000,
            ).unwrap();
            prop_assert!(text.len() <= 2000);
            let user = User::read(text).unwrap();
            prop_assert_eq!(user.user_id(), Some(&*user_id));
            let is_whole = (name.is_empty() || user.name() == name) && user.department_ids().count() == departments.len();
            prop_assert!(is_whole || user.is_trimmed());
        }

        #[test]
        fn no_text_makes_reading_fail_badly(text in ".{0,300}", numbers in "1( [0-9]{1,12}){0,16}\n.{0,80}") {
            let _ = User::read(text);
            if let Some(user) = User::read(numbers) {
                let _ = (user.to_json(), user.claims().count());
            }
        }
    }
}
