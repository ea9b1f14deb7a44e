//! The app's own public page: it greets, or takes a code as the DingTalk client would hand it over.

use dingtalk_core::User;

/// Where the sandbox is, and where its client opens this app.
#[derive(Clone, Default)]
pub(crate) struct Links {
    pub(crate) sandbox: String,
    pub(crate) client: String,
}

pub(crate) fn home(framework: &str, user: Option<&User>, links: &Links) -> String {
    let body = match user {
        Some(user) => format!(
            "<h1>你好, {}</h1><p>{} · {}</p><p><a href=\"/orders\">Orders</a> · <a href=\"/admin\">Administration</a> · \
             <a href=\"/dingtalk/me\">What the session says</a></p><button id=\"logout\">Sign out</button>",
            escape(user.name()),
            escape(user.title().unwrap_or("no title")),
            escape(user.corp_id()),
        ),
        None => format!(
            "<h1>Who are you?</h1><p><a class=\"go\" href=\"{client}\" target=\"_top\">Open this app in the sandbox's DingTalk</a></p>\
             <p>As in any browser: <a href=\"/dingtalk/login?via=embedded\" target=\"_top\">sign in here by QR code</a>, or \
             <a href=\"/dingtalk/login?via=web\" target=\"_top\">on DingTalk's page</a>, by QR code or by account and password.</p>\
             <p>In DingTalk the client hands the page a one-time code, and nobody types anything. Or \
             <a href=\"{sandbox}\" target=\"_blank\">make a code by hand</a> and paste it.</p>\
             <form id=\"login\"><label for=\"code\">Code</label><input id=\"code\" autocomplete=\"off\" required>\
             <button>Sign in</button></form>",
            client = escape(&links.client),
            sandbox = escape(&links.sandbox),
        ),
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Demo in {framework}</title><style>{STYLE}</style><main><p class=\"small\">The demo in {framework}</p>{body}\
         <p id=\"says\" role=\"status\"></p></main><script>{SCRIPT}</script></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const STYLE: &str = ":root{color-scheme:light dark;font:16px/1.6 system-ui,'PingFang SC','Noto Sans CJK SC',sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:16px;box-sizing:border-box}\
main{width:min(100%,34rem);padding:28px;border:1px solid light-dark(#d9dee7,#353c46);border-top:4px solid light-dark(#0066d6,#6cb0ff);\
border-radius:12px;box-sizing:border-box}h1{margin:.2em 0}a{color:light-dark(#0059bd,#6cb0ff)}\
.small{margin:0;font-size:.85rem;color:light-dark(#5b6472,#a3adba)}form{display:flex;flex-wrap:wrap;gap:8px;align-items:center}\
.go{display:inline-block;padding:10px 18px;border-radius:8px;background:light-dark(#0059bd,#6cb0ff);color:light-dark(#fff,#08203f);\
font-weight:600;text-decoration:none}input{flex:1 1 14rem}input,button{font:inherit;padding:8px 14px;\
border-radius:8px;border:1px solid light-dark(#8a94a3,#5c6675);color:inherit;background:light-dark(#f6f8fb,#20262e)}";

const SCRIPT: &str = "\
const says = text => document.getElementById('says').textContent = text;\
const post = async (path, headers) => {\
  const answer = await fetch(path, { method: 'POST', headers });\
  if (answer.ok) { location.reload(); return; }\
  const problem = await answer.json();\
  says(problem.title + '. ' + problem.detail);\
};\
document.getElementById('login')?.addEventListener('submit', event => {\
  event.preventDefault();\
  post('/dingtalk/login', { 'X-DingTalk-Auth-Code': document.getElementById('code').value.trim() });\
});\
document.getElementById('logout')?.addEventListener('click', () => post('/dingtalk/logout', {}));";
