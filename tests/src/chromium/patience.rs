//! How long a test waits for a browser: the one place where real time passes.

use std::time::Duration;

/// Whether it ends before nobody would wait any longer.
#[expect(
    clippy::disallowed_methods,
    reason = "a browser runs on real time, and what never comes must end a test"
)]
pub(super) async fn in_time(work: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(PATIENCE, work).await.is_ok()
}

const PATIENCE: Duration = Duration::from_secs(30);
