//! From nothing to three tokens.

use anyhow::Result;

use super::is_ready;
use crate::{pod::Pod, stage::Stage};

pub async fn play(stage: &mut Stage<'_>) -> Result<()> {
    stage.screen.chapter(
        "First tokens",
        "Three providers, three Secrets with credentials, three ApiTokens. Tokens live 14 to 18 s here, to be watched.",
    )?;
    place(stage)?;
    stage.apply_sample().await?;
    stage.screen.line("")?;
    // In the order in which they answer: Tenovos takes its documented 3.7 s for a login.
    for (vendor, token) in [("palette", "clusters"), ("virtana", "monitoring"), ("tenovos", "assets")] {
        stage.until(&format!("first token of {vendor}"), |stage| is_ready(stage.token(token))).await?;
        let pod = start_pod(stage, vendor, token)?;
        stage.pods.push(pod);
    }
    stage.linger(2).await?;
    stage.show().await?;
    stage.screen.line("")?;
    let once = stage.pods.iter().all(|pod| pod.asked().refused_logins == 0);
    stage.promises.check(stage.screen, once, "every credential was accepted at the first attempt", || {
        "a login was refused".into()
    })?;
    Ok(())
}

fn place(stage: &mut Stage<'_>) -> Result<()> {
    let authority = stage.vendors.ca.pem();
    let places = [
        ("palette", stage.vendors.palette.base_url()),
        ("tenovos", stage.vendors.tenovos.base_url()),
        ("virtana", stage.vendors.virtana.base_url()),
    ];
    stage.screen.line("   The vendors of the demo listen on loopback, so the sample is changed in two places:")?;
    for (provider, url) in places {
        let before = stage.sample.place(provider, &url, &authority)?;
        stage
            .screen
            .line(&format!("     {provider}: url {before} -> {url}, tls.caBundle -> the authority of the demo"))?;
    }
    Ok(stage.screen.line("")?)
}

fn start_pod(stage: &Stage<'_>, vendor: &'static str, token: &'static str) -> Result<Pod> {
    let vendors = &stage.vendors;
    let ca = &vendors.ca;
    let (history, call) = match vendor {
        "palette" => (vendors.palette.record(), vendors.palette.call(ca, "token")),
        "virtana" => (vendors.virtana.record(), vendors.virtana.call(ca, "token")),
        _ => {
            let api_key = stage.sample.credentials("tenovos-login")?.remove("apiKey").unwrap_or_default();
            (vendors.tenovos.record(), vendors.tenovos.call(ca, &api_key))
        }
    };
    Ok(Pod::start(vendor, token, history.clone(), call, stage.secrets()?))
}
