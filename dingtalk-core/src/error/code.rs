//! DingTalk's error codes, and what each means for the caller.
//!
//! Source: <https://open.dingtalk.com/document/development/server-api-error-codes-1> and
//! <https://open.dingtalk.com/document/development/how-to-process-api-throttling-on-the-dingtalk-server>.

use super::catalogue::*;

/// What a code of DingTalk's means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// Busy: the same call may work later.
    Transient,
    /// The gateway refused before it looked at the request: the same call may work a second later.
    Throttled,
    /// The token was not accepted: fetch a new one, once.
    Token,
    /// The one-time code is unknown, used or expired: a new one is needed.
    Code,
    /// A setting or a permission is wrong: somebody has to change it.
    Setting,
    /// This person may not use this app.
    Person,
    /// The request itself was wrong.
    Request,
}

/// What a code of DingTalk's means, and the catalogue's entry for it.
///
/// Exact codes first; then by prefix, `Forbidden.AccessDenied.Qp` before `Forbidden.`; an unknown code is a refusal of the
/// request, never a success.
#[must_use]
pub fn meaning(code: &str) -> (Class, &'static Advice) {
    if let Some((_, class, advice)) = CODES.iter().find(|(known, ..)| *known == code) {
        return (*class, advice);
    }
    if let Some((_, class, advice)) = PREFIXES.iter().find(|(start, ..)| code.starts_with(start)) {
        return (*class, advice);
    }
    (Class::Request, &APP_REQUEST)
}

