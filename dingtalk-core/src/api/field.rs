//! One field of an answer, read as leniently as DingTalk writes it: its documentation and its servers differ in types.

use std::time::Duration;

use serde_json::Value;

/// A flag, or its text.
pub(super) fn flag(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A whole number, or its text.
pub(super) fn whole(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// DingTalk's number of seconds, or the shortest life that keeps calls rare where there is no usable number.
pub(super) fn lifetime_of(seconds: Option<&Value>) -> Duration {
    let seconds = match seconds {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| seconds.is_finite()).unwrap_or(0.0);
    Duration::from_secs_f64(seconds.clamp(SHORTEST_LIFE, LONGEST_LIFE))
}

const SHORTEST_LIFE: f64 = 60.0;
const LONGEST_LIFE: f64 = 24.0 * 3600.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// H12
    #[test]
    fn odd_lifetimes_are_clamped() {
        for (said, seconds) in [
            (json!(7200), 7200),
            (json!("7200"), 7200),
            (json!(3600.5), 3600),
            (json!(0), 60),
            (json!(-1), 60),
            (json!(1e18), 86_400),
            (json!("soon"), 60),
            (json!("NaN"), 60),
            (json!(null), 60),
        ] {
            assert_eq!(lifetime_of(Some(&said)).as_secs(), seconds, "{said}");
        }
        assert_eq!(lifetime_of(None).as_secs(), 60);
    }

    proptest! {
        /// H12
        #[test]
        fn no_lifetime_overflows(seconds in proptest::num::f64::ANY, text in ".{0,20}") {
            for said in [json!(seconds), json!(text)] {
                let life = lifetime_of(Some(&said));
                prop_assert!((60..=86_400).contains(&life.as_secs()));
            }
        }
    }
}
