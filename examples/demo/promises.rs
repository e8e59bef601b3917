//! What was promised, and whether it was kept.

use std::io;

use crate::screen::{Screen, Tone};

/// The promises so far.
#[derive(Default)]
pub struct Promises {
    pub made: usize,
    pub broken: Vec<String>,
}

impl Promises {
    /// Prints the promise with its verdict and remembers it. `seen` is told when it was not kept.
    pub fn check(
        &mut self,
        screen: &mut Screen,
        kept: bool,
        promise: &str,
        seen: impl FnOnce() -> String,
    ) -> io::Result<()> {
        self.made += 1;
        if kept {
            let mark = screen.paint(Tone::Good, "✓");
            return screen.line(&format!("   {mark} {promise}"));
        }
        let mark = screen.paint(Tone::Bad, "✗");
        let broken = format!("{promise} -- but {}", seen());
        screen.line(&format!("   {mark} {broken}"))?;
        self.broken.push(broken);
        Ok(())
    }
}
