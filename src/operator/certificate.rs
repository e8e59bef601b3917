//! The certificate that the instruments' server presents, from the files of a mounted Secret.
//!
//! The files are read again at each connection: whoever rotates them (cert-manager, say) need not tell anybody. Files
//! that cannot be used leave the last good certificate in its place, and the log says so once.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    sign::{CertifiedKey, SingleCertAndKey},
};
use secrecy::{ExposeSecret, SecretString};

use super::tls::{self, Identity, TlsMaterialError};

/// Keys of a Secret of type `kubernetes.io/tls`.
const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";

/// A certificate that follows its files.
pub struct Certificate {
    directory: PathBuf,
    current: Mutex<Current>,
}

/// Why there is no certificate to present.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error(
        "cannot read {}: --listen-tls wants a directory with {CHAIN} and {KEY}, as a Secret of type kubernetes.io/tls \
        is mounted",
        .path.display()
    )]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the files of --listen-tls cannot be used")]
    Unusable(#[from] TlsMaterialError),
}

struct Current {
    config: Arc<ServerConfig>,
    /// Of the files that were looked at last, good or bad.
    seen: Option<Identity>,
}

/// The two files as they were at one moment.
struct Files {
    chain: String,
    key: SecretString,
}

impl Certificate {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// When one of them is missing, or they are no certificate with its key.
    pub fn read(directory: PathBuf) -> Result<Self, CertificateError> {
        let files = Files::read(&directory)?;
        let current = Current { config: files.config(&directory)?, seen: Some(files.identity()) };
        Ok(Self { directory, current: Mutex::new(current) })
    }

    /// How to greet the next client. Two small files on a tmpfs are read for it: less than the handshake costs.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let files = Files::read(&self.directory);
        let seen = files.as_ref().ok().map(Files::identity);
        if current.seen != seen {
            current.seen = seen;
            match files.and_then(|files| files.config(&self.directory)) {
                Ok(config) => {
                    current.config = config;
                    tracing::info!(directory = %self.directory.display(), "the server's certificate has changed");
                }
                // A rotation that is half done looks like this, too: the next connection sees the other half.
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the server's certificate cannot be read again; the old one stays"
                ),
            }
        }
        Arc::clone(&current.config)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Files {
    fn read(directory: &Path) -> Result<Self, CertificateError> {
        let read = |name| {
            let path = directory.join(name);
            fs::read_to_string(&path).map_err(|source| CertificateError::Unreadable { path, source })
        };
        Ok(Self { chain: read(CHAIN)?, key: read(KEY)?.into() })
    }

    fn identity(&self) -> Identity {
        Identity::of(&[self.chain.as_bytes(), self.key.expose_secret().as_bytes()])
    }

    fn config(&self, directory: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
        let key = tls::certified_key(&self.chain, &self.key, &directory.display().to_string())?;
        Ok(Arc::new(presenting(key)))
    }
}

fn presenting(key: CertifiedKey) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("invariant: the provider knows TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
