//! Writes the output Secret: a projection of the session, and nothing that is not ours.
//!
//! A JSON Patch whose first operation replaces the resourceVersion: a stale one is a conflict. `data` is wholly ours;
//! of labels, annotations and owners only what we put there is changed.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    Operator, act,
    cluster::{ApiError, Target},
    entry::{Key, OutputMarks},
    index::Known,
    keeper::owned_by,
    observe,
    pass::Pass,
};
use crate::{
    api::{
        names::{
            EXPIRES_AT, FIELD_MANAGER, ISSUED_AT, MANAGED_METADATA, OWNER, PROVIDER, REVISION, ROLE_LABEL, ROLE_OUTPUT,
        },
        token::OnDelete,
    },
    token::{
        observation::{OutputSecret, Seen},
        output::{OutputPlan, Ownership, Revision},
    },
};

/// What the output shall look like now, token included.
struct Projection {
    plan: OutputPlan,
    data: BTreeMap<String, SecretString>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    revision: Revision,
    owner: OwnerReference,
}

/// Writes the session's token into the output, and removes outputs of ours that had another name.
///
/// # Errors
/// A conflict when somebody else wrote it; anything else that the API server says.
pub async fn project(operator: &Operator, pass: &mut Pass) -> Result<(), ApiError> {
    let Some(projection) = Projection::of(pass) else { return Ok(()) };
    let at = Key::new(&*pass.key.namespace, &*projection.plan.secret_name);
    let Some(metadata) = write(operator, pass, &projection, &at).await? else { return Ok(()) };
    act::learn(operator, &at, &metadata);
    let mut marks = OutputMarks::read(&metadata);
    let ownership = marks.ownership(&pass.key.name, &pass.token.uid);
    let resource_version = observe::version(&metadata).resource_version;
    if matches!(&pass.seen.output.secret, Seen::There(before) if before.resource_version == resource_version) {
        // The patch changed nothing: whoever else has a claim on the data (a restored backup) has written the same.
        marks.drifted = false;
        operator.index.settle_output(&at, &resource_version);
    }
    pass.seen.output.secret = Seen::There(observe::output::secret_of(&resource_version, &marks, ownership));
    remove_leftovers(operator, pass).await
}

/// `None`: it must not be written after all.
async fn write(
    operator: &Operator,
    pass: &mut Pass,
    projection: &Projection,
    at: &Key,
) -> Result<Option<ObjectMeta>, ApiError> {
    let written = match &pass.seen.output.secret {
        Seen::There(there) if projection.is_only_a_new_token(there) => {
            let patch = projection.token_patch(&there.resource_version);
            patch_output(operator, pass, at, patch).await
        }
        Seen::There(_) => {
            let Some(patch) = whole_patch(operator, pass, projection, at).await? else { return Ok(None) };
            patch_output(operator, pass, at, patch).await
        }
        Seen::Absent | Seen::Unknown => create_output(operator, pass, projection, at).await,
    };
    if let (Err(error), Seen::There(there)) = (&written, &pass.seen.output.secret)
        && (error.is_conflict() || error.is_not_found())
    {
        operator.index.doubt(at, &there.resource_version);
    }
    written.map(Some)
}

async fn create_output(
    operator: &Operator,
    pass: &Pass,
    projection: &Projection,
    at: &Key,
) -> Result<ObjectMeta, ApiError> {
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let secret = projection.new_secret(at);
    let target = Target { verb: "create", resource: "secrets", namespace: &at.namespace, name: &at.name };
    let call = || secrets.create(&params, &secret);
    Ok(operator.cluster.call(pass.urgency(), target, call).await?.metadata)
}

async fn patch_output(operator: &Operator, pass: &Pass, at: &Key, patch: Value) -> Result<ObjectMeta, ApiError> {
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = serde_json::from_value(patch).expect("invariant: built as a list of JSON Patch operations");
    let target = Target { verb: "patch", resource: "secrets", namespace: &at.namespace, name: &at.name };
    let patch = Patch::<()>::Json(patch);
    let call = || secrets.patch_metadata(&at.name, &params, &patch);
    Ok(operator.cluster.call(pass.urgency(), target, call).await?.metadata)
}

