//! axum's request and response, in core's words.

use std::borrow::Cow;

use axum::extract::OriginalUri;
use axum_core::response::Response;
use dingtalk_core::{Reply, RequestHead, Visit};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};

/// The head of an axum request.
pub(crate) struct Head<'a>(pub(crate) &'a Parts);

impl Head<'_> {
    pub(crate) fn visit(&self) -> Result<&Visit, Reply> {
        self.0
            .extensions
            .get()
            .ok_or_else(|| Reply::layer_missing(self))
    }

    /// What the client asked for; a nested router sees a part of it.
    fn original(&self) -> &Uri {
        self.0
            .extensions
            .get::<OriginalUri>()
            .map_or(&self.0.uri, |original| &original.0)
    }
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.0.method.as_str()
    }

    fn path(&self) -> &str {
        self.original().path()
    }

    fn routed_path(&self) -> &str {
        self.0.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.original().query()
    }

    fn authority(&self) -> Option<&str> {
        self.original()
            .authority()
            .map(|authority| authority.as_str())
    }

    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .headers
            .get_all(HeaderName::from_static(name))
            .iter()
            .map(HeaderValue::as_bytes)
    }
}

/// Core's reply as axum sends it.
pub(crate) fn response(reply: Reply) -> Response {
    let mut response = Response::default();
    *response.status_mut() =
        StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in reply.headers() {
        if let Ok(value) = value.parse() {
            response.headers_mut().append(name, value);
        }
    }
    *response.body_mut() = reply.into_body().into();
    response
}

/// Adds what the visit wants on the app's response.
pub(crate) fn finish(visit: &Visit, response: &mut Response) {
    let headers = response.headers_mut();
    let caching = headers.get_all(header::CACHE_CONTROL);
    for change in visit.finish(caching.iter().map(HeaderValue::as_bytes)) {
        let name = HeaderName::from_static(change.name);
        match header_value(change.value) {
            Some(value) if change.replaces => drop(headers.insert(name, value)),
            Some(value) => drop(headers.append(name, value)),
            None => {}
        }
    }
}

fn header_value(text: Cow<'static, str>) -> Option<HeaderValue> {
    match text {
        Cow::Borrowed(text) => Some(HeaderValue::from_static(text)),
        Cow::Owned(text) => text.try_into().ok(),
    }
}
