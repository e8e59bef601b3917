//! Two versions of the operator, one after the other, on the same stored session.

use serde_json::{Value, json};
use testbed::{
    reliability::{oracles, row},
    vendors::Operation,
};

use crate::{lone::Lone, world::World};

const DOCUMENT: &str = "session.json";
const FACTS: &str = "apitoken.dev/facts";

impl World {
    /// The session as it is stored, and its facts as they stand in the annotation.
    async fn stored(&self, token: &str) -> (Value, Value) {
        let name = self.session_name(token).await;
        let secret = self.secrets().get(&name).await.expect("a session");
        let document = &secret.data.expect("data")[DOCUMENT].0;
        let facts = &secret.metadata.annotations.expect("annotations")[FACTS];
        (serde_json::from_slice(document).expect("JSON"), serde_json::from_str(facts).expect("JSON"))
    }

    async fn store(&self, token: &str, document: &Value, facts: &Value) {
        let patch = json!({
            "metadata": { "annotations": { FACTS: facts.to_string() } },
            "stringData": { DOCUMENT: document.to_string() },
        });
        self.patch_secret(&self.session_name(token).await, patch).await;
    }
}

#[tokio::test]
async fn a_session_that_a_newer_version_has_written_is_used_and_what_it_added_survives() {
    let mut lone = Lone::new().await;
    lone.company.renewing("infra").await;
    lone.company.next_refresh("infra").await;
    lone.company.world.stop_operator().await;
    let (mut document, mut facts) = lone.world().stored("infra").await;
    document["version"] = json!(2);
    document["shelf"] = json!({ "of": ["a", "later", "version"] });
    document["material"]["second"] = json!("factor");
    document["facts"]["audience"] = json!("everyone");
    facts["audience"] = json!("everyone");
    lone.world().store("infra", &document, &facts).await;

    lone.company.world.start_operator().await;
    lone.company.next_refresh("infra").await;
    lone.company.next_refresh("infra").await;
    lone.company.world.stop_operator().await;
    let (after, facts) = lone.world().stored("infra").await;
    for place in ["/shelf", "/material/second", "/facts/audience"] {
        assert_eq!(after.pointer(place), document.pointer(place), "{place} did not survive");
    }
    assert_eq!(facts["audience"], "everyone");
    lone.company.spent(1);
    row(16)
        .injected("a session of version 2, with members that this version does not know; two refreshes")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 1)
        .holds("it is used as it is, and what is not known is written back");
}

#[tokio::test]
async fn a_session_without_all_that_may_be_absent_is_used_as_it_is() {
    let mut lone = Lone::new().await;
    lone.company.renewing("infra").await;
    lone.company.world.stop_operator().await;
    let (mut document, mut facts) = lone.world().stored("infra").await;
    for facts in [&mut document["facts"], &mut facts] {
        let facts = facts.as_object_mut().expect("facts");
        facts.retain(|name, _| ["issued", "credentials"].contains(&name.as_str()));
    }
    document["material"].as_object_mut().expect("material").remove("suggestedOutput");
    lone.world().store("infra", &document, &facts).await;

    lone.company.world.start_operator().await;
    lone.company.next_refresh("infra").await;
    lone.company.spent(1);
    row(16)
        .injected("a session with only what the first version had to write")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 1)
        .holds("the next refresh follows, no login");
}
