//! The keys of the credentials Secret that the form knows, and which of them it cannot do without.

use std::collections::BTreeSet;

use crate::{
    api::oauth2::{ClientAuthMethod, GrantType, OAuth2},
    provider::{
        definition::CredentialKeys,
        template::{Name, Template},
    },
};

pub(super) const CLIENT_ID: &str = "${credentials.clientId}";
pub(super) const CLIENT_SECRET: &str = "${credentials.clientSecret}";
pub(super) const USERNAME: &str = "${credentials.username}";
pub(super) const PASSWORD: &str = "${credentials.password}";
pub(super) const SEED: &str = "${credentials.refreshToken}";
pub(super) const PRIVATE_KEY: &str = "${credentials.privateKey}";
pub(super) const KEY_ID: &str = "${credentials.keyId}";

/// All of them; what an entry may do without is optional.
pub(super) fn known(oauth2: &OAuth2) -> CredentialKeys {
    let all = [CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD, SEED, PRIVATE_KEY, KEY_ID];
    let all: BTreeSet<String> = all.into_iter().flat_map(keys_of).collect();
    let mut required: BTreeSet<String> = client_id(oauth2).chain(of_grant(oauth2)).chain(of_method(oauth2)).collect();
    required.retain(|key| all.contains(key));
    let optional = all.difference(&required).cloned().collect();
    CredentialKeys { required, optional }
}

fn client_id(oauth2: &OAuth2) -> impl Iterator<Item = String> {
    keys_of(oauth2.client_id.as_deref().unwrap_or(CLIENT_ID)).into_iter()
}

fn of_grant(oauth2: &OAuth2) -> impl Iterator<Item = String> {
    let templates: &[&str] = match oauth2.grant.unwrap_or_default() {
        GrantType::ClientCredentials => &[],
        GrantType::Password => &[USERNAME, PASSWORD],
        GrantType::RefreshToken => &[SEED],
        GrantType::JWTBearer => &[PRIVATE_KEY],
    };
    let claims = oauth2.assertion.iter().flat_map(|form| [&form.issuer, &form.subject]).flatten().map(String::as_str);
    templates.iter().copied().chain(claims).flat_map(keys_of)
}

fn of_method(oauth2: &OAuth2) -> impl Iterator<Item = String> {
    let templates: &[&str] = match method(oauth2) {
        ClientAuthMethod::Basic | ClientAuthMethod::Body => &[CLIENT_SECRET],
        ClientAuthMethod::PrivateKeyJWT => &[PRIVATE_KEY],
        ClientAuthMethod::Tls | ClientAuthMethod::None => &[],
    };
    templates.iter().copied().flat_map(keys_of)
}

pub(super) fn method(oauth2: &OAuth2) -> ClientAuthMethod {
    oauth2.client_auth.as_ref().and_then(|auth| auth.method).unwrap_or_default()
}

/// None of a text that is no template: that is said where the template stands.
pub(super) fn keys_of(text: &str) -> Vec<String> {
    let key = |name: &Name| if let Name::Credential(key) = name { Some(key.clone()) } else { None };
    Template::parse(text).iter().flat_map(Template::names).filter_map(key).collect()
}
