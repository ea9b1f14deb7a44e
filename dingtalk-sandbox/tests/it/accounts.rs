//! Web sign-in's calls: codes and refresh tokens to user tokens, user tokens to accounts.

use std::time::Duration;

use dingtalk_sandbox::{Fault, Sandbox, SignInCode, route};
use serde_json::{Value, json};

use crate::{
    EXPENSES, HR, WAREHOUSE, XIHU, YUNQI,
    client::{Answer, FORM, get, post, send},
    frozen, getuserinfo, last_outcome,
    samples::assert_like,
    token,
};

const MINUTES: Duration = Duration::from_secs(60);
const DAYS: Duration = Duration::from_secs(24 * 3600);
const STRANGER: &str = "unionStranger0011";
const IN_BOTH: &str = "unionWuLei0000009";

async fn trade(sandbox: &Sandbox, (key, secret): (&str, &str), code: &str) -> Answer {
    let body = json!({"clientId": key, "clientSecret": secret, "grantType": "authorization_code", "code": code});
    post(sandbox, "/v1.0/oauth2/userAccessToken", &body).await
}

async fn refresh(sandbox: &Sandbox, (key, secret): (&str, &str), refresh_token: &Value) -> Answer {
    let body = json!({"clientId": key, "clientSecret": secret, "grantType": "refresh_token", "refreshToken": refresh_token});
    post(sandbox, "/v1.0/oauth2/userAccessToken", &body).await
}

async fn account(sandbox: &Sandbox, token: &Value, who: &str) -> Answer {
    let header = format!(
        "x-acs-dingtalk-access-token: {}",
        token.as_str().unwrap_or_default()
    );
    let line = format!("GET /v1.0/contact/users/{who}");
    send(sandbox, &line, &[&header], "").await
}

/// The pair for this person of the app's organisation.
async fn pair(sandbox: &Sandbox, app: (&str, &str), user_id: &str) -> Value {
    trade(sandbox, app, &sandbox.web_code(app.0, user_id))
        .await
        .json()
}

#[tokio::test]
async fn the_calls_of_web_sign_in_answer_as_the_samples() {
    let sandbox = frozen(|world| world.apps[0].calls_per_second = 0).await;
    let code = sandbox.web_code(HR.0, "manager01");
    let traded = trade(&sandbox, HR, &code).await;
    assert_like("oauth2-userAccessToken.ok", 200, &traded);
    assert_like(
        "oauth2-userAccessToken.code-invalid",
        400,
        &trade(&sandbox, HR, &code).await,
    );
    let token = &traded.json()["accessToken"];
    assert_like(
        "contact-users-me.ok",
        200,
        &account(&sandbox, token, "me").await,
    );
    assert_like(
        "contact-users.not-found",
        404,
        &account(&sandbox, token, "nobody").await,
    );
    let refused = pair(&sandbox, EXPENSES, "manager01").await;
    assert_like(
        "contact-users-me.no-permission",
        403,
        &account(&sandbox, &refused["accessToken"], "me").await,
    );
    assert_like(
        "newapi.token-missing",
        400,
        &get(&sandbox, "/v1.0/contact/users/me").await,
    );
    assert_like(
        "newapi.token-invalid",
        400,
        &account(&sandbox, &json!("bad"), "me").await,
    );
}

#[tokio::test]
async fn a_code_is_for_one_app_once_and_for_five_minutes() {
    let sandbox = frozen(|_| {}).await;
    let worthless = "invalidParameter.authCode.notFound";
    let why = |sandbox: &Sandbox| sandbox.calls().last().unwrap().detail.clone().unwrap();
    let code = sandbox.web_code(HR.0, "lina02");
    assert_eq!(
        trade(&sandbox, EXPENSES, &code).await.json()["code"],
        worthless
    );
    assert_eq!(why(&sandbox), "the code is of another app");
    sandbox
        .clock()
        .advance(5 * MINUTES - Duration::from_millis(1));
    assert_eq!(trade(&sandbox, HR, &code).await.status(), 200);
    assert_eq!(trade(&sandbox, HR, &code).await.json()["code"], worthless);
    assert_eq!(why(&sandbox), "the code was used before");
    let code = sandbox.web_code(HR.0, "lina02");
    sandbox.clock().advance(5 * MINUTES);
    assert_eq!(trade(&sandbox, HR, &code).await.json()["code"], worthless);
    assert_eq!(why(&sandbox), "the code is too old");
}

