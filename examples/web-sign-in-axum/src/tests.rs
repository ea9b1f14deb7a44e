//! The app on a DingTalk of this machine, with a browser and a phone at it.

use std::collections::BTreeMap;

use dingtalk_axum::SessionKey;
use dingtalk_sandbox::{Sandbox, World};
use reqwest::header::{ACCEPT, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};

use super::*;

#[tokio::test]
async fn a_page_for_employees_leads_to_dingtalks_page() {
    let sandbox = Sandbox::start().await;
    let mut browser = start(&sandbox).await;
    assert_eq!(browser.open("/").await.body, SIGNED_OUT);
    let page = browser.sign_in_page("/orders").await;
    assert!(
        page.starts_with(&format!("{}/oauth2/auth?", sandbox.url())),
        "{page}"
    );
}

#[tokio::test]
async fn who_scans_and_confirms_is_greeted_at_the_page_asked_for_until_they_sign_out() {
    let sandbox = Sandbox::start().await;
    let mut browser = start(&sandbox).await;
    let page = browser.sign_in_page("/orders?month=5").await;
    let back = browser.scan(&sandbox, &page, "unionZhangWei0001").await;
    let answer = browser.open(&back).await;
    assert_eq!(answer.location, "/orders?month=5", "{}", answer.body);
    assert_eq!(browser.open("/orders?month=5").await.body, "你好, 张伟");
    assert_eq!(browser.open("/").await.body, SIGNED_IN);

    browser.sign_out().await;
    assert_eq!(browser.open("/").await.body, SIGNED_OUT);
    assert_eq!(browser.open("/orders").await.status, 401);
}

#[tokio::test]
async fn a_stranger_is_not_let_in() {
    let mut world = World::default();
    // Or DingTalk would stop them itself.
    world.apps[0].admits_strangers = true;
    let sandbox = Sandbox::builder().world(world).start().await.unwrap();
    let mut browser = start(&sandbox).await;
    let page = browser.sign_in_page("/orders").await;
    // Of the other company there.
    let back = browser.scan(&sandbox, &page, "unionLiuYang00007").await;
    let answer = browser.open(&back).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(
        answer.body.contains("login.chose_other_corp"),
        "{}",
        answer.body
    );
    assert_eq!(browser.open("/orders").await.status, 401);
}

/// Starts the app, as the sandbox's first one.
async fn start(sandbox: &Sandbox) -> Browser {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let app = app(dingtalk(sandbox, &origin));
    tokio::spawn(async { axum::serve(listener, app).await });
    Browser::new(origin)
}

/// As the environment would say it.
fn dingtalk(sandbox: &Sandbox, origin: &str) -> DingTalk {
    let known = &sandbox.world().apps[0];
    let app = InternalApp::new(&*known.corp_id, &*known.app_key, &*known.app_secret);
    DingTalk::builder()
        .public_origin(origin)
        .endpoint(sandbox.url())
        .session_key(SessionKey::generate().unwrap())
        .internal_app(app.web_sign_in(WebSignIn::new()))
        .build()
        .unwrap()
}

/// Keeps cookies, and goes nowhere by itself.
struct Browser {
    http: Client,
    origin: String,
    cookies: BTreeMap<String, String>,
}

struct Answer {
    status: u16,
    /// Where it sends the browser; nothing if it stays.
    location: String,
    body: String,
}

impl Browser {
    fn new(origin: String) -> Self {
        let http = Client::builder().no_proxy().redirect(Policy::none());
        Self {
            http: http.build().unwrap(),
            origin,
            cookies: BTreeMap::new(),
        }
    }

    /// Opens a page of the app that asks for a sign-in, and gives the address of DingTalk's page, where that leads.
    async fn sign_in_page(&mut self, path: &str) -> String {
        let page = self.open(path).await.body;
        let link = page.split("id=\"go\" href=\"").nth(1);
        let login = link.and_then(|link| link.split('"').next());
        self.open(login.unwrap_or_else(|| panic!("no way to sign in: {page}")))
            .await
            .location
    }

    /// Opens DingTalk's page, scans its QR code with somebody's phone, confirms and consents; gives the way back to the app.
    async fn scan(&mut self, sandbox: &Sandbox, page: &str, union_id: &str) -> String {
        self.open(page).await;
        let asked = sandbox.sign_ins().pop().unwrap();
        let scanned = sandbox.confirm_sign_in(&asked.id, union_id).unwrap();
        let next = format!("{}{}", sandbox.url(), scanned.next);
        self.send(self.http.post(&next).form(&[("consent", "allow")]))
            .await;
        self.open(&next).await.location
    }

    async fn open(&mut self, address: &str) -> Answer {
        let request = self.http.get(self.url(address)).header(ACCEPT, "text/html");
        self.send(request).await
    }

    /// Presses the app's button.
    async fn sign_out(&mut self) -> Answer {
        let form = self.http.post(self.url("/dingtalk/logout"));
        self.send(form.header(ORIGIN, &self.origin)).await
    }

    async fn send(&mut self, request: RequestBuilder) -> Answer {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let answer = request.header(COOKIE, cookies).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer
            .headers()
            .get(LOCATION)
            .map_or("", |there| there.to_str().unwrap());
        Answer {
            status: answer.status().as_u16(),
            location: location.to_owned(),
            body: answer.text().await.unwrap(),
        }
    }

    fn url(&self, address: &str) -> String {
        if address.starts_with('/') {
            format!("{}{address}", self.origin)
        } else {
            address.to_owned()
        }
    }
}
