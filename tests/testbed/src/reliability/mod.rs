//! What is shown of the fault matrix: a story that has held leaves a note, and the notes make `docs/reliability.md`.
//!
//! It judges what it is given (histories of vendors, versions of outputs) and injects nothing itself.

pub mod figures;
pub mod fuzz;
pub mod matrix;
pub mod notes;
pub mod oracles;
pub mod page;
pub mod tables;

pub use notes::row;
