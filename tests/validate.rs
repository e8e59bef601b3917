//! `apitoken-operator validate`, the real binary: what it finds without a cluster, where, and in which words.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it cannot go on with")]

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const PROVIDER: &str = r#"
apiVersion: apitoken.dev/v1alpha1
kind: ClusterTokenProvider
metadata: { name: inventory }
spec:
  url: https://inventory.example.com/api
  parameters: [ { name: scope, enum: [read, write] } ]
  http:
    credentials: { required: [username, password] }
    login:
      method: POST
      path: /session
      body: { json: { user: "${credentials.username}", password: "${credentials.password}", scope: "${parameters.scope}" } }
      response:
        accessToken: { json: /token }
        outputs: { tenant: { json: /tenant } }
        expiry: [ { seconds: { json: /ttl } }, { after: 30m } ]
"#;

const SECRET: &str = r"
apiVersion: v1
kind: Secret
metadata: { name: login, labels: { apitoken.dev/role: credentials } }
stringData: { username: robot, password: canary-password }
";

const TOKEN: &str = r"
apiVersion: apitoken.dev/v1alpha1
kind: ApiToken
metadata: { name: inventory-token }
spec:
  providerRef: { name: inventory }
  credentialsRef: { name: login }
  parameters: { scope: read }
";

