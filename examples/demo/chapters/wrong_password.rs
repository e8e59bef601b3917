//! Somebody mistypes two secrets, and puts them right again.

use anyhow::Result;

use super::{failed, is_ready, ready, troubles};
use crate::{
    pod::{Asked, Pod},
    stage::Stage,
};

/// Secret, its key, and a mistyped value.
const PALETTE: (&str, &str) = ("palette-login", "password");
const VIRTANA: (&str, &str) = ("virtana-login", "clientSecret");

pub async fn play(stage: &mut Stage<'_>) -> Result<()> {
    stage.screen.chapter("A wrong password", "Palette's session goes on without it. Virtana has no refresh: its token lives out its life, and then the reason is told.")?;
    let (palette, virtana) = (asked(stage, "palette"), asked(stage, "virtana"));
    let since = |stage: &Stage<'_>| (asked(stage, "palette").since(palette), asked(stage, "virtana").since(virtana));
    write(stage, PALETTE, "mistyped").await?;
    write(stage, VIRTANA, "mistyped").await?;
    stage
        .until("refused login at both", |stage| {
            let (palette, virtana) = since(stage);
            palette.refused_logins > 0 && virtana.refused_logins > 0
        })
        .await?;
    stage.until("ApiToken monitoring that is not Ready", |stage| !is_ready(stage.token("monitoring"))).await?;
    stage.until("refresh of Palette in spite of it", |stage| since(stage).0.granted() > 0).await?;
    stage.linger(3).await?;
    stage.show().await?;
    say(stage, "clusters")?;
    say(stage, "monitoring")?;
    stage.screen.line("")?;
    let (palette, virtana) = since(stage);
    let once = palette.refused_logins == 1 && virtana.refused_logins == 1;
    stage.promises.check(stage.screen, once, "the wrong secrets were tried once each, and not again", || {
        format!("{palette:?} {virtana:?}")
    })?;
    let told = ready(stage.token("monitoring")).1 == "CredentialsRejected";
    stage.promises.check(stage.screen, told, "the reason is CredentialsRejected", || "it is another".into())?;
    recover(stage).await
}

async fn recover(stage: &mut Stage<'_>) -> Result<()> {
    let before = asked(stage, "virtana");
    stage.screen.line("")?;
    let right = |stage: &Stage<'_>, (secret, key): (&str, &str)| -> Result<String> {
        Ok(stage.sample.credentials(secret)?.remove(key).unwrap_or_default())
    };
    let (password, secret) = (right(stage, PALETTE)?, right(stage, VIRTANA)?);
    write(stage, PALETTE, &password).await?;
    write(stage, VIRTANA, &secret).await?;
    let well = |stage: &Stage<'_>, name| is_ready(stage.token(name)) && !failed(stage.token(name));
    let took = stage.until("recovery", |stage| well(stage, "monitoring") && well(stage, "clusters")).await?;
    // The first token after an outage can be renewed 5 s later.
    let asked = asked(stage, "virtana").since(before);
    // A call that was under way with the old token is over by then.
    stage.linger(1).await?;
    let refused = troubles(stage).len();
    stage.screen.line(&format!("   both well {:.1} s after the Secrets were put right", took.as_secs_f64()))?;
    stage.linger(4).await?;
    stage.show().await?;
    stage.screen.line("")?;
    stage.promises.check(
        stage.screen,
        asked.logins == 1 && asked.refused_logins == 0,
        "one login, and Virtana's token is back",
        || format!("{asked:?}"),
    )?;
    let troubles = troubles(stage);
    let only_virtana = troubles.iter().all(|trouble| trouble.starts_with("virtana")) && troubles.len() == refused;
    stage.promises.check(
        stage.screen,
        only_virtana,
        "calls were refused while Virtana's token was expired, and no others",
        || troubles.join("; "),
    )?;
    Ok(())
}

async fn write(stage: &mut Stage<'_>, (secret, key): (&str, &str), value: &str) -> Result<()> {
    let patch = format!("{{\"stringData\":{{\"{key}\":\"{value}\"}}}}");
    stage.kubectl(&["patch", "secret", secret, "--type", "merge", "--patch", &patch]).await
}

fn asked(stage: &Stage<'_>, vendor: &str) -> Asked {
    stage.pod(vendor).map(Pod::asked).unwrap_or_default()
}

/// What the ApiToken itself says.
fn say(stage: &mut Stage<'_>, name: &str) -> Result<()> {
    let (status, reason, message) = ready(stage.token(name));
    let text = format!("\n   {name}: Ready={status} {reason}\n     {message}");
    Ok(stage.screen.line(&text)?)
}
