//! The sandbox, an axum app and an actix-web app side by side: what to try, or with `--check` the whole tour unattended.

mod actix_app;
mod axum_app;
mod browser;
mod check;
mod embedded_page;
mod page;
mod sign_in_page;

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use dingtalk_core::{DingTalk, InternalApp, LegacySignIn, SessionKey, WebSignIn};
use dingtalk_sandbox::{App, Sandbox, World};
use tracing_subscriber::EnvFilter;

use crate::page::Links;

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
    let (axum, actix) = (listen(7081, is_check)?, listen(7082, is_check)?);
    let mut apps = [
        DemoApp::new("axum", "dingdemoaxum0000001", &axum)?,
        DemoApp::new("actix-web", "dingdemoactix000002", &actix)?,
    ];
    let sandbox = Sandbox::builder()
        .world(world(&apps))
        .listen(address(7070, is_check))
        .start()
        .await?;
    for app in &mut apps {
        app.links.sandbox = sandbox.url().to_owned();
        app.links.client = sandbox.client_url(&app.key, "manager01")?;
    }
    let [in_axum, in_actix] = &apps;
    let served = axum_app::serve(axum, handle(&sandbox, in_axum)?, in_axum.links.clone());
    tokio::spawn(async move { served.await.map_err(|error| eprintln!("axum: {error}")) });
    actix_app::serve(actix, handle(&sandbox, in_actix)?, in_actix.links.clone());
    if is_check {
        return check::run(&sandbox, &apps).await;
    }
    explain(&apps);
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

/// One of the two apps, as the sandbox and the person at the terminal know it.
struct DemoApp {
    framework: &'static str,
    key: String,
    origin: String,
    links: Links,
}

impl DemoApp {
    fn new(framework: &'static str, key: &str, listener: &TcpListener) -> std::io::Result<Self> {
        Ok(Self {
            framework,
            key: key.to_owned(),
            origin: format!("http://{}", listener.local_addr()?),
            links: Links::default(),
        })
    }
}

/// The built-in world with our two apps before its own, which have no home page here: nothing runs there.
fn world(apps: &[DemoApp]) -> World {
    let mut world = World::default();
    for app in &mut world.apps {
        app.home_url.clear();
    }
    if let Some(model) = world.apps.first().cloned() {
        let ours = apps.iter().map(|app| App {
            name: format!("人事系统 ({})", app.framework),
            app_key: app.key.clone(),
            home_url: format!("{}/?corpid=$CORPID$", app.origin),
            ..model.clone()
        });
        world.apps.splice(..1, ours);
    }
    if let Some(older) = world.sign_in_apps.first_mut() {
        let origins = apps.iter().map(|app| app.origin.clone());
        older.redirect_urls.extend(origins);
    }
    world
}

/// The handle as an app makes it. Only the sandbox's addresses tell that this is no real DingTalk.
fn handle(sandbox: &Sandbox, app: &DemoApp) -> Result<DingTalk, Box<dyn Error>> {
    let known = sandbox
        .world()
        .app(&app.key)
        .ok_or("the world lacks the app")?;
    let older = sandbox.world().sign_in_apps.first();
    let older = older.ok_or("the world lacks an app for the older pages")?;
    let url = sandbox.url();
    let web_sign_in = WebSignIn::new().embedded_script(format!("{url}/sandbox/ddlogin.js"));
    let internal_app = InternalApp::new(&*known.corp_id, &*known.app_key, &*known.app_secret)
        .web_sign_in(web_sign_in)
        .legacy_sign_in(LegacySignIn::new(&*older.app_id, &*older.app_secret));
    Ok(DingTalk::builder()
        .public_origin(&*app.origin)
        .endpoint(url)
        .jsapi_script(format!("{url}/sandbox/jsapi.js"))
        .framed_by([url, &url.replace("127.0.0.1", "localhost")])
        .internal_app(internal_app)
        .session_key(SessionKey::generate()?)
        .build()?)
}

fn explain(apps: &[DemoApp]) {
    for app in apps {
        println!("\nThe app in {}:  {}", app.framework, app.origin);
        println!("  in DingTalk, as 张伟:  {}", app.links.client);
        println!(
            "  in any browser:  {}/orders (DingTalk's QR code in a frame on our own page)",
            app.origin
        );
        println!(
            "  on DingTalk's page:  {}/dingtalk/login?via=web (QR code, or account manager01 and password dingtalk)",
            app.origin
        );
        println!(
            "  on DingTalk's older pages:  {0}/dingtalk/login?via=legacy_qr or {0}/dingtalk/login?via=legacy_password",
            app.origin
        );
        println!("  /         who you are");
        println!("  /orders   for people who are signed in");
        println!("  /admin    for administrators");
    }
    if let Some(app) = apps.first() {
        println!("\nDingTalk, on this machine:  {}", app.links.sandbox);
        println!(
            "  Everybody and everything in it, and every call as it comes. Open an app as anybody there."
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
