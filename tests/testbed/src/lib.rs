//! What tests, demo and benchmarks share: a real control plane, the operator as a process, and watchers of both.
//!
//! It stands beside the product and never inside it: nothing here may be used by the operator's own code, and all
//! traffic stays on loopback.
#![forbid(unsafe_code)]

pub mod api_proxy;
pub mod audit;
pub mod binaries;
pub mod ca;
mod component;
pub mod control_plane;
pub mod etcd;
pub mod eventually;
mod flags;
pub mod go_build;
pub mod kubectl;
pub mod leaks;
pub mod lifeline;
mod loopback_http;
pub mod metrics;
pub mod node;
pub mod operator;
pub mod outputs;
mod pki;
pub mod pods;
pub mod ports;
mod process_cost;
pub mod proxy;
pub mod real;
pub mod reliability;
pub mod users;
pub mod vendors;
