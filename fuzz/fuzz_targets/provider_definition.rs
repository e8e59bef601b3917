//! A provider's definition as YAML: it is refused with paths, or its requests go to its own origin whatever is put in.
#![no_main]

use std::collections::BTreeMap;

use apitoken_operator_fuzz::{
    api::{TokenProviderSpec, http::Operation},
    places::rendered,
    provider::{
        definition::{Body, Definition},
        render::Request,
        validate,
    },
};
use http::HeaderValue;
use libfuzzer_sys::{Corpus, fuzz_target};
use secrecy::ExposeSecret;
use serde_json::Value as Json;
use url::{Url, form_urlencoded};

/// What is put in everywhere, once with all that could end a place.
const VALUES: [&str; 2] = ["plain", "a/../\\b?c=1&d=2#e%2f+\"'{}[]\r\nX-Admin: 1\r\n\r\n--\0ü:;"];

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    let Ok(spec) = serde_saphyr::from_str::<TokenProviderSpec>(text) else { return Corpus::Keep };
    let again: TokenProviderSpec = serde_json::from_value(serde_json::to_value(&spec).expect("JSON")).expect("a spec");
    assert_eq!(again, spec, "the API server gives back another spec");
    match validate::compile(&spec) {
        Ok(definition) => {
            assert_eq!(validate::compile(&again).as_ref(), Ok(&definition));
            let parameters = BTreeMap::new();
            assert_eq!(definition.fingerprint(&parameters), definition.clone().fingerprint(&parameters));
            for value in VALUES {
                stays(&definition, Operation::Login, value);
                stays(&definition, Operation::Refresh, value);
            }
        }
        Err(invalid) => {
            assert!(!invalid.0.is_empty());
            assert!(invalid.0.iter().all(|problem| problem.path.starts_with("spec") && !problem.message.is_empty()));
        }
    }
    Corpus::Keep
});

fn stays(definition: &Definition, operation: Operation, value: &str) {
    let Ok(request) = rendered(definition, operation, value) else { return };
    let form = match operation {
        Operation::Login => &definition.login.request,
        Operation::Refresh => &definition.refresh.as_ref().expect("it was rendered").request,
    };
    let url = Url::parse(request.url.expose_secret()).expect("a URL");
    let origin = definition.origin();
    assert_eq!((url.scheme(), url.host_str()), (origin.scheme.as_str(), Some(origin.host.as_str())));
    assert_eq!(url.port_or_known_default(), Some(origin.port));
    assert!(url.fragment().is_none() && url.username().is_empty() && url.password().is_none());
    let slashes = definition.base.prefix().matches('/').count() + form.path.source().matches('/').count();
    assert_eq!(url.path().matches('/').count(), slashes, "a value made a step of the path");
    assert!(url.path().starts_with(definition.base.prefix()));
    let names: Vec<_> = form.query.iter().map(|(name, _)| name.clone()).collect();
    assert!(url.query_pairs().all(|(name, _)| names.contains(&name.into_owned())));
    assert!(url.query_pairs().count() <= names.len());
    headers(&request);
    body(form.body.as_ref(), &request);
}

fn headers(request: &Request) {
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name).collect();
    let count = names.len();
    names.sort_by_key(|name| name.as_str());
    names.dedup();
    assert_eq!(names.len(), count, "a header is there twice");
    assert!(!names.iter().any(|name| ["host", "transfer-encoding", "connection"].contains(&name.as_str())));
    for (name, value) in &request.headers {
        assert!(HeaderValue::from_str(value.expose_secret()).is_ok(), "{name} cannot be sent");
    }
}

fn body(form: Option<&Body>, request: &Request) {
    let text = request.body.as_ref().map(|body| std::str::from_utf8(body.expose_secret()).expect("UTF-8"));
    match (form, text) {
        (None, None) => {}
        (Some(Body::Json(members)), Some(text)) => {
            let read: Json = serde_json::from_str(text).expect("JSON");
            let names: Vec<_> = members.iter().map(|(name, _)| name).collect();
            assert!(read.as_object().expect("an object").keys().all(|name| names.contains(&name)));
        }
        (Some(Body::Form(fields)), Some(text)) => {
            let names: Vec<_> = fields.iter().map(|(name, _)| name.clone()).collect();
            assert!(form_urlencoded::parse(text.as_bytes()).all(|(name, _)| names.contains(&name.into_owned())));
        }
        (Some(Body::Multipart(fields)), Some(text)) => {
            assert!(text.matches(apitoken_operator_fuzz::places::BOUNDARY).count() <= fields.len() + 1);
        }
        (form, text) => panic!("{} instead of {form:?}", text.is_some()),
    }
}
