//! How the objects of some files fit together: the provider that an ApiToken names, its parameters, its output, the
//! keys of its credentials, and what a provider's TLS refers to.
//!
//! What is not among the files may be in the cluster: that is a note and no error.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{
    finding::{Finding, Severity},
    manifest::{Manifest, Object, SecretManifest},
    tls_files,
};
use crate::{
    api::{
        ApiToken, ProviderKind,
        names::{ROLE_CREDENTIALS, ROLE_LABEL, ROLE_OUTPUT, SESSION_SECRET_PREFIX},
    },
    operator::{
        client_certificate::{ClientCertificateError, presenting},
        tls::TlsMaterial,
    },
    provider::{
        definition::{Definition, ParameterError},
        nearest::did_you_mean,
        presets, validate,
        values::{Credentials, Incomplete},
    },
    token::output::secret_name,
};

/// An ApiToken among the objects that are applied with it.
struct Check<'a> {
    all: &'a [Manifest],
    at: &'a Manifest,
    token: &'a ApiToken,
    findings: Vec<Finding>,
}

/// All that does not fit.
#[must_use]
pub fn cross_check(all: &[Manifest]) -> Vec<Finding> {
    let mut findings = repeated(all);
    for at in all {
        if let Object::Token(token) = &at.object {
            let mut check = Check { all, at, token, findings: Vec::new() };
            check.output_secret();
            if let Some(definition) = check.provider() {
                check.parameters(&definition);
                check.output(&definition);
                check.credentials(&definition);
                check.one_login(&definition);
            }
            findings.append(&mut check.findings);
        }
        findings.extend(tls_files::check(all, at));
    }
    findings
}

/// In one file the second would replace the first. Files may be alternatives to each other.
fn repeated(all: &[Manifest]) -> Vec<Finding> {
    let identity = |it: &Manifest| (it.kind.clone(), it.namespace.clone(), it.name.clone());
    let mut findings = Vec::new();
    for (index, manifest) in
        all.iter().enumerate().filter(|(_, it)| !matches!(it.object, Object::Other | Object::ConfigMap(_)))
    {
        let earlier: Vec<_> = all[..index].iter().filter(|other| identity(other) == identity(manifest)).collect();
        if earlier.iter().any(|other| other.file() == manifest.file()) {
            let message = "is that of another object in this file, which this one would replace";
            findings.push(manifest.finding("metadata.name", message, Severity::Error));
        } else if let Some(other) = earlier.first() {
            let message = format!("is that of an object in {} too", other.file());
            findings.push(manifest.finding("metadata.name", message, Severity::Note));
        }
    }
    findings
}

