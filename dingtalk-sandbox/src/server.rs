//! The listener: connections to requests, requests to the API, the control API or the page.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use hyper::{
    Method, Response,
    body::{Body, Frame, Incoming, SizeHint},
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::{
    api, control,
    engine::Engine,
    envelope::{Reply, ReplyBody},
    page, signin,
    wire::{Plan, Planned, Wire},
};

/// Accepts connections until the future is dropped.
pub(crate) async fn serve(listener: TcpListener, engine: Arc<Engine>, own: SocketAddr) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let engine = engine.clone();
                tokio::spawn(async move {
                    connection(stream, peer, engine, own).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, engine: Arc<Engine>, own: SocketAddr) {
    // Small answers to small requests: nothing to gain by collecting them.
    let _ = stream.set_nodelay(true);
    let planned = Planned::default();
    let io = Wire::new(stream, planned.clone(), engine.clock.clone());
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (engine, planned) = (engine.clone(), planned.clone());
        async move {
            let (reply, plan) = answer(&engine, request, peer, own).await;
            planned.set(plan);
            Ok::<_, Infallible>(response(reply))
        }
    });
    // Our own clock is not the system's, so no date of hyper's making.
    let served = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(io, service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    engine: &Arc<Engine>,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    own: SocketAddr,
) -> (Reply, Plan) {
    let (head, body) = request.into_parts();
    let Some(body) = read(body).await else {
        let text = format!("the sandbox reads at most {LONGEST_REQUEST} bytes\n");
        return (
            Reply::raw(413, "text/plain; charset=utf-8", text, "413"),
            Plan::default(),
        );
    };
    let path = head.uri.path();
    if let Some(reply) = signin::answer(engine, &head, &body, own) {
        return (reply, Plan::default());
    }
    let is_read = head.method == Method::GET || head.method == Method::HEAD;
    let page = if is_read {
        page::answer(engine, &head, own)
    } else {
        None
    };
    let ours = page.or_else(|| {
        let is_control = path.starts_with("/sandbox/");
        is_control.then(|| control::answer(engine, &head, &body, own))
    });
    match ours {
        Some(reply) => (reply, Plan::default()),
        None => api::answer(engine, api_request(&head, body, peer)).await,
    }
}

fn api_request(head: &Parts, body: Bytes, peer: SocketAddr) -> api::Request {
    let query = head.uri.query().unwrap_or_default();
    api::Request {
        ip: peer.ip(),
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        content_type: header(head, CONTENT_TYPE.as_str())
            .unwrap_or_default()
            .to_owned(),
        header_token: header(head, "x-acs-dingtalk-access-token")
            .filter(|token| !token.trim().is_empty())
            .map(str::to_owned),
        body,
    }
}

/// A header that is text.
pub(crate) fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

/// The whole body, or `None` when it is too long or never comes.
async fn read(mut body: Incoming) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            if whole.len() + data.len() > LONGEST_REQUEST {
                return None;
            }
            whole.extend_from_slice(&data);
        }
    }
    Some(whole.freeze())
}

fn response(reply: Reply) -> Response<Stream> {
    let stream = match reply.body {
        ReplyBody::Endless(spaces, tail) => Stream {
            spaces,
            tail,
            sized: false,
        },
        body => Stream {
            spaces: 0,
            tail: body.to_bytes(),
            sized: true,
        },
    };
    let mut response = Response::new(stream);
    *response.status_mut() = reply.status.try_into().unwrap_or_default();
    let headers = response.headers_mut();
    let content_type = [("content-type", reply.content_type)];
    for (name, value) in content_type.into_iter().chain(reply.headers) {
        // A fault may ask for a value that HTTP cannot carry: then the header is left out.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A body: some spaces, then bytes.
#[derive(Debug)]
struct Stream {
    spaces: u64,
    tail: Bytes,
    sized: bool,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let data = if this.spaces > 0 {
            let some = this.spaces.min(SPACES.len() as u64);
            this.spaces -= some;
            Bytes::from_static(SPACES).slice(..usize::try_from(some).unwrap_or(SPACES.len()))
        } else {
            std::mem::take(&mut this.tail)
        };
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.spaces == 0 && self.tail.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized {
            SizeHint::with_exact(self.tail.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}

static SPACES: &[u8] = &[b' '; 16 * 1024];
const LONGEST_REQUEST: usize = 1024 * 1024;
const MOST_CONNECTIONS: usize = 1024;
