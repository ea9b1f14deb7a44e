//! Cookies that were opened before: a browser sends the same one with every request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use crate::user::User;

/// What opening a cookie gave, as long as there is room. It says that a cookie is genuine, and nothing about its limits or
/// whether it was revoked: those are looked at with every request.
///
/// Known by a piece of its tag, which nobody can choose without the key and which is cheaper to look up than the whole.
#[derive(Default)]
pub(crate) struct OpenedBefore(RwLock<HashMap<u64, Known>>);

type Known = (Box<[u8]>, Genuine);

/// A session from a cookie that we sealed.
#[derive(Clone)]
pub(crate) struct Genuine {
    pub(crate) user: User,
    /// The first key sealed it; otherwise it is due to be sealed anew.
    pub(crate) is_current: bool,
}

impl OpenedBefore {
    /// The session in a cookie's value, opened if it was not before. What does not open is not remembered.
    pub(crate) fn open(
        &self,
        value: &[u8],
        open: impl FnOnce() -> Option<Genuine>,
    ) -> Option<Genuine> {
        let tag = piece_of_tag(value)?;
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((whole, genuine)) = known.get(&tag)
            && **whole == *value
        {
            return Some(genuine.clone());
        }
        drop(known);
        let genuine = open()?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Those in use come back by themselves.
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(tag, (value.into(), genuine.clone()));
        Some(genuine)
    }
}

/// Eight characters that stand wholly in a cookie's tag.
fn piece_of_tag(value: &[u8]) -> Option<u64> {
    let end: &[u8; TAG_TO_END] = value.last_chunk()?;
    end.first_chunk().map(|piece| u64::from_le_bytes(*piece))
}

impl fmt::Debug for OpenedBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedBefore").finish_non_exhaustive()
    }
}

/// At most about 8 KB each.
const MAX_KNOWN: usize = 4096;
/// Characters from within the tag to the end: 27 of the last 29 bytes, which are tag, nonce and key id.
const TAG_TO_END: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::user::Profile;

    fn genuine() -> Genuine {
        let profile = Profile {
            app_key: "key".into(),
            corp_id: "corp".into(),
            user_id: "user".into(),
            ..Profile::default()
        };
        let text = User::write(profile, "sid", Timestamp(1), 2000).unwrap();
        Genuine {
            user: User::read(text).unwrap(),
            is_current: true,
        }
    }

    /// A cookie's value with `text` in its tag.
    fn value(text: &str) -> Vec<u8> {
        format!("{text:->12}{:->28}", "").into_bytes()
    }

    #[test]
    fn a_cookie_is_opened_once_and_a_bad_one_every_time() {
        let opened = OpenedBefore::default();
        let good = value("good");
        assert!(opened.open(&good, || None).is_none());
        assert!(opened.open(&good, || Some(genuine())).is_some());
        assert!(opened.open(&good, || panic!("opened before")).is_some());
        assert!(opened.open(&[b"x", &good[..]].concat(), || None).is_none());
        assert!(opened.open(&good[1..], || None).is_none());
        assert!(opened.open(b"short", || Some(genuine())).is_none());
    }

    #[test]
    fn it_holds_so_many_and_no_more() {
        let opened = OpenedBefore::default();
        let known = (0..3 * MAX_KNOWN).map(|at| {
            opened.open(&value(&at.to_string()), || Some(genuine()));
            opened.0.read().unwrap().len()
        });
        assert_eq!(known.max(), Some(MAX_KNOWN));
    }
}
