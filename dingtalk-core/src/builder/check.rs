//! What settings must be to work.

use std::time::Duration;

use crate::error::setting::ConfigError;
use crate::inbound::origin::listed_origin;

pub(super) fn framed_by(origins: &[String], is_secure: bool) -> Result<Vec<String>, ConfigError> {
    if !origins.is_empty() && !is_secure {
        let why = "browsers send cookies into another site's frame over https only";
        return Err(ConfigError::invalid("framed_by", "", why));
    }
    let origins = origins.iter();
    origins
        .map(|origin| listed_origin("framed_by", origin))
        .collect()
}

pub(super) fn base_path(base: &str, name: &str) -> Result<String, ConfigError> {
    let is_name = |name: &str| {
        name.len() <= 32
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_name(name) {
        return Err(ConfigError::invalid(
            "name",
            "",
            "only lower-case letters, digits and `-`, at most 32",
        ));
    }
    let segments: Vec<&str> = base.split('/').skip(1).collect();
    let is_segment = |segment: &&str| {
        !segment.is_empty()
            && *segment != "."
            && *segment != ".."
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    if !base.starts_with('/') || base.len() > 128 || !segments.iter().all(is_segment) {
        return Err(ConfigError::invalid(
            "base_path",
            "",
            "it must be a path such as /dingtalk, without a slash at its end",
        ));
    }
    Ok(if name.is_empty() {
        base.to_owned()
    } else {
        format!("{base}/{name}")
    })
}

pub(super) fn limits(limits: &[(&'static str, Duration)]) -> Result<(), ConfigError> {
    for (setting, limit) in limits {
        if limit.is_zero() || *limit > LONGEST_LIMIT {
            return Err(ConfigError::invalid(
                setting,
                "",
                "it must be more than nothing and at most a year",
            ));
        }
    }
    Ok(())
}

const LONGEST_LIMIT: Duration = Duration::from_secs(366 * 86_400);
