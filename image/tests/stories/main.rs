//! What is in an image, read back from the archive and run without an engine.
#![allow(clippy::unwrap_used, reason = "a test ends at what it cannot go on with")]

mod archive;
mod containerfile;
mod materials;
mod program;
mod released;
mod resolving;
mod unpacked;
