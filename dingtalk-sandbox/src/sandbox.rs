//! The sandbox as a value: started, asked, told what goes wrong, stopped.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};

use socket2::{Domain, Socket, Type};
use tokio::sync::watch;

use crate::{
    calls::Call,
    clock::Clock,
    code::SignInCode,
    engine::{Engine, Unknown},
    fault::{Fault, Phase},
    hold::Hold,
    page, route, server,
    signin::{self, PendingSignIn},
    world::World,
};

/// A DingTalk on this machine. Stops when dropped.
///
/// It runs on a thread and a runtime of its own, so it answers whatever the runtime that started it is doing.
#[derive(Debug)]
pub struct Sandbox {
    engine: Arc<Engine>,
    address: SocketAddr,
    url: String,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts on a free port of 127.0.0.1, with the built-in world and the system's time.
    ///
    /// # Panics
    /// If no port of 127.0.0.1 can be listened on, or no thread started. [`builder`](Self::builder) gives an error instead.
    #[expect(
        clippy::expect_used,
        reason = "a test cannot go on without its sandbox, and says so here"
    )]
    pub async fn start() -> Self {
        Self::builder()
            .start()
            .await
            .expect("a sandbox can listen on 127.0.0.1")
    }

    /// A sandbox with a world, a clock or an address of your own.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Where it listens: `http://127.0.0.1:PORT`. All of DingTalk's hosts are this one.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time that lifetimes, limits and delays follow.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.engine.clock
    }

    /// What exists in it.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.engine.world
    }

    /// A fresh silent-login code (免登授权码), as the DingTalk client would give it to the app's page for this person.
    ///
    /// # Panics
    /// If the world has no such app, or the app's organisation no such person. [`try_code`](Self::try_code) gives an error instead.
    #[must_use]
    #[track_caller]
    #[expect(
        clippy::panic,
        reason = "a test aid: a misspelt name should stop the test here"
    )]
    pub fn code(&self, app_key: &str, user_id: &str) -> String {
        match self.try_code(app_key, user_id) {
            Ok(code) => code,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`code`](Self::code).
    ///
    /// # Errors
    /// If the world has no such app, or the app's organisation no such person.
    pub fn try_code(&self, app_key: &str, user_id: &str) -> Result<String, Unknown> {
        self.engine.silent_code(app_key, user_id)
    }

    /// A fresh code of a web sign-in: what the sign-in page sends back to the app when this person of the app's organisation signed in
    /// there with the scope `openid corpid`. [`sign_in_code`](Self::sign_in_code) knows strangers, other organisations and the older
    /// pages, and gives an error instead of a panic.
    ///
    /// # Panics
    /// If the world has no such app, or the app's organisation no such person.
    #[must_use]
    #[track_caller]
    #[expect(
        clippy::panic,
        reason = "a test aid: a misspelt name should stop the test here"
    )]
    pub fn web_code(&self, app_key: &str, user_id: &str) -> String {
        let code = || {
            let app = self.world().app(app_key);
            let app = app.ok_or_else(|| Unknown::App(app_key.to_owned()))?;
            let person = self.engine.member(&app.corp_id, user_id)?;
            self.sign_in_code(&SignInCode::web(app_key, &person.union_id))
        };
        match code() {
            Ok(code) => code,
            Err(error) => panic!("{error}"),
        }
    }

    /// A fresh code of a sign-in in a browser.
    ///
    /// # Errors
    /// If the world has no such app, account or organisation.
    pub fn sign_in_code(&self, wanted: &SignInCode) -> Result<String, Unknown> {
        self.engine.sign_in_code(wanted)
    }

    /// The sign-ins whose QR code waits to be answered, oldest first.
    #[must_use]
    pub fn sign_ins(&self) -> Vec<PendingSignIn> {
        signin::list(&self.engine)
    }

    /// What a person's phone does with a sign-in's QR code: scans and confirms it, for the account with this union id. Whether DingTalk
    /// lets the account through, the answer's `status` says.
    ///
    /// # Errors
    /// If no such sign-in waits, or the world has no such account.
    pub fn confirm_sign_in(&self, id: &str, union_id: &str) -> Result<PendingSignIn, Unknown> {
        signin::confirm(&self.engine, id, union_id)
    }

    /// Scans a sign-in's QR code and says no.
    ///
    /// # Errors
    /// If no such sign-in waits.
    pub fn refuse_sign_in(&self, id: &str) -> Result<PendingSignIn, Unknown> {
        signin::refuse(&self.engine, id)
    }

    /// Where the DingTalk client opens this app for this person: a page for a browser, at another site than the app's.
    ///
    /// # Errors
    /// If the world has no such app, or the app's organisation no such person.
    pub fn client_url(&self, app_key: &str, user_id: &str) -> Result<String, Unknown> {
        let (app, _) = self.engine.app_and_person(app_key, user_id)?;
        Ok(page::client_address(app, user_id, self.address))
    }

    /// The latest 10 000 calls since the start or the last [`reset_calls`](Self::reset_calls), in order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.engine.calls().latest().cloned().collect()
    }

    /// How many calls arrived. Counts those still being answered, and goes on past the list's length.
    #[must_use]
    pub fn call_count(&self) -> usize {
        self.engine.calls().total()
    }

    /// How many of them were this call, by a constant of [`route`].
    ///
    /// # Panics
    /// On a text that is no such constant.
    #[must_use]
    #[track_caller]
    pub fn call_count_of(&self, route: &str) -> usize {
        if route == route::ANY {
            return self.call_count();
        }
        route::assert_known(route);
        self.engine.calls().count_of(route)
    }

    /// Forgets the calls and their counts.
    pub fn reset_calls(&self) {
        self.engine.calls().reset();
    }

    /// Ends every token of this app and of its users, refresh tokens too, as DingTalk may at any time. Codes stay.
    pub fn revoke_tokens(&self, app_key: &str) {
        self.engine.revoke_tokens(app_key);
    }

    /// Makes something go wrong, besides what goes wrong already. At most 1000 faults are kept; more are ignored with a warning.
    pub fn fault(&self, fault: Fault) {
        if !self.engine.faults().add(fault) {
            tracing::warn!("too many faults: this one is ignored");
        }
    }

    /// Ends all faults. Holds stay.
    pub fn clear_faults(&self) {
        self.engine.faults().clear();
    }

    /// Keeps calls waiting before they take effect, by a constant of [`route`], until the hold is released or dropped.
    ///
    /// # Panics
    /// On a text that is no such constant.
    #[track_caller]
    pub fn hold(&self, route: &str) -> Hold {
        route::assert_known(route);
        self.engine.holds.hold(route, Phase::Before)
    }

    /// Keeps answers waiting after the calls took effect: a code is spent, but nobody knows yet.
    ///
    /// # Panics
    /// On a text that is no constant of [`route`].
    #[track_caller]
    pub fn hold_after(&self, route: &str) -> Hold {
        route::assert_known(route);
        self.engine.holds.hold(route, Phase::After)
    }

    /// Closes the listener and every open connection. Later connections are refused. What was recorded can still be read.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut stopped = self.stopped.clone();
        // The thread drops its end when it is done, which ends this wait.
        while stopped.changed().await.is_ok() {}
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Settings of a [`Sandbox`] to be started.
#[derive(Debug, Default)]
#[must_use = "nothing listens before `start`"]
pub struct SandboxBuilder {
    world: Option<World>,
    clock: Option<Clock>,
    listen: Option<SocketAddr>,
}

