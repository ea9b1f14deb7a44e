//! What the family's tests share: a browser, the same app in both frameworks, and a setup around one sandbox.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever goes wrong in here is a test that failed"
)]

mod app;
mod browser;
pub mod chromium;
pub mod contract;
mod pulse;
mod setup;
mod store;

pub use app::{Framework, Gate, Placement, RunningApp};
pub use browser::{Answer, Browser, Request, login};
pub use pulse::{LOGIN, WatchedClock};
pub use setup::{ORIGIN, SandboxClock, Setup, app_of, build, build_app, sandbox};
pub use store::{FailingStore, Mood, Verb};

/// Makes every case a named test on both frameworks.
#[macro_export]
macro_rules! both {
    ($($(#[$about:meta])* async fn $name:ident($framework:ident) $body:block)*) => {
        $($(#[$about])* async fn $name($framework: $crate::Framework) $body)*

        mod axum {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::Framework::Axum).await })*
        }

        mod actix {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::Framework::Actix).await })*
        }
    };
}
