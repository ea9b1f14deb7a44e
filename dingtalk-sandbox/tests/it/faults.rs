//! Every fault, seen on a real socket.

use std::{io::ErrorKind, time::Duration};

use dingtalk_sandbox::{Fault, Sandbox, route};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    HR, WAREHOUSE, YUNQI, ask_token,
    client::{get, read_to_end},
    frozen, getbyunionid, getuserinfo, last_outcome, token, user_get,
};

/// Sends `GET /gettoken` and leaves the answer to the caller.
async fn open_call(sandbox: &Sandbox) -> TcpStream {
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    stream
        .write_all(b"GET /gettoken HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    stream
}

/// Lets other tasks run until the condition holds. The sandbox runs on a thread of its own.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_delay_waits_on_the_clock() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::delay(Duration::from_secs(30)));
    let call = tokio::spawn(read_to_end(open_call(&sandbox).await));
    until(|| sandbox.clock().sleepers() == 1).await;
    assert_eq!(sandbox.clock().next_wake(), Some(Duration::from_secs(30)));
    assert_eq!(last_outcome(&sandbox), "pending");
    sandbox.clock().advance(Duration::from_secs(30));
    assert_eq!(call.await.unwrap().json()["errcode"], 40035);
    assert_eq!(last_outcome(&sandbox), "40035");
    assert_eq!(sandbox.calls()[0].faults, ["delay"]);
    assert_eq!(sandbox.calls()[0].took, Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn a_status_comes_without_an_envelope() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::status(503).on(route::ACCESS_TOKEN));
    let answer = ask_token(&sandbox, HR).await;
    assert_eq!(
        (answer.status(), answer.body().as_str()),
        (503, "503 by the sandbox\n")
    );
    assert_eq!(last_outcome(&sandbox), "fault:status");
    assert_eq!(get(&sandbox, "/gettoken").await.status(), 200);
    sandbox.clear_faults();
    assert_eq!(ask_token(&sandbox, HR).await.status(), 200);
}

#[tokio::test]
async fn a_raw_body_arrives_byte_for_byte() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::raw(200, "text/html", "<html>{\"errcode\":0"));
    let answer = get(&sandbox, "/gettoken").await;
    assert_eq!(answer.body(), "<html>{\"errcode\":0");
    assert_eq!(answer.header("content-type").as_deref(), Some("text/html"));
    assert_eq!(last_outcome(&sandbox), "fault:raw");
}

#[tokio::test]
async fn a_redirect_names_the_place() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::redirect(302, "http://203.0.113.9/x"));
    let answer = get(&sandbox, "/gettoken").await;
    assert_eq!(answer.status(), 302);
    assert_eq!(
        answer.header("location").as_deref(),
        Some("http://203.0.113.9/x")
    );
}

#[tokio::test]
async fn a_reset_breaks_the_connection_at_the_byte() {
    let sandbox = frozen(|_| {}).await;
    for n in [0, 1, 12, 60] {
        sandbox.fault(Fault::reset_at(n).times(1));
        let answer = get(&sandbox, "/gettoken").await;
        assert_eq!(answer.bytes.len() as u64, n);
        assert_eq!(answer.broken, Some(ErrorKind::ConnectionReset));
        assert_eq!(last_outcome(&sandbox), "fault:reset");
    }
    assert_eq!(get(&sandbox, "/gettoken").await.broken, None);
}

