//! Whom a provider's connections trust, and as whom they present themselves.
//!
//! Parses PEM that users wrote, and says clearly what is wrong with it. Reads no Secret and opens no connection.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jiff::Timestamp;
use rustls::{
    CertificateError, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::CertifiedKey,
};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

/// The TLS of one provider. The default trusts the system's authorities and presents nothing.
#[derive(Clone, Default)]
pub struct TlsMaterial {
    /// `caBundle`: trusted *instead of* the system's authorities.
    pub ca_bundle: Option<CaBundle>,
    pub client_certificate: Option<ClientCertificate>,
    /// `insecureHTTP`: a URL with plain `http` may be called.
    pub insecure_http: bool,
    /// What it refers to was not read yet: nothing may be sent with it.
    pub unread: bool,
}

/// Authorities, at least one.
#[derive(Clone)]
pub struct CaBundle {
    certificates: Vec<reqwest::Certificate>,
    identity: Identity,
}

/// A certificate chain and the key that belongs to it.
#[derive(Clone)]
pub struct ClientCertificate {
    presented: reqwest::Identity,
    identity: Identity,
    not_after: Option<Timestamp>,
}

/// Equal exactly when the PEM texts are: what a cache of clients goes by, so that a rotated bundle means a new client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 32]);

/// Why TLS material cannot be used. Names places and never bytes.
#[derive(Debug, thiserror::Error)]
pub enum TlsMaterialError {
    #[error("{place} holds no PEM certificate; it must hold blocks of BEGIN CERTIFICATE, and nothing encrypted")]
    NoCertificate { place: String },
    #[error("certificate {number} in {place} cannot be read; it must be X.509 in PEM")]
    BadCertificate { place: String, number: usize },
    #[error("{place} holds more than {MAX_CERTIFICATES} certificates; keep those that the provider needs")]
    TooManyCertificates { place: String },
    #[error("{place} holds no usable PEM private key; it must be PKCS#8, PKCS#1 or SEC1, and not encrypted")]
    NoKey { place: String },
    #[error("the certificate and the key in {place} do not belong together, or are of a kind that is not supported")]
    Mismatch {
        place: String,
        #[source]
        source: rustls::Error,
    },
}

/// The system bundles of distributions hold about 150.
const MAX_CERTIFICATES: usize = 1000;
/// Later than any time that a certificate can state (RFC 5280 4.1.2.5: the year 9999).
const AFTER_ALL: Duration = Duration::from_secs(300_000_000_000);

impl TlsMaterial {
    /// What of this decides which connections may be shared.
    pub(super) fn identities(&self) -> (Option<Identity>, Option<Identity>) {
        let ca = self.ca_bundle.as_ref().map(|bundle| bundle.identity);
        (ca, self.client_certificate.as_ref().map(|certificate| certificate.identity))
    }

    /// Names this material, and is another for other material. Says nothing of it.
    #[must_use]
    pub fn mark(&self) -> String {
        let (authorities, presented) = self.identities();
        let both = [authorities, presented].map(|part| part.map_or_else(Vec::new, |identity| identity.0.to_vec()));
        let Identity(mark) = Identity::of(&both.each_ref().map(Vec::as_slice));
        BASE64_URL_SAFE_NO_PAD.encode(&mark[..9])
    }
}

impl CaBundle {
    /// Reads a PEM bundle. `place` names it in errors: `spec.tls.caBundle`, or a key of an object.
    pub fn parse(text: &str, place: &str) -> Result<Self, TlsMaterialError> {
        let ders = certificates(text, place)?;
        let mut roots = RootCertStore::empty();
        for (index, der) in ders.iter().enumerate() {
            // An authority that cannot be read would otherwise surface at the first connection, as a failure of TLS.
            roots.add(der.clone()).map_err(|_| bad_certificate(place, index))?;
        }
        let certificates = ders
            .iter()
            .enumerate()
            .map(|(index, der)| reqwest::Certificate::from_der(der).map_err(|_| bad_certificate(place, index)))
            .collect::<Result<_, _>>()?;
        Ok(Self { certificates, identity: Identity::of(&[text.as_bytes()]) })
    }

