//! One code makes one login, however often the page does what it does.

use dingtalk_sandbox::route;
use dingtalk_tests::both;
use dingtalk_tests::chromium::{Behaviour, Platform};

use crate::stage::Stage;

both! {
    /// B2
    async fn a_page_that_asks_twice_for_one_code_signs_in_once(framework) {
        let stage = Stage::on(framework, Platform::Android).await;
        stage.client.answers(Behaviour::Repeating);
        // A single-page app of one's own, as a framework's double effect runs it: two logins at once with one code.
        let tab = stage.open("/dingtalk/me").await;
        tab.until_text("session.required").await;
        let code = stage.setup.any_code();
        let post = format!("fetch('/dingtalk/login', {{ method: 'POST', headers: {{ 'X-DingTalk-Auth-Code': '{code}' }} }}).then((answer) => answer.status)");
        let marked = tab.evaluate("fetch('/').then((answer) => answer.status)").await;
        assert_eq!(marked, 401);
        let statuses = tab.evaluate(&format!("Promise.all([{post}, {post}])")).await;
        assert_eq!(statuses, serde_json::json!([200, 200]));
        assert_eq!(stage.exchanges(), 1);
        tab.open(&stage.setup.url("/")).await;
        tab.until_text("hello 张伟").await;
        assert_eq!(stage.exchanges(), 1);
    }

    /// B2
    async fn a_page_reloaded_in_the_middle_of_a_login_signs_in_all_the_same(framework) {
        for platform in [Platform::Android, Platform::Pc] {
            for behaviour in [Behaviour::Normal, Behaviour::Repeating] {
                let stage = Stage::on(framework, platform).await;
                stage.client.answers(behaviour.clone());
                let hold = stage.setup.sandbox.hold(route::GETUSERINFO);
                let tab = stage.open("/orders?x=1").await;
                hold.wait_for(1).await;
                tab.reload().await;
                // A fresh code is a login of its own; the same code waits for the first one's result.
                tab.until_sent("POST", "/dingtalk/login", 2).await;
                hold.release();
                tab.until_text("hello 张伟").await;
                assert_eq!(tab.url().await, stage.setup.url("/orders?x=1"));
                let exchanges = if behaviour == Behaviour::Normal { 2 } else { 1 };
                assert_eq!(stage.exchanges(), exchanges, "{platform:?} {behaviour:?}");
                // No more of it: the app stays.
                tab.reload().await;
                tab.until_text("hello 张伟").await;
                assert_eq!((stage.exchanges(), tab.errors()), (exchanges, Vec::new()));
            }
        }
    }

    async fn a_login_in_another_tab_in_between_is_no_cookie_refused(framework) {
        let stage = Stage::on(framework, Platform::Android).await;
        let tab = stage.tab().await;
        // The answer to one whose session the other tab has just ended, when the other's cookie is there already.
        tab.run_first(format!(
            "(() => {{
                const real = window.fetch;
                let told = false;
                window.fetch = async (path, init) => {{
                    if (path !== '/dingtalk/me' || told) return real(path, init);
                    told = true;
                    await real('/dingtalk/login', {{ method: 'POST', headers: {{ 'X-DingTalk-Auth-Code': '{}' }} }});
                    const over = {{ code: 'session.required', title: 'over', detail: 'over', who: 'user' }};
                    return new Response(JSON.stringify(over), {{ status: 401 }});
                }};
            }})()",
            stage.setup.any_code()
        )).await;
        tab.open(&stage.setup.url("/orders?x=1")).await;
        tab.until_text("hello 张伟").await;
        assert_eq!(stage.exchanges(), 2);
    }

    /// B2
    async fn two_tabs_at_once_both_land_in_the_app(framework) {
        for behaviour in [Behaviour::Normal, Behaviour::Repeating] {
            let stage = Stage::on(framework, Platform::Pc).await;
            stage.client.answers(behaviour.clone());
            // A visit before, as a browser that comes back has one: both tabs are the same browser's.
            let before = stage.open("/dingtalk/me").await;
            before.until_text("session.required").await;
            before.evaluate("fetch('/').then((answer) => answer.status)").await;
            let hold = stage.setup.sandbox.hold(route::GETUSERINFO);
            let one = stage.open("/orders?tab=1").await;
            one.until_sent("POST", "/dingtalk/login", 1).await;
            let two = stage.open("/#/tab/2").await;
            two.until_sent("POST", "/dingtalk/login", 1).await;
            hold.release();
            one.until_text("hello 张伟").await;
            two.until_text("hello 张伟").await;
            assert_eq!(one.url().await, stage.setup.url("/orders?tab=1"));
            assert_eq!(two.url().await, stage.setup.url("/#/tab/2"));
            let exchanges = if behaviour == Behaviour::Normal { 2 } else { 1 };
            assert_eq!(stage.exchanges(), exchanges, "{behaviour:?}");
            for tab in [&one, &two] {
                tab.reload().await;
                tab.until_text("hello 张伟").await;
                assert_eq!(tab.errors(), Vec::<String>::new());
            }
            assert_eq!(stage.exchanges(), exchanges, "{behaviour:?}");
        }
    }
}
