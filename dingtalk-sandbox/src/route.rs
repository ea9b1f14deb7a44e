//! The calls the sandbox answers, by the names used in faults, holds and counts.

/// Every call, whatever its path.
pub const ANY: &str = "*";
/// The app token of the new host.
/// Source: <https://open.dingtalk.com/document/development/obtain-the-access-token-of-an-internal-app>
pub const ACCESS_TOKEN: &str = "POST /v1.0/oauth2/accessToken";
/// The token for one organisation of the new host.
/// Source: <https://open.dingtalk.com/document/development/api-gettoken>
pub const CORP_TOKEN: &str = "POST /v1.0/oauth2/{corpId}/token";
/// The app token of the old host. `POST` with the same query counts as this route too.
/// Source: <https://open.dingtalk.com/document/development/obtain-orgapp-token>
pub const GETTOKEN: &str = "GET /gettoken";
/// A silent-login code (免登授权码) to a user id.
/// Source: <https://open.dingtalk.com/document/development/obtain-the-userid-of-a-user-by-using-the-log-free>
pub const GETUSERINFO: &str = "POST /topapi/v2/user/getuserinfo";
/// A user id to the person's details.
/// Source: <https://open.dingtalk.com/document/development/query-user-details>
pub const USER_GET: &str = "POST /topapi/v2/user/get";
/// A union id to a user id.
/// Source: <https://open.dingtalk.com/document/development/query-a-user-by-the-union-id>
pub const GETBYUNIONID: &str = "POST /topapi/user/getbyunionid";
/// A web sign-in's code, or a refresh token, to a pair of user tokens.
/// Source: <https://open.dingtalk.com/document/development/obtain-user-token>
pub const USER_ACCESS_TOKEN: &str = "POST /v1.0/oauth2/userAccessToken";
/// A user token to an account: `me`, or a union id.
/// Source: <https://open.dingtalk.com/document/development/dingtalk-retrieve-user-information>
pub const CONTACT_USER: &str = "GET /v1.0/contact/users/{unionId}";
/// A code of the older sign-in pages to an account.
/// Source: <https://open.dingtalk.com/document/development/obtain-the-user-information-based-on-the-sns-temporary-authorization>
pub const SNS_USERINFO: &str = "POST /sns/getuserinfo_bycode";

/// The calls the sandbox knows, in the order logins make them.
pub const ALL: [&str; 9] = [
    ACCESS_TOKEN,
    CORP_TOKEN,
    GETTOKEN,
    USER_ACCESS_TOKEN,
    CONTACT_USER,
    SNS_USERINFO,
    GETUSERINFO,
    USER_GET,
    GETBYUNIONID,
];

/// Whether the route belongs to the host of the new API (`api.dingtalk.com`).
pub(crate) fn is_new_host(route: &str) -> bool {
    route
        .split_once(' ')
        .is_some_and(|(_, path)| path.starts_with("/v1.0/"))
}

/// Whether the route goes through the old host's gateway (`/topapi/`).
pub(crate) fn is_topapi(route: &str) -> bool {
    route
        .split_once(' ')
        .is_some_and(|(_, path)| path.starts_with("/topapi/"))
}

/// The constant for this text, if it is one.
pub(crate) fn known(text: &str) -> Option<&'static str> {
    ALL.into_iter().chain([ANY]).find(|route| *route == text)
}

#[expect(
    clippy::panic,
    reason = "a misspelt route in a test would otherwise pass in silence"
)]
#[track_caller]
pub(crate) fn assert_known(text: &str) {
    if known(text).is_none() {
        panic!("the sandbox has no call `{text}`: use a constant of `dingtalk_sandbox::route`");
    }
}
