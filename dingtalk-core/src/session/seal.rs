//! Sealing: what a browser keeps for us and can neither read nor change.

use std::fmt;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use base64_simd::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::key::{SessionKey, refuse};
use crate::error::Error;
use crate::error::setting::ConfigError;
use crate::random;

/// What is sealed. A value sealed for one purpose does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Session,
    /// Ties the repeats of one login to the browser that began it.
    PreLogin,
    /// What a sign-in carries to DingTalk's page and back.
    State,
    /// Ties a sign-in to the browser that began it.
    Pending,
    /// A person's own token, in the store.
    UserToken,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::PreLogin => "pre-login",
            Self::State => "state",
            Self::Pending => "pending",
            Self::UserToken => "user token",
        }
    }
}

/// The keys for one purpose, one cookie name and one app.
pub(crate) struct Sealer {
    keys: Vec<Key>,
    bound: Vec<u8>,
}

struct Key {
    /// Stands behind what the key sealed. Two keys may have the same.
    id: u8,
    cipher: Aes256Gcm,
}

/// What opening gave.
pub(crate) struct Opened {
    pub(crate) text: String,
    /// The first key sealed it; otherwise it is due to be sealed anew.
    pub(crate) is_current: bool,
}

impl Sealer {
    /// `cookie` and `app` are bound in: a value moved to another name or app does not open.
    pub(crate) fn new(
        keys: &SessionKey,
        purpose: Purpose,
        cookie: &str,
        app: &str,
    ) -> Result<Self, ConfigError> {
        let keys = keys.bytes().map(|key| Key::derive(&key, purpose));
        Ok(Self {
            keys: keys
                .collect::<Option<_>>()
                .ok_or_else(|| refuse("no key can be derived from it"))?,
            bound: format!("dingtalk v1\n{}\n{cookie}\n{app}", purpose.name()).into_bytes(),
        })
    }

    /// Seals a text: ciphertext, tag, nonce and key id in base64url.
    pub(crate) fn seal(&self, text: &str) -> Result<String, Error> {
        let nonce: [u8; NONCE] = random::bytes()?;
        let key = self.keys.first().ok_or(Error::NoRandomness)?;
        let mut sealed = Vec::with_capacity(text.len() + OVERHEAD);
        sealed.extend_from_slice(text.as_bytes());
        let tag = key
            .cipher
            .encrypt_inout_detached(
                &Nonce::from(nonce),
                &self.bound,
                sealed.as_mut_slice().into(),
            )
            .map_err(|_| Error::NoRandomness)?;
        sealed.extend_from_slice(&tag);
        sealed.extend_from_slice(&nonce);
        sealed.push(key.id);
        Ok(URL_SAFE_NO_PAD.encode_to_string(sealed))
    }

    /// Opens what [`seal`](Self::seal) made; `None` for anything else, whatever is wrong with it.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Opened> {
        if sealed.len() > MAX_SEALED {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(sealed).ok()?;
        let said = *bytes.last()?;
        let mut candidates = self
            .keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.id == said)
            .peekable();
        let mut bytes = Some(bytes);
        while let Some((index, key)) = candidates.next() {
            // A failed try destroys its bytes, so all but the last key get a copy.
            let is_last = candidates.peek().is_none();
            let mut bytes = if is_last { bytes.take() } else { bytes.clone() }?;
            if self.open_in_place(key, &mut bytes) {
                return Some(Opened {
                    text: String::from_utf8(bytes).ok()?,
                    is_current: index == 0,
                });
            }
        }
        None
    }

    /// Leaves the plain text in `bytes`, or nothing at all.
    fn open_in_place(&self, key: &Key, bytes: &mut Vec<u8>) -> bool {
        let opened = self.open_slice(key, bytes);
        bytes.truncate(opened.unwrap_or(0));
        opened.is_some()
    }

    /// Leaves the plain text at the beginning of `bytes` and gives its length, or leaves zeros.
    fn open_slice(&self, key: &Key, bytes: &mut [u8]) -> Option<usize> {
        let opened = bytes.len().checked_sub(OVERHEAD).and_then(|at| {
            let (text, tail) = bytes.split_at_mut_checked(at)?;
            let (tag, tail) = tail.split_first_chunk::<TAG>()?;
            let nonce = tail.first_chunk::<NONCE>()?;
            key.cipher
                .decrypt_inout_detached(
                    &Nonce::from(*nonce),
                    &self.bound,
                    text.into(),
                    &Tag::from(*tag),
                )
                .ok()?;
            Some(at)
        });
        if opened.is_none() {
            bytes.zeroize();
        }
        opened
    }
}