/// A patch of everything that is ours, from the metadata as they are now; `None` if it must not be written after all.
async fn whole_patch(
    operator: &Operator,
    pass: &mut Pass,
    projection: &Projection,
    at: &Key,
) -> Result<Option<Value>, ApiError> {
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    let target = Target { verb: "get", resource: "secrets", namespace: &at.namespace, name: &at.name };
    let found = operator.cluster.call(pass.urgency(), target, || secrets.get_metadata(&at.name)).await?.metadata;
    let Seen::There(there) = &pass.seen.output.secret else { return Ok(None) };
    let unchanged = found.resource_version.as_deref() == Some(&there.resource_version);
    let ownership = OutputMarks::read(&found).ownership(&pass.key.name, &pass.token.uid);
    if ownership != Ownership::Ours && !(unchanged && there.ownership == Ownership::Offered) {
        pass.seen.output.secret = Seen::Unknown;
        return Ok(None);
    }
    Ok(Some(projection.whole_patch(&found)))
}

async fn remove_leftovers(operator: &Operator, pass: &mut Pass) -> Result<(), ApiError> {
    for name in std::mem::take(&mut pass.seen.output.leftovers) {
        let at = Key::new(&*pass.key.namespace, name);
        let now = k8s_openapi::jiff::Timestamp::MIN;
        let Known::There(entry) = operator.index.secret(&at, now) else { continue };
        // Only this incarnation, in this version, under this ApiToken's control.
        let only =
            Preconditions { uid: Some(entry.uid.clone()), resource_version: Some(entry.resource_version.clone()) };
        let params = DeleteParams { preconditions: Some(only), ..DeleteParams::default() };
        let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
        let target = Target { verb: "delete", resource: "secrets", namespace: &at.namespace, name: &at.name };
        match operator.cluster.call(pass.urgency(), target, || secrets.delete(&at.name, &params)).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => drop(operator.index.remove_secret(&at, &entry.uid)),
        }
    }
    Ok(())
}

impl Projection {
    fn of(pass: &Pass) -> Option<Self> {
        let plan = pass.seen.output.plan.clone()?;
        let session = &pass.stored.as_ref()?.session;
        let (issued, material) = (session.facts.issued.as_ref()?, session.material.as_ref()?);
        let data = plan.project(material, issued);
        let revision = plan.revision(issued, data.keys());
        let reference = &pass.token.spec.provider_ref;
        let ours = [
            (EXPIRES_AT, issued.expires_at.to_string()),
            (ISSUED_AT, issued.issued_at.to_string()),
            (PROVIDER, format!("{:?}/{}", reference.kind.unwrap_or_default(), reference.name)),
            (OWNER, format!("{}/{}", pass.key.name, pass.token.uid)),
            (REVISION, revision.to_string()),
            (MANAGED_METADATA, managed_metadata(&plan)),
        ];
        let mut annotations = plan.annotations.clone();
        annotations.extend(ours.map(|(key, value)| (key.to_owned(), value)));
        let mut labels = plan.labels.clone();
        labels.insert(ROLE_LABEL.to_owned(), ROLE_OUTPUT.to_owned());
        let owner = owned_by(&pass.key, &pass.token);
        Some(Self { plan, data, labels, annotations, revision, owner })
    }

    /// The steady case: everything but the token and its times is as it must be, so nothing needs to be read.
    fn is_only_a_new_token(&self, there: &OutputSecret) -> bool {
        there.ownership == Ownership::Ours
            && there.labelled
            && there.revision.as_ref().is_some_and(|revision| revision.plan == self.revision.plan)
    }

