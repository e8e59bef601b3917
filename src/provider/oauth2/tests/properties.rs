//! Whatever an issuer says: credentials go to a URL that says so as a whole, by https, or nowhere.

use proptest::prelude::*;
use secrecy::ExposeSecret;
use url::Url;

use super::*;
use crate::{
    api::http::Operation,
    provider::{
        definition::Issuer,
        fixtures::credentials,
        oauth2::metadata::Metadata,
        render::{Once, render},
        values::Values,
    },
};

const ISSUER: &str = "https://idp.example.com";

fn issuer() -> Issuer {
    Issuer { url: ISSUER.to_owned(), by_certificate: false }
}

/// Parts of URLs, and of what makes URLs and templates go wrong.
fn endpoint() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "https://",
        "http://",
        "a.example",
        "127.0.0.1",
        "[::1]",
        ":8443",
        "/",
        "..",
        "%2e",
        "//",
        "\\",
        "?",
        "&",
        "=",
        "#",
        "@",
        "${",
        "$${",
        "}",
        "${credentials.clientSecret}",
        "%",
        "%0d%0a",
        "+",
        " ",
        "\t",
        "\n",
        "ü",
        "token",
    ]);
    prop::collection::vec(
        prop_oneof![4 => parts.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)],
        0..10,
    )
    .prop_flat_map(|parts| prop_oneof![Just(parts.concat()), Just(format!("https://a.example/{}", parts.concat()))])
}

proptest! {
    #[test]
    fn an_endpoint_is_asked_as_it_is_named_or_not_at_all(endpoint in endpoint()) {
        let body = json!({ "issuer": ISSUER, "token_endpoint": endpoint }).to_string();
        let named = Metadata::read(body.as_bytes()).unwrap().token_endpoint(&issuer()).unwrap();
        let unlocated = compiled(&format!("oauth2: {{ issuer: \"{ISSUER}\" }}")).unwrap();
        let Ok(definition) = located(&unlocated, &named) else { return Ok(()) };
        let credentials = credentials(&definition, &[("clientId", "reporting"), ("clientSecret", "canary")]);
        let values = Values { credentials: &credentials, parameters: &BTreeMap::new(), uid: "u", session: None };
        let once = Once { random: "a", at: jiff::Timestamp::UNIX_EPOCH, shown: false };
        let request = render(&definition, Operation::Login, &values, &once).unwrap();
        let (asked, named) = (Url::parse(request.url.expose_secret()).unwrap(), Url::parse(&named).unwrap());
        prop_assert_eq!(asked.scheme(), "https");
        prop_assert_eq!((asked.origin(), asked.path()), (named.origin(), named.path()));
        let pairs = |url: &Url| url.query_pairs().into_owned().collect::<Vec<_>>();
        prop_assert_eq!(pairs(&asked), pairs(&named));
        prop_assert!(asked.username().is_empty() && asked.fragment().is_none());
        prop_assert!(!asked.as_str().contains("canary"));
    }

    #[test]
    fn no_metadata_makes_reading_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Metadata::read(&body).and_then(|metadata| metadata.token_endpoint(&issuer()));
    }
}
