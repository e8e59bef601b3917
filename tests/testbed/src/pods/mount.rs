//! A Secret as a kubelet shows it in a directory.
//!
//! The kubelet writes a new directory, turns the link `..data` to it and removes the old one. Who opens the files by
//! their own names may get one from before the turn and one from after it, and tokens that do not belong together.
//! Therefore the link is followed once, and all files are read from where it led.

use std::{fs, io, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use crate::vendors::consumer::SecretData;

/// The files at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub data: SecretData,
    /// When the kubelet wrote them.
    pub written: Timestamp,
}

/// How often the link is followed again when the directory behind it has just gone.
const ATTEMPTS: u32 = 3;

/// All files of the mounted Secret, of one version of it.
pub fn read(directory: &Path) -> io::Result<Content> {
    let mut outcome = read_once(directory);
    for _ in 1..ATTEMPTS {
        match &outcome {
            Err(error) if error.kind() == io::ErrorKind::NotFound => outcome = read_once(directory),
            _ => break,
        }
    }
    outcome
}

fn read_once(directory: &Path) -> io::Result<Content> {
    let version = fs::canonicalize(directory.join("..data")).or_else(|_| fs::canonicalize(directory))?;
    let mut data = SecretData::new();
    for entry in fs::read_dir(&version)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            data.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
        }
    }
    let written = Timestamp::try_from(fs::metadata(&version)?.modified()?).map_err(io::Error::other)?;
    Ok(Content { data, written })
}

impl Content {
    /// The `jti` of the first JWT among the values: the name that the vendor's history has for the token.
    pub fn token_id(&self) -> Option<String> {
        self.data.values().find_map(|text| {
            let claims = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
            let claims: Value = serde_json::from_slice(&claims).ok()?;
            Some(claims["jti"].as_str()?.to_owned())
        })
    }
}
