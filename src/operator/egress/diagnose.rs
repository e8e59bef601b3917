//! From a library's error to the cause in our own words.
//!
//! Walks the chain of sources for types that are known, and takes nothing of their texts.

use std::{error::Error, io, iter};

use rustls::{AlertDescription, CertificateError};

use super::{
    lookup::Unresolved,
    unanswered::{Cause, Reason, TlsFailure},
};

/// What `error` means. `proxied`: the connection goes through the proxy.
pub(super) fn cause_of(error: &reqwest::Error, proxied: bool) -> Cause {
    let known = find(error, resolution).or_else(|| find(error, tls));
    known.unwrap_or_else(|| {
        if !error.is_connect() {
            return find(error, exchange).unwrap_or(Cause::Closed);
        }
        let reason =
            if error.is_timeout() { Reason::TimedOut } else { find(error, connection).unwrap_or(Reason::Other) };
        if proxied { Cause::NoTunnel(reason) } else { Cause::NoConnection(reason) }
    })
}

fn find<T>(error: &reqwest::Error, known: impl Fn(&(dyn Error + 'static)) -> Option<T>) -> Option<T> {
    let first: &(dyn Error + 'static) = error;
    iter::successors(Some(first), |error| inner(*error)).find_map(known)
}

/// The next error of the chain. `io::Error::source` skips the error that it wraps and goes on behind it; the TLS
/// error stands exactly there.
fn inner<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn resolution(error: &(dyn Error + 'static)) -> Option<Cause> {
    error.downcast_ref().map(|error| match error {
        Unresolved::NoAddress => Cause::Unresolved,
        Unresolved::Refused(range) => Cause::AddressRefused { range: *range },
    })
}

fn connection(error: &(dyn Error + 'static)) -> Option<Reason> {
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::ConnectionRefused => Some(Reason::Refused),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some(Reason::Unreachable),
        io::ErrorKind::TimedOut => Some(Reason::TimedOut),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            Some(Reason::Closed)
        }
        _ => None,
    }
}

fn exchange(error: &(dyn Error + 'static)) -> Option<Cause> {
    let error: &hyper::Error = error.downcast_ref()?;
    if error.is_parse_too_large() {
        Some(Cause::HeadTooLarge)
    } else if error.is_parse() {
        Some(Cause::Malformed)
    } else {
        None
    }
}

fn tls(error: &(dyn Error + 'static)) -> Option<Cause> {
    let failure = match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(certificate) => certificate_failure(certificate),
        rustls::Error::NoCertificatesPresented => TlsFailure::BadCertificate,
        rustls::Error::PeerIncompatible(_) => TlsFailure::NoCommonVersion,
        rustls::Error::AlertReceived(alert) => alert_failure(*alert),
        _ => TlsFailure::Handshake,
    };
    Some(Cause::Tls(failure))
}

fn certificate_failure(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFailure::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFailure::WrongHost,
        CertificateError::UnknownIssuer => TlsFailure::UnknownAuthority,
        CertificateError::Revoked => TlsFailure::Revoked,
        _ => TlsFailure::BadCertificate,
    }
}

fn alert_failure(alert: AlertDescription) -> TlsFailure {
    match alert {
        AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity
        | AlertDescription::HandshakeFailure => TlsFailure::NoCommonVersion,
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        // A chain whose authority has the right name and another key.
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => TlsFailure::ClientCertificate,
        _ => TlsFailure::Handshake,
    }
}
