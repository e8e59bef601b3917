//! YAML files as people wrote them: documents whose every value knows its line.
//!
//! It reads and finds places; what a document means is not decided here. Nothing of it can be printed, since Secrets
//! stand in such files.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, Value};
use serde_saphyr::Spanned;

/// A file's text, or that of standard input.
pub struct Source {
    /// As it was named; `-` for standard input.
    pub name: String,
    pub text: String,
}

/// One document of a source.
pub struct Document {
    pub file: String,
    pub root: Node,
}

/// A value and where it stands.
pub struct Node {
    /// From 1; 0 if it is not known.
    pub line: u64,
    pub content: Content,
}

pub enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// A member of an object.
pub struct Member {
    pub name: String,
    pub line: u64,
    pub value: Node,
}

/// A text that is no YAML. Says where, and never quotes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYaml {
    pub file: String,
    pub line: u64,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", .path.display())]
pub struct Unreadable {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The files that `paths` name: files, `-` for standard input, and of directories all `.yaml`, `.yml` and `.json`
/// files below them, in the order of their names.
///
/// # Errors
/// If one of them cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Unreadable> {
    let mut sources = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let text = io::read_to_string(io::stdin()).map_err(|source| unreadable(path, source))?;
            sources.push(Source { name: "-".to_owned(), text });
        } else if path.is_dir() {
            below(path, &mut sources)?;
        } else {
            sources.push(file(path)?);
        }
    }
    Ok(sources)
}

/// The documents of a source; empty ones are left out.
///
/// # Errors
/// If it is no YAML.
pub fn documents(source: &Source) -> Result<Vec<Document>, NotYaml> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    let nodes: Vec<Spanned<Content>> =
        serde_saphyr::from_multiple_with_options(&source.text, options).map_err(|error| NotYaml {
            file: source.name.clone(),
            line: error.location().map_or(0, |location| location.line()),
        })?;
    let nodes = nodes.into_iter().map(Node::from).filter(|node| !node.is_null());
    Ok(nodes.map(|root| Document { file: source.name.clone(), root }).collect())
}

fn below(directory: &Path, sources: &mut Vec<Source>) -> Result<(), Unreadable> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<_> =
        entries.map_err(|source| unreadable(directory, source))?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let manifest = path.extension().is_some_and(|it| ["yaml", "yml", "json"].iter().any(|known| it == *known));
        if path.is_dir() {
            below(&path, sources)?;
        } else if manifest {
            sources.push(file(&path)?);
        }
    }
    Ok(())
}

fn file(path: &Path) -> Result<Source, Unreadable> {
    let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    Ok(Source { name: path.display().to_string(), text })
}

fn unreadable(path: &Path, source: io::Error) -> Unreadable {
    Unreadable { path: path.to_owned(), source }
}

impl Node {
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Value::Null))
    }

    /// The value of a member, if this is an object that has it and it is not null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let member = self.members().iter().find(|member| member.name == name)?;
        (!member.value.is_null()).then_some(&member.value)
    }

    #[must_use]
    pub fn members(&self) -> &[Member] {
        if let Content::Object(members) = &self.content { members } else { &[] }
    }

    /// A member's value, taken out.
    #[must_use]
    pub fn into_member(self, name: &str) -> Option<Self> {
        let Content::Object(members) = self.content else { return None };
        members.into_iter().find(|member| member.name == name).map(|member| member.value)
    }

    #[must_use]
    pub fn into_elements(self) -> Vec<Self> {
        if let Content::List(elements) = self.content { elements } else { Vec::new() }
    }

    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Content::Scalar(Value::String(text)) = &self.content { Some(text) } else { None }
    }

    /// Without its places.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(elements) => elements.iter().map(Self::to_json).collect(),
            Content::Object(members) => {
                members.iter().map(|member| (member.name.clone(), member.value.to_json())).collect()
            }
        }
    }

    /// The line of what a path like `spec.http.errors[0].class` leads to, or of the last step of it that is there.
    #[must_use]
    pub fn line_of(&self, path: &str) -> u64 {
        self.step(path.trim_start_matches('.')).unwrap_or(self.line)
    }

    fn step(&self, path: &str) -> Option<u64> {
        if path.is_empty() {
            return Some(self.line);
        }
        if let (Some(rest), Content::List(elements)) = (path.strip_prefix('['), &self.content) {
            let (index, rest) = rest.split_once(']')?;
            let element = elements.get(index.parse::<usize>().ok()?)?;
            return Some(element.step(rest.trim_start_matches('.')).unwrap_or(element.line));
        }
        // Names may hold dots themselves, those of a Secret's keys for instance: the longest that fits.
        let fits = |member: &&Member| {
            path.strip_prefix(member.name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let member = self.members().iter().filter(fits).max_by_key(|member| member.name.len())?;
        let rest = path[member.name.len()..].trim_start_matches('.');
        // A value on a line of its own is found by its name.
        if rest.is_empty() { Some(member.line) } else { Some(member.value.step(rest).unwrap_or(member.line)) }
    }
}

impl From<Spanned<Content>> for Node {
    fn from(spanned: Spanned<Content>) -> Self {
        Self { line: spanned.referenced.line(), content: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyContent)
    }
}

struct AnyContent;

impl<'de> Visitor<'de> for AnyContent {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML that JSON can say")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element::<Spanned<Content>>()? {
            elements.push(element.into());
        }
        Ok(Content::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = access.next_key::<Spanned<String>>()? {
            let value: Spanned<Content> = access.next_value()?;
            members.push(Member { line: name.referenced.line(), name: name.value, value: value.into() });
        }
        Ok(Content::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Document>, NotYaml> {
        documents(&Source { name: "test.yaml".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn every_value_knows_its_line() {
        let text =
            "a: 1\n---\n# nothing\n---\nspec:\n  list:\n    - { x: one, tls.crt: two }\n    - x:\n        deep: 3\n";
        let documents = parse(text).unwrap();
        assert_eq!(documents.len(), 2);
        let root = &documents[1].root;
        for (path, line) in [
            ("spec", 5),
            ("spec.list", 6),
            ("spec.list[0].x", 7),
            ("spec.list[0].tls.crt", 7),
            ("spec.list[1].x", 8),
            ("spec.list[1].x.deep", 9),
            ("spec.list[1].y", 8),
            ("spec.nothing", 5),
            ("", 5),
        ] {
            assert_eq!(root.line_of(path), line, "{path}");
        }
    }

    #[test]
    fn values_are_those_that_json_would_have() {
        let text = "{ a: true, b: 12, c: -1.5, d: 'true', e: null, f: [x, ~], g: { 1: z }, h: 2026-01-01 }";
        let json = parse(text).unwrap()[0].root.to_json();
        let expected =
            r#"{"a":true,"b":12,"c":-1.5,"d":"true","e":null,"f":["x",null],"g":{"1":"z"},"h":"2026-01-01"}"#;
        assert_eq!(json, serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn what_is_no_yaml_is_told_by_its_line_and_never_quoted() {
        for (text, line) in [("a: 1\nb: [canary\n", 2), ("a: canary\na: canary\n", 2), ("a: 1\n\tb: canary\n", 1)] {
            let error = parse(text).err().unwrap();
            assert!(error.line >= line, "{text:?}: {error:?}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
