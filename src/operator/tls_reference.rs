//! The objects that a provider's TLS refers to: which they are, what of them is used, and what can be wrong with them.
//!
//! Reads no object: what is in them is handed in, by the operator or by whoever checks files.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use secrecy::{SecretString, zeroize::Zeroizing};
use tokio::{sync::Mutex, time::Instant};

use super::tls::{CaBundle, ClientCertificate, TlsMaterial, TlsMaterialError};
use crate::api::{
    names::{ROLE_LABEL, ROLE_TLS},
    provider::{CaBundleKind, Tls},
};

/// Keys of a Secret of type `kubernetes.io/tls`.
const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";

/// What is used of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPart {
    CaBundle,
    ClientCertificate,
}

/// One object that `spec.tls` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsReference {
    pub part: TlsPart,
    pub kind: CaBundleKind,
    pub name: String,
    /// Key of its data, of a CA bundle.
    key: String,
}

/// What an object has come to.
#[derive(Clone)]
pub enum Referred {
    CaBundle(CaBundle),
    ClientCertificate(ClientCertificate),
}

/// All of one provider's references, and what they were when they were last read.
#[derive(Default)]
pub struct TlsReferences {
    pub all: Vec<TlsReference>,
    /// What the provider's own object says.
    inline: TlsMaterial,
    /// Held while they are read: whoever needs them as well waits for that reading.
    pub last: Mutex<Option<Looked>>,
}

/// The objects as they were at one moment.
pub struct Looked {
    pub at: Instant,
    /// In the order of the references.
    pub found: Vec<Result<Found, Arc<TlsReferenceError>>>,
}

/// An object that can be used.
#[derive(Clone)]
pub struct Found {
    /// uid and resourceVersion: the same ones need not be read again.
    pub version: String,
    pub referred: Referred,
}

/// An object by kind, name and namespace, for messages. Without a namespace it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub kind: CaBundleKind,
    pub name: String,
    pub namespace: Option<String>,
}

/// Why a reference leads to nothing that can be used. Names places and never bytes.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {fault}")]
pub struct TlsReferenceError {
    /// Of the field in the provider.
    pub path: &'static str,
    pub fault: Box<Fault>,
}

/// What is wrong with an object, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("there is no {place}; create it: {command}")]
    Missing { place: Place, command: String },
    #[error("{place} may not be used before its owner agrees: {command}")]
    NotLabelled { place: Place, command: String },
    #[error("{place} has no key {key:?}; replace it: {command}")]
    NoKey { place: Place, key: String, command: String },
    #[error("{source}; replace it: {command}")]
    Material {
        command: String,
        #[source]
        source: TlsMaterialError,
    },
    #[error("the client certificate in {place} expired at {at}; replace it: {command}")]
    Expired { place: Place, at: Timestamp, command: String },
    /// `problem` is the API server's refusal in our own words.
    #[error("{problem}; let the operator get {resource} {name:?} there (docs/install.md, Rights)")]
    Refused { problem: String, resource: &'static str, name: String },
}

impl TlsReference {
    /// The references of `spec.tls`, in the order of its fields.
    #[must_use]
    pub fn all(tls: &Tls) -> Vec<Self> {
        let bundle = tls.ca_bundle_ref.as_ref().map(|reference| Self {
            part: TlsPart::CaBundle,
            kind: reference.kind,
            name: reference.name.clone(),
            key: reference.key.clone(),
        });
        let certificate = tls.client_certificate_ref.as_ref().map(|reference| Self {
            part: TlsPart::ClientCertificate,
            kind: CaBundleKind::Secret,
            name: reference.name.clone(),
            key: CHAIN.to_owned(),
        });
        bundle.into_iter().chain(certificate).collect()
    }

    #[must_use]
    pub fn is_secret(&self, name: &str) -> bool {
        self.kind == CaBundleKind::Secret && self.name == name
    }

