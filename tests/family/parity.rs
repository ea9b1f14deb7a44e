//! The two frameworks give one answer to one request, whatever it is, and no request does harm.

use std::collections::BTreeMap;

use dingtalk_core::DingTalkBuilder;
use dingtalk_sandbox::World;
use dingtalk_tests::{Answer, Framework, Gate, Placement, RunningApp, Setup};

use self::corpus::{Carried, SPA, cookies, corpus, session};

mod corpus;
mod paths;

/// M3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_frameworks_answer_every_request_alike() {
    let (setup, actix) = twins().await;
    let axum = &setup.app;
    let carried = cookies(&setup).await;
    let mut compared = BTreeMap::new();
    for (name, request) in corpus() {
        // A session that a request ends, or replaces, is each framework's own.
        let is_ending = name.starts_with("POST /dingtalk/log");
        for (kind, cookie) in &carried {
            if !kind.is_for(&name) {
                continue;
            }
            let mut answers = Vec::new();
            for app in [axum, &actix] {
                let cookie = if is_ending && *kind == Carried::Valid {
                    session(&setup, "manager01").await
                } else {
                    cookie.clone()
                };
                let request = request(&setup);
                let request = if cookie.is_empty() {
                    request
                } else {
                    request.header("cookie", cookie)
                };
                answers.push(request.send(app.address()).await);
            }
            let shapes: Vec<Shape> = answers.iter().map(Shape::of).collect();
            assert_eq!(shapes[0], shapes[1], "{name} with {kind:?}");
            assert!(
                shapes[0].status < 500,
                "{name} with {kind:?} {:?}",
                shapes[0]
            );
            *compared.entry(shapes[0].status).or_insert(0) += 1;
        }
    }
    // The corpus is not all refusals.
    for status in [200, 204, 303, 400, 401, 403, 404, 405] {
        assert!(
            compared.get(&status).is_some_and(|count| *count > 3),
            "{status}: {compared:?}"
        );
    }
}

/// One handle in both frameworks.
async fn twins() -> (Setup, RunningApp) {
    let mut world = World::default();
    for app in &mut world.apps {
        app.calls_per_second = 0;
    }
    let change = |builder: DingTalkBuilder| builder.calls_per_second(10_000).trusted_origin(SPA);
    let setup = Setup::placed(Framework::Axum, Placement::Right, world, change).await;
    let dingtalk = setup.dingtalk.clone();
    let actix = Framework::Actix.start(dingtalk, Placement::Right, Gate::default());
    (setup, actix)
}

/// An answer without what differs from one answer to the next.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Shape {
    fn of(answer: &Answer) -> Self {
        let of_the_transport = ["date", "content-length", "connection", "transfer-encoding"];
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .filter(|(name, _)| !of_the_transport.contains(&name.as_str()))
            // What the frameworks themselves say of a handler's text.
            .filter(|(_, value)| value != "text/plain; charset=utf-8")
            .map(|(name, value)| match name.as_str() {
                "set-cookie" => (name.clone(), without_value(value)),
                _ => (name.clone(), masked(value)),
            })
            .collect();
        // Between headers of one name the order counts; between others it does not.
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self {
            status: answer.status,
            headers,
            body: masked(&answer.text()),
        }
    }
}

/// A `Set-Cookie` value with its attributes and whether it sets anything.
fn without_value(cookie: &str) -> String {
    let (name, rest) = cookie.split_once('=').expect("a cookie is a pair");
    let (value, attributes) = rest.split_once(';').unwrap_or((rest, ""));
    let value = if value.is_empty() { "" } else { "*" };
    format!("{name}={value};{attributes}")
}

/// A text without ids and nonces.
fn masked(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, length) in [
        ("nonce-", 22),
        ("nonce=\"", 22),
        ("\"id\":\"", 8),
        (" <code>", 8),
    ] {
        for (at, _) in text.clone().match_indices(before) {
            let value = at + before.len()..at + before.len() + length;
            if text.get(value.clone()).is_some_and(|value| {
                value
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            }) {
                text.replace_range(value, &"*".repeat(length));
            }
        }
    }
    text
}
