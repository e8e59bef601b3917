//! A call to the API server, read off its HTTP request.

use http::{Method, request::Parts};
use serde_json::{Value, json};

use crate::{
    fault::Step,
    observe::{CREDENTIALS, SESSION},
    sim::text,
    store::{By, Id, Kind, Refused, Store},
};

#[derive(Clone, Debug)]
pub struct Call {
    pub verb: Method,
    pub id: Id,
    pub status: bool,
    pub body: Value,
    pub metadata_only: bool,
    /// A report to people, or a dry run: taken, and forgotten.
    pub forgotten: bool,
}

impl Call {
    pub fn read(parts: &Parts, body: &[u8]) -> Self {
        let path: Vec<_> = parts.uri.path().trim_matches('/').split('/').collect();
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let named = path.iter().position(|part| *part == "namespaces");
        let (namespace, rest) = match named {
            Some(at) => (path[at + 1], &path[at + 2..]),
            None => ("", &path[3..]),
        };
        let kind = match rest[0] {
            "secrets" | "events" => Kind::Secret,
            "apitokens" => Kind::ApiToken,
            "leases" => Kind::Lease,
            _ => Kind::Provider,
        };
        let name = rest.get(1).copied().unwrap_or_else(|| text(&body["metadata"]["name"]));
        let accept = parts.headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
        Self {
            verb: parts.method.clone(),
            id: Id::new(kind, namespace, name),
            status: rest.get(2) == Some(&"status"),
            metadata_only: accept.is_some_and(|accept| accept.contains("PartialObjectMetadata")),
            forgotten: rest[0] == "events" || parts.uri.query().is_some_and(|query| query.contains("dryRun=All")),
            body,
        }
    }

    pub fn is_write(&self) -> bool {
        self.verb != Method::GET
    }

    pub fn step(&self) -> Step {
        let (name, writes) = (&self.id.name, self.is_write());
        match self.id.kind {
            _ if self.forgotten => Step::Other,
            Kind::Lease => Step::Lease,
            Kind::ApiToken => Step::WriteStatus,
            Kind::Provider => Step::Other,
            Kind::Secret if name.starts_with(SESSION) && writes => {
                let intends = text(&self.body["metadata"]["annotations"]["apitoken.dev/facts"]).contains("\"intent\":");
                if intends { Step::WriteIntent } else { Step::WriteAnswer }
            }
            Kind::Secret if name.starts_with(SESSION) => Step::ReadSession,
            Kind::Secret if name.starts_with(CREDENTIALS) => Step::ReadCredentials,
            Kind::Secret if writes => Step::WriteOutput,
            Kind::Secret => Step::ReadOutput,
        }
    }

    /// Whether it says in which version it writes; what creates needs none.
    pub fn is_conditional(&self) -> bool {
        let named = |value: &Value| !value["metadata"]["resourceVersion"].is_null();
        match self.verb {
            Method::PUT => named(&self.body),
            Method::PATCH if self.body.is_object() => named(&self.body),
            Method::PATCH => self.body[0]["path"] == "/metadata/resourceVersion",
            Method::DELETE => !self.body["preconditions"]["resourceVersion"].is_null(),
            _ => true,
        }
    }

    /// Does it, and says what a server says.
    pub fn apply(&self, store: &mut Store, process: usize, created: &str) -> (u16, Value) {
        let by = By::Process(process);
        if self.forgotten && self.is_write() {
            return (201, self.body.clone());
        }
        let done = match self.verb {
            Method::GET => store.get(&self.id).cloned().ok_or(crate::store::NOT_FOUND),
            Method::POST => store.create(&self.id, self.body.clone(), by, created),
            Method::PUT => store.replace(&self.id, self.body.clone(), by),
            Method::DELETE => store.delete(&self.id, &self.body["preconditions"], by).map(|()| status(200, "Success")),
            _ if self.status => store.merge_status(&self.id, &self.body, by),
            _ => store.patch(&self.id, self.body.as_array().map_or(&[], Vec::as_slice), by),
        };
        match done {
            Ok(object) if self.metadata_only => (200, only_metadata(&object)),
            Ok(object) => (200, object),
            Err(Refused(code, reason)) => (code, status(code, reason)),
        }
    }
}

/// An answer that is no object.
pub fn status(code: u16, reason: &str) -> Value {
    let outcome = if code < 300 { "Success" } else { "Failure" };
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": outcome, "reason": reason, "code": code,
        "message": "as the simulation wills" })
}

fn only_metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}
