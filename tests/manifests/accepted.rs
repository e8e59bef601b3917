//! Manifests that mean something: taken as they are, and nothing of them lost.

use std::{fs, path::Path};

use apitoken_operator::{api::TokenProviderSpec, command::preset, provider::presets};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::applying::{admin, api, apply, cluster, yaml};

/// A spec that the API server keeps word for word.
async fn assert_kept(kind: &str, specs: &[&str]) {
    let cluster = cluster().await;
    let (client, namespace) = (admin(cluster), cluster.namespace("accepted").await.unwrap());
    for (number, spec) in specs.iter().enumerate() {
        let mut manifest = yaml(spec);
        manifest["apiVersion"] = json!("apitoken.dev/v1alpha1");
        manifest["kind"] = json!(kind);
        manifest["metadata"] = json!({ "name": format!("{namespace}-{number}") });
        match apply(&client, &namespace, &manifest).await {
            Ok(kept) => assert_eq!(kept.data["spec"], manifest["spec"], "something of this was lost:\n{spec}"),
            Err(refusal) => panic!("{refusal}\n{spec}"),
        }
    }
}

#[tokio::test]
async fn api_tokens_from_the_shortest_to_the_longest_are_accepted() {
    assert_kept(
        "ApiToken",
        &[
            "spec: { providerRef: { kind: ClusterTokenProvider, name: tenovos } }",
            "spec: { providerRef: { kind: Preset, name: Palette }, credentialsRef: { name: palette-login } }",
            "spec: { providerRef: { kind: TokenProvider, name: own }, refresh: { atPercent: 90 }, suspend: true }",
            "spec: { providerRef: { kind: TokenProvider, name: own }, refresh: {}, output: {} }",
            r#"
        spec:
          providerRef: { kind: ClusterTokenProvider, name: tenovos }
          credentialsRef: { name: tenovos-login }
          parameters: { scope: read, audience: "" }
          output:
            secretName: assets-token
            data:
              token: "${accessToken}"
              header: "Authorization: Bearer ${accessToken}"
            labels: { app.kubernetes.io/part-of: web, team: "", example.com/tier: front }
            annotations: { reloader.example.com/match: "true", app.kubernetes.io/note: "two words" }
            onDelete: Retain
          refresh: { before: 5m }
          suspend: false
        "#,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_provider_reference_without_a_kind_means_a_cluster_provider() {
    let cluster = cluster().await;
    let (client, namespace) = (admin(cluster), cluster.namespace("accepted").await.unwrap());
    let manifest = yaml(
        "{ apiVersion: apitoken.dev/v1alpha1, kind: ApiToken, metadata: { name: short }, spec: { providerRef: { name: tenovos } } }",
    );
    let kept = apply(&client, &namespace, &manifest).await.unwrap();
    assert_eq!(kept.data["spec"]["providerRef"], json!({ "kind": "ClusterTokenProvider", "name": "tenovos" }));
}

#[tokio::test]
async fn each_preset_is_accepted_when_written_out_as_http() {
    for name in presets::names() {
        let source = with_url(presets::source(name).unwrap());
        let spec = format!("spec:\n{}", indented(&source));
        assert_kept("TokenProvider", &[&spec]).await;
        assert_kept("ClusterTokenProvider", &[&spec]).await;
        let typed: TokenProviderSpec = serde_json::from_value(yaml(&spec)["spec"].clone()).unwrap();
        assert!(typed.http.is_some(), "{name} is no http form");
    }
}

/// Where each customer has a URL of his own, the line that shows one is only to be uncommented.
fn with_url(text: &str) -> String {
    text.replace("# url: https", "url: https")
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

#[tokio::test]
async fn what_the_command_preset_prints_and_what_the_examples_hold_is_accepted() {
    let mut manifests: Vec<String> =
        presets::names().iter().map(|name| with_url(&preset::run(Some(name)).unwrap())).collect();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/providers");
    for example in fs::read_dir(examples).unwrap() {
        manifests.push(fs::read_to_string(example.unwrap().path()).unwrap());
    }
    assert!(manifests.len() > presets::names().len(), "there are no examples");
    for manifest in &manifests {
        assert_kept(yaml(manifest)["kind"].as_str().unwrap(), &[manifest]).await;
    }
}

#[tokio::test]
async fn providers_by_preset_are_accepted_with_what_they_replace() {
    assert_kept("ClusterTokenProvider", &[
        "spec: { preset: Tenovos }",
        "spec: { preset: NotShippedYet }",
        "spec: { preset: Palette, url: 'https://palette.example.com:8443', limits: { requestsPerSecond: 2, burst: 1 } }",
        "spec: { preset: Palette, url: 'https://[2001:db8::1]:8443/base', tls: { caBundleRef: { kind: ConfigMap, name: ca, key: ca.crt } } }",
        "spec: { preset: Virtana, url: 'http://127.0.0.1:8080', tls: { insecureHTTP: true } }",
        r#"
        spec:
          preset: Tenovos
          url: https://api.uat.tenovos.io/v1
          output: { data: { token: "${accessToken}", until: "${expiresAt}" } }
          allowedNamespaces: { selector: { matchExpressions: [ { key: team, operator: In, values: [web] } ] } }
          limits: { requestsPerSecond: 10, burst: 5, concurrency: 8, timeout: 1m30s }
          tls: { caBundle: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", clientCertificateRef: { name: client } }
        "#,
    ])
    .await;
}

#[tokio::test]
async fn the_http_form_is_accepted_in_all_its_parts() {
    assert_kept("TokenProvider", &[
        r#"
        spec:
          url: https://api.example.com/v1
          parameters:
            - { name: project, default: demo, required: false, enum: [demo, prod] }
            - { name: region, required: true }
          http:
            credentials: { required: [username, password], optional: [org.name] }
            login:
              method: PUT
              path: /login/${parameters.project}
              query: { region: "${parameters.region}", empty: "" }
              headers: { Accept: "*/*", Content-Type: application/vnd.api+json }
              basicAuth: { username: "${credentials.username}", password: "${credentials.password}", encoding: FormURLEncoded }
              body: { json: { deep: [ { org: "${credentials.org.name}" }, 1, true, null ], remember: true } }
              response:
                accessToken: { text: {} }
                refreshToken: { cookie: refresh, optional: true }
                outputs: { tenant: { header: X-Tenant }, whole: { json: "", optional: true } }
                expiry:
                  - { seconds: { json: /a~1b/~0/0 } }
                  - { milliseconds: { header: X-Lives } }
                  - { minutes: { cookie: minutes } }
                  - { epochMicroseconds: { json: /until } }
                  - { timestamp: { text: {} } }
                  - { jwt: tenant }
                  - { cookie: session }
                  - { after: 1h30m5s }
                sessionExpiry: [ { epochSeconds: { json: /session } }, { epochMilliseconds: { json: /ms } } ]
            refresh:
              method: DELETE
              path: /login
              headers: { Authorization: "Bearer ${session.accessToken}" }
              response: { accessToken: { header: X-Token }, outputs: { tenant: { header: X-Tenant } }, expiry: [ { after: 720h } ] }
              sessionLimit: 720h
              reuse: OneTime
            errors:
              - { status: [401, 403], class: Rejected }
              - { operation: Refresh, json: /code, equals: ["17", ""], class: SessionOver, reason: TokenReused }
              - { header: Retry-After, class: RateLimited }
              - { status: [200], text: {}, equals: [maintenance], class: Transient }
        "#,
    ])
    .await;
}

#[tokio::test]
async fn the_oauth2_form_is_accepted_for_each_grant() {
    assert_kept("TokenProvider", &[
        "spec: { oauth2: { tokenURL: 'https://idp.example.com/oauth2/token?api=1' } }",
        "spec: { oauth2: { issuer: 'https://idp.example.com/realms/main/', clientAuth: { encoding: Raw } } }",
        "spec: { oauth2: { tokenURL: 'http://127.0.0.1:1/t' }, tls: { insecureHTTP: true } }",
        r#"
        spec:
          oauth2:
            tokenURL: https://idp.example.com/oauth2/token
            grant: Password
            clientId: my-client
            clientAuth: { method: None }
            scopes: [read, "${parameters.scope}"]
            audience: [a, b]
            resources: ["https://a.example.com", "https://b.example.com"]
            parameters: { organization: acme }
            refresh:
              use: Auto
              reuse: Reusable
              parameters: { scope: read }
              sessionLimit: 720h
              sessionExpiry: [ { seconds: { json: /refresh_expires_in } } ]
            outputs: { idToken: { json: /id_token, optional: true } }
            lifetime: 1h
          parameters: [ { name: scope } ]
        "#,
        r#"
        spec:
          oauth2:
            issuer: https://idp.example.com
            grant: JWTBearer
            clientAuth: { method: PrivateKeyJWT, algorithm: PS256, audience: "https://idp.example.com" }
            assertion: { issuer: me, subject: "${parameters.subject}", audience: "https://idp.example.com", algorithm: ES256 }
            refresh: { use: Never }
          parameters: [ { name: subject, required: true } ]
        "#,
        "spec: { oauth2: { tokenURL: 'https://idp.example.com/t', grant: RefreshToken, clientAuth: { method: TLS } }, tls: { clientCertificateRef: { name: client } } }",
        "spec: { oauth2: { tokenURL: 'https://idp.example.com/t', clientAuth: { method: TLS } } }",
    ])
    .await;
}

#[tokio::test]
async fn a_null_means_that_a_field_is_absent() {
    let cluster = cluster().await;
    let (client, namespace) = (admin(cluster), cluster.namespace("accepted").await.unwrap());
    let manifest = yaml(
        "{ apiVersion: apitoken.dev/v1alpha1, kind: ApiToken, metadata: { name: nulls }, \
           spec: { providerRef: { kind: Preset, name: Palette }, output: null, suspend: null } }",
    );
    let object = serde_json::from_value(manifest).unwrap();
    let kept = api(&client, "ApiToken", &namespace).create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(kept.data["spec"], json!({ "providerRef": { "kind": "Preset", "name": "Palette" } }));
}

#[tokio::test]
async fn every_field_of_a_spec_can_be_changed_and_taken_away_again() {
    let cluster = cluster().await;
    let (client, namespace) = (admin(cluster), cluster.namespace("accepted").await.unwrap());
    let stories: [(&str, &[&str]); 2] = [
        (
            "ApiToken",
            &[
                "{ providerRef: { kind: Preset, name: Palette }, credentialsRef: { name: a }, parameters: { p: x }, refresh: { before: 5m }, output: { secretName: one, data: { k: v }, onDelete: Retain } }",
                "{ providerRef: { kind: TokenProvider, name: own }, credentialsRef: { name: b }, refresh: { atPercent: 50 }, output: { secretName: two, labels: { k: v } } }",
                "{ providerRef: { kind: ClusterTokenProvider, name: own } }",
            ],
        ),
        (
            "TokenProvider",
            &[
                "{ preset: Tenovos, url: 'https://a.example.com' }",
                "{ url: 'https://b.example.com', http: { login: { method: GET, path: /, response: { accessToken: { text: {} }, expiry: [ { after: 1h } ] } } } }",
                "{ oauth2: { tokenURL: 'https://c.example.com/token' }, limits: { burst: 1 } }",
                "{ preset: Palette }",
            ],
        ),
    ];
    for (kind, specs) in stories {
        let api = api(&client, kind, &namespace);
        let first = json!({ "metadata": { "name": "changing" }, "spec": yaml(specs[0]),
                            "apiVersion": "apitoken.dev/v1alpha1", "kind": kind });
        let mut object = api.create(&PostParams::default(), &serde_json::from_value(first).unwrap()).await.unwrap();
        for spec in &specs[1..] {
            let wanted: Value = yaml(spec);
            object.data["spec"] = wanted.clone();
            object = api.replace("changing", &PostParams::default(), &object).await.unwrap();
            assert_eq!(object.data["spec"], wanted);
        }
    }
}
