//! The app's own word at each login: what its `on_login` hook sees, adds, refuses, and how it may fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dingtalk_core::{Claims, DingTalkBuilder, LoginDenied, NewLogin};
use dingtalk_sandbox::{Fault, route};
use dingtalk_tests::{Answer, Framework, Setup, both, login};
use tokio::sync::Semaphore;

async fn with_hook<F, Fut>(framework: Framework, hook: F) -> Setup
where
    F: Fn(NewLogin) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Claims, LoginDenied>> + Send + 'static,
{
    Setup::with(framework, |builder: DingTalkBuilder| builder.on_login(hook)).await
}

/// The answer to a login that failed: it must leave nothing behind.
fn refused(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("set-cookie"), None, "{}", answer.text());
    (answer.status, answer.code())
}

both! {
    async fn claims_of_the_hook_reach_the_handlers(framework) {
        let setup = with_hook(framework, async |login: NewLogin| {
            let role = if login.person.is_admin() { "owner" } else { "guest" };
            Ok(Claims::new().with("role", role).with("账号", "7:张\n"))
        })
        .await;
        let mut browser = setup.signed_in().await;
        for path in ["/me", "/dingtalk/me"] {
            let said = browser.fetch(path).await.json();
            let claims = said.pointer("/claims").or_else(|| said.pointer("/user/claims"));
            assert_eq!(claims, Some(&serde_json::json!({"role": "owner", "账号": "7:张\n"})), "{path}");
        }
        let mut other = setup.browser();
        let answer = other.login(&setup.code("lina02")).await;
        assert_eq!(answer.json().pointer("/user/claims/role"), Some(&"guest".into()));
    }

    async fn the_hook_sees_everything_that_dingtalk_told(framework) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        let setup = with_hook(framework, move |login| {
            keep.lock().unwrap().push(login);
            async { Ok(Claims::new()) }
        })
        .await;
        setup.signed_in().await;
        let seen = seen.lock().unwrap();
        let [login] = &seen[..] else { panic!("once, not {}", seen.len()) };
        let person = &setup.sandbox.world().people[0];
        assert_eq!((&*login.corp_id, login.person.user_id()), (&*person.corp_id, Some(&*person.user_id)));
        assert_eq!(login.app_key, setup.sandbox.world().apps[0].app_key);
        assert_eq!(login.person.union_id(), Some(&*person.union_id));
        let details = login.details.as_ref().expect("they are asked for by default");
        assert_eq!(details.mobile(), person.mobile.as_deref());
        assert_eq!(details.job_number(), person.job_number.as_deref());
        let known = ["unionid", "remark", "extension", "leader_in_dept", "hired_date", "work_place"];
        for field in known {
            assert!(details.field(field).is_some(), "{field}");
        }
        // A field that nobody knows.
        let nested = details.fields().get("union_emp_ext").and_then(|ext| ext.pointer("/union_emp_map_list/0/userid"));
        assert_eq!(nested, Some(&"5000".into()));
    }

    async fn a_hook_that_refuses_lets_nobody_in(framework) {
        let setup = with_hook(framework, async |login: NewLogin| match login.person.is_admin() {
            true => Err(LoginDenied::Refused),
            false => Ok(Claims::new()),
        })
        .await;
        let mut browser = setup.browser();
        let code = setup.any_code();
        assert_eq!(refused(&browser.login(&code).await), (403, "login.refused_by_app".into()));
        assert_eq!(browser.fetch("/").await.status, 401);
        // The code is spent: it does not come back with another answer.
        assert_eq!(refused(&browser.login(&code).await), (401, "login.code_used".into()));
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1);
        assert_eq!(browser.login(&setup.code("lina02")).await.status, 200);
    }

    async fn a_hook_that_fails_is_503_and_says_nothing_of_its_error(framework) {
        let setup = with_hook(framework, async |_| {
            let number: i32 = "the accounts database".parse()?;
            Ok(Claims::new().with("number", number.to_string()))
        })
        .await;
        let answer = setup.browser().login(&setup.any_code()).await;
        assert_eq!(refused(&answer), (503, "app.failed".into()));
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.text().contains("digit"), "{}", answer.text());
    }

    async fn a_hook_that_panics_ends_its_login_only(framework) {
        let setup = with_hook(framework, async |login: NewLogin| {
            assert!(!login.person.is_admin(), "the hook's own panic");
            Ok(Claims::new())
        })
        .await;
        let mut browser = setup.browser();
        browser.open("/").await;
        let code = setup.any_code();
        let answer = browser.login(&code).await;
        assert_eq!(refused(&answer), (503, "app.failed".into()));
        assert_eq!(browser.fetch("/").await.status, 401);
        assert_eq!(refused(&browser.login(&code).await).0, 503, "a repeat does not hang either");
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1);
        assert_eq!(browser.login(&setup.code("lina02")).await.status, 200);
    }

    async fn a_hook_that_panics_before_it_waits_ends_its_login_only(framework) {
        let setup = with_hook(framework, |login| {
            assert!(!login.person.is_admin(), "the hook's own panic");
            async { Ok(Claims::new()) }
        })
        .await;
        let answer = setup.browser().login(&setup.any_code()).await;
        assert_eq!(refused(&answer), (503, "app.failed".into()));
        assert_eq!(setup.browser().login(&setup.code("lina02")).await.status, 200);
    }

    async fn a_hook_that_hangs_ends_with_the_logins_time(framework) {
        let runs = Arc::new(Semaphore::new(0));
        let begun = Arc::clone(&runs);
        let setup = with_hook(framework, move |_| {
            begun.add_permits(1);
            std::future::pending()
        })
        .await;
        let answer = tokio::spawn(login(&setup.any_code()).send(setup.app.address()));
        runs.acquire().await.unwrap().forget();
        setup.sandbox.clock().advance(Duration::from_millis(9_900));
        assert_eq!(setup.browser().fetch("/public").await.status, 200);
        assert!(!answer.is_finished());
        setup.sandbox.clock().advance(Duration::from_millis(100));
        assert_eq!(refused(&answer.await.unwrap()), (503, "app.failed".into()));
    }

    async fn claims_that_do_not_fit_are_the_developers_to_mend(framework) {
        let setup = with_hook(framework, async |_| {
            Ok(Claims::new().with("small", "x").with("roles of this person", "r".repeat(1100)))
        })
        .await;
        let answer = setup.browser().login(&setup.any_code()).await;
        assert_eq!(refused(&answer), (500, "login.claim_too_large".into()));
        assert_eq!(answer.json().get("who"), Some(&"developer".into()));
        for inside in ["roles of this person", "rrr"] {
            assert!(!answer.text().contains(inside), "{}", answer.text());
        }
    }

    /// D18
    async fn claims_just_within_the_limit_fit_even_beside_a_long_profile(framework) {
        let setup = with_hook(framework, async |_| {
            let names = (0..64).map(|at| format!("claim{at:03}"));
            Ok(names.fold(Claims::new(), |claims, name| claims.with(name, "12345678")))
        })
        .await;
        setup.sandbox.fault(Fault::set("/result/avatar", "a".repeat(3000)).on(route::USER_GET));
        let mut browser = setup.browser();
        let answer = browser.login(&setup.code("sunli05")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let set = answer.headers_named("set-cookie").map(str::len).max();
        assert!(set <= Some(4096), "{set:?}");
        let said = browser.fetch("/me").await.json();
        let claims = said.get("claims").and_then(|claims| claims.as_object()).unwrap();
        assert_eq!(claims.len(), 64);
        assert_eq!(said.get("trimmed"), Some(&true.into()));
    }

    async fn a_disabled_account_is_refused_before_the_hook_runs(framework) {
        let runs = Arc::new(Mutex::new(0));
        let count = Arc::clone(&runs);
        let setup = with_hook(framework, move |_| {
            *count.lock().unwrap() += 1;
            async { Ok(Claims::new()) }
        })
        .await;
        let answer = setup.browser().login(&setup.code("zhaolei04")).await;
        assert_eq!(refused(&answer), (403, "login.person_disabled".into()));
        assert_eq!(*runs.lock().unwrap(), 0);
    }

    async fn the_hook_runs_once_however_often_a_login_is_repeated(framework) {
        let runs = Arc::new(Mutex::new(0));
        let count = Arc::clone(&runs);
        let setup = with_hook(framework, move |_| {
            *count.lock().unwrap() += 1;
            async { Ok(Claims::new()) }
        })
        .await;
        let mut browser = setup.browser();
        browser.open("/").await;
        let code = setup.any_code();
        let first = browser.clone().login(&code).await;
        let second = browser.login(&code).await;
        assert_eq!((first.status, second.status), (200, 200));
        assert_eq!(*runs.lock().unwrap(), 1);
    }
}
