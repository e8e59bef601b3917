//! As whom the operator shows itself where a certificate stands for the client (RFC 8705): by the credentials' own one,
//! else by the provider's.
//!
//! Reads no object and sends nothing. Credentials that were not read are never taken for credentials without one.

use std::borrow::Cow;

use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{
    pass::Pass,
    route::Route,
    tls::{ClientCertificate, TlsMaterial, TlsMaterialError},
};
use crate::{
    api::http::FailureClass,
    provider::{
        definition::{
            Definition,
            certificate::{CHAIN, KEY},
        },
        grant::Failure,
        values::Credentials,
    },
    token::observation::CredentialsView,
};

/// Why there is no certificate to show. Names places and never bytes.
#[derive(Debug, thiserror::Error)]
pub enum ClientCertificateError {
    #[error(
        "a certificate stands for the client here, and there is none: put {CHAIN} and {KEY} into {place}, or name a \
         Secret with them in spec.tls.clientCertificateRef of the provider"
    )]
    Absent { place: String },
    #[error("{place} has {there:?} without {lacking:?}: the client's certificate needs both")]
    Half { place: String, there: &'static str, lacking: &'static str },
    #[error("{source}: replace {CHAIN} and {KEY}")]
    Material {
        #[source]
        source: TlsMaterialError,
    },
    #[error("the client certificate in {place} expired at {at}: replace {CHAIN} and {KEY}")]
    Expired { place: String, at: Timestamp },
    #[error("the credentials were not read")]
    Unread,
}

/// The TLS of one client of the provider. `place` names the credentials in errors.
///
/// # Errors
/// If no certificate can be shown where one stands for the client.
pub fn presenting<'t>(
    definition: &Definition,
    of_provider: &'t TlsMaterial,
    credentials: &Credentials,
    place: &str,
    now: Timestamp,
) -> Result<Cow<'t, TlsMaterial>, ClientCertificateError> {
    if !definition.by_certificate {
        return Ok(Cow::Borrowed(of_provider));
    }
    let half = |there, lacking| ClientCertificateError::Half { place: place.to_owned(), there, lacking };
    let (chain, key) = match (credentials.get(CHAIN), credentials.get(KEY)) {
        (Some(chain), Some(key)) => (chain, key),
        (Some(_), None) => return Err(half(CHAIN, KEY)),
        (None, Some(_)) => return Err(half(KEY, CHAIN)),
        (None, None) if of_provider.client_certificate.is_some() || of_provider.unread => {
            return Ok(Cow::Borrowed(of_provider));
        }
        (None, None) => return Err(ClientCertificateError::Absent { place: place.to_owned() }),
    };
    let certificate = ClientCertificate::parse(chain.expose_secret(), key, place)
        .map_err(|source| ClientCertificateError::Material { source })?;
    if let Some(at) = certificate.expired(now) {
        return Err(ClientCertificateError::Expired { place: place.to_owned(), at });
    }
    Ok(Cow::Owned(TlsMaterial { client_certificate: Some(certificate), ..of_provider.clone() }))
}

/// The TLS of a request of this pass.
///
/// # Errors
/// As [`presenting`]; and if the credentials, which may hold a certificate, were not read: the provider's own one would
/// make another client of them.
pub fn of_pass<'t>(
    pass: &Pass,
    route: &'t Route,
    definition: &Definition,
    now: Timestamp,
) -> Result<Cow<'t, TlsMaterial>, ClientCertificateError> {
    let none = Credentials::default();
    let credentials = match &pass.credentials {
        Some(credentials) => credentials,
        None if !definition.by_certificate || matches!(pass.seen.credentials, CredentialsView::NotNeeded) => &none,
        None => return Err(ClientCertificateError::Unread),
    };
    presenting(definition, &route.tls, credentials, "the credentials Secret", now)
}

impl From<ClientCertificateError> for Failure {
    fn from(error: ClientCertificateError) -> Self {
        Self::without_answer(FailureClass::Misconfigured, format!("no request was sent: {error}"))
    }
}
