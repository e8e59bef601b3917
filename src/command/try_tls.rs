//! Whom `try` trusts, and as whom it presents itself.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use secrecy::{SecretString, zeroize::Zeroizing};

use super::{manifest::Manifest, tls_files};
use crate::{
    api::TokenProviderSpec,
    operator::{
        tls::{CaBundle, ClientCertificate, TlsMaterial},
        tls_reference::{Referred, TlsPart},
    },
};

/// The files of `--tls`, as far as they are there.
struct TlsFiles {
    authorities: Option<Zeroizing<String>>,
    chain: Option<Zeroizing<String>>,
    key: Option<Zeroizing<String>>,
}

/// What the spec says inline, and what it refers to: by `--tls`, or else by the same file.
///
/// # Errors
/// If it cannot be read or used, or is nowhere.
pub fn material(
    all: &[Manifest],
    at: &Manifest,
    spec: &TokenProviderSpec,
    directory: Option<&Path>,
) -> anyhow::Result<TlsMaterial> {
    let of_spec = spec.tls.clone().unwrap_or_default();
    let given = TlsFiles::read(directory)?;
    let referred = |part| tls_files::referred(all, at, &of_spec, part).transpose();
    let ca_bundle = match (given.ca_bundle()?, &of_spec.ca_bundle) {
        (Some(given), _) => Some(given),
        (None, Some(text)) => Some(CaBundle::parse(text, "spec.tls.caBundle")?),
        (None, None) => match referred(TlsPart::CaBundle)? {
            Some(Referred::CaBundle(bundle)) => Some(bundle),
            _ if of_spec.ca_bundle_ref.is_some() => bail!(
                "spec.tls.caBundleRef names an object that is not in the file: add it, or give its certificates by --tls DIR, as DIR/ca.crt"
            ),
            _ => None,
        },
    };
    let client_certificate = match given.client_certificate()? {
        Some(given) => Some(given),
        None => match referred(TlsPart::ClientCertificate)? {
            Some(Referred::ClientCertificate(certificate)) => Some(certificate),
            _ if of_spec.client_certificate_ref.is_some() => bail!(
                "spec.tls.clientCertificateRef names a Secret that is not in the file: add it, or give it by --tls DIR, as DIR/tls.crt and DIR/tls.key"
            ),
            _ => None,
        },
    };
    Ok(TlsMaterial {
        ca_bundle,
        client_certificate,
        insecure_http: of_spec.insecure_http == Some(true),
        ..TlsMaterial::default()
    })
}

impl TlsFiles {
    fn read(directory: Option<&Path>) -> anyhow::Result<Self> {
        let read = |name: &str| -> anyhow::Result<Option<Zeroizing<String>>> {
            let Some(path) = directory.map(|directory| directory.join(name)).filter(|path| path.exists()) else {
                return Ok(None);
            };
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(Some(Zeroizing::new(text)))
        };
        Ok(Self { authorities: read("ca.crt")?, chain: read("tls.crt")?, key: read("tls.key")? })
    }

    fn ca_bundle(&self) -> anyhow::Result<Option<CaBundle>> {
        Ok(self.authorities.as_ref().map(|text| CaBundle::parse(text, "--tls, ca.crt")).transpose()?)
    }

    fn client_certificate(&self) -> anyhow::Result<Option<ClientCertificate>> {
        let (Some(chain), Some(key)) = (&self.chain, &self.key) else { return Ok(None) };
        let key = SecretString::from(key.as_str());
        Ok(Some(ClientCertificate::parse(chain, &key, "--tls, tls.crt and tls.key")?))
    }
}