fn validate(flags: &[&str], manifest: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitoken-operator"));
    command.args(["validate", "-f", "-"]).args(flags).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    assert_eq!(output.stderr, b"", "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn all() -> String {
    format!("{PROVIDER}---{SECRET}---{TOKEN}")
}

/// Exactly one error, on the line that holds the replacement, in words that hold `message`.
fn one_error(from: &str, to: &str, message: &str) {
    let whole = all();
    assert!(whole.contains(from), "{from:?} is not there");
    let manifest = whole.replacen(from, to, 1);
    let output = validate(&[], &manifest);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{to}\n{text}");
    assert_eq!(text.matches("  error: ").count(), 1, "{to}\n{text}");
    assert!(text.contains(message), "{to}: no {message:?} in\n{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn objects_that_fit_together_are_good() {
    let output = validate(&["--strict"], &all());
    assert_eq!(text(&output), "ApiTokens: 1, providers: 1, Secrets: 1. Errors: 0, notes: 0.\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_mistake_in_a_provider_is_found_with_its_line_and_what_was_meant() {
    for (from, to, message) in [
        ("kind: ClusterTokenProvider", "kind: ClusterTokenProvidr", "did you mean ClusterTokenProvider?"),
        (
            "dev/v1alpha1",
            "dev/v1",
            "-:2  ClusterTokenProvider inventory\n  error: apiVersion: must be apitoken.dev/v1alpha1",
        ),
        ("metadata: { name: inventory }", "metadata: {}", "metadata.name: is required"),
        (
            "      method: POST",
            "      method: post",
            "-:11  ClusterTokenProvider inventory\n  error: spec.http.login.method: must be one of GET, POST",
        ),
        ("path: /session", "path: session", "must begin with /"),
        (
            "path: /session",
            "pth: /session\n      path: /session",
            "-:12  ClusterTokenProvider inventory\n  error: spec.http.login.pth: is no field; did you mean path?",
        ),
        (
            "${credentials.username}",
            "${credential.username}",
            "-:13  ClusterTokenProvider inventory\n  error: spec.http.login.body.json.user: `${credential.username}` is not a name: did you mean `${credentials.username}`?",
        ),
        ("${credentials.password}", "${credentials.passwrd}", "did you mean `${credentials.password}`?"),
        ("${parameters.scope}", "${parameters.scop}", "did you mean `${parameters.scope}`?"),
        (
            "{ json: /token }",
            "{ json: $.token }",
            "spec.http.login.response.accessToken.json: is not a JSON pointer (RFC 6901): did you mean /token?",
        ),
        ("{ json: /token }", "{ json: /token, header: X }", "exactly one of json, header"),
        ("{ after: 30m }", "{ after: 30 }", "expiry[1].after: must be text, and is a number: write it in quotes"),
        ("{ after: 30m }", "{ after: soon }", "must be hours, minutes and seconds in this order"),
        ("{ after: 30m }", "{ jwt: acessToken }", "did you mean accessToken?"),
        ("[username, password]", "[username, password, username]", "spec.http.credentials.required[2]: is there twice"),
        ("[read, write]", "[read, write], default: none", "spec.parameters[0].default: must be one of read, write"),
        ("  url: https", "  tls: { caBundle: canary }\n  url: https", "spec.tls.caBundle"),
    ] {
        one_error(from, to, message);
    }
}

#[test]
fn a_provider_by_its_issuer_is_good_or_wrong_at_the_issuer() {
    let provider = |oauth2: &str| {
        let head = "apiVersion: apitoken.dev/v1alpha1\nkind: ClusterTokenProvider\nmetadata: { name: idp }\n";
        validate(&["--strict"], &format!("{head}spec:\n  oauth2:\n    {oauth2}\n"))
    };
    let good = provider("issuer: https://idp.example.com/realms/main/");
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    for (oauth2, message) in [
        ("issuer: http://idp.example.com", "-:6  ClusterTokenProvider idp\n  error: spec.oauth2.issuer: is plain http"),
        ("isuer: https://idp.example.com", "spec.oauth2.isuer: is no field; did you mean issuer?"),
        (
            "{ issuer: https://idp.example.com, tokenURL: https://idp.example.com/token }",
            "exactly one of tokenURL and issuer",
        ),
    ] {
        let output = provider(oauth2);
        assert_eq!(output.status.code(), Some(1), "{oauth2}");
        assert!(text(&output).contains(message), "no {message:?} in\n{}", text(&output));
    }
}

#[test]
fn a_mistake_between_objects_is_found() {
    for (from, to, message) in [
        (
            "parameters: { scope: read }",
            "parameters: { scpe: read }",
            "spec.parameters.scpe: the provider declares no such parameter; it has scope; did you mean scope?",
        ),
        (
            "parameters: { scope: read }",
            "parameters: { scope: all }",
            "spec.parameters.scope: must be one of read, write",
        ),
        (
            "parameters: { scope: read }",
            "output: { data: { x: \"${outputs.tenat}\" } }",
            "did you mean `${outputs.tenant}`?",
        ),
        ("parameters: { scope: read }", "output: { secretName: login }", "output must not be the credentials Secret"),
        ("parameters: { scope: read }", "output: { secretName: apitoken-session-1 }", "operator's own"),
        ("parameters: { scope: read }", "output: { labels: { apitoken.dev/x: v } }", "reserved"),
        ("parameters: { scope: read }", "refresh: { before: 0s }\n  parameters: {}", "before: must be longer than 0"),
        (
            "{ name: inventory }\n  credentialsRef",
            "{ name: Virtana }\n  credentialsRef",
            "write kind: Preset beside it",
        ),
        (
            "parameters: { scope: read }",
            "refresh: { before: 5m, atPercent: 50 }",
            "at most one of before and atPercent",
        ),
        (
            "  credentialsRef: { name: login }\n",
            "",
            "spec.credentialsRef: is required: the provider wants a Secret with password, username",
        ),
        (
            "password: canary-password",
            "pasword: canary-password",
            "lacks password: add the key with a value that is not empty (its \"pasword\" looks like a slip of \"password\")",
        ),
        ("password: canary-password", "password: ''", "lacks password"),
        ("stringData: { username: robot,", "stringData: { username: robot }\ndata: {", "data.password: is not base64"),
        (", labels: { apitoken.dev/role: credentials }", "", "metadata.labels: needs apitoken.dev/role: credentials"),
        (
            "{ name: inventory }\n  credentialsRef",
            "{ kind: Preset, name: virtana }\n  credentialsRef",
            "did you mean Virtana?",
        ),
    ] {
        one_error(from, to, message);
    }
}

#[test]
fn two_tokens_may_not_write_one_secret() {
    let second = TOKEN
        .replace("inventory-token", "other")
        .replace("  parameters", "  output: { secretName: inventory-token }\n  parameters");
    let output = validate(&[], &format!("{}---{second}", all()));
    assert!(text(&output).contains("ApiToken inventory-token writes it already"), "{}", text(&output));
}

#[test]
fn two_tokens_may_not_name_credentials_that_are_good_for_one_login() {
    let consented = |reuse: &str| {
        format!(
            "apiVersion: apitoken.dev/v1alpha1
kind: ClusterTokenProvider
metadata: {{ name: inventory }}
spec:
  parameters: [ {{ name: scope }} ]
  oauth2: {{ tokenURL: 'https://idp.example.com/token', grant: RefreshToken, refresh: {{ reuse: {reuse} }} }}
"
        )
    };
    let both = format!("{TOKEN}---{}", TOKEN.replace("inventory-token", "other"));
    let output = validate(&[], &format!("{}---{both}", consented("OneTime")));
    let said = "error: spec.credentialsRef.name: refreshToken of these credentials is good for one ApiToken, and \
                ApiToken inventory-token names them already";
    assert!(text(&output).contains(said), "{}", text(&output));
    assert_eq!(text(&output).matches("  error: ").count(), 1);
    let output = validate(&[], &format!("{}---{both}", consented("Reusable")));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn what_is_not_among_the_files_is_a_note_and_with_strict_an_error() {
    let manifest = TOKEN.replace("name: inventory }", "name: Tenovos }").replace("Tenovos", "tenovos");
    let output = validate(&[], &manifest);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).contains("for the preset write kind: Preset and name: Tenovos"), "{}", text(&output));
    assert_eq!(validate(&["--strict"], &manifest).status.code(), Some(1));
}

#[test]
fn what_a_providers_tls_refers_to_is_held_against_the_files() {
    let ca = testbed::ca::TestCa::new().unwrap();
    let (chain, key) = ca.issue_client("inventory").unwrap().to_pem();
    let (expired, its_key) = ca.issue_expired_client("inventory").unwrap().to_pem();
    let tls =
        "  tls: { caBundleRef: { kind: ConfigMap, name: ca, key: ca.crt }, clientCertificateRef: { name: client } }\n";
    let provider = PROVIDER.replace("  url:", &format!("{tls}  url:"));
    let bundle = |key: &str| {
        serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca" },
            "data": { key: ca.pem() } })
        .to_string()
    };
    let secret = |role: &str, chain: &str, key: &str| {
        let metadata = serde_json::json!({ "name": "client", "labels": { "apitoken.dev/role": role } });
        serde_json::json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata,
            "stringData": { "tls.crt": chain, "tls.key": key } })
        .to_string()
    };
    let good = [bundle("ca.crt"), secret("tls", &chain, &key)];
    let path = "spec.tls.clientCertificateRef";
    for (objects, errors, words) in [
        (good.to_vec(), 0, "Errors: 0, notes: 0."),
        (Vec::new(), 0, "note: spec.tls.caBundleRef.name: ConfigMap \"ca\" is not among these files"),
        (vec![bundle("root.crt")], 1, "spec.tls.caBundleRef: ConfigMap \"ca\" has no key \"ca.crt\""),
        (vec![secret("credentials", &chain, &key)], 1, "metadata.labels: needs apitoken.dev/role: tls"),
        (
            vec![secret("tls", &chain, &its_key)],
            1,
            &format!("{path}: the certificate and the key in Secret \"client\""),
        ),
        (vec![secret("tls", &expired, &its_key)], 1, &format!("{path}: the client certificate in Secret \"client\"")),
    ] {
        let documents = [std::slice::from_ref(&provider), &objects].concat();
        let output = validate(&[], &documents.join("\n---\n"));
        let said = text(&output);
        assert!(said.contains(words) && said.contains(&format!("Errors: {errors}")), "{words}\n{said}");
        assert!(!said.contains(key.lines().nth(1).unwrap()), "the key is said");
    }
}

