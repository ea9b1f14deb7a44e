//! Our own sign-in page with DingTalk's in a frame, as far as HTTP goes: what its script and DingTalk's do.

use std::error::Error;

use reqwest::Url;
use serde_json::Value;

use crate::browser::{Answer, between};

/// What the page gives its script.
pub(crate) struct EmbeddedPage(Value);

impl EmbeddedPage {
    pub(crate) fn read(page: &Answer) -> Result<Self, Box<dyn Error>> {
        let data = between(&page.body, "id=\"data\">", "</script>");
        let data = data.ok_or_else(|| format!("no page with a frame: {}", page.gist()))?;
        Ok(Self(serde_json::from_str(data)?))
    }

    /// What DingTalk's script shows in the frame.
    pub(crate) fn frame(&self) -> Result<Url, Box<dyn Error>> {
        let mut frame = Url::parse(self.text("/script")?)?.join("/oauth2/auth?iframe=true")?;
        let parameters = self.0.pointer("/parameters").and_then(Value::as_object);
        for (name, value) in parameters.ok_or("the frame has no parameters")? {
            let value = value
                .as_str()
                .ok_or("a parameter of the frame is no text")?;
            frame.query_pairs_mut().append_pair(name, value);
        }
        Ok(frame)
    }

    /// Where the page goes when the frame has told it `redirect_url`.
    pub(crate) fn callback(&self, redirect_url: &str) -> Result<Url, Box<dyn Error>> {
        let told = Url::parse(redirect_url)?;
        let said = |name: &str| {
            let mut said = told.query_pairs();
            let value = said.find(|(said, _)| said == name).map(|(_, value)| value);
            value.ok_or_else(|| format!("the frame told no {name}"))
        };
        let state = self.text("/parameters/state")?;
        if said("state")? != state {
            return Err("the frame told another state".into());
        }
        let query = [("authCode", &*said("authCode")?), ("state", state)];
        Ok(Url::parse_with_params(self.text("/callback")?, query)?)
    }

    fn text(&self, pointer: &str) -> Result<&str, String> {
        let text = self.0.pointer(pointer).and_then(Value::as_str);
        text.ok_or_else(|| format!("the page does not say its {pointer}"))
    }
}
