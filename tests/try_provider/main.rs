//! `apitoken-operator try`, the real binary, against servers on loopback: what it sends, what it says, how it ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it cannot go on with")]

mod bench;
mod inputs;
mod leaks;
mod oauth2;
mod picture;
mod replies;
mod spending;
mod tls;
mod transcript;
