//! A person of the world, and what `topapi/v2/user/get` says of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{App, World};

/// Somebody in one organisation. Fields that DingTalk may leave out are `Option`s or may be empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The organisation.
    pub corp_id: String,
    /// Who they are there.
    pub user_id: String,
    /// Who they are for all apps of one developer.
    pub union_id: String,
    /// The name.
    pub name: String,
    /// 0 nobody special, 1 main administrator, 2 sub-administrator, 100 boss.
    #[serde(default)]
    pub sys_level: i64,
    /// Whether they are an administrator. Default: as `sys_level` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys: Option<bool>,
    /// 0 employee, 1 external contact: what `getbyunionid` answers.
    #[serde(default)]
    pub contact_type: i64,
    /// A picture. Absent: DingTalk's default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Number on the badge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_number: Option<String>,
    /// Departments. Empty: the root, 1.
    #[serde(default)]
    pub departments: Vec<i64>,
    /// Departments they lead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads: Vec<i64>,
    /// Roles, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<i64>,
    /// Whose report they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager_user_id: Option<String>,
    /// Whether they ever signed in to DingTalk. Default: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Whether DingTalk has seen their identity papers. Default: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_authed: Option<bool>,
    /// Whether they are in senior mode.
    #[serde(default)]
    pub senior: bool,
    /// Whether others may not see the mobile number.
    #[serde(default)]
    pub hide_mobile: bool,
    /// Mobile number: only for apps with `fieldMobile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    /// Its country, as `86`: only for apps with `fieldMobile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_code: Option<String>,
    /// E-mail: only for apps with `fieldEmail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The organisation's mailbox: only for apps with `fieldEmail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_email: Option<String>,
    /// `profession` or `base`: only for apps with `fieldEmail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_email_type: Option<String>,
    /// Landline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telephone: Option<String>,
    /// Where they work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_place: Option<String>,
    /// Remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Since when, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hired_date: Option<i64>,
    /// A JSON object as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// Whether the account is managed by a company (企业账号).
    #[serde(default)]
    pub exclusive_account: bool,
    /// `sso` or `dingtalk`, of such an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive_account_type: Option<String>,
    /// The company that manages it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive_account_corp_id: Option<String>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive_account_corp_name: Option<String>,
    /// What such a person signs in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_id: Option<String>,
    /// What such a person is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// Whether such an account is disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_status: Option<bool>,
    /// Fields put into the details as they are, over the ones above.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Person {
    /// Whether they are an administrator.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.sys.unwrap_or(matches!(self.sys_level, 1 | 2))
    }

    /// `result` of `topapi/v2/user/getuserinfo`.
    pub(crate) fn identity(&self) -> Value {
        json!({
            "userid": self.user_id,
            "unionid": self.union_id,
            "associated_unionid": format!("assoc{}", self.union_id),
            "device_id": format!("device-{}", self.user_id),
            "name": self.name,
            "sys": self.is_admin(),
            "sys_level": self.sys_level,
        })
    }

    /// `result` of `topapi/v2/user/get`, with the fields that `app` may see.
    pub(crate) fn details(&self, world: &World, app: &App, english: bool) -> Value {
        let departments = if self.departments.is_empty() {
            vec![1]
        } else {
            self.departments.clone()
        };
        let mut result = json!({
            "userid": self.user_id,
            "unionid": self.union_id,
            "name": self.name,
            "active": self.active.unwrap_or(true),
            "admin": self.is_admin(),
            "boss": self.sys_level == 100,
            "senior": self.senior,
            "real_authed": self.real_authed.unwrap_or(true),
            "hide_mobile": self.hide_mobile,
            "exclusive_account": self.exclusive_account,
            "dept_id_list": departments,
            "dept_order_list": departments.iter().map(|id| json!({"dept_id": id, "order": 176_299_872_580_001_i64 + id})).collect::<Vec<_>>(),
            "leader_in_dept": departments.iter().map(|id| json!({"dept_id": id, "leader": self.leads.contains(id)})).collect::<Vec<_>>(),
        });
        let Some(fields) = result.as_object_mut() else {
            return result;
        };
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value);
            }
        };
        let text = |value: &Option<String>| value.clone().map(Value::from);
        put("avatar", text(&self.avatar));
        put("title", text(&self.title));
        put("job_number", text(&self.job_number));
        put("manager_userid", text(&self.manager_user_id));
        put("telephone", text(&self.telephone));
        put("work_place", text(&self.work_place));
        put("remark", text(&self.remark));
        put("hired_date", self.hired_date.map(Value::from));
        put("extension", text(&self.extension));
        if app.may("fieldMobile") {
            put("mobile", text(&self.mobile));
            put("state_code", text(&self.state_code));
        }
        if app.may("fieldEmail") {
            put("email", text(&self.email));
            put("org_email", text(&self.org_email));
            put("org_email_type", text(&self.org_email_type));
        }
        if self.exclusive_account {
            put("exclusive_account_type", text(&self.exclusive_account_type));
            put(
                "exclusive_account_corp_id",
                text(&self.exclusive_account_corp_id),
            );
            put(
                "exclusive_account_corp_name",
                text(&self.exclusive_account_corp_name),
            );
            put("login_id", text(&self.login_id));
            put("nickname", text(&self.nickname));
            put("disable_status", self.disable_status.map(Value::from));
        }
        put("dept_position_list", self.positions(&departments));
        put("role_list", self.role_list(world, english));
        for (key, value) in &self.extra {
            put(key, Some(value.clone()));
        }
        result
    }

    fn positions(&self, departments: &[i64]) -> Option<Value> {
        let title = self.title.as_ref()?;
        let main = departments.first()?;
        let work_place = self.work_place.clone().unwrap_or_default();
        Some(json!([{"dept_id": main, "title": title, "is_main": true, "work_place": work_place}]))
    }

    fn role_list(&self, world: &World, english: bool) -> Option<Value> {
        let pick = |chinese: &String, other: &Option<String>| match other {
            Some(name) if english => name.clone(),
            _ => chinese.clone(),
        };
        let roles: Vec<Value> = self
            .roles
            .iter()
            .filter_map(|id| world.role(&self.corp_id, *id))
            .map(|role| {
                json!({
                    "id": role.id,
                    "name": pick(&role.name, &role.name_en),
                    "group_name": pick(&role.group_name, &role.group_name_en),
                })
            })
            .collect();
        (!roles.is_empty()).then(|| Value::from(roles))
    }
}
