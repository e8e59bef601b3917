//! Text with `${name}` in it, split once when a definition is compiled.
//!
//! Templates substitute and do nothing else: what is put in is never looked at again. This file knows every name that
//! exists; which of them may stand where is for `form` and `validate` to say.

mod name;
#[cfg(test)]
mod tests;

use secrecy::{SecretString, zeroize::Zeroizing};

pub use name::Name;

/// A text that has been split at its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Static(String),
    Name(Name),
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("`${{` at byte {0} is never closed: write `${{name}}`, or `$${{` for a literal `${{`")]
    Unclosed(usize),
    #[error("`${{{name}}}` is not a name{}", name::suggestion(name))]
    Unknown { name: String },
}

/// How one name of a template, or the static text around it, is written at its place.
pub trait Place {
    type Error;

    /// Text of the definition. As it is unless the place says otherwise.
    ///
    /// # Errors
    /// If the place cannot hold this text.
    fn literal(&self, text: &str, out: &mut String) -> Result<(), Self::Error> {
        out.push_str(text);
        Ok(())
    }

    /// A value that is put in.
    ///
    /// # Errors
    /// If the place cannot hold this value.
    fn value(&self, name: &Name, value: &str, out: &mut String) -> Result<(), Self::Error>;
}

impl Template {
    /// Splits a text at its names.
    ///
    /// # Errors
    /// If a `${` is neither a known name nor escaped as `$${`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            literal.push_str(&rest[..dollar]);
            rest = &rest[dollar..];
            if let Some(tail) = rest.strip_prefix("$${") {
                literal.push_str("${");
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("${") {
                let (inner, tail) = tail
                    .split_once('}')
                    .ok_or(TemplateError::Unclosed(text.len() - rest.len()))?;
                let name = Name::parse(inner).ok_or_else(|| TemplateError::Unknown { name: inner.to_owned() })?;
                if !literal.is_empty() {
                    parts.push(Part::Static(std::mem::take(&mut literal)));
                }
                parts.push(Part::Name(name));
                rest = tail;
            } else {
                literal.push('$');
                rest = &rest[1..];
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Static(literal));
        }
        Ok(Self {
            source: text.to_owned(),
            parts,
        })
    }

    /// The names in it, in their order, repeated if they are.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name),
            Part::Static(_) => None,
        })
    }

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Puts values in as they are. `None` if one of the names is absent: `lookup` knows none, or an empty one.
    pub fn expand<'v>(&self, lookup: impl Fn(&Name) -> Option<&'v str>) -> Option<SecretString> {
        match self.expand_at(&AsIs, lookup) {
            Ok(text) => text,
            Err(never) => match never {},
        }
    }

    /// Puts values in, written as their place wants them. `Ok(None)` if one of the names is absent.
    ///
    /// # Errors
    /// What the place says of a value that it cannot hold.
    pub fn expand_at<'v, P: Place>(
        &self,
        place: &P,
        lookup: impl Fn(&Name) -> Option<&'v str>,
    ) -> Result<Option<SecretString>, P::Error> {
        let mut out = Zeroizing::new(String::with_capacity(self.longest(&lookup)));
        for part in &self.parts {
            match part {
                Part::Static(text) => place.literal(text, &mut out)?,
                Part::Name(name) => match lookup(name).filter(|value| !value.is_empty()) {
                    Some(value) => place.value(name, value, &mut out)?,
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(SecretString::from(std::mem::take(&mut *out))))
    }

    /// Room for the widest encoding, `%XX` for each byte: a text that grows leaves copies of secrets behind.
    fn longest<'v>(&self, lookup: impl Fn(&Name) -> Option<&'v str>) -> usize {
        let values: usize = self.names().filter_map(lookup).map(str::len).sum();
        (self.source.len() + values).saturating_mul(3)
    }
}

/// Output data, multipart fields: no encoding.
struct AsIs;

impl Place for AsIs {
    type Error = std::convert::Infallible;

    fn value(&self, _: &Name, value: &str, out: &mut String) -> Result<(), Self::Error> {
        out.push_str(value);
        Ok(())
    }
}
