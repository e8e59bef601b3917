//! The way out through `--provider-proxy`, and the hosts that are reached without it.

use std::{convert::Infallible, fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// A proxy that opens tunnels (`CONNECT`). Its URL may hold a user and a password, so it cannot be printed.
#[derive(Clone, Debug)]
pub struct ProxyUrl(SecretString);

/// Why a text is no proxy URL. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--provider-proxy is not the URL of an HTTP proxy: write it like http://proxy.example.com:3128")]
pub struct InvalidProxy;

/// A host, a domain or a range that is reached without the proxy (`--no-provider-proxy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoProxy {
    /// This host and all below it, lower case, without a dot at its start.
    Host(String),
    /// Literal addresses in this range; a name that resolves into it is a matter for the proxy.
    Range(IpNet),
}

impl ProxyUrl {
    pub(super) fn proxy(&self) -> Result<reqwest::Proxy, InvalidProxy> {
        reqwest::Proxy::all(self.0.expose_secret()).map_err(|_| InvalidProxy)
    }
}

impl FromStr for ProxyUrl {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| InvalidProxy)?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.path() == "/";
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
            return Err(InvalidProxy);
        }
        Ok(Self(url.to_string().into()))
    }
}

impl NoProxy {
    pub(super) fn matches(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Host(domain), Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Range(range), Host::Ipv4(v4)) => range.contains(&IpAddr::V4(*v4)),
            (Self::Range(range), Host::Ipv6(v6)) => range.contains(&IpAddr::V6(*v6)),
            _ => false,
        }
    }
}

impl FromStr for NoProxy {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(range) = text.parse::<IpNet>() {
            return Ok(Self::Range(range));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Range(IpNet::from(ip)));
        }
        Ok(Self::Host(text.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase()))
    }
}

impl fmt::Display for NoProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(domain) => f.write_str(domain),
            Self::Range(range) => range.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_itself_and_what_is_below_it() {
        for written in ["example.com", ".example.com", "*.example.com", "Example.COM"] {
            let rule: NoProxy = written.parse().unwrap();
            assert!(rule.matches(&Host::Domain("example.com")), "{written}");
            assert!(rule.matches(&Host::Domain("api.example.com.")), "{written}");
            assert!(!rule.matches(&Host::Domain("badexample.com")), "{written}");
        }
    }

    #[test]
    fn a_range_covers_literal_addresses_only() {
        let rule: NoProxy = "10.0.0.0/8".parse().unwrap();
        assert!(rule.matches(&Host::Ipv4([10, 1, 2, 3].into())));
        assert!(!rule.matches(&Host::Ipv4([11, 1, 2, 3].into())));
        assert!(!rule.matches(&Host::Domain("10.0.0.0")));
        assert!("192.0.2.1".parse::<NoProxy>().unwrap().matches(&Host::Ipv4([192, 0, 2, 1].into())));
    }

    #[test]
    fn a_proxy_url_is_neither_taken_wrong_nor_printed() {
        for wrong in ["proxy:3128", "socks5://proxy", "http://", "http://proxy/path", "http://proxy/?q"] {
            assert_eq!(wrong.parse::<ProxyUrl>().err(), Some(InvalidProxy), "{wrong}");
        }
        let proxy: ProxyUrl = "http://user:canary@proxy.example.com:3128".parse().unwrap();
        assert!(!format!("{proxy:?}").contains("canary"));
        assert!(proxy.proxy().is_ok());
    }
}
