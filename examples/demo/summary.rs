//! The end: what each vendor was asked, how its pod fared, and whether every promise was kept.

use anyhow::Result;

use crate::{panel, pod::Pod, screen::Tone, stage::Stage};

/// Prints the summary; whether every promise was kept.
pub fn print(stage: &mut Stage<'_>) -> Result<bool> {
    stage
        .screen
        .chapter("Summary", "Logins and refreshes as the vendors recorded them, calls as the pods counted them.")?;
    let heading = format!(
        "   {:<9} {:<14} {:<14} {:>8} {:>8} {:>12}",
        "VENDOR", "LOGINS", "REFRESHES", "ACCEPTED", "REFUSED", "NO SECRET"
    );
    stage.screen.line(&stage.screen.paint(Tone::Faint, &heading))?;
    for pod in &stage.pods {
        let row = format!("   {} {:>12}", panel::counts(stage.screen, pod), pod.calls().without_token);
        stage.screen.line(&row)?;
    }
    stage.screen.line("")?;
    let mistakes: usize = stage.pods.iter().map(Pod::mistakes).sum();
    let understood = "the vendors understood every request, to the letter";
    stage.promises.check(stage.screen, mistakes == 0, understood, || format!("{mistakes} were malformed"))?;
    let promises = &stage.promises;
    let verdict = if promises.broken.is_empty() {
        stage.screen.paint(Tone::Good, &format!("All {} promises were kept.", promises.made))
    } else {
        let broken = format!(
            "{} of {} promises were broken: {}",
            promises.broken.len(),
            promises.made,
            promises.broken.join(" | ")
        );
        stage.screen.paint(Tone::Bad, &broken)
    };
    stage.screen.line(&format!("\n   {verdict}"))?;
    Ok(stage.promises.broken.is_empty())
}
