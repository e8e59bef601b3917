//! Whose session is it? A hash of all that decides this, and of nothing else.
//!
//! Replies, errors, expiry, refresh, limits, TLS and output may change under a running session; what is hashed here
//! may not. The presets' values are pinned by a test: a release must not log everybody in again.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Assertion, Body, Definition, FormValue, JsonTemplate, RequestForm};
use crate::provider::template::Template;

/// Changed only when the same definition must get another fingerprint.
const DOMAIN: &str = "apitoken.dev/provider/v1";
/// Bytes of the hash that are kept: 128 bits.
const KEPT: usize = 16;

impl Definition {
    /// Of the login at this provider with these parameter values, as [`Definition::parameters`] gave them.
    #[must_use]
    pub fn fingerprint(&self, parameters: &BTreeMap<String, String>) -> String {
        let mut hash = Canonical(Context::new(&SHA256));
        hash.text(DOMAIN);
        hash.text(&self.base.to_string());
        // Where its endpoint is may change, and is not hashed. Definitions without an issuer hash as they always did.
        if let Some(issuer) = &self.issuer {
            hash.text("issuer");
            hash.text(&issuer.url);
        }
        hash.request(&self.login.request);
        hash.count(parameters.len());
        for (name, value) in parameters {
            hash.text(name);
            hash.text(value);
        }
        URL_SAFE_NO_PAD.encode(&hash.0.finish().as_ref()[..KEPT])
    }
}

/// Bytes that can be read in one way only: every text has its length before it, every list its count, every choice
/// a tag.
struct Canonical(Context);

impl Canonical {
    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    fn request(&mut self, request: &RequestForm) {
        self.text(request.method.as_str());
        self.text(request.path.source());
        self.pairs(&request.query);
        self.count(request.headers.len());
        for (name, template) in &request.headers {
            self.text(name.as_str());
            self.text(template.source());
        }
        match &request.basic_auth {
            None => self.text("no basicAuth"),
            Some(basic) => {
                self.text(if basic.form_urlencoded { "FormURLEncoded" } else { "Raw" });
                self.text(basic.username.source());
                self.text(basic.password.source());
            }
        }
        match &request.body {
            None => self.text("no body"),
            Some(Body::Form(fields)) => {
                self.text("form");
                self.form(fields);
            }
            Some(Body::Multipart(fields)) => {
                self.text("multipart");
                self.pairs(fields);
            }
            Some(Body::Json(members)) => self.object(members),
        }
    }

    fn pairs(&mut self, pairs: &[(String, Template)]) {
        self.count(pairs.len());
        for (name, template) in pairs {
            self.text(name);
            self.text(template.source());
        }
    }

    fn form(&mut self, fields: &[(String, FormValue)]) {
        self.count(fields.len());
        for (name, value) in fields {
            self.text(name);
            match value {
                FormValue::Text(template) => self.text(template.source()),
                FormValue::Assertion(assertion) => self.assertion(assertion),
            }
        }
    }

    /// `kid` is not hashed: with another name for its key the client is still the same.
    fn assertion(&mut self, assertion: &Assertion) {
        self.text("assertion");
        self.text(&format!("{:?}", assertion.algorithm));
        self.text(assertion.issuer.source());
        self.text(assertion.subject.source());
        self.text(assertion.audience.as_deref().unwrap_or_default());
        self.text(assertion.key.source());
    }

    fn object(&mut self, members: &[(String, JsonTemplate)]) {
        self.text("object");
        self.count(members.len());
        for (name, json) in members {
            self.text(name);
            self.json(json);
        }
    }

    fn json(&mut self, json: &JsonTemplate) {
        match json {
            JsonTemplate::Text(template) => {
                self.text("text");
                self.text(template.source());
            }
            JsonTemplate::Fixed(value) => {
                self.text("fixed");
                self.text(&value.to_string());
            }
            JsonTemplate::List(elements) => {
                self.text("list");
                self.count(elements.len());
                for element in elements {
                    self.json(element);
                }
            }
            JsonTemplate::Object(members) => self.object(members),
        }
    }
}