#[tokio::test]
async fn codes_of_one_kind_are_worth_nothing_at_the_others_endpoint() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    let silent = sandbox.code(HR.0, "lina02");
    let web = sandbox.web_code(HR.0, "lina02");
    let sns = sandbox
        .sign_in_code(&SignInCode::sns(crate::sns::DESK.0, "unionLiNa00000002"))
        .unwrap();
    for code in [&web, &sns] {
        assert_eq!(
            getuserinfo(&sandbox, &hr, code).await.json()["errcode"],
            40078
        );
    }
    for code in [&silent, &sns] {
        assert_eq!(
            trade(&sandbox, HR, code).await.json()["code"],
            "invalidParameter.authCode.notFound"
        );
    }
    for code in [&silent, &web] {
        assert_eq!(
            crate::sns::ask(&sandbox, code).await.json()["errcode"],
            40078
        );
    }
    // None of the refusals spent anything.
    assert_eq!(
        getuserinfo(&sandbox, &hr, &silent).await.json()["errcode"],
        0
    );
    assert_eq!(trade(&sandbox, HR, &web).await.status(), 200);
    assert_eq!(crate::sns::ask(&sandbox, &sns).await.json()["errcode"], 0);
}

#[tokio::test]
async fn the_organisation_is_told_only_when_the_scope_asked_for_it() {
    let sandbox = frozen(|_| {}).await;
    let corp = async |wanted: SignInCode| {
        let code = sandbox.sign_in_code(&wanted).unwrap();
        trade(&sandbox, HR, &code).await.json()["corpId"].clone()
    };
    let in_both = || SignInCode::web(HR.0, IN_BOTH);
    assert_eq!(corp(in_both()).await, XIHU);
    assert_eq!(corp(in_both().corp(YUNQI)).await, YUNQI);
    assert_eq!(corp(in_both().scope("openid")).await, Value::Null);
    assert_eq!(
        corp(in_both().corp(YUNQI).scope("openid")).await,
        Value::Null
    );
    assert_eq!(corp(SignInCode::web(HR.0, STRANGER)).await, Value::Null);
    let unknown = in_both().corp("dingnowhere");
    assert!(sandbox.sign_in_code(&unknown).is_err());
}

#[tokio::test]
async fn a_refresh_makes_a_new_pair_and_ends_the_old_refresh_token() {
    let sandbox = frozen(|_| {}).await;
    let first = pair(&sandbox, HR, "lina02").await;
    sandbox
        .clock()
        .advance(30 * DAYS - Duration::from_millis(1));
    let second = refresh(&sandbox, HR, &first["refreshToken"]).await;
    assert_like("oauth2-userAccessToken.ok", 200, &second);
    let second = second.json();
    assert_eq!(second["corpId"], XIHU);
    for key in ["accessToken", "refreshToken"] {
        assert_ne!(first[key], second[key]);
    }
    assert_like(
        "oauth2-userAccessToken.code-invalid",
        400,
        &refresh(&sandbox, HR, &first["refreshToken"]).await,
    );
    let me = account(&sandbox, &second["accessToken"], "me").await;
    assert_eq!(me.json()["nick"], "李娜");
    // The new one is this app's alone, and dies at its age.
    assert_eq!(
        refresh(&sandbox, EXPENSES, &second["refreshToken"])
            .await
            .status(),
        400
    );
    sandbox.clock().advance(30 * DAYS);
    assert_eq!(
        refresh(&sandbox, HR, &second["refreshToken"])
            .await
            .status(),
        400
    );
}

