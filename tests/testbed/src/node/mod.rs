//! A whole Kubernetes node of one's own: the control plane, a kubelet with containerd, kube-proxy and DNS, so that
//! pods run, mount Secrets and call Services.
//!
//! Everything is inside an [`enclosure`]: nothing of it can be seen from outside or outlives it. No registry is asked
//! for images; they are imported from archives.

mod cgroups;
mod containerd;
mod dns;
pub mod enclosure;
mod ground;
mod kubelet;
mod requirements;

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::Api;
use rustix::process::{Pid, Signal, kill_process};

use self::containerd::Containerd;
use crate::{
    binaries::{Program, binaries},
    component::Component,
    control_plane::{ControlPlane, Options},
    eventually::poll_until,
    users::{Asker, NODE, User},
};

pub use self::{
    cgroups::ContainerCost,
    requirements::{Missing, missing},
};

/// Where the API server, the kubelet and nothing else listen.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);

/// Ten seconds on two busy cores.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// The archives of the images that a node itself needs.
#[derive(Clone, Debug)]
pub struct NodeImages {
    /// Holds the network of a pod: an image of the name [`PAUSE`].
    pub pause: PathBuf,
    /// An image of the name [`COREDNS`].
    pub coredns: PathBuf,
}

/// The name of the image that does nothing in every pod.
pub const PAUSE: &str = "localhost/testbed-pause:1";

/// The name of the image with the cluster's DNS server.
pub const COREDNS: &str = "localhost/testbed-coredns:1";

/// Builds what a node is made of, unless that has been done. Inside an enclosure there is no network to do it with.
///
/// # Errors
/// The build fails; the message says what to install.
pub fn build() -> Result<()> {
    binaries()?;
    Program::of_node("kubelet").map(drop)
}

/// A running node with its control plane. Dropping it ends its processes; the containers end with the enclosure.
pub struct Node {
    // In the order in which they are to end.
    kubelet: Mutex<Component>,
    _proxy: Component,
    _scheduler: Component,
    containerd: Containerd,
    control_plane: ControlPlane,
}

impl Node {
    /// Starts everything and returns when the node is ready and has DNS. Only inside an enclosure.
    ///
    /// # Errors
    /// This process is in no enclosure, or a component ends at once; the message holds the end of its log.
    pub async fn start(images: &NodeImages, options: Options) -> Result<Self> {
        let dir = enclosure::directory().context("a node is started inside an enclosure only")?;
        ground::prepare(&dir, ADDRESS)?;
        let options = Options { node: Some(ADDRESS), ..options };
        let (control_plane, containerd) =
            tokio::try_join!(ControlPlane::start(options), Containerd::start(&dir, &images.pause))?;
        containerd.import(&images.coredns).await?;
        let kubelet = Mutex::new(kubelet::start(&control_plane, &dir, None)?);
        let kubeconfig = |asker| control_plane.component_kubeconfig(asker);
        let scheduler = scheduler_flags(&kubeconfig(Asker::Scheduler)?);
        let scheduler = Component::start("scheduler", &Program::of_node("scheduler")?, &scheduler, &dir)?;
        let proxy = proxy_flags(&kubeconfig(Asker::Proxy)?);
        let proxy = Component::start("proxy", &Program::of_node("proxy")?, &proxy, &dir)?;
        let node = Self { kubelet, _proxy: proxy, _scheduler: scheduler, containerd, control_plane };
        node.ready().await?;
        dns::install(&node.control_plane).await?;
        Ok(node)
    }

    async fn ready(&self) -> Result<()> {
        let nodes: Api<NodeObject> = Api::all(self.control_plane.client(&User::Admin)?);
        let ready = poll_until(START_TIMEOUT, async || {
            if let Some(obituary) = self.kubelet().obituary() {
                return Ok(Err(anyhow!(obituary)));
            }
            let node = nodes.get(NODE).await.map_err(|e| e.to_string())?;
            let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
            let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
            match ready.map(|ready| (ready.status, ready.message)) {
                Some((status, _)) if status == "True" => Ok(Ok(())),
                Some((_, message)) => Err(message.unwrap_or_default()),
                None => Err("the node has no condition Ready".to_owned()),
            }
        });
        ready.await.unwrap_or_else(|last| Err(anyhow!("the node is not ready after {START_TIMEOUT:?}: {last}")))
    }

    #[must_use]
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// Makes the images of an OCI or docker archive known to the node.
    ///
    /// # Errors
    /// What containerd complains about.
    pub async fn import(&self, archive: &Path) -> Result<()> {
        self.containerd.import(archive).await
    }

    /// What a container has cost so far; its id as in the pod's status, `containerd://...`.
    ///
    /// # Errors
    /// There is no such container, or it has ended.
    pub fn container_cost(&self, container_id: &str) -> Result<ContainerCost> {
        cgroups::cost(container_id)
    }

    /// The log of the kubelet.
    #[must_use]
    pub fn kubelet_log(&self) -> String {
        self.kubelet().log()
    }

    /// Starts the kubelet again, so that it looks at each pod, and at the Secrets that are mounted, once in `period`
    /// (and up to half of it later). By default it is a minute. Pods go on.
    ///
    /// # Errors
    /// It ends at once; the message holds the end of its log.
    pub async fn look_at_pods_each(&self, period: Duration) -> Result<()> {
        let log = self.kubelet_log().len();
        self.restart_kubelet(period)?;
        let started = poll_until(START_TIMEOUT, async || {
            if let Some(obituary) = self.kubelet().obituary() {
                return Ok(Err(anyhow!(obituary)));
            }
            let begun = self.kubelet_log().get(log..).is_some_and(|new| new.contains("Successfully registered node"));
            if begun { Ok(Ok(())) } else { Err("it has not registered the node") }
        });
        started.await.unwrap_or_else(|last| Err(anyhow!("the kubelet does not come back: {last}")))
    }

    fn restart_kubelet(&self, period: Duration) -> Result<()> {
        let dir = enclosure::directory().context("there is no enclosure")?;
        let mut slot = self.kubelet();
        // The old one ends first: two kubelets would fight over the pods.
        slot.end();
        *slot = kubelet::start(&self.control_plane, &dir, Some(period))?;
        Ok(())
    }

    /// Kills the processes of a container with SIGKILL, as a crash does; its id as in the pod's status.
    ///
    /// # Errors
    /// There is no such container, or it has ended.
    pub fn kill_container(&self, container_id: &str) -> Result<()> {
        for pid in cgroups::processes(container_id)? {
            let pid = Pid::from_raw(pid).context("a process of another namespace")?;
            kill_process(pid, Signal::KILL)?;
        }
        Ok(())
    }

    fn kubelet(&self) -> MutexGuard<'_, Component> {
        self.kubelet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn scheduler_flags(kubeconfig: &Path) -> Vec<String> {
    vec![format!("--kubeconfig={}", kubeconfig.display()), "--leader-elect=false".into(), "--secure-port=0".into()]
}

fn proxy_flags(kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--proxy-mode=iptables".into(),
        // Without it, half a minute is spent on waiting for a node of the machine's name.
        format!("--hostname-override={NODE}"),
        format!("--cluster-cidr={}", ground::POD_NETWORK),
        // Limits of the whole machine, which are not ours to set.
        "--conntrack-max-per-core=0".into(),
        "--conntrack-min=0".into(),
        "--conntrack-tcp-timeout-established=0".into(),
        "--conntrack-tcp-timeout-close-wait=0".into(),
        "--iptables-min-sync-period=0s".into(),
    ]
}
