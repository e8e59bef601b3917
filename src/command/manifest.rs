//! Documents as the objects they are: our three kinds, Secrets, and others that concern nobody here.
//!
//! Everything that can be said of one object alone is said here, with its place; how objects fit together is for
//! `cross_check`.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::SecretSlice;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    crd,
    document::{Document, Node},
    finding::{Finding, Severity},
    structure::{IS_NO_FIELD, Structure, pruned},
};
use crate::{
    api::{
        ApiToken, ClusterTokenProvider, ProviderKind, TokenProvider, TokenProviderSpec,
        names::{GROUP, ROLE_LABEL},
    },
    operator::tls::CaBundle,
    provider::{
        definition::Definition,
        nearest::did_you_mean,
        validate::{self, Problem},
    },
};

const VERSION: &str = "apitoken.dev/v1alpha1";

/// Of the three kinds, in the order of [`crd::definitions`].
static SCHEMAS: LazyLock<[Value; 3]> = LazyLock::new(|| {
    crd::definitions().map(|definition| {
        let definition =
            serde_json::to_value(definition).expect("invariant: a definition has no key that is not a text");
        let mut schema = definition.pointer(crd::SCHEMA).cloned().unwrap_or_default();
        // What every object has, and no definition says.
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            schema["properties"][name] = json!({ "type": kind });
        }
        schema
    })
});

/// An object and where it stands.
pub struct Manifest {
    document: Document,
    pub kind: String,
    /// Absent: that of whoever applies it.
    pub namespace: Option<String>,
    pub name: String,
    pub object: Object,
}

/// What concerns us.
pub enum Object {
    Token(Box<ApiToken>),
    Provider(Box<ProviderManifest>),
    Secret(SecretManifest),
    /// Its data, which is nothing secret.
    ConfigMap(BTreeMap<String, String>),
    /// Of one of our kinds, but not to be read as one; why has been said.
    Broken,
    Other,
}

pub struct ProviderManifest {
    pub kind: ProviderKind,
    pub spec: TokenProviderSpec,
    /// `None`: it is wrong, and that has been said.
    pub definition: Option<Arc<Definition>>,
}

/// A Secret's data as the API server would store it. Cannot be printed.
pub struct SecretManifest {
    pub role: Option<String>,
    pub data: BTreeMap<String, SecretSlice<u8>>,
}

impl Manifest {
    /// Reads a document and says all that is wrong with it. `None`: it is no object, or none of its kind.
    pub fn read(document: Document, findings: &mut Vec<Finding>) -> Option<Self> {
        let kind = document.root.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
        let metadata = |name: &str| {
            let node = document.root.get("metadata")?.get(name)?;
            node.text().map(str::to_owned)
        };
        let (namespace, name) = (metadata("namespace"), metadata("name").or_else(|| metadata("generateName")));
        let nameless = name.is_none();
        let mut manifest = Self { document, kind, namespace, name: name.unwrap_or_default(), object: Object::Other };
        if let Some(problem) = manifest.head(nameless) {
            findings.push(manifest.finding(&problem.path, problem.message, Severity::Error));
            return None;
        }
        manifest.object = match manifest.kind.as_str() {
            "ApiToken" => {
                manifest.ours::<ApiToken>(0, findings).map_or(Object::Broken, |token| Object::Token(Box::new(token)))
            }
            "TokenProvider" => match manifest.ours::<TokenProvider>(1, findings) {
                Some(it) => manifest.provider(ProviderKind::TokenProvider, it.spec, findings),
                None => Object::Broken,
            },
            "ClusterTokenProvider" => match manifest.ours::<ClusterTokenProvider>(2, findings) {
                Some(it) => manifest.provider(ProviderKind::ClusterTokenProvider, it.spec.definition, findings),
                None => Object::Broken,
            },
            "Secret" => Object::Secret(manifest.secret(findings)),
            "ConfigMap" => Object::ConfigMap(manifest.texts("data")),
            _ => Object::Other,
        };
        Some(manifest)
    }

    #[must_use]
    pub fn file(&self) -> &str {
        &self.document.file
    }

    /// File and line of a path, and the path.
    #[must_use]
    pub fn place(&self, path: &str) -> String {
        format!("{}:{}  {path}", self.document.file, self.document.root.line_of(path))
    }

