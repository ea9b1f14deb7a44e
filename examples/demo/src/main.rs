//! The sandbox, an axum app and an actix-web app side by side: what to try, or with `--check` the whole tour unattended.

mod actix_app;
mod axum_app;
mod browser;
mod check;
mod page;

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use dingtalk_core::{DingTalk, InternalApp, SessionKey};
use dingtalk_sandbox::Sandbox;
use tracing_subscriber::EnvFilter;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let is_check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            return Err(format!("unknown argument `{other}`: there is only --check").into());
        }
    };
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(if is_check { "off" } else { "info" }));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    tokio::runtime::Runtime::new()?.block_on(run(is_check))
}

async fn run(is_check: bool) -> Result<ExitCode, Box<dyn Error>> {
    let sandbox = Sandbox::builder()
        .listen(address(7070, is_check))
        .start()
        .await?;
    let (axum, actix) = (listen(7081, is_check)?, listen(7082, is_check)?);
    let apps = [("axum", origin(&axum)?), ("actix-web", origin(&actix)?)];
    let in_axum = axum_app::serve(
        axum,
        handle(&sandbox, &apps[0].1)?,
        sandbox.url().to_owned(),
    );
    tokio::spawn(async move { in_axum.await.map_err(|error| eprintln!("axum: {error}")) });
    actix_app::serve(
        actix,
        handle(&sandbox, &apps[1].1)?,
        sandbox.url().to_owned(),
    );
    if is_check {
        return check::run(&sandbox, &apps).await;
    }
    explain(&sandbox, &apps);
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

/// The handle as an app makes it; only the endpoint tells that DingTalk is a sandbox.
fn handle(sandbox: &Sandbox, origin: &str) -> Result<DingTalk, Box<dyn Error>> {
    let app = sandbox.world().apps.first().ok_or("the world has no app")?;
    Ok(DingTalk::builder()
        .public_origin(origin)
        .endpoint(sandbox.url())
        .internal_app(InternalApp::new(
            &*app.corp_id,
            &*app.app_key,
            &*app.app_secret,
        ))
        .session_key(SessionKey::generate()?)
        .build()?)
}

fn explain(sandbox: &Sandbox, apps: &[(&str, String)]) {
    let url = sandbox.url();
    println!("\nDingTalk, on this machine:  {url}");
    println!("  Everybody and everything in it, and every call as it comes. Make a code there.\n");
    for (name, origin) in apps {
        println!("The app in {name}:  {origin}");
        println!("  /         who you are; paste a code to sign in");
        println!("  /orders   for people who are signed in");
        println!("  /admin    for administrators\n");
    }
    if let (Some((_, origin)), Some(app)) = (apps.first(), sandbox.world().apps.first()) {
        let key = &app.app_key;
        println!("Or by hand:");
        println!("  curl -s {url}/sandbox/codes -H 'content-type: application/json' \\");
        println!("       -d '{{\"flow\":\"silent\",\"app\":\"{key}\",\"user_id\":\"manager01\"}}'");
        println!(
            "  curl -i -X POST {origin}/dingtalk/login -H 'origin: {origin}' -H 'x-dingtalk-auth-code: CODE'"
        );
    }
    println!("\nCtrl-C stops all three.");
}

/// The usual port, or any free one where it is taken and for a check.
fn listen(port: u16, is_check: bool) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address(port, is_check))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn address(port: u16, is_check: bool) -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], port));
    let is_free = !is_check && TcpListener::bind(usual).is_ok();
    SocketAddr::from(([127, 0, 0, 1], if is_free { port } else { 0 }))
}

fn origin(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}
