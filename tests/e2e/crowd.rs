//! What the replicas cost with two hundred tokens. Nothing is asserted but that all tokens come.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::{
    eventually::await_until,
    pods::report::{AccountSetup, Setup},
};

use crate::{
    operator,
    stage::{PATIENCE, Stage},
    team, vendors,
};

const TOKENS: usize = 200;
/// Each token has credentials of its own, as those of two hundred teams have.
const LIFETIME: u64 = 90;
const NAMESPACE: &str = "crowd";

pub async fn two_hundred_tokens_are_kept(stage: &Stage) -> Result<()> {
    operator::installed(stage).await?;
    team::prepared(stage).await?;
    stage.apply(team::NAMESPACE, &team::sample(stage)?).await?;
    stage.namespace(NAMESPACE).await?;
    let accounts = (0..TOKENS).map(|number| AccountSetup {
        name: format!("robot-{number}"),
        password: "change-me".to_owned(),
        org: None,
        api_key: Some("change-me-too".to_owned()),
    });
    let setup = Setup {
        accounts: accounts.collect(),
        lifetime_seconds: Some(LIFETIME),
        // The vendor's own seconds would be measured.
        login_latency_milliseconds: Some(100),
        ..Setup::default()
    };
    vendors::set_up(stage, "tenovos", &setup).await?;
    let items: Vec<Value> = (0..TOKENS).flat_map(request).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
    let all = async {
        stage.apply(NAMESPACE, &list).await?;
        await_until("all to be Ready", PATIENCE, async || {
            // `kubectl wait` asks five times a second: it would measure itself.
            let statuses = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
            let statuses = stage.kubectl(&["-n", NAMESPACE, "get", "apitokens", "-o", statuses]).await?;
            let ready = statuses.split_whitespace().filter(|status| *status == "True").count();
            ensure!(ready == TOKENS, "{ready} are Ready");
            anyhow::Ok(())
        })
        .await;
        Ok(())
    };
    stage.figures.time("kubectl apply of 200 ApiTokens -> all Ready", all).await?;
    let cost = operator::cost(stage, Duration::from_secs(30)).await?.join("; ");
    stage.figures.note("replicas with 200 tokens of 90 s", cost);
    vendors::set_up(stage, "tenovos", &vendors::lifetime(1800)).await?;
    stage.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"]).await.map(drop)
}

fn request(number: usize) -> [Value; 2] {
    let name = format!("assets-{number}");
    [
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": format!("{name}-login"), "labels": { "apitoken.dev/role": "credentials" } },
            "stringData": { "username": format!("robot-{number}"), "password": "change-me", "apiKey": "change-me-too" },
        }),
        json!({
            "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "metadata": { "name": name },
            "spec": { "providerRef": { "name": "tenovos" }, "credentialsRef": { "name": format!("{name}-login") } },
        }),
    ]
}
