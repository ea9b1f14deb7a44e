//! Sealing: what a browser keeps for us and can neither read nor change.

use std::fmt;

use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::error::setting::ConfigError;
use crate::random;
use crate::secret::Secret;

/// The keys that sessions are sealed with: the first seals, all open.
///
/// To rotate, put a new key in front and drop the last one when the longest session is over. With several instances put the
/// new key behind the others first, and in front when all of them have it: whoever meets an instance that lacks the key is
/// signed out there. A key seals at most 2^32 values: sealing happens at login and renewal only, so a key that is rotated yearly
/// is far from that.
#[derive(Clone, Debug)]
pub struct SessionKey(Vec<Secret>);

impl SessionKey {
    /// Reads one key, or several separated by commas or white space. A key is 32 random bytes or more in base64 or hex, for
    /// example from `openssl rand -base64 32`.
    pub fn parse(keys: &str) -> Result<Self, ConfigError> {
        let keys: Vec<Secret> = keys
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|key| !key.is_empty())
            .map(parse_key)
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(ConfigError::missing("session_key", "DINGTALK_SESSION_KEY"));
        }
        if keys.len() > MAX_KEYS {
            return Err(refuse("more than 8 keys: drop the oldest"));
        }
        Ok(Self(keys))
    }

    /// Reads the keys from an environment variable.
    pub fn from_env(variable: &str) -> Result<Self, ConfigError> {
        match std::env::var(variable) {
            Ok(keys) => Self::parse(&keys),
            Err(_) => Err(ConfigError::missing("session_key", "DINGTALK_SESSION_KEY")),
        }
    }

    /// A new random key, for tests and demonstrations: nobody stays signed in over a restart, and instances do not share it.
    pub fn generate() -> Result<Self, ConfigError> {
        let bytes: [u8; 32] =
            random::bytes().map_err(|_| refuse("no random bytes from the operating system"))?;
        Ok(Self(vec![Secret::new(STANDARD.encode_to_string(bytes))]))
    }
}

/// What is sealed. A value sealed for one purpose does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Session,
    /// Ties the repeats of one login to the browser that began it.
    PreLogin,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::PreLogin => "pre-login",
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
    cipher: LessSafeKey,
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
        let keys = keys.0.iter().map(|key| Key::derive(key, purpose));
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
        let mut sealed = text.as_bytes().to_vec();
        key.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&self.bound),
                &mut sealed,
            )
            .map_err(|_| Error::NoRandomness)?;
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
        let opened = bytes.len().checked_sub(NONCE + 1).and_then(|at| {
            let (body, tail) = bytes.split_at_mut_checked(at)?;
            let nonce = Nonce::try_assume_unique_for_key(tail.get(..NONCE)?).ok()?;
            let text = key
                .cipher
                .open_in_place(nonce, Aad::from(&self.bound), body);
            Some(text.ok()?.len())
        });
        match opened {
            Some(length) => bytes.truncate(length),
            None => bytes.zeroize(),
        }
        opened.is_some()
    }
}

impl Key {
    fn derive(key: &Secret, purpose: Purpose) -> Option<Self> {
        let bytes = Zeroizing::new(decode(key.expose())?);
        let mut derived = Zeroizing::new([0; DERIVED]);
        Salt::new(HKDF_SHA256, b"")
            .extract(&bytes)
            .expand(&[b"dingtalk v1 ", purpose.name().as_bytes()], Derived)
            .and_then(|output| output.fill(&mut *derived))
            .ok()?;
        let (id, cipher) = derived.split_first()?;
        Some(Self {
            id: *id,
            cipher: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, cipher).ok()?),
        })
    }
}

/// How much is derived: an id and an AES-256 key.
struct Derived;

impl KeyType for Derived {
    fn len(&self) -> usize {
        DERIVED
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

fn parse_key(key: &str) -> Result<Secret, ConfigError> {
    let lower = key.to_ascii_lowercase();
    if PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
        return Err(refuse(
            "it looks like a placeholder: make one with `openssl rand -base64 32`",
        ));
    }
    let bytes = Zeroizing::new(decode(key).ok_or_else(|| {
        refuse("it is neither base64 nor hex: make one with `openssl rand -base64 32`")
    })?);
    if bytes.len() < 32 {
        return Err(refuse(
            "a key needs at least 32 bytes: make one with `openssl rand -base64 32`",
        ));
    }
    let mut seen = [false; 256];
    for byte in bytes.iter() {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    if seen.into_iter().filter(|seen| *seen).count() < 12 {
        return Err(refuse(
            "its bytes are not random: make one with `openssl rand -base64 32`",
        ));
    }
    Ok(Secret::new(key))
}

fn decode(key: &str) -> Option<Vec<u8>> {
    let is_hex = key.len().is_multiple_of(2)
        && key.len() >= 64
        && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        let digits = key.as_bytes().chunks_exact(2);
        return digits
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
            .collect();
    }
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode_to_vec(key).ok())
}

fn refuse(why: &str) -> ConfigError {
    ConfigError::invalid("session_key", "DINGTALK_SESSION_KEY", why)
}

const DERIVED: usize = 33;
const NONCE: usize = 12;
const TAG: usize = 16;
const OVERHEAD: usize = 1 + NONCE + TAG;
/// No cookie is longer.
const MAX_SEALED: usize = 4096;
const MAX_KEYS: usize = 8;
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "example",
    "your-",
    "your_",
    "xxxxxxxx",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn sealer(keys: &SessionKey) -> Sealer {
        Sealer::new(keys, Purpose::Session, "name", "app").unwrap()
    }

    fn text(opened: Option<Opened>) -> Option<String> {
        opened.map(|opened| opened.text)
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

    /// D7
    #[test]
    fn a_value_moved_to_another_purpose_name_or_app_does_not_open() {
        let keys = SessionKey::generate().unwrap();
        let mut sealers = Vec::new();
        for purpose in [Purpose::Session, Purpose::PreLogin] {
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
                .map(|key| key.0[0].expose().to_owned())
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

    /// D8
    #[test]
    fn weak_keys_are_refused_and_never_quoted() {
        let short = STANDARD.encode_to_string([7; 31]);
        let equal = STANDARD.encode_to_string([7; 32]);
        let few = STANDARD.encode_to_string([b'a', b'b'].repeat(16));
        let placeholder = "changeme".repeat(8);
        for key in [
            "",
            ",",
            "short",
            "not base64 at all!!",
            &short,
            &equal,
            &few,
            &placeholder,
            &"00".repeat(32),
        ] {
            let error = SessionKey::parse(key).unwrap_err().to_string();
            assert!(
                error.contains("session_key") && error.contains("DINGTALK_SESSION_KEY"),
                "{error}"
            );
            assert!(key.len() < 8 || !error.contains(key), "{error}");
        }
        let hex: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
        assert!(SessionKey::parse(&hex).is_ok());
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
