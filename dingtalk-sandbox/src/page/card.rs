//! The world as cards: an organisation, its apps, its people and the buttons that make codes.

use std::{fmt::Write as _, net::SocketAddr};

use super::client;
use crate::world::{App, Corp, Person, SignInApp, World};

/// An organisation with its apps and people.
pub(super) fn corp_card(world: &World, corp: &Corp, own: SocketAddr) -> String {
    let apps: Vec<&App> = world
        .apps
        .iter()
        .filter(|app| app.corp_id == corp.corp_id)
        .collect();
    let people: Vec<&Person> = world
        .people
        .iter()
        .filter(|person| person.corp_id == corp.corp_id)
        .collect();
    let mut card = format!(
        "<article class=\"corp\"><header><h3>{name}</h3>{id}<span class=\"label\">{apps} · {people}</span></header>\
         <div class=\"apps\">",
        name = escape(&corp.name),
        id = copyable(&corp.corp_id, "corp id"),
        apps = plural(apps.len(), "app"),
        people = if people.len() == 1 {
            "1 person".to_owned()
        } else {
            format!("{} people", people.len())
        },
    );
    for app in &apps {
        card += &app_card(app);
    }
    for app in &world.sign_in_apps {
        if app.corp_id == corp.corp_id {
            card += &sign_in_app_card(app);
        }
    }
    card += "</div><table class=\"people\"><thead><tr><th scope=\"col\">Person</th><th scope=\"col\">User id · union id</th>\
             <th scope=\"col\">Marks</th><th scope=\"col\">Open the app</th><th scope=\"col\">Code for</th></tr></thead><tbody>";
    for person in people.iter().take(MOST_PEOPLE) {
        card += &person_row(person, &apps, own);
    }
    card += "</tbody></table>";
    if people.len() > MOST_PEOPLE {
        let _ = write!(
            card,
            "<p class=\"hint more\">{} more are in the JSON.</p>",
            people.len() - MOST_PEOPLE
        );
    }
    card + "</article>"
}

