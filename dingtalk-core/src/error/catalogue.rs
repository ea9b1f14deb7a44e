//! The catalogue: every failure under a stable code of ours, with who must act and what to do, in English and Chinese.

/// One entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advice {
    /// Our stable code, which the browser and the log see.
    pub code: &'static str,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// Who can mend it.
    pub who: Actor,
    /// What happened.
    pub title: Text,
    /// What to do.
    pub action: Text,
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// The person in front of the browser.
    User,
    /// An administrator of the corp, in DingTalk's admin console.
    CorpAdmin,
    /// The app's developer.
    Developer,
    /// Nobody needs to: trying again later works.
    Nobody,
}

impl Actor {
    /// How it is spelled in a reply.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::CorpAdmin => "corp_admin",
            Self::Developer => "developer",
            Self::Nobody => "nobody",
        }
    }
}

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Chinese.
    pub zh: &'static str,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $who:ident,
        $title_en:literal / $title_zh:literal, $action_en:literal / $action_zh:literal;)*) => {
        $($(#[$doc])* pub const $name: Advice = Advice {
            code: $code,
            status: $status,
            who: Actor::$who,
            title: Text { en: $title_en, zh: $title_zh },
            action: Text { en: $action_en, zh: $action_zh },
        };)*

        /// Every entry.
        pub const ALL: &[&Advice] = &[$(&$name),*];
    };
}

