//! The device: its frame, the workbench (工作台), the chats, or the open app.

use std::fmt::Write as _;

use super::{Choice, shown_name, window_name};
use crate::{
    client::Device,
    page::card::{escape, face},
    world::{App, OpenedFrom, Opening},
};

/// The device with what it shows.
pub(super) fn html(choice: &Choice<'_>, opening: Option<&Opening>) -> String {
    let (class, time) = match choice.device {
        Device::Pc => ("device pc", ""),
        Device::Android => ("device phone", STATUS),
        Device::Ios => ("device phone iphone", STATUS),
    };
    let screen = match (choice.app, opening) {
        (Some(app), Some(opening)) => open_app(choice, app, opening),
        _ if choice.from == OpenedFrom::Chat => chats(choice),
        _ => workbench(choice),
    };
    // A phone shows its tabs only where no app is open.
    let tabs = if choice.app.is_some() && choice.device != Device::Pc {
        String::new()
    } else {
        tabs(choice)
    };
    format!("<div class=\"{class}\">{time}<div class=\"screen\">{screen}</div>{tabs}</div>")
}

fn open_app(choice: &Choice<'_>, app: &App, opening: &Opening) -> String {
    format!(
        "<div class=\"title\"><a class=\"back\" data-carry href=\"{back}\" aria-label=\"Back\">‹</a><b>{name}</b>\
         <details class=\"menu\"><summary aria-label=\"More\">⋯</summary><div>\
         <button type=\"button\" id=\"reload\">Open again <span lang=\"zh-Hans\">刷新</span></button>\
         <a href=\"{page}\" target=\"_blank\" rel=\"noopener\">Open in browser <span lang=\"zh-Hans\">在浏览器打开</span></a>\
         </div></details></div>\
         <iframe id=\"frame\" title=\"{name}\" name=\"{window}\" data-src=\"{login}\"></iframe>",
        back = escape(&without_app(choice, choice.from)),
        name = escape(shown_name(app)),
        page = escape(&opening.page),
        window = escape(&window_name(choice)),
        login = escape(&opening.login),
    )
}

fn workbench(choice: &Choice<'_>) -> String {
    let mut icons = String::new();
    for (at, app) in choice.visible_apps().enumerate() {
        let _ = write!(
            icons,
            "<li><a data-carry href=\"{}\">{}<span>{}</span></a></li>",
            escape(&with_app(choice, app)),
            icon(app, at),
            escape(shown_name(app)),
        );
    }
    let body = if icons.is_empty() {
        "<p class=\"none\">No app with a home page is in this person's range. <span lang=\"zh-Hans\">没有可用的应用</span></p>".to_owned()
    } else {
        format!("<ul class=\"icons\">{icons}</ul>")
    };
    format!(
        "<div class=\"title\">{}<b>{}</b></div><div class=\"scroll\"><div class=\"banner\"><b>{}</b><span>{}</span></div>\
         <h3>Apps <span lang=\"zh-Hans\">全员应用</span></h3>{body}</div>",
        own_face(choice),
        escape(choice.corp.map_or("No organisation", |corp| &corp.name)),
        escape(
            choice
                .person
                .map_or("Nobody is here", |person| &person.name)
        ),
        escape(
            choice
                .person
                .and_then(|person| person.title.as_deref())
                .unwrap_or("Tap an app to open it as you")
        ),
    )
}

/// One link to each app, as somebody sent it: `$CORPID$` as it stands in the home URL.
fn chats(choice: &Choice<'_>) -> String {
    let sender = choice.people().find(|other| {
        choice
            .person
            .is_some_and(|person| person.user_id != other.user_id)
    });
    let name = sender.map_or("DingTalk 小助手", |sender| &sender.name);
    let face = face(name);
    let mut bubbles = String::new();
    for (at, app) in choice.visible_apps().enumerate() {
        let _ = write!(
            bubbles,
            "<li>{face}<a class=\"bubble\" data-carry href=\"{}\">{}<span><b>{}</b><span>{}</span></span></a></li>",
            escape(&with_app(choice, app)),
            icon(app, at),
            escape(shown_name(app)),
            escape(&app.home_url),
        );
    }
    format!(
        "<div class=\"title\">{}<b>{}</b></div><ul class=\"scroll chat\" role=\"list\">{bubbles}</ul>",
        own_face(choice),
        escape(name),
    )
}

fn tabs(choice: &Choice<'_>) -> String {
    let mut tabs = String::new();
    for (from, label, chinese, drawing) in [
        (OpenedFrom::Chat, "Messages", "消息", CHATS),
        (OpenedFrom::Workbench, "Workbench", "工作台", WORKBENCH),
    ] {
        let current = if choice.from == from {
            " aria-current=\"page\""
        } else {
            ""
        };
        let _ = write!(
            tabs,
            "<a data-carry href=\"{}\"{current}>{drawing}<span>{label}</span><span lang=\"zh-Hans\">{chinese}</span></a>",
            escape(&without_app(choice, from)),
        );
    }
    format!("<nav class=\"tabs\" aria-label=\"The client's tabs\">{tabs}</nav>")
}

fn icon(app: &App, at: usize) -> String {
    let first: String = shown_name(app).chars().take(1).collect();
    format!(
        "<span class=\"icon hue{}\" aria-hidden=\"true\">{}</span>",
        at % 6,
        escape(&first)
    )
}

fn own_face(choice: &Choice<'_>) -> String {
    face(choice.person.map_or("", |person| &person.name))
}

fn with_app<'a>(choice: &Choice<'a>, app: &'a App) -> String {
    Choice {
        app: Some(app),
        path: None,
        ..choice.clone()
    }
    .address()
}

fn without_app(choice: &Choice<'_>, from: OpenedFrom) -> String {
    Choice {
        app: None,
        path: None,
        from,
        ..choice.clone()
    }
    .address()
}

const STATUS: &str = "<div class=\"status\" aria-hidden=\"true\"><span>9:41</span><span class=\"battery\"></span></div>";
const CHATS: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M12 3c5 0 9 3.4 9 7.6s-4 7.6-9 7.6c-1 0-2-.1-2.9-.4L5 20.5l.6-4.2C4 14.9 3 12.9 3 10.6 3 6.4 7 3 12 3z\"/></svg>";
const WORKBENCH: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z\"/></svg>";
