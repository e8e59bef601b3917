//! An archive, taken apart as an engine does.

use std::{collections::BTreeMap, io::Read};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType};

/// Files of a tar by their paths.
pub type Files = BTreeMap<String, Entry>;

/// A file or directory of a tar.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: EntryType,
    pub mode: u32,
    pub owner: (u64, u64),
    pub modified: u64,
    pub content: Vec<u8>,
}

/// The documents of an image, and the files of its one layer.
#[derive(Debug)]
pub struct Unpacked {
    pub index: Value,
    pub manifest: Value,
    pub config: Value,
    pub for_docker: Value,
    pub files: Files,
}

pub fn tar(bytes: &[u8]) -> Files {
    let mut archive = Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode().unwrap());
        let (owner, modified) = ((header.uid().unwrap(), header.gid().unwrap()), header.mtime().unwrap());
        let path = entry.path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, Entry { kind, mode, owner, modified, content })
    });
    entries.collect()
}

impl Unpacked {
    /// Follows the index to the layer, and checks size and digest of all that is named on the way.
    pub fn read(archive: &[u8]) -> Self {
        let outer = tar(archive);
        let document = |path: &str| -> Value { serde_json::from_slice(&outer[path].content).unwrap() };
        assert_eq!(document("oci-layout")["imageLayoutVersion"], "1.0.0");
        let blob = |descriptor: &Value| -> &[u8] {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let content = &outer[&format!("blobs/sha256/{digest}")].content;
            assert_eq!(digest_of(content), digest);
            assert_eq!(descriptor["size"], content.len());
            content
        };
        let index = document("index.json");
        let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(blob(&manifest["config"])).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 1);
        let layer = blob(&layers[0]);
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", digest_of(layer)));
        let files = tar(layer);
        Self { for_docker: document("manifest.json"), index, manifest, config, files }
    }
}

fn digest_of(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
