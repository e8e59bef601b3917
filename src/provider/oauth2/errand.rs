//! Whether a token is still good (RFC 7662, or any resource that wants it), and its revocation (RFC 7009).

use http::{Method, header};

use super::{
    endpoint::{Endpoint, check_scheme, read},
    request::{Asking, Fields, fixed, own},
};
use crate::api::oauth2::GrantType;
use crate::provider::{
    definition::{Condition, Probe, RefusedReply, RequestForm, Revoke, Source},
    form::{self, Stage},
};

const TOKEN: &str = "${session.accessToken}";

impl Asking<'_> {
    pub fn probe(&mut self, insecure_http: bool) -> Option<Probe> {
        let form = self.oauth2.probe.clone()?;
        self.scope.stage = Stage::Probe;
        let at = "spec.oauth2.probe";
        let interval = form::interval(self.problems, at, form.interval);
        match (&form.introspection_url, &form.resource_url) {
            (Some(url), None) => {
                let endpoint = self.elsewhere(&format!("{at}.introspectionURL"), url, insecure_http);
                let request = self.about_the_token();
                let endpoint = endpoint?;
                // 401 is about the client here, not about the token.
                let condition =
                    Condition { source: Source::Json("/active".to_owned()), equals: vec!["false".to_owned()] };
                let refused = vec![RefusedReply { status: vec![200], condition: Some(condition) }];
                Some(Probe { request: sent_to(&endpoint, request?), base: endpoint.base, interval, refused })
            }
            (None, Some(url)) => {
                let endpoint = self.elsewhere(&format!("{at}.resourceURL"), url, insecure_http)?;
                let request = by_bearer(&endpoint);
                Some(Probe { request, base: endpoint.base, interval, refused: vec![form::by_status(401)] })
            }
            _ => {
                self.problems.add(at, "needs exactly one of introspectionURL and resourceURL");
                None
            }
        }
    }

    pub fn revoke(&mut self, insecure_http: bool) -> Option<Revoke> {
        let form = self.oauth2.revoke.clone()?;
        self.scope.stage = Stage::Revoke;
        if self.oauth2.grant == Some(GrantType::RefreshToken) {
            let message = "may end the whole session (RFC 7009 2.1), and with the grant RefreshToken nobody can log in again: \
                           remove it";
            self.problems.add("spec.oauth2.revoke", message);
        }
        let endpoint = self.elsewhere("spec.oauth2.revoke.revocationURL", &form.revocation_url, insecure_http);
        let request = self.about_the_token();
        let endpoint = endpoint?;
        Some(Revoke { request: sent_to(&endpoint, request?), base: endpoint.base })
    }

    /// The same form for introspection and for revocation, by the client as at the token endpoint.
    fn about_the_token(&mut self) -> Option<RequestForm> {
        let mut fields = Fields::new();
        fixed(&mut fields, "token", TOKEN);
        fixed(&mut fields, "token_type_hint", "access_token");
        self.by_client(fields)
    }

    fn elsewhere(&mut self, at: &str, url: &str, insecure_http: bool) -> Option<Endpoint> {
        let endpoint = read(url).map_err(|fault| self.problems.add(at, fault.to_string())).ok()?;
        if let Err(fault) = check_scheme(&endpoint, insecure_http) {
            self.problems.add(at, fault.to_string());
        }
        Some(endpoint)
    }
}

fn sent_to(endpoint: &Endpoint, request: RequestForm) -> RequestForm {
    RequestForm { path: endpoint.path.clone(), query: endpoint.query.clone(), ..request }
}

fn by_bearer(endpoint: &Endpoint) -> RequestForm {
    RequestForm {
        method: Method::GET,
        path: endpoint.path.clone(),
        query: endpoint.query.clone(),
        headers: vec![(header::AUTHORIZATION, own(&format!("Bearer {TOKEN}")))],
        basic_auth: None,
        body: None,
    }
}
