//! The requests and cookies that both frameworks are asked.

use std::sync::atomic::{AtomicU64, Ordering};

use dingtalk_tests::{ORIGIN, Request, Setup, login};

pub(super) const SPA: &str = "https://spa.example.com";
const NAME: &str = "__Host-dt-624a92d9";

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Nothing,
    Valid,
    Odd,
}

impl Carried {
    /// Odd cookies go with a few of the requests; all requests with all of them would take minutes.
    pub(super) fn is_for(self, name: &str) -> bool {
        self != Self::Odd || name.ends_with(" as fetch") || name.ends_with(" as page")
    }
}

pub(super) async fn cookies(setup: &Setup) -> Vec<(Carried, Vec<u8>)> {
    let (good, other) = (
        session(setup, "manager01").await,
        session(setup, "lina02").await,
    );
    let bad = [NAME.as_bytes(), b"=AAAA"].concat();
    let gone = session(setup, "manager01").await;
    let logout = Request::new("POST", "/dingtalk/logout")
        .fetch()
        .header("cookie", &gone);
    assert_eq!(logout.send(setup.app.address()).await.status, 200);
    let mark = Request::new("GET", "/").send(setup.app.address()).await;
    let mark = mark.header("set-cookie").expect("a mark");
    let mark = mark.split(';').next().unwrap_or_default();
    let encoded = String::from_utf8_lossy(&good).replace("__", "%5F%5F");
    let mut tampered = good.clone();
    if let Some(byte) = tampered.get_mut(80) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let odd = [
        bad.clone(),
        tampered,
        gone,
        encoded.into_bytes(),
        [&bad[..], b"; ", &good].concat(),
        [&good[..], b"; ", &other].concat(),
        [&b"a=\xff\xfe; "[..], &good, b"; \"="].concat(),
        [&b"$Version=1;\t"[..], &good].concat(),
        [mark.as_bytes(), b"; ", &good].concat(),
        mark.as_bytes().to_vec(),
        format!("{NAME}-corp=ding0a1b2c3d4e5f6a7b").into_bytes(),
        b";;;=;".to_vec(),
    ];
    let odd = odd.into_iter().map(|cookie| (Carried::Odd, cookie));
    [(Carried::Nothing, Vec::new()), (Carried::Valid, good)]
        .into_iter()
        .chain(odd)
        .collect()
}

pub(super) async fn session(setup: &Setup, user_id: &str) -> Vec<u8> {
    let answer = login(&setup.code(user_id)).send(setup.app.address()).await;
    let session = answer.session().expect("signed in");
    format!("{NAME}={session}").into_bytes()
}

pub(super) type MakeRequest = Box<dyn Fn(&Setup) -> Request>;

/// Every method and set of headers on our own paths, and every way to ask on the app's.
pub(super) fn corpus() -> Vec<(String, MakeRequest)> {
    let own = [
        "/dingtalk/login",
        "/dingtalk/logout",
        "/dingtalk/me",
        "/dingtalk/login?return_to=/x%2F..%2Fy",
        "/dingtalk/logout?return_to=//x&corpid=ding1",
    ];
    let methods = [
        "GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
    ];
    let apps = [
        "/",
        "/orders?x=1",
        "/maybe",
        "/option",
        "/public",
        "/shared",
        "/cached",
        "/me",
        "/guarded/page",
        "/admins/page",
        "/nowhere",
        "/?corpid=ding9f8e7d6c5b4a3f2e",
        "/maybe?corpId=%24CORPID%24",
        "//",
        "/dingtalk",
        "/dingtalk/%6cogin",
        "/%zz",
        "/a%00b",
    ];
    let own = own
        .into_iter()
        .flat_map(|path| methods.map(|method| (method, path)));
    let targets: Vec<_> = own
        .chain(apps.map(|path| ("GET", path)))
        .chain([("POST", "/orders")])
        .collect();
    let mut corpus: Vec<(String, MakeRequest)> = Vec::new();
    for (method, path) in targets {
        for (set, dress) in DRESSES {
            let make = move |setup: &Setup| dress(setup, Request::new(method, path));
            corpus.push((format!("{method} {path} as {set}"), Box::new(make)));
        }
    }
    corpus
}

type Dress = fn(&Setup, Request) -> Request;

const DRESSES: &[(&str, Dress)] = &[
    ("nothing", |_, request| request),
    ("fetch", |_, request| request.fetch()),
    ("page", |_, request| request.page()),
    ("page in the client", |_, request| {
        request.page().in_client()
    }),
    ("page of the app", |_, request| {
        request
            .page()
            .without("sec-fetch-site")
            .header("sec-fetch-site", "same-origin")
    }),
    ("old page", |_, request| {
        request
            .header("accept", "text/html")
            .header("x-requested-with", "com.alibaba.android.rimet")
    }),
    ("script library", |_, request| {
        request
            .header("accept", "text/html")
            .header("x-requested-with", "XMLHttpRequest")
    }),
    ("login", |setup, request| {
        request
            .fetch()
            .header("x-dingtalk-auth-code", setup.any_code())
    }),
    ("login for the other corp", |setup, request| {
        request
            .fetch()
            .header("x-dingtalk-auth-code", setup.any_code())
            .header("x-dingtalk-corp-id", "ding9f8e7d6c5b4a3f2e")
    }),
    ("login with a dead code", |_, request| {
        request.fetch().header("x-dingtalk-auth-code", dead_code())
    }),
    ("login with two codes", |setup, request| {
        request
            .fetch()
            .header("x-dingtalk-auth-code", setup.any_code())
            .header("x-dingtalk-auth-code", "x")
    }),
    ("login with junk", |_, request| {
        request.fetch().header("x-dingtalk-auth-code", b"\xff x")
    }),
    ("another site's script", |_, request| {
        request
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "cors")
    }),
    ("another site's preflight", |_, request| {
        request
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST")
    }),
    ("a trusted origin's script", |setup, request| {
        request
            .header("origin", SPA)
            .header("sec-fetch-site", "same-site")
            .header("x-dingtalk-auth-code", setup.any_code())
    }),
    ("a trusted origin's preflight", |_, request| {
        request
            .header("origin", SPA)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-dingtalk-auth-code")
    }),
    ("two origins", |_, request| {
        request.header("origin", ORIGIN).header("origin", SPA)
    }),
    ("bytes", |_, request| {
        request
            .header("origin", b"\xff")
            .header("accept", b"text/html\xff")
            .header("accept-language", b"\xff,en;q=2")
            .header("user-agent", b"\xffdingTALK")
            .header("x-dingtalk-corp-id", b"\xff")
    }),
    ("another corp", |_, request| {
        request
            .page()
            .header("x-dingtalk-corp-id", "ding9f8e7d6c5b4a3f2e")
    }),
    ("the placeholder", |_, request| {
        request.fetch().header("x-dingtalk-corp-id", "$corpId$")
    }),
    ("several values", |_, request| {
        request
            .header("accept", "image/*")
            .header("accept", "text/html")
            .header("x-dingtalk-corp-id", "")
            .header("x-dingtalk-corp-id", "ding1")
    }),
];

/// A code that nobody tried before.
fn dead_code() -> String {
    static TRIED: AtomicU64 = AtomicU64::new(0);
    format!("dead{:028x}", TRIED.fetch_add(1, Ordering::Relaxed))
}
