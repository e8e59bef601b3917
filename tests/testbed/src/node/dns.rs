//! The cluster's DNS, as clusters have it: CoreDNS in `kube-system` behind the Service `kube-dns`.

use anyhow::Result;

use super::COREDNS;
use crate::{control_plane::ControlPlane, kubectl::run, users::User};

/// The address that pods ask.
pub(super) const SERVICE: &str = "10.96.0.10";

/// Returns when it answers.
pub(super) async fn install(control_plane: &ControlPlane) -> Result<()> {
    control_plane.apply(&User::Admin, &manifests()).await?;
    let mut kubectl = control_plane.kubectl(&User::Admin)?;
    kubectl.args(["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s"]);
    run(kubectl, "").await.map(drop)
}

fn manifests() -> String {
    format!(
        r#"
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: coredns, namespace: kube-system }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{ name: "system:coredns" }}
rules:
- {{ apiGroups: [""], resources: [services, pods, namespaces], verbs: [list, watch] }}
- {{ apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch] }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{ name: "system:coredns" }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:coredns" }}
subjects: [{{ kind: ServiceAccount, name: coredns, namespace: kube-system }}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{ name: coredns, namespace: kube-system }}
data:
  Corefile: |
    .:1053 {{
        errors
        health
        ready
        kubernetes cluster.local in-addr.arpa ip6.arpa
        cache 5
    }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: coredns, namespace: kube-system }}
spec:
  selector: {{ matchLabels: {{ k8s-app: kube-dns }} }}
  template:
    metadata: {{ labels: {{ k8s-app: kube-dns }} }}
    spec:
      serviceAccountName: coredns
      dnsPolicy: Default
      priorityClassName: system-cluster-critical
      containers:
      - name: coredns
        image: {COREDNS}
        imagePullPolicy: Never
        args: [-conf, /etc/coredns/Corefile]
        readinessProbe: {{ httpGet: {{ path: /ready, port: 8181 }}, periodSeconds: 1 }}
        volumeMounts: [{{ name: config, mountPath: /etc/coredns }}]
      volumes:
      - {{ name: config, configMap: {{ name: coredns }} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: kube-dns, namespace: kube-system }}
spec:
  clusterIP: {SERVICE}
  # A kubelet that is started again takes all pods for not ready until it has probed them.
  publishNotReadyAddresses: true
  selector: {{ k8s-app: kube-dns }}
  ports:
  - {{ name: dns, port: 53, targetPort: 1053, protocol: UDP }}
  - {{ name: dns-tcp, port: 53, targetPort: 1053, protocol: TCP }}
"#
    )
}
