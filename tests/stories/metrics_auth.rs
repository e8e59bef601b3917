//! `/metrics` for those whom the API server lets read it, over HTTPS; probes for everybody.

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::SubjectAccessReview,
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};
use reqwest::{Client, Response};
use serde_json::json;
use tempfile::TempDir;
use testbed::{eventually::await_until, operator::OperatorProcess, users::User};
use tokio::process::Command;

use crate::world::{PATIENCE, World, operator_binary};

/// An operator that guards its metrics, and whoever asks it.
pub struct Guarded {
    pub world: World,
    pub operator: OperatorProcess,
    pub client: Client,
    _certificate: TempDir,
}

/// As a user with the sample rights and, where `may_review`, those that the reviews need.
pub async fn guarded(may_review: bool) -> Guarded {
    let mut world = World::without_operator().await;
    let user = User::Named(format!("{}-guard", world.namespace));
    world.cluster.bind(&user, "apitoken-operator").await.expect("the sample rights");
    if may_review {
        apply(&world, &reviews(&world)).await;
        world.cluster.bind(&user, &format!("{}-reviews", world.namespace)).await.expect("the right to review");
    }
    let certificate = tempfile::tempdir().expect("a directory");
    world.ca.issue(&[]).expect("a certificate").write(certificate.path()).expect("its files");
    world.kubeconfig = world.cluster.kubeconfig(&user).expect("a kubeconfig");
    let directory = certificate.path().to_str().expect("UTF-8");
    world.flags = ["--metrics-auth", "kubernetes", "--listen-tls", directory].map(String::from).into();
    let operator = OperatorProcess::start(&world.operator_options()).expect("the operator starts");
    operator.wait_for_log(|line| line.contains("\"watching\""), PATIENCE).await.expect("it watches");
    let authority = reqwest::Certificate::from_pem(world.ca.pem().as_bytes()).expect("a certificate");
    let client = Client::builder().tls_certs_only([authority]).no_proxy().timeout(PATIENCE).build().expect("a client");
    Guarded { world, operator, client, _certificate: certificate }
}

fn reviews(world: &World) -> serde_json::Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": format!("{}-reviews", world.namespace) },
        "rules": [
            { "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"] },
            { "apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"] },
        ],
    })
}

async fn apply(world: &World, object: &serde_json::Value) {
    world.cluster.apply(&User::Admin, &object.to_string()).await.expect("it is taken");
}

/// A ServiceAccount of the story's namespace, and a token of it.
pub async fn account(world: &World, name: &str) -> String {
    let api: Api<ServiceAccount> = Api::namespaced(world.client.clone(), &world.namespace);
    let account = serde_json::from_value(json!({ "metadata": { "name": name } })).expect("a ServiceAccount");
    api.create(&PostParams::default(), &account).await.expect("the ServiceAccount is made");
    let wanted = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let made = api.create_token_request(name, &PostParams::default(), &wanted).await.expect("a token");
    made.status.expect("a token").token
}

/// Returns when the API server heeds it: a refusal would be remembered.
pub async fn let_get_metrics(world: &World, account: &str) {
    let (name, namespace) = (format!("{}-scraper", world.namespace), &world.namespace);
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name },
        "rules": [{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": namespace }],
    });
    apply(world, &role).await;
    apply(world, &binding).await;
    let review: SubjectAccessReview = serde_json::from_value(json!({ "spec": {
        "user": format!("system:serviceaccount:{namespace}:{account}"),
        "nonResourceAttributes": { "path": "/metrics", "verb": "get" },
    }}))
    .expect("a review");
    let api: Api<SubjectAccessReview> = Api::all(world.client.clone());
    await_until("the right to get /metrics", PATIENCE, async || {
        let answer = api.create(&PostParams::default(), &review).await.map_err(|error| error.to_string())?;
        answer.status.filter(|status| status.allowed).ok_or_else(|| "not yet".to_owned())
    })
    .await;
}

impl Guarded {
    async fn get(&self, path: &str, authorization: Option<&str>) -> Response {
        let url = format!("{}{path}", self.operator.url().replace("http://", "https://"));
        let request = self.client.get(url);
        let request = authorization.iter().fold(request, |request, value| request.header("authorization", *value));
        request.send().await.expect("an answer")
    }

    async fn status(&self, path: &str, authorization: Option<&str>) -> u16 {
        self.get(path, authorization).await.status().as_u16()
    }
}

#[tokio::test]
async fn metrics_are_for_the_service_account_that_may_get_them_and_probes_for_everybody() {
    let guarded = guarded(true).await;
    let scraper = account(&guarded.world, "scraper").await;
    let stranger = account(&guarded.world, "stranger").await;
    let_get_metrics(&guarded.world, "scraper").await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(guarded.status(path, None).await, 200, "{path}");
    }
    let url = format!("{}/readyz", guarded.operator.url().replace("http://", "https://"));
    let asked = Command::new(operator_binary()).args(["ready", &url]).output().await.expect("it runs");
    assert!(asked.status.success(), "`ready` trusts any certificate, as the kubelet does: {asked:?}");
    let anonymous = guarded.get("/metrics", None).await;
    assert_eq!(anonymous.headers()["www-authenticate"], "Bearer");
    assert_eq!(anonymous.status(), 401);
    assert_eq!(guarded.status("/metrics", Some("Basic YTpi")).await, 401);
    assert_eq!(guarded.status("/metrics", Some("Bearer nonsense")).await, 401);
    assert_eq!(guarded.status("/metrics", Some(&format!("Bearer {stranger}"))).await, 403);
    let answer = guarded.get("/metrics", Some(&format!("bearer {scraper}"))).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.expect("a body").ends_with("# EOF\n"));
    let told = guarded.operator.logs().join("\n");
    assert!(!told.contains(&scraper) && !told.contains(&stranger), "{told}");
}

#[tokio::test]
async fn a_scrape_each_second_is_one_review_a_minute() {
    let guarded = guarded(true).await;
    let scraper = account(&guarded.world, "scraper").await;
    let_get_metrics(&guarded.world, "scraper").await;
    let authorization = format!("Bearer {scraper}");
    let mut text = String::new();
    for _ in 0..20 {
        let answer = guarded.get("/metrics", Some(&authorization)).await;
        assert_eq!(answer.status(), 200);
        text = answer.text().await.expect("a body");
    }
    let reviews = r#"apitoken_api_requests_total{verb="create",resource="tokenreviews",outcome="ok"} 1"#;
    assert!(text.lines().any(|line| line == reviews), "{text}");
}

#[tokio::test]
async fn without_the_right_to_review_nobody_reads_and_the_log_names_the_right() {
    let guarded = guarded(false).await;
    let scraper = account(&guarded.world, "scraper").await;
    let_get_metrics(&guarded.world, "scraper").await;
    assert_eq!(guarded.status("/metrics", Some(&format!("Bearer {scraper}"))).await, 503);
    assert_eq!(guarded.status("/readyz", None).await, 200);
    let line = |line: &str| line.contains("tokenreviews") && line.contains("must be allowed to create");
    guarded.operator.wait_for_log(line, PATIENCE).await.expect("the remedy in the log");
}
