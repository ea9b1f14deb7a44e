//! Who a code stands for: somebody of the corp, or no more than a DingTalk account.

use std::fmt;

/// Somebody who belongs to the corp: DingTalk said so. `Debug` shows the user id only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Employee {
    /// The person in the corp of the token.
    pub user_id: String,
    /// The person across the developer's apps.
    pub union_id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// An administrator of the corp.
    pub is_admin: bool,
    /// 1 main administrator, 2 sub-administrator, 100 boss, 0 others.
    pub sys_level: i64,
}

impl Employee {
    /// A person of the corp with nothing else known, for a [`LoginFlow`](crate::LoginFlow) of yours; set the other fields as you know
    /// them.
    #[must_use]
    pub fn new(user_id: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            union_id: None,
            name: None,
            is_admin: false,
            sys_level: 0,
        }
    }

    /// Whether the ids can be DingTalk's, and fit a session.
    pub(crate) fn is_usable(&self) -> bool {
        is_id(&self.user_id) && self.union_id.as_deref().is_none_or(is_id)
    }
}

/// A DingTalk account: of anybody, member of the corp or not. `Debug` shows the union id only.
///
/// Source: <https://open.dingtalk.com/document/development/dingtalk-retrieve-user-information>.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The person across the developer's apps.
    pub union_id: String,
    /// The person for this app.
    pub open_id: Option<String>,
    /// The name that the person chose.
    pub name: Option<String>,
    /// The picture's address.
    pub avatar: Option<String>,
}

impl Account {
    /// An account with nothing else known.
    #[must_use]
    pub fn new(union_id: impl Into<String>) -> Self {
        Self {
            union_id: union_id.into(),
            open_id: None,
            name: None,
            avatar: None,
        }
    }
}

/// Who came in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is no third: an app decides about both"
)]
pub enum Person {
    /// Somebody of the corp.
    Employee(Employee),
    /// A DingTalk account and no more: `.anyone()` lets it in, and nothing says that the corp knows it.
    Account(Account),
}

impl Person {
    /// The person in the corp; `None` for an account.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::Employee(employee) => Some(&employee.user_id),
            Self::Account(_) => None,
        }
    }

    /// The person across the developer's apps.
    #[must_use]
    pub fn union_id(&self) -> Option<&str> {
        match self {
            Self::Employee(employee) => employee.union_id.as_deref(),
            Self::Account(account) => Some(&account.union_id),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Employee(employee) => employee.name.as_deref(),
            Self::Account(account) => account.name.as_deref(),
        }
    }

    /// An administrator of the corp; an account never is.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        matches!(self, Self::Employee(employee) if employee.is_admin)
    }

    pub(crate) fn is_usable(&self) -> bool {
        match self {
            Self::Employee(employee) => employee.is_usable(),
            Self::Account(account) => is_id(&account.union_id),
        }
    }
}

impl From<Employee> for Person {
    fn from(employee: Employee) -> Self {
        Self::Employee(employee)
    }
}

impl From<Account> for Person {
    fn from(account: Account) -> Self {
        Self::Account(account)
    }
}

impl fmt::Debug for Employee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Employee")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("union_id", &self.union_id)
            .finish_non_exhaustive()
    }
}

/// Whether a text can be one of DingTalk's ids. Control characters are ours: see
/// [`User::person`](crate::User::person).
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && !id.contains(char::is_control)
}

/// DingTalk's ids have at most 64 characters; this leaves room and still fits a cookie.
const MAX_ID: usize = 128;
