//! Silent login, from the code to the greeted user.

use dingtalk_sandbox::route;
use dingtalk_tests::{Setup, both};

both! {
    async fn a_code_signs_in_and_the_next_request_has_the_user(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.browser();
        assert_eq!(browser.fetch("/").await.status, 401);
        let answer = browser.login(&setup.any_code()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let name = &setup.sandbox.world().people[0].name;
        let hello = browser.open("/").await;
        assert_eq!((hello.status, hello.text()), (200, format!("hello {name}")));
        assert_eq!(setup.sandbox.call_count(), 3);
        assert_eq!(setup.sandbox.call_count_of(route::GETUSERINFO), 1);
    }
}
