//! What DingTalk knows about a person.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::field::{flag, whole};

/// What DingTalk knows about a person: the fields that logins use by accessor, every other one under its own name.
///
/// Source: <https://open.dingtalk.com/document/development/query-user-details>, whose sample has strings where the SDKs have
/// numbers and flags: both are read. `Debug` shows no personal data.
#[derive(Clone)]
pub struct UserDetails(Arc<Map<String, Value>>);

impl UserDetails {
    pub(crate) fn read(result: Value) -> Option<Self> {
        match result {
            Value::Object(fields) => Some(Self(Arc::new(fields))),
            _ => None,
        }
    }

    /// The person in the corp.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.text("userid")
    }

    /// The person across the developer's apps.
    #[must_use]
    pub fn union_id(&self) -> Option<&str> {
        self.text("unionid")
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.text("name")
    }

    /// The picture's address; `None` for the default picture.
    #[must_use]
    pub fn avatar(&self) -> Option<&str> {
        self.text("avatar")
    }

    /// The job title.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.text("title")
    }

    /// The mobile number; needs its own permission.
    #[must_use]
    pub fn mobile(&self) -> Option<&str> {
        self.text("mobile")
    }

    /// The private e-mail address; needs its own permission. Not proof of who somebody is.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.text("email")
    }

    /// The organisation's e-mail address; needs its own permission.
    #[must_use]
    pub fn org_email(&self) -> Option<&str> {
        self.text("org_email")
    }

    /// The staff number.
    #[must_use]
    pub fn job_number(&self) -> Option<&str> {
        self.text("job_number")
    }

    /// The departments; the root is 1.
    #[must_use]
    pub fn department_ids(&self) -> Vec<i64> {
        match self.0.get("dept_id_list") {
            Some(Value::Array(ids)) => ids.iter().filter_map(|id| whole(Some(id))).collect(),
            // The documentation's sample has the list as a text: "[2,3,4]".
            Some(Value::String(text)) => {
                let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
                inner
                    .split(',')
                    .filter_map(|id| id.trim().parse().ok())
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// An administrator of the corp.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.flag("admin") == Some(true)
    }

    /// The corp's boss.
    #[must_use]
    pub fn is_boss(&self) -> bool {
        self.flag("boss") == Some(true)
    }

    /// A company-managed account that its corp has disabled.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.flag("disable_status") == Some(true)
    }

    /// A field as a flag, whether DingTalk sent a flag or its text.
    #[must_use]
    pub fn flag(&self, field: &str) -> Option<bool> {
        flag(self.0.get(field))
    }

    /// A field as a text; `None` for an empty one.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str().filter(|text| !text.is_empty())
    }

    /// A field as DingTalk sent it.
    #[must_use]
    pub fn field(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// All fields as DingTalk sent them, unknown ones included.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl fmt::Debug for UserDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<&str> = self.0.keys().map(String::as_str).collect();
        f.debug_struct("UserDetails")
            .field("fields", &fields)
            .finish()
    }
}
