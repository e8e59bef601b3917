//! What a provider's TLS refers to: found in the same file, by `--tls`, or asked for.

use serde_json::json;
use testbed::{
    ca::{ServerCertificate, TestCa},
    vendors::{OAuth, Registered},
};

use crate::bench::Bench;

struct Files {
    ca: TestCa,
    client: ServerCertificate,
    idp: OAuth,
    bench: Bench,
}

impl Files {
    fn new() -> Self {
        let (ca, clients) = (TestCa::new().unwrap(), TestCa::named("clients").unwrap());
        let client = clients.issue_client("reporting").unwrap();
        let idp = OAuth::start_admitting(&ca, &clients).unwrap();
        idp.add_account("reporting", "of no use");
        idp.script(|script| script.quirks.registered = Registered::Certificate(client.der().to_vec()));
        Self { ca, client, idp, bench: Bench::new([]) }
    }

    fn provider(&self) -> String {
        let oauth2 =
            json!({ "tokenURL": self.idp.token_url(), "clientId": "reporting", "clientAuth": { "method": "TLS" } });
        let bundle = json!({ "kind": "ConfigMap", "name": "corp-ca", "key": "ca.crt" });
        let tls = json!({ "caBundleRef": bundle, "clientCertificateRef": { "name": "idp-client" } });
        let spec = json!({ "oauth2": oauth2, "tls": tls });
        json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": "ClusterTokenProvider",
            "metadata": { "name": "idp" }, "spec": spec })
        .to_string()
    }

    fn authority(&self) -> String {
        let data = json!({ "ca.crt": self.ca.pem() });
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "corp-ca" }, "data": data }).to_string()
    }

    fn secret(&self, role: &str) -> String {
        let (chain, key) = self.client.to_pem();
        let metadata = json!({ "name": "idp-client", "labels": { "apitoken.dev/role": role } });
        let data = json!({ "tls.crt": chain, "tls.key": key });
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data }).to_string()
    }

    async fn expect(&self, documents: &[String], flags: &[&str], code: i32, words: &[&str]) {
        self.bench.write("provider.yaml", &documents.join("\n---\n"));
        let flags = [&["--allow-provider-cidr", "127.0.0.0/8"], flags].concat();
        let said = self.bench.run_with(&flags).await;
        said.expect(code, words);
        let key = self.client.to_pem().1;
        let body = key.lines().nth(1).unwrap();
        assert!(!said.out.contains(body) && !said.err.contains(body), "the key is said");
    }
}

#[tokio::test]
async fn what_the_provider_refers_to_is_taken_from_the_same_file() {
    let files = Files::new();
    let all = [files.provider(), files.authority(), files.secret("tls")];
    files.expect(&all, &[], 0, &["client_id=reporting", "accessToken"]).await;
    files.idp.assert_no_protocol_errors();
    assert_eq!(files.idp.logins().len(), 1);
}

#[tokio::test]
async fn an_issuer_that_wants_certificates_elsewhere_is_asked_there() {
    let files = Files::new();
    files.idp.script(|script| script.quirks.published.for_certificates = true);
    let by_issuer = files.provider().replace("tokenURL", "issuer").replace(&files.idp.token_url(), &files.idp.issuer());
    let all = [by_issuer, files.authority(), files.secret("tls")];
    let login = format!("for certificates: \"{0}\"\n\nLogin\n  POST {0}", files.idp.token_url());
    files.expect(&all, &[], 0, &[&login, "client_id=reporting", "accessToken"]).await;
    files.idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn what_is_not_in_the_file_is_given_by_a_directory_or_asked_for() {
    let files = Files::new();
    let provider = [files.provider()];
    files.expect(&provider, &[], 2, &["spec.tls.caBundleRef names an object that is not in the file"]).await;
    let without_secret = [files.provider(), files.authority()];
    files.expect(&without_secret, &[], 2, &["clientCertificateRef names a Secret that is not in the file"]).await;
    std::fs::create_dir(files.bench.path("tls")).unwrap();
    files.bench.write("tls/ca.crt", &files.ca.pem());
    files.client.write(&files.bench.path("tls")).unwrap();
    files.expect(&provider, &["--tls", "tls"], 0, &["accessToken"]).await;
}

#[tokio::test]
async fn a_tenants_certificate_is_taken_from_the_credentials() {
    let files = Files::new();
    let certificate = r#","clientCertificateRef":{"name":"idp-client"}"#;
    let without = files.provider().replace(certificate, "");
    assert_ne!(without, files.provider());
    let all = [without, files.authority()];
    files.expect(&all, &[], 2, &["put tls.crt and tls.key into --credentials", "spec.tls.clientCertificateRef"]).await;
    std::fs::create_dir(files.bench.path("tenant")).unwrap();
    files.client.write(&files.bench.path("tenant")).unwrap();
    files.expect(&all, &["--credentials", "tenant"], 0, &["client_id=reporting", "accessToken"]).await;
    files.idp.assert_no_protocol_errors();
    std::fs::remove_file(files.bench.path("tenant").join("tls.key")).unwrap();
    let words = ["tenant has \"tls.crt\" without \"tls.key\""];
    files.expect(&all, &["--credentials", "tenant"], 2, &words).await;
    let metadata = json!({ "name": "login", "labels": { "apitoken.dev/role": "credentials" } });
    let half = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": { "tls.crt": "x" } });
    let spec = json!({ "providerRef": { "name": "idp" }, "credentialsRef": { "name": "login" } });
    let token = json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "metadata": { "name": "items" },
        "spec": spec });
    let all = [all.to_vec(), vec![half.to_string(), token.to_string()]].concat();
    files.expect(&all, &[], 2, &["error: stringData: Secret login has \"tls.crt\" without \"tls.key\""]).await;
    assert_eq!(files.idp.logins().len(), 1);
}

#[tokio::test]
async fn what_the_operator_would_refuse_of_it_is_refused() {
    let files = Files::new();
    let unlabelled = [files.provider(), files.authority(), files.secret("credentials")];
    files.expect(&unlabelled, &[], 2, &["error: metadata.labels: needs apitoken.dev/role: tls"]).await;
    let other_key = [files.provider(), files.authority().replace("\"ca.crt\"", "\"root.crt\""), files.secret("tls")];
    let words =
        ["error: spec.tls.caBundleRef: ConfigMap \"corp-ca\" has no key \"ca.crt\"", "kubectl create configmap"];
    files.expect(&other_key, &[], 2, &words).await;
    assert_eq!(files.idp.connections_accepted(), 0);
}
