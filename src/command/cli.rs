//! The command line: subcommands, and environment variables that are set but empty.
//!
//! `--help` is the reference. The flags of `run` are in [`crate::operator::settings`]; nothing is done here.

use clap::{
    Arg, Command, CommandFactory, Error, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use url::Url;

use super::{try_args::TryArgs, validate::ValidateArgs};
pub use crate::operator::settings::RunArgs;

/// Keeps API tokens fresh in Kubernetes Secrets.
///
/// Logs in to APIs that hand out short-lived tokens, renews the tokens before they expire, and keeps them in Secrets
/// that pods mount. Apply the output of `apitoken-operator crd` once, then run `apitoken-operator run`.
#[derive(Debug, Parser)]
#[command(name = "apitoken-operator", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Action,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run the operator against the cluster of KUBECONFIG or, in a pod, its own
    ///
    /// Every flag has an environment variable; the flag wins, and a variable that is empty counts as not set.
    /// Exit codes: 0 after SIGTERM or SIGINT (a second one ends it at once, with 1), 1 for what went wrong and when
    /// leadership is lost, 2 for a wrong flag.
    Run(Box<RunArgs>),
    /// Print the CustomResourceDefinitions as YAML: apitoken-operator crd | kubectl apply --server-side -f -
    Crd,
    /// List the presets, or print one as a ClusterTokenProvider manifest to copy and change
    Preset {
        /// Name of the preset, such as Palette; without it all are listed
        name: Option<String>,
    },
    /// Ask a running operator whether it is ready; exit code 0 if it is. For tests where there is no shell
    Ready {
        /// Where it says so
        #[arg(default_value = "http://127.0.0.1:8080/readyz")]
        url: Url,
        /// Seconds to go on asking
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        timeout: u64,
    },
    /// Say all that can be said of manifests without a cluster
    ///
    /// ApiTokens, providers and credentials Secrets: their fields, and how they fit together. What only the API server
    /// can judge is listed in docs/providers/validate.md. Exit codes: 0 nothing is wrong, 1 something is, 2 a file
    /// cannot be read or a flag is wrong.
    Validate(ValidateArgs),
    /// Log in to a provider as the operator would, without a cluster, and show each step
    ///
    /// For writing a definition: the request that is sent, how the reply is read, what the output would hold, when the
    /// token would be renewed. Secrets are shown as •••(LENGTH). Exit codes: 0 a token came, 1 the provider refused or
    /// could not be reached, 2 the files or flags are wrong and nothing was sent.
    Try(Box<TryArgs>),
}

impl Cli {
    /// Reads this process's arguments and environment. Ends the process itself for `--help`, `--version` (exit code
    /// 0) and a wrong use (2).
    #[must_use]
    pub fn from_process() -> Self {
        let mut command = command();
        let parsed = command.try_get_matches_from_mut(std::env::args_os());
        let cli = parsed.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches));
        let cli = cli.and_then(|cli| match &cli.command {
            Action::Run(args) => match args.election.timing() {
                Ok(_) => Ok(cli),
                Err(invalid) => Err(Error::raw(ErrorKind::ValueValidation, format!("{invalid}\n"))),
            },
            _ => Ok(cli),
        });
        cli.unwrap_or_else(|error| without_password(error).format(&mut command).exit())
    }
}

fn command() -> Command {
    let variables = |command: Command| command.mut_args(variable_if_set);
    Cli::command().mut_subcommand("run", variables).mut_subcommand("try", variables)
}

/// Charts and manifests set variables to nothing where people mean "the default". And help names variables, not what
/// is in them.
fn variable_if_set(arg: Arg) -> Arg {
    let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    if empty { arg.env(None::<&str>) } else { arg.hide_env_values(true) }
}

/// A refusal repeats the value that is refused; that of a proxy may hold a password.
fn without_password(mut error: Error) -> Error {
    let of_proxy = matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(arg)) if arg.starts_with("--provider-proxy ")
    );
    if of_proxy {
        error.insert(ContextKind::InvalidValue, ContextValue::String("...".to_owned()));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_of_run_has_the_environment_variable_of_its_name() {
        let command = command();
        let run = command.find_subcommand("run").expect("run");
        for arg in run.get_arguments() {
            let flag = arg.get_long().expect("run takes flags only");
            let variable = format!("APITOKEN_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(arg.get_env().and_then(|name| name.to_str()), Some(variable.as_str()), "--{flag}");
        }
    }

    #[test]
    fn every_flag_of_run_stands_under_a_heading_and_is_explained() {
        let command = command();
        for arg in command.find_subcommand("run").expect("run").get_arguments() {
            assert!(arg.get_help_heading().is_some() && arg.get_help().is_some(), "{}", arg.get_id());
        }
    }
}
