//! What a request's body is made of.

use serde_json::Value;

use super::assertion::Assertion;
use crate::provider::template::Template;

/// A body with the values still missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// The members of the root object.
    Json(Vec<(String, JsonTemplate)>),
    /// `application/x-www-form-urlencoded`
    Form(Vec<(String, FormValue)>),
    /// `multipart/form-data`
    Multipart(Vec<(String, Template)>),
}

/// What a field of a form holds.
#[derive(Clone, Debug, PartialEq)]
pub enum FormValue {
    Text(Template),
    /// A signed statement of OAuth 2.0, made anew for each request.
    Assertion(Box<Assertion>),
}

/// JSON whose strings are templates.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTemplate {
    Text(Template),
    /// A number, a boolean or null: sent as it is.
    Fixed(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Body {
    pub(super) fn templates(&self) -> Vec<&Template> {
        let mut found = Vec::new();
        match self {
            Self::Json(members) => members.iter().for_each(|(_, json)| json.collect(&mut found)),
            Self::Form(fields) => fields.iter().for_each(|(_, value)| found.extend(value.templates())),
            Self::Multipart(fields) => found.extend(fields.iter().map(|(_, template)| template)),
        }
        found
    }
}

impl FormValue {
    fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(template) => vec![template],
            Self::Assertion(assertion) => assertion.templates(),
        }
    }
}

impl JsonTemplate {
    fn collect<'t>(&'t self, found: &mut Vec<&'t Template>) {
        match self {
            Self::Text(template) => found.push(template),
            Self::Fixed(_) => {}
            Self::List(elements) => elements.iter().for_each(|json| json.collect(found)),
            Self::Object(members) => members.iter().for_each(|(_, json)| json.collect(found)),
        }
    }
}
