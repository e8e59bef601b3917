//! Reads, and only reads: first what the index knows, then, where that does not suffice, the objects themselves.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{ByteString, api::core::v1::Secret, jiff::Timestamp};
use kube::{Api, api::PartialObjectMeta};

use super::{
    Operator,
    cluster::{ApiError, Target},
    entry::{Key, OutputMarks, SecretEntry, SecretRole, TokenEntry},
    index::{Absence, Known},
    pass::{Pass, Stored, Version},
    route,
};
use crate::{
    api::{names::SESSION_SECRET_TYPE, reasons},
    provider::{
        template::Template,
        values::{Credentials, Incomplete},
    },
    token::{
        facts::SeenCredentials,
        observation::{Block, CredentialsView, Observation, OutputSecret, OutputView, Seen, TokenView},
        output::{OutputPlan, Ownership, secret_name},
        session::{DOCUMENT_KEY, Session},
    },
};

/// Why a pass could not find out what it had to know.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("Secret {0} has the name of a session and is none of ours: delete it, and it is made anew")]
    ForeignSession(Key),
}

/// What the index alone can tell. No request is made. `None`: the ApiToken is gone.
#[must_use]
pub fn glance(operator: &Operator, key: &Key, now: Timestamp) -> Option<Pass> {
    let token = operator.index.token(key)?;
    let (route, provider) = match route::resolve(&operator.index, &operator.presets, key, &token) {
        Ok(route) => (Some(route.clone()), Ok(route.view)),
        Err(block) => (None, Err(block)),
    };
    let mark = route::spec_mark(&operator.index, key, &token);
    let seen = Observation {
        token: TokenView {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: token.uid.clone(),
            generation: token.generation,
            created_at: token.created_at,
            deleting: token.deleting,
            spec: Arc::clone(&token.spec),
            refresh_requested: token.refresh_requested.clone(),
            spec_mark: mark.mark,
            spec_seen_at: mark.seen_at,
        },
        provider,
        credentials: credentials_at_a_glance(operator, key, &token, route.as_ref(), now),
        session: match operator.index.secret(&token.session(key), now) {
            _ if operator.unsaved.has(&token.uid) => Seen::Unknown,
            Known::There(entry) => match &entry.role {
                SecretRole::Session { facts: Some(facts), .. } => Seen::There((**facts).clone()),
                _ => Seen::Unknown,
            },
            Known::Absent(_) | Known::Unknown => Seen::Unknown,
        },
        output: output_at_a_glance(operator, key, &token, route.as_ref(), now),
        rejection: None,
    };
    let mut pass = Pass { key: key.clone(), token, route, seen, stored: None, credentials: None, read_at: None };
    remember_rejection(operator, &mut pass);
    Some(pass)
}

/// Reads what a decision or a request needs: the session by a quorum GET, the credentials if they are wanted or were
/// not read yet, the output's metadata if the index does not know it.
///
/// # Errors
/// When a read fails; nothing was changed.
pub async fn look(operator: &Operator, key: &Key, wants_credentials: bool, now: Timestamp) -> Result<Option<Pass>, ObserveError> {
    let Some(mut pass) = glance(operator, key, now) else { return Ok(None) };
    let unread = matches!(pass.seen.credentials, CredentialsView::Unknown | CredentialsView::There { .. })
        && (wants_credentials || pass.seen.credentials_content().is_none());
    let urgency = pass.urgency();
    let (stored, credentials, output) = tokio::join!(
        read_session(operator, &pass, urgency),
        async {
            match &pass.route {
                Some(route) if unread => read_credentials(operator, &pass, route, now).await.map(Some),
                _ => Ok(None),
            }
        },
        async {
            match pass.seen.output.secret {
                Seen::Unknown => read_output(operator, &pass).await.map(Some),
                _ => Ok(None),
            }
        },
    );
    let stored = stored?;
    if pass.seen.output.plan.is_none() {
        pass.seen.output.plan = plan_from_session(&pass, &stored);
    }
    pass.seen.session = if stored.at.is_some() { Seen::There(stored.session.facts.clone()) } else { Seen::Absent };
    pass.stored = Some(stored);
    pass.read_at = Some(std::time::Instant::now());
    if let Some((view, content)) = credentials? {
        pass.seen.credentials = view;
        pass.credentials = content;
    }
    if let Some(secret) = output? {
        pass.seen.output.secret = secret;
    }
    remember_rejection(operator, &mut pass);
    Ok(Some(pass))
}

/// Looks up what is remembered of these credentials, by whichever ApiToken they were tried.
pub fn remember_rejection(operator: &Operator, pass: &mut Pass) {
    let Some(route) = &pass.route else { return };
    let Some(content) = pass.seen.credentials_content() else { return };
    let origin = route.view.definition.origin().to_string();
    pass.seen.rejection = operator.rejections.of(&origin, &content.fingerprint, &pass.key);
}

