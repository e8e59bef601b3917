//! What the managed fields of an output tell: whose its data is, and since when.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry, jiff::Timestamp};
use serde_json::{Map, Value};

use crate::api::names::FIELD_MANAGER;

/// The data keys that belong to us, and whether any belong to somebody else.
pub(super) fn data_keys(managed: &[ManagedFieldsEntry]) -> (Vec<String>, bool) {
    let mut ours = Vec::new();
    let mut foreign = false;
    for (entry, data) in of_data(managed) {
        let keys = data.keys().filter_map(|key| key.strip_prefix("f:"));
        if is_ours(entry) {
            ours.extend(keys.map(str::to_owned));
        } else {
            foreign |= keys.count() > 0;
        }
    }
    (ours, foreign)
}

/// When we last wrote the data, by the API server's clock.
pub(super) fn written_at(managed: &[ManagedFieldsEntry]) -> Option<Timestamp> {
    let ours = of_data(managed).filter(|(entry, _)| is_ours(entry));
    ours.filter_map(|(entry, _)| Some(entry.time.as_ref()?.0)).max()
}

fn of_data(managed: &[ManagedFieldsEntry]) -> impl Iterator<Item = (&ManagedFieldsEntry, &Map<String, Value>)> {
    managed.iter().filter_map(|entry| Some((entry, entry.fields_v1.as_ref()?.0.get("f:data")?.as_object()?)))
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
}
