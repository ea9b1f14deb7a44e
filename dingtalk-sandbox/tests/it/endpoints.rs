//! What the calls do beyond the samples: bodies, paths, tokens, codes, people.

use std::time::Duration;

use dingtalk_sandbox::{Sandbox, TokenRepeat, route};
use serde_json::{Value, json};

use crate::{
    EXPENSES, HR, WAREHOUSE, XIHU, YUNQI, ask_token,
    client::{FORM, JSON, get, post, send},
    frozen, getbyunionid, getuserinfo, last_outcome, token, user_get,
};

const HOURS: Duration = Duration::from_secs(3600);

async fn gettoken(sandbox: &Sandbox, (key, secret): (&str, &str)) -> String {
    let answer = get(
        sandbox,
        &format!("/gettoken?appkey={key}&appsecret={secret}"),
    )
    .await
    .json();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn corp_token(sandbox: &Sandbox, corp: &str, (key, secret): (&str, &str)) -> String {
    let body =
        json!({"client_id": key, "client_secret": secret, "grant_type": "client_credentials"});
    let answer = post(sandbox, &format!("/v1.0/oauth2/{corp}/token"), &body)
        .await
        .json();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_repeated_token_call_gets_the_same_token_for_longer() {
    let sandbox = frozen(|_| {}).await;
    let first = token(&sandbox, HR).await;
    sandbox.clock().advance(HOURS);
    assert_eq!(token(&sandbox, HR).await, first);
    assert_eq!(gettoken(&sandbox, HR).await, first);
    sandbox.clock().advance(HOURS + HOURS / 2);
    assert_eq!(
        user_get(&sandbox, &first, "manager01").await.json()["errcode"],
        0
    );
    sandbox.clock().advance(HOURS / 2);
    assert_eq!(
        user_get(&sandbox, &first, "manager01").await.json()["sub_code"],
        "40014"
    );
    assert_ne!(token(&sandbox, HR).await, first);
}

#[tokio::test]
async fn a_token_of_each_endpoint_opens_the_old_host() {
    let sandbox = frozen(|_| {}).await;
    for token in [
        token(&sandbox, HR).await,
        gettoken(&sandbox, HR).await,
        corp_token(&sandbox, XIHU, HR).await,
    ] {
        assert_eq!(
            user_get(&sandbox, &token, "manager01").await.json()["result"]["name"],
            "张伟"
        );
    }
}

#[tokio::test]
async fn a_world_can_make_corp_tokens_change() {
    let sandbox = frozen(|_| {}).await;
    assert_eq!(
        corp_token(&sandbox, XIHU, HR).await,
        corp_token(&sandbox, XIHU, HR).await
    );
    let sandbox = frozen(|world| world.corp_token_repeat = TokenRepeat::New).await;
    let first = corp_token(&sandbox, XIHU, HR).await;
    assert_ne!(corp_token(&sandbox, XIHU, HR).await, first);
    assert_eq!(
        user_get(&sandbox, &first, "manager01").await.json()["errcode"],
        0
    );
    assert_eq!(token(&sandbox, HR).await, token(&sandbox, HR).await);
}

#[tokio::test]
async fn revoked_tokens_are_refused_and_replaced() {
    let sandbox = frozen(|_| {}).await;
    let (mine, other) = (token(&sandbox, HR).await, token(&sandbox, WAREHOUSE).await);
    sandbox.revoke_tokens(HR.0);
    assert_eq!(
        user_get(&sandbox, &mine, "manager01").await.json()["sub_code"],
        "40014"
    );
    assert_eq!(
        user_get(&sandbox, &other, "manager01").await.json()["errcode"],
        0
    );
    assert_ne!(token(&sandbox, HR).await, mine);
}

#[tokio::test]
async fn gettoken_reads_the_query_whatever_is_posted() {
    let sandbox = frozen(|_| {}).await;
    let (key, secret) = HR;
    let body = format!("appkey={key}&appsecret={secret}");
    assert_eq!(
        send(&sandbox, "POST /gettoken", &[FORM], &body)
            .await
            .json()["errcode"],
        40035
    );
    assert_eq!(
        send(&sandbox, &format!("POST /gettoken?{body}"), &[], "")
            .await
            .json()["errcode"],
        0
    );
    assert_eq!(sandbox.call_count_of(route::GETTOKEN), 2);
}

#[tokio::test]
async fn the_new_host_names_the_missing_field() {
    let sandbox = frozen(|_| {}).await;
    let answer = post(
        &sandbox,
        "/v1.0/oauth2/accessToken",
        &json!({"appKey": "x"}),
    )
    .await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.json()["code"], "MissingappSecret");
    assert_eq!(
        answer.json()["message"],
        "appSecret is mandatory for this action."
    );
    let answer = post(
        &sandbox,
        "/v1.0/oauth2/x/token",
        &json!({"client_id": "x", "client_secret": "y"}),
    )
    .await;
    assert_eq!(answer.json()["code"], "Missinggrant_type");
    let broken = send(&sandbox, "POST /v1.0/oauth2/accessToken", &[JSON], "{").await;
    assert_eq!(broken.json()["code"], "Missingbody");
}

#[tokio::test]
async fn an_unknown_corp_is_a_server_error() {
    let sandbox = frozen(|_| {}).await;
    let body =
        json!({"client_id": HR.0, "client_secret": HR.1, "grant_type": "client_credentials"});
    let answer = post(&sandbox, "/v1.0/oauth2/dingnothere/token", &body).await;
    assert_eq!(
        (answer.status(), answer.json()["code"].as_str()),
        (500, Some("unknownError"))
    );
}

#[tokio::test]
async fn the_new_host_marks_its_answers() {
    let sandbox = frozen(|_| {}).await;
    let refused = ask_token(&sandbox, ("x", "y")).await;
    assert_eq!(
        refused.header("x-acs-request-id").as_deref(),
        refused.json()["requestid"].as_str()
    );
    assert!(refused.header("x-acs-trace-id").is_some());
    assert_eq!(refused.header("server").as_deref(), Some("DingTalk/1.0.0"));
    assert!(
        ask_token(&sandbox, HR)
            .await
            .header("x-acs-request-id")
            .is_some()
    );
    assert!(
        get(&sandbox, "/gettoken")
            .await
            .header("x-acs-request-id")
            .is_none()
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_the_manner_of_their_host() {
    let sandbox = frozen(|_| {}).await;
    for (line, status, key, value) in [
        ("POST /topapi/v2/user/none", 200, "errcode", json!(22)),
        ("GET /topapi/v2/user/get", 200, "errcode", json!(43002)),
        ("PUT /gettoken", 200, "errcode", json!(43001)),
        ("GET /user/getuserinfo", 200, "errcode", json!(404)),
        ("POST /oauth2/accessToken", 200, "errcode", json!(404)),
        (
            "POST /v1.0/nothing",
            404,
            "code",
            json!("InvalidAction.NotFound"),
        ),
        (
            "GET /v1.0/oauth2/accessToken",
            404,
            "code",
            json!("InvalidAction.NotFound"),
        ),
    ] {
        let answer = send(&sandbox, line, &[], "").await;
        assert_eq!(
            (answer.status(), &answer.json()[key]),
            (status, &value),
            "{line}"
        );
    }
    assert_eq!(sandbox.call_count(), 7);
}

#[tokio::test]
async fn the_old_host_reads_forms_and_a_token_in_them() {
    let sandbox = frozen(|_| {}).await;
    let token = token(&sandbox, HR).await;
    let line = "POST /topapi/v2/user/get";
    let form = send(
        &sandbox,
        line,
        &[FORM],
        &format!("userid=manager01&access_token={token}"),
    )
    .await;
    assert_eq!(form.json()["result"]["userid"], "manager01");
    let body = json!({"userid": "manager01", "access_token": token}).to_string();
    assert_eq!(
        send(&sandbox, line, &[JSON], &body).await.json()["sub_code"],
        "40000"
    );
    let broken = send(
        &sandbox,
        &format!("{line}?access_token={token}"),
        &[JSON],
        "[",
    )
    .await;
    assert_eq!(broken.json()["errcode"], 400_002);
}

#[tokio::test]
async fn a_code_works_once_for_its_own_app_and_minutes() {
    let sandbox = frozen(|_| {}).await;
    let (hr, expenses) = (token(&sandbox, HR).await, token(&sandbox, EXPENSES).await);
    let why = |sandbox: &Sandbox| {
        sandbox
            .calls()
            .last()
            .unwrap()
            .detail
            .clone()
            .unwrap_or_default()
    };

    let code = sandbox.code(HR.0, "lina02");
    assert_eq!(
        getuserinfo(&sandbox, &expenses, &code).await.json()["errcode"],
        40078
    );
    assert_eq!(why(&sandbox), "the code is of another app");
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["result"]["userid"],
        "lina02"
    );
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
        40078
    );
    assert_eq!(why(&sandbox), "the code was used before");

    let code = sandbox.code(WAREHOUSE.0, "manager01");
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
        40078
    );
    assert_eq!(why(&sandbox), "the code is of another organisation");

    let code = sandbox.code(HR.0, "lina02");
    sandbox.clock().advance(Duration::from_secs(300));
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
        40078
    );
    assert_eq!(why(&sandbox), "the code is too old");

    for body in [json!({}), json!({"code": ""}), json!({"code": "nonsense"})] {
        let answer = post(
            &sandbox,
            &format!("/topapi/v2/user/getuserinfo?access_token={hr}"),
            &body,
        )
        .await;
        assert_eq!(answer.json()["errcode"], 40078, "{body}");
    }
}

