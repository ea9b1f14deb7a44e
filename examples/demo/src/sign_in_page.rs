//! Somebody at DingTalk's sign-in page, as far as HTTP goes: they scan its QR code with their phone, or type account and password.

use std::error::Error;

use dingtalk_sandbox::Sandbox;
use reqwest::Client;
use reqwest::header::LOCATION;
use serde_json::Value;

use crate::browser::between;

pub(crate) struct SignInPage<'a> {
    sandbox: &'a Sandbox,
    http: Client,
    /// The sign-in's own address, where its forms go.
    step: String,
}

impl<'a> SignInPage<'a> {
    /// Opens the page where an app sent its visitor.
    pub(crate) async fn open(sandbox: &'a Sandbox, address: &str) -> Result<Self, Box<dyn Error>> {
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let html = http.get(address).send().await?.text().await?;
        let id = between(&html, "/oauth2/signin/", "\"");
        let id = id.ok_or_else(|| {
            let why = between(&html, "class=\"lead\">", "<");
            format!("DingTalk's page: {}", why.unwrap_or("no form"))
        })?;
        Ok(Self {
            step: format!("{}/oauth2/signin/{id}", sandbox.url()),
            sandbox,
            http,
        })
    }

    /// Scans the QR code and confirms, and consents; gives the way back to the app.
    pub(crate) async fn scan(&self, union_id: &str) -> Result<String, Box<dyn Error>> {
        self.sandbox.confirm_sign_in(&self.qr_code()?, union_id)?;
        self.consent().await
    }

    /// Scans the QR code in a frame and confirms; gives the way back that the frame tells the page around it.
    pub(crate) async fn scan_in_frame(&self, union_id: &str) -> Result<String, Box<dyn Error>> {
        self.sandbox.confirm_sign_in(&self.qr_code()?, union_id)?;
        let html = self.http.get(&self.step).send().await?.text().await?;
        let message = between(&html, "data-message=\"", "\"");
        let message = message.ok_or("the frame tells nothing")?;
        let message = message.replace("&quot;", "\"").replace("&amp;", "&");
        let message: Value = serde_json::from_str(&message)?;
        let back = message.pointer("/redirectUrl").and_then(Value::as_str);
        Ok(back
            .ok_or_else(|| format!("the frame tells {message}"))?
            .to_owned())
    }

    /// Scans the QR code and refuses.
    pub(crate) async fn refuse(&self) -> Result<String, Box<dyn Error>> {
        self.sandbox.refuse_sign_in(&self.qr_code()?)?;
        self.way_back().await
    }

    /// Types account and password, and consents.
    pub(crate) async fn type_in(
        &self,
        account: &str,
        password: &str,
    ) -> Result<String, Box<dyn Error>> {
        self.send(&[("account", account), ("password", password)])
            .await?;
        self.consent().await
    }

    /// Consents where DingTalk asks: its older pages do not.
    async fn consent(&self) -> Result<String, Box<dyn Error>> {
        if let Ok(back) = self.way_back().await {
            return Ok(back);
        }
        self.send(&[("consent", "allow")]).await?;
        self.way_back().await
    }

    /// What the newest QR code stands for: this page's.
    fn qr_code(&self) -> Result<String, Box<dyn Error>> {
        let newest = self.sandbox.sign_ins().pop();
        Ok(newest.ok_or("no QR code waits")?.id)
    }

    async fn send(&self, form: &[(&str, &str)]) -> Result<(), reqwest::Error> {
        self.http.post(&self.step).form(form).send().await?;
        Ok(())
    }

    async fn way_back(&self) -> Result<String, Box<dyn Error>> {
        let answer = self.http.get(&self.step).send().await?;
        let location = answer.headers().get(LOCATION);
        Ok(location
            .ok_or("DingTalk's page leads nowhere")?
            .to_str()?
            .to_owned())
    }
}
