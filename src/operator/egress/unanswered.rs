//! Why a request got no reply that can be used. What is said of it is made of a fixed vocabulary.
//!
//! The libraries' own errors are left behind on purpose: they print URLs, and a URL may hold a secret in its path or
//! query. Of a URL no more than host and port is kept.

use std::{fmt, time::Duration};

use url::Url;

use super::MAX_BYTES;
use crate::{api::http::FailureClass, operator::address::Range};

/// A request without a usable reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target}: {cause}")]
pub struct Unanswered {
    pub target: Target,
    pub cause: Cause,
    pub(super) sent: bool,
}

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

/// What went wrong, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("the {0} of the request cannot be sent; look at the credentials and at the provider's definition")]
    Unsendable(Part),
    #[error("plain http is refused; use https, or set spec.tls.insecureHTTP: true if everybody on the way may read it")]
    PlainHttp,
    #[error(
        "no request is sent to {range}; {}",
        if *.range == Range::ApiServer { "correct the provider's URL" } else { refused_remedy(*.range) }
    )]
    AddressRefused { range: Range },
    #[error("the system has no CA certificates; install them in the image, or set spec.tls.caBundle")]
    NoAuthorities,
    #[error("what spec.tls refers to could not be read yet; this is tried again")]
    TlsUnread,
    #[error("the name cannot be resolved; check the provider's URL and the cluster's DNS")]
    Unresolved,
    #[error("no connection: {0}; check the provider's URL and port, network policies and firewalls")]
    NoConnection(Reason),
    #[error("no connection through the proxy: {0}; check --provider-proxy and what the proxy allows")]
    NoTunnel(Reason),
    #[error("TLS: {0}")]
    Tls(TlsFailure),
    #[error("no complete reply within {} s; if the provider is that slow, raise spec.limits.timeout", .0.as_secs_f32())]
    Timeout(Duration),
    #[error("the connection was closed before the reply was complete; this is tried again")]
    Closed,
    #[error("the reply is not HTTP/1.1; check the provider's URL and port")]
    Malformed,
    #[error("the head of the reply is larger than {MAX_BYTES} bytes; check the provider's URL")]
    HeadTooLarge,
    #[error("the reply is larger than {MAX_BYTES} bytes, which no token reply is; check the provider's URL")]
    BodyTooLarge,
    #[error("the reply is compressed although that was not asked for; check what stands between here and the provider")]
    Encoded,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Url,
    Header,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Refused,
    Unreachable,
    TimedOut,
    Closed,
    /// Something else; the proxy did not open a tunnel, for instance.
    Other,
}

/// Why TLS came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    #[error("the provider's certificate has expired; its owner must renew it")]
    Expired,
    #[error("the provider's certificate is not valid yet; check the clock of this node")]
    NotYetValid,
    #[error("the provider's certificate is for another host; check the provider's URL")]
    WrongHost,
    #[error(
        "the provider's certificate comes from an unknown authority; set spec.tls.caBundle, or caBundleRef, to that authority"
    )]
    UnknownAuthority,
    #[error("the provider's certificate was revoked; its owner must renew it")]
    Revoked,
    #[error("the provider's certificate cannot be used; its owner must renew it")]
    BadCertificate,
    #[error("the provider offers neither TLS 1.2 nor 1.3 with a cipher that is safe; its owner must upgrade it")]
    NoCommonVersion,
    #[error(
        "the provider wants another client certificate; check spec.tls.clientCertificateRef, or tls.crt of the credentials"
    )]
    ClientCertificate,
    #[error("the provider broke the handshake off; check its URL and port")]
    Handshake,
}

impl Unanswered {
    /// `sent`: whether the request may have reached the provider.
    #[must_use]
    pub fn new(url: &Url, cause: Cause, sent: bool) -> Self {
        Self { target: Target::of(url), cause, sent }
    }

    pub(super) fn unsent(target: Target, cause: Cause) -> Self {
        Self { target, cause, sent: false }
    }

    /// What this means for what happens next.
    #[must_use]
    pub const fn class(&self) -> FailureClass {
        match self.cause {
            Cause::Unsendable(_) | Cause::PlainHttp | Cause::AddressRefused { .. } | Cause::NoAuthorities => {
                FailureClass::Misconfigured
            }
            _ => FailureClass::Transient,
        }
    }

    /// `false` only if certainly nothing of the request left: then a one-time refresh token is still unspent.
    #[must_use]
    pub const fn request_was_sent(&self) -> bool {
        self.sent
    }
}

impl Target {
    pub(super) fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or("provider");
        Self(url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// For a URL that is none.
    pub(super) fn unknown() -> Self {
        Self("provider".to_owned())
    }
}

fn refused_remedy(range: Range) -> &'static str {
    if range == Range::Private {
        "if tenants may reach it, the operator is started with --allow-tenant-private, or with --allow-provider-cidr and its range"
    } else {
        "if this is meant, the operator is started with --allow-provider-cidr and its range"
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "URL",
            Self::Header => "header",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "it was refused",
            Self::Unreachable => "there is no route to the host",
            Self::TimedOut => "it was not there within 5 s",
            Self::Closed => "it was closed at once",
            Self::Other => "it could not be opened",
        })
    }
}
