//! Web sign-in, from a page in any browser to the greeted user.

mod again;
mod anyone;
mod begin;
mod callback;
mod cost;
mod embedded;
mod legacy;
mod query;
mod state;
mod user_token;

use dingtalk_core::{DingTalkBuilder, InternalApp, WebSignIn};
use dingtalk_sandbox::World;
use dingtalk_tests::{Answer, Browser, Framework, Setup};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// A setup whose app signs people in on the web.
async fn start(framework: Framework) -> Setup {
    with(framework, |web| web, |builder| builder).await
}

/// A setup whose app signs people in on the web, with settings of the test's own.
async fn with(
    framework: Framework,
    web: impl FnOnce(WebSignIn) -> WebSignIn,
    change: impl FnOnce(DingTalkBuilder) -> DingTalkBuilder,
) -> Setup {
    let app = |app: InternalApp| app.web_sign_in(web(WebSignIn::new()));
    Setup::of_app(framework, World::default(), app, change).await
}

/// A sign-in begun in a browser: DingTalk's page, with the state that it will send back.
struct Begun {
    page: Url,
    state: String,
}

/// Begins a sign-in that goes on to `target`.
async fn begin(browser: &mut Browser, target: &str) -> Begun {
    let target = utf8_percent_encode(target, NON_ALPHANUMERIC);
    let answer = browser
        .open(&format!("/dingtalk/login?via=web&return_to={target}"))
        .await;
    begun(&answer)
}

/// Begins a sign-in by a way of ours that goes on to `target`; gives its state.
async fn begin_by(browser: &mut Browser, via: &str, target: &str) -> String {
    let target = utf8_percent_encode(target, NON_ALPHANUMERIC);
    let login = format!("/dingtalk/login?via={via}&return_to={target}");
    state_of(&browser.open(&login).await)
}

/// The state of a sign-in that was begun, on DingTalk's page or in a frame on ours.
fn state_of(answer: &Answer) -> String {
    if answer.status == 200 {
        return embedded::state(answer);
    }
    begun(answer).state
}

fn begun(answer: &Answer) -> Begun {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let page = Url::parse(answer.header("location").unwrap()).unwrap();
    let state = parameter(&page, "state").unwrap();
    Begun { page, state }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(said, _)| said == name)
        .map(|(_, value)| value.into_owned())
}

/// Comes back from DingTalk's page with a code.
async fn come_back(browser: &mut Browser, code: &str, state: &str) -> Answer {
    let answer = browser.open(&callback(code, state)).await;
    assert_clean(&answer, code, state);
    answer
}

/// A12: no answer of the callback is kept, is told to the next site, or repeats what the query said.
fn assert_clean(answer: &Answer, code: &str, state: &str) {
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    let text = answer.text();
    let headers = answer.headers.iter().map(|(_, value)| value);
    for said in headers.chain([&text]) {
        assert!(!said.contains(code) && !said.contains(state), "{said}");
    }
}

fn callback(code: &str, state: &str) -> String {
    format!("/dingtalk/callback?code={code}&authCode={code}&state={state}")
}

/// A web code for a person of the world's first app.
fn code(setup: &Setup, user_id: &str) -> String {
    let app = &setup.sandbox.world().apps[0];
    setup.sandbox.web_code(&app.app_key, user_id)
}

/// A web code for the world's first person.
fn any_code(setup: &Setup) -> String {
    code(setup, &setup.sandbox.world().people[0].user_id)
}

/// Signs the world's first person in and gives where it led.
async fn sign_in(setup: &Setup, browser: &mut Browser, target: &str) -> String {
    let begun = begin(browser, target).await;
    let answer = come_back(browser, &any_code(setup), &begun.state).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// A refusal as a page: its status and our code.
fn refused(answer: &Answer) -> (u16, String) {
    let text = answer.text();
    let code = text
        .split("<code>")
        .nth(2)
        .and_then(|rest| rest.split('<').next());
    (answer.status, code.unwrap_or_default().to_owned())
}
