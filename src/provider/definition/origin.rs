//! Where a provider is: scheme, host, port, path prefix.

use std::{fmt, str::FromStr};

use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Http,
    Https,
}

/// Who answers: what rate limits, rejections and connections belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub scheme: Scheme,
    /// Lower case, punycode; an IPv6 address in brackets, an IPv4 address in its four decimal parts.
    pub host: String,
    pub port: u16,
}

/// An origin and a path prefix that every path is appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    origin: Origin,
    /// Without a slash at its end; empty for none.
    prefix: String,
}

/// Why a text is not a base URL. Never repeats the text: people paste tokens into URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    #[error("is not a URL: write it like https://api.example.com/v1")]
    NotAUrl(#[source] url::ParseError),
    #[error("has neither scheme https nor http: write it like https://api.example.com/v1")]
    Scheme,
    #[error("holds a user or password: credentials belong into the credentials Secret")]
    User,
    #[error("holds a query or a fragment: write the query under http.login.query")]
    QueryOrFragment,
}

impl BaseUrl {
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What comes before every path: no slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(InvalidUrl::NotAUrl)?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(InvalidUrl::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::User);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl::QueryOrFragment);
        }
        let host = url.host_str().ok_or(InvalidUrl::NotAUrl(url::ParseError::EmptyHost))?.to_owned();
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        Ok(Self { origin: Origin { scheme, host, port }, prefix: url.path().trim_end_matches('/').to_owned() })
    }
}

impl Scheme {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.prefix)
    }
}

/// Whether a URL parser would take this path segment for a step (`.`, `..`, also written with `%2e`).
#[must_use]
pub fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}
