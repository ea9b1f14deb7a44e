//! What the sign-in pages look like: HTML in the browser's language, without a word of a request that is not escaped.

mod back;
mod phone;
mod ways;

use serde_json::json;

use super::{
    STEP,
    frame::Frames,
    language::Language,
    password::Refused,
    pending::{Next, SignIn},
    problem::Problem,
    request::{CorpChoice, Flow, Wanted},
};
use crate::{
    envelope::Reply,
    page::escape,
    world::{Account, World},
};

/// What pages are made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    pub(super) world: &'a World,
    pub(super) language: Language,
    /// The name this sandbox was called by: a phone that scans must find it too.
    pub(super) host: &'a str,
}

/// A page, or the way to one.
#[derive(Debug)]
pub(super) struct Shown {
    status: u16,
    html: String,
    frames: Frames,
    location: Option<String>,
}

impl Shown {
    pub(super) fn redirect(location: String) -> Self {
        Self {
            status: 303,
            html: String::new(),
            frames: Frames::Nobody,
            location: Some(location),
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        let mut reply = Reply::raw(self.status, "text/html; charset=utf-8", self.html, "");
        let policy = format!("{POLICY}; frame-ancestors {}", self.frames.ancestors());
        reply.headers.extend([
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff".to_owned()),
            // With `no-referrer` a browser would not say where a form was posted from.
            ("referrer-policy", "same-origin".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ]);
        let location = self.location.map(|location| ("location", location));
        reply.headers.extend(location);
        reply
    }
}

impl Page<'_> {
    /// QR code, account and password, as the app asked for; after a refusal with why and the account that was typed.
    pub(super) fn sign_in(&self, sign_in: &SignIn, refused: Option<(Refused, &str)>) -> Shown {
        let wanted = &sign_in.wanted;
        let has_password = wanted.flow.has_password(wanted.in_frame);
        let title = if wanted.exclusive.is_some() {
            self.say("企业账号登录", "Company account sign-in")
        } else {
            self.say("钉钉登录", "Sign in with DingTalk")
        };
        let mut main = String::new();
        if wanted.in_frame {
            main += &format!("<h1 class=\"sr-only\">{title}</h1>");
        } else {
            main += &self.head(title, &self.exclusive_note(wanted));
        }
        main += "<div class=\"ways\">";
        if wanted.flow.has_qr() {
            main += &self.qr_way(sign_in);
        }
        if has_password {
            main += &self.password_way(sign_in, refused);
        }
        main += "</div>";
        if has_password {
            main += &self.toys(wanted);
        }
        let status = match refused {
            None => 200,
            Some((Refused::Wrong, _)) => 403,
            Some((Refused::Locked, _)) => 429,
        };
        let wide = wanted.flow.has_qr() && has_password;
        let body = if wanted.in_frame {
            "frame"
        } else if wide {
            "wide"
        } else {
            "narrow"
        };
        let data = if wanted.flow.has_qr() {
            format!(" data-step=\"{STEP}{}\"", sign_in.key)
        } else {
            String::new()
        };
        self.shown(status, title, body, &data, &main, Frames::of(wanted))
    }

    /// What comes next in a sign-in.
    pub(super) fn step(&self, sign_in: &SignIn, next: Next) -> Shown {
        match next {
            Next::SignIn => self.sign_in(sign_in, None),
            Next::ChooseCorp(corps) => self.choose_corp(sign_in, &corps),
            Next::Consent => self.consent(sign_in),
            Next::Failed(problem) => self.failed(sign_in, &problem),
            Next::Ended(end) if sign_in.wanted.in_frame => self.tell_frame(sign_in, &end),
            Next::Ended(location) => Shown::redirect(location),
            Next::Over => self.over(),
        }
    }

    /// Something is wrong with the request, or with who signed in; `again` begins anew.
    pub(super) fn problem(
        &self,
        problem: &Problem,
        status: u16,
        again: Option<&str>,
        frames: Frames,
    ) -> Shown {
        self.problem_with(problem, status, again, frames, "")
    }

    /// Too old, or never begun here.
    pub(super) fn over(&self) -> Shown {
        let problem = Problem::new(
            None,
            "登录已过期，请回到应用重新登录",
            "This sign-in is over. Go back to the app and begin again",
        );
        self.problem(&problem, 410, None, Frames::Nobody)
    }

    fn failed(&self, sign_in: &SignIn, problem: &Problem) -> Shown {
        let wanted = &sign_in.wanted;
        let mut data = String::new();
        // The older frame knows no message for this.
        if wanted.in_frame && wanted.flow == Flow::Web {
            let mut message = json!({"success": false, "errorMsg": problem.chinese()});
            if let (Some(code), Some(fields)) = (problem.code, message.as_object_mut()) {
                fields.insert("errorCode".to_owned(), code.into());
            }
            data = post(&message.to_string(), wanted);
        }
        let again = Some(sign_in.begin.as_str());
        self.problem_with(problem, 403, again, Frames::of(wanted), &data)
    }

    fn problem_with(
        &self,
        problem: &Problem,
        status: u16,
        again: Option<&str>,
        frames: Frames,
        data: &str,
    ) -> Shown {
        let title = self.say("无法登录", "Cannot sign in");
        let number = problem.code.map_or_else(String::new, |code| {
            format!(
                "<p class=\"hint\">{} <code>{code}</code></p>",
                self.say("错误码", "Error code")
            )
        });
        let again = again.map_or_else(String::new, |begin| {
            format!(
                "<p><a class=\"button\" href=\"{}\">{}</a></p>",
                escape(begin),
                self.say("换个账号登录", "Sign in with another account")
            )
        });
        let main = format!(
            "<div class=\"mark bad\" aria-hidden=\"true\">!</div><h1>{title}</h1><p class=\"lead\">{}</p>{number}{again}",
            escape(problem.text(self.language))
        );
        let kind = if frames == Frames::Nobody {
            "narrow center"
        } else {
            "frame center"
        };
        self.shown(status, title, kind, data, &main, frames)
    }

    fn choose_corp(&self, sign_in: &SignIn, corps: &[String]) -> Shown {
        let title = self.say("选择组织", "Choose an organisation");
        let mut choices = String::new();
        for corp_id in corps {
            let corp = self
                .world
                .corps
                .iter()
                .find(|corp| corp.corp_id == *corp_id);
            choices += &format!(
                "<button class=\"choice\" name=\"corp_id\" value=\"{id}\"><b>{name}</b><code>{id}</code></button>",
                id = escape(corp_id),
                name = escape(corp.map_or("", |corp| corp.name.as_str())),
            );
        }
        let lead = self.say(
            "你在多个组织中，请选择以哪个组织的身份登录",
            "You are in several organisations. As a member of which do you sign in?",
        );
        let main = format!(
            "{}<form method=\"post\" action=\"{STEP}{}\" class=\"choices\">{choices}</form>",
            self.head(title, lead),
            sign_in.key
        );
        self.shown(
            200,
            title,
            self.small(sign_in),
            "",
            &main,
            Frames::of(&sign_in.wanted),
        )
    }

    fn consent(&self, sign_in: &SignIn) -> Shown {
        let title = self.say("授权登录", "Allow sign-in");
        let lead = format!(
            "{} {}",
            escape(&self.app_name(&sign_in.wanted)),
            self.say("申请获得以下信息：", "asks for:")
        );
        let main = format!(
            "{head}<p class=\"lead\">{lead}</p><ul class=\"asks\">{asks}</ul>\
             <form method=\"post\" action=\"{STEP}{key}\" class=\"two\">\
             <button name=\"consent\" value=\"refuse\">{refuse}</button>\
             <button class=\"primary\" name=\"consent\" value=\"allow\">{allow}</button></form>",
            head = self.head(title, ""),
            asks = self.asks(&sign_in.wanted),
            refuse = self.say("拒绝", "Refuse"),
            allow = self.say("同意", "Allow"),
            key = sign_in.key,
        );
        self.shown(
            200,
            title,
            self.small(sign_in),
            "",
            &main,
            Frames::of(&sign_in.wanted),
        )
    }

    /// In a frame the page around it goes on: it is told where.
    fn tell_frame(&self, sign_in: &SignIn, end: &str) -> Shown {
        let wanted = &sign_in.wanted;
        let message = if wanted.flow == Flow::LegacyFrame {
            json!(end)
        } else {
            json!({"success": true, "redirectUrl": end})
        };
        let title = self.say("正在返回应用", "Going back to the app");
        let main = format!("<div class=\"mark good\" aria-hidden=\"true\">✓</div><h1>{title}</h1>");
        let data = post(&message.to_string(), wanted);
        self.shown(200, title, "frame center", &data, &main, Frames::of(wanted))
    }

    /// What the app gets to know, as list items.
    fn asks(&self, wanted: &Wanted) -> String {
        let mut asks = vec![
            self.say(
                "你的钉钉身份（unionId、openId）",
                "who you are (unionId, openId)",
            )
            .to_owned(),
        ];
        if wanted.corp != CorpChoice::Untold {
            asks.push(
                self.say(
                    "你所选的组织（corpId）",
                    "the organisation you chose (corpId)",
                )
                .to_owned(),
            );
        }
        for code in &wanted.permissions {
            let what = match code.as_str() {
                "Contact.User.Read" => self.say("昵称、头像、邮箱", "nickname, picture, e-mail"),
                "Contact.User.mobile" => self.say("手机号", "mobile number"),
                _ => "",
            };
            asks.push(format!("{what} ({code})").trim().to_owned());
        }
        asks.iter()
            .map(|ask| format!("<li>{}</li>", escape(ask)))
            .collect()
    }

    fn exclusive_note(&self, wanted: &Wanted) -> String {
        let app = self.app_name(wanted);
        let company = wanted.exclusive.as_ref().and_then(|exclusive| {
            let id = exclusive.corp_id.as_ref()?;
            self.world.corps.iter().find(|corp| corp.corp_id == *id)
        });
        let to = self.say("登录到", "to");
        match company {
            None => format!("{to} {app}"),
            Some(corp) => format!("{to} {app} · {}", corp.name),
        }
    }

    fn app_name(&self, wanted: &Wanted) -> String {
        let app = self.world.app(&wanted.app).map(|app| &app.name);
        let name = app.or_else(|| self.world.sign_in_app(&wanted.app).map(|app| &app.name));
        match name {
            Some(name) if !name.is_empty() => name.clone(),
            _ => wanted.app.clone(),
        }
    }

    fn corps_of(&self, account: &Account) -> String {
        let names: Vec<&str> = self
            .world
            .memberships(&account.union_id)
            .filter_map(|person| {
                let mut corps = self.world.corps.iter();
                corps.find(|corp| corp.corp_id == person.corp_id)
            })
            .map(|corp| corp.name.as_str())
            .collect();
        if names.is_empty() {
            self.say("不在任何组织", "in no organisation").to_owned()
        } else {
            names.join(", ")
        }
    }

    fn small(&self, sign_in: &SignIn) -> &'static str {
        if sign_in.wanted.in_frame {
            "frame"
        } else {
            "narrow"
        }
    }

