//! PocketBase as a process, and what its administrator does with it by its own API.

use std::{sync::Mutex, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Front, wire};
use crate::{
    binaries::Program, ca::TestCa, component::Component, eventually::poll_until, go_build, lifeline::Lifeline,
    ports::Port,
};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const ADMINISTRATOR: [&str; 2] = ["root@example.com", "a long password"];

/// A running PocketBase; dropping it ends it and removes its data.
pub struct PocketBase {
    process: Mutex<Option<Component>>,
    program: Program,
    port: Port,
    client: Client,
    /// The administrator's own, valid for a day.
    token: String,
    pub front: Front,
    _removes_dir: Lifeline,
    dir: TempDir,
}

impl PocketBase {
    /// Starts one with no users but its administrator, behind a front with a certificate of `ca`.
    ///
    /// # Errors
    /// It cannot be built or started; the message holds the end of its log.
    pub async fn start(ca: &TestCa) -> Result<Self> {
        let path = tokio::task::spawn_blocking(go_build::pocketbase).await??;
        let dir = tempfile::Builder::new().prefix("apitoken-pocketbase-").tempdir()?;
        let port = Port::reserve()?;
        let mut server = Self {
            process: Mutex::new(None),
            program: Program::built(path),
            client: wire::client()?,
            token: String::new(),
            front: Front::start(ca, port.address())?,
            port,
            _removes_dir: Lifeline::of_directory(dir.path()).context("cannot start a shell")?,
            dir,
        };
        server.make_administrator().await?;
        server.start_again().await?;
        server.token = server.administrators_token().await?;
        // It would send mail about a login from a new place.
        server.configure_users(&json!({ "authAlert": { "enabled": false } })).await?;
        Ok(server)
    }

    /// Kills it; its data stay.
    pub fn stop(&self) {
        self.process.lock().expect("invariant: nothing panics with the lock").take();
    }

    /// Starts it at the same address, with the data it had.
    ///
    /// # Errors
    /// It ends instead; the message holds the end of its log.
    pub async fn start_again(&self) -> Result<()> {
        self.stop();
        let address = self.port.address().to_string();
        let flags = ["serve", "--http", &address, "--dir", "data"].map(str::to_owned);
        let process = Component::start("pocketbase", &self.program, &flags, self.dir.path())?;
        *self.process.lock().expect("invariant: nothing panics with the lock") = Some(process);
        let url = self.url("/api/health");
        let healthy = poll_until(START_TIMEOUT, async || match self.obituary() {
            Some(obituary) => Ok(Err(anyhow!(obituary))),
            None => wire::answer("health", self.client.get(&url)).await.map(|_| Ok(())),
        });
        healthy.await.unwrap_or_else(|last| Err(anyhow!("PocketBase is not healthy in {START_TIMEOUT:?}: {last}")))
    }

    /// Changes the collection `users`; the fields are PocketBase's own.
    ///
    /// # Errors
    /// PocketBase refuses it.
    pub async fn configure_users(&self, change: &Value) -> Result<()> {
        self.administer(Method::PATCH, "/api/collections/users", change).await.map(drop)
    }

    /// Changes the settings of the whole server; the fields are PocketBase's own.
    ///
    /// # Errors
    /// PocketBase refuses it.
    pub async fn configure(&self, change: &Value) -> Result<()> {
        self.administer(Method::PATCH, "/api/settings", change).await.map(drop)
    }

    /// Makes a user, and returns the id.
    ///
    /// # Errors
    /// PocketBase refuses it.
    pub async fn add_user(&self, email: &str, password: &str) -> Result<String> {
        let user = json!({ "email": email, "password": password, "passwordConfirm": password, "verified": true });
        let made = self.administer(Method::POST, "/api/collections/users/records", &user).await?;
        made["id"].as_str().map(str::to_owned).context("PocketBase told no id")
    }

    /// A new password; it ends all sessions of the user.
    ///
    /// # Errors
    /// PocketBase refuses it.
    pub async fn set_password(&self, id: &str, password: &str) -> Result<()> {
        self.change_user(id, &json!({ "password": password, "passwordConfirm": password })).await
    }

    /// Ends all sessions of the user; the password stays.
    ///
    /// # Errors
    /// PocketBase refuses it.
    pub async fn revoke_tokens(&self, id: &str) -> Result<()> {
        self.change_user(id, &json!({ "tokenKey:autogenerate": "" })).await
    }

    /// What only the user may read: the user's own record, by GET with the token as `Authorization`.
    pub fn own_record_url(&self, id: &str) -> String {
        self.url(&format!("/api/collections/users/records/{id}"))
    }

    async fn change_user(&self, id: &str, change: &Value) -> Result<()> {
        let path = format!("/api/collections/users/records/{id}");
        self.administer(Method::PATCH, &path, change).await.map(drop)
    }

    /// Straight to the server, so that it is not in the front's record.
    async fn administer(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let request = wire::json(&self.client, method, &self.url(path), body);
        wire::answer(path, request.header("authorization", &self.token)).await
    }

    async fn make_administrator(&self) -> Result<()> {
        let mut command = tokio::process::Command::from(self.program.command());
        command.args(["superuser", "upsert"]).args(ADMINISTRATOR).args(["--dir", "data"]).current_dir(self.dir.path());
        let output = command.output().await?;
        ensure!(output.status.success(), "no administrator: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    async fn administrators_token(&self) -> Result<String> {
        let body = json!({ "identity": ADMINISTRATOR[0], "password": ADMINISTRATOR[1] });
        let url = self.url("/api/collections/_superusers/auth-with-password");
        let answer = wire::answer("the administrator's login", wire::json(&self.client, Method::POST, &url, &body));
        answer.await?["token"].as_str().map(str::to_owned).context("PocketBase gave no token")
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.port.address())
    }

    fn obituary(&self) -> Option<String> {
        self.process.lock().expect("invariant: nothing panics with the lock").as_mut()?.obituary()
    }
}
