//! Gates: calls wait until they are let go.

use std::time::Duration;

use dingtalk_sandbox::{Sandbox, route};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{HR, ask_token, client::read_to_end, frozen, getuserinfo, last_outcome, token};

async fn open_call(sandbox: &Sandbox) -> TcpStream {
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    stream
        .write_all(b"GET /gettoken HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    stream
}

#[tokio::test]
async fn held_calls_wait_until_released() {
    let sandbox = frozen(|_| {}).await;
    let hold = sandbox.hold(route::GETTOKEN);
    let (one, two) = (open_call(&sandbox).await, open_call(&sandbox).await);
    hold.wait_for(2).await;
    assert_eq!(hold.waiting(), 2);
    assert_eq!(sandbox.call_count_of(route::GETTOKEN), 2);
    assert_eq!(last_outcome(&sandbox), "pending");
    // Other calls pass.
    assert_eq!(ask_token(&sandbox, HR).await.status(), 200);
    hold.release();
    for stream in [one, two] {
        assert_eq!(read_to_end(stream).await.json()["errcode"], 40035);
    }
    assert_eq!(
        read_to_end(open_call(&sandbox).await).await.json()["errcode"],
        40035
    );
}

#[tokio::test]
async fn dropping_a_hold_lets_the_calls_go() {
    let sandbox = frozen(|_| {}).await;
    let hold = sandbox.hold(route::ANY);
    let call = open_call(&sandbox).await;
    hold.wait_for(1).await;
    drop(hold);
    assert_eq!(read_to_end(call).await.json()["errcode"], 40035);
}

#[tokio::test]
async fn a_call_that_hung_up_waits_no_more() {
    let sandbox = frozen(|_| {}).await;
    let hold = sandbox.hold(route::GETTOKEN);
    let call = open_call(&sandbox).await;
    hold.wait_for(1).await;
    drop(call);
    while hold.waiting() > 0 {
        tokio::task::yield_now().await;
    }
    while last_outcome(&sandbox) == "pending" {
        tokio::task::yield_now().await;
    }
    assert_eq!(last_outcome(&sandbox), "gone");
}

#[tokio::test]
async fn a_held_call_sees_what_happened_meanwhile() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    let code = sandbox.code(HR.0, "lina02");
    let hold = sandbox.hold(route::GETUSERINFO);
    let meanwhile = async {
        hold.wait_for(1).await;
        sandbox.clock().advance(Duration::from_secs(300));
        hold.release();
    };
    let (answer, ()) = tokio::join!(getuserinfo(&sandbox, &hr, &code), meanwhile);
    assert_eq!(answer.json()["errcode"], 40078);
}

#[tokio::test]
async fn an_answer_held_after_the_call_has_spent_the_code() {
    let sandbox = frozen(|_| {}).await;
    let hr = token(&sandbox, HR).await;
    let code = sandbox.code(HR.0, "lina02");
    let hold = sandbox.hold_after(route::GETUSERINFO);
    let meanwhile = async {
        hold.wait_for(1).await;
        sandbox.clock().advance(Duration::from_secs(300));
        hold.release();
    };
    let (answer, ()) = tokio::join!(getuserinfo(&sandbox, &hr, &code), meanwhile);
    assert_eq!(answer.json()["result"]["userid"], "lina02");
    assert_eq!(
        getuserinfo(&sandbox, &hr, &code).await.json()["errcode"],
        40078
    );
}
