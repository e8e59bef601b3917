//! An image as one file: OCI image layout 1.0, with the index that `docker load` of older engines reads.
//!
//! The layer is not compressed: registries' clients compress what they push, and there is one thing less that two
//! versions of a library could do differently.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    elf::{self, ElfError},
    file::{File, FileError},
    layer,
    reference::Reference,
    rootfs::NON_ROOT,
};

/// What an image is made of.
#[derive(Clone, Debug)]
pub struct Image {
    pub files: Vec<File>,
    pub entrypoint: Vec<String>,
    /// The arguments of a container that is given none.
    pub cmd: Vec<String>,
    /// `UID:GID`, in numbers: a kubelet cannot see whether a name is root's.
    pub user: String,
    /// TCP.
    pub ports: Vec<u16>,
    pub labels: BTreeMap<String, String>,
    /// Of all files and of the image, in seconds since 1970.
    pub created: u64,
    /// The most that the files may take together, in bytes.
    pub size_limit: Option<usize>,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("/{path} cannot be the program of an image")]
    Program { path: String, source: ElfError },
    #[error("the entrypoint {0:?} is not among the files of the image")]
    NoEntrypoint(String),
    #[error("the files take {size} bytes together, {over} more than the {limit} that are allowed")]
    TooLarge { size: usize, over: usize, limit: usize },
    #[error("{0} seconds since 1970 are no time that can be written")]
    Created(u64),
    #[error("the archive cannot be put together")]
    Tar(#[source] io::Error),
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Of the manifest: what a registry will name the image by, if the layer is pushed as it is.
    pub digest: String,
    /// Bytes of all files together, as they lie on the disk of a node.
    pub size: usize,
    pub architecture: &'static str,
}

/// A part of the layout, named by its digest.
struct Blob {
    media_type: &'static str,
    content: Vec<u8>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            user: format!("{NON_ROOT}:{NON_ROOT}"),
            ports: Vec::new(),
            labels: BTreeMap::new(),
            created: 0,
            size_limit: None,
        }
    }
}

impl Image {
    /// Writes the archive under a name that it is known by when it is loaded.
    pub fn write(&self, name: &Reference, output: &Path) -> Result<Written, ArchiveError> {
        let (archive, written) = self.pack(name)?;
        fs::write(output, archive).map_err(|source| ArchiveError::Write { path: output.to_owned(), source })?;
        Ok(written)
    }

    /// The size of all files and the architecture, if an image can be made of them.
    pub fn check(&self) -> Result<(usize, &'static str), ArchiveError> {
        Ok((self.size()?, self.architecture()?))
    }

    /// The archive as bytes.
    pub fn pack(&self, name: &Reference) -> Result<(Vec<u8>, Written), ArchiveError> {
        let (size, architecture) = self.check()?;
        let layer = Blob::new(
            "application/vnd.oci.image.layer.v1.tar",
            layer::tar(&self.files, self.created).map_err(ArchiveError::Tar)?,
        );
        let config = self.config(architecture, &layer)?;
        let manifest = Blob::json(
            "application/vnd.oci.image.manifest.v1+json",
            &json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
            }),
        );
        let index = index(name, &manifest, architecture);
        let for_docker = json!([{"Config": config.path(), "RepoTags": [name.to_string()], "Layers": [layer.path()]}]);
        let digest = manifest.digest();
        let mut files = vec![
            File::data("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
            File::data("index.json", index.to_string()),
            File::data("manifest.json", for_docker.to_string()),
        ];
        files.extend([layer, config, manifest].map(|blob| File::data(&blob.path(), blob.content)));
        let archive = layer::tar(&files, self.created).map_err(ArchiveError::Tar)?;
        Ok((archive, Written { digest, size, architecture }))
    }

    fn size(&self) -> Result<usize, ArchiveError> {
        let size = self.files.iter().map(|file| file.content.len()).sum();
        match self.size_limit {
            Some(limit) if size > limit => Err(ArchiveError::TooLarge { size, over: size - limit, limit }),
            _ => Ok(size),
        }
    }

    fn architecture(&self) -> Result<&'static str, ArchiveError> {
        let entrypoint = self.entrypoint.first().map(String::as_str).unwrap_or_default();
        let program = self.files.iter().find(|file| entrypoint.strip_prefix('/') == Some(file.path.as_str()));
        let program = program.ok_or_else(|| ArchiveError::NoEntrypoint(entrypoint.to_owned()))?;
        elf::architecture(&program.content)
            .map_err(|source| ArchiveError::Program { path: program.path.clone(), source })
    }

    fn config(&self, architecture: &str, layer: &Blob) -> Result<Blob, ArchiveError> {
        let created = i64::try_from(self.created).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let created = created.ok_or(ArchiveError::Created(self.created))?.to_string();
        let ports: BTreeMap<_, _> = self.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
        let document = json!({
            "created": created,
            "architecture": architecture,
            "os": "linux",
            "config": {
                "User": self.user,
                "Entrypoint": self.entrypoint,
                "Cmd": self.cmd,
                "ExposedPorts": ports,
                "Labels": self.labels,
                "WorkingDir": "/",
            },
            // What is packed is not compressed, so it is its own diff.
            "rootfs": {"type": "layers", "diff_ids": [layer.digest()]},
            "history": [{"created": created, "created_by": "image archive"}],
        });
        Ok(Blob::json("application/vnd.oci.image.config.v1+json", &document))
    }
}

/// The image under its name: containerd reads the one annotation, tools of the OCI layout the other.
fn index(name: &Reference, manifest: &Blob, architecture: &str) -> Value {
    let mut entry = manifest.descriptor();
    entry["platform"] = json!({"architecture": architecture, "os": "linux"});
    entry["annotations"] = json!({
        "io.containerd.image.name": name.full(),
        "org.opencontainers.image.ref.name": name.tag(),
    });
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]})
}

impl Blob {
    fn new(media_type: &'static str, content: Vec<u8>) -> Self {
        Self { media_type, content }
    }

    fn json(media_type: &'static str, document: &Value) -> Self {
        Self::new(media_type, document.to_string().into_bytes())
    }

    fn hash(&self) -> String {
        Sha256::digest(&self.content).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.hash())
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hash())
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest(), "size": self.content.len()})
    }
}
