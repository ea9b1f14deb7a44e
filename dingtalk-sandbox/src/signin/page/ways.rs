//! The ways to sign in: scanning, and typing.

use super::Page;
use crate::{
    page::escape,
    signin::{PHONE, STEP, password::Refused, pending::SignIn, qr, request::Wanted},
    world::Account,
};

impl Page<'_> {
    pub(super) fn qr_way(&self, sign_in: &SignIn) -> String {
        let url = format!("http://{}{PHONE}{}", self.host, sign_in.id);
        let name = self.say("登录二维码", "QR code for signing in");
        let picture = qr::svg(&url, name).unwrap_or_default();
        format!(
            "<section class=\"way scan\" aria-labelledby=\"scan\"><h2 id=\"scan\">{scan}</h2>\
             <div class=\"code\">{picture}<p class=\"over\" id=\"scanned\" hidden>{scanned}</p>\
             <p class=\"over\" id=\"expired\" hidden>{expired}<a class=\"button\" href=\"{begin}\">{renew}</a></p></div>\
             <p class=\"hint\" id=\"scan-status\" role=\"status\" data-scanned=\"{scanned}\" data-expired=\"{expired}\">{how}</p>\
             <p><a class=\"button\" href=\"{PHONE}{id}\" target=\"_blank\" rel=\"noopener\">{open}</a></p>\
             <noscript><p><a href=\"{STEP}{key}\">{confirmed}</a></p></noscript></section>",
            scan = self.say("扫码登录", "Scan to sign in"),
            scanned = self.say("已扫码，请在手机上确认", "Scanned. Confirm on the phone"),
            expired = self.say("二维码已失效", "This code has expired"),
            renew = self.say("刷新", "New code"),
            how = self.say("用沙箱里的手机扫一扫", "Scan it with the sandbox's phone"),
            open = self.say("打开沙箱手机", "Open the phone"),
            confirmed = self.say("已在手机上确认", "I have confirmed on the phone"),
            begin = escape(&sign_in.begin),
            id = sign_in.id,
            key = sign_in.key,
        )
    }

    pub(super) fn password_way(
        &self,
        sign_in: &SignIn,
        refused: Option<(Refused, &str)>,
    ) -> String {
        let (message, typed) = match refused {
            None => ("", ""),
            Some((Refused::Wrong, typed)) => (
                self.say("账号或密码错误", "Wrong account or password"),
                typed,
            ),
            Some((Refused::Locked, typed)) => (
                self.say(
                    "密码错误次数过多，请10分钟后再试",
                    "Too many wrong passwords. Try again in 10 minutes",
                ),
                typed,
            ),
        };
        let alert = if message.is_empty() {
            String::new()
        } else {
            format!("<p class=\"alert\" id=\"alert\" role=\"alert\">{message}</p>")
        };
        let described = if message.is_empty() {
            ""
        } else {
            " aria-invalid=\"true\" aria-describedby=\"alert\""
        };
        let account = if sign_in.wanted.exclusive.is_some() {
            self.say("企业账号（login_id）", "Company account (login_id)")
        } else {
            self.say("手机号或 user_id", "Mobile number or user_id")
        };
        format!(
            "<section class=\"way type\" aria-labelledby=\"type\"><h2 id=\"type\">{title}</h2>\
             <form method=\"post\" action=\"{STEP}{key}\">{alert}\
             <label for=\"account\">{account}</label>\
             <input id=\"account\" name=\"account\" value=\"{typed}\" autocomplete=\"username\" autocapitalize=\"none\" \
             spellcheck=\"false\" required{described}>\
             <label for=\"password\">{password}</label>\
             <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required{described}>\
             <button class=\"primary\">{submit}</button></form></section>",
            title = self.say("账号密码登录", "Account and password"),
            password = self.say("密码", "Password"),
            submit = self.say("登录", "Sign in"),
            key = sign_in.key,
            typed = escape(typed),
        )
    }

    /// All of it is toy data, so all of it is shown.
    pub(super) fn toys(&self, wanted: &Wanted) -> String {
        let mut rows = String::new();
        for account in self.world.all_accounts().take(MOST_TOYS) {
            let name = self.sign_in_name(&account, wanted);
            rows += &format!(
                "<li><button type=\"button\" class=\"toy\" data-account=\"{name}\" data-password=\"{password}\">\
                 <b>{nick}</b> <span class=\"hint\">{corps}</span><code>{name} · {password}</code></button></li>",
                name = escape(&name),
                password = escape(account.password.as_deref().unwrap_or_default()),
                nick = escape(account.nick.as_deref().unwrap_or_default()),
                corps = escape(&self.corps_of(&account)),
            );
        }
        format!(
            "<details class=\"toys\"><summary>{title}</summary><p class=\"hint\">{hint}</p><ul>{rows}</ul></details>",
            title = self.say(
                "沙箱里的账号和密码",
                "Accounts and passwords of this sandbox"
            ),
            hint = self.say(
                "都是玩具数据，点一下即可填入。",
                "Toys, all of them. Press one to fill it in.",
            ),
        )
    }

    /// What this account is typed as.
    fn sign_in_name(&self, account: &Account, wanted: &Wanted) -> String {
        let people = || self.world.memberships(&account.union_id);
        let own_corp = self.world.owner(&wanted.app).map(|(_, corp_id)| corp_id);
        let person = people()
            .find(|person| Some(&person.corp_id) == own_corp)
            .or_else(|| people().next());
        let login_id = person.and_then(|person| person.login_id.clone());
        login_id
            .or_else(|| account.mobile.clone())
            .or_else(|| person.map(|person| person.user_id.clone()))
            .unwrap_or_default()
    }
}

/// Accounts listed for filling in.
const MOST_TOYS: usize = 50;
