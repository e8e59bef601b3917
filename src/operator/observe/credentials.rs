//! The credentials Secret: seen, agreed to by its owner, and complete?

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{ByteString, api::core::v1::Secret, jiff::Timestamp};
use kube::{Api, ResourceExt};

use super::{ObserveError, version};
use crate::{
    api::{
        names::{ROLE_CREDENTIALS, ROLE_LABEL},
        reasons,
    },
    operator::{
        Operator,
        client_certificate::{ClientCertificateError, presenting},
        cluster::Target,
        entry::{Key, SecretEntry, SecretRole, TokenEntry},
        index::{Absence, Known},
        pass::{Pass, Version},
        route::Route,
    },
    provider::values::{Credentials, Incomplete},
    token::{
        facts::SeenCredentials,
        observation::{Block, CredentialsView},
    },
};

pub(super) fn at_a_glance(
    operator: &Operator,
    key: &Key,
    token: &TokenEntry,
    route: Option<&Route>,
    now: Timestamp,
) -> CredentialsView {
    let Some(reference) = &token.spec.credentials_ref else {
        return match route {
            Some(route) if route.view.definition.needs_credentials() => {
                let keys = keys(&route.view.definition.credentials.required);
                let message =
                    format!("this provider wants credentials ({keys}): name a Secret with them in spec.credentialsRef");
                CredentialsView::Blocked(Block::new(reasons::CREDENTIALS_NOT_FOUND, message))
            }
            Some(route) => without(route, now),
            None => CredentialsView::NotNeeded,
        };
    };
    match operator.index.secret(&Key::new(&*key.namespace, &*reference.name), now) {
        Known::There(entry) => match entry.role {
            SecretRole::Credentials => CredentialsView::There {
                uid: entry.uid.clone(),
                resource_version: entry.resource_version.clone(),
                content: None,
                untrimmed: Vec::new(),
            },
            _ => CredentialsView::Blocked(not_labelled(key, &reference.name)),
        },
        Known::Absent(Absence::Missing) => CredentialsView::Blocked(not_found(key, &reference.name)),
        Known::Absent(Absence::Unlabelled) => CredentialsView::Blocked(not_labelled(key, &reference.name)),
        Known::Unknown => CredentialsView::Unknown,
    }
}

pub(super) async fn read(
    operator: &Operator,
    pass: &Pass,
    route: &Route,
    now: Timestamp,
) -> Result<(CredentialsView, Option<Credentials>), ObserveError> {
    let Some(reference) = &pass.token.spec.credentials_ref else { return Ok((without(route, now), None)) };
    let at = Key::new(&*pass.key.namespace, &*reference.name);
    let target = Target { verb: "get", resource: "secrets", namespace: &at.namespace, name: &at.name };
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    // Its metadata first, unless the label has been seen: without consent the content is not even read.
    if matches!(pass.seen.credentials, CredentialsView::Unknown) {
        match operator.cluster.call(pass.urgency(), target, || secrets.get_metadata(&at.name)).await {
            Err(error) if error.is_not_found() => {
                operator.index.note_absent(at.clone(), Absence::Missing, now);
                return Ok((CredentialsView::Blocked(not_found(&pass.key, &at.name)), None));
            }
            other => {
                let labelled = SecretEntry::read(&other?);
                if !labelled.is_some_and(|entry| matches!(entry.role, SecretRole::Credentials)) {
                    operator.index.note_absent(at.clone(), Absence::Unlabelled, now);
                    return Ok((CredentialsView::Blocked(not_labelled(&pass.key, &at.name)), None));
                }
            }
        }
    }
    let secret = match operator.cluster.call(pass.urgency(), target, || secrets.get(&at.name)).await {
        Err(error) if error.is_not_found() => {
            return Ok((CredentialsView::Blocked(not_found(&pass.key, &at.name)), None));
        }
        other => other?,
    };
    // Consent can have been withdrawn, or the Secret replaced, since the label was seen: what is used must carry it.
    if secret.labels().get(ROLE_LABEL).map(String::as_str) != Some(ROLE_CREDENTIALS) {
        return Ok((CredentialsView::Blocked(not_labelled(&pass.key, &at.name)), None));
    }
    Ok(judge_credentials(operator, route, &at, &secret, now))
}

