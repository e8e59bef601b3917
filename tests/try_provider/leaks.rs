//! Nothing secret in all that `try` writes: not what it sent, not what came back, not even where a server echoes it.

use serde_json::{Value, json};
use testbed::{leaks::Canaries, vendors::scripted::Reply};

use crate::bench::{Bench, PASSWORD, PROVIDER, good_refresh};

const SECRETS: [&str; 4] = ["canary-access-token", "canary-refresh-token", "canary-second-token", PASSWORD];

/// A server that repeats what it knows wherever it can: values, names, codes, headers, cookies.
fn echo(status: u16) -> Reply {
    let mut body =
        json!({ "token": SECRETS[0], "refresh": SECRETS[1], "ttl": 3600, "message": PASSWORD, "list": SECRETS });
    // The second token is not known to anybody before a refresh gives it.
    for secret in [SECRETS[0], SECRETS[1], PASSWORD] {
        body[secret] = Value::from(1);
    }
    Reply::json(status, &body)
        .header("set-cookie", format!("{PASSWORD}=canary-access-token; Path=/"))
        .header("location", format!("https://canary-elsewhere.example.com/{PASSWORD}?token={PASSWORD}"))
        .header("www-authenticate", format!("Bearer error=\"{PASSWORD}\""))
        .replace_header("content-type", &format!("application/{PASSWORD}"))
}

fn canaries() -> Canaries {
    let mut canaries = Canaries::default();
    for secret in SECRETS {
        canaries.add(secret, secret);
    }
    canaries
}

async fn no_leak(bench: &Bench, flags: &[&str]) {
    let said = bench.run(flags).await;
    assert!(!said.out.is_empty() || !said.err.is_empty());
    let found = canaries().find("try", &format!("{}{}", said.out, said.err));
    assert!(found.is_empty(), "{}\n{}{}", found[0], said.out, said.err);
}

#[tokio::test]
async fn a_server_that_echoes_everything_makes_nothing_leak() {
    for status in [200, 302, 401, 404, 429, 500] {
        let bench = Bench::new([echo(status), good_refresh()]);
        no_leak(&bench, &["--refresh"]).await;
    }
}

#[tokio::test]
async fn no_place_of_a_request_shows_a_secret() {
    let sound = r#"body: { json: { user: "${credentials.username}", password: "${credentials.password}", scope: "${parameters.scope}" } }"#;
    for place in [
        r#"basicAuth: { username: "${credentials.username}", password: "${credentials.password}" }"#,
        r#"basicAuth: { username: "${credentials.username}", password: "${credentials.password}", encoding: FormURLEncoded }"#,
        r#"headers: { X-Key: "Key ${credentials.password}" }"#,
        r#"query: { key: "${credentials.password}" }"#,
        r#"body: { form: { a: b, key: "${credentials.password}" } }"#,
        r#"body: { multipart: { key: "${credentials.password}" } }"#,
        r#"body: { json: { deep: [ { key: "${credentials.password}" } ] } }"#,
    ] {
        let bench = Bench::new([echo(200), echo(401)]);
        assert!(PROVIDER.contains(sound));
        bench.provider(&PROVIDER.replace(sound, place));
        no_leak(&bench, &["--refresh"]).await;
        no_leak(&bench, &["--dry-run"]).await;
    }
    let bench = Bench::new([echo(200)]);
    bench.provider(&PROVIDER.replace("path: /session", "path: \"/session/${credentials.password}\""));
    no_leak(&bench, &[]).await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_not_quoted() {
    let bench = Bench::new([]);
    bench.write("login.env", &format!("username=robot\n{PASSWORD}\n"));
    bench.write("broken.yaml", &format!("kind: Secret\nstringData: [ password: {PASSWORD}\n"));
    for file in ["login.env", "broken.yaml"] {
        let said = bench.run_with(&["--credentials", file]).await;
        said.expect(2, &["neither a Secret manifest nor lines of KEY=VALUE"]);
        assert!(canaries().find(file, &format!("{}{}", said.out, said.err)).is_empty(), "{}", said.err);
    }
}

#[tokio::test]
async fn control_characters_of_a_server_never_reach_the_terminal() {
    let body = json!({ "\u{1b}[2Jname": 1, "a\nb": 2, "error": "\u{1b}]0;title\u{7}", "token": "canary-access-token", "ttl": 60 });
    let bench = Bench::new([Reply::json(200, &body)]);
    let said = bench.run(&[]).await;
    assert!(!said.out.contains('\u{1b}') && !said.out.contains('\u{7}'), "{}", said.out);
}
