//! The fields of the page's form: who opens what, and how the client answers.

use std::fmt::Write as _;

use super::{Choice, shown_name};
use crate::{
    client::{Answer, Device},
    page::card::escape,
};

/// The questions of the first panel.
pub(super) fn who(choice: &Choice<'_>) -> String {
    let mut fields = String::new();
    if choice.world.corps.len() > 1 {
        let corps = choice
            .world
            .corps
            .iter()
            .map(|corp| (&*corp.corp_id, corp.name.clone()));
        let now = choice.corp.map_or("", |corp| &corp.corp_id);
        fields += &select("corp", "Organisation 组织", corps, now);
    }
    let now = choice.person.map_or("", |person| &person.user_id);
    let people = choice.people().map(|person| {
        let title = person.title.as_deref().map(|title| format!(" · {title}"));
        (
            &*person.user_id,
            format!("{}{}", person.name, title.unwrap_or_default()),
        )
    });
    fields += &select("user", "Person 人员", people, now);
    let apps = choice.apps().map(|app| {
        let out = choice.person.is_some_and(|person| !app.sees(person));
        let note = if out {
            " (not in its range 不在可见范围)"
        } else {
            ""
        };
        (&*app.app_key, format!("{}{note}", shown_name(app)))
    });
    let apps = std::iter::once(("", "None: the workbench 工作台".to_owned())).chain(apps);
    fields += &select(
        "app",
        "App 应用",
        apps,
        choice.app.map_or("", |app| &app.app_key),
    );
    let devices = Device::ALL.map(|device| (device.name(), device_label(device).to_owned()));
    fields += &select("device", "Device 设备", devices, choice.device.name());
    let from = [
        (
            "workbench",
            "workbench 工作台: replaces $CORPID$".to_owned(),
        ),
        ("chat", "link in a chat 聊天链接: keeps it".to_owned()),
    ];
    fields += &select("from", "Opened from 打开方式", from, choice.from.name());
    let _ = write!(
        fields,
        "<label for=\"path\">Page 页面</label><input id=\"path\" name=\"path\" value=\"{}\" placeholder=\"the home page\" \
         autocomplete=\"off\" spellcheck=\"false\">",
        escape(choice.path.as_deref().unwrap_or_default())
    );
    if choice.same_site {
        fields += "<input type=\"hidden\" name=\"site\" value=\"same\">";
    }
    format!("<div class=\"fields\">{fields}</div>")
}

/// The switches of the second panel.
pub(super) fn answers(choice: &Choice<'_>) -> String {
    let answers = Answer::all().map(|answer| (answer.name(), answer_label(answer, choice.device)));
    let slow = [
        ("", "at once 立即".to_owned()),
        ("2000", "after 2 seconds 2 秒后".to_owned()),
        ("6000", "after 6 seconds 6 秒后".to_owned()),
        ("20000", "after 20 seconds 20 秒后".to_owned()),
    ];
    let other = Some(choice.slow_ms)
        .filter(|slow| *slow > 0 && !slow_is_listed(*slow))
        .map(|slow| slow.to_string());
    let now = match choice.slow_ms {
        0 => String::new(),
        slow => slow.to_string(),
    };
    let slow = slow.into_iter().chain(
        other
            .iter()
            .map(|slow| (&**slow, format!("after {slow} ms"))),
    );
    let check = |name: &str, label: &str, is_on: bool| {
        let checked = if is_on { " checked" } else { "" };
        format!(
            "<label class=\"check\"><input type=\"checkbox\" name=\"{name}\" value=\"1\"{checked}><span>{label}</span></label>"
        )
    };
    format!(
        "<div class=\"fields\">{}{}</div>{}{}",
        select("answer", "Answer 应答", answers, choice.answer.name()),
        select("slow", "When 何时", slow, &now),
        check(
            "old",
            "Old client 旧版: <code>requestAuthCode</code> with <code>clientId</code> (V2) is unknown",
            choice.is_old
        ),
        check("same", "The same code twice 重复授权码", choice.is_same),
    )
}

fn slow_is_listed(slow: u32) -> bool {
    matches!(slow, 2000 | 6000 | 20000)
}

fn answer_label(answer: Answer, device: Device) -> String {
    match answer {
        Answer::Faithful => "as DingTalk would 照常".to_owned(),
        Answer::Nothing => "never 不应答".to_owned(),
        Answer::Refusal(refusal) => {
            let code = refusal.error_code(device);
            let code = code
                .as_str()
                .map_or_else(|| code.to_string(), str::to_owned);
            format!("{code} {}", refusal.message("http://xxxx"))
        }
    }
}

fn select<'a>(
    name: &str,
    label: &str,
    options: impl IntoIterator<Item = (&'a str, String)>,
    now: &str,
) -> String {
    let mut html =
        format!("<label for=\"{name}\">{label}</label><select id=\"{name}\" name=\"{name}\">");
    for (value, text) in options {
        let selected = if value == now { " selected" } else { "" };
        let _ = write!(
            html,
            "<option value=\"{}\"{selected}>{}</option>",
            escape(value),
            escape(&text)
        );
    }
    html + "</select>"
}

fn device_label(device: Device) -> &'static str {
    match device {
        Device::Android => "Phone 手机 (Android)",
        Device::Ios => "Phone 手机 (iPhone)",
        Device::Pc => "PC 电脑",
    }
}
