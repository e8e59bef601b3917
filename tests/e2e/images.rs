//! The images of the node, packed as the project packs its own: no engine, no registry.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image::{Image, rootfs};
use testbed::node::{COREDNS, NodeImages, PAUSE, enclosure};

use crate::programs::Programs;

/// The repository of the operator's images.
pub const OPERATOR: &str = "localhost/apitoken-operator";
/// The tag that is installed first.
pub const TAG: &str = "e2e";
/// The tag that is upgraded to: another image of the same program.
pub const NEXT_TAG: &str = "e2e-next";
/// Vendors, and pods that use their tokens.
pub const PODS: &str = "localhost/testbed-pods:1";

pub struct Archives {
    pub node: NodeImages,
    pub others: Vec<PathBuf>,
}

pub fn pack(programs: &Programs) -> Result<Archives> {
    // What was built quickly is larger than what is released.
    let operator = Image { size_limit: None, ..rootfs::operator(&programs.operator)? };
    let mut next = operator.clone();
    next.labels.insert("org.opencontainers.image.version".to_owned(), "next".to_owned());
    let pods = |arguments: &[&str]| rootfs::of_program("testbed-pods", &programs.pods, arguments);
    Ok(Archives {
        node: NodeImages {
            pause: write("pause", PAUSE, &pods(&["pause"])?)?,
            coredns: write("coredns", COREDNS, &of_program("coredns", &programs.coredns)?)?,
        },
        others: vec![
            write("operator", &format!("{OPERATOR}:{TAG}"), &operator)?,
            write("operator-next", &format!("{OPERATOR}:{NEXT_TAG}"), &next)?,
            write("pods", PODS, &pods(&[])?)?,
        ],
    })
}

fn of_program(name: &str, program: &Path) -> Result<Image> {
    Ok(rootfs::of_program(name, program, &[])?)
}

fn write(name: &str, reference: &str, image: &Image) -> Result<PathBuf> {
    let dir = enclosure::directory().context("images are packed inside the enclosure")?;
    let archive = dir.join(format!("{name}.tar"));
    image.write(&reference.parse()?, &archive)?;
    Ok(archive)
}
