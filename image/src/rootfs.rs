//! The root file systems: that of the operator, and that of a program alone.
//!
//! No shell, no library, no package manager; nobody but root may write anything.

use std::{collections::BTreeMap, path::Path};

use crate::{archive::Image, certificates, file::File, file::FileError};

/// The user and the group that programs run as: the number that images without a shell have agreed upon.
pub const NON_ROOT: u32 = 65532;
/// The most that the operator's root file system may take, in bytes.
pub const SIZE_LIMIT: usize = 20 << 20;

const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnonroot:x:65532:\n";
/// Without it the C library asks for names in an order of its own choice.
const NSSWITCH: &str = "hosts: files dns\n";

/// The port of metrics and probes.
const METRICS_PORT: u16 = 8080;

/// What a program finds at its root: users, certificates, the order of name look-ups, and itself.
pub fn files(name: &str, program: &Path) -> Result<Vec<File>, FileError> {
    Ok(vec![
        File::program(name, program)?,
        File::data("etc/group", GROUP),
        File::data("etc/nsswitch.conf", NSSWITCH),
        File::data("etc/passwd", PASSWD),
        File::data("etc/ssl/certs/ca-certificates.crt", certificates::pem()),
    ])
}

/// The image of the operator around its program.
pub fn operator(program: &Path) -> Result<Image, FileError> {
    let labels = [
        ("title", "apitoken-operator"),
        ("description", "Logs in to APIs, keeps short-lived tokens fresh, and keeps them in Secrets"),
        ("licenses", "Apache-2.0"),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    let labels = labels.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()));
    Ok(Image {
        files: files("apitoken-operator", program)?,
        entrypoint: vec!["/apitoken-operator".to_owned()],
        cmd: vec!["run".to_owned()],
        ports: vec![METRICS_PORT],
        labels: BTreeMap::from(labels),
        size_limit: Some(SIZE_LIMIT),
        ..Image::default()
    })
}

/// An image of one program, `/NAME`, that is started with `arguments`; pods may give others.
pub fn of_program(name: &str, program: &Path, arguments: &[&str]) -> Result<Image, FileError> {
    Ok(Image {
        files: files(name, program)?,
        entrypoint: vec![format!("/{name}")],
        cmd: arguments.iter().map(ToString::to_string).collect(),
        ..Image::default()
    })
}
