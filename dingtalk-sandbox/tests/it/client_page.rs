//! The client page, the stand-in for the JSAPI script, and what the client answers a page that asks for a code.

use dingtalk_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::{
    EXPENSES, HR, WAREHOUSE, XIHU, YUNQI,
    client::{Answer, JSON, get, post, send},
    frozen, getuserinfo, token,
};

const HR_HOME: &str = "http://127.0.0.1:8080";
const EXPENSES_HOME: &str = "http://127.0.0.1:7082";
const WAREHOUSE_HOME: &str = "http://127.0.0.1:7083";

/// The page as a browser gets it at `localhost`, another site than the apps' `127.0.0.1`.
async fn page(sandbox: &Sandbox, query: &str) -> Answer {
    let host = format!("host: localhost:{}", sandbox.address().port());
    send(sandbox, &format!("GET /client?{query}"), &[&host], "").await
}

/// What the client says to 李娜's page of the HR app, after `change`.
async fn ask(sandbox: &Sandbox, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = json!({
        "account_corp_id": XIHU, "user_id": "lina02", "device": "android", "app": HR.0, "origin": HR_HOME,
        "call": "requestAuthCodeV2", "corp_id": XIHU, "client_id": HR.0,
    });
    change(&mut body);
    let answer = post(sandbox, "/sandbox/client/codes", &body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

/// Who the code is for, asked with this app's token.
async fn trade(sandbox: &Sandbox, app: (&str, &str), answer: &Value) -> Value {
    let token = token(sandbox, app).await;
    let code = answer["code"].as_str().unwrap();
    getuserinfo(sandbox, &token, code).await.json()
}

#[tokio::test]
async fn the_page_frames_the_app_for_the_person_and_nothing_else() {
    let sandbox = frozen(|_| {}).await;
    let page = page(&sandbox, &format!("app={}&user=lina02", HR.0)).await;
    assert_eq!(page.status(), 200);
    let login = "data-src=\"http://127.0.0.1:8080/dingtalk/login?via=client&amp;corpid=ding0a1b2c3d4e5f6a7b&amp;\
                 return_to=%2F%3Fcorpid%3Dding0a1b2c3d4e5f6a7b\"";
    assert!(page.body().contains(login));
    let browser = "href=\"http://127.0.0.1:8080/?corpid=ding0a1b2c3d4e5f6a7b\" target=\"_blank\"";
    assert!(page.body().contains(browser));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    let frames = format!("frame-src {HR_HOME} {EXPENSES_HOME}");
    assert!(policy.ends_with(&frames), "{policy}");
    assert_eq!(sandbox.call_count(), 0);
}

#[tokio::test]
async fn a_link_in_a_chat_leaves_the_place_of_the_corp_empty() {
    let sandbox = frozen(|_| {}).await;
    let page = page(&sandbox, &format!("app={}&from=chat", HR.0)).await;
    let login = "data-src=\"http://127.0.0.1:8080/dingtalk/login?via=client&amp;return_to=%2F%3Fcorpid%3D%24CORPID%24\"";
    assert!(page.body().contains(login));
}

#[tokio::test]
async fn the_page_is_another_site_than_the_app_unless_asked_not_to_be() {
    let sandbox = frozen(|_| {}).await;
    let port = sandbox.address().port();
    let asked = format!("/client?app={}&user=lina02&slow=2000", HR.0);
    let moved = get(&sandbox, &asked).await;
    assert_eq!(moved.status(), 307);
    assert_eq!(
        moved.header("location").unwrap(),
        format!(
            "http://localhost:{port}/client?app={}&corp={XIHU}&user=lina02&device=android&slow=2000",
            HR.0
        )
    );
    assert_eq!(
        get(&sandbox, &format!("{asked}&site=same")).await.status(),
        200
    );
    let moved = sandbox.client_url(HR.0, "lina02").unwrap();
    assert_eq!(
        moved,
        format!("http://localhost:{port}/client?app={}&user=lina02", HR.0)
    );

    let at_localhost =
        frozen(|world| world.apps[0].home_url = "http://localhost:8080/".to_owned()).await;
    let moved = page(&at_localhost, &format!("app={}", HR.0)).await;
    let address = at_localhost.address();
    assert!(
        moved
            .header("location")
            .unwrap()
            .starts_with(&format!("http://{address}/client?"))
    );
}

#[tokio::test]
async fn the_client_page_is_for_this_machine() {
    let sandbox = frozen(|_| {}).await;
    for host in ["evil.example", "localhost.evil.example"] {
        let rebound = send(&sandbox, "GET /client", &[&format!("host: {host}")], "").await;
        assert_eq!(rebound.status(), 403, "{host}");
    }
}

#[tokio::test]
async fn the_workbench_shows_the_apps_that_the_person_sees() {
    let sandbox = frozen(|_| {}).await;
    let icon = |app: (&str, &str)| format!("<a data-carry href=\"/client?app={}&amp;", app.0);
    let lina = page(&sandbox, "user=lina02").await.body();
    assert!(lina.contains(&icon(HR)) && lina.contains(&icon(EXPENSES)));
    assert!(!lina.contains(&icon(WAREHOUSE)));
    let visitor = page(&sandbox, "user=visitor06").await.body();
    assert!(visitor.contains(&icon(HR)) && !visitor.contains(&icon(EXPENSES)));
    let nothing = frozen(|world| world.apps.clear()).await;
    assert!(
        page(&nothing, "")
            .await
            .body()
            .contains("No app with a home page")
    );
}

#[tokio::test]
async fn what_the_address_names_wrongly_is_said() {
    let sandbox = frozen(|_| {}).await;
    let unknown = page(&sandbox, "app=%3Cb%3E").await;
    assert_eq!(unknown.status(), 404);
    assert!(
        unknown
            .body()
            .contains("app: `&lt;b&gt;` is not an app of this world")
    );
}

#[tokio::test]
async fn everything_the_client_page_loads_is_there() {
    let sandbox = frozen(|_| {}).await;
    let page = page(&sandbox, "").await.body();
    let unknown = get(&sandbox, "/nowhere").await.body();
    let mut loaded = 0;
    let is_path = |piece: &&str| piece.starts_with('/') && !piece.contains('>');
    for piece in page.split('"').filter(is_path) {
        let host = format!("host: localhost:{}", sandbox.address().port());
        let path = piece.replace("&amp;", "&");
        let part = send(&sandbox, &format!("GET {path}"), &[&host], "").await;
        assert_eq!(part.status(), 200, "{piece}");
        assert_ne!(part.body(), unknown, "{piece}");
        loaded += 1;
    }
    assert!(loaded >= 8);
}

#[tokio::test]
async fn every_site_may_load_the_jsapi_script() {
    let sandbox = frozen(|_| {}).await;
    let headers = [
        "origin: http://127.0.0.1:8080",
        "sec-fetch-site: cross-site",
        "sec-fetch-dest: script",
    ];
    let script = send(&sandbox, "GET /sandbox/jsapi.js", &headers, "").await;
    assert_eq!(script.status(), 200);
    for (name, value) in [
        ("content-type", Some("text/javascript; charset=utf-8")),
        ("access-control-allow-origin", Some("*")),
        ("cross-origin-resource-policy", Some("cross-origin")),
        ("x-content-type-options", Some("nosniff")),
        ("set-cookie", None),
    ] {
        assert_eq!(script.header(name).as_deref(), value, "{name}");
    }
    assert!(script.body().contains("window.dd = {"));
}

#[tokio::test]
async fn a_code_is_for_the_app_that_asked() {
    let sandbox = frozen(|_| {}).await;
    for (change, app) in [
        (json!({}), HR),
        (json!({"client_id": EXPENSES.0}), EXPENSES),
        (json!({"call": "requestAuthCode", "client_id": null}), HR),
        (
            json!({"call": "requestAuthCode", "client_id": null, "origin": EXPENSES_HOME}),
            EXPENSES,
        ),
    ] {
        let answer = ask(&sandbox, |body| {
            let body = body.as_object_mut().unwrap();
            body.extend(change.as_object().unwrap().clone());
        })
        .await;
        assert_eq!(
            (&answer["app"], &answer["user_id"]),
            (&json!(app.0), &json!("lina02")),
            "{change}"
        );
        let other = if app == HR { EXPENSES } else { HR };
        assert_eq!(
            trade(&sandbox, other, &answer).await["errcode"],
            40078,
            "{change}"
        );
        let traded = trade(&sandbox, app, &answer).await;
        assert_eq!(traded["result"]["userid"], "lina02", "{change}");
    }
}

#[tokio::test]
async fn the_open_app_is_meant_where_two_share_an_origin() {
    let sandbox = frozen(|world| world.apps[1].home_url = format!("{HR_HOME}/expenses")).await;
    for app in [HR, EXPENSES] {
        let answer = ask(&sandbox, |body| {
            body["call"] = json!("requestAuthCode");
            body["app"] = json!(app.0);
        })
        .await;
        assert_eq!(answer["app"], app.0);
    }
}

#[tokio::test]
async fn somebody_in_two_organisations_is_who_they_are_in_the_one_asked_for() {
    let sandbox = frozen(|world| {
        let union_id = world.person(XIHU, "lina02").unwrap().union_id.clone();
        world
            .people
            .iter_mut()
            .find(|person| person.corp_id == YUNQI)
            .unwrap()
            .union_id = union_id;
    })
    .await;
    let answer = ask(&sandbox, |body| {
        body["corp_id"] = json!(YUNQI);
        body["client_id"] = json!(WAREHOUSE.0);
        body["origin"] = json!(WAREHOUSE_HOME);
    })
    .await;
    assert_eq!(
        (&answer["corp_id"], &answer["user_id"]),
        (&json!(YUNQI), &json!("manager01"))
    );
}

#[tokio::test]
async fn a_question_dingtalk_would_refuse_is_refused_as_dingtalk_does() {
    let sandbox = frozen(|_| {}).await;
    let corp = "1002,corpId不合法";
    let domain = "对应企业没有127.0.0.1:8080域名微应用";
    let evil = "对应企业没有evil.example域名微应用";
    let permission = "没有调用权限";
    for (change, mobile, pc, message) in [
        (json!({"corp_id": "$CORPID$"}), 3, "PC_1005", corp),
        (json!({"corp_id": "ding0000"}), 3, "PC_1005", corp),
        (json!({"corp_id": null}), 3, "PC_1005", corp),
        (json!({"corp_id": YUNQI}), 3, "PC_1009", domain),
        (json!({"origin": "http://evil.example"}), 3, "PC_1009", evil),
        (
            json!({"origin": "http://evil.example", "call": "requestAuthCode"}),
            3,
            "PC_1009",
            evil,
        ),
        (json!({"client_id": "dingnobody"}), 7, "PC_1007", permission),
        (json!({"client_id": WAREHOUSE.0}), 7, "PC_1007", permission),
        (json!({"client_id": null}), 7, "PC_1007", permission),
        (json!({"answer": "cancelled"}), -1, "PC_1011", "用户取消"),
        (json!({"answer": "wrong_corp"}), 3, "PC_1005", corp),
        (json!({"answer": "wrong_domain"}), 3, "PC_1009", domain),
        (
            json!({"answer": "not_authorised"}),
            7,
            "PC_1007",
            permission,
        ),
    ] {
        for (device, code) in [
            ("android", json!(mobile)),
            ("ios", json!(mobile.to_string())),
            ("pc", json!(pc)),
        ] {
            let answer = ask(&sandbox, |body| {
                body["device"] = json!(device);
                let body = body.as_object_mut().unwrap();
                body.extend(change.as_object().unwrap().clone());
            })
            .await;
            let expected = json!({"errorCode": code, "errorMessage": message});
            assert_eq!(answer, expected, "{change} {device}");
        }
    }
}

#[tokio::test]
async fn codes_for_the_client_are_for_the_client_page_only() {
    let sandbox = frozen(|_| {}).await;
    let host = format!("localhost:{}", sandbox.address().port());
    let body = json!({
        "account_corp_id": XIHU, "user_id": "lina02", "origin": HR_HOME, "call": "requestAuthCode", "corp_id": XIHU,
    });
    for (origin, site, expected) in [
        (format!("http://{host}"), "same-origin", 200),
        (HR_HOME.to_owned(), "same-site", 403),
        (HR_HOME.to_owned(), "cross-site", 403),
        (sandbox.url().to_owned(), "cross-site", 403),
    ] {
        let headers = [
            &*format!("host: {host}"),
            &format!("origin: {origin}"),
            &format!("sec-fetch-site: {site}"),
            JSON,
        ];
        let answer = send(
            &sandbox,
            "POST /sandbox/client/codes",
            &headers,
            &body.to_string(),
        )
        .await;
        assert_eq!(answer.status(), expected, "{origin} {site}");
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_put_names_the_field() {
    let sandbox = frozen(|_| {}).await;
    let whole = json!({
        "account_corp_id": XIHU, "user_id": "lina02", "origin": HR_HOME, "call": "requestAuthCode",
    });
    for (field, value, expected) in [
        (
            "user_id",
            json!("nobody"),
            "user_id: nobody in the organisation `ding0a1b2c3d4e5f6a7b` has the user_id `nobody`",
        ),
        ("device", json!("tv"), "device: must be android, ios, pc"),
        (
            "call",
            json!("getAuthCode"),
            "call: must be requestAuthCode, requestAuthCodeV2",
        ),
        (
            "answer",
            json!("nothing"),
            "answer: must be code, cancelled, wrong_corp, wrong_domain, not_authorised, unknown_method, system",
        ),
        (
            "clientId",
            json!("x"),
            "clientId: is not a field of this request",
        ),
    ] {
        let mut body = whole.clone();
        body[field] = value;
        let answer = post(&sandbox, "/sandbox/client/codes", &body).await;
        assert_eq!(
            (answer.status(), answer.json()["error"].as_str().unwrap()),
            (400, expected)
        );
    }
}
