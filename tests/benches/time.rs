//! What `DingTalkAuth` adds to the time of a signed-in request over a layer that does nothing, in one process, in alternating
//! rounds, on both frameworks. Printed with its limit and judged by the reader, because machines are noisy.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on stops"
)]

mod request_path;

use std::time::{Duration, Instant};

use request_path::Request;

const ROUNDS: usize = 201;
const REQUESTS: u32 = 500;
const MAX_ADDED: Duration = Duration::from_micros(1);

fn main() {
    // `cargo test --benches` builds and runs this too; it has nothing to test.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("{ROUNDS} rounds of {REQUESTS} requests each, in turn; medians per request");
    for (name, (without, with)) in request_path::compare(medians) {
        println!(
            "{name:26} no-op {:>5} ns   DingTalkAuth {:>5} ns   ratio {:.2}   adds {:>4} ns (limit {})",
            without.as_nanos(),
            with.as_nanos(),
            with.as_secs_f64() / without.as_secs_f64(),
            with.saturating_sub(without).as_nanos(),
            MAX_ADDED.as_nanos(),
        );
    }
}

fn medians(without: Request<'_>, with: Request<'_>) -> (Duration, Duration) {
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(time(without));
        ours.push(time(with));
    }
    plain.sort();
    ours.sort();
    (plain[ROUNDS / 2], ours[ROUNDS / 2])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn time(request: Request<'_>) -> Duration {
    let start = Instant::now();
    for _ in 0..REQUESTS {
        request();
    }
    start.elapsed() / REQUESTS
}
