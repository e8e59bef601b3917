//! Providers that are missing, closed to a namespace, wrong, or changed under a running token.

use apitoken_operator::api::ClusterTokenProvider;
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::{
    eventually::await_until,
    vendors::{Fault, On, Palette},
};

use crate::{
    scene::{ACCOUNT, LOGIN, Scene, text},
    world::{PATIENCE, World, ready},
};

impl World {
    fn providers(&self) -> Api<ClusterTokenProvider> {
        Api::all(self.client.clone())
    }

    pub async fn edit_provider(&self, name: &str, patch: Value) {
        let answer = self.providers().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        answer.expect("the provider is edited");
    }

    async fn label_namespace(&self, labels: Value) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
        api.patch(&self.namespace, &PatchParams::default(), &patch).await.expect("the namespace is labelled");
    }

    /// The provider's own Ready condition, once it is about the current generation and has this status.
    pub async fn provider_says(&self, name: &str, status: &str) -> Condition {
        let api = self.providers();
        await_until(&format!("{name}: Ready={status}"), PATIENCE, async || {
            let provider = api.get(name).await.map_err(|error| error.to_string())?;
            let seen = provider.status.unwrap_or_default();
            let current = seen.observed_generation == provider.metadata.generation;
            let condition = seen.conditions.into_iter().find(|condition| condition.type_ == "Ready");
            condition.filter(|one| current && one.status == status).ok_or_else(|| "another status".to_owned())
        })
        .await
    }
}

fn message(token: &apitoken_operator::api::ApiToken) -> &str {
    &ready(token).expect("Ready").message
}

#[tokio::test]
async fn an_apitoken_waits_for_its_provider_and_is_served_as_soon_as_it_is_there() {
    let world = World::new().await;
    let palette = Palette::start(&world.ca).expect("Palette");
    palette.add_account(ACCOUNT, "correct");
    world.credentials(LOGIN, &[("emailId", ACCOUNT), ("password", "correct")]).await;
    world.token("clusters", &format!("palette-{}", world.namespace), LOGIN).await;
    let token = world.not_ready("clusters", "ProviderNotFound").await;
    assert!(message(&token).contains("kubectl get clustertokenproviders"), "{}", message(&token));
    let provider = world.preset("Palette", &palette.base_url()).await;
    world.ready("clusters").await;
    assert_eq!(world.provider_says(&provider, "True").await.reason, "Valid");
}

#[tokio::test]
async fn a_provider_that_selects_namespaces_serves_ours_from_the_moment_it_has_the_label() {
    let scene = Scene::new().await;
    let selector = json!({ "matchLabels": { "tokens": scene.world.namespace } });
    let allowed = json!({ "spec": { "allowedNamespaces": { "selector": selector } } });
    scene.world.edit_provider(&scene.provider, allowed).await;
    scene.world.token("clusters", &scene.provider, LOGIN).await;
    let token = scene.world.not_ready("clusters", "ProviderNotAllowed").await;
    assert!(message(&token).contains("allowedNamespaces"), "{}", message(&token));
    assert_eq!(scene.calls(), 0);

    scene.world.label_namespace(json!({ "tokens": scene.world.namespace })).await;
    scene.world.ready("clusters").await;
    scene.world.label_namespace(json!({ "tokens": null })).await;
    let withdrawn =
        scene.world.until("clusters", "the withdrawal is told", |token| message(token).contains("ProviderNotAllowed"));
    let withdrawn = withdrawn.await;
    assert_eq!(ready(&withdrawn).expect("Ready").status, "True", "the token is good until it expires");
    assert!(scene.world.all_data("clusters").await.is_some_and(|data| data.contains_key("token")));
}

#[tokio::test]
async fn a_definition_that_is_wrong_names_the_field_on_the_provider_and_on_the_apitoken_until_it_is_mended() {
    let scene = Scene::new().await;
    let good = json!({ "preset": "Palette", "http": null, "oauth2": null });
    let login = json!({
        "method": "POST", "path": "/v1/auth/authenticate",
        "body": { "json": { "emailId": "${credentials.eMail}" } },
        "response": { "accessToken": { "json": "/Authorization" }, "expiry": [{ "jwt": "accessToken" }] },
    });
    let http = json!({ "credentials": { "required": ["emailId"] }, "login": login });
    let oauth2 = json!({ "tokenURL": "https://127.0.0.1:1/token", "clientId": "${credentials.clientid}" });
    let wrong = [
        ("typo", json!({ "preset": "Palet" }), "spec.preset"),
        ("oauth", json!({ "preset": null, "url": null, "oauth2": oauth2 }), "spec.oauth2.clientId"),
        ("template", json!({ "preset": null, "http": http }), "spec.http.login.body.json.emailId"),
    ];
    for (name, spec, told) in wrong {
        let mut whole = json!({ "preset": "Palette", "url": scene.palette.base_url(), "tls": { "caBundle": scene.world.ca.pem() } });
        whole.as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
        whole.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let provider = scene.world.provider(name, whole).await;
        let condition = scene.world.provider_says(&provider, "False").await;
        assert_eq!(condition.reason, "ProviderInvalid");
        assert!(condition.message.contains(told), "{name}: {}", condition.message);
        scene.world.token(name, &provider, LOGIN).await;
        let token = scene.world.not_ready(name, "ProviderInvalid").await;
        assert!(message(&token).contains(told), "{name}: {}", message(&token));

        let mut mended = good.clone();
        mended["url"] = json!(scene.palette.base_url());
        scene.world.edit_provider(&provider, json!({ "spec": mended })).await;
        scene.world.ready(name).await;
        scene.world.provider_says(&provider, "True").await;
    }
}

