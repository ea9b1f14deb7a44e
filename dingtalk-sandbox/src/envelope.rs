//! DingTalk's two envelopes, and the texts of its codes.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{identifier, route};

/// What goes back to a caller, before faults.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// Headers besides the content type and those every reply of the new host has.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: ReplyBody,
    /// What the list of calls says of it: `ok`, or a code.
    pub(crate) outcome: String,
    /// Why, for the developer who reads the list of calls. Never secrets.
    pub(crate) detail: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum ReplyBody {
    /// An answer of DingTalk's own making.
    Json(Value),
    Bytes(Bytes),
    /// That many spaces, then the bytes.
    Endless(u64, Bytes),
}

impl ReplyBody {
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Json(value) => Bytes::from(value.to_string()),
            Self::Bytes(bytes) | Self::Endless(_, bytes) => bytes.clone(),
        }
    }
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value, outcome: impl Into<String>) -> Self {
        Self {
            status,
            content_type: JSON.to_owned(),
            headers: Vec::new(),
            body: ReplyBody::Json(body),
            outcome: outcome.into(),
            detail: None,
        }
    }

    pub(crate) fn raw(
        status: u16,
        content_type: impl Into<String>,
        body: impl Into<Bytes>,
        outcome: &str,
    ) -> Self {
        Self {
            status,
            content_type: content_type.into(),
            headers: Vec::new(),
            body: ReplyBody::Bytes(body.into()),
            outcome: outcome.to_owned(),
            detail: None,
        }
    }

    /// Adds why, for the list of calls.
    pub(crate) fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.outcome == OK
    }

    /// Success on the old host, outside topapi: fields beside `errcode`.
    pub(crate) fn old_ok(fields: Value) -> Self {
        let mut body = Map::from_iter([
            ("errcode".to_owned(), json!(0)),
            ("errmsg".to_owned(), json!("ok")),
        ]);
        if let Value::Object(fields) = fields {
            body.extend(fields);
        }
        Self::json(200, Value::Object(body), OK)
    }

    /// Success on topapi: the answer in `result`.
    pub(crate) fn topapi_ok(result: Value) -> Self {
        let body = json!({"errcode": 0, "errmsg": "ok", "result": result, "request_id": identifier::old_request_id()});
        Self::json(200, body, OK)
    }

    /// Success on the new host: a plain object.
    pub(crate) fn new_ok(body: Value) -> Self {
        Self::json(200, body, OK)
    }

    /// A refusal by the old host's gateway (token, permission, IP, calls per second) for `route`: wrapped in errcode 88 on topapi.
    pub(crate) fn gateway(route: &str, code: i64, message: &str) -> Self {
        if route::is_topapi(route) {
            Self::wrapped(&code.to_string(), message)
        } else {
            Self::direct(route, code, message)
        }
    }

    /// The wrapper by itself. An empty `sub_code` is a time-out of the service that knows the tokens.
    pub(crate) fn wrapped(sub_code: &str, message: &str) -> Self {
        let body = json!({
            "errcode": 88,
            "sub_code": sub_code,
            "sub_msg": message,
            "errmsg": format!("ding talk error[subcode={sub_code},submsg={message}]"),
            "request_id": identifier::old_request_id(),
        });
        Self::json(200, body, format!("88/{sub_code}"))
    }

    /// A refusal by what is behind the gateway: the code itself. HTTP says 200 all the same.
    pub(crate) fn direct(route: &str, code: i64, message: &str) -> Self {
        let mut body = json!({"errcode": code, "errmsg": message});
        if let Some(fields) = body.as_object_mut().filter(|_| route::is_topapi(route)) {
            fields.insert("request_id".to_owned(), identifier::old_request_id().into());
        }
        Self::json(200, body, code.to_string())
    }

    /// A refusal with the usual text of that code.
    pub(crate) fn business(route: &str, code: i64) -> Self {
        Self::direct(route, code, old_text(code))
    }

    /// A refusal by the new host.
    pub(crate) fn new_error(status: u16, code: &str, message: &str) -> Self {
        let mut body =
            json!({"code": code, "requestid": identifier::new_request_id(), "message": message});
        if let Some(fields) = body.as_object_mut().filter(|_| code == PERMISSION_DENIED) {
            fields.insert(
                "accessdenieddetail".to_owned(),
                json!({"requiredScopes": ["Contact.User.Read"]}),
            );
        }
        Self::json(status, body, code)
    }

    /// An unknown path below `/topapi/`.
    pub(crate) fn unknown_topapi(path: &str) -> Self {
        let name = format!(
            "dingtalk.oapi{}",
            path.trim_start_matches("/topapi").replace('/', ".")
        );
        let sub_msg = format!("不合法ApiName，ApiName = {name}");
        let body = json!({
            "errcode": 22,
            "sub_msg": sub_msg,
            "errmsg": format!("Invalid method[submsg={sub_msg}]"),
            "request_id": identifier::old_request_id(),
        });
        Self::json(200, body, "22")
    }

    /// An unknown path of the old host.
    pub(crate) fn unknown_old() -> Self {
        Self::json(
            200,
            json!({"errcode": 404, "errmsg": "请求的URI地址不存在"}),
            "404",
        )
    }

    /// An unknown path, or a wrong method, of the new host.
    pub(crate) fn unknown_new() -> Self {
        let code = "InvalidAction.NotFound";
        Self::new_error(404, code, new_text(code))
    }
}

