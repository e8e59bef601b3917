//! What the vendors were asked, a line for each login and refresh, as soon as it is answered.

use jiff::Timestamp;
use testbed::vendors::{Exchange, Operation, TokenKind, history::History};

use crate::screen::{Screen, Tone};

/// Reads the vendors' histories and tells each exchange once.
pub struct Feed(Vec<Source>);

struct Source {
    vendor: &'static str,
    history: History,
    /// Numbers of exchanges that were told.
    told: Vec<u64>,
}

impl Feed {
    pub fn new(vendors: impl IntoIterator<Item = (&'static str, History)>) -> Self {
        let source = |(vendor, history)| Source { vendor, history, told: Vec::new() };
        Self(vendors.into_iter().map(source).collect())
    }

    /// Lines for what was answered since the last call, in the order of the answers.
    pub fn news(&mut self, screen: &Screen) -> Vec<String> {
        let mut news = Vec::new();
        for source in &mut self.0 {
            let exchanges = [Operation::Login, Operation::Refresh].map(|operation| source.history.of(operation));
            for exchange in exchanges.into_iter().flatten() {
                if let Some(answered) = exchange.answered.filter(|_| !source.told.contains(&exchange.number)) {
                    source.told.push(exchange.number);
                    news.push((answered, line(screen, source.vendor, &exchange, answered)));
                }
            }
        }
        news.sort_by_key(|(answered, _)| *answered);
        news.into_iter().map(|(_, line)| line).collect()
    }
}

fn line(screen: &Screen, vendor: &str, exchange: &Exchange, answered: Timestamp) -> String {
    let operation = if exchange.operation == Operation::Login { "login" } else { "refresh" };
    let took = answered.duration_since(exchange.received).as_secs_f64();
    let status = exchange.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let token = exchange.issued.iter().find(|token| token.kind == TokenKind::Access);
    let outcome = match (token.and_then(|token| token.expires_at), &exchange.refusal) {
        (Some(until), _) => screen.paint(Tone::Good, &format!("a token until {}", until.strftime("%H:%M:%S"))),
        (None, Some(why)) => screen.paint(Tone::Bad, why),
        (None, None) => String::new(),
    };
    let at = screen.paint(Tone::Faint, &answered.strftime("%H:%M:%S").to_string());
    format!("   {at}  {vendor:<8} {operation:<8} {status} after {took:.2} s   {outcome}")
}
