//! Signing in as a person meets it, in a real Chromium and on both frameworks: inside each of DingTalk's clients, and on the web.
//!
//! DingTalk's JSAPI script is our own small one here, which asks the same bridges; `cargo xtask conformance` runs the same cases
//! with DingTalk's npm package in its place, and looks at every page with axe-core.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "npm")]
mod accessibility;
mod bridge;
mod embedded;
mod frame;
mod landing;
mod people;
mod repeat;
mod sandbox;
mod stage;
mod trouble;
mod web;
