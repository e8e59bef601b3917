//! The node itself: what the other stories take for granted.

use anyhow::Result;
use testbed::users::User;

use crate::stage::Stage;

pub async fn a_pod_finds_a_service_by_its_name_and_mounts_a_secret(stage: &Stage) -> Result<()> {
    let mut kubectl = stage.node.control_plane().kubectl(&User::Admin)?;
    kubectl.args(["get", "pods,svc,endpointslices,nodes", "-A", "-o", "wide"]);
    let out = kubectl.output().await?;
    println!("{}", String::from_utf8_lossy(&out.stdout));
    Ok(())
}