    /// Whether something stands at a path of plain names.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        path.split('.').try_fold(&self.document.root, |node, name| node.get(name)).is_some()
    }

    /// A finding at a path of this object.
    #[must_use]
    pub fn finding(&self, path: &str, message: impl Into<String>, severity: Severity) -> Finding {
        let line = Some(self.document.root.line_of(path)).filter(|line| *line > 0);
        let named = !self.kind.is_empty();
        Finding {
            file: self.document.file.clone(),
            line,
            object: named.then(|| self.to_string()),
            path: path.to_owned(),
            message: message.into(),
            severity,
        }
    }

    /// What is wrong with kind, version and name.
    fn head(&self, nameless: bool) -> Option<Problem> {
        let problem = |path: &str, message: String| Some(Problem { path: path.to_owned(), message });
        let version = self.document.root.get("apiVersion").and_then(Node::text).unwrap_or_default();
        let kinds = ["ApiToken", "TokenProvider", "ClusterTokenProvider"];
        if self.kind.is_empty() {
            let hint = if version.is_empty() { ": an object has apiVersion and kind" } else { "" };
            return problem("kind", format!("is required{hint}"));
        }
        let (ours, group) = (kinds.contains(&self.kind.as_str()), version.split('/').next() == Some(GROUP));
        if group && !ours {
            let meant = did_you_mean(&self.kind, kinds, str::to_owned);
            return problem("kind", format!("is none of ours: there are {}{meant}", kinds.join(", ")));
        }
        if ours && version != VERSION {
            return problem("apiVersion", format!("must be {VERSION} for this kind"));
        }
        if ours && nameless {
            return problem("metadata.name", "is required".to_owned());
        }
        None
    }

    /// An object of one of our kinds, if it is sound enough to be read as one.
    fn ours<T: DeserializeOwned>(&self, index: usize, findings: &mut Vec<Finding>) -> Option<T> {
        let schema = &SCHEMAS[index];
        let json = self.document.root.to_json();
        let Structure { faults, rules } = Structure::check(schema, &json);
        let object = serde_json::from_value::<T>(pruned(schema, &json));
        let silent = faults.is_empty() && rules.is_empty();
        for problem in faults.into_iter().chain(rules) {
            findings.push(self.finding(&problem.path, problem.message, Severity::Error));
        }
        match object {
            Ok(object) => Some(object),
            Err(_) if !silent => None,
            Err(_) => {
                let message = "cannot be read: the API server would say more (kubectl apply --dry-run=server)";
                findings.push(self.finding("spec", message, Severity::Error));
                None
            }
        }
    }

    fn provider(&self, kind: ProviderKind, spec: TokenProviderSpec, findings: &mut Vec<Finding>) -> Object {
        let mut problems = Vec::new();
        let definition = validate::compile(&spec).map_err(|invalid| problems.extend(invalid.0)).ok();
        if let Some(Err(error)) = spec.tls.as_ref().and_then(|tls| tls.ca_bundle.as_deref()).map(bundle) {
            problems.push(Problem { path: "spec.tls.caBundle".to_owned(), message: error });
        }
        // The operator's words know what was meant; the schema's of the same place need not be said as well. A name that
        // is misspelt inside of that place is why something lacks there.
        let own = |finding: &Finding| finding.object.as_deref() == Some(&*self.to_string());
        let misspelt = |said: &Finding| said.message.starts_with(IS_NO_FIELD);
        let said_again = |said: &Finding| {
            problems.iter().any(|problem| {
                same_place(&said.path, &problem.path) && !(misspelt(said) && within(&problem.path, &said.path))
            })
        };
        findings.retain(|said| !own(said) || !said_again(said));
        for problem in problems {
            findings.push(self.finding(&problem.path, problem.message, Severity::Error));
        }
        Object::Provider(Box::new(ProviderManifest { kind, spec, definition: definition.map(Arc::new) }))
    }

    /// The members of a field that are text.
    fn texts(&self, field: &str) -> BTreeMap<String, String> {
        let members = self.document.root.get(field).map(Node::members).unwrap_or_default();
        members.iter().filter_map(|it| Some((it.name.clone(), it.value.text()?.to_owned()))).collect()
    }

    fn secret(&self, findings: &mut Vec<Finding>) -> SecretManifest {
        let root = &self.document.root;
        let role = root.get("metadata").and_then(|it| it.get("labels")?.get(ROLE_LABEL)?.text().map(str::to_owned));
        let mut data = BTreeMap::new();
        for member in root.get("data").map(Node::members).unwrap_or_default() {
            let text = member.value.text().unwrap_or_default();
            if let Ok(bytes) = BASE64_STANDARD.decode(text.replace(['\n', ' '], "")) {
                data.insert(member.name.clone(), SecretSlice::from(bytes));
            } else {
                // The key is there, so that it is not said to be missing as well.
                data.insert(member.name.clone(), SecretSlice::from(b"?".to_vec()));
                let message = "is not base64: write the value itself under stringData instead";
                findings.push(self.finding(&format!("data.{}", member.name), message, Severity::Error));
            }
        }
        for member in root.get("stringData").map(Node::members).unwrap_or_default() {
            match member.value.text() {
                Some(text) => drop(data.insert(member.name.clone(), SecretSlice::from(text.as_bytes().to_vec()))),
                None => findings.push(self.finding(
                    &format!("stringData.{}", member.name),
                    "must be text: write it in quotes",
                    Severity::Error,
                )),
            }
        }
        SecretManifest { role, data }
    }
}

impl std::fmt::Display for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = self.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        write!(f, "{} {namespace}{}", self.kind, self.name)
    }
}

/// The objects of a document: itself, or the items of a `List`.
#[must_use]
pub fn objects(document: Document) -> Vec<Document> {
    let is_list = document.root.get("kind").and_then(Node::text) == Some("List");
    if !is_list {
        return vec![document];
    }
    let Document { file, root } = document;
    let items = root.into_member("items").map(Node::into_elements).unwrap_or_default();
    items.into_iter().map(|root| Document { file: file.clone(), root }).collect()
}

fn bundle(text: &str) -> Result<(), String> {
    CaBundle::parse(text, "spec.tls.caBundle").map(drop).map_err(|error| error.to_string())
}

/// Whether two paths are about the same thing: equal, or one within the other.
fn same_place(one: &str, other: &str) -> bool {
    within(one, other) || within(other, one)
}

fn within(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