#[tokio::test]
async fn another_url_means_another_session_and_the_old_output_stays_until_there_is_one() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let old = scene.world.data("clusters", "token").await;
    let other = Palette::start(&scene.world.ca).expect("another Palette");
    other.add_account(ACCOUNT, "correct");
    other.fail_always(On::Both, Fault::status(503));
    scene.world.edit_provider(&scene.provider, json!({ "spec": { "url": other.base_url() } })).await;
    scene.world.not_ready("clusters", "ProviderUnavailable").await;
    assert_eq!(scene.world.data("clusters", "token").await, old, "an old token may still work, none never does");

    other.heal();
    scene
        .world
        .until_secret("clusters", "the new vendor's token", |now| {
            text(now, "token").is_some_and(|token| other.token(token).is_some())
        })
        .await;
    scene.world.ready("clusters").await;
    assert_eq!(scene.calls(), 1, "the first vendor is not asked again");
    assert!(other.refreshes().is_empty(), "the first vendor's token was shown to the second");
}

#[tokio::test]
async fn other_parameters_mean_another_session() {
    let scene = Scene::new().await;
    scene.palette.add_account_in("east", ACCOUNT, "correct");
    let body = json!({ "emailId": "${credentials.emailId}", "password": "${credentials.password}", "org": "${parameters.org}" });
    let login = json!({
        "method": "POST", "path": "/v1/auth/authenticate", "query": { "setCookie": "false" }, "body": { "json": body },
        "response": { "accessToken": { "json": "/Authorization" }, "expiry": [{ "jwt": "accessToken" }] },
    });
    let http = json!({ "credentials": { "required": ["emailId", "password"] }, "login": login });
    let provider = scene.world.provider(
        "tenants",
        json!({
            "url": scene.palette.base_url(), "tls": { "caBundle": scene.world.ca.pem() },
            "parameters": [{ "name": "org", "enum": ["east", "west"] }], "http": http,
        }),
    );
    let reference = json!({ "providerRef": { "name": provider.await } });
    scene.world.token_with("clusters", scene.spec(reference)).await;
    scene.world.ready("clusters").await;
    let calls = scene.calls();
    scene.world.edit_token("clusters", json!({ "spec": { "parameters": { "org": "north" } } })).await;
    // The token that is there is none of this spec, however long it lives.
    let token = scene.world.not_ready("clusters", "ProviderInvalid").await;
    assert!(message(&token).contains("spec.parameters.org: must be one of east, west"), "{}", message(&token));
    assert_eq!(scene.calls(), calls);
    scene.world.edit_token("clusters", json!({ "spec": { "parameters": { "org": "east" } } })).await;
    scene.world.ready("clusters").await;
    assert_eq!(scene.palette.logins().len(), calls + 1);
    assert!(scene.palette.refreshes().is_empty());
}

#[tokio::test]
async fn an_output_edited_by_hand_is_restored_although_its_provider_is_gone() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let before = scene.world.secrets().get("clusters").await.expect("an output");
    scene.world.providers().delete(&scene.provider, &DeleteParams::default()).await.expect("deleted");
    let token = scene.world.until("clusters", "the loss is told", |token| message(token).contains("ProviderNotFound"));
    assert_eq!(ready(&token.await).expect("Ready").status, "True");
    scene.world.patch_secret("clusters", json!({ "data": { "token": "Zm9yZ2Vk", "extra": "Zm9yZ2Vk" } })).await;
    scene.world.until_secret("clusters", "restored", |now| now.data == before.data).await;
    scene.world.secrets().delete("clusters", &DeleteParams::default()).await.expect("deleted");
    scene.world.until_secret("clusters", "made again", |now| now.data == before.data).await;
    assert_eq!(scene.calls(), 1);
}
