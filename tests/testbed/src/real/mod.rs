//! Real servers on loopback: what vendors release, built from source, with a front that ends TLS and keeps a record.
//!
//! They are started and told what to do by their own administration interfaces; nothing of theirs is imitated here.

mod consent;
mod front;
mod hydra;
mod pocketbase;
mod wire;

pub use front::{Front, Passed};
pub use hydra::{Hydra, Lives};
pub use pocketbase::PocketBase;
