//! What an ApiToken sets, held against what its provider declares.

use std::collections::BTreeMap;

use super::Definition;
use crate::{api::provider::Parameter, provider::nearest::did_you_mean};

/// Why an ApiToken's parameters do not fit its provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    #[error("spec.parameters.{name}: the provider declares no such parameter{}", known(name, declared))]
    Unknown { name: String, declared: Vec<String> },
    #[error("spec.parameters.{name}: must be one of {}", allowed.join(", "))]
    NotAllowed { name: String, allowed: Vec<String> },
    #[error("spec.parameters.{name}: the provider requires it{}", choices(allowed))]
    Missing { name: String, allowed: Vec<String> },
}

impl Definition {
    /// The value of every parameter that has one: given, else the default.
    ///
    /// # Errors
    /// If one is unknown, is not among those allowed, or is required and missing.
    pub fn parameters(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ParameterError> {
        if let Some(name) = given.keys().find(|name| !self.parameters.iter().any(|known| known.name == **name)) {
            let declared = self.parameters.iter().map(|known| known.name.clone()).collect();
            return Err(ParameterError::Unknown { name: name.clone(), declared });
        }
        let mut values = BTreeMap::new();
        for parameter in &self.parameters {
            let value = given.get(&parameter.name).or(parameter.default.as_ref()).filter(|value| !value.is_empty());
            match value {
                Some(value) => {
                    check(parameter, value)?;
                    values.insert(parameter.name.clone(), value.clone());
                }
                None if parameter.required == Some(true) => {
                    let (name, allowed) = (parameter.name.clone(), parameter.enum_.clone());
                    return Err(ParameterError::Missing { name, allowed });
                }
                None => {}
            }
        }
        Ok(values)
    }
}

fn check(parameter: &Parameter, value: &String) -> Result<(), ParameterError> {
    if parameter.enum_.is_empty() || parameter.enum_.contains(value) {
        return Ok(());
    }
    Err(ParameterError::NotAllowed { name: parameter.name.clone(), allowed: parameter.enum_.clone() })
}

fn known(written: &str, declared: &[String]) -> String {
    if declared.is_empty() {
        return ", and no other".to_owned();
    }
    let meant = did_you_mean(written, declared.iter().map(String::as_str), str::to_owned);
    format!("; it has {}{meant}", declared.join(", "))
}

fn choices(allowed: &[String]) -> String {
    if allowed.is_empty() { String::new() } else { format!(": set it to one of {}", allowed.join(", ")) }
}