/// Whether the gateway says this code, and so wraps it on topapi.
pub(crate) fn is_gateway_code(code: i64) -> bool {
    matches!(
        code,
        40000 | 40001 | 40014 | 41001 | 42001 | 50003 | 60011 | 60020 | 90001..=90020
    )
}

/// The text DingTalk gives an old code.
pub(crate) fn old_text(code: i64) -> &'static str {
    match code {
        -1 => "系统繁忙",
        15 => "isp.remote-service-timeout",
        33001 => "无效的企业ID",
        33012 => "无效的USERID",
        40000 => "access_token is blank",
        40001 => "获取access_token时Secret错误，或者access_token无效",
        40014 => "不合法的access_token",
        40035 => "缺少参数 corpid or appkey",
        40078 => "不存在的临时授权码",
        40079 => "授权信息不存在",
        40089 => "不合法的corpid或者corpsecret",
        40096 => "不合法的appKey或appSecret",
        40102 => "临时授权码已过期",
        41001 => "缺少access_token参数",
        42001 => "access_token已过期",
        43001 => "需要GET请求",
        43002 => "需要POST请求",
        43007 => "需要授权",
        50002 => "请求的员工userid不在授权范围内",
        50003 => "应用已停用",
        50004 => "请求的部门id不在授权范围内",
        60011 => "没有调用该接口的权限",
        60020 => "访问ip不在白名单之中",
        60120 => "用户已停用",
        60121 => "找不到该用户",
        90002 => "您的服务器调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
        90018 => QPS_TEXT,
        90020 => "企业本月API调用量已用完",
        400_001 => "系统错误",
        400_002 => "参数错误",
        853_001 => "timestamp参数格式不正确，必须是当前时间的毫秒数",
        853_002 => "timestamp参数不合法，该参数值与钉钉服务器当前时间相差超过1分钟",
        853_003 => "accessKey参数不合法，必须是钉钉开放平台存在的appId",
        853_004 => {
            "signature参数不正确，与钉钉服务端计算出来的签名不一致，注意该参数传递时必须urlEncode"
        }
        _ => "error made by the sandbox",
    }
}

/// The text DingTalk gives a new code.
pub(crate) fn new_text(code: &str) -> &str {
    match code {
        "InvalidAuthentication" => "不合法的access_token",
        "AuthenticationFailed.MissingParameter" => "缺少参数：x-acs-dingtalk-access-token",
        "InvalidAction.NotFound" => "Specified api is not found, please check your url and method.",
        "invalidClientIdOrSecret" => "无效的clientId或者clientSecret",
        "Missingbody" => "body is mandatory for this action.",
        "unknownError" => "未知错误",
        "systemBusy" => "系统繁忙",
        IP_NOT_LISTED => "访问ip不在白名单之中",
        "accesstoken.expired" => "access_token已过期",
        "invalidParameter.authCode.notFound" => "不合法的临时授权码",
        "invalidParameter.user.notFound" => "找不到该用户",
        PERMISSION_DENIED => {
            "没有调用该接口的权限，接口权限申请参考：https://open.dingtalk.com/document/orgapp-server/add-api-permission"
        }
        QPS_LIMIT => QPS_TEXT,
        other => other,
    }
}

/// The outcome of a call that was answered.
pub(crate) const OK: &str = "ok";
pub(crate) const JSON: &str = "application/json;charset=UTF-8";
pub(crate) const QPS_LIMIT: &str = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi";
pub(crate) const IP_NOT_LISTED: &str = "Forbidden.AccessDenied.IpNotInWhiteList";
pub(crate) const PERMISSION_DENIED: &str = "Forbidden.AccessDenied.AccessTokenPermissionDenied";
const QPS_TEXT: &str = "您的企业应用调用钉钉开放平台当前接口的所有请求都被暂时禁用了";
