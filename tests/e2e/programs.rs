//! The programs that the stories run, built before anything is started, while there is a network.

use std::{env, ffi::OsString, path::PathBuf};

use anyhow::{Context, Result};
use image::build::{self, BuildError, Profile};
use testbed::{go_build, node};

const OPERATOR: &str = "APITOKEN_E2E_OPERATOR";
const PODS: &str = "APITOKEN_E2E_PODS";
const HELM: &str = "APITOKEN_E2E_HELM";
const COREDNS: &str = "APITOKEN_E2E_COREDNS";

/// Set to `release`, the stories run what is released, which takes minutes to build, instead of the same program built
/// quickly.
const PROFILE: &str = "APITOKEN_E2E_PROFILE";

/// The paths.
#[derive(Clone, Debug)]
pub struct Programs {
    pub operator: PathBuf,
    pub pods: PathBuf,
    pub helm: PathBuf,
    pub coredns: PathBuf,
}

impl Programs {
    /// Builds what is not there yet.
    pub fn build() -> Result<Self> {
        node::build()?;
        let profile =
            if env::var_os(PROFILE).is_some_and(|p| p == "release") { Profile::Release } else { Profile::Node };
        Ok(Self {
            helm: go_build::helm()?,
            coredns: go_build::coredns()?,
            operator: given_or(OPERATOR, || build::operator(profile))?,
            pods: given_or(PODS, build::pods)?,
        })
    }

    /// What tells the paths to the program inside.
    pub fn variables(&self) -> [(&'static str, OsString); 4] {
        [(OPERATOR, &self.operator), (PODS, &self.pods), (HELM, &self.helm), (COREDNS, &self.coredns)]
            .map(|(name, path)| (name, path.clone().into_os_string()))
    }

    pub fn told() -> Result<Self> {
        let path = |name| env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
        Ok(Self { operator: path(OPERATOR)?, pods: path(PODS)?, helm: path(HELM)?, coredns: path(COREDNS)? })
    }
}

/// A static program that is there already, or one that is built.
fn given_or(variable: &str, build: impl FnOnce() -> Result<PathBuf, BuildError>) -> Result<PathBuf, BuildError> {
    env::var_os(variable).map_or_else(build, |given| Ok(given.into()))
}