impl Check<'_> {
    fn error(&mut self, path: &str, message: String) {
        self.findings.push(self.at.finding(path, message, Severity::Error));
    }

    fn note(&mut self, path: &str, message: String) {
        self.findings.push(self.at.finding(path, message, Severity::Note));
    }

    /// Those that may be meant by a name, the same file's first.
    fn others(&self) -> impl Iterator<Item = &Manifest> {
        let near = |other: &&Manifest| other.file() == self.at.file();
        self.all.iter().filter(near).chain(self.all.iter().filter(move |other| !near(other)))
    }

    /// Whether an object lies where the ApiToken does. Without a namespace it goes where it is applied to.
    fn beside(&self, other: &Manifest) -> bool {
        self.at.namespace.is_none() || other.namespace.is_none() || self.at.namespace == other.namespace
    }

    fn output_secret(&mut self) {
        let name = secret_name(&self.at.name, &self.token.spec);
        let path = "spec.output.secretName";
        if self.token.spec.credentials_ref.as_ref().is_some_and(|reference| reference.name == name) {
            self.error(
                "spec.credentialsRef.name",
                "the output must not be the credentials Secret: set output.secretName to another name".to_owned(),
            );
            return;
        }
        let taken = |other: &&Manifest| match &other.object {
            Object::Token(token) => {
                other.file() == self.at.file()
                    && secret_name(&other.name, &token.spec) == name
                    && other.to_string() < self.at.to_string()
            }
            Object::Secret(secret) => other.name == name && secret.role.as_deref() != Some(ROLE_OUTPUT),
            _ => false,
        };
        if let Some(other) = self.all.iter().filter(|other| self.beside(other)).find(taken) {
            let what = if other.kind == "Secret" {
                format!("{other} is no output")
            } else {
                format!("{other} writes it already")
            };
            self.error(
                path,
                format!("Secret {name:?} cannot be written: {what}; set output.secretName to another name"),
            );
        }
        if name.starts_with(SESSION_SECRET_PREFIX) {
            self.error(path, format!("{name:?} is a name of the operator's own Secrets: use another"));
        }
    }

    /// The definition of the provider that is named, if it is known and sound.
    fn provider(&mut self) -> Option<Arc<Definition>> {
        let reference = &self.token.spec.provider_ref;
        let (kind, name) = (reference.kind.unwrap_or_default(), reference.name.as_str());
        let path = "spec.providerRef.name";
        if kind == ProviderKind::Preset {
            let preset = presets::definition(name);
            if preset.is_none() {
                self.error(path, presets::unusable(name));
            }
            return preset;
        }
        if self.is_misnamed(path, name) {
            return None;
        }
        let named = self.others().filter_map(|other| match &other.object {
            Object::Provider(provider) if provider.kind == kind => Some((other, provider)),
            _ => None,
        });
        let reachable: Vec<_> =
            named.filter(|(other, _)| kind == ProviderKind::ClusterTokenProvider || self.beside(other)).collect();
        if let Some((_, provider)) = reachable.iter().find(|(other, _)| other.name == name) {
            return provider.definition.clone();
        }
        let broken = |other: &&Manifest| matches!(other.object, Object::Broken) && other.kind == format!("{kind:?}");
        if self.others().filter(broken).any(|other| other.name == name) {
            return None;
        }
        let meant = did_you_mean(name, reachable.iter().map(|(other, _)| other.name.as_str()), str::to_owned);
        self.absent(path, kind, name, &meant);
        None
    }

    /// The rule of the API server for names of objects; those of presets have capital letters.
    fn is_misnamed(&mut self, path: &str, name: &str) -> bool {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        if !name.is_empty() && name.bytes().all(good) {
            return false;
        }
        let preset = presets::names().contains(&name);
        let hint = if preset { "; for the preset write kind: Preset beside it" } else { "" };
        self.error(path, format!("must be the name of an object (lowercase letters, digits, '-' and '.'){hint}"));
        true
    }

    fn absent(&mut self, path: &str, kind: ProviderKind, name: &str, meant: &str) {
        let preset = presets::names().into_iter().find(|preset| preset.eq_ignore_ascii_case(name));
        let preset = preset.map(|preset| format!("; for the preset write kind: Preset and name: {preset}"));
        let unknown = "is not among these files, so what depends on it is not checked";
        self.note(path, format!("{kind:?} {name:?} {unknown}{meant}{}", preset.unwrap_or_default()));
    }

    fn parameters(&mut self, definition: &Definition) {
        if let Err(error) = definition.parameters(&self.token.spec.parameters) {
            let (ParameterError::Unknown { name, .. }
            | ParameterError::NotAllowed { name, .. }
            | ParameterError::Missing { name, .. }) = &error;
            let path = format!("spec.parameters.{name}");
            let message = error.to_string();
            self.error(&path, message.trim_start_matches(&format!("{path}: ")).to_owned());
        }
    }

    fn output(&mut self, definition: &Definition) {
        let data = self.token.spec.output.as_ref().map(|output| &output.data);
        if let Some(Err(invalid)) = data.map(|data| validate::compile_output(data, definition)) {
            for problem in invalid.0 {
                self.error(&problem.path, problem.message);
            }
        }
    }

    /// Of two that name credentials which are good for one login, the operator serves one.
    fn one_login(&mut self, definition: &Definition) {
        let Some(key) = definition.one_time_seed() else { return };
        let credentials = |token: &ApiToken| token.spec.credentials_ref.as_ref().map(|it| it.name.clone());
        let uses = |other: &&Manifest| match &other.object {
            Object::Token(token) => {
                let mut check = Check { all: self.all, at: other, token, findings: Vec::new() };
                other.file() == self.at.file()
                    && other.to_string() < self.at.to_string()
                    && credentials(token) == credentials(self.token)
                    && check.provider().is_some_and(|it| it.one_time_seed().is_some())
            }
            _ => false,
        };
        if let Some(other) = self.all.iter().filter(|other| self.beside(other)).find(uses) {
            let message =
                format!("{key} of these credentials is good for one ApiToken, and {other} names them already");
            self.error("spec.credentialsRef.name", message);
        }
    }

    fn credentials(&mut self, definition: &Definition) {
        let keys = definition.credentials.required.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let Some(reference) = &self.token.spec.credentials_ref else {
            if definition.needs_credentials() {
                self.error("spec.credentialsRef", format!("is required: the provider wants a Secret with {keys}"));
            }
            return;
        };
        let path = "spec.credentialsRef.name";
        let secrets = self.others().filter(|other| self.beside(other)).filter_map(|other| match &other.object {
            Object::Secret(secret) => Some((other, secret)),
            _ => None,
        });
        let secrets: Vec<_> = secrets.collect();
        if let Some((other, secret)) = secrets.iter().find(|(other, _)| other.name == reference.name) {
            self.findings.extend(secret_findings(other, secret, definition));
            return;
        }
        let meant = did_you_mean(&reference.name, secrets.iter().map(|(it, _)| it.name.as_str()), str::to_owned);
        let keys = if keys.is_empty() { String::new() } else { format!(" (the provider wants {keys})") };
        let message = "is not among these files, so its keys are not checked";
        self.note(path, format!("Secret {:?} {message}{keys}{meant}", reference.name));
    }
}

