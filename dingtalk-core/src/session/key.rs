//! The keys that sessions are sealed with, as settings.

use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

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

    /// Reads the keys from an environment variable of any name.
    pub fn from_env(variable: &'static str) -> Result<Self, ConfigError> {
        let keys = std::env::var(variable).unwrap_or_default();
        Self::parse(&keys).map_err(|error| error.of_variable(variable))
    }

    /// A new random key, for tests and demonstrations: nobody stays signed in over a restart, and instances do not share it.
    pub fn generate() -> Result<Self, ConfigError> {
        let bytes: [u8; 32] =
            random::bytes().map_err(|_| refuse("no random bytes from the operating system"))?;
        Ok(Self(vec![Secret::new(STANDARD.encode_to_string(bytes))]))
    }

    /// The keys' bytes, the first seals.
    pub(super) fn bytes(&self) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
        self.0
            .iter()
            .map(|key| Zeroizing::new(decode(key.expose()).unwrap_or_default()))
    }
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

pub(super) fn refuse(why: &str) -> ConfigError {
    ConfigError::invalid("session_key", "DINGTALK_SESSION_KEY", why)
}

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
    use super::*;

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

    #[test]
    fn a_variable_of_another_name_is_named() {
        let error = SessionKey::from_env("NO_SUCH_KEY").unwrap_err().to_string();
        assert!(
            error.contains("NO_SUCH_KEY") && error.contains("session_key"),
            "{error}"
        );
    }
}
