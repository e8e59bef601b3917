use std::collections::BTreeMap;

use super::*;
use crate::provider::{
    fixtures::{MINIMAL, definition, minimal},
    presets,
};

fn fingerprint(yaml: &str) -> String {
    definition(yaml).fingerprint(&BTreeMap::new())
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Those without a URL of their own with `https://own.example.com`.
const GOLDEN: &[(&str, &str)] = &[
    ("Palette", "oz_Jg7eSOWx1_zTDri8ILw"),
    ("Tenovos", "WT-RMyawO7b2e5Bioyq-4w"),
    ("Virtana", "rkkGf8NLNmGLWn3emJZqlQ"),
    ("ArgoCD", "KJ43t9ZgCyYzG0AhMfPkDw"),
    ("Auth0", "Ax5FmNNkxHhuEG3IZjKH-A"),
    ("CrowdStrike", "e-1IWehIEAOKDaUzI1thJA"),
    ("Databricks", "UgUwShRHXdyZ7VkWPNU-3w"),
    ("Entra", "HlWeQ-byISsVQC79wUxuRQ"),
    ("Jamf", "mV3BeXFiJubIODG3TDNuow"),
    ("JamfClient", "qMyk8H7XieST-_inw8fzLw"),
    ("Keycloak", "y20_XnkCNPaI5v9I1B0SFA"),
    ("Keystone", "bQG-ROUc1KyFT66r-crq_w"),
    ("Okta", "_kzeeDxoQbSMycprhtYNJw"),
    ("Proxmox", "F6W-BCtJYs3AhIVkPMrUaw"),
    ("Salesforce", "z35-d3x8YlT2psHWe3UK4w"),
    ("VCenter", "eqvwBuPJi7eWNWoEywcFsQ"),
    ("Vault", "9soDI6wUnFV6FKfE_oZRuA"),
    ("Zoom", "6l_wp0odpPJj-wSdTVA6ug"),
];

#[test]
fn a_release_logs_nobody_in_again() {
    let fingerprint = |name: &str| {
        let own = || definition(&format!("{{ preset: {name}, url: 'https://own.example.com' }}"));
        let preset = presets::definition(name).map_or_else(own, |preset| (*preset).clone());
        preset.fingerprint(&BTreeMap::new())
    };
    let now: Vec<_> = presets::names().into_iter().map(|name| (name, fingerprint(name))).collect();
    let golden: Vec<_> = GOLDEN.iter().map(|(name, golden)| (*name, (*golden).to_owned())).collect();
    assert_eq!(now, golden, "every user of a preset that differs would be logged in again");
}

#[test]
fn what_decides_whose_session_it_is_changes_the_fingerprint() {
    let changes = [
        ("https://api.example.com/v1", "https://api.example.com/v2"),
        ("method: POST", "method: PUT"),
        ("path: /login", "path: /Login"),
        ("path: /login", "path: /login\n    query: { a: b }"),
        ("path: /login", "path: /login\n    headers: { a: b }"),
        ("path: /login", "path: /login\n    basicAuth: { username: a, password: b }"),
        ("password: \"${credentials.password}\"", "password: \"${credentials.password}\", org: \"${credentials.org}\""),
        ("password: \"${credentials.password}\"", "passwd: \"${credentials.password}\""),
        ("{ json: { password: \"${credentials.password}\" } }", "{ form: { password: \"${credentials.password}\" } }"),
        (
            "{ json: { password: \"${credentials.password}\" } }",
            "{ json: { password: [\"${credentials.password}\"] } }",
        ),
    ];
    let mut seen = BTreeSet::from([fingerprint(MINIMAL)]);
    for (from, to) in changes {
        assert!(seen.insert(fingerprint(&minimal(from, to))), "{from} -> {to}");
    }
    let with = |value: &str| definition(MINIMAL).fingerprint(&pairs(&[("scope", value)]));
    assert!(seen.insert(with("a")) && seen.insert(with("b")));
}

#[test]
fn what_does_not_decide_it_leaves_the_fingerprint() {
    let changes = [
        ("accessToken: { json: /token }", "accessToken: { json: /other }"),
        ("{ after: 1h }", "{ after: 2h }"),
        ("path: /refresh", "path: /renew"),
        ("parameters: []", "output: { data: { other: \"${accessToken}\" } }"),
        ("parameters: []", "limits: { burst: 1 }"),
        ("parameters: []", "tls: { insecureHTTP: true }"),
        ("https://api.example.com/v1", "https://API.example.com:443/v1/"),
        ("optional: [org]", "optional: [org, more]"),
    ];
    for (from, to) in changes {
        assert_eq!(fingerprint(&minimal(from, to)), fingerprint(MINIMAL), "{from} -> {to}");
    }
}

#[test]
fn a_base_url_keeps_its_prefix_and_nothing_else() {
    let table = [
        ("https://api.example.com", "https://api.example.com", ""),
        ("https://api.example.com/", "https://api.example.com", ""),
        ("https://api.example.com:443/v1/", "https://api.example.com", "/v1"),
        ("HTTPS://API.Example.com:8443/a/b", "https://api.example.com:8443", "/a/b"),
        ("http://[::1]:80/x", "http://[::1]", "/x"),
        ("https://0x7f.1/", "https://127.0.0.1", ""),
        ("https://bücher.example/", "https://xn--bcher-kva.example", ""),
    ];
    for (text, origin, prefix) in table {
        let base: BaseUrl = text.parse().unwrap();
        assert_eq!((base.origin().to_string().as_str(), base.prefix()), (origin, prefix), "{text}");
        assert_eq!(base.to_string(), format!("{origin}{prefix}"));
    }
}

#[test]
fn what_is_no_base_url_is_refused_without_repeating_it() {
    let table = [
        ("api.example.com", "is not a URL"),
        ("ftp://api.example.com", "scheme"),
        ("https://user:secret@api.example.com", "user or password"),
        ("https://api.example.com/?token=secret", "query"),
        ("https://api.example.com/#secret", "fragment"),
        ("https://", "is not a URL"),
    ];
    for (text, expected) in table {
        let error = text.parse::<BaseUrl>().unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{text}: {error}");
    }
}

#[test]
fn parameters_are_given_or_default_or_absent() {
    let yaml = minimal("[]", "[{ name: a, default: x, enum: [x, y] }, { name: b }, { name: c, required: true }]");
    let definition = definition(&yaml);
    let values = |given: &[(&str, &str)]| definition.parameters(&pairs(given)).map_err(|error| error.to_string());
    let error = |text: &str| Err(text.to_owned());
    assert_eq!(values(&[("c", "1")]), Ok(pairs(&[("a", "x"), ("c", "1")])));
    assert_eq!(values(&[("a", "y"), ("b", "2"), ("c", "1")]), Ok(pairs(&[("a", "y"), ("b", "2"), ("c", "1")])));
    assert_eq!(values(&[]), error("spec.parameters.c: the provider requires it"));
    assert_eq!(values(&[("c", "")]), error("spec.parameters.c: the provider requires it"));
    assert_eq!(values(&[("a", "z"), ("c", "1")]), error("spec.parameters.a: must be one of x, y"));
    let unknown = "spec.parameters.d: the provider declares no such parameter; it has a, b, c";
    assert_eq!(values(&[("d", "1"), ("c", "1")]), error(unknown));
}

#[test]
fn a_refresh_says_what_it_uses() {
    let palette = presets::definition("Palette").unwrap();
    assert_eq!(palette.refresh_uses(), RefreshUses { access_token: true, ..RefreshUses::default() });
    let tenovos = presets::definition("Tenovos").unwrap().refresh_uses();
    assert!(tenovos.access_token && tenovos.refresh_token);
    assert_eq!(tenovos.credentials, BTreeSet::from(["apiKey".to_owned()]));
    assert_eq!(presets::definition("Virtana").unwrap().refresh_uses(), RefreshUses::default());
}