fn judge_credentials(
    operator: &Operator,
    route: &Route,
    at: &Key,
    secret: &Secret,
    now: Timestamp,
) -> (CredentialsView, Option<Credentials>) {
    let empty = BTreeMap::<String, ByteString>::new();
    let data = secret.data.as_ref().unwrap_or(&empty);
    let definition = &route.view.definition;
    let values = data.iter().map(|(key, value)| (key.as_str(), value.0.as_slice()));
    let credentials = match Credentials::read(definition, values) {
        Ok(credentials) => credentials,
        Err(incomplete) => return (CredentialsView::Blocked(not_complete(at, &incomplete)), None),
    };
    let place = format!("Secret {:?} in namespace {}", at.name, at.namespace);
    if let Err(error) = presenting(definition, &route.tls, &credentials, &place, now) {
        return (CredentialsView::Blocked(not_presentable(&error)), None);
    }
    let Version { uid, resource_version } = version(&secret.metadata);
    let seed = definition.seed.as_ref().map(|seed| BTreeSet::from([seed.key.clone()]));
    let content = SeenCredentials {
        uid: uid.clone(),
        resource_version: resource_version.clone(),
        fingerprint: credentials.fingerprint(&operator.fingerprint_key),
        refresh_fingerprint: credentials
            .fingerprint_of(&operator.fingerprint_key, &definition.refresh_uses().credentials),
        seed: seed.map(|key| credentials.fingerprint_of(&operator.fingerprint_key, &key)),
    };
    let untrimmed = credentials.trailing_whitespace_keys().into_iter().map(str::to_owned).collect();
    (CredentialsView::There { uid, resource_version, content: Some(content), untrimmed }, Some(credentials))
}

/// An ApiToken that names no credentials is known by the provider's certificate, where it takes one.
fn without(route: &Route, now: Timestamp) -> CredentialsView {
    let place = "a Secret that spec.credentialsRef names";
    match presenting(&route.view.definition, &route.tls, &Credentials::default(), place, now) {
        Ok(_) => CredentialsView::NotNeeded,
        Err(error) => CredentialsView::Blocked(not_presentable(&error)),
    }
}

fn not_presentable(error: &ClientCertificateError) -> Block {
    Block::new(reasons::CREDENTIALS_INCOMPLETE, error.to_string())
}

fn not_found(key: &Key, name: &str) -> Block {
    let message = format!(
        "there is no Secret {name:?} in namespace {0}: create it, and agree that it is sent to the provider: \
         kubectl label secret {name} -n {0} apitoken.dev/role=credentials",
        key.namespace
    );
    Block::new(reasons::CREDENTIALS_NOT_FOUND, message)
}

fn not_complete(at: &Key, Incomplete { missing, not_utf8 }: &Incomplete) -> Block {
    let mut faults = Vec::new();
    if !missing.is_empty() {
        faults.push(format!("lacks {}", keys(missing)));
    }
    if !not_utf8.is_empty() {
        faults.push(format!("has no text under {}", keys(not_utf8)));
    }
    let values: BTreeMap<_, _> = missing.iter().chain(not_utf8).map(|key| (key, "VALUE")).collect();
    let message = format!(
        "Secret {name:?} {}, which the provider needs: kubectl patch secret {name} -n {} -p '{}'",
        faults.join(" and "),
        at.namespace,
        serde_json::json!({ "stringData": values }),
        name = at.name,
    );
    Block::new(reasons::CREDENTIALS_INCOMPLETE, message)
}

fn not_labelled(key: &Key, name: &str) -> Block {
    let message = format!(
        "Secret {name:?} may not be sent to a provider before its owner agrees: kubectl label secret {name} -n {} apitoken.dev/role=credentials --overwrite",
        key.namespace
    );
    Block::new(reasons::CREDENTIALS_NOT_LABELLED, message)
}

fn keys<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