    pub(super) fn certificates(&self) -> impl Iterator<Item = reqwest::Certificate> + '_ {
        self.certificates.iter().cloned()
    }
}

impl ClientCertificate {
    /// Reads a chain (the client's own certificate first) and its key. `place` names the Secret in errors.
    pub fn parse(chain: &str, key: &SecretString, place: &str) -> Result<Self, TlsMaterialError> {
        let certified = certified_key(chain, key, place)?;
        let both = Zeroizing::new([chain, "\n", key.expose_secret()].concat());
        let presented = reqwest::Identity::from_pem(both.as_bytes())
            .map_err(|_| TlsMaterialError::NoKey { place: place.to_owned() })?;
        let identity = Identity::of(&[chain.as_bytes(), key.expose_secret().as_bytes()]);
        Ok(Self { presented, identity, not_after: certified.end_entity_cert().ok().and_then(not_after) })
    }

    /// When the client's own certificate expires; `None` where that cannot be told.
    #[must_use]
    pub const fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }

    /// When it expired, if it has. No server takes it then: what is sent with it only costs requests.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_after.filter(|at| *at < now)
    }

    pub(super) fn presented(&self) -> reqwest::Identity {
        self.presented.clone()
    }
}

/// A chain, the own certificate first, and the key that belongs to it. `place` names where they are from in errors.
pub(super) fn certified_key(chain: &str, key: &SecretString, place: &str) -> Result<CertifiedKey, TlsMaterialError> {
    let certificates = certificates(chain, place)?;
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
        .map_err(|_| TlsMaterialError::NoKey { place: place.to_owned() })?;
    CertifiedKey::from_der(certificates, key, &Arc::new(default_provider()))
        .map_err(|source| TlsMaterialError::Mismatch { place: place.to_owned(), source })
}

/// The end of a certificate's validity, from the one who judges it: looked at from after all time, it has expired.
fn not_after(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone().into_owned()).ok()?;
    let judge = WebPkiClientVerifier::builder_with_provider(roots.into(), default_provider().into()).build().ok()?;
    match judge.verify_client_cert(certificate, &[], UnixTime::since_unix_epoch(AFTER_ALL)) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Timestamp::from_second(i64::try_from(not_after.as_secs()).ok()?).ok()
        }
        _ => None,
    }
}

fn certificates(text: &str, place: &str) -> Result<Vec<CertificateDer<'static>>, TlsMaterialError> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        if found.len() == MAX_CERTIFICATES {
            return Err(TlsMaterialError::TooManyCertificates { place: place.to_owned() });
        }
        found.push(certificate.map_err(|_: pem::Error| bad_certificate(place, found.len()))?);
    }
    if found.is_empty() {
        return Err(TlsMaterialError::NoCertificate { place: place.to_owned() });
    }
    Ok(found)
}

fn bad_certificate(place: &str, index: usize) -> TlsMaterialError {
    TlsMaterialError::BadCertificate { place: place.to_owned(), number: index + 1 }
}

impl Identity {
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        // A digest of digests: where one part ends is part of what is hashed.
        let digests: Vec<u8> = parts.iter().flat_map(|part| digest(&SHA256, part).as_ref().to_vec()).collect();
        let mut identity = [0; 32];
        identity.copy_from_slice(digest(&SHA256, &digests).as_ref());
        Self(identity)
    }
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsMaterial")
            .field("ca_bundle", &self.ca_bundle.as_ref().map(|bundle| bundle.certificates.len()))
            .field("client_certificate", &self.client_certificate.is_some())
            .field("insecure_http", &self.insecure_http)
            .field("unread", &self.unread)
            .finish()
    }
}
