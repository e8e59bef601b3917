//! A certificate authority for tests: good certificates of servers and clients, and some that are bad on purpose.
//!
//! Keys live in memory only. Nothing here is fit for anything but loopback.

use std::{fs, io, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer,
    pem::{self, PemObject},
};
use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{VerifierBuilderError, WebPkiClientVerifier},
};

/// Why a certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error("test CA: a certificate could not be made; look at the names it was asked for")]
    Certificate(#[from] rcgen::Error),
    #[error("test CA: the certificate was made, but the TLS server refuses it")]
    Tls(#[from] rustls::Error),
    #[error("test CA: this authority cannot judge clients")]
    Verifier(#[from] VerifierBuilderError),
    #[error("test CA: this is no certificate with its key in PEM (PKCS #8)")]
    Pem(#[from] pem::Error),
}

/// A certificate authority of its own: two of them do not trust each other.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as a server or a client presents them.
pub struct ServerCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
}

/// The names under which every fake can be reached.
const LOOPBACK_NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

impl TestCa {
    /// A new authority with a key of its own.
    pub fn new() -> Result<Self, CaError> {
        Self::named("testbed CA")
    }

    /// As [`new`](Self::new), under a name that shows in certificates and in a client's complaints.
    pub fn named(name: &str) -> Result<Self, CaError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// The authority's own certificate as PEM: what goes into `tls.caBundle`.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A good certificate for loopback and for `names` (DNS names or addresses).
    pub fn issue(&self, names: &[&str]) -> Result<ServerCertificate, CaError> {
        self.sign(Self::params(&[&LOOPBACK_NAMES, names].concat())?)
    }

    /// A certificate for loopback whose last day is long past.
    pub fn issue_expired(&self) -> Result<ServerCertificate, CaError> {
        let mut params = Self::params(&LOOPBACK_NAMES)?;
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 2);
        self.sign(params)
    }

    /// A certificate that is good, but for another host than the one that presents it.
    pub fn issue_for_another_host(&self) -> Result<ServerCertificate, CaError> {
        self.sign(Self::params(&["another-host.example"])?)
    }

    /// A good certificate for a client of this name.
    pub fn issue_client(&self, name: &str) -> Result<ServerCertificate, CaError> {
        self.sign(Self::client_params(name)?)
    }

    /// The same for a key of one's own, as PEM.
    pub fn issue_client_with(&self, name: &str, key: &KeyPair) -> Result<String, CaError> {
        Ok(Self::client_params(name)?.signed_by(key, &self.issuer)?.pem())
    }

    /// A client's certificate whose last day is long past.
    pub fn issue_expired_client(&self, name: &str) -> Result<ServerCertificate, CaError> {
        let mut params = Self::client_params(name)?;
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 2);
        self.sign(params)
    }

    fn client_params(name: &str) -> Result<CertificateParams, CaError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn params(names: &[&str]) -> Result<CertificateParams, CaError> {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, "testbed server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<ServerCertificate, CaError> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ServerCertificate {
            chain: vec![certificate.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        })
    }
}

impl ServerCertificate {
    /// From the two files of a mounted TLS Secret.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CaError> {
        let chain: Result<_, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        Ok(Self { chain: chain?, key: PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes())? })
    }

    /// The certificate and its key, as the files of a TLS Secret.
    pub fn to_pem(&self) -> (String, String) {
        let certificates = self.chain.iter().map(|certificate| as_pem("CERTIFICATE", certificate));
        (certificates.collect(), as_pem("PRIVATE KEY", self.key.secret_pkcs8_der()))
    }

    /// Writes `tls.crt` and `tls.key`, as the kubelet mounts a Secret of type `kubernetes.io/tls`.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let (certificate, key) = self.to_pem();
        fs::write(directory.join("tls.crt"), certificate)?;
        fs::write(directory.join("tls.key"), key)
    }

    /// The TLS configuration of a server that presents this certificate and asks its clients for none.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, CaError> {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), PrivateKeyDer::Pkcs8(self.key.clone_key()))?;
        Ok(Arc::new(config))
    }

    /// The same of a server that admits nobody without a certificate of `clients`.
    pub fn server_config_admitting(&self, clients: &TestCa) -> Result<Arc<ServerConfig>, CaError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(clients.issuer.der().clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build()?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), PrivateKeyDer::Pkcs8(self.key.clone_key()))?;
        Ok(Arc::new(config))
    }

    /// The own certificate as it is presented.
    pub fn der(&self) -> &[u8] {
        &self.chain[0]
    }
}

/// Text of RFC 7468.
pub fn as_pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<_> = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
