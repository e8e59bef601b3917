//! The panel: what kubectl says, and below it how often each vendor was asked and how its pod fares.

use apitoken_operator::api::ApiToken;
use jiff::Timestamp;

use crate::{
    pod::Pod,
    screen::{Screen, Tone},
};

/// Steps of the bar.
const BAR: u8 = 16;

/// The lines of the panel. `table` is the output of `kubectl get apitokens`.
pub fn lines(screen: &Screen, table: &str, pods: &[Pod], tokens: &[ApiToken]) -> Vec<String> {
    let mut lines = vec![String::new(), screen.paint(Tone::Command, "   $ kubectl get apitokens")];
    lines.extend(table.lines().map(|line| format!("   {}", with_verdict(screen, line))));
    if pods.is_empty() {
        return lines;
    }
    lines.push(String::new());
    let heading = format!(
        "   {:<9} {:<14} {:<14} {:>8} {:>8}   TOKEN IN THE SECRET",
        "VENDOR", "LOGINS", "REFRESHES", "ACCEPTED", "REFUSED"
    );
    lines.push(screen.paint(Tone::Faint, &heading));
    let now = Timestamp::now();
    for pod in pods {
        let token = tokens.iter().find(|token| token.metadata.name.as_deref() == Some(pod.token));
        lines.push(format!("   {}   {}", counts(screen, pod), life(screen, token, now)));
    }
    lines
}

/// Logins, refreshes and calls of one vendor: from its history, and from its pod.
pub fn counts(screen: &Screen, pod: &Pod) -> String {
    let (asked, calls) = (pod.asked(), pod.calls());
    let with_refused = |all: usize, refused: usize| match refused {
        0 => all.to_string(),
        _ => format!("{all} ({refused} refused)"),
    };
    let refused = format!("{:>8}", calls.refused.len());
    let refused = if calls.refused.is_empty() { refused } else { screen.paint(Tone::Bad, &refused) };
    format!(
        "{:<9} {:<14} {:<14} {:>8} {refused}",
        pod.vendor,
        with_refused(asked.logins, asked.refused_logins),
        with_refused(asked.refreshes, asked.refused_refreshes),
        calls.accepted,
    )
}

fn with_verdict(screen: &Screen, line: &str) -> String {
    let good = line.replacen(" True ", &format!(" {} ", screen.paint(Tone::Good, "True")), 1);
    good.replacen(" False ", &format!(" {} ", screen.paint(Tone::Bad, "False")), 1)
}

/// What is left of the token, as a bar on a terminal and in words.
fn life(screen: &Screen, token: Option<&ApiToken>, now: Timestamp) -> String {
    let status = token.and_then(|token| token.status.as_ref());
    let Some((issued, expires)) = status.and_then(|status| status.issued_at.as_ref().zip(status.expires_at.as_ref()))
    else {
        return "none yet".to_owned();
    };
    let left = expires.0.duration_since(now).as_secs_f64();
    let words = if left > 0.0 { format!("{left:.0} s left") } else { screen.paint(Tone::Bad, "expired") };
    if !screen.is_live() {
        return words;
    }
    let share = left / expires.0.duration_since(issued.0).as_secs_f64().max(1.0);
    let full = (1..=BAR).filter(|step| (f64::from(*step) - 0.5) / f64::from(BAR) <= share).count();
    let bar = screen.paint(Tone::Good, &"█".repeat(full));
    let rest = screen.paint(Tone::Faint, &"░".repeat(usize::from(BAR) - full));
    format!("{bar}{rest} {words}")
}
