//! From a whole provider spec to a definition, or to all that is wrong with it.

use std::collections::BTreeMap;

use super::{
    definition::Definition,
    form::{self, Scope, Stage},
    oauth2, presets,
    problem::Problems,
    template::Template,
};
use crate::api::{TokenProviderSpec, provider::Limits};

pub use super::problem::{Invalid, Problem};

#[cfg(test)]
mod tests;

/// A provider's spec, whichever of `preset`, `http` and `oauth2` it uses, as a definition.
///
/// # Errors
/// With everything that is wrong with it. The TLS material is not looked at here.
pub fn compile(spec: &TokenProviderSpec) -> Result<Definition, Invalid> {
    match (&spec.preset, &spec.http, &spec.oauth2) {
        (None, Some(http), None) => form::compile(spec, http),
        (Some(name), None, None) => match presets::spec(name) {
            Some(preset) if preset.url.is_none() && spec.url.is_none() => {
                invalid("spec.url", format!("is required: {}", presets::needs_url(name)))
            }
            Some(preset) => on_preset(preset, spec),
            None => invalid("spec.preset", presets::unknown(name)),
        },
        (None, None, Some(form)) => oauth2::compile(spec, form),
        (Some(_), Some(_), None) => invalid(
            "spec.http",
            "cannot change a preset: leave preset out, and write the whole form (`apitoken-operator preset NAME` \
             prints it)"
                .to_owned(),
        ),
        _ => invalid("spec", "needs exactly one of preset, oauth2, http".to_owned()),
    }
}

/// An ApiToken's own `output.data`: names known at this place, outputs declared by the provider.
///
/// # Errors
/// With every template that is wrong.
pub fn compile_output(
    data: &BTreeMap<String, String>,
    definition: &Definition,
) -> Result<BTreeMap<String, Template>, Invalid> {
    let mut problems = Problems::default();
    let scope = Scope {
        stage: Stage::Output,
        credentials: &definition.credentials,
        keys: form::Keys::Declared,
        parameters: &definition.parameters,
        login: Some(&definition.login.response),
    };
    let templates = form::output_data(&mut problems, scope, "spec.output.data", data);
    problems.finish(Some(templates))
}

/// What stands beside `preset` replaces what the preset says.
fn on_preset(preset: &TokenProviderSpec, spec: &TokenProviderSpec) -> Result<Definition, Invalid> {
    let merged = TokenProviderSpec {
        preset: None,
        http: preset.http.clone(),
        oauth2: None,
        url: spec.url.clone().or_else(|| preset.url.clone()),
        parameters: spec.parameters.clone().or_else(|| preset.parameters.clone()),
        output: spec.output.clone().or_else(|| preset.output.clone()),
        limits: Some(on_limits(preset.limits.as_ref(), spec.limits.as_ref())),
        tls: spec.tls.clone(),
    };
    let http = merged.http.as_ref().expect("invariant: a test reads every preset");
    form::compile(&merged, http)
}

fn on_limits(preset: Option<&Limits>, spec: Option<&Limits>) -> Limits {
    let (preset, spec) = (preset.cloned().unwrap_or_default(), spec.cloned().unwrap_or_default());
    Limits {
        requests_per_second: spec.requests_per_second.or(preset.requests_per_second),
        burst: spec.burst.or(preset.burst),
        concurrency: spec.concurrency.or(preset.concurrency),
        timeout: spec.timeout.or(preset.timeout),
    }
}

fn invalid(path: &str, message: String) -> Result<Definition, Invalid> {
    Err(Invalid(vec![Problem { path: path.to_owned(), message }]))
}