impl SandboxBuilder {
    /// What exists. Default: [`World::default`].
    pub fn world(mut self, world: World) -> Self {
        self.world = Some(world);
        self
    }

    /// The time it follows. Default: [`Clock::real`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where it listens. Default: a free port of 127.0.0.1. Anybody who reaches another address can read every secret of the world.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// If the address cannot be listened on, no thread can be started, or the world does not fit together.
    // Nothing here waits yet: `async` leaves room for a start that does.
    pub async fn start(self) -> io::Result<Sandbox> {
        let world = self.world.unwrap_or_default();
        world
            .check()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let engine = Arc::new(Engine::new(world, self.clock.unwrap_or_else(Clock::real)));

        let listen = self.listen;
        let listener = listener(listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into()))?;
        let address = listener.local_addr()?;

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, mut stopping) = watch::channel(false);
        let (running, stopped) = watch::channel(());
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let shared = engine.clone();
        let thread = std::thread::Builder::new()
            .name("dingtalk-sandbox".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = server::serve(listener, shared, address) => {}
                        _ = stopping.wait_for(|stop| *stop) => {}
                    }
                });
                // Dropping the runtime closes what is still open.
                drop(runtime);
                drop(running);
            })?;
        Ok(Sandbox {
            engine,
            address,
            url: format!("http://{address}"),
            stop,
            stopped,
            thread: Some(thread),
        })
    }
}

/// A listener with room for a crowd that comes at one moment: the standard library's has room for 128, and whoever finds none is
/// kept waiting for seconds.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // As the standard library does.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

const BACKLOG: i32 = 1024;