#[test]
fn a_value_that_ends_in_a_newline_is_noted() {
    let output = validate(&[], &all().replace("canary-password", "\"canary-password\\n\""));
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).contains("note: stringData.password: ends in white space"), "{}", text(&output));
}

#[test]
fn a_pipeline_gets_one_json_object() {
    let output = validate(&["-o", "json"], &all().replace("method: POST", "method: post"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["objects"], &report["errors"], &report["notes"]), (&3.into(), &1.into(), &0.into()));
    let finding = &report["findings"][0];
    assert_eq!(finding["path"], "spec.http.login.method");
    assert_eq!((&finding["file"], &finding["line"], &finding["severity"]), (&"-".into(), &11.into(), &"error".into()));
    assert_eq!(finding["object"], "ClusterTokenProvider inventory");
}

#[test]
fn what_is_no_yaml_is_an_error_that_quotes_nothing() {
    let output = validate(&[], "stringData:\n  password: [canary\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("is not YAML") && !text(&output).contains("canary"), "{}", text(&output));
}

#[test]
fn a_file_that_is_not_there_is_bad_input() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitoken-operator"));
    let output = command.args(["validate", "-f", "/nowhere.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: cannot read /nowhere.yaml"));
}

#[test]
fn the_finding_that_the_documentation_shows_is_what_is_printed() {
    let read =
        |page: &str| std::fs::read_to_string(format!("{}/docs/providers/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let guide = read("write-one.md");
    let provider = guide.split("```yaml\n").nth(1).unwrap().split("\n```").next().unwrap();
    let output = validate(&[], &provider.replace("json: /data/sessionToken", "json: data.sessionToken"));
    let finding = text(&output).replace("-:", "stock.yaml:");
    let finding = finding.lines().take(2).collect::<Vec<_>>().join("\n");
    for page in [&guide, &read("validate.md")] {
        assert!(page.contains(&finding), "no page shows\n{finding}");
    }
}

#[test]
fn every_sample_and_example_of_the_repository_is_good() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitoken-operator"));
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["validate", "-f", "examples"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
