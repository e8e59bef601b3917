//! The operator as a real process against real servers, by definitions that were written from the servers' own
//! documentation: `examples/providers`.
#![allow(clippy::panic, reason = "a test ends at what it cannot go on with")]

#[path = "../stories/customers.rs"]
#[allow(dead_code, reason = "the customers of the fakes are not wanted here")]
mod customers;
#[path = "../stories/world.rs"]
#[allow(dead_code, reason = "not all that the other stories need")]
mod world;

mod client;
mod person;
mod user;

mod hydra_clients;
mod hydra_consent;
mod hydra_keys;
mod pocketbase;
mod pocketbase_refusals;