fn secret_findings(at: &Manifest, secret: &SecretManifest, definition: &Definition) -> Vec<Finding> {
    let mut findings = Vec::new();
    if secret.role.as_deref() != Some(ROLE_CREDENTIALS) {
        let message = format!(
            "needs {ROLE_LABEL}: {ROLE_CREDENTIALS}, by which its owner agrees that it is sent to the provider"
        );
        findings.push(at.finding("metadata.labels", message, Severity::Error));
    }
    let pairs: BTreeMap<_, _> = secret.data.iter().map(|(key, value)| (key.as_str(), value.expose_secret())).collect();
    match Credentials::read(definition, pairs) {
        Err(incomplete) => {
            let message = incomplete_with_hint(&incomplete, secret.data.keys().map(String::as_str), definition);
            findings.push(at.finding("stringData", message, Severity::Error));
        }
        Ok(credentials) => {
            findings.extend(certificate_finding(at, definition, &credentials));
            for key in credentials.trailing_whitespace_keys() {
                let message = "ends in white space, such as the newline that echo adds, and is sent as it is";
                findings.push(at.finding(&format!("stringData.{key}"), message, Severity::Note));
            }
        }
    }
    findings
}

/// What is wrong with a client's own certificate. One that is the provider's, or nowhere, is not told of here: where the
/// provider's is looked for, its own check tells.
fn certificate_finding(at: &Manifest, definition: &Definition, credentials: &Credentials) -> Option<Finding> {
    let none = TlsMaterial::default();
    let error = presenting(definition, &none, credentials, &at.to_string(), Timestamp::now()).err()?;
    let here = !matches!(error, ClientCertificateError::Absent { .. });
    here.then(|| at.finding("stringData", error.to_string(), Severity::Error))
}

/// What lacks, and which key that nobody asked for may have been meant.
#[must_use]
pub fn incomplete_with_hint<'k>(
    incomplete: &Incomplete,
    given: impl Iterator<Item = &'k str>,
    definition: &Definition,
) -> String {
    let unasked: Vec<_> = given.filter(|key| !definition.credentials.declares(key)).collect();
    let meant = incomplete.missing.iter().find_map(|key| {
        let nearest = crate::provider::nearest::nearest(key, unasked.iter().copied())?;
        Some(format!(" (its {nearest:?} looks like a slip of {key:?})"))
    });
    format!("{incomplete}{}", meant.unwrap_or_default())
}
