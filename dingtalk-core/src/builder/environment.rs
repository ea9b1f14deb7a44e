//! Settings from the environment.

use super::DingTalkBuilder;
use crate::endpoint::Region;
use crate::error::setting::ConfigError;
use crate::login::InternalApp;
use crate::session::key::SessionKey;

impl DingTalkBuilder {
    /// Reads the settings of one internal app from the environment: `DINGTALK_PUBLIC_ORIGIN`, `DINGTALK_CORP_ID`,
    /// `DINGTALK_APP_KEY`, `DINGTALK_APP_SECRET`, `DINGTALK_SESSION_KEY`, and where DingTalk is: `DINGTALK_REGION` (`china`,
    /// the default, or `international`) or `DINGTALK_ENDPOINT` (a URL). With a sandbox also `DINGTALK_JSAPI_SCRIPT`: see
    /// [`jsapi_script`](Self::jsapi_script).
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = |variable| read(variable).filter(|value| !value.is_empty());
        let required = |setting, variable| {
            given(variable).ok_or_else(|| ConfigError::missing(setting, variable))
        };
        let app = InternalApp::new(
            required("corp_id", "DINGTALK_CORP_ID")?,
            required("app_key", "DINGTALK_APP_KEY")?,
            required("app_secret", "DINGTALK_APP_SECRET")?,
        );
        let builder = Self::new()
            .public_origin(required("public_origin", "DINGTALK_PUBLIC_ORIGIN")?)
            .session_key(SessionKey::parse(&required(
                "session_key",
                "DINGTALK_SESSION_KEY",
            )?)?)
            .internal_app(app);
        let builder = match given("DINGTALK_JSAPI_SCRIPT") {
            Some(script) => builder.jsapi_script(script),
            None => builder,
        };
        match (given("DINGTALK_ENDPOINT"), given("DINGTALK_REGION")) {
            (Some(_), Some(_)) => {
                let why = "DINGTALK_REGION is set too: set one of the two";
                Err(ConfigError::invalid("endpoint", "DINGTALK_ENDPOINT", why))
            }
            (Some(endpoint), None) => Ok(builder.endpoint(&endpoint)),
            (None, None) => Ok(builder),
            (None, Some(region)) => match region.as_str() {
                "china" => Ok(builder.region(Region::China)),
                "international" => Ok(builder.region(Region::International)),
                _ => Err(ConfigError::invalid(
                    "region",
                    "DINGTALK_REGION",
                    "it is neither `china` nor `international`",
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_environment_is_read_and_its_faults_are_named() {
        let key = SessionKeyText::new();
        let full = [
            ("DINGTALK_PUBLIC_ORIGIN", "https://hr.example.com"),
            ("DINGTALK_CORP_ID", "ding0a1b"),
            ("DINGTALK_APP_KEY", "dingkey"),
            ("DINGTALK_APP_SECRET", "secret"),
            ("DINGTALK_SESSION_KEY", &key.0),
        ];
        let read = |changes: &[(&'static str, &'static str)]| {
            let mut all: HashMap<&str, &str> = full.into_iter().collect();
            all.extend(changes.iter().copied());
            DingTalkBuilder::from_variables(|name| all.get(name).map(|value| (*value).to_owned()))
                .and_then(DingTalkBuilder::build)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]), Ok(()));
        assert_eq!(read(&[("DINGTALK_REGION", "international")]), Ok(()));
        assert_eq!(
            read(&[("DINGTALK_ENDPOINT", "http://127.0.0.1:7070")]),
            Ok(())
        );
        for (variable, _) in full {
            assert!(read(&[(variable, "")]).unwrap_err().contains(variable));
        }
        assert!(
            read(&[("DINGTALK_REGION", "moon")])
                .unwrap_err()
                .contains("DINGTALK_REGION")
        );
        let both = [
            ("DINGTALK_REGION", "china"),
            ("DINGTALK_ENDPOINT", "http://127.0.0.1:7070"),
        ];
        assert!(read(&both).unwrap_err().contains("one of the two"));
        assert!(
            read(&[("DINGTALK_ENDPOINT", "oapi.dingtalk.com")])
                .unwrap_err()
                .contains("DINGTALK_ENDPOINT")
        );
    }

    struct SessionKeyText(String);

    impl SessionKeyText {
        fn new() -> Self {
            Self((0..32).map(|byte| format!("{byte:02x}")).collect())
        }
    }
}
