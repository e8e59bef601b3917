//! Where the demo prints: on a terminal lines scroll above a panel that is redrawn in place, elsewhere there are plain
//! lines and no control sequences. It knows nothing of what it prints.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

/// Standard output.
pub struct Screen {
    live: bool,
    coloured: bool,
    /// Lines of the panel that stand below the cursor's first line.
    panel: usize,
}

/// How a piece of text stands out.
#[derive(Clone, Copy)]
pub enum Tone {
    Heading,
    Faint,
    Good,
    Bad,
    Command,
}

impl Screen {
    pub fn new() -> Self {
        let live = io::stdout().is_terminal() && env::var("TERM").as_deref() != Ok("dumb");
        // https://no-color.org: any text but the empty one.
        let coloured = live && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { live, coloured, panel: 0 }
    }

    /// Whether a panel is redrawn in place.
    pub fn is_live(&self) -> bool {
        self.live
    }

    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Heading => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Command => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A line above the panel, which is gone until it is drawn again.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        let erase = self.erase();
        print(&format!("{erase}{text}\n"))
    }

    pub fn chapter(&mut self, title: &str, about: &str) -> io::Result<()> {
        let title = self.paint(Tone::Heading, &format!("━━ {title}"));
        self.line(&format!("\n{title}\n   {about}\n"))
    }

    /// Draws the panel, over its predecessor if there is a terminal.
    pub fn panel(&mut self, lines: &[String]) -> io::Result<()> {
        let erase = self.erase();
        let text = lines.join("\n");
        if !self.live {
            return print(&format!("{text}\n"));
        }
        self.panel = lines.len();
        // A line that wraps would take two rows, and the cursor would not find back to the first one.
        print(&format!("\x1b[?7l{erase}{text}\n\x1b[?7h"))
    }

    /// The panel stays as it stands; what follows is printed below it.
    pub fn release(&mut self) {
        self.panel = 0;
    }

    fn erase(&mut self) -> String {
        match std::mem::take(&mut self.panel) {
            0 => String::new(),
            rows => format!("\x1b[{rows}A\r\x1b[J"),
        }
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
