//! Fields that mean nothing where they stand. The API server refuses them as well; files never meet it.

use crate::{
    api::oauth2::{ClientAuthMethod, GrantType, OAuth2, RefreshUse},
    provider::{oauth2::keys, problem::Problems},
};

/// Form fields that follow from `grant` and `clientAuth`.
const OF_GRANT: [&str; 9] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "username",
    "password",
    "refresh_token",
    "assertion",
];
/// Form fields that `oauth2` has fields of its own for.
const LISTED: [&str; 3] = ["scope", "audience", "resource"];

pub(super) fn check(problems: &mut Problems, oauth2: &OAuth2) {
    let grant = oauth2.grant.unwrap_or_default();
    let method = keys::method(oauth2);
    if method == ClientAuthMethod::None && grant == GrantType::ClientCredentials {
        problems.add("spec.oauth2.clientAuth.method", "None goes with other grants only: this one is the client's own");
    }
    if let Some(auth) = &oauth2.client_auth {
        let signs = method == ClientAuthMethod::PrivateKeyJWT;
        for (name, given, fits, whose) in [
            ("encoding", auth.encoding.is_some(), method == ClientAuthMethod::Basic, "Basic"),
            ("algorithm", auth.algorithm.is_some(), signs, "PrivateKeyJWT"),
            ("audience", auth.audience.is_some(), signs, "PrivateKeyJWT"),
        ] {
            if given && !fits {
                problems.add(format!("spec.oauth2.clientAuth.{name}"), format!("belongs to the method {whose} only"));
            }
        }
    }
    if oauth2.assertion.is_some() && grant != GrantType::JWTBearer {
        problems.add("spec.oauth2.assertion", "belongs to the grant JWTBearer only");
    }
    for name in oauth2.parameters.keys().filter(|name| OF_GRANT.contains(&name.as_str())) {
        problems.add(format!("spec.oauth2.parameters.{name}"), "follows from grant and clientAuth: remove it");
    }
    for name in oauth2.parameters.keys().filter(|name| LISTED.contains(&name.as_str())) {
        let message = "has a field of its own: write it under scopes, audience or resources";
        problems.add(format!("spec.oauth2.parameters.{name}"), message);
    }
    if oauth2.lifetime.is_some_and(|lifetime| lifetime.get().is_zero()) {
        problems.add("spec.oauth2.lifetime", "must be longer than nothing, such as 1h");
    }
    check_refresh(problems, oauth2);
}

fn check_refresh(problems: &mut Problems, oauth2: &OAuth2) {
    let Some(refresh) = &oauth2.refresh else { return };
    let says_more = refresh.reuse.is_some()
        || refresh.session_limit.is_some()
        || !refresh.parameters.is_empty()
        || !refresh.session_expiry.is_empty();
    if refresh.use_ == Some(RefreshUse::Never) && says_more {
        problems.add("spec.oauth2.refresh", "with use: Never nothing is refreshed, and the other fields mean nothing");
    }
    if refresh.use_ == Some(RefreshUse::Never) && oauth2.grant == Some(GrantType::RefreshToken) {
        let message = "Never goes with other grants only: a refresh token of the credentials is good for one login";
        problems.add("spec.oauth2.refresh.use", message);
    }
    let made = OF_GRANT.into_iter().filter(|name| !matches!(*name, "username" | "password" | "assertion"));
    for name in made.filter(|name| refresh.parameters.contains_key(*name)) {
        problems.add(format!("spec.oauth2.refresh.parameters.{name}"), "is made by the refresh itself: remove it");
    }
    if refresh.session_limit.is_some_and(|limit| limit.get().is_zero()) {
        problems.add("spec.oauth2.refresh.sessionLimit", "must be longer than nothing, such as 720h");
    }
}
