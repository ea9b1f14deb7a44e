//! The way back from DingTalk's sign-in page.

use std::time::Duration;

use dingtalk_core::SessionLimits;
use dingtalk_tests::both;

use super::{any_code, begin, come_back, refused, sign_in, start, with};

both! {
    async fn a_code_signs_in_and_goes_on_to_the_page_first_asked_for(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        assert_eq!(sign_in(&setup, &mut browser, "/orders?x=1#/3").await, "/orders?x=1#/3");
        let name = &setup.sandbox.world().people[0].name;
        let hello = browser.open("/orders?x=1").await;
        assert_eq!((hello.status, hello.text()), (200, format!("hello {name}")));
        assert_eq!(setup.sandbox.call_count(), 5);
        let session = browser.session().unwrap().0;
        assert!(browser.cookies.keys().all(|name| *name == session || name.ends_with("-corp")), "{:?}", browser.cookies);
    }

    /// A2
    async fn a_state_works_only_once(framework) {
        let setup = start(framework).await;
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/").await;
        let jar = browser.cookies.clone();
        let code = any_code(&setup);
        assert_eq!(come_back(&mut browser, &code, &begun.state).await.status, 303);
        let calls = setup.sandbox.call_count();
        let again = come_back(&mut browser, &code, &begun.state).await;
        assert_eq!(refused(&again), (400, "login.state_elsewhere".into()));
        // Also where the browser still has the cookie, as long as the state would be good.
        for seconds in [0, 300, 300] {
            setup.advance(seconds);
            let mut browser = setup.browser();
            browser.cookies = jar.clone();
            let again = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            assert_eq!(refused(&again), (400, "login.state_used".into()));
            assert_eq!((setup.sandbox.call_count(), again.session()), (calls, None));
        }
    }

    async fn a_session_from_the_web_lasts_days_and_its_cookie_outlives_the_browser(framework) {
        let hour = Duration::from_secs(3600);
        let setup = with(framework, |web| web, |builder| builder.web_session(SessionLimits::new(2 * hour, 5 * hour))).await;
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/").await;
        let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
        let cookie = answer.headers_named("set-cookie").find(|cookie| cookie.contains(&answer.session().unwrap())).unwrap();
        assert!(cookie.ends_with("; Max-Age=18000"), "{cookie}");
        for _ in 0..3 {
            setup.advance(3600 + 1800);
            let answer = browser.fetch("/").await;
            assert_eq!(answer.status, 200);
            assert!(answer.session().is_some(), "its activity is noted");
        }
        setup.advance(1801);
        assert_eq!(browser.fetch("/").await.status, 401);
    }
}
