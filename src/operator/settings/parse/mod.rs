//! Values of flags: what a text means, and what is wrong with it in words that name the remedy.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use clap::ValueEnum;
use ipnet::IpNet;

use crate::{operator::egress::NoProxy, provider::presets};

/// A watch is a connection for each kind and namespace: with more, watch the whole cluster.
pub const MAX_NAMESPACES: usize = 50;

/// Which namespaces are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All, by watches on the whole cluster.
    All,
    /// These, each once, 1 to [`MAX_NAMESPACES`], in the order given.
    Listed(Vec<String>),
}

/// Which presets an ApiToken may name with `providerRef.kind: Preset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedPresets {
    All,
    /// These; none of them at all if it is empty.
    Listed(Vec<String>),
}

/// What is done with ClusterTokenProviders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClusterProviders {
    /// ApiTokens may use them, and their status says whether they can be used.
    Report,
    /// ApiTokens may use them; another operator, or nobody, writes their status.
    Read,
    /// They are not looked at, and an ApiToken that names one says so.
    Off,
}

/// Why a value of a flag is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    #[error(
        "{0:?} is no name of a namespace: lower-case letters, digits and '-', 63 at most, \
         with a letter or digit at both ends; several are written a,b"
    )]
    Namespace(String),
    #[error(
        "{0} namespaces are more than {MAX_NAMESPACES}: each is a connection for each kind; \
         leave --namespaces out to watch the whole cluster, or run several operators"
    )]
    TooManyNamespaces(usize),
    #[error("no preset is called {name:?}: there are {known}; or write all, or none")]
    UnknownPreset { name: String, known: String },
    #[error("{0:?} is no network: write ADDRESS/PREFIX, such as 127.0.0.0/8 or fd00::/8")]
    Network(String),
    #[error("{given} has bits set behind its prefix: write {meant} for the network, or {address} for the one address")]
    HostBits { given: String, meant: IpNet, address: IpAddr },
    #[error(
        "{0:?} is neither a host name nor a network: write proxy.example.com or 10.0.0.0/8, without scheme or port"
    )]
    NoProxy(String),
    #[error("{0:?} is no address to listen on: write ADDRESS:PORT, such as 0.0.0.0:8080 or [::1]:8080")]
    Listen(String),
    #[error(
        "{0:?} is no name of an object: lower-case letters, digits, '-' and '.', 253 at most, \
         with a letter or digit at both ends of each part"
    )]
    ObjectName(String),
}

impl Namespaces {
    /// An empty text is all of them.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidValue> {
        if text.trim().is_empty() {
            return Ok(Self::All);
        }
        let names = listed(text, namespace)?;
        if names.len() > MAX_NAMESPACES {
            return Err(InvalidValue::TooManyNamespaces(names.len()));
        }
        Ok(Self::Listed(names))
    }
}

impl AllowedPresets {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidValue> {
        match text.trim() {
            "all" => Ok(Self::All),
            "none" => Ok(Self::Listed(Vec::new())),
            names => listed(names, preset).map(Self::Listed),
        }
    }

    /// Whether an ApiToken may name this preset.
    #[must_use]
    pub fn allows(&self, preset: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(names) => names.iter().any(|name| name == preset),
        }
    }
}

/// The comma-separated parts, each once.
fn listed(text: &str, part: fn(&str) -> Result<String, InvalidValue>) -> Result<Vec<String>, InvalidValue> {
    let mut parts = Vec::new();
    for part in text.split(',').map(|text| part(text.trim())) {
        let part = part?;
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    Ok(parts)
}

pub(super) fn namespace(text: &str) -> Result<String, InvalidValue> {
    if is_label(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(InvalidValue::Namespace(text.to_owned()))
    }
}

fn preset(text: &str) -> Result<String, InvalidValue> {
    let known = presets::names();
    if known.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(InvalidValue::UnknownPreset { name: text.to_owned(), known: known.join(", ") })
}

/// `ADDRESS/PREFIX`, or an address alone for a network of one.
pub(crate) fn network(text: &str) -> Result<IpNet, InvalidValue> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet = text.parse().map_err(|_| InvalidValue::Network(text.to_owned()))?;
    if network == network.trunc() {
        return Ok(network);
    }
    Err(InvalidValue::HostBits { given: text.to_owned(), meant: network.trunc(), address: network.addr() })
}

/// A mistake must not pass as a host name that never matches, so that requests silently take the proxy.
pub(crate) fn no_proxy(text: &str) -> Result<NoProxy, InvalidValue> {
    match network(text) {
        Err(invalid @ InvalidValue::HostBits { .. }) => return Err(invalid),
        Err(_) if !is_host_name(text.trim_start_matches("*.").trim_matches('.')) => {
            return Err(InvalidValue::NoProxy(text.to_owned()));
        }
        _ => {}
    }
    text.parse().map_err(|impossible: Infallible| match impossible {})
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, InvalidValue> {
    text.parse().map_err(|_| InvalidValue::Listen(text.to_owned()))
}

pub(super) fn object_name(text: &str) -> Result<String, InvalidValue> {
    if is_host_name(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(InvalidValue::ObjectName(text.to_owned()))
    }
}

/// RFC 1123.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_host_name(text: &str) -> bool {
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.len() <= 253 && !numeric && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
