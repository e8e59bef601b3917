mod properties;

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value as Json, json};

use super::*;
use crate::provider::{
    definition::{Body, FormValue, InvalidUrl},
    fixtures::spec,
};

fn compiled(yaml: &str) -> Result<Definition, Invalid> {
    let spec = spec(yaml);
    compile(&spec, spec.oauth2.as_ref().unwrap())
}

fn refused(yaml: &str) -> String {
    compiled(yaml).unwrap_err().to_string()
}

/// A definition as people can compare it.
fn shown(definition: &Definition) -> Json {
    let mut shown = tokens(definition);
    let probe = definition.probe.as_ref().map(|probe| {
        let rules = probe.refused.iter().map(|rule| format!("{rule:?}")).collect::<Vec<_>>();
        json!({ "at": probe.base.to_string(), "request": asked(&probe.request), "seconds": probe.interval.as_secs(), "refused": rules })
    });
    let revoke =
        definition.revoke.as_ref().map(|it| json!({ "at": it.base.to_string(), "request": asked(&it.request) }));
    for (name, errand) in [("probe", probe), ("revoke", revoke)] {
        if let Some(errand) = errand {
            shown[name] = errand;
        }
    }
    shown
}

/// A request about a token.
fn asked(form: &RequestForm) -> Json {
    if form.body.is_some() {
        return request(form);
    }
    let headers = form.headers.iter().map(|(name, template)| format!("{name}: {}", template.source()));
    json!({ "request": format!("{} {}", form.method, form.path.source()), "headers": headers.collect::<Vec<_>>() })
}

fn tokens(definition: &Definition) -> Json {
    let parameters: BTreeMap<_, _> = definition.parameters.iter().map(|it| (it.name.clone(), "value".into())).collect();
    let output = definition.output.iter().map(|(key, template)| (key.clone(), Json::from(template.source())));
    let mut shown = json!({
        "base": definition.base.to_string(),
        "credentials": { "required": definition.credentials.required, "optional": definition.credentials.optional },
        "expiry": list(&definition.login.response.expiry),
        "sessionExpiry": list(&definition.login.response.session_expiry),
        "outputs": definition.login.response.outputs.keys().collect::<Vec<_>>(),
        "output": output.collect::<serde_json::Map<_, _>>(),
        "protocol": format!("{:?}", definition.protocol),
        "login": request(&definition.login.request),
        "refresh": definition.refresh.as_ref().map(|refresh| json!({
            "request": request(&refresh.request),
            "reuse": format!("{:?}", refresh.reuse),
            "sessionLimit": refresh.session_limit.map(|limit| limit.as_secs()),
        })),
        "fingerprint": definition.fingerprint(&parameters),
    });
    if let Some(issuer) = &definition.issuer {
        shown["issuer"] = issuer.url.as_str().into();
    }
    if let Some(seed) = &definition.seed {
        shown["seed"] = json!({ "key": seed.key, "reuse": format!("{:?}", seed.reuse) });
    }
    shown
}

fn list(entries: &[Expiry]) -> Vec<String> {
    entries.iter().map(|entry| format!("{entry:?}")).collect()
}

fn request(form: &RequestForm) -> Json {
    let Some(Body::Form(fields)) = &form.body else { panic!("a token request is a form") };
    let fields = fields.iter().map(|(name, value)| match value {
        FormValue::Text(template) => format!("{name}={}", template.source()),
        FormValue::Assertion(it) => format!(
            "{name}={:?} by {} ({}): iss {}, sub {}, aud {}",
            it.algorithm,
            it.key.source(),
            it.key_id.source(),
            it.issuer.source(),
            it.subject.source(),
            it.audience.as_deref().unwrap_or("the token endpoint"),
        ),
    });
    let query = form.query.iter().map(|(name, template)| format!("{name}={}", template.source()));
    json!({
        "request": format!("{} {}", form.method, form.path.source()),
        "query": query.collect::<Vec<_>>(),
        "form": fields.collect::<Vec<_>>(),
        "basicAuth": form.basic_auth.as_ref().map(|basic| json!({
            "username": basic.username.source(),
            "password": basic.password.source(),
            "formURLEncoded": basic.form_urlencoded,
        })),
    })
}