#[tokio::test]
async fn one_code_sent_many_times_at_once_is_spent_once() {
    let sandbox = frozen(|world| world.apps[0].calls_per_second = 0).await;
    let token = token(&sandbox, HR).await;
    let code = sandbox.code(HR.0, "lina02");
    let hold = sandbox.hold(route::GETUSERINFO);
    let address = sandbox.url().to_owned();
    let request = format!(
        "POST /topapi/v2/user/getuserinfo?access_token={token} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{FORM}\r\n\
         content-length: {}\r\n\r\ncode={code}",
        code.len() + 5
    );
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (address, request) = (address.replace("http://", ""), request.clone());
            tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                crate::client::read_to_end(stream).await.json()
            })
        })
        .collect();
    hold.wait_for(20).await;
    hold.release();
    let mut codes = Vec::new();
    for call in calls {
        codes.push(call.await.unwrap()["errcode"].as_i64().unwrap());
    }
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1);
    assert_eq!(codes.iter().filter(|code| **code == 40078).count(), 19);
}

#[tokio::test]
async fn the_same_user_id_is_another_person_in_another_corp() {
    let sandbox = frozen(|_| {}).await;
    for (app, name, admin) in [(HR, "张伟", true), (WAREHOUSE, "刘洋", false)] {
        let token = token(&sandbox, app).await;
        let code = sandbox.code(app.0, "manager01");
        let result = getuserinfo(&sandbox, &token, &code).await.json()["result"].clone();
        assert_eq!(
            (&result["name"], &result["sys"]),
            (&json!(name), &json!(admin))
        );
        assert_eq!(
            user_get(&sandbox, &token, "manager01").await.json()["result"]["name"],
            name
        );
    }
}