    fn head(&self, title: &str, lead: &str) -> String {
        let lead = if lead.is_empty() {
            String::new()
        } else {
            format!("<p class=\"lead\">{}</p>", escape(lead))
        };
        format!(
            "<header class=\"brand\"><img src=\"/sandbox.svg\" alt=\"\" width=\"44\" height=\"44\"><h1>{title}</h1>{lead}</header>"
        )
    }

    fn shown(
        &self,
        status: u16,
        title: &str,
        body: &str,
        data: &str,
        main: &str,
        frames: Frames,
    ) -> Shown {
        let footer = if frames == Frames::Nobody {
            format!(
                "<footer>{}</footer>",
                self.say(
                    "钉钉沙箱：全部是玩具数据",
                    "DingTalk Sandbox: all of it is toy data"
                )
            )
        } else {
            String::new()
        };
        let html = format!(
            "<!DOCTYPE html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\
             <link rel=\"icon\" href=\"/sandbox.svg\" type=\"image/svg+xml\"><link rel=\"stylesheet\" href=\"/signin.css\">\
             <script src=\"/signin.js\" defer></script></head>\
             <body class=\"{body}\"{data}><main class=\"card\">{main}</main>{footer}</body></html>\n",
            lang = self.language.tag(),
        );
        Shown {
            status,
            html,
            frames,
            location: None,
        }
    }

    fn say<'t>(&self, chinese: &'t str, english: &'t str) -> &'t str {
        self.language.pick(chinese, english)
    }
}

/// What the page's script posts to the page around it, and to whose pages only.
fn post(message: &str, wanted: &Wanted) -> String {
    format!(
        " data-message=\"{}\" data-target=\"{}\"",
        escape(message),
        escape(&wanted.origin.to_string())
    )
}

/// A browser follows `form-action` through every redirect after a form, and where an app's callback leads is the app's business.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
base-uri 'none'; form-action http: https:";