/// Codes of the old host (numbers) and of the new one (words) that the calls of a login can give.
const CODES: &[(&str, Class, &Advice)] = &[
    ("-1", Class::Transient, &DINGTALK_BUSY),
    ("15", Class::Transient, &DINGTALK_BUSY),
    // 88 without a sub_code is a time-out of DingTalk's own token service.
    ("88", Class::Transient, &DINGTALK_BUSY),
    ("22", Class::Request, &APP_REQUEST),
    ("404", Class::Request, &APP_REQUEST),
    ("33001", Class::Setting, &APP_CREDENTIALS),
    ("33012", Class::Person, &PERSON_NOT_IN_RANGE),
    ("40000", Class::Request, &APP_REQUEST),
    ("40001", Class::Token, &APP_CREDENTIALS),
    ("40003", Class::Person, &PERSON_NOT_IN_RANGE),
    ("40013", Class::Setting, &APP_CREDENTIALS),
    ("40014", Class::Token, &APP_TOKEN),
    ("40029", Class::Code, &CODE_INVALID),
    ("40035", Class::Request, &APP_REQUEST),
    ("40038", Class::Request, &APP_REQUEST),
    ("40073", Class::Code, &CODE_INVALID),
    ("40077", Class::Code, &CODE_INVALID),
    ("40078", Class::Code, &CODE_INVALID),
    ("40079", Class::Setting, &APP_NOT_AUTHORISED),
    ("40087", Class::Code, &CODE_INVALID),
    ("40089", Class::Setting, &APP_CREDENTIALS),
    ("40091", Class::Code, &CODE_INVALID),
    ("40096", Class::Setting, &APP_CREDENTIALS),
    ("40102", Class::Code, &CODE_INVALID),
    ("41001", Class::Request, &APP_REQUEST),
    ("41002", Class::Setting, &APP_CREDENTIALS),
    ("41004", Class::Request, &APP_REQUEST),
    ("41008", Class::Request, &APP_REQUEST),
    ("41009", Class::Request, &APP_REQUEST),
    ("41026", Class::Request, &APP_REQUEST),
    ("41027", Class::Setting, &APP_CREDENTIALS),
    ("41030", Class::Setting, &APP_NOT_AUTHORISED),
    ("42001", Class::Token, &APP_TOKEN),
    ("42003", Class::Code, &CODE_INVALID),
    ("42007", Class::Code, &CODE_INVALID),
    ("42008", Class::Code, &CODE_INVALID),
    ("43001", Class::Request, &APP_REQUEST),
    ("43002", Class::Request, &APP_REQUEST),
    ("43003", Class::Request, &APP_REQUEST),
    ("43004", Class::Request, &APP_REQUEST),
    ("43005", Class::Request, &APP_REQUEST),
    ("43007", Class::Setting, &APP_PERMISSION),
    ("43009", Class::Request, &APP_REQUEST),
    ("45009", Class::Transient, &DINGTALK_BUSY),
    ("48004", Class::Setting, &APP_NOT_AUTHORISED),
    ("50002", Class::Person, &PERSON_NOT_IN_RANGE),
    ("50003", Class::Setting, &APP_DISABLED),
    ("50004", Class::Person, &PERSON_NOT_IN_RANGE),
    ("50005", Class::Setting, &APP_DISABLED),
    ("60011", Class::Setting, &APP_PERMISSION),
    ("60020", Class::Setting, &APP_IP),
    ("60111", Class::Person, &PERSON_NOT_IN_RANGE),
    ("60120", Class::Person, &PERSON_DISABLED),
    ("60121", Class::Person, &PERSON_NOT_IN_RANGE),
    ("70001", Class::Setting, &APP_DISABLED),
    // 90018 and its new-host names are given by the gateway before it looks at the request; for the wider 900xx limits
    // nothing says so, so a one-time code is not sent again after them.
    ("90018", Class::Throttled, &DINGTALK_THROTTLED),
    ("90020", Class::Setting, &APP_QUOTA),
    ("400001", Class::Transient, &DINGTALK_BUSY),
    ("400002", Class::Request, &APP_REQUEST),
    ("800001", Class::Setting, &APP_CREDENTIALS),
    // Of signed calls: the time's format, the time, the app id, the signature.
    ("853001", Class::Request, &APP_REQUEST),
    ("853002", Class::Setting, &APP_CLOCK),
    ("853003", Class::Setting, &LEGACY_CREDENTIALS),
    ("853004", Class::Setting, &LEGACY_CREDENTIALS),
    ("InvalidAuthentication", Class::Token, &APP_TOKEN),
    ("invalidAccessToken", Class::Token, &APP_TOKEN),
    ("invalidToken", Class::Token, &APP_TOKEN),
    (
        "AuthenticationFailed.MissingParameter",
        Class::Request,
        &APP_REQUEST,
    ),
    ("invalidClientIdOrSecret", Class::Setting, &APP_CREDENTIALS),
    ("invalid.client", Class::Setting, &APP_CREDENTIALS),
    ("unauthorized.client", Class::Setting, &APP_NOT_AUTHORISED),
    ("unsupported.grant.type", Class::Request, &APP_REQUEST),
    ("orgNotAuthApp", Class::Setting, &APP_NOT_AUTHORISED),
    ("orgNotExist", Class::Setting, &APP_CREDENTIALS),
    ("invalidCorpId", Class::Setting, &APP_CREDENTIALS),
    ("apiPermissionDenied", Class::Setting, &APP_PERMISSION),
    ("qps.exceed.limit", Class::Throttled, &DINGTALK_THROTTLED),
    ("request.overlimit", Class::Throttled, &DINGTALK_THROTTLED),
    (
        "Forbidden.AccessDenied.AccessTokenPermissionDenied",
        Class::Setting,
        &APP_PERMISSION,
    ),
    (
        "Forbidden.AccessDenied.IpNotInWhiteList",
        Class::Setting,
        &APP_IP,
    ),
    (
        "Forbidden.AccessDenied.ApiCountLimitForOrg",
        Class::Setting,
        &APP_QUOTA,
    ),
    (
        "forbidden.user.notInOrg",
        Class::Person,
        &PERSON_NOT_IN_RANGE,
    ),
    (
        "invalidParameter.user.notFound",
        Class::Person,
        &PERSON_NOT_IN_RANGE,
    ),
    (
        "invalidParameter.authCode.notFound",
        Class::Code,
        &CODE_INVALID,
    ),
    ("invalidCode", Class::Code, &CODE_INVALID),
    ("accesstoken.expired", Class::Token, &APP_TOKEN),
    ("InvalidAction.NotFound", Class::Request, &APP_REQUEST),
    ("systemBusy", Class::Transient, &DINGTALK_BUSY),
    ("server.error", Class::Transient, &DINGTALK_BUSY),
    // What `{corpId}/token` really answers for a corp it does not know; elsewhere a passing fault.
    ("unknownError", Class::Transient, &DINGTALK_BUSY),
    ("unknown.error", Class::Transient, &DINGTALK_BUSY),
    ("operationTimeout", Class::Transient, &DINGTALK_BUSY),
    ("service.timeout", Class::Transient, &DINGTALK_BUSY),
];

const PREFIXES: &[(&str, Class, &Advice)] = &[
    (
        "Forbidden.AccessDenied.Qp",
        Class::Throttled,
        &DINGTALK_THROTTLED,
    ),
    ("Throttling", Class::Throttled, &DINGTALK_THROTTLED),
    ("Forbidden.", Class::Setting, &APP_PERMISSION),
    ("900", Class::Transient, &DINGTALK_BUSY),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_of_dingtalk_stands_once() {
        let mut seen = HashSet::new();
        for (code, ..) in CODES {
            assert!(seen.insert(code), "{code} twice");
        }
    }

    #[test]
    fn throttling_is_told_from_missing_permission_although_both_are_403() {
        assert_eq!(
            meaning("Forbidden.AccessDenied.QpmLimitForAppkeyAndApi").0,
            Class::Throttled
        );
        assert_eq!(meaning("Forbidden.AccessDenied.Anything").0, Class::Setting);
        assert_eq!(
            meaning("Forbidden.AccessDenied.ApiCountLimitForOrg").1.code,
            "app.quota_used_up"
        );
        assert_eq!(meaning("90002").0, Class::Transient);
    }

    #[test]
    fn an_unknown_code_is_a_refusal() {
        assert_eq!(meaning("never seen").0, Class::Request);
    }
}
