//! The whole tour, unattended: on each framework every login there is, a second request on its session, refusals, a logout.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use dingtalk_sandbox::Sandbox;

use crate::DemoApp;
use crate::browser::{Answer, Browser};
use crate::embedded_page::EmbeddedPage;
use crate::sign_in_page::SignInPage;

pub(crate) async fn run(sandbox: &Sandbox, apps: &[DemoApp]) -> Result<ExitCode, Box<dyn Error>> {
    let first = apps.first().ok_or("there is no app")?;
    let mut tour = Tour {
        sandbox,
        app: first,
        part: SILENTLY,
        counts: BTreeMap::new(),
    };
    for app in apps {
        tour.app = app;
        let done = tour.visit(&app.origin).await;
        tour.end_part(done);
        let done = tour.sign_in_by_qr_code(&app.origin).await;
        tour.end_part(done);
        let done = tour.sign_in_by_password(&app.origin).await;
        tour.end_part(done);
        let done = tour.sign_in_in_frame(&app.origin).await;
        tour.end_part(done);
        let done = tour.sign_in_on_older_pages(&app.origin).await;
        tour.end_part(done);
    }
    for (part, (passed, failed)) in &tour.counts {
        println!("{part}: {passed} passed, {failed} failed");
    }
    let passed: usize = tour.counts.values().map(|(passed, _)| passed).sum();
    let failed: usize = tour.counts.values().map(|(_, failed)| failed).sum();
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Tour<'a> {
    sandbox: &'a Sandbox,
    app: &'a DemoApp,
    /// What the next lines count as.
    part: &'static str,
    /// Lines that passed and that failed, of each part.
    counts: BTreeMap<&'static str, (usize, usize)>,
}

