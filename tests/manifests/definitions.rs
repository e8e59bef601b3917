//! What the API server makes of the definitions themselves.

use apitoken_operator::command::crd;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::applying::{admin, cluster};

/// Asks the API server whether it would take the definition, after a change; nothing is stored.
async fn judge(change: impl Fn(&mut Value)) -> Result<(), String> {
    let cluster = cluster().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(admin(cluster));
    let mut definition = serde_json::to_value(&crd::definitions()[0]).unwrap();
    change(&mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]);
    let how = PatchParams::apply("somebody").force().dry_run();
    match definitions.patch("apitokens.apitoken.dev", &how, &Patch::Apply(&definition)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("the API server did not judge the definition: {other}"),
    }
}

#[tokio::test]
async fn the_definitions_are_established_structural_and_under_their_names() {
    let cluster = cluster().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(admin(cluster));
    for definition in crd::definitions() {
        let name = definition.metadata.name.unwrap();
        let status = definitions.get(&name).await.unwrap().status.unwrap();
        let conditions = status.conditions.unwrap_or_default();
        let says = |kind: &str| conditions.iter().find(|c| c.type_ == kind).map(|c| c.status.as_str());
        assert_eq!(says("Established"), Some("True"), "{name}");
        assert_eq!(says("NamesAccepted"), Some("True"), "{name}");
        assert_eq!(says("NonStructuralSchema"), None, "{name}");
    }
}

#[tokio::test]
async fn the_rules_stay_within_the_budget_which_the_api_server_does_enforce() {
    assert_eq!(judge(|_| ()).await, Ok(()));
    let expensive = "self.all(a, self.all(b, self.all(c, self[a].matches(self[b] + self[c]))))";
    let refusal = judge(|spec| {
        let rules = &mut spec["properties"]["output"]["properties"]["data"]["x-kubernetes-validations"];
        rules.as_array_mut().unwrap().push(json!({ "rule": expensive, "message": "too much" }));
    });
    let refusal = refusal.await.unwrap_err();
    assert!(refusal.contains("estimated rule cost exceeds budget"), "{refusal}");
}

#[tokio::test]
async fn a_schema_that_is_not_structural_would_be_refused() {
    let refusal = judge(|spec| drop(spec["properties"]["suspend"].as_object_mut().unwrap().remove("type"))).await;
    let refusal = refusal.unwrap_err();
    assert!(
        refusal.contains("suspend].type: Required value: must not be empty for specified object fields"),
        "{refusal}"
    );
}
