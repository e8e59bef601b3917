//! The certificates and keys of one control plane. They live as long as its directory and are worth nothing outside.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// The authority that signs for the API server and for users who log in with a certificate.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its private key, both PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn generate() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "testbed-kubernetes-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    pub fn certificate_pem(&self) -> String {
        self.0.pem()
    }

    pub fn certificate_der(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// What the API server shows to those who connect by one of these names and addresses.
    pub fn server(&self, names: Vec<String>) -> Result<Identity> {
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, "kube-apiserver")
    }

    /// What the API server takes for the user `name`: it reads the name from the common name, and a group, if there
    /// is one, from the organization.
    pub fn user(&self, name: &str, group: Option<&str>) -> Result<Identity> {
        let mut params = CertificateParams::default();
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, name)
    }

    fn issue(&self, mut params: CertificateParams, common_name: &str) -> Result<Identity> {
        let key = KeyPair::generate()?;
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&key, &self.0)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}
