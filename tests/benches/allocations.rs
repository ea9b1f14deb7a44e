//! How many allocations `DingTalkAuth` adds to a signed-in request over a layer that does nothing, on both frameworks. Apart
//! from the time, because counting takes some. Ends with exit status 1 when they are over their limit.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on stops"
)]

mod request_path;

use std::process::ExitCode;

use request_path::Request;

const MAX_ADDED: i64 = 10;

fn main() -> ExitCode {
    // `cargo test --benches` builds and runs this too; it has nothing to test.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let mut is_within = true;
    for (name, added) in request_path::compare(added) {
        println!("{name:26} adds {added} allocations (limit {MAX_ADDED})");
        is_within &= added <= MAX_ADDED;
    }
    if is_within {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn added(without: Request<'_>, with: Request<'_>) -> i64 {
    // The first requests make what later ones find.
    for _ in 0..100 {
        without();
        with();
    }
    allocations(with) - allocations(without)
}

fn allocations(request: Request<'_>) -> i64 {
    let info = allocation_counter::measure(request);
    i64::try_from(info.count_total).expect("a small number")
}
