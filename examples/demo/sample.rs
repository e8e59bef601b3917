//! The sample manifests, and where they are changed to fit the demo: addresses and authority, nothing else.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

pub const FILE: &str = "examples/samples/three-vendors.yaml";

/// The objects of the sample.
pub struct Sample(Vec<Value>);

impl Sample {
    /// # Errors
    /// The file cannot be read or is not YAML.
    pub fn read() -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self(serde_saphyr::from_multiple(&text).with_context(|| format!("{FILE} is not YAML"))?))
    }

    /// The vendors' accounts are made from the Secrets of the sample, so that the two cannot differ.
    ///
    /// # Errors
    /// There is no such Secret.
    pub fn credentials(&self, secret: &str) -> Result<BTreeMap<String, String>> {
        for object in &self.0 {
            if object["kind"] == "Secret" && object["metadata"]["name"] == secret {
                return Ok(serde_json::from_value(object["stringData"].clone())?);
            }
        }
        bail!("{FILE} has no Secret {secret:?}")
    }

    /// Moves a provider to another address, whose certificate `authority` signed. Returns the address that it had.
    ///
    /// # Errors
    /// There is no such provider.
    pub fn place(&mut self, provider: &str, url: &str, authority: &str) -> Result<String> {
        for object in &mut self.0 {
            if object["kind"] == "ClusterTokenProvider" && object["metadata"]["name"] == provider {
                let before = object["spec"]["url"].as_str().unwrap_or_default().to_owned();
                object["spec"]["url"] = json!(url);
                object["spec"]["tls"]["caBundle"] = json!(authority);
                return Ok(before);
            }
        }
        bail!("{FILE} has no ClusterTokenProvider {provider:?}")
    }

    /// What kubectl applies: JSON is YAML.
    pub fn manifest(&self) -> String {
        json!({ "apiVersion": "v1", "kind": "List", "items": self.0 }).to_string()
    }
}
