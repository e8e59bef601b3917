//! What a request was wanted by, for those who wait long for their turn. Reads the index only.

use std::sync::Arc;

use crate::{
    api::ProviderKind,
    operator::{entry::Key, index::Index, pass::Pass, route::Route},
    provider::definition::Definition,
};

/// The ApiToken as it was, and in which line it stands.
pub struct Wanted {
    uid: String,
    generation: i64,
    definition: Arc<Definition>,
}

impl Wanted {
    #[must_use]
    pub fn by(pass: &Pass, route: &Route) -> Self {
        let (token, definition) = (&pass.token, route.view.definition.clone());
        Self { uid: token.uid.clone(), generation: token.generation, definition }
    }

    /// Nobody has edited the ApiToken since, and its provider is asked at the same place, within the same limits. Any
    /// other edit of a provider is seen when the turn has come: thousands who wait keep their places.
    #[must_use]
    pub fn still(&self, index: &Index, key: &Key) -> bool {
        let Some(token) = index.token(key) else { return false };
        let provider = token.provider(key);
        let same_line = match index.provider(&provider).map(|provider| provider.compiled.clone()) {
            Some(Ok(now)) => now.origin() == self.definition.origin() && now.limits == self.definition.limits,
            Some(Err(_)) => false,
            None => provider.kind == ProviderKind::Preset,
        };
        same_line && !token.deleting && token.uid == self.uid && token.generation == self.generation
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::operator::entry::{ProviderEntry, ProviderKey, TokenEntry};

    fn vendor() -> ProviderKey {
        ProviderKey { kind: ProviderKind::ClusterTokenProvider, namespace: None, name: "vendor".to_owned() }
    }

    fn put_token(index: &Index, key: &Key, version: i64, change: &Value) {
        let mut object = json!({
            "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken",
            "spec": { "providerRef": { "name": "vendor" }, "credentialsRef": { "name": "login" } },
            "metadata": {
                "name": key.name, "namespace": key.namespace, "uid": "uid", "generation": version,
                "resourceVersion": version.to_string(),
            },
        });
        object["metadata"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        index.apply_token(key.clone(), TokenEntry::read(serde_json::from_value(object).unwrap(), Timestamp::MIN));
    }

    fn put_provider(index: &Index, version: i64, change: &Value) {
        let mut spec = json!({ "preset": "Tenovos", "url": "https://one.example.com" });
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let metadata = json!({ "uid": "provider", "resourceVersion": version.to_string(), "generation": version });
        let (metadata, spec) = (serde_json::from_value(metadata).unwrap(), serde_json::from_value(spec).unwrap());
        let entry = ProviderEntry::read(&metadata, &spec, None, None, Timestamp::MIN);
        index.apply_provider(vendor(), entry);
    }

    /// Whether somebody in line keeps the place when this has happened.
    fn stays_after(edit: impl FnOnce(&Index, &Key)) -> bool {
        let (index, key) = (Index::default(), Key::new("web", "assets"));
        put_token(&index, &key, 1, &json!({}));
        put_provider(&index, 1, &json!({}));
        let definition = index.provider(&vendor()).unwrap().compiled.clone().unwrap();
        let wanted = Wanted { uid: "uid".to_owned(), generation: 1, definition };
        assert!(wanted.still(&index, &key));
        edit(&index, &key);
        wanted.still(&index, &key)
    }

    #[test]
    fn an_edit_of_a_provider_that_moves_no_line_costs_nobody_the_place() {
        let presenting = json!({ "output": { "data": { "auth": "Bearer ${accessToken}" } } });
        assert!(stays_after(|index, _| put_provider(index, 2, &presenting)));
    }

    #[test]
    fn a_provider_elsewhere_or_with_other_limits_has_another_line_and_a_wrong_one_or_none_has_no_line() {
        for (change, valid) in [
            (json!({ "url": "https://two.example.com" }), true),
            (json!({ "limits": { "concurrency": 7 } }), true),
            (json!({ "url": "no URL" }), false),
        ] {
            let edit = |index: &Index, _: &Key| {
                put_provider(index, 2, &change);
                assert_eq!(index.provider(&vendor()).unwrap().compiled.is_ok(), valid, "{change}");
            };
            assert!(!stays_after(edit), "{change}");
        }
        assert!(!stays_after(|index, _| drop(index.remove_provider(&vendor()))));
    }

    #[test]
    fn an_edit_of_the_apitoken_its_deletion_and_its_successor_give_the_place_back() {
        for change in [json!({}), json!({ "generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z" })] {
            assert!(!stays_after(|index, key| put_token(index, key, 2, &change)), "{change}");
        }
        assert!(!stays_after(|index, key| put_token(index, key, 2, &json!({ "generation": 1, "uid": "another" }))));
        assert!(!stays_after(|index, key| drop(index.remove_token(key, "uid"))));
        assert!(stays_after(|index, key| put_token(index, key, 2, &json!({ "generation": 1 }))), "its status");
    }
}
