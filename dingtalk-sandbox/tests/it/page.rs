//! The start page and what it is made of.

use crate::{
    EXPENSES, HR, WAREHOUSE,
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
async fn the_first_thing_to_press_opens_an_app_in_the_client() {
    let sandbox = frozen(|_| {}).await;
    let page = get(&sandbox, "/").await.body();
    let first = page
        .split("class=\"button primary\" href=\"")
        .nth(1)
        .unwrap();
    let address = first.split('"').next().unwrap().replace("&amp;", "&");
    assert_eq!(address, sandbox.client_url(HR.0, "manager01").unwrap());
    let (host, path) = address
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let client = send(
        &sandbox,
        &format!("GET /{path}"),
        &[&format!("host: {host}")],
        "",
    )
    .await;
    assert_eq!(client.status(), 200);
    assert!(client.body().contains("<iframe"));
    let main = page.split("<main>").nth(1).unwrap();
    assert!(
        main.trim_start()
            .starts_with("<section class=\"panel welcome\"")
    );
}

#[tokio::test]
async fn people_are_offered_the_apps_they_see() {
    let sandbox = frozen(|world| world.apps[2].home_url.clear()).await;
    let page = get(&sandbox, "/").await.body();
    for (user_id, app, expected) in [
        ("lina02", EXPENSES.0, true),
        ("visitor06", EXPENSES.0, false),
        ("visitor06", HR.0, true),
        ("manager01", WAREHOUSE.0, false),
    ] {
        let address = sandbox.client_url(app, user_id).unwrap();
        let link = format!("href=\"{}\"", address.replace('&', "&amp;"));
        assert_eq!(page.contains(&link), expected, "{user_id} {app}");
    }
    let closed = frozen(|world| {
        for app in &mut world.apps {
            app.home_url.clear();
        }
    })
    .await;
    assert!(!get(&closed, "/").await.body().contains("welcome"));
}

#[tokio::test]
async fn the_start_page_is_for_this_machine() {
    let sandbox = frozen(|_| {}).await;
    let rebound = send(&sandbox, "GET /", &["host: evil.example"], "").await;
    assert_eq!(rebound.status(), 403);
    assert!(!rebound.text().contains(HR.1));
}
