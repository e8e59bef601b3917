//! The life of a token, decided from what was observed and the time. Pure: no clock, no client, no randomness.

pub mod errand;
pub mod facts;
pub mod session;
pub mod schedule;
pub mod output;
pub mod observation;
pub mod decide;
pub mod status;

#[cfg(test)]
pub(crate) mod fixtures;
