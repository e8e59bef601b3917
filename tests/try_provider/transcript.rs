//! The transcript in docs/providers/write-one.md is what `try` prints.

use std::path::Path;

use serde_json::json;
use testbed::vendors::{Scripted, scripted::Reply};

use crate::bench::Bench;

const PAGE: &str = "docs/providers/write-one.md";

/// What the vendor of the guide answers to a login.
pub fn reply() -> Reply {
    Reply::json(
        200,
        &json!({
            "data": { "sessionToken": "canary-token-of-64-letters-".repeat(3)[..64], "renewal": "c".repeat(36), "expiresIn": 1200 },
            "user": { "name": "robot" },
        }),
    )
}

/// What `try` prints with these flags for the definition of the guide.
pub async fn of_the_guide(flags: &[&str], replies: Vec<Reply>) -> String {
    let provider = guide();
    let provider = provider.split("```yaml\n").nth(1).unwrap().split("\n```").next().unwrap();
    let bench = Bench::new([]);
    let server = Scripted::start_plain(replies).unwrap();
    let local = provider.replace("https://stock.example.com", &server.origin());
    bench.write("provider.yaml", &local.replace("spec:\n", "spec:\n  tls: { insecureHTTP: true }\n"));
    bench.write("login/password", "change-me");
    let said = bench.run(flags).await;
    said.expect(0, &[]);
    said.out.replace(&server.origin(), "https://stock.example.com")
}

fn guide() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap()
}

#[tokio::test]
async fn the_transcripts_of_the_guide_are_what_is_printed() {
    let page = guide();
    let again = json!({ "data": { "sessionToken": "canary-other-of-64-letters-".repeat(3)[..64], "expiresIn": 1200 } });
    for (flags, replies) in [(&["--dry-run"][..], vec![]), (&["--refresh"], vec![reply(), Reply::json(200, &again)])] {
        let out = of_the_guide(flags, replies).await;
        let printed = settled(&out);
        let blocks = page.split("```text\n").skip(1).map(|block| block.split("```").next().unwrap());
        let shown: Vec<_> = blocks.map(settled).collect();
        assert!(shown.contains(&printed), "{PAGE} does not show what is printed now:\n{out}");
    }
}

/// What no two runs share: times, and how long things took.
pub fn settled(text: &str) -> String {
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
