//! Where tokens are asked for.

use url::Url;

use crate::{
    api::oauth2::OAuth2,
    provider::{
        definition::{BaseUrl, Scheme},
        problem::Problems,
        template::Template,
    },
};

/// A token endpoint, taken apart.
pub(super) struct Endpoint {
    /// Without a path of its own.
    pub base: BaseUrl,
    pub path: Template,
    /// A query that the endpoint's URL has (RFC 6749 3.2 lets it).
    pub query: Vec<(String, Template)>,
    /// As it was written: what assertions are addressed to.
    pub url: String,
}

pub(super) fn endpoint(problems: &mut Problems, oauth2: &OAuth2, insecure_http: bool) -> Option<Endpoint> {
    let at = "spec.oauth2.tokenURL";
    let text = match (&oauth2.token_url, &oauth2.issuer) {
        (Some(url), None) => url,
        (None, Some(_)) => {
            problems.add("spec.oauth2.issuer", "discovery is not supported by this version: write the tokenURL");
            return None;
        }
        _ => {
            problems.add("spec.oauth2", "needs exactly one of tokenURL and issuer");
            return None;
        }
    };
    let endpoint = read(text).map_err(|fault| problems.add(at, fault)).ok()?;
    if endpoint.base.origin().scheme == Scheme::Http && !insecure_http {
        problems.add(
            at,
            "is plain http, which shows credentials to everybody on the way: use https, or set tls.insecureHTTP",
        );
    }
    Some(endpoint)
}

/// The fault never repeats the text: people paste secrets into URLs.
fn read(text: &str) -> Result<Endpoint, String> {
    let url =
        Url::parse(text).map_err(|_| "is not a URL: write it like https://idp.example.com/oauth2/token".to_owned())?;
    if url.fragment().is_some() {
        return Err("holds a fragment: write it without".to_owned());
    }
    let mut whole = url.clone();
    whole.set_query(None);
    whole.set_path("");
    let base = whole.as_str().parse::<BaseUrl>().map_err(|error| error.to_string())?;
    let path = literal(url.path());
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), literal(&value))).collect();
    Ok(Endpoint { base, path, query, url: text.to_owned() })
}

/// A template that stands for this very text.
fn literal(text: &str) -> Template {
    Template::parse(&text.replace("${", "$${")).expect("invariant: a text without an open ${ is a template")
}
