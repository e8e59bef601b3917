//! What was asked of the API server, counted by verb and resource.

use std::collections::BTreeMap;

use testbed::audit::AuditEvent;

use crate::table::each;

/// How many of each kind of request there were, for each of so many objects.
pub fn by_verb(asked: &[AuditEvent], objects: usize) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in asked {
        let what = [event.verb.as_str(), event.resource.as_str(), event.subresource.as_str()];
        let what = what.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        *counts.entry(what).or_default() += 1;
    }
    let each = counts.into_iter().map(|(what, count)| format!("{what} {:.2}", each(count, objects)));
    format!("audit log, operator's user: {}", each.collect::<Vec<_>>().join(", "))
}
