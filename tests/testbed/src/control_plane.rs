//! A Kubernetes control plane of one's own: etcd, kube-apiserver and kube-controller-manager on loopback.
//!
//! Its processes belong to no async runtime, so one control plane can serve all tests of a process. It knows nothing
//! of the operator.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config, api::PostParams};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{
    audit::AuditLog,
    binaries::{Binaries, binaries},
    component::Component,
    etcd::Etcd,
    eventually::poll_until,
    flags::{self, Files, Ports},
    lifeline::Lifeline,
    pki::Authority,
    ports::Port,
    users::{Asker, User, Users},
};

/// Two seconds on an idle machine; the tests of a whole workspace make it a busy one.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// The garbage collector says so when it has seen every kind and begins its work.
const COLLECTING: &str = "Proceeding to collect garbage";

/// What may differ between control planes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Flags of kube-apiserver besides the testbed's own.
    pub apiserver_flags: Vec<String>,
    /// How many bytes etcd may hold; by default its own 2 GiB.
    pub etcd_quota: Option<u64>,
    /// The address of a node that is to run pods: then the API server serves it too, and all controllers run.
    pub node: Option<Ipv4Addr>,
}

/// A running control plane; dropping it ends its processes and removes its files.
pub struct ControlPlane {
    // In the order in which they are to end.
    controller_manager: Mutex<Option<Component>>,
    apiserver: Mutex<Option<Component>>,
    etcd: Mutex<Component>,
    binaries: &'static Binaries,
    options: Options,
    files: Files,
    ports: Ports,
    users: Users,
    installed_crds: tokio::sync::Mutex<BTreeSet<PathBuf>>,
    _removes_dir: Lifeline,
    dir: TempDir,
}