#[tokio::test]
async fn a_reset_before_the_call_spends_nothing_and_one_after_spends_the_code() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    for (fault, left) in [
        (Fault::reset_at(0), 0),
        (Fault::reset_at(0).after(), 40078),
        (Fault::reset_at(9), 40078),
        (Fault::cut_at(0), 40078),
    ] {
        let code = sandbox.code(HR.0, "lina02");
        sandbox.fault(fault.clone().on(route::GETUSERINFO).times(1));
        getuserinfo(&sandbox, &hr, &code).await;
        assert_eq!(
            getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
            left,
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_cut_closes_in_good_order_within_the_body() {
    let sandbox = frozen(|_| {}).await;
    for n in [0, 7] {
        sandbox.fault(Fault::cut_at(n).times(1));
        let answer = get(&sandbox, "/gettoken").await;
        assert_eq!(answer.broken, None);
        assert_eq!(answer.body().len() as u64, n);
        assert!(
            answer
                .header("content-length")
                .unwrap()
                .parse::<u64>()
                .unwrap()
                > n
        );
        assert_eq!(last_outcome(&sandbox), "fault:cut");
    }
}

#[tokio::test]
async fn a_drip_follows_the_clock() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::drip(10));
    let mut stream = open_call(&sandbox).await;
    let mut part = [0; 4096];
    until(|| sandbox.clock().sleepers() == 1).await;
    assert_eq!(
        sandbox.clock().next_wake(),
        Some(Duration::from_millis(100))
    );
    sandbox.clock().advance(Duration::from_secs(1));
    let mut got = 0;
    while got < 10 {
        got += stream.read(&mut part[..10]).await.unwrap();
    }
    until(|| sandbox.clock().sleepers() == 1).await;
    assert_eq!(got, 10);
    assert_eq!(
        stream.try_read(&mut part).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    sandbox.clock().advance(Duration::from_secs(1000));
    let rest = read_to_end(stream).await;
    assert!(rest.text().ends_with('}'));
}

#[tokio::test]
async fn an_endless_body_is_as_long_as_it_was_told() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::endless(3_000_000).times(1));
    let answer = get(&sandbox, "/gettoken").await;
    assert!(answer.header("content-length").is_none());
    assert!(answer.bytes.len() > 3_000_000);
    // After the call, whoever reads all of it finds the true answer behind the spaces.
    sandbox.fault(Fault::endless(50_000).after().times(1));
    let answer = get(&sandbox, "/gettoken").await;
    assert!(answer.text().contains("40035"));
    assert_eq!(last_outcome(&sandbox), "fault:endless");
}

#[tokio::test]
async fn an_endless_body_stops_when_nobody_reads() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::endless(u64::MAX).times(1));
    let mut stream = open_call(&sandbox).await;
    let mut part = [0; 1024];
    stream.read_exact(&mut part).await.unwrap();
    drop(stream);
    assert_eq!(get(&sandbox, "/gettoken").await.json()["errcode"], 40035);
}

#[tokio::test]
async fn any_errcode_comes_in_the_envelope_of_its_kind() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    for (fault, errcode, sub_code) in [
        (Fault::errcode(42001), 88, json!("42001")),
        (Fault::errcode(90002), 88, json!("90002")),
        (Fault::errcode(60120), 60120, Value::Null),
        (Fault::errcode(-1).wrapped(true), 88, json!("-1")),
        (Fault::errcode(88), 88, json!("")),
    ] {
        sandbox.fault(fault.times(1));
        let answer = user_get(&sandbox, &hr, "lina02").await.json();
        assert_eq!(
            (&answer["errcode"], &answer["sub_code"]),
            (&json!(errcode), &sub_code)
        );
        assert_eq!(last_outcome(&sandbox), "fault:errcode");
    }
    sandbox.fault(Fault::errcode(12345).message("自定义").times(1));
    assert_eq!(
        user_get(&sandbox, &hr, "lina02").await.json()["errmsg"],
        "自定义"
    );
}

#[tokio::test]
async fn a_code_of_the_new_host_has_its_status_and_scopes() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::code(403, "Forbidden.AccessDenied.AccessTokenPermissionDenied").times(1));
    let answer = ask_token(&sandbox, HR).await;
    assert_eq!(answer.status(), 403);
    assert!(answer.json()["accessdenieddetail"]["requiredScopes"].is_array());
    sandbox.fault(Fault::code(429, "systemBusy").times(1));
    assert_eq!(ask_token(&sandbox, HR).await.json()["message"], "系统繁忙");
}