impl Key {
    fn derive(key: &[u8], purpose: Purpose) -> Option<Self> {
        let mut derived = Zeroizing::new([0; DERIVED]);
        let info = format!("dingtalk v1 {}", purpose.name());
        Hkdf::<Sha256>::new(None, key)
            .expand(info.as_bytes(), &mut *derived)
            .ok()?;
        let (id, cipher) = derived.split_first()?;
        Some(Self {
            id: *id,
            cipher: Aes256Gcm::new_from_slice(cipher).ok()?,
        })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// The longest text that fits into so many characters of a cookie's value.
pub(crate) const fn room_in(characters: usize) -> usize {
    (characters / 4 * 3).saturating_sub(OVERHEAD)
}

/// An id and an AES-256 key.
const DERIVED: usize = 33;
const NONCE: usize = 12;
const TAG: usize = 16;
const OVERHEAD: usize = 1 + NONCE + TAG;
/// No cookie is longer, and neither is anything else that is sealed.
pub(crate) const MAX_SEALED: usize = 4096;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use base64_simd::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn sealer(keys: &SessionKey) -> Sealer {
        Sealer::new(keys, Purpose::Session, "name", "app").unwrap()
    }

    fn text(opened: Option<Opened>) -> Option<String> {
        opened.map(|opened| opened.text)
    }

    #[test]
    fn the_format_is_what_another_implementation_makes_of_it() {
        let hex: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
        let sealer = sealer(&SessionKey::parse(&hex).unwrap());
        // By Python's `cryptography`: HKDF-SHA-256 without a salt, AES-256-GCM, nonce 0 to 11.
        let sealed = b"W8ACCywsG06SSW6NVqFglnhfoHHEAAECAwQFBgcICQoL0Q";
        assert_eq!(text(sealer.open(sealed)).as_deref(), Some("hello"));
    }

    /// D6
    #[test]
    fn every_changed_bit_and_every_truncation_is_refused() {
        let sealer = sealer(&SessionKey::generate().unwrap());
        let sealed = sealer.seal("hello").unwrap();
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(&sealed).unwrap();
        assert_eq!(
            text(sealer.open(sealed.as_bytes())).as_deref(),
            Some("hello")
        );
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                sealer
                    .open(URL_SAFE_NO_PAD.encode_to_string(changed).as_bytes())
                    .is_none(),
                "bit {bit}"
            );
        }
        for length in 0..sealed.len() {
            assert!(
                sealer.open(&sealed.as_bytes()[..length]).is_none(),
                "length {length}"
            );
        }
        for extra in ["A", "AAAA", "=", " ", "."] {
            assert!(
                sealer.open(format!("{sealed}{extra}").as_bytes()).is_none(),
                "{extra:?}"
            );
        }
    }

    /// A5, D7
    #[test]
    fn a_value_moved_to_another_purpose_name_or_app_does_not_open() {
        let keys = SessionKey::generate().unwrap();
        let mut sealers = Vec::new();
        for purpose in [
            Purpose::Session,
            Purpose::PreLogin,
            Purpose::State,
            Purpose::Pending,
            Purpose::UserToken,
        ] {
            for name in ["a", "b"] {
                for app in ["x", "y"] {
                    sealers.push(Sealer::new(&keys, purpose, name, app).unwrap());
                }
            }
        }
        for (at, from) in sealers.iter().enumerate() {
            let sealed = from.seal("hello").unwrap();
            for (there, to) in sealers.iter().enumerate() {
                assert_eq!(to.open(sealed.as_bytes()).is_some(), at == there);
            }
        }
    }

    /// D8
    #[test]
    fn an_older_key_still_opens_and_a_dropped_one_does_not() {
        let [old, new, newest] = [(); 3].map(|()| SessionKey::generate().unwrap());
        let ring = |keys: &[&SessionKey]| {
            let keys: Vec<_> = keys
                .iter()
                .map(|key| STANDARD.encode_to_string(key.bytes().next().unwrap().as_slice()))
                .collect();
            sealer(&SessionKey::parse(&keys.join(",")).unwrap())
        };
        let sealed = ring(&[&old]).seal("hello").unwrap();
        assert!(ring(&[&old]).open(sealed.as_bytes()).unwrap().is_current);
        let rotated = ring(&[&new, &old]).open(sealed.as_bytes()).unwrap();
        assert!(!rotated.is_current);
        assert!(ring(&[&newest, &new]).open(sealed.as_bytes()).is_none());
    }

    /// D8
    #[test]
    fn keys_with_the_same_id_are_tried_one_after_the_other() {
        let mut ring = Sealer {
            keys: Vec::new(),
            bound: sealer(&SessionKey::generate().unwrap()).bound,
        };
        for _ in 0..3 {
            let mut one = sealer(&SessionKey::generate().unwrap());
            one.keys[0].id = 7;
            let sealed = one.seal("hello").unwrap();
            ring.keys.append(&mut one.keys);
            assert_eq!(text(ring.open(sealed.as_bytes())).as_deref(), Some("hello"));
        }
        assert!(
            ring.open(
                sealer(&SessionKey::generate().unwrap())
                    .seal("x")
                    .unwrap()
                    .as_bytes()
            )
            .is_none()
        );
    }

    /// D9
    #[test]
    fn a_million_nonces_are_all_different() {
        let nonces: HashSet<[u8; NONCE]> =
            (0..1_000_000).map(|_| random::bytes().unwrap()).collect();
        assert_eq!(nonces.len(), 1_000_000);
        let sealer = sealer(&SessionKey::generate().unwrap());
        let sealed: HashSet<String> = (0..1000).map(|_| sealer.seal("same").unwrap()).collect();
        assert_eq!(sealed.len(), 1000);
    }

    /// D9
    #[test]
    fn a_failed_open_leaves_nothing_behind() {
        let sealer = sealer(&SessionKey::generate().unwrap());
        let mut bytes = URL_SAFE_NO_PAD
            .decode_to_vec(sealer.seal("a secret text").unwrap())
            .unwrap();
        bytes[0] ^= 1;
        assert_eq!(sealer.open_slice(&sealer.keys[0], &mut bytes), None);
        assert!(bytes.iter().all(|byte| *byte == 0));
        assert!(!sealer.open_in_place(&sealer.keys[0], &mut bytes));
        assert!(bytes.is_empty());
    }

    proptest! {
        /// D6
        #[test]
        fn no_bytes_open_by_chance(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sealer = sealer(&SessionKey::generate().unwrap());
            prop_assert!(sealer.open(&bytes).is_none());
            prop_assert!(sealer.open(URL_SAFE_NO_PAD.encode_to_string(&bytes).as_bytes()).is_none());
        }
    }
}
