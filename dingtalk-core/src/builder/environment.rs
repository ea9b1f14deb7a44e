//! Settings from the environment.

use super::DingTalkBuilder;
use crate::endpoint::Region;
use crate::error::setting::ConfigError;
use crate::login::InternalApp;
use crate::session::key::SessionKey;

impl DingTalkBuilder {
    /// Reads all settings but the app from the environment: `DINGTALK_PUBLIC_ORIGIN`, `DINGTALK_SESSION_KEY`, and where DingTalk is:
    /// `DINGTALK_REGION` (`china`, the default, or `international`) or `DINGTALK_ENDPOINT` (a URL). With a sandbox also
    /// `DINGTALK_JSAPI_SCRIPT`: see [`jsapi_script`](Self::jsapi_script). The app is [`InternalApp::from_env`].
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(&Variables(&variable))
    }

    fn from_variables(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        let key = variables.required("session_key", "DINGTALK_SESSION_KEY")?;
        let builder = Self::new()
            .public_origin(variables.required("public_origin", "DINGTALK_PUBLIC_ORIGIN")?)
            .session_key(SessionKey::parse(&key)?);
        let builder = match variables.given("DINGTALK_JSAPI_SCRIPT") {
            Some(script) => builder.jsapi_script(script),
            None => builder,
        };
        let endpoint = variables.given("DINGTALK_ENDPOINT");
        match (endpoint, variables.given("DINGTALK_REGION")) {
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

impl InternalApp {
    /// Reads an app from the environment: `DINGTALK_CORP_ID`, `DINGTALK_APP_KEY` and `DINGTALK_APP_SECRET`.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(&Variables(&variable))
    }

    fn from_variables(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        Ok(Self::new(
            variables.required("corp_id", "DINGTALK_CORP_ID")?,
            variables.required("app_key", "DINGTALK_APP_KEY")?,
            variables.required("app_secret", "DINGTALK_APP_SECRET")?,
        ))
    }
}

/// Variables by name. An empty one is not there.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn given(&self, variable: &str) -> Option<String> {
        self.0(variable).filter(|value| !value.is_empty())
    }

    fn required(
        &self,
        setting: &'static str,
        variable: &'static str,
    ) -> Result<String, ConfigError> {
        self.given(variable)
            .ok_or_else(|| ConfigError::missing(setting, variable))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
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
            let variable = |name: &str| all.get(name).map(|value| (*value).to_owned());
            let variables = Variables(&variable);
            let built = DingTalkBuilder::from_variables(&variables).and_then(|builder| {
                let app = InternalApp::from_variables(&variables)?;
                builder.internal_app(app).build()
            });
            built.map(|_| ()).map_err(|error| error.to_string())
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
