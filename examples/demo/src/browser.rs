//! A browser as far as the check needs one: it keeps cookies and says which page it is on.

use std::collections::BTreeMap;
use std::error::Error;

use reqwest::Client;
use reqwest::header::{LOCATION, SET_COOKIE};
use serde_json::Value;

/// One browser at one app.
pub(crate) struct Browser {
    http: Client,
    origin: String,
    pub(crate) cookies: BTreeMap<String, String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    /// What it says, in a line: where it leads, our code and title, or how it begins.
    pub(crate) fn gist(&self) -> String {
        let (code, title) = match between(&self.body, "<title>", "</title>") {
            Some(title) => {
                // A refusal's page ends with its code.
                let end = self.body.rsplit("<code>").next().unwrap_or_default();
                let code = between(end, "", "</code>").unwrap_or_default();
                (code.to_owned(), title.to_owned())
            }
            None => (self.says("/code"), self.says("/title")),
        };
        let said = match &self.location {
            Some(location) => format!("leads to {location}"),
            None if title.is_empty() => self.body.clone(),
            None => format!("{code} \"{title}\""),
        };
        let words: Vec<&str> = said.split_whitespace().collect();
        words.join(" ").chars().take(200).collect()
    }

    /// A member of a JSON answer, as text.
    pub(crate) fn says(&self, pointer: &str) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

impl Browser {
    pub(crate) fn new(origin: &str) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            origin: origin.to_owned(),
            cookies: BTreeMap::new(),
        })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Box<dyn Error>> {
        self.send(self.http.get(self.url(path))).await
    }

    /// Opens a page, by its path or by the address that another site sent us to.
    pub(crate) async fn open(&mut self, target: &str) -> Result<Answer, Box<dyn Error>> {
        let path = target.strip_prefix(&*self.origin).unwrap_or(target);
        let request = self.http.get(self.url(path)).header("accept", "text/html");
        self.send(request).await
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        code: Option<&str>,
    ) -> Result<Answer, Box<dyn Error>> {
        let request = self.http.post(self.url(path));
        let request = match code {
            Some(code) => request.header("x-dingtalk-auth-code", code),
            None => request,
        };
        self.send(request).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Result<Answer, Box<dyn Error>> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header("origin", &self.origin)
            .header("accept-language", "en");
        let answer = request.header("cookie", cookies.join("; ")).send().await?;
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str()?;
            let (name, value) = cookie
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .ok_or("no pair")?;
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer.headers().get(LOCATION);
        let location = location
            .and_then(|there| there.to_str().ok())
            .map(str::to_owned);
        Ok(Answer {
            status: answer.status().as_u16(),
            location,
            body: answer.text().await?,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// What stands between two pieces of a text.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(between, _)| between)
}
