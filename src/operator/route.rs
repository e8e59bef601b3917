//! From an ApiToken to the provider that it may use, or to the reason why it may not. Reads the index only.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{
    address::Tenancy,
    entry::{Key, ProviderEntry, ProviderKey, TokenEntry},
    index::Index,
    settings::{AllowedPresets, ClusterProviders},
    tls::TlsMaterial,
};
use crate::{
    api::{ApiTokenSpec, ProviderKind, reasons},
    provider::{definition::Definition, presets, template::Template, validate},
    token::{
        observation::{Block, ProviderView},
        output::OutputPlan,
    },
};

/// A provider that an ApiToken may use, and the way there.
#[derive(Clone)]
pub struct Route {
    pub key: ProviderKey,
    pub view: ProviderView,
    pub tls: Arc<TlsMaterial>,
    pub tenancy: Tenancy,
    pub plan: OutputPlan,
}

/// Which specs an attempt is made with, and since when they are in sight.
#[derive(Clone, Debug)]
pub struct SpecMark {
    pub mark: String,
    pub seen_at: k8s_openapi::jiff::Timestamp,
}

/// Finds the provider and checks that it may be used.
///
/// # Errors
/// A block with the reason and the remedy: not found, not allowed, not valid, or wrong parameters for it.
pub fn resolve(
    index: &Index,
    allowed: &AllowedPresets,
    of_cluster: ClusterProviders,
    key: &Key,
    token: &TokenEntry,
) -> Result<Route, Block> {
    let provider = token.provider(key);
    let (definition, tls) = match provider.kind {
        ProviderKind::Preset => (preset(allowed, &provider.name)?, Arc::default()),
        ProviderKind::ClusterTokenProvider if of_cluster == ClusterProviders::Off => return Err(not_served()),
        _ => of_object(index, key, &provider)?,
    };
    let parameters = definition
        .parameters(&token.spec.parameters)
        .map_err(|error| Block::by_spec(reasons::PROVIDER_INVALID, error.to_string()))?;
    let data = output_data(&token.spec, &definition)?;
    let view = ProviderView { fingerprint: definition.fingerprint(&parameters), parameters, definition };
    let tenancy = if provider.kind == ProviderKind::TokenProvider { Tenancy::Tenant } else { Tenancy::Cluster };
    Ok(Route { key: provider, view, tls, tenancy, plan: OutputPlan::new(&key.name, &token.spec, data) })
}

/// Names the generations that an attempt is made with.
#[must_use]
pub fn spec_mark(index: &Index, key: &Key, token: &TokenEntry) -> SpecMark {
    match index.provider(&token.provider(key)) {
        Some(provider) => SpecMark {
            mark: format!("{}/{}/{}{}", token.generation, provider.uid, provider.generation, tls_mark(&provider)),
            seen_at: token.generation_seen_at.max(provider.generation_seen_at),
        },
        None => SpecMark { mark: token.generation.to_string(), seen_at: token.generation_seen_at },
    }
}

/// What its TLS refers to is part of what the provider says, though no generation tells of a change.
fn tls_mark(provider: &ProviderEntry) -> String {
    match &provider.tls {
        Ok(tls) if !provider.references.all.is_empty() => format!("/{}", tls.mark()),
        _ => String::new(),
    }
}

fn preset(allowed: &AllowedPresets, name: &str) -> Result<Arc<Definition>, Block> {
    let definition = presets::definition(name).ok_or_else(|| {
        let reason =
            if presets::spec(name).is_some() { reasons::PROVIDER_INVALID } else { reasons::PROVIDER_NOT_FOUND };
        Block::new(reason, presets::unusable(name))
    })?;
    if !allowed.allows(name) {
        let message = format!("preset {name:?} is switched off here (--presets); ask the cluster's administrator");
        return Err(Block::new(reasons::PROVIDER_NOT_ALLOWED, message));
    }
    Ok(definition)
}

fn not_served() -> Block {
    let message = "ClusterTokenProviders are switched off here (--cluster-providers): name a Preset or a TokenProvider in \
                   spec.providerRef, or ask the operator's administrator";
    Block::new(reasons::PROVIDER_NOT_ALLOWED, message.to_owned())
}

fn of_object(index: &Index, key: &Key, provider: &ProviderKey) -> Result<(Arc<Definition>, Arc<TlsMaterial>), Block> {
    let entry = index.provider(provider).ok_or_else(|| {
        let kind = format!("{:?}", provider.kind);
        let place =
            provider.namespace.as_ref().map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let message =
            format!("there is no {kind} {:?}{place}; kubectl get {}s lists them", provider.name, kind.to_lowercase());
        Block::new(reasons::PROVIDER_NOT_FOUND, message)
    })?;
    may_use(index, key, provider, &entry)?;
    let invalid = |message: String| {
        let message = format!("{:?} {:?} is not valid: {message}", provider.kind, provider.name);
        Block::new(reasons::PROVIDER_INVALID, message)
    };
    let definition = entry.compiled.clone().map_err(|error| invalid(error.to_string()))?;
    let tls = entry.tls.clone().map_err(|error| invalid(error.to_string()))?;
    Ok((definition, tls))
}

fn may_use(index: &Index, key: &Key, provider: &ProviderKey, entry: &ProviderEntry) -> Result<(), Block> {
    let Some(selector) = &entry.allowed else { return Ok(()) };
    let Some(labels) = index.namespace_labels(&key.namespace) else {
        return Err(Block::new(reasons::PENDING, format!("waiting for the labels of namespace {}", key.namespace)));
    };
    if selects(selector, &labels) {
        return Ok(());
    }
    let message = format!(
        "ClusterTokenProvider {:?} does not allow namespace {:?}: its spec.allowedNamespaces selects other labels; ask its administrator",
        provider.name, key.namespace
    );
    Err(Block::new(reasons::PROVIDER_NOT_ALLOWED, message))
}

fn output_data(
    spec: &ApiTokenSpec,
    definition: &Definition,
) -> Result<std::collections::BTreeMap<String, Template>, Block> {
    match spec.output.as_ref().map(|output| &output.data).filter(|data| !data.is_empty()) {
        None => Ok(definition.output.clone()),
        Some(data) => validate::compile_output(data, definition)
            .map_err(|error| Block::by_spec(reasons::PROVIDER_INVALID, error.to_string())),
    }
}

/// Kubernetes' label selector: all of `matchLabels` and all of `matchExpressions`.
fn selects(selector: &LabelSelector, labels: &std::collections::BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let matches = selector.match_expressions.iter().flatten().all(|wanted| {
        let value = labels.get(&wanted.key);
        let listed = value.is_some_and(|value| wanted.values.iter().flatten().any(|one| one == value));
        match wanted.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    });
    equal && matches
}
