//! A browser as far as HTTP goes: it keeps cookies and says where it is, and every byte it sends can be chosen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::setup::ORIGIN;

/// Keeps cookies between requests to one app.
#[derive(Clone, Debug)]
pub struct Browser {
    address: SocketAddr,
    /// The cookies by name.
    pub cookies: BTreeMap<String, String>,
}

/// A request, byte by byte.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request with a `Host` header only.
    pub fn new(method: &str, target: &str) -> Self {
        let host = ORIGIN.trim_start_matches("https://");
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("host".to_owned(), host.into())],
            body: Vec::new(),
        }
    }

    /// Adds a header, in any bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Takes a header away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        self
    }

    /// Sets the body and its length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// As a browser's page load.
    #[must_use]
    pub fn page(self) -> Self {
        self.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", "none")
            .header("accept-language", "en")
    }

    /// As a script's call from a page of the app.
    #[must_use]
    pub fn fetch(self) -> Self {
        self.header("accept", "*/*")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-site", "same-origin")
            .header("origin", ORIGIN)
            .header("accept-language", "en")
    }

    /// With DingTalk's client as the browser.
    #[must_use]
    pub fn in_client(self) -> Self {
        self.header(
            "user-agent",
            "Mozilla/5.0 (Linux; Android 14) Mobile Safari/537.36 AliApp(DingTalk/7.6.0) com.alibaba.android.rimet/1",
        )
    }

    /// Sends it without any cookie jar.
    pub async fn send(self, address: SocketAddr) -> Answer {
        self.try_send(address).await.expect("the app answers")
    }

    /// Sends it; fails where the connection does.
    pub async fn try_send(self, address: SocketAddr) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(address).await?;
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let length = self.body.len().to_string();
        let mut headers = self.headers.clone();
        headers.push(("connection".to_owned(), b"close".to_vec()));
        if !self.body.is_empty() || self.method == "POST" {
            headers.push(("content-length".to_owned(), length.into_bytes()));
        }
        for (name, value) in &headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        stream.write_all(&bytes).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Answer::parse(&answer).ok_or_else(|| std::io::Error::other("no HTTP answer"))
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let head = match response.parse(bytes).ok()? {
            httparse::Status::Complete(head) => head,
            httparse::Status::Partial => return None,
        };
        let headers: Vec<(String, String)> = response
            .headers
            .iter()
            .map(|header| {
                (
                    header.name.to_ascii_lowercase(),
                    String::from_utf8_lossy(header.value).into_owned(),
                )
            })
            .collect();
        let is_chunked = headers
            .iter()
            .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let body = bytes.get(head..)?;
        Some(Self {
            status: response.code?,
            headers,
            body: if is_chunked {
                unchunk(body)?
            } else {
                body.to_vec()
            },
        })
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// All values of a header.
    pub fn headers_named(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(there, _)| there == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text()))
    }

    /// The `code` of problem details.
    pub fn code(&self) -> String {
        self.json()
            .get("code")
            .and_then(|code| code.as_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// The value of the session cookie it sets, if it sets one.
    pub fn session(&self) -> Option<String> {
        let mut set = self
            .headers_named("set-cookie")
            .filter_map(|cookie| cookie.split(';').next()?.split_once('='));
        set.find(|(name, value)| is_session(name) && !value.is_empty())
            .map(|(_, value)| value.to_owned())
    }
}

impl Browser {
    /// An empty jar for an app.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cookies: BTreeMap::new(),
        }
    }

    /// Sends a request with the jar's cookies and keeps what comes.
    pub async fn send(&mut self, request: Request) -> Answer {
        let answer = self.carry(request).send(self.address).await;
        self.keep(&answer);
        answer
    }

    /// The request with the jar's cookies.
    pub fn carry(&self, request: Request) -> Request {
        if self.cookies.is_empty() {
            return request;
        }
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        request.header("cookie", pairs.join("; "))
    }

    /// Keeps the cookies of an answer.
    pub fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers_named("set-cookie") {
            let mut parts = cookie.split("; ");
            let (name, value) = parts
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a cookie is a pair");
            if parts.any(|part| part == "Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Goes to another instance of the app, cookies and all.
    pub fn go_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Opens a page.
    pub async fn open(&mut self, target: &str) -> Answer {
        self.send(Request::new("GET", target).page()).await
    }

    /// A script's GET.
    pub async fn fetch(&mut self, target: &str) -> Answer {
        self.send(Request::new("GET", target).fetch()).await
    }

    /// Posts a silent-login code as a page of the app does.
    pub async fn login(&mut self, code: &str) -> Answer {
        self.send(login(code)).await
    }

    /// Signs out as a page of the app does.
    pub async fn logout(&mut self) -> Answer {
        self.send(Request::new("POST", "/dingtalk/logout").fetch())
            .await
    }

    /// The session cookie's name and value, if there is one.
    pub fn session(&self) -> Option<(String, String)> {
        let mut cookies = self.cookies.iter();
        cookies
            .find(|(name, _)| is_session(name))
            .map(|(name, value)| (name.clone(), value.clone()))
    }
}

/// The request that posts a silent-login code.
pub fn login(code: &str) -> Request {
    Request::new("POST", "/dingtalk/login")
        .fetch()
        .header("x-dingtalk-auth-code", code)
}

fn is_session(name: &str) -> bool {
    let hash = name
        .strip_prefix("__Host-")
        .unwrap_or(name)
        .strip_prefix("dt-");
    hash.is_some_and(|hash| hash.len() == 8)
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let (head, length) = match httparse::parse_chunk_size(body).ok()? {
            httparse::Status::Complete(chunk) => chunk,
            httparse::Status::Partial => return None,
        };
        let length = usize::try_from(length).ok()?;
        if length == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(head..head + length)?);
        body = body.get(head + length + 2..)?;
    }
}
