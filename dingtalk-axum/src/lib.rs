#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod guard;
mod head;
mod user;

pub use auth::{DingTalkAuth, DingTalkAuthService};
pub use dingtalk_core as core;
pub use dingtalk_core::{
    Claims, ConfigError, Details, DingTalk, DingTalkBuilder, InternalApp, LegacySignIn,
    LoginDenied, NewLogin, Person, SessionKey, User, WebSignIn,
};
pub use guard::{RequireDingTalk, RequireDingTalkService};
pub use user::{DingTalkUser, MaybeDingTalkUser, Refused};