/// `UPDATE=1` writes what is found; the difference is then for people to judge.
#[test]
fn each_grant_and_each_client_authentication_becomes_the_requests_that_its_golden_file_shows() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/provider/oauth2/golden");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 15, "only {} definitions", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let written = text.split("\n---\n").next().unwrap().trim_end();
        let definition = compiled(written).unwrap_or_else(|invalid| panic!("{}: {invalid}", path.display()));
        let found = format!("{written}\n---\n{}\n", serde_saphyr::to_string(&shown(&definition)).unwrap().trim_end());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, found).unwrap();
        } else if found != text {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 writes these:\n{}", wrong.join("\n"));
}

const TOKEN_URL: &str = "tokenURL: \"https://idp.example.com/token\"";

#[test]
fn mistakes_are_named_with_their_place() {
    let table = [
        ("oauth2: {}", "spec.oauth2: needs exactly one of tokenURL and issuer"),
        ("oauth2: { tokenURL: ftp://x }", "spec.oauth2.tokenURL: has neither scheme https nor http"),
        ("oauth2: { tokenURL: \"https://me:secret@x/\" }", "spec.oauth2.tokenURL: holds a user or password"),
        ("oauth2: { tokenURL: \"https://x/#secret\" }", "spec.oauth2.tokenURL: holds a fragment"),
        ("oauth2: { tokenURL: \"http://x/\" }", "spec.oauth2.tokenURL: is plain http"),
        ("oauth2: { issuer: \"http://x/\" }", "spec.oauth2.issuer: is plain http"),
        ("oauth2: { issuer: \"https://x/?secret\" }", "spec.oauth2.issuer: holds a query or a fragment"),
        ("{ url: \"https://x\", oauth2: { TOKEN_URL } }", "spec.url: has no meaning with oauth2"),
        ("oauth2: { TOKEN_URL, clientId: \"${credentials.clientid}\" }", "did you mean `${credentials.clientId}`?"),
        (
            "oauth2: { TOKEN_URL, parameters: { a: \"${credentials.tenant}\" } }",
            "spec.oauth2.parameters.a: `${credentials.tenant}` is not declared: oauth2 reads the keys clientId, ",
        ),
        (
            "oauth2: { TOKEN_URL, scopes: [\"${parameters.x}\"] }",
            "spec.oauth2.scopes: `${parameters.x}` is not declared",
        ),
        (
            "{ parameters: [ { name: id } ], oauth2: { TOKEN_URL, clientId: \"${parameters.id}\" } }",
            "spec.oauth2.clientId: `${parameters.id}` is optional, and nothing can be left out here",
        ),
        ("oauth2: { TOKEN_URL, clientAuth: { method: None } }", "spec.oauth2.clientAuth.method: None goes with other"),
        ("oauth2: { TOKEN_URL, clientAuth: { algorithm: ES256 } }", "spec.oauth2.clientAuth.algorithm: belongs to"),
        ("oauth2: { TOKEN_URL, assertion: { subject: x } }", "spec.oauth2.assertion: belongs to the grant JWTBearer"),
        ("oauth2: { TOKEN_URL, parameters: { client_id: x } }", "spec.oauth2.parameters.client_id: follows from grant"),
        ("oauth2: { TOKEN_URL, parameters: { scope: x } }", "spec.oauth2.parameters.scope: has a field of its own"),
        ("oauth2: { TOKEN_URL, refresh: { use: Never, reuse: OneTime } }", "spec.oauth2.refresh: with use: Never"),
        (
            "oauth2: { TOKEN_URL, grant: RefreshToken, refresh: { use: Never } }",
            "spec.oauth2.refresh.use: Never goes with other grants only: a refresh token of the credentials",
        ),
        (
            "oauth2: { TOKEN_URL, refresh: { use: Auto, parameters: { grant_type: x } } }",
            "spec.oauth2.refresh.parameters.grant_type: is made by the refresh itself",
        ),
        (
            "oauth2: { TOKEN_URL, refresh: { sessionExpiry: [ { after: 1h } ] } }",
            "spec.oauth2.refresh.sessionExpiry: has no `after`",
        ),
        (
            "oauth2: { TOKEN_URL, outputs: { expiresAt: { json: /x } } }",
            "spec.oauth2.outputs.expiresAt: an output is named",
        ),
        (
            "oauth2: { TOKEN_URL, probe: {} }",
            "spec.oauth2.probe: needs exactly one of introspectionURL and resourceURL",
        ),
        (
            "oauth2: { TOKEN_URL, probe: { resourceURL: \"http://x/\" } }",
            "spec.oauth2.probe.resourceURL: is plain http",
        ),
        (
            "oauth2: { TOKEN_URL, probe: { introspectionURL: \"https://x/\", interval: 59s } }",
            "spec.oauth2.probe.interval: must be between 1m and 24h",
        ),
        (
            "oauth2: { TOKEN_URL, revoke: { revocationURL: \"https://me:secret@x/\" } }",
            "spec.oauth2.revoke.revocationURL: holds a user or password",
        ),
        (
            "oauth2: { TOKEN_URL, grant: RefreshToken, revoke: { revocationURL: \"https://x/\" } }",
            "spec.oauth2.revoke: may end the whole session",
        ),
        ("oauth2: { TOKEN_URL, lifetime: 0s }", "spec.oauth2.lifetime: must be longer than nothing"),
    ];
    for (yaml, expected) in table {
        let found = refused(&yaml.replace("TOKEN_URL", TOKEN_URL));
        assert!(found.contains(expected) && !found.contains("secret"), "{yaml}\n{found}");
        assert_eq!(found.matches(expected).count(), 1, "said twice: {found}");
    }
}

