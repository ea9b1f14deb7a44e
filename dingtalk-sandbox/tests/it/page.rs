//! The start page and what it is made of.

use crate::{
    HR,
    client::{get, send},
    frozen,
};

#[tokio::test]
async fn the_start_page_shows_the_world_under_a_strict_policy() {
    let sandbox = frozen(|_| {}).await;
    let page = get(&sandbox, "/").await;
    assert_eq!(page.status(), 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    assert!(!policy.contains("unsafe"));
    for shown in [sandbox.url(), HR.0, HR.1, "西湖科技", "张伟", "云栖制造"] {
        assert!(page.body().contains(shown), "{shown}");
    }
    assert_eq!(sandbox.call_count(), 0);
}

#[tokio::test]
async fn everything_the_page_loads_is_there() {
    let sandbox = frozen(|_| {}).await;
    let page = get(&sandbox, "/").await.body();
    let unknown = get(&sandbox, "/nowhere").await.body();
    let mut loaded = 0;
    for piece in page.split(['"']).filter(|piece| piece.starts_with('/')) {
        let part = get(&sandbox, piece).await;
        assert_eq!(part.status(), 200, "{piece}");
        // What is no part of the page is answered as a call of the old host, with 200 too.
        assert_ne!(part.body(), unknown, "{piece}");
        loaded += 1;
    }
    assert!(loaded >= 4);
}

#[tokio::test]
async fn the_start_page_is_for_this_machine() {
    let sandbox = frozen(|_| {}).await;
    let rebound = send(&sandbox, "GET /", &["host: evil.example"], "").await;
    assert_eq!(rebound.status(), 403);
    assert!(!rebound.text().contains(HR.1));
}
