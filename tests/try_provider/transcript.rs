//! The transcript in docs/providers/write-one.md is what `try` prints.

use std::path::Path;

use serde_json::json;
use testbed::vendors::{Scripted, scripted::Reply};

use crate::bench::Bench;

const PAGE: &str = "docs/providers/write-one.md";

#[tokio::test]
async fn the_transcripts_of_the_guide_are_what_is_printed() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let provider = page.split("```yaml\n").nth(1).unwrap().split("\n```").next().unwrap();
    let reply = json!({
        "data": { "sessionToken": "canary-token-of-64-letters-".repeat(3)[..64], "renewal": "c".repeat(36), "expiresIn": 1200 },
        "user": { "name": "robot" },
    });
    let again = json!({ "data": { "sessionToken": "canary-other-of-64-letters-".repeat(3)[..64], "expiresIn": 1200 } });
    for (flags, replies) in
        [(&["--dry-run"][..], vec![]), (&["--refresh"], vec![Reply::json(200, &reply), Reply::json(200, &again)])]
    {
        let bench = Bench::new([]);
        let server = Scripted::start_plain(replies).unwrap();
        let local = provider.replace("https://stock.example.com", &server.origin());
        bench.write("provider.yaml", &local.replace("spec:\n", "spec:\n  tls: { insecureHTTP: true }\n"));
        bench.write("login/password", "change-me");
        let said = bench.run(flags).await;
        said.expect(0, &[]);
        let out = said.out.replace(&server.origin(), "https://stock.example.com");
        let printed = settled(&out);
        let blocks = page.split("```text\n").skip(1).map(|block| block.split("```").next().unwrap());
        let shown: Vec<_> = blocks.map(settled).collect();
        assert!(shown.contains(&printed), "{PAGE} does not show what is printed now:\n{out}");
    }
}

#[test]
fn what_the_readme_shows_is_an_excerpt_of_the_guide() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (readme, guide) = (read("README.md"), read(PAGE));
    let (_, section) = readme.split_once("## A provider of your own").unwrap();
    let excerpt = section.split("```text\n").nth(1).unwrap().split("\n```").next().unwrap();
    let transcript = guide.split("```text\n").find(|block| block.contains("\nRefresh\n")).unwrap();
    let mut lines = transcript.lines();
    for line in excerpt.lines().filter(|line| *line != "  ...") {
        assert!(lines.any(|printed| printed == line), "{line:?} is not in the transcript, or not there");
    }
}

/// What no two runs share: times, and how long things took.
fn settled(text: &str) -> String {
    let word = |word: &str| match word {
        time if time.len() >= 20 && time.starts_with("20") && time.trim_end_matches(':').ends_with('Z') => {
            "TIME".to_owned()
        }
        seconds if seconds.parse::<f64>().is_ok() && seconds.contains('.') => "SECONDS".to_owned(),
        other => other.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}