const SIGNED_BY_ISSUER: &str = "oauth2: { issuer: \"https://idp.example.com/main\", refresh: { use: Auto }, \
                                clientAuth: { method: PrivateKeyJWT } }";

#[test]
fn an_endpoint_that_is_told_later_makes_the_definition_that_names_it_at_once() {
    let url = "https://tokens.example.com:8443/main/token?tenant=a%20b";
    let later = located(&compiled(SIGNED_BY_ISSUER).unwrap(), url).unwrap();
    let at_once = SIGNED_BY_ISSUER.replace("issuer: \"https://idp.example.com/main\"", &format!("tokenURL: \"{url}\""));
    assert_eq!(later, compiled(&at_once).unwrap());
    assert!(
        format!("{later:?}").contains("audience: Some(\"https://tokens.example.com:8443/main/token?tenant=a%20b\")")
    );
}

#[test]
fn an_audience_that_is_written_stays_whatever_the_endpoint_is() {
    let written =
        SIGNED_BY_ISSUER.replace("PrivateKeyJWT", "PrivateKeyJWT, audience: \"https://idp.example.com/main\"");
    let later = located(&compiled(&written).unwrap(), "https://tokens.example.com/token").unwrap();
    assert!(format!("{later:?}").contains("audience: Some(\"https://idp.example.com/main\")"));
}

#[test]
fn a_token_endpoint_is_held_to_what_a_token_url_is_held_to() {
    let definition = compiled(SIGNED_BY_ISSUER).unwrap();
    let table = [
        ("http://idp.example.com/token", EndpointFault::PlainHttp),
        ("https://idp.example.com/token#secret", EndpointFault::Fragment),
        ("https://me:secret@idp.example.com/token", EndpointFault::Base(InvalidUrl::User)),
        ("file:///etc/secret", EndpointFault::Base(InvalidUrl::Scheme)),
        ("/token", EndpointFault::NotAUrl),
    ];
    for (url, fault) in table {
        let found = located(&definition, url).unwrap_err();
        assert_eq!(found, fault, "{url}");
        assert!(!found.to_string().contains("secret"), "{found}");
    }
    let open = compiled(&format!("{{ tls: {{ insecureHTTP: true }}, {SIGNED_BY_ISSUER} }}")).unwrap();
    assert_eq!(located(&open, "http://idp.example.com/token").unwrap().base.to_string(), "http://idp.example.com");
}

#[test]
fn sessions_are_those_of_the_issuer_wherever_its_endpoint_is() {
    let fingerprint = |issuer: &str| {
        let yaml = format!("oauth2: {{ issuer: \"{issuer}\" }}");
        compiled(&yaml).unwrap().fingerprint(&BTreeMap::new())
    };
    let all = ["https://a.example", "https://a.example/", "https://a.example/b", "https://b.example"].map(fingerprint);
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "byte for byte: {all:?}");
    assert_ne!(all[0], compiled("oauth2: { tokenURL: \"https://a.example/\" }").unwrap().fingerprint(&BTreeMap::new()));
}
