//! Ory Hydra as a process, and what its administrator does with it by its own API.

use std::{fs, sync::Mutex, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Front, wire};
use crate::{
    binaries::Program, ca::TestCa, component::Component, eventually::poll_until, go_build, lifeline::Lifeline,
    ports::Port,
};

/// The schema of its database is made first, in a hundred steps.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// What may differ between Hydras.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// Of access tokens, in whole seconds.
    pub access_token: Duration,
    /// For how long a refresh token that was used may be used again, in whole seconds; zero is Hydra's default.
    pub rotation_grace: Duration,
}

/// A running Hydra; dropping it ends it and removes its data.
pub struct Hydra {
    process: Mutex<Option<Component>>,
    program: Program,
    public: Port,
    admin: Port,
    pub(super) client: Client,
    pub front: Front,
    _removes_dir: Lifeline,
    dir: TempDir,
}

impl Hydra {
    /// Starts one without clients, behind a front with a certificate of `ca`. Refresh tokens live for an hour.
    ///
    /// # Errors
    /// It cannot be built or started; the message holds the end of its log.
    pub async fn start(ca: &TestCa, lives: Lives) -> Result<Self> {
        let path = tokio::task::spawn_blocking(go_build::hydra).await??;
        let dir = tempfile::Builder::new().prefix("apitoken-hydra-").tempdir()?;
        let (public, admin) = (Port::reserve()?, Port::reserve()?);
        let server = Self {
            process: Mutex::new(None),
            program: Program::built(path),
            client: wire::client()?,
            front: Front::start(ca, public.address())?,
            public,
            admin,
            _removes_dir: Lifeline::of_directory(dir.path()).context("cannot start a shell")?,
            dir,
        };
        // JSON is YAML.
        fs::write(server.dir.path().join("hydra.yaml"), server.configuration(lives).to_string())?;
        server.make_schema().await?;
        server.start_again().await?;
        Ok(server)
    }

    /// Kills it; its data stay.
    pub fn stop(&self) {
        self.process.lock().expect("invariant: nothing panics with the lock").take();
    }

    /// Starts it at the same addresses, with the data it had.
    ///
    /// # Errors
    /// It ends instead; the message holds the end of its log.
    pub async fn start_again(&self) -> Result<()> {
        self.stop();
        // `--dev` takes requests that came to its front by HTTPS and to itself by HTTP; the other flag: it reports to
        // nobody.
        let flags = ["serve", "all", "--dev", "--sqa-opt-out", "--config", "hydra.yaml"].map(str::to_owned);
        let process = Component::start("hydra", &self.program, &flags, self.dir.path())?;
        *self.process.lock().expect("invariant: nothing panics with the lock") = Some(process);
        let url = self.admin_url("/health/ready");
        let ready = poll_until(START_TIMEOUT, async || match self.obituary() {
            Some(obituary) => Ok(Err(anyhow!(obituary))),
            None => wire::answer("health", self.client.get(&url)).await.map(|_| Ok(())),
        });
        ready.await.unwrap_or_else(|last| Err(anyhow!("Hydra is not ready in {START_TIMEOUT:?}: {last}")))
    }

    /// Registers a client; the fields are Hydra's own.
    ///
    /// # Errors
    /// Hydra refuses it.
    pub async fn add_client(&self, client: &Value) -> Result<()> {
        self.administer(Method::POST, "/admin/clients", client).await.map(drop)
    }

    /// Gives a client another secret. Tokens that it has stay good.
    ///
    /// # Errors
    /// Hydra refuses it.
    pub async fn set_secret(&self, client_id: &str, secret: &str) -> Result<()> {
        let path = format!("/admin/clients/{client_id}");
        let mut client = self.administer(Method::GET, &path, &Value::Null).await?;
        client["client_secret"] = json!(secret);
        self.administer(Method::PUT, &path, &client).await.map(drop)
    }

    /// Trusts an issuer of assertions for this subject (RFC 7523), by its public key as a JWK.
    ///
    /// # Errors
    /// Hydra refuses it.
    pub async fn trust(&self, issuer: &str, subject: &str, scope: &str, key: &Value) -> Result<()> {
        let trust = json!({
            "issuer": issuer, "subject": subject, "scope": [scope], "jwk": key, "expires_at": "2100-01-01T00:00:00Z",
        });
        self.administer(Method::POST, "/admin/trust/grants/jwt-bearer/issuers", &trust).await.map(drop)
    }

    /// Ends what this subject consented to, with every token that came of it.
    ///
    /// # Errors
    /// Hydra refuses it.
    pub async fn revoke_consent(&self, subject: &str) -> Result<()> {
        let path = format!("/admin/oauth2/auth/sessions/consent?subject={subject}&all=true");
        self.administer(Method::DELETE, &path, &Value::Null).await.map(drop)
    }

    /// Whether this access token is good now, as a resource server asks (RFC 7662).
    ///
    /// # Errors
    /// Hydra does not say.
    pub async fn is_active(&self, access_token: &str) -> Result<bool> {
        let url = self.admin_url("/admin/oauth2/introspect");
        let answer = wire::answer("introspection", wire::form(&self.client, &url, &[("token", access_token)])).await?;
        answer["active"].as_bool().context("Hydra does not say whether the token is active")
    }

    /// Where a token of the scope `openid` tells whose it is (OpenID Connect Core, 5.3), by GET as a bearer; without the
    /// front.
    pub fn whose_token_url(&self) -> String {
        self.public_url("/userinfo")
    }

    /// Straight to the server, so that it is not in the front's record.
    pub(super) async fn administer(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let url = self.admin_url(path);
        let request = match body {
            Value::Null => self.client.request(method, &url),
            body => wire::json(&self.client, method, &url, body),
        };
        wire::answer(path, request).await
    }

    /// An address of the public interface that does not lead through the front.
    pub(super) fn public_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public.address())
    }

    fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin.address())
    }

    fn configuration(&self, lives: Lives) -> Value {
        let seconds = |time: Duration| format!("{}s", time.as_secs());
        let listening = |port: &Port| json!({ "host": "127.0.0.1", "port": port.number() });
        json!({
            "dsn": format!("sqlite://{}/hydra.sqlite?_fk=true", self.dir.path().display()),
            "serve": { "public": listening(&self.public), "admin": listening(&self.admin) },
            "urls": { "self": { "issuer": self.front.url() } },
            "secrets": { "system": ["a secret of the tests alone"] },
            "ttl": { "access_token": seconds(lives.access_token), "refresh_token": "1h" },
            "oauth2": { "grant": { "refresh_token": { "rotation_grace_period": seconds(lives.rotation_grace) } } },
            "log": { "level": "warn" },
        })
    }

    async fn make_schema(&self) -> Result<()> {
        let mut command = tokio::process::Command::from(self.program.command());
        command.args(["migrate", "sql", "up", "--yes", "--config", "hydra.yaml", "--read-from-env"]);
        let output = command.current_dir(self.dir.path()).output().await?;
        if !output.status.success() {
            bail!("no schema for Hydra: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn obituary(&self) -> Option<String> {
        self.process.lock().expect("invariant: nothing panics with the lock").as_mut()?.obituary()
    }
}