impl Tour<'_> {
    async fn visit(&mut self, origin: &str) -> Result<(), Box<dyn Error>> {
        self.part = SILENTLY;
        let mut first = Browser::new(origin)?;
        self.sandbox.reset_calls();
        let answer = first.get("/orders").await?;
        self.line(
            "anonymous request refused",
            &answer,
            401,
            "session.required",
            0,
        );

        let code = self.code("manager01")?;
        let answer = first.post("/dingtalk/login", Some(&code)).await?;
        self.line("silent login, cold", &answer, 200, "张伟", 3);
        let answer = first.get("/orders").await?;
        self.line(
            "second request on its session",
            &answer,
            200,
            "你好, 张伟",
            0,
        );
        let answer = first.get("/admin").await?;
        self.line(
            "an administrator at the guard",
            &answer,
            200,
            "for administrators",
            0,
        );

        let mut second = Browser::new(origin)?;
        let code = self.code("lina02")?;
        let answer = second.post("/dingtalk/login", Some(&code)).await?;
        self.line("silent login, warm", &answer, 200, "李娜", 2);
        let answer = second.get("/orders").await?;
        self.line(
            "second request on its session",
            &answer,
            200,
            "你好, 李娜",
            0,
        );
        let answer = second.get("/admin").await?;
        self.line(
            "somebody else at the guard refused",
            &answer,
            403,
            "session.not_allowed",
            0,
        );

        let answer = Browser::new(origin)?
            .post("/dingtalk/login", Some(&code))
            .await?;
        self.line(
            "used code from elsewhere refused",
            &answer,
            401,
            "login.code_used",
            0,
        );
        let answer = Browser::new(origin)?
            .post("/dingtalk/login", Some("0000"))
            .await?;
        self.line(
            "unknown code refused",
            &answer,
            401,
            "login.code_invalid",
            1,
        );

        let mut copy = Browser::new(origin)?;
        copy.cookies = first.cookies.clone();
        let answer = first.post("/dingtalk/logout", None).await?;
        self.line("logout", &answer, 200, "signed_out", 0);
        let answer = copy.get("/orders").await?;
        self.line(
            "copy of its cookie refused",
            &answer,
            401,
            "session.required",
            0,
        );
        Ok(())
    }

    async fn sign_in_by_qr_code(&mut self, origin: &str) -> Result<(), Box<dyn Error>> {
        self.part = BY_QR_CODE;
        let mut browser = Browser::new(origin)?;
        let page = self.sign_in_page(&mut browser, "web").await?;
        let back = page.scan("unionZhangWei0001").await?;
        let answer = land(&mut browser, &back).await?;
        self.line(
            "web sign-in by QR code, warm",
            &answer,
            200,
            "你好, 张伟",
            4,
        );
        let answer = browser.open(&back).await?;
        self.line(
            "the way back taken twice refused",
            &answer,
            400,
            "login.state_elsewhere",
            0,
        );

        let mut declining = Browser::new(origin)?;
        let page = self.sign_in_page(&mut declining, "web").await?;
        let back = page.refuse().await?;
        let answer = declining.open(&back).await?;
        self.line(
            "web sign-in refused on the phone",
            &answer,
            401,
            "login.declined",
            0,
        );
        Ok(())
    }

    async fn sign_in_by_password(&mut self, origin: &str) -> Result<(), Box<dyn Error>> {
        self.part = BY_PASSWORD;
        let mut browser = Browser::new(origin)?;
        let page = self.sign_in_page(&mut browser, "web").await?;
        let back = page.type_in("lina02", "dingtalk").await?;
        let answer = land(&mut browser, &back).await?;
        self.line(
            "web sign-in by password, warm",
            &answer,
            200,
            "你好, 李娜",
            4,
        );
        Ok(())
    }

    async fn sign_in_in_frame(&mut self, origin: &str) -> Result<(), Box<dyn Error>> {
        self.part = IN_A_FRAME;
        let mut browser = Browser::new(origin)?;
        let page = EmbeddedPage::read(&browser.open(&login("embedded")).await?)?;
        let frame = SignInPage::open(self.sandbox, page.frame()?.as_str()).await?;
        let told = frame.scan_in_frame("unionZhangWei0001").await?;
        let back = page.callback(&told)?;
        let answer = land(&mut browser, back.as_str()).await?;
        self.line("QR code in a frame, warm", &answer, 200, "你好, 张伟", 4);
        let answer = browser.open(back.as_str()).await?;
        self.line(
            "the frame's word taken twice refused",
            &answer,
            400,
            "login.state_elsewhere",
            0,
        );
        Ok(())
    }

    async fn sign_in_on_older_pages(&mut self, origin: &str) -> Result<(), Box<dyn Error>> {
        self.part = ON_OLDER_PAGES;
        let mut by_qr_code = Browser::new(origin)?;
        let page = self.sign_in_page(&mut by_qr_code, "legacy_qr").await?;
        let back = page.scan("unionZhangWei0001").await?;
        let answer = land(&mut by_qr_code, &back).await?;
        self.line("older page by QR code, warm", &answer, 200, "你好, 张伟", 3);

        let mut by_password = Browser::new(origin)?;
        let page = self
            .sign_in_page(&mut by_password, "legacy_password")
            .await?;
        let back = page.type_in("lina02", "dingtalk").await?;
        let answer = land(&mut by_password, &back).await?;
        self.line(
            "older page by password, warm",
            &answer,
            200,
            "你好, 李娜",
            3,
        );
        Ok(())
    }

    /// DingTalk's page, where our login leads.
    async fn sign_in_page(
        &self,
        browser: &mut Browser,
        via: &str,
    ) -> Result<SignInPage<'_>, Box<dyn Error>> {
        let answer = browser.open(&login(via)).await?;
        match &answer.location {
            Some(address) => SignInPage::open(self.sandbox, address).await,
            None => Err(format!("the login leads nowhere: {}", answer.gist()).into()),
        }
    }

    fn code(&self, user_id: &str) -> Result<String, Box<dyn Error>> {
        Ok(self.sandbox.try_code(&self.app.key, user_id)?)
    }

    /// One line: what was done, the status, who came in or why not, and its cost in DingTalk calls.
    fn line(&mut self, done: &str, answer: &Answer, status: u16, says: &str, calls: usize) {
        let cost = self.sandbox.call_count();
        self.sandbox.reset_calls();
        let is_good = answer.status == status && answer.body.contains(says) && cost == calls;
        let who = match answer.says("/user/name") {
            name if !name.is_empty() => name,
            _ if is_good => says.to_owned(),
            _ => answer.gist(),
        };
        let (mark, framework, got) = (
            if is_good { "ok  " } else { "FAIL" },
            self.app.framework,
            answer.status,
        );
        println!("{mark} {framework:9} {done:36} {got} {who} ({cost} DingTalk calls)");
        let (passed, failed) = self.counts.entry(self.part).or_default();
        if is_good {
            *passed += 1;
        } else {
            *failed += 1;
            println!("     expected {status} {says} ({calls} DingTalk calls)");
        }
    }

    /// A part that could not go on is a line that failed, and the tour goes on with the next.
    fn end_part(&mut self, done: Result<(), Box<dyn Error>>) {
        if let Err(error) = done {
            self.sandbox.reset_calls();
            let (framework, part) = (self.app.framework, self.part);
            println!("FAIL {framework:9} {part} stopped: {error}");
            self.counts.entry(part).or_default().1 += 1;
        }
    }
}

/// Our own login, by a way in, and on to where we want to be.
fn login(via: &str) -> String {
    let target = TARGET
        .replace('?', "%3F")
        .replace('=', "%3D")
        .replace('#', "%23");
    format!("/dingtalk/login?via={via}&return_to={target}")
}

/// Comes back to the app and goes where it says; its own answer where it does not send us to where we wanted to be.
async fn land(browser: &mut Browser, back: &str) -> Result<Answer, Box<dyn Error>> {
    let answer = browser.open(back).await?;
    if answer.location.as_deref() != Some(TARGET) {
        return Ok(answer);
    }
    let (page, _) = TARGET.split_once('#').unwrap_or((TARGET, ""));
    browser.open(page).await
}

const TARGET: &str = "/orders?x=1#/3";

const SILENTLY: &str = "silent login";
const BY_QR_CODE: &str = "web sign-in by QR code";
const BY_PASSWORD: &str = "web sign-in by account and password";
const IN_A_FRAME: &str = "web sign-in in a frame on our own page";
const ON_OLDER_PAGES: &str = "web sign-in on the older pages";
