//! The case list: behaviour seen from outside, each case on both frameworks, against the sandbox.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod contract;
mod cookies;
mod corp;
mod cost;
mod crowd;
mod door;
mod exchange;
mod fault;
mod headers;
mod hook;
mod login;
mod page;
mod parity;
mod placement;
mod redirect;
mod secrecy;
mod session;
mod store;
mod token;
mod web;