    fn token_patch(&self, resource_version: &str) -> Value {
        let mut patch = vec![at_version(resource_version), add("/data", &json!(self.encoded()))];
        for key in [EXPIRES_AT, ISSUED_AT, REVISION] {
            patch.push(add(&format!("/metadata/annotations/{}", escaped(key)), &json!(self.annotations[key])));
        }
        Value::Array(patch)
    }

    fn whole_patch(&self, found: &ObjectMeta) -> Value {
        let mut patch = vec![
            at_version(found.resource_version.as_deref().unwrap_or_default()),
            add("/data", &json!(self.encoded())),
        ];
        let (old_labels, old_annotations) = formerly_managed(found);
        keyed(&mut patch, "labels", found.labels.as_ref(), &self.labels, &old_labels);
        keyed(&mut patch, "annotations", found.annotations.as_ref(), &self.annotations, &old_annotations);
        let before = found.owner_references.clone().unwrap_or_default();
        let mut owners: Vec<_> = before.iter().filter(|owner| owner.uid != self.owner.uid).cloned().collect();
        if self.plan.on_delete == OnDelete::Delete {
            owners.push(self.owner.clone());
        }
        if owners != before {
            patch.push(add("/metadata/ownerReferences", &json!(owners)));
        }
        Value::Array(patch)
    }

    fn new_secret(&self, at: &Key) -> Secret {
        let bytes = |secret: &SecretString| ByteString(secret.expose_secret().as_bytes().to_vec());
        Secret {
            metadata: ObjectMeta {
                name: Some(at.name.clone()),
                namespace: Some(at.namespace.clone()),
                labels: Some(self.labels.clone()),
                annotations: Some(self.annotations.clone()),
                owner_references: (self.plan.on_delete == OnDelete::Delete).then(|| vec![self.owner.clone()]),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(self.data.iter().map(|(key, value)| (key.clone(), bytes(value))).collect()),
            ..Secret::default()
        }
    }

    fn encoded(&self) -> BTreeMap<&str, ByteString> {
        let bytes = |secret: &SecretString| ByteString(secret.expose_secret().as_bytes().to_vec());
        self.data.iter().map(|(key, value)| (key.as_str(), bytes(value))).collect()
    }
}

/// One by one, so that what others have put there stays.
fn keyed(
    patch: &mut Vec<Value>,
    field: &str,
    found: Option<&BTreeMap<String, String>>,
    wanted: &BTreeMap<String, String>,
    formerly: &BTreeSet<String>,
) {
    let place_of = |key: &str| format!("/metadata/{field}/{}", escaped(key));
    if found.is_none() {
        patch.push(add(&format!("/metadata/{field}"), &json!({})));
    }
    let there = |key: &str| found.and_then(|found| found.get(key));
    for key in formerly.iter().filter(|key| !wanted.contains_key(*key) && there(key).is_some()) {
        patch.push(json!({ "op": "remove", "path": place_of(key) }));
    }
    for (key, value) in wanted.iter().filter(|(key, value)| there(key) != Some(value)) {
        patch.push(add(&place_of(key), &json!(value)));
    }
}

/// The keys that came from the spec, so that they can go with it: `l:` labels and `a:` annotations.
fn managed_metadata(plan: &OutputPlan) -> String {
    let labels = plan.labels.keys().map(|key| format!("l:{key}"));
    let annotations = plan.annotations.keys().map(|key| format!("a:{key}"));
    labels.chain(annotations).collect::<Vec<_>>().join(",")
}

fn formerly_managed(found: &ObjectMeta) -> (BTreeSet<String>, BTreeSet<String>) {
    let text = found.annotations.as_ref().and_then(|all| all.get(MANAGED_METADATA)).map_or("", String::as_str);
    let of = |kind: &str| text.split(',').filter_map(|one| one.strip_prefix(kind)).map(str::to_owned).collect();
    (of("l:"), of("a:"))
}

fn at_version(resource_version: &str) -> Value {
    json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": resource_version })
}

fn add(path: &str, value: &Value) -> Value {
    json!({ "op": "add", "path": path, "value": value })
}

/// RFC 6901: `~` and `/` inside one part of a pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