/// Reads the credentials into a pass that can no longer be read anew: its refresh was refused, and a login follows.
///
/// # Errors
/// When the read fails.
pub async fn fetch_credentials(operator: &Operator, pass: &mut Pass, now: Timestamp) -> Result<(), ObserveError> {
    let Some(route) = pass.route.clone() else { return Ok(()) };
    let (view, content) = read_credentials(operator, pass, &route, now).await?;
    pass.seen.credentials = view;
    pass.credentials = content;
    remember_rejection(operator, pass);
    Ok(())
}

fn credentials_at_a_glance(
    operator: &Operator,
    key: &Key,
    token: &TokenEntry,
    route: Option<&route::Route>,
    now: Timestamp,
) -> CredentialsView {
    let Some(reference) = &token.spec.credentials_ref else {
        return match route {
            Some(route) if route.view.definition.needs_credentials() => {
                let keys = keys(&route.view.definition.credentials.required);
                let message = format!("this provider wants credentials ({keys}): name a Secret with them in spec.credentialsRef");
                CredentialsView::Blocked(Block::new(reasons::CREDENTIALS_NOT_FOUND, message))
            }
            _ => CredentialsView::NotNeeded,
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

fn output_at_a_glance(
    operator: &Operator,
    key: &Key,
    token: &TokenEntry,
    route: Option<&route::Route>,
    now: Timestamp,
) -> OutputView {
    let name = secret_name(&key.name, &token.spec);
    let secret = match operator.index.secret(&Key::new(&*key.namespace, name), now) {
        Known::There(entry) => match &entry.role {
            SecretRole::Output(marks) => match marks.ownership(&key.name, &token.uid) {
                // Only its content tells whether it may be taken over.
                Ownership::Offered => Seen::Unknown,
                ownership => Seen::There(output_secret(&entry.resource_version, marks, ownership)),
            },
            _ => Seen::There(somebody_elses(&entry.resource_version, "it has another role here")),
        },
        Known::Absent(_) | Known::Unknown => Seen::Unknown,
    };
    let leftovers = operator.index.outputs_of(&token.uid).into_iter().filter(|other| other.name != name);
    OutputView {
        plan: route.map(|route| route.plan.clone()),
        secret,
        leftovers: leftovers.map(|other| other.name).collect(),
    }
}

async fn read_session(
    operator: &Operator,
    pass: &Pass,
    urgency: super::cluster::Urgency,
) -> Result<Stored, ObserveError> {
    let at = pass.token.session(&pass.key);
    let target = Target { verb: "get", resource: "secrets", namespace: &at.namespace, name: &at.name };
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    let secret = match operator.cluster.call(urgency, target, secrets.get(&at.name)).await {
        Err(error) if error.is_not_found() => return Ok(Stored { at: None, session: Session::default() }),
        other => other?,
    };
    let owned = secret.metadata.owner_references.iter().flatten().any(|owner| owner.uid == pass.token.uid);
    if !owned || secret.type_.as_deref() != Some(SESSION_SECRET_TYPE) {
        return Err(ObserveError::ForeignSession(at));
    }
    let document = secret.data.as_ref().and_then(|data| data.get(DOCUMENT_KEY)).map(|bytes| bytes.0.as_slice());
    let session = Session::from_document(document).unwrap_or_else(|error| {
        // What cannot be read is worth nothing: the next login writes it anew.
        tracing::warn!(secret = %at, %error, "the session is not usable; logging in again");
        Session::default()
    });
    Ok(Stored { at: Some(version(&secret.metadata)), session })
}

async fn read_credentials(
    operator: &Operator,
    pass: &Pass,
    route: &route::Route,
    now: Timestamp,
) -> Result<(CredentialsView, Option<Credentials>), ObserveError> {
    let Some(reference) = &pass.token.spec.credentials_ref else { return Ok((CredentialsView::NotNeeded, None)) };
    let at = Key::new(&*pass.key.namespace, &*reference.name);
    let target = Target { verb: "get", resource: "secrets", namespace: &at.namespace, name: &at.name };
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    // Its metadata first, unless the label has been seen: without consent the content is not even read.
    if matches!(pass.seen.credentials, CredentialsView::Unknown) {
        match operator.cluster.call(pass.urgency(), target, secrets.get_metadata(&at.name)).await {
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
    let secret = match operator.cluster.call(pass.urgency(), target, secrets.get(&at.name)).await {
        Err(error) if error.is_not_found() => {
            return Ok((CredentialsView::Blocked(not_found(&pass.key, &at.name)), None));
        }
        other => other?,
    };
    Ok(judge_credentials(operator, route, &at, &secret))
}

fn judge_credentials(
    operator: &Operator,
    route: &route::Route,
    at: &Key,
    secret: &Secret,
) -> (CredentialsView, Option<Credentials>) {
    let empty = BTreeMap::<String, ByteString>::new();
    let data = secret.data.as_ref().unwrap_or(&empty);
    let definition = &route.view.definition;
    let values = data.iter().map(|(key, value)| (key.as_str(), value.0.as_slice()));
    let credentials = match Credentials::read(definition, values) {
        Ok(credentials) => credentials,
        Err(Incomplete { missing, not_utf8 }) => {
            let mut faults = Vec::new();
            if !missing.is_empty() {
                faults.push(format!("lacks {}", keys(&missing)));
            }
            if !not_utf8.is_empty() {
                faults.push(format!("has no text under {}", keys(&not_utf8)));
            }
            let message = format!("Secret {:?} {}; the provider needs them", at.name, faults.join(" and "));
            return (CredentialsView::Blocked(Block::new(reasons::CREDENTIALS_INCOMPLETE, message)), None);
        }
    };
    let Version { uid, resource_version } = version(&secret.metadata);
    let content = SeenCredentials {
        uid: uid.clone(),
        resource_version: resource_version.clone(),
        fingerprint: credentials.fingerprint(&operator.fingerprint_key),
        refresh_fingerprint: credentials
            .fingerprint_of(&operator.fingerprint_key, &definition.refresh_uses().credentials),
    };
    let untrimmed = credentials.trailing_whitespace_keys().into_iter().map(str::to_owned).collect();
    (CredentialsView::There { uid, resource_version, content: Some(content), untrimmed }, Some(credentials))
}

async fn read_output(operator: &Operator, pass: &Pass) -> Result<Seen<OutputSecret>, ObserveError> {
    let name = secret_name(&pass.key.name, &pass.token.spec);
    let namespace = &*pass.key.namespace;
    let target = Target { verb: "get", resource: "secrets", namespace, name };
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), namespace);
    let found: PartialObjectMeta<Secret> =
        match operator.cluster.call(pass.urgency(), target, secrets.get_metadata(name)).await {
            Err(error) if error.is_not_found() => return Ok(Seen::Absent),
            other => other?,
        };
    let marks = OutputMarks::read(&found.metadata);
    let Version { resource_version, .. } = version(&found.metadata);
    let mut ownership = marks.ownership(&pass.key.name, &pass.token.uid);
    if ownership == Ownership::Offered {
        // Type and immutability are no metadata.
        let whole = operator.cluster.call(pass.urgency(), target, secrets.get(name)).await?;
        if whole.type_.as_deref().is_some_and(|kind| kind != "Opaque") {
            ownership = Ownership::Another("it is labelled as an output, but its type is not Opaque".to_owned());
        } else if whole.immutable == Some(true) {
            ownership = Ownership::Another("it is labelled as an output, but it is immutable".to_owned());
        }
    }
    Ok(Seen::There(output_secret(&resource_version, &marks, ownership)))
}

/// What the provider suggested when it was last asked, for the case that it is not there any more.
fn plan_from_session(pass: &Pass, stored: &Stored) -> Option<OutputPlan> {
    let own = pass.token.spec.output.as_ref().map(|output| &output.data).filter(|data| !data.is_empty());
    let data = own.or_else(|| Some(&stored.session.material.as_ref()?.suggested_output))?;
    let templates = data.iter().map(|(key, text)| Some((key.clone(), Template::parse(text).ok()?)));
    Some(OutputPlan::new(&pass.key.name, &pass.token.spec, templates.collect::<Option<_>>()?))
}

pub(super) fn output_secret(resource_version: &str, marks: &OutputMarks, ownership: Ownership) -> OutputSecret {
    OutputSecret {
        ownership,
        resource_version: resource_version.to_owned(),
        revision: marks.revision.clone(),
        expires_at: marks.expires_at,
        drifted: marks.drifted,
        labelled: marks.labelled,
    }
}

fn somebody_elses(resource_version: &str, whose: &str) -> OutputSecret {
    OutputSecret {
        ownership: Ownership::Another(whose.to_owned()),
        resource_version: resource_version.to_owned(),
        revision: None,
        expires_at: None,
        drifted: false,
        labelled: false,
    }
}

fn not_found(key: &Key, name: &str) -> Block {
    let message = format!(
        "there is no Secret {name:?} in namespace {}: create it with the label apitoken.dev/role=credentials",
        key.namespace
    );
    Block::new(reasons::CREDENTIALS_NOT_FOUND, message)
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

pub(super) fn version(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Version {
    Version {
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
    }
}
