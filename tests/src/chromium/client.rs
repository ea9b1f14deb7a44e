//! DingTalk's client around a tab: its User-Agent, its native bridge, and what it answers to a page that asks for a code.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::setup::Setup;

/// Which of DingTalk's clients. Each has its own bridge: see `bridge/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test's own")]
pub enum Platform {
    /// The phone, on Android.
    Android,
    /// The phone, on iOS.
    Ios,
    /// The phone, on HarmonyOS.
    Harmony,
    /// The desktop program, on Windows.
    Pc,
}

/// How the client answers.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a test's own")]
pub enum Behaviour {
    /// As it should.
    Normal,
    /// As one from before 7.0.45: it does not know the call that takes a `clientId`.
    Old,
    /// Never.
    Silent,
    /// Never, for want of a bridge.
    Absent,
    /// The person refuses.
    Cancelling,
    /// With this error.
    Failing(Value, &'static str),
    /// With the code that it gave before, over and over.
    Repeating,
}

/// What a page asked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// The bridge's name of the call.
    pub method: String,
    /// Its parameters.
    pub parameters: Value,
}

/// A client somebody is signed in to. Its clones are the same one.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    platform: Platform,
    setup: Arc<Setup>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    user_id: String,
    behaviour: Behaviour,
    asked: Vec<Asked>,
    codes: Vec<String>,
}

impl Client {
    /// One in which a person of the setup's app is signed in.
    pub fn new(setup: &Arc<Setup>, platform: Platform, user_id: &str) -> Self {
        Self(Arc::new(Inner {
            platform,
            setup: Arc::clone(setup),
            state: Mutex::new(State {
                user_id: user_id.to_owned(),
                behaviour: Behaviour::Normal,
                asked: Vec::new(),
                codes: Vec::new(),
            }),
        }))
    }

    /// Somebody else signs in to it.
    pub fn switch_to(&self, user_id: &str) {
        self.with(|state| user_id.clone_into(&mut state.user_id));
    }

    /// It answers so from now on.
    pub fn answers(&self, behaviour: Behaviour) {
        self.with(|state| state.behaviour = behaviour);
    }

    /// What pages asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.with(|state| state.asked.clone())
    }

    /// The codes it gave so far.
    pub fn codes(&self) -> Vec<String> {
        self.with(|state| state.codes.clone())
    }

    /// Source: dingtalk-api.md, section 9.3.
    pub(super) fn user_agent(&self) -> &'static str {
        match self.0.platform {
            Platform::Android => ANDROID,
            Platform::Ios => IOS,
            Platform::Harmony => HARMONY,
            Platform::Pc => PC,
        }
    }

    pub(super) fn is_android(&self) -> bool {
        self.0.platform == Platform::Android
    }

    /// What runs before a page's own scripts.
    pub(super) fn bridge(&self) -> String {
        if self.with(|state| state.behaviour == Behaviour::Absent) {
            return String::new();
        }
        let bridge = match self.0.platform {
            Platform::Android => include_str!("bridge/android.js"),
            Platform::Ios => include_str!("bridge/ios.js"),
            Platform::Harmony => include_str!("bridge/harmony.js"),
            Platform::Pc => include_str!("bridge/pc.js"),
        };
        format!(
            "(() => {{\n{}\n{bridge}\n}})();",
            include_str!("bridge/native.js")
        )
    }

    /// `{"ok": …, "body": …}`, or no answer.
    pub(super) fn answer(&self, method: &str, parameters: &Value) -> Option<Value> {
        self.with(|state| {
            state.asked.push(Asked {
                method: method.to_owned(),
                parameters: parameters.clone(),
            });
            let is_newer = method == "runtime.permission.requestAuthCodeV2";
            let is_known = method == "runtime.permission.requestAuthCode"
                || is_newer && state.behaviour != Behaviour::Old;
            match &state.behaviour {
                Behaviour::Silent | Behaviour::Absent => return None,
                Behaviour::Cancelling => return Some(self.cancelled()),
                Behaviour::Failing(code, message) => {
                    return Some(self.failed(code.clone(), message));
                }
                _ if !is_known => return Some(self.failed(json!(1), "not existing")),
                Behaviour::Repeating if !state.codes.is_empty() => {
                    return Some(json!({"ok": true, "body": {"code": state.codes[0]}}));
                }
                _ => {}
            }
            let app = &self.0.setup.sandbox.world().apps[0];
            if parameters["corpId"] != *app.corp_id {
                return Some(match self.0.platform {
                    Platform::Pc => self.failed(json!("PC_1005"), "corpId不合法"),
                    _ => self.failed(json!(3), "1002,corpId不合法"),
                });
            }
            if is_newer && parameters["clientId"] != *app.app_key {
                return Some(self.failed(json!(3), "对应企业没有该域名微应用"));
            }
            let code = self.0.setup.sandbox.code(&app.app_key, &state.user_id);
            state.codes.push(code.clone());
            Some(json!({"ok": true, "body": {"code": code}}))
        })
    }

    fn cancelled(&self) -> Value {
        match self.0.platform {
            Platform::Pc => self.failed(json!("PC_1011"), "interrupted by the user"),
            _ => self.failed(json!(-1), "cancel"),
        }
    }

    fn failed(&self, code: Value, message: &str) -> Value {
        // iOS has its codes as texts.
        let code = match (self.0.platform, code) {
            (Platform::Ios, Value::Number(code)) => json!(code.to_string()),
            (_, code) => code,
        };
        json!({"ok": false, "body": {"errorCode": code, "errorMessage": message}})
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

const ANDROID: &str = "Mozilla/5.0 (Linux; U; Android 14; zh-CN; 23127PN0CC Build/UKQ1.230804.001) AppleWebKit/537.36 \
     (KHTML, like Gecko) Version/4.0 Chrome/100.0.4896.58 UWS/5.12.3.0 Mobile Safari/537.36 AliApp(DingTalk/7.0.50) \
     com.alibaba.android.rimet/28810254 Channel/700159 language/zh-CN abi/64";
const IOS: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/20G75 \
     AliApp(DingTalk/7.0.50) com.laiwang.DingTalk/31322509 Channel/201200 language/zh-Hans-CN UT4Aplus/0.0.6 WK";
const HARMONY: &str = "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 \
     ArkWeb/4.1.6.1 Mobile AliApp(DingTalk/7.6.0) language/zh-CN";
const PC: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/108.0.5359.125 \
     Safari/537.36 dingtalk-win/1.0.0 nw(0.14.7) DingTalk(7.6.45-Release.250241020) Mojo/1.0.0 Native AppType(release) \
     Channel/201200 Architecture/x86_64";
