//! A person who logs in at Hydra and consents, without a browser: the authorization code flow (RFC 6749, 4.1) with
//! the two answers that Hydra's login and consent pages would give.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, anyhow};
use reqwest::{Method, Url, header};
use serde_json::{Value, json};

use super::{hydra::Hydra, wire};
use crate::eventually::poll_until;

/// For a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nobody listens there: the flow ends when it is led to it.
const REDIRECT: &str = "http://127.0.0.1:1/callback";

/// What a browser would keep between the steps.
#[derive(Default)]
struct Cookies(BTreeMap<String, String>);

impl Hydra {
    /// Registers a client to which people may consent.
    ///
    /// # Errors
    /// Hydra refuses it.
    pub async fn add_client_for_people(&self, client_id: &str, secret: &str) -> Result<()> {
        let client = json!({
            "client_id": client_id, "client_secret": secret, "redirect_uris": [REDIRECT], "scope": "offline_access",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
        });
        self.add_client(&client).await
    }

    /// A refresh token to which `subject` consented, good for one use.
    ///
    /// # Errors
    /// A step of the flow is refused.
    pub async fn consent(&self, client_id: &str, secret: &str, subject: &str) -> Result<String> {
        // The first time Hydra makes a key, for longer than it lets an answer take if the machine is busy; then it
        // closes the connection, and has the key the next time.
        let code = poll_until(PATIENCE, async || self.code(client_id, subject).await.map_err(|e| format!("{e:#}")));
        let code = code.await.map_err(|last| anyhow!("no consent in {PATIENCE:?}: {last}"))?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("client_id", client_id),
            ("client_secret", secret),
        ];
        let url = self.public_url("/oauth2/token");
        let tokens = wire::answer("the code", wire::form(&self.client, &url, &fields)).await?;
        tokens["refresh_token"].as_str().map(str::to_owned).context("Hydra gave no refresh token")
    }

    async fn code(&self, client_id: &str, subject: &str) -> Result<String> {
        let mut cookies = Cookies::default();
        let query = "response_type=code&scope=offline_access&state=a-state-of-one-test";
        let begin = format!("/oauth2/auth?client_id={client_id}&{query}&redirect_uri={REDIRECT}");
        let login = self.led_to(&begin, &mut cookies).await?;
        let next = self.accept("login", &login, &json!({ "subject": subject })).await?;
        let consent = self.led_to(&next, &mut cookies).await?;
        let next = self.accept("consent", &consent, &json!({ "grant_scope": ["offline_access"] })).await?;
        let callback = self.led_to(&next, &mut cookies).await?;
        parameter(&callback, "code")
    }

    /// Where a browser would be sent by this page of the public interface.
    async fn led_to(&self, page: &str, cookies: &mut Cookies) -> Result<Url> {
        // Redirects name the front.
        let path = page.strip_prefix(&self.front.url()).unwrap_or(page);
        let request = self.client.get(self.public_url(path)).header(header::COOKIE, cookies.sent());
        let response = request.send().await?;
        cookies.keep(response.headers());
        let location = response.headers().get(header::LOCATION).context("Hydra leads nowhere")?;
        Ok(Url::parse(location.to_str()?)?)
    }

    async fn accept(&self, step: &str, page: &Url, decision: &Value) -> Result<String> {
        let name = format!("{step}_challenge");
        let challenge = parameter(page, &name)?;
        let path = format!("/admin/oauth2/auth/requests/{step}/accept?{name}={challenge}");
        let accepted = self.administer(Method::PUT, &path, decision).await?;
        accepted["redirect_to"].as_str().map(str::to_owned).context("Hydra does not say how it goes on")
    }
}

impl Cookies {
    fn keep(&mut self, headers: &header::HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            self.0.extend(pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }

    fn sent(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

fn parameter(url: &Url, name: &str) -> Result<String> {
    let found = url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    found.with_context(|| format!("Hydra leads to {url}, which has no {name}"))
}
