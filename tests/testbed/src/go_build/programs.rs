//! Which Go programs the tests run: of which module, in which release, and built how.

use std::path::PathBuf;

use anyhow::Result;

use super::{Cgo, GoProgram, built};

/// The Kubernetes release that `tests/cluster/go.mod` names, without the leading `v`.
pub const KUBERNETES_VERSION: &str = "1.34.3";
/// The Helm release that `tests/helm/go.mod` names, without the leading `v`.
pub const HELM_VERSION: &str = "3.19.5";
/// The CoreDNS release that `tests/coredns/go.mod` names, without the leading `v`.
pub const COREDNS_VERSION: &str = "1.13.2";
/// The Ory Hydra release that `tests/hydra/go.mod` names, without the leading `v`.
pub const HYDRA_VERSION: &str = "2.3.0";
/// The PocketBase release that `tests/pocketbase/go.mod` names, without the leading `v`.
pub const POCKETBASE_VERSION: &str = "0.39.9";

/// The multi-call Kubernetes binary.
///
/// # Errors
/// Go is missing or too old, the build fails, or the cache directory cannot be written. The same for the others here.
pub(crate) fn cluster() -> Result<PathBuf> {
    let minor = KUBERNETES_VERSION.split('.').nth(1).unwrap_or_default();
    // Without it the server calls itself v0.0.0, and kubectl refuses it.
    let version = "-X k8s.io/component-base/version.git";
    built(&GoProgram {
        name: "cluster",
        version: KUBERNETES_VERSION,
        module: "../cluster",
        package: ".",
        sources: &["go.mod", "go.sum", "main.go", "lifeline.go"],
        what: "kube-apiserver",
        minutes_on_two_cores: 4,
        link_flags: format!("{version}Version=v{KUBERNETES_VERSION} {version}Major=1 {version}Minor={minor}"),
        cgo: Cgo::Off,
    })
}

/// The real Helm.
///
/// # Errors
/// As when Kubernetes is built.
pub fn helm() -> Result<PathBuf> {
    // As Helm's own release build: without the last it takes every cluster that it is not told of for v1.20.
    let module = "-X helm.sh/helm/v3";
    let links = |part: &str| format!("{module}/{part}.k8sVersionMajor=1 {module}/{part}.k8sVersionMinor=34");
    built(&GoProgram {
        name: "helm",
        version: HELM_VERSION,
        module: "../helm",
        package: "helm.sh/helm/v3/cmd/helm",
        sources: &["go.mod", "go.sum"],
        what: "helm",
        minutes_on_two_cores: 1,
        link_flags: format!(
            "{module}/internal/version.version=v{HELM_VERSION} {} {}",
            links("pkg/lint/rules"),
            links("pkg/chartutil")
        ),
        cgo: Cgo::Off,
    })
}

/// A cluster's DNS server.
///
/// # Errors
/// As when Kubernetes is built.
pub fn coredns() -> Result<PathBuf> {
    built(&GoProgram {
        name: "coredns",
        version: COREDNS_VERSION,
        module: "../coredns",
        package: ".",
        sources: &["go.mod", "go.sum", "main.go"],
        what: "CoreDNS",
        minutes_on_two_cores: 1,
        link_flags: String::new(),
        cgo: Cgo::Off,
    })
}

/// A real OAuth 2.0 server: Ory Hydra.
///
/// # Errors
/// As when Kubernetes is built, and there is no C compiler.
pub fn hydra() -> Result<PathBuf> {
    built(&GoProgram {
        name: "hydra",
        version: HYDRA_VERSION,
        module: "../hydra",
        package: "github.com/ory/hydra/v2",
        sources: &["go.mod", "go.sum"],
        what: "Ory Hydra",
        minutes_on_two_cores: 5,
        link_flags: String::new(),
        // Its own build's tags; SQLite is C.
        cgo: Cgo::With { tags: "sqlite,sqlite_omit_load_extension" },
    })
}

/// A real server whose login is an API of its own: PocketBase.
///
/// # Errors
/// As when Kubernetes is built.
pub fn pocketbase() -> Result<PathBuf> {
    built(&GoProgram {
        name: "pocketbase",
        version: POCKETBASE_VERSION,
        module: "../pocketbase",
        package: ".",
        sources: &["go.mod", "go.sum", "main.go"],
        what: "PocketBase",
        minutes_on_two_cores: 1,
        link_flags: String::new(),
        cgo: Cgo::Off,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_versions_told_are_those_of_the_modules() {
        let required = [
            ("../cluster", "k8s.io/kubernetes", KUBERNETES_VERSION),
            ("../helm", "helm.sh/helm/v3", HELM_VERSION),
            ("../coredns", "github.com/coredns/coredns", COREDNS_VERSION),
            ("../hydra", "github.com/ory/hydra/v2", HYDRA_VERSION),
            ("../pocketbase", "github.com/pocketbase/pocketbase", POCKETBASE_VERSION),
        ];
        for (module, name, version) in required {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(module).join("go.mod");
            let text = fs::read_to_string(path).unwrap();
            assert!(text.contains(&format!("{name} v{version}")), "{module}/go.mod has not {name} v{version}");
        }
    }
}
