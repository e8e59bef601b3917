//! The picture in the README: what `try` prints for the definition of the guide, as a terminal shows it.

use std::{env, fmt::Write, fs, path::Path};

use crate::transcript::{self, settled};

const PICTURE: &str = "docs/try.svg";
const COMMAND: &str = "$ apitoken-operator try -f stock.yaml --credentials login";
/// Pixels of a line, of a character, and around the text.
const LINE: usize = 19;
const CHARACTER: usize = 8;
const MARGIN: usize = 20;

/// A line without a blank at its start is a heading; the rest is told apart by what stands in it.
fn colour(line: &str) -> &'static str {
    match line {
        _ if line.starts_with('$') => "#7ee787",
        _ if !line.starts_with(' ') => "#ffffff",
        _ if line.contains("<- counts") => "#7ee787",
        _ if line.starts_with("  POST") || line.starts_with("  200") => "#79c0ff",
        _ => "#c9d1d9",
    }
}

fn drawn(lines: &[&str]) -> String {
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (width, height) = (widest * CHARACTER + 2 * MARGIN, lines.len() * LINE + 2 * MARGIN);
    let mut picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13">
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
"##
    );
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let (y, escaped) = (MARGIN + at * LINE + 14, escaped(line));
        // A renderer without this font still keeps the columns.
        let length = line.chars().count() * CHARACTER;
        let weight = if line.starts_with(' ') { "" } else { r#" font-weight="bold""# };
        let colour = colour(line);
        writeln!(
            picture,
            r#"<text x="{MARGIN}" y="{y}" textLength="{length}" fill="{colour}"{weight} xml:space="preserve">{escaped}</text>"#
        )
        .unwrap();
    }
    picture + "</svg>\n"
}

fn escaped(line: &str) -> String {
    line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text of a picture, as it was drawn.
fn text_of(picture: &str) -> Vec<String> {
    let lines = picture.lines().filter_map(|line| line.strip_prefix("<text ")?.strip_suffix("</text>"));
    lines.map(|line| line.split_once('>').unwrap().1.to_owned()).collect()
}

#[tokio::test]
async fn the_picture_in_the_readme_shows_what_is_printed() {
    let said = transcript::of_the_guide(&[], vec![transcript::reply()]).await;
    let lines: Vec<&str> = [COMMAND, ""].into_iter().chain(said.trim_end().lines()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PICTURE);
    if env::var_os("UPDATE_PICTURE").is_some() {
        fs::write(&path, drawn(&lines)).unwrap();
    }
    let shown = text_of(&fs::read_to_string(&path).unwrap_or_default()).join("\n");
    let printed: Vec<String> = lines.iter().filter(|line| !line.is_empty()).map(|line| escaped(line)).collect();
    assert!(
        settled(&shown) == settled(&printed.join("\n")),
        "{PICTURE} is out of date: UPDATE_PICTURE=1 cargo test --test try_provider"
    );
    assert!(!printed.join("\n").contains("change-me"), "a password in the picture");
}
