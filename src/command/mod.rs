//! The door: what the command line offers.

pub mod crd;
