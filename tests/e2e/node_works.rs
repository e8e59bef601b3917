//! The node itself: what the other stories take for granted.

use anyhow::Result;
use testbed::users::User;

use crate::stage::Stage;

pub async fn a_pod_finds_a_service_by_its_name_and_mounts_a_secret(stage: &Stage) -> Result<()> {
    let mut kubectl = stage.node.control_plane().kubectl(&User::Admin)?;
    let mut wait = stage.node.control_plane().kubectl(&User::Admin)?;
    wait.args(["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=20s"]);
    let begun = std::time::Instant::now();
    let out = wait.output().await?;
    println!("{}{} {:?}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr), begun.elapsed());
    let mut wait = stage.node.control_plane().kubectl(&User::Admin)?;
    wait.args(["-n", "kube-system", "get", "events"]);
    let out = wait.output().await?;
    println!("{}{} {:?}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr), begun.elapsed());
    let mut wait = stage.node.control_plane().kubectl(&User::Admin)?;
    wait.args(["-n", "kube-system", "logs", "deployment/coredns"]);
    let out = wait.output().await?;
    println!("{}{} {:?}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr), begun.elapsed());
    if std::env::var_os("HOLD").is_some() { tokio::time::sleep(std::time::Duration::from_secs(1200)).await; }
    kubectl.args(["get", "pods,svc,endpointslices,nodes", "-A", "-o", "wide"]);
    let out = kubectl.output().await?;
    println!("{}", String::from_utf8_lossy(&out.stdout));
    Ok(())
}
