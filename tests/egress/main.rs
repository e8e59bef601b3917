//! Egress against servers that lie, stall, flood and lead astray. All of them on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod addresses;
mod bounds;
mod connections;
mod proxy;
mod server;
mod stories;
mod tls;