fn app_card(app: &App) -> String {
    let mut chips = String::new();
    for permission in &app.permissions {
        let _ = write!(chips, "<span class=\"tag\">{}</span>", escape(permission));
    }
    let range = if app.visible_departments.is_empty() && app.visible_users.is_empty() {
        "everybody".to_owned()
    } else {
        let departments = app
            .visible_departments
            .iter()
            .map(|id| format!("department {id}"));
        departments
            .chain(app.visible_users.iter().cloned())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let limit = if app.calls_per_second == 0 {
        "no limit".to_owned()
    } else {
        format!("{} calls/s", app.calls_per_second)
    };
    let key = escape(&app.app_key);
    format!(
        "<section class=\"app\"><div class=\"bar\"><h4>{name}</h4>\
         <button type=\"button\" class=\"quiet\" data-revoke=\"{key}\">Revoke tokens</button></div>\
         <dl><dt>Key</dt><dd>{copy_key}</dd><dt>Secret</dt><dd>{secret}</dd>\
         <dt>Sees it</dt><dd>{range} · {limit}</dd><dt>Back to</dt><dd>{back}</dd><dt>May</dt><dd class=\"chips\">{chips}</dd></dl></section>",
        name = escape(client::shown_name(app)),
        copy_key = copyable(&app.app_key, "app key"),
        secret = copyable(&app.app_secret, "app secret"),
        range = escape(&range),
        back = back_to(&app.redirect_urls),
    )
}

/// An app of the older sign-in pages.
fn sign_in_app_card(app: &SignInApp) -> String {
    format!(
        "<section class=\"app\"><div class=\"bar\"><h4>{name}</h4></div>\
         <dl><dt>App id</dt><dd>{id}</dd><dt>Secret</dt><dd>{secret}</dd><dt>Back to</dt><dd>{back}</dd>\
         <dt>May</dt><dd>sign people in by the older pages</dd></dl></section>",
        name = escape(if app.name.is_empty() {
            &app.app_id
        } else {
            &app.name
        }),
        id = copyable(&app.app_id, "app id"),
        secret = copyable(&app.app_secret, "app secret"),
        back = back_to(&app.redirect_urls),
    )
}

/// Where web sign-in may send people back to.
fn back_to(redirect_urls: &[String]) -> String {
    if redirect_urls.is_empty() {
        "nowhere: no redirect URL is registered".to_owned()
    } else {
        escape(&redirect_urls.join(", "))
    }
}

/// Accounts that are in no organisation. Nothing when there are none.
pub(super) fn strangers(world: &World) -> String {
    let mut names = String::new();
    let is_stranger = |union_id: &str| world.memberships(union_id).next().is_none();
    for account in &world.accounts {
        if is_stranger(&account.union_id) {
            let _ = write!(
                names,
                " {} <code>{}</code>",
                escape(account.nick.as_deref().unwrap_or_default()),
                escape(&account.union_id)
            );
        }
    }
    if names.is_empty() {
        return names;
    }
    format!(
        "<p class=\"hint\">DingTalk accounts in no organisation <span lang=\"zh-Hans\">陌生人</span>:{names}</p>"
    )
}

fn person_row(person: &Person, apps: &[&App], own: SocketAddr) -> String {
    let mut marks = String::new();
    let mut mark = |class: &str, text: &str| {
        let _ = write!(
            marks,
            "<span class=\"tag {class}\">{}</span> ",
            escape(text)
        );
    };
    match person.sys_level {
        1 => mark("key", "main admin 主管理员"),
        2 => mark("key", "admin 子管理员"),
        100 => mark("key", "boss 老板"),
        _ if person.is_admin() => mark("key", "admin"),
        _ => {}
    }
    if person.disable_status == Some(true) {
        mark("warn", "disabled 已停用");
    }
    if person.exclusive_account {
        mark("", "company account 企业账号");
    }
    if person.contact_type == 1 {
        mark("", "external 外部");
    }
    if person.departments.len() > 5 {
        mark("", &format!("{} departments", person.departments.len()));
    }
    let (mut links, mut buttons) = (String::new(), String::new());
    for app in apps {
        if app.sees(person) && app.home().is_some() {
            let _ = write!(
                links,
                "<a class=\"button open\" href=\"{href}\" aria-label=\"Open {label} as {user}\">Open {label}</a>",
                href = escape(&client::address(app, &person.user_id, own)),
                user = escape(&person.user_id),
                label = escape(short(client::shown_name(app))),
            );
        }
        if !app.sees(person) {
            mark("", &format!("not in {}", short(&app.name)));
        }
        if buttons.is_empty() {
            // A narrow page shows no heads of columns.
            buttons += "<span class=\"label narrow\">Code for</span>";
        }
        let _ = write!(
            buttons,
            "<button type=\"button\" data-mint-app=\"{key}\" data-mint-user=\"{user}\" aria-label=\"Code for {user} in {label}\">{label}</button>",
            key = escape(&app.app_key),
            user = escape(&person.user_id),
            label = escape(short(client::shown_name(app))),
        );
    }
    format!(
        "<tr><td><div class=\"person\">{face}<div><b>{name}</b><span>{title}</span></div></div></td>\
         <td class=\"ids\"><code>{user}</code> <span class=\"label\">· {union}</span></td>\
         <td class=\"marks\">{marks}</td><td class=\"opens\"><div class=\"buttons\">{links}</div></td>\
         <td><div class=\"buttons\">{buttons}</div></td></tr>",
        face = face(&person.name),
        name = escape(&person.name),
        title = escape(person.title.as_deref().unwrap_or("no title")),
        user = escape(&person.user_id),
        union = escape(&person.union_id),
    )
}

fn copyable(text: &str, what: &str) -> String {
    let text = escape(text);
    format!(
        "<span class=\"copyable\"><code>{text}</code>\
         <button type=\"button\" class=\"copy\" data-copy=\"{text}\" aria-label=\"Copy the {what} {text}\">Copy</button></span>"
    )
}

/// `Expenses` of `报销 (Expenses)`: what fits a button.
pub(super) fn short(name: &str) -> &str {
    match name
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
    {
        Some((inner, _)) if !inner.trim().is_empty() => inner.trim(),
        _ => name,
    }
}

fn plural(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// A picture of somebody: the first character of the name.
pub(super) fn face(name: &str) -> String {
    let first: String = name.chars().take(1).collect();
    format!(
        "<span class=\"face\" aria-hidden=\"true\">{}</span>",
        escape(&first)
    )
}

/// Text that is only text, in an element or a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            other => safe.push(other),
        }
    }
    safe
}

/// People shown of one organisation.
pub(super) const MOST_PEOPLE: usize = 200;
