//! A provider's manifest, its credentials and a scripted server, in a directory of their own.

use std::{fs, path::PathBuf, process::Command};

use serde_json::json;
use tempfile::TempDir;
use testbed::vendors::{Scripted, scripted::Reply};

pub const PASSWORD: &str = "canary-password-7";

/// A sound provider; `URL` is replaced.
pub const PROVIDER: &str = r#"apiVersion: apitoken.dev/v1alpha1
kind: ClusterTokenProvider
metadata: { name: inventory }
spec:
  url: URL/api
  tls: { insecureHTTP: true }
  parameters: [ { name: scope, default: read } ]
  http:
    credentials: { required: [username, password] }
    login:
      method: POST
      path: /session
      body: { json: { user: "${credentials.username}", password: "${credentials.password}", scope: "${parameters.scope}" } }
      response:
        accessToken: { json: /token }
        refreshToken: { json: /refresh, optional: true }
        expiry: [ { seconds: { json: /ttl } }, { after: 30m } ]
    refresh:
      method: POST
      path: /refresh
      body: { form: { token: "${session.refreshToken}" } }
    errors:
      - { operation: Login, status: [200], json: /error, class: Rejected, reason: Locked }
"#;

pub struct Bench {
    pub server: Scripted,
    pub directory: TempDir,
}

/// How a run ended, and all that it said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Bench {
    /// The provider of above, and credentials as a mounted Secret has them.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let server = Scripted::start_plain(replies).unwrap();
        let bench = Self { server, directory: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.path("login")).unwrap();
        bench.write("login/username", "robot");
        bench.write("login/password", PASSWORD);
        bench.provider(PROVIDER);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn provider(&self, yaml: &str) {
        self.write("provider.yaml", &yaml.replace("URL", &self.server.origin()));
    }

    /// Runs `try` on the provider and the mounted credentials.
    pub async fn run(&self, flags: &[&str]) -> Said {
        let all = ["--credentials", "login", "--allow-provider-cidr", "127.0.0.0/8"];
        self.run_with(&[&all, flags].concat()).await
    }

    pub async fn run_with(&self, flags: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_apitoken-operator"));
        command.args(["try", "-f", "provider.yaml"]).args(flags).env_clear().current_dir(self.directory.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    pub fn expect(&self, code: i32, words: &[&str]) {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, code, "{all}");
        for word in words {
            assert!(all.contains(word), "no {word:?} in\n{all}");
        }
    }
}

pub fn good_login() -> Reply {
    Reply::json(200, &json!({ "token": "canary-access-token", "refresh": "canary-refresh-token", "ttl": 3600 }))
}

pub fn good_refresh() -> Reply {
    Reply::json(200, &json!({ "token": "canary-second-token", "ttl": 3600 }))
}
