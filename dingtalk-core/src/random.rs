//! Random bytes of the operating system.

use std::time::Duration;

use crate::error::Error;

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(bytes)
}

/// A part of `span`, evenly spread between `least` of it and all of it; all of it where there is no randomness.
pub(crate) fn jittered(span: Duration, least: f64) -> Duration {
    let share = bytes::<4>().map_or(1.0, |bytes| {
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    });
    span.mul_f64(least + (1.0 - least) * share)
}