#[tokio::test]
async fn a_user_token_ends_by_age_or_when_revoked() {
    let sandbox = frozen(|_| {}).await;
    let old = pair(&sandbox, HR, "lina02").await;
    sandbox.clock().advance(Duration::from_secs(7200));
    let answer = account(&sandbox, &old["accessToken"], "me").await;
    assert_eq!(
        (answer.status(), &answer.json()["code"]),
        (400, &json!("accesstoken.expired"))
    );
    let fresh = pair(&sandbox, HR, "lina02").await;
    assert_eq!(
        account(&sandbox, &fresh["accessToken"], "me")
            .await
            .status(),
        200
    );
    sandbox.revoke_tokens(HR.0);
    let answer = account(&sandbox, &fresh["accessToken"], "me").await;
    assert_eq!(answer.json()["code"], "InvalidAuthentication");
    assert_eq!(
        refresh(&sandbox, HR, &fresh["refreshToken"]).await.status(),
        400
    );
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named_before_the_code_is_looked_at() {
    let sandbox = frozen(|world| world.apps[0].allowed_ips = vec!["203.0.113.9".to_owned()]).await;
    let whole = json!({"clientId": WAREHOUSE.0, "clientSecret": WAREHOUSE.1, "grantType": "authorization_code",
                       "code": sandbox.web_code(WAREHOUSE.0, "manager01")});
    let with = async |key: &str, value: Value| {
        let mut body = whole.clone();
        body[key] = value;
        let answer = post(&sandbox, "/v1.0/oauth2/userAccessToken", &body).await;
        answer.json()["code"].clone()
    };
    for key in ["clientId", "clientSecret", "grantType", "code"] {
        assert_eq!(with(key, json!("")).await, format!("Missing{key}"));
    }
    assert_eq!(
        with("grantType", json!("refresh_token")).await,
        "MissingrefreshToken"
    );
    assert_eq!(
        with("grantType", json!("password")).await,
        "unsupported.grant.type"
    );
    assert_eq!(
        with("clientSecret", json!("x")).await,
        "invalidClientIdOrSecret"
    );
    assert_eq!(
        with("clientId", json!("x")).await,
        "invalidClientIdOrSecret"
    );
    let line = "POST /v1.0/oauth2/userAccessToken";
    let form = send(&sandbox, line, &[FORM], "clientId=x").await;
    assert_eq!(form.json()["code"], "Missingbody");
    let elsewhere = trade(&sandbox, HR, &sandbox.web_code(HR.0, "lina02")).await;
    assert_eq!(
        elsewhere.json()["code"],
        "Forbidden.AccessDenied.IpNotInWhiteList"
    );
    // The code is whole still.
    assert_eq!(
        post(&sandbox, "/v1.0/oauth2/userAccessToken", &whole)
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn an_account_shows_what_the_app_may_see_and_the_accounts_own_mail() {
    let sandbox = frozen(|world| {
        world.apps[0]
            .permissions
            .retain(|have| have != "Contact.User.mobile");
        world.apps[2].masks_mobile = true;
    })
    .await;
    let code = sandbox
        .sign_in_code(&SignInCode::web(HR.0, IN_BOTH))
        .unwrap();
    let token = trade(&sandbox, HR, &code).await.json()["accessToken"].clone();
    let me = account(&sandbox, &token, "me").await.json();
    assert_eq!(me["unionId"], IN_BOTH);
    assert_eq!(me["email"], "wulei@yunqi.example");
    assert!(me.get("mobile").is_none() && me.get("stateCode").is_none());

    let code = sandbox
        .sign_in_code(&SignInCode::web(WAREHOUSE.0, IN_BOTH))
        .unwrap();
    let token = trade(&sandbox, WAREHOUSE, &code).await.json()["accessToken"].clone();
    let other = account(&sandbox, &token, "me").await.json();
    assert_eq!(other["mobile"], "138****0009");
    assert_ne!(other["openId"], me["openId"]);

    // Another person of the app's organisation by union id, and nobody of elsewhere.
    let near = account(&sandbox, &token, "unionLiuYang00007").await;
    assert_eq!(near.json()["nick"], "刘洋");
    let far = account(&sandbox, &token, "unionLiNa00000002").await;
    assert_eq!(far.json()["code"], "invalidParameter.user.notFound");
}

#[tokio::test]
async fn only_a_users_token_opens_an_account_and_it_opens_nothing_else() {
    let sandbox = frozen(|_| {}).await;
    let app = token(&sandbox, HR).await;
    let answer = account(&sandbox, &json!(app), "me").await;
    assert_eq!(answer.json()["code"], "InvalidAuthentication");
    let user = pair(&sandbox, HR, "lina02").await;
    let user = user["accessToken"].as_str().unwrap();
    let answer = crate::user_get(&sandbox, user, "lina02").await.json();
    assert_eq!(answer["sub_code"], "40014");
    let path = format!("/v1.0/contact/users/me?access_token={user}");
    assert_eq!(
        get(&sandbox, &path).await.json()["code"],
        "AuthenticationFailed.MissingParameter"
    );
}

#[tokio::test]
async fn the_calls_of_web_sign_in_are_limited_counted_and_meet_faults() {
    let sandbox = frozen(|world| world.apps[0].calls_per_second = 1).await;
    let first = pair(&sandbox, HR, "lina02").await;
    let code = sandbox.web_code(HR.0, "lina02");
    assert_eq!(trade(&sandbox, HR, &code).await.status(), 403);
    assert_eq!(
        last_outcome(&sandbox),
        "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
    );
    account(&sandbox, &first["accessToken"], "me").await;
    assert_eq!(sandbox.call_count_of(route::USER_ACCESS_TOKEN), 2);
    assert_eq!(sandbox.call_count_of(route::CONTACT_USER), 1);
    let calls = sandbox.calls();
    assert!(
        calls
            .iter()
            .all(|call| call.app_key.as_deref() == Some(HR.0))
    );

    sandbox.clock().advance(Duration::from_secs(1));
    sandbox.fault(Fault::wrong_corp().on(route::USER_ACCESS_TOKEN).times(1));
    assert_eq!(
        trade(&sandbox, HR, &code).await.json()["corpId"],
        YUNQI,
        "the code was whole"
    );
    sandbox.fault(
        Fault::code(403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")
            .on(route::CONTACT_USER),
    );
    assert_like(
        "contact-users-me.no-permission",
        403,
        &account(&sandbox, &first["accessToken"], "me").await,
    );
}

#[tokio::test]
async fn the_control_api_makes_codes_of_each_flow() {
    let sandbox = frozen(|_| {}).await;
    let make = async |body: Value| post(&sandbox, "/sandbox/codes", &body).await.json();
    let code = |answer: &Value| answer["code"].as_str().unwrap().to_owned();

    let answer = make(json!({"flow": "web", "app": HR.0, "user_id": "lina02"})).await;
    assert_eq!(answer["expires_in"], 300);
    let traded = trade(&sandbox, HR, &code(&answer)).await.json();
    assert_eq!(traded["corpId"], XIHU);

    let body = json!({"flow": "web", "app": HR.0, "user_id": "wulei", "corp_id": YUNQI, "scope": "openid corpid Contact.User.Read"});
    let traded = trade(&sandbox, HR, &code(&make(body).await)).await.json();
    assert_eq!(traded["corpId"], YUNQI);
    let me = account(&sandbox, &traded["accessToken"], "me").await.json();
    assert_eq!(me["unionId"], IN_BOTH);

    let body = json!({"flow": "web", "app": HR.0, "union_id": STRANGER, "scope": "openid"});
    let traded = trade(&sandbox, HR, &code(&make(body).await)).await.json();
    assert_eq!(traded["corpId"], Value::Null);

    let body = json!({"flow": "sns", "app": crate::sns::DESK.0, "user_id": "lina02"});
    let answer = crate::sns::ask(&sandbox, &code(&make(body).await)).await;
    assert_eq!(answer.json()["user_info"]["nick"], "李娜");

    for (body, field) in [
        (
            json!({"flow": "mail", "app": HR.0, "user_id": "lina02"}),
            "flow",
        ),
        (
            json!({"flow": "web", "app": crate::sns::DESK.0, "user_id": "lina02"}),
            "app",
        ),
        (
            json!({"flow": "sns", "app": HR.0, "user_id": "lina02"}),
            "app",
        ),
        (json!({"flow": "web", "app": HR.0}), "user_id"),
        (
            json!({"flow": "web", "app": HR.0, "user_id": "nobody"}),
            "user_id",
        ),
        (
            json!({"flow": "web", "app": HR.0, "union_id": "nobody"}),
            "union_id",
        ),
        (
            json!({"flow": "web", "app": HR.0, "user_id": "lina02", "corp_id": "x"}),
            "corp_id",
        ),
        (
            json!({"flow": "sns", "app": crate::sns::DESK.0, "user_id": "lina02", "scope": "x"}),
            "scope",
        ),
    ] {
        let error = make(body).await["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(&format!("{field}: ")), "{error}");
    }
}
