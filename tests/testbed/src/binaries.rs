//! Says which program plays which part of a cluster: the one built from `tests/cluster`, or those of
//! `KUBEBUILDER_ASSETS` for people who have them. It starts nothing.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Result, bail};

use crate::go_build;

/// One program of a cluster: a file, and the component's name if the file holds several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    component: Option<&'static str>,
}

/// The programs that a control plane is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    pub etcd: Program,
    pub apiserver: Program,
    pub controller_manager: Program,
    pub kubectl: Program,
}

/// The programs of this machine. The first call may build them, which takes minutes and blocks the thread.
///
/// # Errors
/// `KUBEBUILDER_ASSETS` lacks a program, or the build failed; the message says what to install.
pub fn binaries() -> Result<&'static Binaries> {
    static FOUND: OnceLock<Binaries> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let found = match env::var_os("KUBEBUILDER_ASSETS").filter(|dir| !dir.is_empty()) {
        Some(dir) => Binaries::from_assets(Path::new(&dir), go_build::cluster)?,
        None => Binaries::from_multi_call(&go_build::cluster()?),
    };
    Ok(FOUND.get_or_init(|| found))
}

impl Binaries {
    fn from_multi_call(path: &Path) -> Self {
        let part = |component| Program { path: path.to_owned(), component: Some(component) };
        Self {
            etcd: part("etcd"),
            apiserver: part("apiserver"),
            controller_manager: part("controller-manager"),
            kubectl: part("kubectl"),
        }
    }

    /// The assets of envtest have no controller manager, and without its garbage collector an ownerReference
    /// deletes nothing; so that one part then comes from `built`.
    fn from_assets(dir: &Path, built: impl FnOnce() -> Result<PathBuf>) -> Result<Self> {
        let asset = |name: &str| {
            let path = dir.join(name);
            if !path.is_file() {
                bail!("KUBEBUILDER_ASSETS is {}, which has no `{name}`: add it or unset the variable", dir.display());
            }
            Ok(Program { path, component: None })
        };
        let (etcd, apiserver, kubectl) = (asset("etcd")?, asset("kube-apiserver")?, asset("kubectl")?);
        let controller_manager = match asset("kube-controller-manager") {
            Ok(program) => program,
            Err(_) => Self::from_multi_call(&built()?).controller_manager,
        };
        Ok(Self { etcd, apiserver, controller_manager, kubectl })
    }
}

impl Program {
    /// A part of the multi-call binary that only a node needs; nobody has these as assets.
    ///
    /// # Errors
    /// The build fails.
    pub(crate) fn of_node(component: &'static str) -> Result<Self> {
        Ok(Self { path: go_build::cluster()?, component: Some(component) })
    }

    /// A program built from a module beside this crate.
    pub(crate) fn built(path: PathBuf) -> Self {
        Self { path, component: None }
    }

    /// A program of the machine, found by `PATH`.
    pub(crate) fn installed(name: &str) -> Self {
        Self { path: name.into(), component: None }
    }

    /// A command that starts this program; its own arguments are for the caller to add.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(self.component);
        command
    }

    /// Whether the program ends itself when its standard input does (`CLUSTER_EXIT_WITH_STDIN`).
    pub(crate) fn ends_with_stdin(&self) -> bool {
        self.component.is_some()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.component.map_or(Ok(()), |component| write!(f, " {component}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        dir
    }

    #[test]
    fn assets_without_a_controller_manager_borrow_the_built_one() {
        let dir = assets(&["etcd", "kube-apiserver", "kubectl"]);
        let found = Binaries::from_assets(dir.path(), || Ok("/built".into())).unwrap();
        assert_eq!(found.apiserver.to_string(), dir.path().join("kube-apiserver").display().to_string());
        assert_eq!(found.controller_manager.to_string(), "/built controller-manager");
    }

    #[test]
    fn complete_assets_need_no_build() {
        let dir = assets(&["etcd", "kube-apiserver", "kubectl", "kube-controller-manager"]);
        let found = Binaries::from_assets(dir.path(), || panic!("built although everything is there")).unwrap();
        assert!(!found.controller_manager.ends_with_stdin());
    }

    #[test]
    fn an_incomplete_assets_directory_names_what_is_missing() {
        let dir = assets(&["etcd", "kubectl"]);
        let error = Binaries::from_assets(dir.path(), || Ok("/built".into())).unwrap_err().to_string();
        assert!(error.contains("has no `kube-apiserver`: add it or unset the variable"), "{error}");
    }
}
