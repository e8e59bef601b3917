//! What `try` is given, in every form, and what is wrong with it: then nothing is sent and the exit code is 2.

use crate::bench::{Bench, PASSWORD, PROVIDER, good_login};

#[tokio::test]
async fn credentials_come_from_a_directory_a_secret_or_lines() {
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{ name: x }}\nstringData: {{ username: robot, password: {PASSWORD} }}\n"
    );
    let lines = format!("# the robot's\nusername=robot\npassword={PASSWORD}\n");
    for (name, text) in [("secret.yaml", secret.as_str()), ("login.env", &lines)] {
        let bench = Bench::new([good_login()]);
        bench.write(name, text);
        bench.run_with(&["--credentials", name, "--allow-provider-cidr", "127.0.0.0/8"]).await.expect(0, &[name]);
        let body = String::from_utf8(bench.server.requests()[0].body.to_vec()).unwrap();
        assert!(body.contains(PASSWORD) && body.contains("robot"), "{body}");
    }
}

#[tokio::test]
async fn an_api_token_and_a_secret_of_the_same_file_are_used() {
    let bench = Bench::new([good_login()]);
    let more = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: login, labels: {{ apitoken.dev/role: credentials }} }}\n\
         stringData: {{ username: robot, password: {PASSWORD} }}\n---\napiVersion: apitoken.dev/v1alpha1\nkind: ApiToken\n\
         metadata: {{ name: stock }}\nspec:\n  providerRef: {{ name: inventory }}\n  credentialsRef: {{ name: login }}\n  \
         parameters: {{ scope: write }}\n  refresh: {{ before: 10m }}\n  output: {{ data: {{ header: \"Bearer ${{accessToken}}\" }} }}\n"
    );
    bench.provider(&format!("{PROVIDER}{more}"));
    let said = bench.run_with(&["--allow-provider-cidr", "127.0.0.0/8"]).await;
    said.expect(0, &["Output Secret stock", "header        •••(26)", "scope = write", "after 45 min "]);
}

#[tokio::test]
async fn parameters_are_set_and_wrong_ones_are_refused() {
    let bench = Bench::new([good_login()]);
    bench.run(&["--parameter", "scope=write"]).await.expect(0, &["\"scope\": \"write\""]);
    bench.run(&["--parameter", "scop=write"]).await.expect(2, &["it has scope; did you mean scope?"]);
    bench.run(&["--parameter", "scope"]).await.expect(2, &["write NAME=VALUE"]);
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said_with_its_place_and_nothing_is_sent() {
    for (from, to, words) in [
        (
            "json: /token }",
            "json: $.token }",
            "provider.yaml:15  ClusterTokenProvider inventory\n  error: spec.http.login.response.accessToken.json: is not a JSON pointer (RFC 6901): did you mean /token?",
        ),
        (
            "method: POST\n      path: /session",
            "methd: POST\n      path: /session",
            "spec.http.login.methd: is no field; did you mean method?",
        ),
        ("kind: ClusterTokenProvider", "kind: TokenProvidr", "did you mean TokenProvider?"),
        ("apitoken.dev/v1alpha1\nkind: ClusterTokenProvider", "v1\nkind: ConfigMap", "provider.yaml holds no provider"),
        ("spec:\n", "spec: [\n", "is not YAML"),
        ("[username, password]", "[username, password, apiKey]", "lacks apiKey"),
        (
            "{ insecureHTTP: true }",
            "{ insecureHTTP: true, caBundleRef: { kind: Secret, name: a, key: b } }",
            "add it, or give its certificates by --tls DIR",
        ),
    ] {
        let bench = Bench::new([]);
        assert!(PROVIDER.contains(from), "{from}");
        bench.provider(&PROVIDER.replacen(from, to, 1));
        bench.run(&[]).await.expect(2, &[words]);
        assert_eq!(bench.server.requests().len(), 0);
    }
}

#[tokio::test]
async fn missing_credentials_are_asked_for_by_their_keys() {
    let bench = Bench::new([]);
    bench.run_with(&[]).await.expect(2, &["the provider wants password, username: give them by --credentials"]);
    bench.run_with(&["--credentials", "nowhere"]).await.expect(2, &["cannot read the credentials in nowhere"]);
    bench.write("encoded.yaml", "kind: Secret\napiVersion: v1\nmetadata: { name: x }\ndata: { username: robot }\n");
    bench.run_with(&["--credentials", "encoded.yaml"]).await.expect(2, &["encoded.yaml: data.username is not base64"]);
    bench.write("login/pasword", "x");
    std::fs::remove_file(bench.path("login/password")).unwrap();
    bench.run(&[]).await.expect(2, &["lacks password", "\"pasword\" looks like a slip of \"password\""]);
}

#[tokio::test]
async fn a_printed_preset_is_tried_as_it_is_or_says_that_its_url_lacks() {
    let bench = Bench::new([]);
    bench.write("keys.env", "accountId=1\nclientId=2\nclientSecret=3\nroleId=4\n");
    let printed = |name| apitoken_operator::command::preset::run(Some(name)).unwrap();
    bench.write("provider.yaml", &printed("Zoom"));
    let flags = ["--credentials", "keys.env", "--dry-run"];
    bench.run_with(&flags).await.expect(0, &["POST https://zoom.us/oauth/token", "account_id=•••(1)"]);
    bench.write("provider.yaml", &printed("Vault"));
    bench.run_with(&flags).await.expect(2, &["spec.url: is required with http: where is the API"]);
    bench.write("provider.yaml", &printed("Vault").replace("# url:", "url:"));
    bench.run_with(&flags).await.expect(0, &["POST https://vault.example.com:8200/v1/auth/approle/login"]);
}

#[tokio::test]
async fn a_dry_run_shows_both_requests_and_sends_none() {
    let bench = Bench::new([]);
    let said = bench.run(&["--dry-run", "--refresh"]).await;
    said.expect(0, &["/api/session", "\"password\": \"•••(17)\"", "/api/refresh", "token=•••\n", "Nothing was sent"]);
    assert_eq!(bench.server.requests().len(), 0);
}

#[tokio::test]
async fn an_address_that_run_would_refuse_is_refused() {
    let bench = Bench::new([good_login()]);
    let said = bench.run_with(&["--credentials", "login"]).await;
    said.expect(1, &["no request is sent to a loopback address", "--allow-provider-cidr"]);
    assert_eq!(bench.server.requests().len(), 0);
}
