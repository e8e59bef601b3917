//! Container images without a container engine: a root file system, packed as an archive that every engine loads.
//!
//! What it makes depends on the files that go in and on nothing else: not on the machine, the user, the umask or the
//! time. It pushes nothing and pulls nothing.

/// OCI image layout, and the same layers for `docker load`.
pub mod archive;
/// Static programs, by cargo.
pub mod build;
/// The certificates that the public Internet is trusted by.
pub mod certificates;
/// What a program says about itself.
pub mod elf;
/// Files as they stand in an image.
pub mod file;
/// Files as a tar.
mod layer;
/// Names of images.
pub mod reference;
/// The root file system of the operator, and of programs alone.
pub mod rootfs;

pub use archive::{Image, Written};
pub use file::File;
pub use reference::Reference;
