//! Pages of our own, readable without script, in Chinese and English.

use base64_simd::URL_SAFE_NO_PAD;

use crate::error::catalogue::{Advice, Text};
use crate::inbound::reply::Reply;
use crate::inbound::request::{Language, Visitor};
use crate::random;

/// A page that says why somebody is not let in and what to do.
pub(crate) fn refusal(
    advice: &Advice,
    visitor: Visitor,
    id: &str,
    login_url: &str,
    is_misplaced: bool,
) -> Reply {
    let language = visitor.language;
    let (lang, reference) = match language {
        Language::English => ("en", "Reference"),
        Language::Chinese => ("zh-CN", "参考编号"),
    };
    let title = escape(language.pick(advice.title));
    let action = escape(language.pick(advice.action));
    let hint = match () {
        () if is_misplaced => Some(MISPLACED),
        () if visitor.is_in_client && advice.status == 401 => Some(NO_CODE_YET),
        () => None,
    };
    let hint = hint.map(|hint| {
        let text = escape(language.pick(hint));
        format!(
            "<p class=\"hint\">{text}<br><code>POST {}</code></p>",
            escape(login_url)
        )
    });
    let hint = hint.unwrap_or_default();
    let nonce = random::bytes::<16>()
        .map(|nonce| URL_SAFE_NO_PAD.encode_to_string(nonce))
        .unwrap_or_default();
    let code = advice.code;
    let html = format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style nonce=\"{nonce}\">{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <p class=\"place\">DingTalk · 钉钉</p>\n<h1>{title}</h1>\n<p>{action}</p>\n{hint}\n\
         <p class=\"reference\">{reference} <code>{id}</code> · <code>{code}</code></p>\n</main>\n</body>\n</html>\n"
    );
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    );
    Reply::new(advice.status)
        .with("content-type", "text/html; charset=utf-8")
        .with("content-security-policy", policy)
        .with("content-language", lang)
        .with_body(html)
        .with_challenge()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What a developer reads when visitors are sent to our own paths and none arrives.
pub(crate) const MISPLACED: Text = Text {
    en: "For developers: no request for DingTalkAuth's own paths has reached it in this process. If logins end in 404, it is not \
         the outermost layer: in axum call Router::layer (not route_layer) last, after the fallback; in actix-web App::wrap (not \
         Scope::wrap).",
    zh: "致开发者：本进程中 DingTalkAuth 尚未收到过对其自有路径的请求。若登录返回 404，说明它不在最外层：axum 请在 fallback 之后最后调用 \
         Router::layer（而非 route_layer）；actix-web 请使用 App::wrap（而非 Scope::wrap）。",
};

const NO_CODE_YET: Text = Text {
    en: "For developers: a public page of yours signs people in inside DingTalk. It asks the client for a code with \
         requestAuthCode and sends it in the header X-DingTalk-Auth-Code to the address below.",
    zh: "致开发者：在钉钉内登录由您的公开页面完成：用 requestAuthCode 获取授权码，放入请求头 X-DingTalk-Auth-Code 并发送到以下地址。",
};

const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#f4f6fa;--card:#fff;--ink:#171a1f;--soft:#5b6472;--line:#e1e5ec;--accent:#0066d6;--warn:#8a4b00}\
@media(prefers-color-scheme:dark){:root{--paper:#101317;--card:#191d23;--ink:#eef1f5;--soft:#a3adba;--line:#2b323b;--accent:#6cb0ff;--warn:#f0b35c}}\
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:16px;background:var(--paper);color:var(--ink);\
font:16px/1.6 system-ui,-apple-system,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif}\
main{width:min(100%,30rem);padding:28px;background:var(--card);border:1px solid var(--line);border-top:4px solid var(--accent);border-radius:12px}\
h1{margin:.2em 0 .5em;font-size:1.4rem;line-height:1.3}p{margin:.6em 0;overflow-wrap:anywhere}\
.place{margin:0;color:var(--accent);font-size:.85rem;font-weight:600}.hint{padding:12px;border-left:3px solid var(--warn);color:var(--warn);font-size:.9rem}\
.reference{margin-top:1.6em;color:var(--soft);font-size:.8rem}code{font-family:ui-monospace,Menlo,Consolas,monospace}";
