//! What many visitors leave in a process's memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dingtalk_core::{InternalApp, RequestHead, WebSignIn};
use dingtalk_sandbox::World;
use dingtalk_tests::{FailingStore, Verb, build_app, sandbox};

/// A page load that begins a sign-in.
struct Begin;

impl RequestHead for Begin {
    fn method(&self) -> &str {
        "GET"
    }

    fn path(&self) -> &str {
        "/dingtalk/login"
    }

    fn routed_path(&self) -> &str {
        "/dingtalk/login"
    }

    fn query(&self) -> Option<&str> {
        Some("via=web&return_to=/orders%23/3")
    }

    fn authority(&self) -> Option<&str> {
        None
    }

    fn headers<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let value: Option<&[u8]> = match name {
            "accept" => Some(b"text/html"),
            "sec-fetch-mode" => Some(b"navigate"),
            _ => None,
        };
        value.into_iter()
    }
}

/// A7
#[tokio::test]
async fn a_hundred_thousand_sign_ins_begun_by_nobody_leave_nothing() {
    let sandbox = sandbox(World::default()).await;
    let store = FailingStore::new(&sandbox);
    let app = |app: InternalApp| app.web_sign_in(WebSignIn::new());
    let dingtalk = build_app(&sandbox, app, |builder| builder.store(store.clone())).unwrap();
    let begin = async || match dingtalk.handle(&Begin).settle().await {
        Err(reply) => assert_eq!(reply.status(), 303),
        Ok(_) => panic!("not a page of ours"),
    };
    for _ in 0..1000 {
        begin().await;
    }
    let before = resident();
    for _ in 0..100_000 {
        begin().await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown <= 16 * 1024, "{grown} KiB more");
    for verb in [Verb::Get, Verb::Add, Verb::Put, Verb::Append] {
        assert_eq!(store.calls(verb), 0, "{verb:?}");
    }
    assert_eq!((store.living().await, sandbox.call_count()), (0, 0));
}

/// The process's resident memory, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}
