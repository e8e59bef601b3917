//! The vendor revokes the session: the next refresh is refused.

use anyhow::Result;

use super::troubles;
use crate::stage::Stage;

pub async fn play(stage: &mut Stage<'_>) -> Result<()> {
    stage.screen.chapter(
        "The refresh token is revoked",
        "An administrator at Tenovos ends all sessions. The next refresh is refused, and one login follows at once.",
    )?;
    let before = stage.pod("tenovos")?.asked();
    stage.vendors.tenovos.revoke_sessions();
    let since = |stage: &Stage<'_>| stage.pod("tenovos").map(|pod| pod.asked().since(before)).unwrap_or_default();
    stage
        .until("refused refresh and a login after it", |stage| {
            let asked = since(stage);
            asked.refused_refreshes > 0 && asked.logins > 0
        })
        .await?;
    let renewed = since(stage).granted();
    stage.until("renewal in the new session", |stage| since(stage).granted() > renewed).await?;
    stage.show().await?;
    let asked = since(stage);
    stage.screen.line("")?;
    let once = asked.logins == 1 && asked.refused_logins == 0 && asked.refused_refreshes == 1;
    stage
        .promises
        .check(stage.screen, once, "one refused refresh led to exactly one login", || format!("{asked:?}"))?;
    let troubles = troubles(stage);
    stage.promises.check(stage.screen, troubles.is_empty(), "the pod noticed nothing", || troubles.join("; "))?;
    Ok(())
}
