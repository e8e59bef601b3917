//! The testbed's own stories: what other tests rely on, shown on the real thing. One control plane serves them all.

mod api_proxy;
mod audit;
mod control_plane;
mod enclosure;
mod operator;
mod outputs;
mod parents_death;
mod pods;