#[tokio::test]
async fn people_outside_the_visible_range_are_refused() {
    let sandbox = frozen(|_| {}).await;
    let token = token(&sandbox, WAREHOUSE).await;
    let code = sandbox.code(WAREHOUSE.0, "visitor02");
    assert_eq!(
        getuserinfo(&sandbox, &token, &code).await.json()["errcode"],
        40079
    );
    assert_eq!(
        user_get(&sandbox, &token, "visitor02").await.json()["errcode"],
        50002
    );
    assert_eq!(
        getbyunionid(&sandbox, &token, "unionZhouMin00008")
            .await
            .json()["errcode"],
        50002
    );
}

#[tokio::test]
async fn details_leave_out_what_is_not_there() {
    let sandbox = frozen(|_| {}).await;
    let token = token(&sandbox, HR).await;
    let details = user_get(&sandbox, &token, "wangfang03").await.json()["result"].clone();
    for absent in [
        "avatar",
        "title",
        "mobile",
        "email",
        "role_list",
        "job_number",
        "disable_status",
        "login_id",
    ] {
        assert!(details.get(absent).is_none(), "{absent}");
    }
    let many = user_get(&sandbox, &token, "sunli05").await.json()["result"]["dept_id_list"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(many, 200);
}

#[tokio::test]
async fn fields_of_mobile_and_mail_need_their_permissions() {
    let sandbox = frozen(|world| {
        world.apps[0]
            .permissions
            .retain(|may| may.starts_with("qyapi_"))
    })
    .await;
    let token = token(&sandbox, HR).await;
    let details = user_get(&sandbox, &token, "manager01").await.json()["result"].clone();
    for absent in ["mobile", "state_code", "email", "org_email"] {
        assert!(details.get(absent).is_none(), "{absent}");
    }
    assert_eq!(details["name"], "张伟");
}

#[tokio::test]
async fn a_company_account_can_be_asked_for_by_its_login() {
    let sandbox = frozen(|_| {}).await;
    let path = format!(
        "/topapi/v2/user/get?access_token={}",
        token(&sandbox, HR).await
    );
    let details = post(
        &sandbox,
        &path,
        &json!({"login_id": "zhaolei@xihu", "userid": "manager01"}),
    )
    .await
    .json();
    assert_eq!(details["result"]["userid"], "zhaolei04");
    assert_eq!(details["result"]["disable_status"], true);
    assert_eq!(details["result"]["exclusive_account"], true);
    assert_eq!(
        post(&sandbox, &path, &json!({"login_id": "none"}))
            .await
            .json()["errcode"],
        60121
    );
}

#[tokio::test]
async fn the_language_of_details_can_be_chosen() {
    let sandbox = frozen(|_| {}).await;
    let path = format!(
        "/topapi/v2/user/get?access_token={}",
        token(&sandbox, HR).await
    );
    for (language, role) in [("zh_CN", "总监"), ("en_US", "Director")] {
        let details = post(
            &sandbox,
            &path,
            &json!({"userid": "manager01", "language": language}),
        )
        .await
        .json();
        assert_eq!(details["result"]["role_list"][0]["name"], role);
    }
    let other = post(
        &sandbox,
        &path,
        &json!({"userid": "manager01", "language": "fr_FR"}),
    )
    .await;
    assert_eq!(other.json()["errcode"], 400_002);
    assert_eq!(
        post(&sandbox, &path, &json!({})).await.json()["errcode"],
        400_002
    );
}

#[tokio::test]
async fn an_external_contact_says_so() {
    let sandbox = frozen(|world| world.people[1].contact_type = 1).await;
    let token = token(&sandbox, HR).await;
    let answer = getbyunionid(&sandbox, &token, "unionLiNa00000002")
        .await
        .json();
    assert_eq!(
        answer["result"],
        json!({"userid": "lina02", "contact_type": 1})
    );
    let path = format!("/topapi/user/getbyunionid?access_token={token}");
    assert_eq!(
        post(&sandbox, &path, &json!({})).await.json()["errcode"],
        400_002
    );
}

#[tokio::test]
async fn extra_fields_of_the_world_reach_the_details_as_they_are() {
    let sandbox = frozen(|world| {
        world.people[0].extra.insert("title".to_owned(), json!(7));
        world.people[0]
            .extra
            .insert("newField".to_owned(), Value::Null);
    })
    .await;
    let token = token(&sandbox, HR).await;
    let details = user_get(&sandbox, &token, "manager01").await.json()["result"].clone();
    assert_eq!(details["title"], 7);
    assert_eq!(details.get("newField"), Some(&Value::Null));
}

#[tokio::test]
async fn the_list_of_calls_says_who_and_what_but_no_secret() {
    let sandbox = frozen(|_| {}).await;
    let token = token(&sandbox, HR).await;
    let code = sandbox.code(HR.0, "manager01");
    getuserinfo(&sandbox, &token, &code).await;
    corp_token(&sandbox, YUNQI, WAREHOUSE).await;
    get(
        &sandbox,
        &format!("/user/{token}/{code}?access_token={token}"),
    )
    .await;
    let calls = sandbox.calls();
    let shown: Vec<_> = calls
        .iter()
        .map(|call| {
            (
                call.route.as_str(),
                call.app_key.as_deref(),
                call.corp_id.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (route::ACCESS_TOKEN, Some(HR.0), Some(XIHU)),
            (route::GETUSERINFO, Some(HR.0), Some(XIHU)),
            (route::CORP_TOKEN, Some(WAREHOUSE.0), Some(YUNQI)),
            ("GET /user/…/…", Some(HR.0), Some(XIHU)),
        ]
    );
    let text = format!("{calls:?}") + &get(&sandbox, "/sandbox/calls").await.body();
    for secret in [token.as_str(), code.as_str(), HR.1, WAREHOUSE.1] {
        assert!(!text.contains(secret));
    }
    assert_eq!(last_outcome(&sandbox), "404");
    sandbox.reset_calls();
    assert_eq!((sandbox.call_count(), sandbox.calls().len()), (0, 0));
}

#[tokio::test]
async fn a_sandbox_answers_while_the_runtime_that_started_it_is_busy() {
    let sandbox = Sandbox::start().await;
    // Blocking I/O: nothing else of this runtime can run meanwhile.
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(sandbox.address()).unwrap();
    stream
        .write_all(b"GET /gettoken HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("{\"errcode\":40035,\"errmsg\":\"缺少参数 corpid or appkey\"}"));
}

#[tokio::test]
async fn a_stopped_sandbox_closes_its_connections_and_refuses_new_ones() {
    let sandbox = Sandbox::start().await;
    let open = tokio::net::TcpStream::connect(sandbox.address())
        .await
        .unwrap();
    get(&sandbox, "/gettoken").await;
    sandbox.stop().await;
    let left = crate::client::read_to_end(open).await;
    assert!(left.bytes.is_empty());
    let refused = tokio::net::TcpStream::connect(sandbox.address())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    sandbox.stop().await;
    assert_eq!(sandbox.call_count(), 1);
}

#[tokio::test]
async fn a_dropped_sandbox_frees_its_address() {
    let sandbox = Sandbox::start().await;
    let address = sandbox.address();
    drop(sandbox);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_world_that_does_not_fit_together_does_not_start() {
    let mut world = dingtalk_sandbox::World::default();
    world.apps[1].corp_id = "dingnowhere".to_owned();
    let error = Sandbox::builder().world(world).start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "apps[1].corp_id: no organisation has the corp_id `dingnowhere`"
    );
}

#[tokio::test]
async fn a_request_too_long_is_refused() {
    let sandbox = Sandbox::start().await;
    let body = "x".repeat(1024 * 1024 + 1);
    let answer = send(&sandbox, "POST /topapi/v2/user/get", &[JSON], &body).await;
    // The refusal may be lost when the rest of the body is still under way.
    assert!(answer.bytes.is_empty() || answer.status() == 413);
    assert_eq!(sandbox.call_count(), 0);
}

#[tokio::test]
#[should_panic(
    expected = "nobody in the organisation `ding0a1b2c3d4e5f6a7b` has the user_id `ghost`"
)]
async fn a_code_for_nobody_stops_the_test() {
    let _ = Sandbox::start().await.code(HR.0, "ghost");
}