catalogue! {
    /// Nobody is signed in.
    SESSION_REQUIRED = "session.required", 401, User,
        "You are not signed in" / "您尚未登录",
        "Open this app from the DingTalk workbench, or sign in with DingTalk where it offers that." /
        "请从钉钉工作台打开此应用，或在提供钉钉登录的页面登录。";
    /// The session belongs to another corp than the one asked for.
    SESSION_OTHER_CORP = "session.other_corp", 401, User,
        "You are signed in for another organisation" / "您登录的是另一个组织",
        "Open this app from the workbench of the organisation you want." / "请在目标组织的钉钉工作台中打开此应用。";
    /// Somebody signed out here a moment ago.
    SESSION_SIGNED_OUT = "session.signed_out", 401, User,
        "You are signed out" / "您已退出登录",
        "Press the button to sign in again." / "如需再次登录，请点击下方按钮。";
    /// The guard's own rule said no.
    SESSION_NOT_ALLOWED = "session.not_allowed", 403, User,
        "Your account may not open this page" / "您的账号无权访问此页面",
        "Ask the people who run this app for access." / "请联系此应用的负责人开通权限。";
    /// There is no token of the person's own.
    NO_USER_TOKEN = "session.user_token_missing", 401, User,
        "This app may no longer act in your name" / "此应用已无法以您的名义操作",
        "Sign in again in the browser; developers keep the token with WebSignIn::keep_user_token." /
        "请在浏览器中重新登录；开发者需通过 WebSignIn::keep_user_token 保存令牌。";
    /// A login without a code.
    CODE_MISSING = "login.code_missing", 400, Developer,
        "The login request has no code" / "登录请求缺少授权码",
        "Send the code from DingTalk's requestAuthCode in the header X-DingTalk-Auth-Code, once." /
        "请将钉钉 requestAuthCode 返回的授权码放入请求头 X-DingTalk-Auth-Code，且只发送一次。";
    /// A code that cannot be one of DingTalk's.
    CODE_MALFORMED = "login.code_malformed", 400, Developer,
        "The login code is not one of DingTalk's" / "登录授权码格式不正确",
        "Send the code exactly as requestAuthCode returned it." / "请原样发送 requestAuthCode 返回的授权码。";
    /// DingTalk does not know the code.
    CODE_INVALID = "login.code_invalid", 401, User,
        "The login code is no longer valid" / "登录授权码已失效",
        "Sign in again, or open the app again: a login code works once, and for a few minutes only." /
        "请重新登录或重新打开应用：授权码只能使用一次，且数分钟后失效。";
    /// The code came here before.
    CODE_USED = "login.code_used", 401, User,
        "This login code was used already" / "登录授权码已被使用",
        "Sign in again, or open the app again: a login code works once." / "请重新登录或重新打开应用：授权码只能使用一次。";
    /// Sent, and no answer.
    CODE_UNCONFIRMED = "login.code_unconfirmed", 401, User,
        "DingTalk did not confirm the login" / "钉钉未确认本次登录",
        "Sign in again, or open the app again, for a new code: this one may be used up." /
        "请重新登录或重新打开应用以获取新的授权码：当前授权码可能已被使用。";
    /// The request came from another site.
    ORIGIN_REFUSED = "login.origin_refused", 403, Developer,
        "This request came from another site" / "此请求来自其他网站",
        "Send it from a page of this app, or list the other origin with trusted_origin." /
        "请从本应用的页面发起请求，或使用 trusted_origin 将该来源列入信任。";
    /// A corp that is not configured.
    CORP_UNKNOWN = "login.corp_unknown", 403, Developer,
        "This app is not set up for that organisation" / "此应用尚未对该组织开通",
        "Open it from the workbench of an organisation that uses it; developers add an internal_app for the corp." /
        "请从已开通此应用的组织的工作台打开；开发者可为该组织添加 internal_app 配置。";
    /// Several corps and none named.
    CORP_UNCLEAR = "login.corp_unclear", 400, Developer,
        "The organisation is not named" / "未指明组织",
        "Open the app from the DingTalk workbench; its home URL should end in ?corpid=$CORPID$." /
        "请从钉钉工作台打开；应用首页地址应以 ?corpid=$CORPID$ 结尾。";
    /// The person is outside the app's range, or not in the corp.
    PERSON_NOT_IN_RANGE = "login.person_not_in_range", 403, CorpAdmin,
        "Your account may not use this app" / "您不在此应用的可使用范围内",
        "An administrator of your organisation can add you to the app's visible range in the admin console." /
        "请联系组织管理员在管理后台将您加入应用的可使用范围。";
    /// The account is disabled.
    PERSON_DISABLED = "login.person_disabled", 403, CorpAdmin,
        "Your account is disabled" / "您的账号已停用",
        "An administrator of your organisation can enable it." / "请联系组织管理员启用您的账号。";
    /// A callback that DingTalk's page does not make.
    CALLBACK_MALFORMED = "login.callback_malformed", 400, User,
        "This address does not complete a sign-in" / "此地址无法完成登录",
        "Start signing in again." / "请重新登录。";
    /// A state that is not ours, or not for these settings.
    STATE_INVALID = "login.state_invalid", 400, User,
        "This sign-in is not known here" / "登录链接无效或已失效",
        "Start signing in again." / "请重新登录。";
    /// A state of another browser, of one that refuses cookies, or that came back here before.
    STATE_ELSEWHERE = "login.state_elsewhere", 400, User,
        "This sign-in is over, or was begun in another browser" / "登录已失效，或不是在当前浏览器中发起的",
        "Start signing in again, in this browser. If it happens again, allow cookies for this site." /
        "请在此浏览器中重新登录。若再次出现，请允许此网站使用 Cookie。";
    /// A state of more than ten minutes ago.
    STATE_EXPIRED = "login.state_expired", 400, User,
        "Signing in took too long" / "登录超时",
        "Start signing in again: there are ten minutes." / "请重新登录，并在十分钟内完成。";
    /// A state that came back before.
    STATE_USED = "login.state_used", 400, User,
        "This sign-in was completed before" / "此登录请求已被使用",
        "If you are not signed in, start again." / "若您尚未登录，请重新登录。";
    /// DingTalk's page came back with an error: the person said no, or DingTalk did.
    SIGN_IN_DECLINED = "login.declined", 401, User,
        "DingTalk did not sign you in" / "钉钉未完成登录授权",
        "You or DingTalk declined. Start again when you want to sign in." / "您取消了授权，或钉钉拒绝了本次登录。如需继续，请重新登录。";
    /// The account is not an employee's.
    NOT_A_MEMBER = "login.not_a_member", 403, User,
        "Your DingTalk account does not belong to this organisation" / "您的钉钉账号不属于此组织",
        "Sign in with the account you have there, or ask its administrator to add you." /
        "请使用您在该组织中的账号登录，或联系组织管理员添加您。";
    /// Another organisation was chosen on DingTalk's page.
    CHOSE_OTHER_CORP = "login.chose_other_corp", 403, User,
        "You chose another organisation" / "您选择了其他组织",
        "Sign in again and choose the organisation that this app belongs to." / "请重新登录并选择此应用所属的组织。";
    /// No union id came.
    NO_UNION_ID = "login.union_id_missing", 500, Developer,
        "DingTalk did not tell who you are across apps" / "钉钉未返回您的 unionId",
        "Check the permission Contact.User.Read and the scope's `openid`, and let people consent again." /
        "请确认已开通 Contact.User.Read 权限且 scope 中有 `openid`，并让用户重新授权。";
    /// The `on_login` hook said no.
    REFUSED_BY_APP = "login.refused_by_app", 403, User,
        "This app does not let your account in" / "此应用不允许您的账号登录",
        "Ask the people who run this app for access." / "请联系此应用的负责人开通权限。";
    /// Too many logins for the calls per second.
    LOGIN_CROWDED = "login.crowded", 503, Nobody,
        "Many people are signing in just now" / "当前登录人数较多",
        "Try again in a few seconds; the login code stays good." / "请稍候几秒再试，授权码仍然有效。";
    /// The app's own claims are too large.
    CLAIM_TOO_LARGE = "login.claim_too_large", 500, Developer,
        "This app adds more to a login than fits" / "此应用附加的登录信息过大",
        "Keep claims small in on_login: ids and roles, not records." / "请在 on_login 中只保留少量信息，如编号与角色。";
    /// The app's own code failed.
    APP_FAILED = "app.failed", 503, Developer,
        "This app could not decide about your login" / "此应用暂时无法处理您的登录",
        "Try again; the log says which function of the app failed." / "请重试；日志中记录了失败的函数。";
    /// Key or secret wrong.
    APP_CREDENTIALS = "app.credentials_wrong", 500, Developer,
        "DingTalk does not accept this app's key or secret" / "钉钉不接受此应用的 AppKey 或 AppSecret",
        "Compare app_key and app_secret with the app's credentials page in the developer console." /
        "请在开发者后台核对应用的 Client ID（AppKey）与 Client Secret（AppSecret）。";
    /// The older sign-in app's id or secret wrong.
    LEGACY_CREDENTIALS = "app.legacy_credentials_wrong", 500, Developer,
        "DingTalk does not accept the id or secret of this app's older sign-in" / "钉钉不接受此应用旧版登录的 appId 或 appSecret",
        "Compare what LegacySignIn::new is given with the older sign-in app's page in the developer console; the app key and secret of an internal app are others." /
        "请在开发者后台的扫码登录应用页面核对 LegacySignIn::new 中的 appId 与 appSecret；它们不同于企业内部应用的 AppKey 与 AppSecret。";
    /// A signed call's time was not DingTalk's.
    APP_CLOCK = "app.clock_wrong", 500, Developer,
        "The clock of this app's server is wrong" / "此应用服务器的时钟不准确",
        "DingTalk refuses a signed call whose time is more than a minute off. Set the clock of the server that this app runs on, by NTP; the clock of your own device does not matter." /
        "签名时间与钉钉相差超过一分钟时，钉钉会拒绝调用。请通过 NTP 校准此应用所在服务器的时钟；与您自己设备的时钟无关。";
    /// The corp has not opened the app.
    APP_NOT_AUTHORISED = "app.not_authorised", 403, CorpAdmin,
        "Your organisation has not authorised this app" / "您的组织尚未授权此应用",
        "An administrator can authorise it, and put you into its range, in the admin console." /
        "请联系组织管理员在管理后台授权此应用并将您加入可使用范围。";
    /// A permission is missing.
    APP_PERMISSION = "app.permission_missing", 500, Developer,
        "This app lacks a permission at DingTalk" / "此应用缺少钉钉接口权限",
        "Apply for qyapi_get_member (and what the log names) on the app's permission page in the developer console." /
        "请在开发者后台的权限管理中申请 qyapi_get_member（及日志中列出的权限）。";
    /// The address is not on the whitelist.
    APP_IP = "app.ip_not_allowed", 500, Developer,
        "DingTalk does not accept calls from this server's address" / "钉钉拒绝来自此服务器地址的调用",
        "Add the server's public address to the app's IP whitelist in the developer console." /
        "请在开发者后台将服务器公网地址加入应用的 IP 白名单。";
    /// The app or the corp is disabled.
    APP_DISABLED = "app.disabled", 403, CorpAdmin,
        "This app or your organisation is disabled at DingTalk" / "此应用或您的组织已在钉钉停用",
        "An administrator can enable it in the admin console." / "请联系组织管理员在管理后台启用。";
    /// A fresh token is not accepted.
    APP_TOKEN = "app.token_rejected", 500, Developer,
        "DingTalk does not accept its own fresh token" / "钉钉不接受刚签发的访问令牌",
        "Check that no other program resets this app's secret, and that key and corp belong together." /
        "请确认没有其他程序重置此应用的密钥，且 AppKey 与组织相符。";
    /// The quota is used up.
    APP_QUOTA = "app.quota_used_up", 503, CorpAdmin,
        "Your organisation's monthly quota of DingTalk calls is used up" / "您的组织本月的钉钉接口调用额度已用完",
        "An administrator can buy a larger quota." / "请联系组织管理员提升调用额度。";
    /// DingTalk calls our request wrong.
    APP_REQUEST = "app.request_refused", 500, Developer,
        "DingTalk refused this app's request" / "钉钉拒绝了此应用的请求",
        "Report the code in the log to the library's authors." / "请将日志中的错误码反馈给此登录库的维护者。";
    /// Busy.
    DINGTALK_BUSY = "dingtalk.busy", 503, Nobody,
        "DingTalk is busy" / "钉钉服务繁忙",
        "Try again in a moment." / "请稍后重试。";
    /// Throttled.
    DINGTALK_THROTTLED = "dingtalk.throttled", 503, Nobody,
        "DingTalk limits this app's calls just now" / "钉钉正在限制此应用的调用频率",
        "Try again in a few seconds; the login code stays good." / "请稍候几秒再试，授权码仍然有效。";
    /// Blocked.
    DINGTALK_BLOCKED = "dingtalk.blocked", 503, Nobody,
        "DingTalk has blocked this server for some minutes" / "钉钉已暂时屏蔽此服务器",
        "Try again when the minutes are over; nobody who is signed in is affected." /
        "请数分钟后重试；已登录的用户不受影响。";
    /// Unreachable.
    DINGTALK_UNREACHABLE = "dingtalk.unreachable", 503, Nobody,
        "DingTalk cannot be reached" / "无法连接钉钉",
        "Try again in a moment; nobody who is signed in is affected." / "请稍后重试；已登录的用户不受影响。";
    /// Unreadable.
    DINGTALK_UNEXPECTED = "dingtalk.unexpected_answer", 502, Developer,
        "DingTalk gave an answer that cannot be used" / "钉钉返回了无法识别的应答",
        "Try again; if it stays, check the endpoint setting and any proxy on the way." /
        "请重试；若持续出现，请检查接口地址设置及中间代理。";
    /// The store failed.
    STORE_UNAVAILABLE = "store.unavailable", 503, Developer,
        "This app's session store cannot be reached" / "此应用的会话存储暂不可用",
        "Try again in a moment; nobody who is signed in is affected." / "请稍后重试；已登录的用户不受影响。";
    /// The browser is not DingTalk's client.
    BROWSER_NOT_IN_DINGTALK = "browser.not_in_dingtalk", 401, User,
        "This page opens inside DingTalk" / "请在钉钉中打开此页面",
        "Open the app from the DingTalk workbench, on your phone or computer." / "请在手机或电脑的钉钉工作台中打开此应用。";
    /// The session cookie did not stay.
    BROWSER_COOKIES_BLOCKED = "browser.cookies_blocked", 401, User,
        "Your browser did not keep the sign-in" / "浏览器未能保存登录状态",
        "DingTalk has let you in, but this browser refuses cookies. Allow cookies for this site, or open the app outside the page that shows it, and try again." /
        "钉钉已确认您的身份，但浏览器拒绝保存 Cookie。请允许此网站使用 Cookie，或在独立窗口中打开此应用，然后重试。";
    /// Shown in a frame of another site, which is not listed.
    BROWSER_FRAMED = "browser.framed", 403, Developer,
        "This app is shown inside another site" / "此应用被嵌入在其他网站中",
        "Open it in a window of its own. For developers: list the other site's origin with .framed_by([\"https://portal.example.com\"]) to allow this." /
        "请在独立窗口中打开。致开发者：如需允许嵌入，请用 .framed_by([\"https://portal.example.com\"]) 列出该网站的源。";
    /// The app's own server cannot be reached from the browser.
    BROWSER_NETWORK = "browser.network", 503, User,
        "This app cannot be reached" / "无法连接到此应用",
        "Check the connection of this device, then try again." / "请检查设备的网络连接后重试。";
    /// DingTalk's script did not load.
    BROWSER_SCRIPT = "browser.script_unavailable", 503, Developer,
        "DingTalk's script did not load" / "未能加载钉钉脚本",
        "Check the connection of this device, then try again. For developers: the address is the setting jsapi_script." /
        "请检查设备的网络连接后重试。致开发者：脚本地址由 jsapi_script 设置。";
    /// DingTalk's script for its sign-in page in a frame did not load.
    BROWSER_SIGN_IN_SCRIPT = "browser.sign_in_script_unavailable", 503, Developer,
        "The QR code did not load" / "未能加载登录二维码",
        "Sign in on DingTalk's page, or try again. For developers: the script's address is the setting embedded_script." /
        "请前往钉钉页面登录，或重试。致开发者：脚本地址由 embedded_script 设置。";
    /// Three automatic attempts within a minute.
    BROWSER_ATTEMPTS = "browser.too_many_attempts", 401, User,
        "Signing in did not last" / "登录状态未能保持",
        "It was tried several times within a minute. Wait a moment and try again; if it goes on, tell the people who run this app." /
        "一分钟内已多次尝试登录。请稍候重试；若持续出现，请联系此应用的负责人。";
    /// The person closed DingTalk's question.
    CLIENT_CANCELLED = "client.cancelled", 401, User,
        "You cancelled signing in" / "您已取消登录",
        "Press the button when you want to sign in." / "如需登录，请点击下方按钮。";
    /// The client's bridge does not answer.
    CLIENT_NO_ANSWER = "client.no_answer", 401, User,
        "DingTalk does not answer this page" / "钉钉客户端没有响应",
        "Close this page and open the app again; if it goes on, restart DingTalk." / "请关闭页面后重新打开应用；若持续出现，请重启钉钉。";
    /// The client knows neither of the two calls.
    CLIENT_TOO_OLD = "client.too_old", 401, User,
        "This DingTalk is too old" / "钉钉客户端版本过低",
        "Update DingTalk, then open the app again." / "请升级钉钉后重新打开应用。";
    /// The client does not give this page a code for this corp.
    CLIENT_APP_NOT_FOUND = "client.app_not_found", 403, Developer,
        "DingTalk does not know this page as an app of your organisation" / "钉钉未识别此页面为您组织的应用",
        "Open the app from the workbench. For developers: the corp id must be the one the app belongs to, and the app's home page in the developer console must be on this page's domain." /
        "请从工作台打开此应用。致开发者：请确认 corpId 为应用所属组织，且开发者后台中应用首页地址与本页面域名一致。";
    /// Any other failure of the client.
    CLIENT_FAILED = "client.failed", 401, User,
        "DingTalk could not give a login code" / "钉钉未能提供登录授权码",
        "Try again; if it goes on, close DingTalk and open the app again." / "请重试；若持续出现，请重启钉钉后重新打开应用。";
    /// Our own paths do not reach us.
    LOGIN_UNREACHABLE = "setup.login_unreachable", 500, Developer,
        "This app's login address does not answer" / "此应用的登录地址没有响应",
        "For developers: no request for DingTalkAuth's own paths has reached it in this process. If logins end in 404, it is not the outermost layer: in axum call Router::layer (not route_layer) last, after the fallback; in actix-web App::wrap (not Scope::wrap)." /
        "致开发者：本进程中 DingTalkAuth 尚未收到过对其自有路径的请求。若登录返回 404，说明它不在最外层：axum 请在 fallback 之后最后调用 Router::layer（而非 route_layer）；actix-web 请使用 App::wrap（而非 Scope::wrap）。";
    /// The layer is not there.
    LAYER_MISSING = "setup.layer_missing", 500, Developer,
        "DingTalkAuth is not around this route" / "此路由未安装 DingTalkAuth",
        "axum: Router::layer(DingTalkAuth::new(dingtalk)), outermost and last, after the fallback. actix-web: App::wrap(DingTalkAuth::new(dingtalk))." /
        "axum：在最后（fallback 之后）于最外层调用 Router::layer(DingTalkAuth::new(dingtalk))。actix-web：App::wrap(DingTalkAuth::new(dingtalk))。";
    /// The layer is inside.
    LAYER_NESTED = "setup.layer_nested", 500, Developer,
        "DingTalkAuth is on a nested router or a scope" / "DingTalkAuth 安装在了嵌套路由或 scope 上",
        "Put it on the outermost one, last: axum Router::layer after nest and fallback, actix-web App::wrap. Guard a part with RequireDingTalk." /
        "请将其放到最外层并最后添加：axum 在 nest 与 fallback 之后调用 Router::layer，actix-web 使用 App::wrap。局部保护请用 RequireDingTalk。";
    /// A browser looks ahead at an address that works once.
    PREFETCH_REFUSED = "request.prefetch_refused", 403, Nobody,
        "This address works once and is not opened ahead of time" / "此地址只能使用一次，不支持预加载",
        "Open it as a page." / "请直接打开此页面。";
    /// Another method on a path of ours.
    METHOD_NOT_ALLOWED = "request.method_not_allowed", 405, Developer,
        "This path does not answer that method" / "此路径不支持该请求方法",
        "Use the method that the Allow header names." / "请使用 Allow 响应头中给出的方法。";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_of_ours_is_unique_and_speaks_both_languages() {
        let mut seen = HashSet::new();
        for advice in ALL {
            assert!(seen.insert(advice.code), "{} twice", advice.code);
            for text in [advice.title, advice.action] {
                assert!(!text.en.is_empty() && !text.zh.is_empty());
                assert!(text.en.is_ascii() && !text.zh.is_ascii(), "{}", advice.code);
            }
        }
    }
}
