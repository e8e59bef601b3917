//! The command lines of the control plane's components and the files that they name. It decides what kind of cluster
//! the tests meet, and starts nothing.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rcgen::KeyPair;

use crate::{pki::Authority, ports::Port, users::Users};

/// Everything at Metadata level, once for each request, so that requests can be counted; bodies would hold Secrets.
const AUDIT_POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"]
- level: Metadata
"#;

/// The address of the Service `kubernetes`: the first of the range.
const APISERVER_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// The files of one control plane.
pub struct Files {
    pub audit_log: PathBuf,
    pub audit_policy: PathBuf,
    pub authority: PathBuf,
    pub etcd_data: PathBuf,
    pub server_certificate: PathBuf,
    pub server_key: PathBuf,
    pub account_public_key: PathBuf,
    pub account_private_key: PathBuf,
    pub tokens: PathBuf,
    pub kubelet_client_certificate: PathBuf,
    pub kubelet_client_key: PathBuf,
}

/// The ports of one control plane.
pub struct Ports {
    pub etcd_clients: Port,
    pub etcd_peers: Port,
    pub apiserver: Port,
}

impl Files {
    pub fn below(dir: &Path) -> Self {
        let file = |name: &str| dir.join(name);
        Self {
            audit_log: file("audit.log"),
            audit_policy: file("audit-policy.yaml"),
            authority: file("ca.crt"),
            etcd_data: file("etcd"),
            server_certificate: file("apiserver.crt"),
            server_key: file("apiserver.key"),
            account_public_key: file("accounts.pub"),
            account_private_key: file("accounts.key"),
            tokens: file("tokens.csv"),
            kubelet_client_certificate: file("kubelet-client.crt"),
            kubelet_client_key: file("kubelet-client.key"),
        }
    }

    /// Writes what the API server reads at its start.
    pub fn write(&self, authority: &Authority, node: Option<Ipv4Addr>) -> Result<()> {
        let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let addresses = node.map(|address| [address.to_string(), APISERVER_SERVICE.to_string()]);
        let names = names.map(str::to_owned).into_iter().chain(addresses.into_iter().flatten());
        let server = authority.server(names.collect())?;
        let kubelet_client = authority.user("kube-apiserver", Some("system:masters"))?;
        let accounts = KeyPair::generate()?;
        for (path, content) in [
            (&self.authority, authority.certificate_pem()),
            (&self.server_certificate, server.certificate),
            (&self.server_key, server.key),
            (&self.account_public_key, accounts.public_key_pem()),
            (&self.account_private_key, accounts.serialize_pem()),
            (&self.tokens, Users::token_file()),
            (&self.audit_policy, AUDIT_POLICY.to_owned()),
            (&self.kubelet_client_certificate, kubelet_client.certificate),
            (&self.kubelet_client_key, kubelet_client.key),
        ] {
            fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// `quota` is in bytes; 0 is etcd's own.
pub fn etcd(files: &Files, ports: &Ports, quota: Option<u64>) -> Vec<String> {
    let clients = format!("http://{}", ports.etcd_clients.address());
    let peers = format!("http://{}", ports.etcd_peers.address());
    vec![
        format!("--data-dir={}", files.etcd_data.display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        format!("--quota-backend-bytes={}", quota.unwrap_or_default()),
        // Nothing here has to survive a power failure, and fsync is what costs on shared machines.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

/// `node` is the address of the node that the API server serves besides loopback, if there is one.
pub fn apiserver(files: &Files, ports: &Ports, node: Option<Ipv4Addr>, more: &[String]) -> Vec<String> {
    let mut flags = vec![
        format!("--etcd-servers=http://{}", ports.etcd_clients.address()),
        format!("--secure-port={}", ports.apiserver.number()),
        file("tls-cert-file", &files.server_certificate),
        file("tls-private-key-file", &files.server_key),
        file("client-ca-file", &files.authority),
        file("token-auth-file", &files.tokens),
        // Some distributions have it on, and it changes which rights setting an ownerReference needs.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        file("service-account-key-file", &files.account_public_key),
        file("service-account-signing-key-file", &files.account_private_key),
        "--service-cluster-ip-range=10.96.0.0/24".into(),
        file("audit-policy-file", &files.audit_policy),
        file("audit-log-path", &files.audit_log),
        // An event is in the file before its request is over, so that it is there when a test looks.
        "--audit-log-mode=blocking".into(),
        // Megabytes; unset means 100, and a log that rotates away loses what a test has marked.
        "--audit-log-maxsize=100000".into(),
        // The limits under test are the operator's own.
        "--max-requests-inflight=3000".into(),
        "--max-mutating-requests-inflight=1500".into(),
    ];
    match node {
        None => flags.extend([
            "--bind-address=127.0.0.1".into(),
            "--authorization-mode=RBAC".into(),
            "--endpoint-reconciler-type=none".into(),
        ]),
        Some(address) => flags.extend([
            "--bind-address=0.0.0.0".into(),
            format!("--advertise-address={address}"),
            "--authorization-mode=Node,RBAC".into(),
            // By default it would look up the node's name.
            "--kubelet-preferred-address-types=InternalIP".into(),
            file("kubelet-client-certificate", &files.kubelet_client_certificate),
            file("kubelet-client-key", &files.kubelet_client_key),
        ]),
    }
    flags.extend_from_slice(more);
    flags
}

fn file(flag: &str, path: &Path) -> String {
    format!("--{flag}={}", path.display())
}

pub fn controller_manager(kubeconfig: &Path, files: &Files, node: Option<Ipv4Addr>) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        // The aggregation fills the roles `admin`, `edit` and `view`, which are empty otherwise; the last one checks the
        // types of CEL expressions.
        match node {
            None => "--controllers=garbagecollector,namespace,serviceaccount,clusterrole-aggregation-controller,\
                     validatingadmissionpolicy-status-controller"
                .into(),
            Some(_) => "--controllers=*".into(),
        },
        // Pods find the authority in the ConfigMap that is made of this.
        file("root-ca-file", &files.authority),
        // With an election a restart would wait for the predecessor's lease to run out.
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
        "--kube-api-qps=500".into(),
        "--kube-api-burst=1000".into(),
    ]
}
