//! The flags of `apitoken-operator try`.

use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use crate::operator::{
    egress::{NoProxy, ProxyUrl},
    settings::{network, no_proxy},
};

/// Flags of `apitoken-operator try`.
#[derive(Args, Clone, Debug)]
pub struct TryArgs {
    /// Manifest of one provider, or - for standard input; an ApiToken and a Secret in it are used too
    ///
    /// An ApiToken in the file gives parameters, output and the time of renewal; a Secret the credentials.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub file: PathBuf,

    /// Credentials: a directory with a file for each key, a Secret manifest, or a file of KEY=VALUE lines
    #[arg(long, value_name = "DIR|FILE")]
    pub credentials: Option<PathBuf>,

    /// Value of a parameter that the provider declares; repeatable
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    pub parameters: Vec<(String, String)>,

    /// Refresh as well, at once, after the login
    #[arg(long)]
    pub refresh: bool,

    /// Show the requests and send nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Directory with ca.crt, or tls.crt and tls.key, or all: in place of what spec.tls refers to
    ///
    /// A ConfigMap or Secret that it refers to may stand in the manifest's file as well.
    #[arg(long, value_name = "DIR")]
    pub tls: Option<PathBuf>,

    /// As for run: network to which requests may go though it is refused by default; repeatable
    #[arg(long, env = "APITOKEN_ALLOW_PROVIDER_CIDR", value_name = "CIDR", value_parser = network)]
    #[arg(value_delimiter = ',')]
    pub allow_provider_cidr: Vec<IpNet>,

    /// As for run: let a TokenProvider reach private networks
    #[arg(long, env = "APITOKEN_ALLOW_TENANT_PRIVATE", value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true", num_args = 0..=1)]
    pub allow_tenant_private: bool,

    /// As for run: proxy for https
    #[arg(long, env = "APITOKEN_PROVIDER_PROXY", value_name = "URL")]
    pub provider_proxy: Option<ProxyUrl>,

    /// As for run: host or network that is reached without the proxy; repeatable
    #[arg(long, env = "APITOKEN_NO_PROVIDER_PROXY", value_name = "HOST|CIDR", value_parser = no_proxy)]
    #[arg(value_delimiter = ',')]
    pub no_provider_proxy: Vec<NoProxy>,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