#[tokio::test]
async fn a_banned_address_gets_json_or_a_page() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::ip_ban(3).times(1));
    let answer = get(&sandbox, "/gettoken").await.json();
    assert_eq!(
        (&answer["status"], &answer["wait"], &answer["source"]),
        (&json!(1111), &json!(3), &json!("x5"))
    );
    sandbox.fault(Fault::ip_ban_page().times(1));
    let page = get(&sandbox, "/gettoken").await;
    assert!(page.body().starts_with("<!DOCTYPE html>"));
    assert_eq!(last_outcome(&sandbox), "fault:ip_ban_page");
}

#[tokio::test]
async fn an_edit_changes_successful_answers_only() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    sandbox.fault(
        Fault::edit(json!({"result": {"userid": 7, "name": null}}))
            .on(route::USER_GET)
            .times(1),
    );
    assert_eq!(
        user_get(&sandbox, &hr, "nobody").await.json()["errcode"],
        60121
    );
    let edited = user_get(&sandbox, &hr, "lina02").await.json()["result"].clone();
    assert_eq!(edited["userid"], 7);
    assert!(edited.get("name").is_none());
    assert_eq!(last_outcome(&sandbox), "ok");
    sandbox.fault(Fault::set("/result/userid", Value::Null).times(1));
    let edited = user_get(&sandbox, &hr, "lina02").await.json();
    assert_eq!(edited["result"].get("userid"), Some(&Value::Null));
    sandbox.fault(Fault::set("/expireIn", "soon").times(1));
    assert_eq!(ask_token(&sandbox, HR).await.json()["expireIn"], "soon");
}

#[tokio::test]
async fn the_wrong_corps_person_can_answer() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    sandbox.fault(Fault::wrong_corp());
    let code = sandbox.code(HR.0, "manager01");
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["result"]["name"],
        "刘洋"
    );
    assert_eq!(
        user_get(&sandbox, &hr, "manager01").await.json()["result"]["unionid"],
        "unionLiuYang00007"
    );
    assert_eq!(
        user_get(&sandbox, &hr, "lina02").await.json()["result"]["userid"],
        "manager01"
    );
    let mapped = getbyunionid(&sandbox, &hr, "unionLiNa00000002")
        .await
        .json();
    assert_eq!(mapped["result"]["userid"], "manager01");
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
        40078
    );
}

#[tokio::test]
async fn a_fault_can_be_for_one_app_or_one_corp() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::status(500).app(HR.0));
    assert_eq!(ask_token(&sandbox, HR).await.status(), 500);
    assert_eq!(ask_token(&sandbox, WAREHOUSE).await.status(), 200);
    sandbox.clear_faults();
    sandbox.fault(Fault::status(500).corp(YUNQI));
    assert_eq!(ask_token(&sandbox, HR).await.status(), 200);
    assert_eq!(ask_token(&sandbox, WAREHOUSE).await.status(), 500);
}

#[tokio::test]
async fn a_connection_serves_on_after_a_fault_that_left_it_whole() {
    let sandbox = frozen(|_| {}).await;
    sandbox.fault(Fault::cut_at(10_000).times(1));
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    let request = b"GET /gettoken HTTP/1.1\r\nhost: x\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(request).await.unwrap();
        let mut got = String::new();
        let mut part = [0; 1024];
        while !got.ends_with('}') {
            let n = stream.read(&mut part).await.unwrap();
            got += std::str::from_utf8(&part[..n]).unwrap();
        }
        assert!(got.contains("40035"));
    }
}

#[tokio::test]
#[should_panic(expected = "the sandbox has no call `GET /getToken`")]
async fn a_fault_on_a_misspelt_route_stops_the_test() {
    let _ = Fault::status(500).on("GET /getToken");
}
