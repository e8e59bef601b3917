//! Who may ask the API server, and the kubeconfig of each. Each client has a user of its own, so that the audit log
//! says who asked what.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::pki::Authority;

/// A user of the control plane. Only `Admin` has rights from the start; RBAC gives the others theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum User {
    /// Member of `system:masters`: may do everything.
    Admin,
    /// Whom the operator under test runs as.
    Operator,
    /// A person with a namespace and no rights besides those that a test grants.
    Tenant,
    /// Anybody else, made on demand: lower case letters, digits and dashes.
    Named(String),
}

/// Writes what the API server and its clients need to know each other.
pub struct Users {
    dir: PathBuf,
    server: String,
    authority: Authority,
}

/// A component of the cluster that asks the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    ControllerManager,
    Scheduler,
    /// kube-proxy of the one node.
    Proxy,
    /// The kubelet of the node [`NODE`].
    Kubelet,
}

/// The name of the one node, where there is a node.
pub const NODE: &str = "node";

impl Asker {
    const ALL: [Self; 4] = [Self::ControllerManager, Self::Scheduler, Self::Proxy, Self::Kubelet];

    /// The user's name and its group.
    fn user(self) -> (String, &'static str) {
        match self {
            // The garbage collector deletes whatever has an owner; its own role is made for separate accounts.
            Self::ControllerManager => ("system:kube-controller-manager".to_owned(), "system:masters"),
            Self::Scheduler => ("system:kube-scheduler".to_owned(), ""),
            Self::Proxy => ("system:kube-proxy".to_owned(), ""),
            // What the Node authorizer knows a kubelet by.
            Self::Kubelet => (format!("system:node:{NODE}"), "system:nodes"),
        }
    }
}

impl User {
    /// The name that RBAC bindings and the audit log use.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Tenant => "tenant",
            Self::Named(name) => name,
        }
    }
}

impl Users {
    /// `server` is the URL of the API server; files go below `dir`.
    pub fn new(dir: &Path, server: String, authority: Authority) -> Result<Self> {
        fs::create_dir_all(dir.join("users"))?;
        Ok(Self { dir: dir.join("users"), server, authority })
    }

    /// The lines of the API server's token file: token, user, uid, groups. It is read once, at the server's start.
    pub fn token_file() -> String {
        let line = |name: &str, group: &str| format!("{},{name},{name},\"{group}\"\n", token(name));
        [line(User::Admin.name(), "system:masters"), line(User::Operator.name(), ""), line(User::Tenant.name(), "")]
            .into_iter()
            .chain(Asker::ALL.map(|asker| {
                let (name, group) = asker.user();
                line(&name, group)
            }))
            .collect()
    }

    pub fn server_certificate_der(&self) -> Vec<u8> {
        self.authority.certificate_der()
    }

    /// The kubeconfig of the user, written when it is first asked for.
    pub fn kubeconfig(&self, user: &User) -> Result<PathBuf> {
        let credentials = match user {
            User::Named(name) => {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                ensure!(!name.is_empty() && name.chars().all(plain), "user name {name:?}: only a-z, 0-9 and dashes");
                ensure!(!is_token_user(name), "{name:?} is a user with a variant of its own");
                return self.certificate_kubeconfig(name);
            }
            User::Admin | User::Operator | User::Tenant => json!({ "token": token(user.name()) }),
        };
        self.write(user.name(), &credentials)
    }

    pub fn component_kubeconfig(&self, asker: Asker) -> Result<PathBuf> {
        let (name, _) = asker.user();
        self.write(&name, &json!({ "token": token(&name) }))
    }

    /// Users on demand log in with a certificate, because the token file is read once.
    fn certificate_kubeconfig(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        if path.exists() {
            return Ok(path);
        }
        let identity = self.authority.user(name, None)?;
        let credentials = json!({
            "client-certificate-data": BASE64.encode(identity.certificate),
            "client-key-data": BASE64.encode(identity.key),
        });
        self.write(name, &credentials)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{}.kubeconfig", name.replace(':', "-")))
    }

    fn write(&self, name: &str, credentials: &Value) -> Result<PathBuf> {
        let path = self.path(name);
        if path.exists() {
            return Ok(path);
        }
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "testbed", "cluster": {
                "server": self.server,
                "certificate-authority-data": BASE64.encode(self.authority.certificate_pem()),
            }}],
            "users": [{ "name": name, "user": credentials }],
            "contexts": [{ "name": "testbed", "context": { "cluster": "testbed", "user": name } }],
            "current-context": "testbed",
        });
        // Tests ask at the same time; a reader never sees half a file.
        let unfinished = tempfile::NamedTempFile::new_in(&self.dir)?;
        fs::write(unfinished.path(), serde_json::to_vec_pretty(&config)?)?;
        unfinished.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

fn is_token_user(name: &str) -> bool {
    [User::Admin, User::Operator, User::Tenant].iter().any(|user| user.name() == name)
}

/// No secret: it opens one control plane that listens on loopback and lives for minutes.
fn token(name: &str) -> String {
    format!("testbed-token-of-{}", name.replace(':', "-"))
}
