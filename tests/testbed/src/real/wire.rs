//! Requests to a real server's own interfaces, by somebody who administers it.

use std::fmt::Display;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::Value;

/// A client for plain HTTP on loopback, which follows nothing.
pub(super) fn client() -> Result<Client> {
    // A server that was stopped and started again leaves dead connections in a pool.
    let builder = Client::builder().no_proxy().pool_max_idle_per_host(0);
    Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
}

/// A request with a JSON body.
pub(super) fn json(client: &Client, method: Method, url: &str, body: &Value) -> RequestBuilder {
    client.request(method, url).header("content-type", "application/json").body(body.to_string())
}

/// A POST with a form.
pub(super) fn form(client: &Client, url: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    client.post(url).header("content-type", "application/x-www-form-urlencoded").body(encoded(fields))
}

/// `application/x-www-form-urlencoded`.
fn encoded(fields: &[(&str, &str)]) -> String {
    let mut carrier = Url::parse("http://form").expect("invariant: this is a URL");
    carrier.query_pairs_mut().extend_pairs(fields);
    carrier.query().unwrap_or_default().to_owned()
}

/// The JSON of a good answer; null if it is empty.
///
/// # Errors
/// There is no answer, it is not good, or no JSON; the message holds the body, for these are tests.
pub(super) async fn answer(what: impl Display, request: RequestBuilder) -> Result<Value> {
    let response = request.send().await.with_context(|| format!("{what}: no answer"))?;
    let status = response.status();
    let body = response.bytes().await?;
    ensure!(status.is_success(), "{what}: {status} {}", String::from_utf8_lossy(&body));
    if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&body)?) }
}
