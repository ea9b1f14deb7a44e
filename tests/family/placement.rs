//! `DingTalkAuth` in the wrong place: an answer that says so, and nobody let in.

use dingtalk_core::DingTalkBuilder;
use dingtalk_sandbox::World;
use dingtalk_tests::{Answer, Framework, Placement, Setup, both, login};

both! {
    async fn without_the_layer_every_route_that_asks_for_a_person_says_where_it_goes(framework) {
        let setup = placed(framework, Placement::Missing).await;
        let mut browser = setup.browser();
        for path in ["/", "/maybe", "/option", "/me", "/guarded/page", "/admins/page"] {
            for answer in [browser.fetch(path).await, browser.open(path).await] {
                assert_eq!((answer.status, answer.code()), (500, "setup.layer_missing".into()), "{path}");
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
                assert_names_both_cures(&answer);
            }
        }
        assert_eq!(browser.fetch("/public").await.text(), "public");
        let refused = browser.login(&setup.any_code()).await;
        assert_eq!((refused.status, refused.session()), (404, None));
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    async fn on_a_nested_router_or_a_scope_it_answers_nothing_but_that(framework) {
        let setup = placed(framework, Placement::Nested).await;
        let mut browser = setup.browser();
        for path in ["/inner/maybe", "/inner/public", "/inner/guarded/page", "/inner/me"] {
            let answer = browser.fetch(path).await;
            assert_eq!((answer.status, answer.code()), (500, "setup.layer_nested".into()), "{path}");
            assert_names_both_cures(&answer);
            let page = browser.open(path).await;
            assert_eq!(page.status, 500, "{path}");
            assert!(page.text().contains("setup.layer_nested") && page.text().contains("App::wrap"), "{}", page.text());
        }
        for path in ["/inner/%6daybe", "/inner/nowhere", "/inner"] {
            let answer = browser.fetch(path).await;
            assert!(answer.status == 404 || answer.code() == "setup.layer_nested", "{path} {}", answer.status);
        }
        for path in ["/dingtalk/login", "/inner/dingtalk/login"] {
            let request = dingtalk_tests::Request::new("POST", path).fetch().header("x-dingtalk-auth-code", setup.any_code());
            let answer = browser.send(request).await;
            assert!([404, 500].contains(&answer.status), "{path} {}", answer.status);
            assert_eq!(answer.session(), None);
        }
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    async fn around_single_routes_it_says_so_once_a_visitor_came_back_without_a_login(framework) {
        let setup = placed(framework, Placement::RouteLayer).await;
        let mut browser = setup.browser();
        let first = browser.fetch("/").await;
        match framework {
            // A resource has taken the whole path, so this is seen at once.
            Framework::Actix => {
                assert_eq!((first.status, first.code()), (500, "setup.layer_nested".into()));
                assert_eq!(browser.fetch("/maybe").await.code(), "setup.layer_nested");
            }
            Framework::Axum => assert_hints_to_whom_it_may_help(&setup, first).await,
        }
        let refused = browser.login(&setup.any_code()).await;
        assert_eq!((refused.status, refused.session()), (404, None));
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    async fn before_the_fallback_it_says_so_once_a_visitor_came_back_without_a_login(framework) {
        let setup = placed(framework, Placement::BeforeFallback).await;
        let mut browser = setup.browser();
        let first = browser.fetch("/").await;
        match framework {
            // A scope with an empty prefix takes every path, so nothing is out of its reach.
            Framework::Actix => {
                assert_eq!((first.status, first.code()), (401, "session.required".into()));
                assert_eq!(browser.login(&setup.any_code()).await.status, 200);
                assert_eq!(browser.fetch("/").await.status, 200);
            }
            Framework::Axum => {
                assert_hints_to_whom_it_may_help(&setup, first).await;
                let refused = browser.login(&setup.any_code()).await;
                assert_eq!((refused.status, refused.session()), (404, None));
            }
        }
    }

    async fn in_its_right_place_the_hint_ends_with_the_first_request_for_an_own_path(framework) {
        let setup = placed(framework, Placement::Right).await;
        let mut browser = setup.browser();
        assert_eq!(browser.fetch("/").await.json().get("hint"), None);
        assert!(browser.fetch("/").await.json().get("hint").is_some());
        assert_eq!(login("junk+code").send(setup.app.address()).await.status, 400);
        assert_eq!(browser.fetch("/").await.json().get("hint"), None);
        assert!(!browser.open("/").await.text().contains(HINT));
    }
}

const HINT: &str = "it is not the outermost layer";

async fn placed(framework: Framework, placement: Placement) -> Setup {
    let unchanged = |builder: DingTalkBuilder| builder;
    Setup::placed(framework, placement, World::default(), unchanged).await
}

/// The first visitor is told nothing: they may be on their way to log in. Later scripts are told, and a page only in a
/// browser that was sent to log in before.
async fn assert_hints_to_whom_it_may_help(setup: &Setup, first: Answer) {
    assert_eq!(
        (first.status, first.code()),
        (401, "session.required".into())
    );
    assert_eq!(first.json().get("hint"), None);
    let mut browser = setup.browser();
    let again = browser.fetch("/").await;
    assert_eq!(again.status, 401);
    let hint = again.json()["hint"].as_str().expect("a hint").to_owned();
    assert!(
        hint.contains(HINT) && hint.contains("Router::layer") && hint.contains("App::wrap"),
        "{hint}"
    );
    assert!(
        browser.open("/").await.text().contains(HINT),
        "a browser that was here before"
    );
    assert!(
        !setup.browser().open("/").await.text().contains(HINT),
        "a browser that was not"
    );
    assert_eq!(browser.fetch("/maybe").await.text(), "nobody");
    assert_eq!(browser.fetch("/guarded/page").await.status, 401);
}

fn assert_names_both_cures(answer: &Answer) {
    let detail = answer.json()["detail"].as_str().expect("a text").to_owned();
    assert!(
        detail.contains("Router::layer") && detail.contains("App::wrap"),
        "{detail}"
    );
}
