//! (being built)

pub mod entry;
pub mod index;