    /// Where it stands in a provider.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        match self.part {
            TlsPart::CaBundle => "spec.tls.caBundleRef",
            TlsPart::ClientCertificate => "spec.tls.clientCertificateRef",
        }
    }

    /// Makes of an object's data what is used of it.
    ///
    /// # Errors
    /// If a key is missing, or is not what it has to be.
    pub fn read<'d>(
        &self,
        namespace: Option<&str>,
        data: impl Fn(&str) -> Option<&'d [u8]>,
    ) -> Result<Referred, TlsReferenceError> {
        let text = |key: &str| match data(key) {
            // Bytes that are no text hold no PEM, which is said in the end.
            Some(bytes) if !bytes.is_empty() => Ok(Zeroizing::new(String::from_utf8_lossy(bytes).into_owned())),
            _ => Err(self.no_key(namespace, key)),
        };
        let place = self.place(namespace);
        let wrong = |source| self.error(Fault::Material { command: self.replacement(namespace), source });
        match self.part {
            TlsPart::CaBundle => {
                let place = format!("{:?} of {place}", self.key);
                CaBundle::parse(&text(&self.key)?, &place).map(Referred::CaBundle).map_err(wrong)
            }
            TlsPart::ClientCertificate => {
                let (chain, key) = (text(CHAIN)?, text(KEY)?);
                let key = SecretString::from(key.as_str());
                ClientCertificate::parse(&chain, &key, &place.to_string())
                    .map(Referred::ClientCertificate)
                    .map_err(wrong)
            }
        }
    }

    #[must_use]
    pub fn place(&self, namespace: Option<&str>) -> Place {
        Place { kind: self.kind, name: self.name.clone(), namespace: namespace.map(str::to_owned) }
    }

    #[must_use]
    pub fn missing(&self, namespace: Option<&str>) -> TlsReferenceError {
        let create = self.creation(namespace);
        let command = match self.kind {
            CaBundleKind::ConfigMap => create,
            CaBundleKind::Secret => format!("{create}; then {}", self.labelling(namespace)),
        };
        self.error(Fault::Missing { place: self.place(namespace), command })
    }

    #[must_use]
    pub fn not_labelled(&self, namespace: Option<&str>) -> TlsReferenceError {
        let command = format!("{} --overwrite", self.labelling(namespace));
        self.error(Fault::NotLabelled { place: self.place(namespace), command })
    }

    /// This fault of what is referred to.
    #[must_use]
    pub fn error(&self, fault: Fault) -> TlsReferenceError {
        TlsReferenceError { path: self.path(), fault: Box::new(fault) }
    }

    /// Refuses what no server takes.
    ///
    /// # Errors
    /// If it has expired.
    pub fn check_expiry(
        &self,
        namespace: Option<&str>,
        certificate: &ClientCertificate,
        now: Timestamp,
    ) -> Result<(), TlsReferenceError> {
        let Some(at) = certificate.expired(now) else { return Ok(()) };
        let (place, command) = (self.place(namespace), self.replacement(namespace));
        Err(self.error(Fault::Expired { place, at, command }))
    }

    fn no_key(&self, namespace: Option<&str>, key: &str) -> TlsReferenceError {
        let (place, command) = (self.place(namespace), self.replacement(namespace));
        self.error(Fault::NoKey { place, key: key.to_owned(), command })
    }

    fn creation(&self, namespace: Option<&str>) -> String {
        let (name, key) = (&self.name, &self.key);
        let what = match (self.part, self.kind) {
            (TlsPart::ClientCertificate, _) => format!("secret tls {name} --cert=FILE --key=FILE"),
            (TlsPart::CaBundle, CaBundleKind::ConfigMap) => format!("configmap {name} --from-file={key}=FILE"),
            (TlsPart::CaBundle, CaBundleKind::Secret) => format!("secret generic {name} --from-file={key}=FILE"),
        };
        format!("kubectl create {what}{}", option(namespace))
    }

    fn replacement(&self, namespace: Option<&str>) -> String {
        format!("{} --dry-run=client -o yaml | kubectl apply -f -", self.creation(namespace))
    }

    fn labelling(&self, namespace: Option<&str>) -> String {
        format!("kubectl label secret {}{} {ROLE_LABEL}={ROLE_TLS}", self.name, option(namespace))
    }
}

impl TlsReferences {
    /// What `spec.tls` refers to, and what can be said of it before any of that is read.
    pub fn of(tls: Option<&Tls>) -> (Self, Result<Arc<TlsMaterial>, Arc<str>>) {
        let Some(tls) = tls else { return (Self::default(), Ok(Arc::default())) };
        let bundle = tls.ca_bundle.as_deref().map(|text| CaBundle::parse(text, "spec.tls.caBundle")).transpose();
        let ca_bundle = match bundle {
            Ok(ca_bundle) => ca_bundle,
            Err(error) => return (Self::default(), Err(error.to_string().into())),
        };
        let insecure_http = tls.insecure_http.unwrap_or_default();
        let inline = TlsMaterial { ca_bundle, insecure_http, ..TlsMaterial::default() };
        let all = TlsReference::all(tls);
        let known = TlsMaterial { unread: !all.is_empty(), ..inline.clone() };
        (Self { all, inline, last: Mutex::default() }, Ok(Arc::new(known)))
    }

    /// What the objects come to together at `now`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn material(
        &self,
        namespace: Option<&str>,
        found: &[Result<Found, Arc<TlsReferenceError>>],
        now: Timestamp,
    ) -> Result<TlsMaterial, Arc<TlsReferenceError>> {
        let mut material = self.inline.clone();
        for (reference, found) in self.all.iter().zip(found) {
            match &found.as_ref().map_err(Arc::clone)?.referred {
                Referred::CaBundle(bundle) => material.ca_bundle = Some(bundle.clone()),
                Referred::ClientCertificate(certificate) => {
                    reference.check_expiry(namespace, certificate, now)?;
                    material.client_certificate = Some(certificate.clone());
                }
            }
        }
        Ok(material)
    }
}

fn option(namespace: Option<&str>) -> String {
    namespace.map(|namespace| format!(" -n {namespace}")).unwrap_or_default()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.kind, self.name)?;
        self.namespace.iter().try_for_each(|namespace| write!(f, " in namespace {namespace}"))
    }
}

impl fmt::Debug for TlsReferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReferences").field("all", &self.all).finish_non_exhaustive()
    }
}