impl ControlPlane {
    /// Starts a control plane and returns when its API server is ready.
    ///
    /// # Errors
    /// A program is missing or ends at once; the message holds the end of its log.
    pub async fn start(options: Options) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(binaries).await??;
        let dir = tempfile::Builder::new().prefix("apitoken-testbed-").tempdir()?;
        let removes_dir = Lifeline::of_directory(dir.path()).context("cannot start a shell")?;
        let ports = Ports { etcd_clients: Port::reserve()?, etcd_peers: Port::reserve()?, apiserver: Port::reserve()? };
        let files = Files::below(dir.path());
        let authority = Authority::generate()?;
        files.write(&authority, options.node)?;
        let users = Users::new(dir.path(), format!("https://{}", ports.apiserver.address()), authority)?;
        let etcd =
            Component::start("etcd", &binaries.etcd, &flags::etcd(&files, &ports, options.etcd_quota), dir.path())?;
        let control_plane = Self {
            controller_manager: Mutex::new(None),
            apiserver: Mutex::new(None),
            etcd: Mutex::new(etcd),
            binaries,
            options,
            files,
            ports,
            users,
            installed_crds: tokio::sync::Mutex::default(),
            _removes_dir: removes_dir,
            dir,
        };
        control_plane.start_apiserver().await?;
        control_plane.start_controller_manager()?;
        Ok(control_plane)
    }

    /// The one control plane of this test process, started by whoever asks first. It ends with the process.
    ///
    /// # Panics
    /// It cannot be started.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        match SHARED.get_or_try_init(|| Self::start(Options::default())).await {
            Ok(control_plane) => control_plane,
            Err(e) => panic!("no control plane for the tests: {e:#}"),
        }
    }

    /// Kills the API server as a crash would; etcd and all data stay.
    pub fn stop_apiserver(&self) {
        lock(&self.apiserver).take();
    }

    /// Starts the API server, at the same address as before, and returns when it is ready.
    ///
    /// # Errors
    /// It, or etcd, ends instead; the message holds the end of the log.
    pub async fn start_apiserver(&self) -> Result<()> {
        let flags = flags::apiserver(&self.files, &self.ports, self.options.node, &self.options.apiserver_flags);
        self.stop_apiserver();
        let component = Component::start("apiserver", &self.binaries.apiserver, &flags, self.dir())?;
        *lock(&self.apiserver) = Some(component);
        let client = self.client(&User::Admin)?;
        let ready = poll_until(START_TIMEOUT, async || {
            let died = lock(&self.etcd).obituary().or_else(|| lock(&self.apiserver).as_mut()?.obituary());
            match died {
                Some(obituary) => Ok(Err(anyhow!(obituary))),
                None => readyz(&client).await.map(Ok),
            }
        });
        ready.await.unwrap_or_else(|last| Err(anyhow!("the API server is not ready in {START_TIMEOUT:?}: {last}")))
    }

    fn start_controller_manager(&self) -> Result<()> {
        let kubeconfig = self.component_kubeconfig(Asker::ControllerManager)?;
        let flags = flags::controller_manager(&kubeconfig, &self.files, self.options.node);
        let program = &self.binaries.controller_manager;
        // The old one ends first: two garbage collectors at once would each delete.
        let mut slot = lock(&self.controller_manager);
        slot.take();
        *slot = Some(Component::start("controller-manager", program, &flags, self.dir())?);
        Ok(())
    }

    /// Starts the controller manager afresh and returns when its garbage collector works.
    pub(crate) async fn restart_controller_manager(&self) -> Result<()> {
        let log = || lock(&self.controller_manager).as_ref().map(Component::log).unwrap_or_default();
        let before = log().matches(COLLECTING).count();
        self.start_controller_manager()?;
        let collecting = poll_until(START_TIMEOUT, async || {
            let died = lock(&self.controller_manager).as_mut().and_then(Component::obituary);
            match died {
                Some(obituary) => Ok(Err(anyhow!(obituary))),
                None if log().matches(COLLECTING).count() > before => Ok(Ok(())),
                None => Err("it has not seen every kind yet"),
            }
        });
        collecting.await.unwrap_or_else(|last| Err(anyhow!("no garbage collector after {START_TIMEOUT:?}: {last}")))
    }

    /// A fresh client for the user, on the calling runtime.
    ///
    /// # Errors
    /// The user's kubeconfig cannot be written or read.
    pub fn client(&self, user: &User) -> Result<Client> {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.kubeconfig(user)?)?;
        let mut config = Config::new(self.url().parse()?);
        config.root_cert = Some(vec![self.users.server_certificate_der()]);
        config.auth_info = kubeconfig.auth_infos.into_iter().find_map(|named| named.auth_info).unwrap_or_default();
        // A test wants to see the first answer.
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    /// The path of the user's kubeconfig.
    ///
    /// # Errors
    /// It cannot be written, or the name of a [`User::Named`] is not one.
    pub fn kubeconfig(&self, user: &User) -> Result<PathBuf> {
        self.users.kubeconfig(user)
    }

    pub(crate) fn component_kubeconfig(&self, asker: Asker) -> Result<PathBuf> {
        self.users.component_kubeconfig(asker)
    }

    /// Makes a namespace whose name nobody else has, and returns its name.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let namespaces: Api<Namespace> = Api::all(self.client(&User::Admin)?);
        let wanted = serde_json::from_value(json!({ "metadata": { "generateName": format!("{prefix}-") } }))?;
        let made = namespaces.create(&PostParams::default(), &wanted).await?;
        made.metadata.name.context("the API server named no namespace")
    }

    /// The etcd behind the API server.
    #[must_use]
    pub fn etcd(&self) -> Etcd {
        Etcd::at(self.ports.etcd_clients.address())
    }

    #[must_use]
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(self.files.audit_log.clone())
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.ports.apiserver.address())
    }

    /// The PEM file with the authority that signs for the API server.
    #[must_use]
    pub fn ca_path(&self) -> &Path {
        &self.files.authority
    }

    /// The directory of logs and data; it goes when the control plane does.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process ids of the components that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let optional = [&self.controller_manager, &self.apiserver];
        let pids = optional.iter().filter_map(|component| lock(component).as_ref().map(Component::pid));
        pids.chain([lock(&self.etcd).pid()]).collect()
    }

    pub(crate) fn installed_crds(&self) -> &tokio::sync::Mutex<BTreeSet<PathBuf>> {
        &self.installed_crds
    }
}

async fn readyz(client: &Client) -> Result<(), String> {
    let request = http::Request::get("/readyz").body(Vec::new()).map_err(|e| e.to_string())?;
    client.request_text(request).await.map(drop).map_err(|e| e.to_string())
}

/// A test that panicked with the lock says nothing about the component behind it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
