//! The phone's own pages.

use super::{Page, Shown};
use crate::{
    page::escape,
    signin::{PHONE, PendingSignIn, frame::Frames, pending::SignIn},
};

impl Page<'_> {
    pub(in crate::signin) fn phone(&self, sign_in: &SignIn) -> Shown {
        let title = self.say("登录确认", "Confirm sign-in");
        let mut options = String::new();
        for account in self.world.all_accounts().take(MOST_PHONES) {
            let nick = account.nick.as_deref().unwrap_or_default();
            options += &format!(
                "<option value=\"{id}\">{label}</option>",
                id = escape(&account.union_id),
                label = escape(&format!("{nick} · {}", self.corps_of(&account))),
            );
        }
        let asks = if sign_in.wanted.asks_consent && sign_in.wanted.in_frame {
            format!(
                "<p>{}</p><ul class=\"asks\">{}</ul>",
                self.say("该应用将获得：", "The app gets to know:"),
                self.asks(&sign_in.wanted)
            )
        } else {
            String::new()
        };
        let main = format!(
            "{head}<p class=\"app\">{app}</p><p class=\"hint\">{lead}</p>\
             <form method=\"post\" action=\"{PHONE}{id}\">\
             <label for=\"union-id\">{whose}</label><select id=\"union-id\" name=\"union_id\">{options}</select>{asks}\
             <button class=\"primary\" name=\"answer\" value=\"confirm\">{confirm}</button>\
             <button name=\"answer\" value=\"refuse\">{refuse}</button></form>",
            head = self.head(title, ""),
            app = escape(&self.app_name(&sign_in.wanted)),
            lead = self.say(
                "正在请求在电脑上登录，请确认是本人操作",
                "asks to sign in on a computer. Confirm only if it is you",
            ),
            whose = self.say("这是谁的手机", "Whose phone is this?"),
            confirm = self.say("确认登录", "Confirm sign-in"),
            refuse = self.say("拒绝", "Refuse"),
            id = sign_in.id,
        );
        self.on_phone(200, title, &main)
    }

    pub(in crate::signin) fn phone_done(&self, sign_in: &PendingSignIn, confirmed: bool) -> Shown {
        let (mark, title) = match (sign_in.status, confirmed) {
            ("failed", _) => (
                "bad",
                self.say(
                    "该账号无法登录此应用",
                    "This account cannot sign in to this app",
                ),
            ),
            (_, true) => ("good", self.say("已确认登录", "Confirmed")),
            (_, false) => ("bad", self.say("已拒绝登录", "Refused")),
        };
        let sign = if mark == "good" { "✓" } else { "!" };
        let main = format!(
            "<div class=\"mark {mark}\" aria-hidden=\"true\">{sign}</div><h1>{title}</h1><p class=\"lead\">{}</p>",
            self.say(
                "请回到电脑上继续，本页可以关闭。",
                "Go on at the computer. You may close this page.",
            )
        );
        self.on_phone(200, title, &main)
    }

    pub(in crate::signin) fn phone_over(&self) -> Shown {
        let title = self.say("二维码已失效", "This code has expired");
        let main = format!(
            "<div class=\"mark bad\" aria-hidden=\"true\">!</div><h1>{title}</h1><p class=\"lead\">{}</p>",
            self.say(
                "请在电脑上刷新二维码后再扫一次。",
                "Ask for a new code at the computer and scan again.",
            )
        );
        self.on_phone(410, title, &main)
    }

    fn on_phone(&self, status: u16, title: &str, main: &str) -> Shown {
        self.shown(status, title, "phone", "", main, Frames::Nobody)
    }
}

/// Accounts to choose from; anybody else confirms by the control API.
const MOST_PHONES: usize = 500;
