//! Nothing happens but renewals, and nobody notices them.

use anyhow::Result;

use super::troubles;
use crate::{
    pod::{Asked, Pod},
    stage::Stage,
};

pub async fn play(stage: &mut Stage<'_>) -> Result<()> {
    stage.screen.chapter("Renewals", "A pod of each vendor reads its Secret twice a second and calls the vendor with it. Tokens are replaced in time.")?;
    let before: Vec<Asked> = stage.pods.iter().map(Pod::asked).collect();
    let since = |stage: &Stage<'_>| -> Vec<Asked> {
        stage.pods.iter().zip(&before).map(|(pod, before)| pod.asked().since(*before)).collect()
    };
    stage.until("second renewal of each token", |stage| since(stage).iter().all(|asked| asked.granted() >= 2)).await?;
    stage.linger(2).await?;
    stage.show().await?;
    let asked = since(stage);
    stage.screen.line("")?;
    // Virtana's preset has no refresh: a renewal there is a login, and that is one call as well.
    let refreshed = stage.pods.iter().zip(&asked).all(|(pod, asked)| pod.vendor == "virtana" || asked.logins == 0);
    stage.promises.check(stage.screen, refreshed, "Palette and Tenovos were refreshed without a login", || {
        format!("{asked:?}")
    })?;
    let granted = asked.iter().all(|asked| asked.refused_logins + asked.refused_refreshes == 0);
    stage.promises.check(stage.screen, granted, "each renewal took one call to the vendor", || format!("{asked:?}"))?;
    let troubles = troubles(stage);
    stage.promises.check(stage.screen, troubles.is_empty(), "no call of a pod was refused", || troubles.join("; "))?;
    Ok(())
}
