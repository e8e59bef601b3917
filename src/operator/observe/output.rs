//! The Secret under the output's name: whose is it, and what does it hold?

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PartialObjectMeta};

use super::{ObserveError, version};
use crate::{
    operator::{
        Operator,
        cluster::Target,
        entry::{Key, OutputMarks, SecretRole, TokenEntry},
        index::Known,
        pass::{Pass, Stored, Version},
        route::Route,
    },
    provider::template::Template,
    token::{
        observation::{OutputSecret, OutputView, Seen},
        output::{OutputPlan, Ownership, secret_name},
    },
};
use k8s_openapi::jiff::Timestamp;

pub(super) fn at_a_glance(
    operator: &Operator,
    key: &Key,
    token: &TokenEntry,
    route: Option<&Route>,
    now: Timestamp,
) -> OutputView {
    let name = secret_name(&key.name, &token.spec);
    let secret = match operator.index.secret(&Key::new(&*key.namespace, name), now) {
        Known::There(entry) => match &entry.role {
            SecretRole::Output(marks) => match marks.ownership(&key.name, &token.uid) {
                // Only its content tells whether it may be taken over.
                Ownership::Offered => Seen::Unknown,
                ownership => Seen::There(secret_of(&entry.resource_version, marks, ownership)),
            },
            _ => Seen::There(somebody_elses(&entry.resource_version, "it has another role here")),
        },
        Known::Absent(_) | Known::Unknown => Seen::Unknown,
    };
    let leftovers = operator.index.outputs_of(key, &token.uid).into_iter().filter(|other| other.name != name);
    OutputView {
        plan: route.map(|route| route.plan.clone()),
        secret,
        leftovers: leftovers.map(|other| other.name).collect(),
    }
}

pub(super) async fn read(operator: &Operator, pass: &Pass) -> Result<Seen<OutputSecret>, ObserveError> {
    let name = secret_name(&pass.key.name, &pass.token.spec);
    let namespace = &*pass.key.namespace;
    let target = Target { verb: "get", resource: "secrets", namespace, name };
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), namespace);
    let found: PartialObjectMeta<Secret> =
        match operator.cluster.call(pass.urgency(), target, || secrets.get_metadata(name)).await {
            Err(error) if error.is_not_found() => return Ok(Seen::Absent),
            other => other?,
        };
    let marks = OutputMarks::read(&found.metadata);
    let Version { resource_version, .. } = version(&found.metadata);
    let mut ownership = marks.ownership(&pass.key.name, &pass.token.uid);
    if ownership == Ownership::Offered {
        // Type and immutability are no metadata.
        let whole = operator.cluster.call(pass.urgency(), target, || secrets.get(name)).await?;
        if whole.type_.as_deref().is_some_and(|kind| kind != "Opaque") {
            ownership = Ownership::Another("it is labelled as an output, but its type is not Opaque".to_owned());
        } else if whole.immutable == Some(true) {
            ownership = Ownership::Another("it is labelled as an output, but it is immutable".to_owned());
        }
    }
    Ok(Seen::There(secret_of(&resource_version, &marks, ownership)))
}

/// What the provider suggested when it was last asked, for the case that it is not there any more.
pub(super) fn plan_from_session(pass: &Pass, stored: &Stored) -> Option<OutputPlan> {
    let own = pass.token.spec.output.as_ref().map(|output| &output.data).filter(|data| !data.is_empty());
    let data = own.or_else(|| Some(&stored.session.material.as_ref()?.suggested_output))?;
    let templates = data.iter().map(|(key, text)| Some((key.clone(), Template::parse(text).ok()?)));
    Some(OutputPlan::new(&pass.key.name, &pass.token.spec, templates.collect::<Option<_>>()?))
}

pub fn secret_of(resource_version: &str, marks: &OutputMarks, ownership: Ownership) -> OutputSecret {
    OutputSecret {
        ownership,
        resource_version: resource_version.to_owned(),
        revision: marks.revision.clone(),
        expires_at: marks.expires_at,
        written_at: marks.written_at,
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
        written_at: None,
        drifted: false,
        labelled: false,
    }
}
