//! Silent login, from the code to the greeted user.

use async_trait::async_trait;
use dingtalk_core::{Employee, Error, InternalApp, Login, LoginCode, LoginContext, LoginFlow};
use dingtalk_sandbox::route;
use dingtalk_tests::{Setup, both, login};

/// A flow of the app's own: it knows two codes, and asks nobody.
#[derive(Debug)]
struct OwnFlow;

#[async_trait]
impl LoginFlow for OwnFlow {
    async fn identify(&self, code: LoginCode, _: &LoginContext<'_>) -> Result<Login, Error> {
        let LoginCode::Silent(code) = code else {
            return Err(Error::app("own flow", "a code of another kind"));
        };
        match code.secret().expose() {
            "good" => {
                let mut employee = Employee::new("zhou07");
                employee.name = Some("周七".to_owned());
                Ok(Login::new(employee, None))
            }
            "long" => Ok(Login::new(Employee::new("x".repeat(129)), None)),
            _ => Err(Error::app("own flow", "it is down")),
        }
    }
}

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

    async fn a_flow_of_the_apps_own_replaces_the_exchange(framework) {
        let setup = Setup::with(framework, |builder| {
            builder.internal_app(InternalApp::new("dingown", "dingownkey", "secret").flow(OwnFlow))
        })
        .await;
        let own = |code| login(code).header("x-dingtalk-corp-id", "dingown");
        let mut browser = setup.browser();
        let answer = browser.send(own("good")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["user"]["corp_id"], "dingown");
        assert_eq!(browser.fetch("/").await.text(), "hello 周七");
        for code in ["long", "other"] {
            let answer = setup.browser().send(own(code)).await;
            assert_eq!((answer.status, answer.code()), (503, "app.failed".into()));
            assert_eq!(answer.session(), None);
        }
        assert_eq!(setup.sandbox.call_count(), 0);
    }

    async fn several_rules_of_a_guard_must_all_hold(framework) {
        let setup = Setup::start(framework).await;
        let mut browser = setup.signed_in().await;
        assert_eq!(browser.fetch("/guarded/page").await.status, 200);
        let answer = browser.fetch("/nobody/page").await;
        assert_eq!((answer.status, answer.code()), (403, "session.not_allowed".into()));
    }
}
