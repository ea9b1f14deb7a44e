//! What a web sign-in costs in DingTalk's calls, and what DingTalk's troubles do to one.

use dingtalk_core::{Details, WebSignIn};
use dingtalk_sandbox::{Fault, SignInCode, route};
use dingtalk_tests::both;

use super::{any_code, begin, come_back, refused, sign_in, start, with};

both! {
    async fn a_cold_sign_in_costs_five_calls_and_a_warm_one_four(framework) {
        for (details, with_details) in [(Details::Required, 1), (Details::BestEffort, 1), (Details::None, 0)] {
            let setup = with(framework, |web| web, |builder| builder.details(details)).await;
            for cold in [1, 0, 0] {
                setup.sandbox.reset_calls();
                sign_in(&setup, &mut setup.browser(), "/").await;
                let counted = [route::ACCESS_TOKEN, route::USER_ACCESS_TOKEN, route::CONTACT_USER, route::GETBYUNIONID, route::USER_GET]
                    .map(|route| setup.sandbox.call_count_of(route));
                assert_eq!(counted, [cold, 1, 1, 1, with_details], "{details:?}");
                assert_eq!(setup.sandbox.call_count(), 3 + cold + with_details);
            }
        }
        let setup = with(framework, WebSignIn::anyone, |builder| builder).await;
        let app = &setup.sandbox.world().apps[0];
        let code = SignInCode::web(&app.app_key, &setup.sandbox.world().people[0].union_id).scope("openid");
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/").await;
        assert_eq!(come_back(&mut browser, &setup.sandbox.sign_in_code(&code).unwrap(), &begun.state).await.status, 303);
        assert_eq!(setup.sandbox.call_count(), 2);
    }

    /// B1
    async fn a_code_that_may_have_arrived_is_not_sent_again(framework) {
        let setup = start(framework).await;
        sign_in(&setup, &mut setup.browser(), "/").await;
        for (fault, status, code) in [
            (Fault::reset_at(0).after(), 401, "login.code_unconfirmed"),
            (Fault::status(502), 502, "dingtalk.unexpected_answer"),
            (Fault::code(500, "systemBusy"), 503, "dingtalk.busy"),
            (Fault::code(400, "invalidParameter.authCode.notFound"), 401, "login.code_invalid"),
            (Fault::code(400, "invalidClientIdOrSecret"), 500, "app.credentials_wrong"),
            (Fault::raw(200, "application/json", "{}"), 502, "dingtalk.unexpected_answer"),
            (Fault::raw(200, "application/json", "<html>"), 502, "dingtalk.unexpected_answer"),
        ] {
            let shown = format!("{fault:?}");
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/").await;
            setup.sandbox.reset_calls();
            setup.sandbox.fault(fault.on(route::USER_ACCESS_TOKEN).times(1));
            let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            assert_eq!(refused(&answer), (status, code.into()), "{shown}");
            assert_eq!((answer.session(), setup.sandbox.call_count()), (None, 1), "{shown}");
        }
    }

    async fn what_the_calls_behind_the_code_say_decides(framework) {
        let setup = start(framework).await;
        for (fault, status, code) in [
            (Fault::code(403, "Forbidden.AccessDenied.AccessTokenPermissionDenied").on(route::CONTACT_USER), 500, "app.permission_missing"),
            (Fault::raw(200, "application/json", "{\"nick\":\"a\"}").on(route::CONTACT_USER), 500, "login.union_id_missing"),
            (Fault::raw(200, "application/json", "{\"unionId\":\"\"}").on(route::CONTACT_USER), 500, "login.union_id_missing"),
            (Fault::raw(200, "application/json", "{\"unionId\":7}").on(route::CONTACT_USER), 502, "dingtalk.unexpected_answer"),
            (Fault::errcode(60121).on(route::GETBYUNIONID), 403, "login.not_a_member"),
            (Fault::errcode(60011).on(route::GETBYUNIONID), 500, "app.permission_missing"),
            (Fault::errcode(50002).on(route::USER_GET), 403, "login.person_not_in_range"),
            (member(r#"{"userid":"manager01","contact_type":1}"#), 403, "login.not_a_member"),
            (member(r#"{"userid":"manager01","contact_type":"1"}"#), 403, "login.not_a_member"),
            (member(r#"{"userid":"manager01"}"#), 502, "dingtalk.unexpected_answer"),
            (member(r#"{"userid":"manager01","contact_type":null}"#), 502, "dingtalk.unexpected_answer"),
            (member(r#"{"userid":"","contact_type":0}"#), 502, "dingtalk.unexpected_answer"),
            (member(r#"{"userid":"lina02","contact_type":0}"#), 502, "dingtalk.unexpected_answer"),
        ] {
            let shown = format!("{fault:?}");
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/").await;
            setup.sandbox.fault(fault.times(1));
            let answer = come_back(&mut browser, &any_code(&setup), &begun.state).await;
            assert_eq!(refused(&answer), (status, code.into()), "{shown}");
            assert_eq!(answer.session(), None, "{shown}");
        }
    }

    /// A11
    async fn who_chose_another_organisation_is_refused(framework) {
        let setup = start(framework).await;
        let (app, other) = (&setup.sandbox.world().apps[0], &setup.sandbox.world().apps[2]);
        for (code, answer, calls) in [
            (SignInCode::web(&app.app_key, "unionWuLei0000009").corp(&other.corp_id), (403, "login.chose_other_corp"), 1),
            (SignInCode::web(&app.app_key, "unionWuLei0000009").scope("openid"), (502, "dingtalk.unexpected_answer"), 5),
            // Who is in no organisation has none to choose.
            (SignInCode::web(&app.app_key, "unionStranger0011"), (403, "login.not_a_member"), 3),
        ] {
            let mut browser = setup.browser();
            let begun = begin(&mut browser, "/").await;
            setup.sandbox.reset_calls();
            let refusal = come_back(&mut browser, &setup.sandbox.sign_in_code(&code).unwrap(), &begun.state).await;
            assert_eq!(refused(&refusal), (answer.0, answer.1.into()));
            assert_eq!((refusal.session(), setup.sandbox.call_count()), (None, calls));
        }
        let mut browser = setup.browser();
        let begun = begin(&mut browser, "/").await;
        let code = SignInCode::web(&app.app_key, "unionWuLei0000009").corp(&app.corp_id);
        assert_eq!(come_back(&mut browser, &setup.sandbox.sign_in_code(&code).unwrap(), &begun.state).await.status, 303);
    }
}

fn member(result: &str) -> Fault {
    Fault::raw(
        200,
        "application/json",
        format!("{{\"errcode\":0,\"errmsg\":\"ok\",\"result\":{result}}}"),
    )
    .on(route::GETBYUNIONID)
}
