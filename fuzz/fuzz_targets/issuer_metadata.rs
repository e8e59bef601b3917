//! What an issuer says of itself: the token endpoint that it names is asked as it is named, by https, or not at all.
#![no_main]

use apitoken_operator_fuzz::{
    CANARY,
    api::{TokenProviderSpec, http::Operation},
    places::rendered,
    provider::{
        definition::Issuer,
        oauth2::{located, metadata::Metadata},
        validate,
    },
};
use libfuzzer_sys::{Corpus, fuzz_target};
use secrecy::ExposeSecret;
use url::Url;

const ISSUER: &str = "https://idp.example.com";

fuzz_target!(|input: &[u8]| -> Corpus {
    // The last bit of an input, so that both kinds of client are tried with all of it.
    let by_certificate = input.last().is_some_and(|byte| byte & 1 == 1);
    let issuer = Issuer { url: ISSUER.to_owned(), by_certificate };
    let told = Metadata::read(input).and_then(|metadata| metadata.token_endpoint(&issuer));
    let named = match told {
        Ok(named) => named,
        Err(fault) => {
            assert!(!fault.to_string().contains(CANARY));
            return Corpus::Keep;
        }
    };
    let spec = serde_json::json!({ "oauth2": { "issuer": ISSUER } });
    let spec: TokenProviderSpec = serde_json::from_value(spec).expect("a spec");
    let definition = validate::compile(&spec).expect("a definition");
    match located(&definition, &named) {
        Err(fault) => assert!(!fault.to_string().contains(CANARY)),
        Ok(definition) => {
            let request = rendered(&definition, Operation::Login, "plain").expect("a request");
            let (asked, named) = (request.url.expose_secret(), Url::parse(&named).expect("a URL"));
            let asked = Url::parse(asked).expect("a URL");
            assert_eq!((asked.scheme(), asked.origin(), asked.path()), ("https", named.origin(), named.path()));
            assert!(asked.query_pairs().eq(named.query_pairs()));
        }
    }
    Corpus::Keep
});
