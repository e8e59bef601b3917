//! Writes, and only writes: the session, then the output, then the status, each conditional on what was read.
//!
//! Losing a race is no failure to be repaired here: somebody else wrote, and the next pass reads again.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
};
use serde_json::{Value, json};

use super::{
    Operator,
    cluster::{ApiError, Target, Urgency},
    entry::{Key, ProviderEntry, ProviderKey, SecretEntry, TokenEntry},
    observe,
    pass::{Pass, Stored},
};
use crate::{
    api::{
        ApiToken, ApiTokenStatus, ClusterTokenProvider, ProviderKind, ProviderStatus, TokenProvider,
        names::{EXPIRES_AT, FIELD_MANAGER, ISSUED_AT, OWNER, RENEW_AT, ROLE_LABEL, ROLE_SESSION, SESSION_SECRET_TYPE},
    },
    token::{
        facts,
        observation::Seen,
        schedule,
        session::{DOCUMENT_KEY, Session},
    },
};

/// Fields of the statuses that a merge patch must name to remove.
const TOKEN_STATUS_FIELDS: &[&str] = &[
    "secretName",
    "binding",
    "lastOperation",
    "issuedAt",
    "expiresAt",
    "renewAt",
    "sessionStartedAt",
    "sessionExpiresAt",
    "failures",
];

/// Stores the session, conditional on the version that it follows from. An answer goes with [`Urgency::Answer`].
///
/// # Errors
/// A conflict when somebody else wrote it; anything else that the API server says.
pub async fn store_session(
    operator: &Operator,
    pass: &mut Pass,
    urgency: Urgency,
    session: Session,
) -> Result<(), ApiError> {
    let at = pass.session().expect("invariant: a session is stored only after it was looked for");
    let base = pass.stored.as_ref().and_then(|stored| stored.at.clone());
    let mut metadata = session_metadata(pass, &at, &session);
    let target = |verb| Target { verb, resource: "secrets", namespace: &at.namespace, name: &at.name };
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    let document = BTreeMap::from([(DOCUMENT_KEY.to_owned(), ByteString(session.to_document()))]);
    let as_us = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    if let Some(base) = base {
        metadata.uid = Some(base.uid);
        metadata.resource_version = Some(base.resource_version);
    }
    let creates = metadata.uid.is_none();
    let secret =
        Secret { metadata, type_: Some(SESSION_SECRET_TYPE.to_owned()), data: Some(document), ..Secret::default() };
    let written = if creates {
        operator.cluster.call(urgency, target("create"), || secrets.create(&as_us, &secret)).await?
    } else {
        operator.cluster.call(urgency, target("update"), || secrets.replace(&at.name, &as_us, &secret)).await?
    };
    learn(operator, &at, &written.metadata);
    pass.seen.session = Seen::There(session.facts.clone());
    pass.stored = Some(Stored { at: Some(observe::version(&written.metadata)), session });
    Ok(())
}

fn session_metadata(pass: &Pass, at: &Key, session: &Session) -> ObjectMeta {
    let mut annotations = BTreeMap::from([(facts::ANNOTATION.to_owned(), session.facts.to_annotation())]);
    if let Some(issued) = &session.facts.issued {
        let renew_at = schedule::renew_at(issued, pass.token.spec.refresh.as_ref(), &pass.token.uid);
        annotations.insert(ISSUED_AT.to_owned(), issued.issued_at.to_string());
        annotations.insert(EXPIRES_AT.to_owned(), issued.expires_at.to_string());
        annotations.insert(RENEW_AT.to_owned(), renew_at.to_string());
    }
    if let Some(user) = &session.facts.user {
        annotations.insert(OWNER.to_owned(), format!("{}/{}", user.name, user.uid));
    }
    ObjectMeta {
        name: Some(at.name.clone()),
        namespace: Some(at.namespace.clone()),
        labels: Some(BTreeMap::from([(ROLE_LABEL.to_owned(), ROLE_SESSION.to_owned())])),
        annotations: Some(annotations),
        owner_references: Some(vec![pass.keeper.owner_reference(&pass.key, &pass.token)]),
        ..ObjectMeta::default()
    }
}

/// Writes the status of an ApiToken, if it differs from what is there.
///
/// # Errors
/// A conflict when the object has changed since it was seen; anything else that the API server says.
pub async fn report(
    operator: &Operator,
    pass: &Pass,
    status: &ApiTokenStatus,
    now: Timestamp,
) -> Result<bool, ApiError> {
    if pass.token.reported.is(status) {
        return Ok(false);
    }
    let Key { namespace, name } = &pass.key;
    let tokens: Api<ApiToken> = Api::namespaced(operator.cluster.client.clone(), namespace);
    let patch = status_patch(pass.token.version, status, TOKEN_STATUS_FIELDS);
    let target = Target { verb: "patch", resource: "apitokens/status", namespace, name };
    let params = patch_params();
    let call = || tokens.patch_status(name, &params, &patch);
    let written = operator.cluster.call(Urgency::Report, target, call).await?;
    operator.index.apply_token(pass.key.clone(), TokenEntry::read(written, now));
    Ok(true)
}

/// Writes the status of a provider, if it differs from what is there.
///
/// # Errors
/// As [`report`].
pub async fn report_provider(
    operator: &Operator,
    key: &ProviderKey,
    entry: &ProviderEntry,
    status: &ProviderStatus,
) -> Result<bool, ApiError> {
    if entry.status == *status {
        return Ok(false);
    }
    let patch = status_patch(entry.version, status, &[]);
    let (params, client) = (patch_params(), operator.cluster.client.clone());
    let namespace = key.namespace.as_deref().unwrap_or_default();
    let name = key.name.as_str();
    if key.kind == ProviderKind::TokenProvider {
        let api: Api<TokenProvider> = Api::namespaced(client, namespace);
        let target = Target { verb: "patch", resource: "tokenproviders/status", namespace, name };
        let call = || api.patch_status(name, &params, &patch);
        operator.cluster.call(Urgency::Report, target, call).await.map(drop)?;
    } else {
        let api: Api<ClusterTokenProvider> = Api::all(client);
        let target = Target { verb: "patch", resource: "clustertokenproviders/status", namespace, name };
        let call = || api.patch_status(name, &params, &patch);
        operator.cluster.call(Urgency::Report, target, call).await.map(drop)?;
    }
    Ok(true)
}

/// A merge patch. The status subresource ignores a uid, so the resourceVersion names the incarnation.
fn status_patch(version: u64, status: &impl serde::Serialize, optional: &[&str]) -> Patch<Value> {
    let mut status = serde_json::to_value(status).expect("invariant: a status has only string keys");
    if let Some(fields) = status.as_object_mut() {
        for field in optional {
            fields.entry(*field).or_insert(Value::Null);
        }
        // Inside, too, a merge patch keeps what it does not name.
        if let Some(failures) = fields.get_mut("failures").and_then(Value::as_object_mut) {
            failures.entry("nextAt").or_insert(Value::Null);
        }
    }
    Patch::Merge(json!({ "metadata": { "resourceVersion": version.to_string() }, "status": status }))
}

fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// Takes our own write into the index at once: the watch will only repeat it.
pub(super) fn learn(operator: &Operator, at: &Key, metadata: &ObjectMeta) {
    let partial = PartialObjectMeta::<Secret> { metadata: metadata.clone(), ..PartialObjectMeta::default() };
    if let Some(entry) = SecretEntry::read(&partial) {
        operator.index.apply_secret(at.clone(), entry);
    }
}
