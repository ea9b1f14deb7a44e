//! Random identifiers in the looks DingTalk gives them.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// 32 hexadecimal digits: tokens and codes.
pub(crate) fn hex32() -> String {
    hex(&random::<16>())
}

/// Who somebody is for one app: always the same, and for no two apps the same.
pub(crate) fn open_id(app_key: &str, union_id: &str) -> String {
    let digest = Sha256::digest(format!("{app_key}\n{union_id}"));
    hex(digest.get(..12).unwrap_or_default())
}

/// The old host's `request_id`: 13 digits of base 36.
pub(crate) fn old_request_id() -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    random::<13>()
        .iter()
        .filter_map(|byte| DIGITS.get(usize::from(byte % 36)))
        .map(|digit| char::from(*digit))
        .collect()
}

/// The new host's `requestid`: an upper-case UUID.
pub(crate) fn new_request_id() -> String {
    let hex = hex32().to_uppercase();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[expect(
    clippy::expect_used,
    reason = "a machine without randomness cannot run a sandbox"
)]
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_looks_of_the_real_ones() {
        assert_eq!(hex32().len(), 32);
        assert_eq!(old_request_id().len(), 13);
        let uuid = new_request_id();
        assert_eq!(
            uuid.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert_ne!(hex32(), hex32());
        assert_eq!(open_id("a", "u").len(), 24);
        assert_eq!(open_id("a", "u"), open_id("a", "u"));
        assert_ne!(open_id("a", "u"), open_id("b", "u"));
    }
}
