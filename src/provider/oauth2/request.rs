//! The requests of a grant: its form fields, and how the client shows who it is.

use http::Method;

use super::{endpoint::Endpoint, keys};
use crate::{
    api::oauth2::{ClientAuthEncoding, ClientAuthMethod, GrantType, OAuth2},
    provider::{
        definition::{Assertion, BasicAuth, Body, FormValue, RequestForm},
        form::{self, Scope, Stage},
        problem::Problems,
        template::Template,
    },
};

const GRANT_JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_ASSERTION_JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Requests in the making.
pub(super) struct Asking<'a> {
    pub oauth2: &'a OAuth2,
    /// `None`: something is wrong with it, and no request is made; but what else is wrong is found.
    pub endpoint: Option<&'a Endpoint>,
    pub scope: Scope<'a>,
    pub problems: &'a mut Problems,
}

pub(super) type Fields = Vec<(String, FormValue)>;

impl Asking<'_> {
    pub fn login(&mut self) -> Option<RequestForm> {
        let mut fields = Fields::new();
        match self.oauth2.grant.unwrap_or_default() {
            GrantType::ClientCredentials => fixed(&mut fields, "grant_type", "client_credentials"),
            GrantType::Password => {
                fixed(&mut fields, "grant_type", "password");
                fixed(&mut fields, "username", keys::USERNAME);
                fixed(&mut fields, "password", keys::PASSWORD);
            }
            GrantType::RefreshToken => {
                fixed(&mut fields, "grant_type", "refresh_token");
                fixed(&mut fields, "refresh_token", keys::SEED);
            }
            GrantType::JWTBearer => {
                fixed(&mut fields, "grant_type", GRANT_JWT_BEARER);
                let assertion = self.assertion();
                fields.extend(assertion.map(|it| ("assertion".to_owned(), it)));
            }
        }
        self.wanted(&mut fields);
        self.by_client(fields)
    }

    /// What the token is for.
    fn wanted(&mut self, fields: &mut Fields) {
        if !self.oauth2.scopes.is_empty() {
            self.text(fields, "scope", "spec.oauth2.scopes", &self.oauth2.scopes.join(" "));
        }
        for (name, at, values) in [
            ("audience", "spec.oauth2.audience", &self.oauth2.audience),
            ("resource", "spec.oauth2.resources", &self.oauth2.resources),
        ] {
            for (index, value) in values.iter().enumerate() {
                self.text(fields, name, &format!("{at}[{index}]"), value);
            }
        }
        let further = form::fields(self.problems, self.scope, "spec.oauth2.parameters", &self.oauth2.parameters);
        fields.extend(further.into_iter().map(|(name, text)| (name, FormValue::Text(text))));
    }

    /// A refresh asks for no scope: what was granted is what is renewed (RFC 6749 6).
    pub fn refresh(&mut self) -> Option<RequestForm> {
        self.scope.stage = Stage::Refresh;
        let mut fields = Fields::new();
        fixed(&mut fields, "grant_type", "refresh_token");
        fixed(&mut fields, "refresh_token", "${session.refreshToken}");
        if let Some(form) = &self.oauth2.refresh {
            let further = form::fields(self.problems, self.scope, "spec.oauth2.refresh.parameters", &form.parameters);
            fields.extend(further.into_iter().map(|(name, text)| (name, FormValue::Text(text))));
        }
        self.by_client(fields)
    }

    /// Exactly one client authentication in a request; some servers refuse two, even of the same client.
    pub(super) fn by_client(&mut self, mut fields: Fields) -> Option<RequestForm> {
        let mut basic_auth = None;
        match keys::method(self.oauth2) {
            ClientAuthMethod::Basic => basic_auth = self.basic_auth(),
            ClientAuthMethod::Body => {
                self.client_id(&mut fields);
                fixed(&mut fields, "client_secret", keys::CLIENT_SECRET);
            }
            ClientAuthMethod::PrivateKeyJWT => {
                fixed(&mut fields, "client_assertion_type", CLIENT_ASSERTION_JWT_BEARER);
                let assertion = self.client_assertion();
                fields.extend(assertion.map(|it| ("client_assertion".to_owned(), it)));
            }
            ClientAuthMethod::None if self.oauth2.grant == Some(GrantType::JWTBearer) => {}
            ClientAuthMethod::Tls | ClientAuthMethod::None => self.client_id(&mut fields),
        }
        let endpoint = self.endpoint?;
        Some(RequestForm {
            method: Method::POST,
            path: endpoint.path.clone(),
            query: endpoint.query.clone(),
            headers: Vec::new(),
            basic_auth,
            body: Some(Body::Form(fields)),
        })
    }

    fn basic_auth(&mut self) -> Option<BasicAuth> {
        let encoding = self.oauth2.client_auth.as_ref().and_then(|auth| auth.encoding).unwrap_or_default();
        Some(BasicAuth {
            username: self.required_client_id()?,
            password: own(keys::CLIENT_SECRET),
            form_urlencoded: encoding == ClientAuthEncoding::FormURLEncoded,
        })
    }

    fn client_assertion(&mut self) -> Option<FormValue> {
        let form = self.oauth2.client_auth.as_ref();
        let client = self.required_client_id()?;
        let audience = form.and_then(|form| form.audience.clone());
        let algorithm = form.and_then(|form| form.algorithm).unwrap_or_default();
        Some(self.signed(Assertion {
            algorithm,
            issuer: client.clone(),
            subject: client,
            audience,
            key: own(keys::PRIVATE_KEY),
            key_id: own(keys::KEY_ID),
        }))
    }

    fn assertion(&mut self) -> Option<FormValue> {
        let form = self.oauth2.assertion.clone().unwrap_or_default();
        let mut claim = |name: &str, text: Option<String>| match text {
            Some(text) => self.scope.required(self.problems, &format!("spec.oauth2.assertion.{name}"), &text),
            None => self.required_client_id(),
        };
        let (issuer, subject) = (claim("issuer", form.issuer), claim("subject", form.subject));
        Some(self.signed(Assertion {
            algorithm: form.algorithm.unwrap_or_default(),
            issuer: issuer?,
            subject: subject?,
            audience: form.audience,
            key: own(keys::PRIVATE_KEY),
            key_id: own(keys::KEY_ID),
        }))
    }

    fn signed(&self, assertion: Assertion) -> FormValue {
        let audience = assertion.audience.clone().or_else(|| self.endpoint.and_then(|endpoint| endpoint.url.clone()));
        FormValue::Assertion(Box::new(Assertion { audience, ..assertion }))
    }

    fn client_id(&mut self, fields: &mut Fields) {
        let id = self.required_client_id();
        fields.extend(id.map(|id| ("client_id".to_owned(), FormValue::Text(id))));
    }

    fn required_client_id(&mut self) -> Option<Template> {
        let text = self.oauth2.client_id.as_deref().unwrap_or(keys::CLIENT_ID);
        self.scope.required(self.problems, "spec.oauth2.clientId", text)
    }

    fn text(&mut self, fields: &mut Fields, name: &str, at: &str, text: &str) {
        let template = self.scope.template(self.problems, at, text);
        fields.extend(template.map(|template| (name.to_owned(), FormValue::Text(template))));
    }
}

pub(super) fn fixed(fields: &mut Fields, name: &str, text: &str) {
    fields.push((name.to_owned(), FormValue::Text(own(text))));
}

pub(super) fn own(text: &str) -> Template {
    Template::parse(text).expect("invariant: each text of ours is a template")
}
