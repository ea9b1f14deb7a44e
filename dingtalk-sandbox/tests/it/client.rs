//! A bare HTTP client: one request, one connection, every byte of the answer.

use std::io;

use dingtalk_sandbox::Sandbox;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What came back, whole or not.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// How the reading ended, if not in good order.
    pub(crate) broken: Option<io::ErrorKind>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn status(&self) -> u16 {
        self.text()[9..12].parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next().unwrap();
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    }

    pub(crate) fn body(&self) -> String {
        self.text()
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body())
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Sends `METHOD /path` with these header lines and this body.
pub(crate) async fn send(sandbox: &Sandbox, line: &str, headers: &[&str], body: &str) -> Answer {
    let address = sandbox.address();
    let mut head = format!(
        "{line} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    if !headers.iter().any(|header| header.starts_with("host:")) {
        head += &format!("host: {address}\r\n");
    }
    for header in headers {
        head += &format!("{header}\r\n");
    }
    send_raw(sandbox, &format!("{head}\r\n{body}")).await
}

pub(crate) async fn send_raw(sandbox: &Sandbox, request: &str) -> Answer {
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(stream).await
}

pub(crate) async fn read_to_end(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut part).await {
            Ok(0) => {
                return Answer {
                    bytes,
                    broken: None,
                };
            }
            Ok(n) => bytes.extend_from_slice(&part[..n]),
            Err(error) => {
                return Answer {
                    bytes,
                    broken: Some(error.kind()),
                };
            }
        }
    }
}

pub(crate) const JSON: &str = "content-type: application/json; charset=utf-8";
pub(crate) const FORM: &str = "content-type: application/x-www-form-urlencoded";

pub(crate) async fn post(sandbox: &Sandbox, path: &str, body: &Value) -> Answer {
    send(sandbox, &format!("POST {path}"), &[JSON], &body.to_string()).await
}

pub(crate) async fn get(sandbox: &Sandbox, path: &str) -> Answer {
    send(sandbox, &format!("GET {path}"), &[], "").await
}
