//! What kubectl prints of ApiTokens is what docs/kubectl.md shows, but for times, ages, identifiers and widths.
//!
//! `UPDATE_DOCS=1 cargo test --test e2e -- kubectl_prints` writes what is printed now into the page.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{
    operator,
    stage::{Stage, repository_file},
    team, vendors,
};

const PAGE: &str = "docs/kubectl.md";
const NAMESPACE: &str = "docs";
const FENCE: &str = "```console\n";

/// A command of the page with its output.
struct Example {
    command: String,
    output: String,
}

pub async fn kubectl_prints_what_the_page_about_it_shows(stage: &Stage) -> Result<()> {
    prepared(stage).await?;
    let page = repository_file(PAGE)?;
    let mut written = page.clone();
    let mut different = Vec::new();
    let examples = examples(&page);
    ensure!(examples.len() >= 6, "{PAGE} has {} examples", examples.len());
    for example in examples {
        let printed = run(stage, &example.command).await?;
        if shape(&printed) != shape(&example.output) {
            different.push(format!("$ {}\n{printed}--- the page shows:\n{}", example.command, example.output));
        }
        let block = |output: &str| format!("$ {}\n{output}", example.command);
        written = written.replace(&block(&example.output), &block(&printed));
    }
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(PAGE), written)?;
        return Ok(());
    }
    assert!(different.is_empty(), "UPDATE_DOCS=1 writes what is printed now:\n\n{}", different.join("\n"));
    Ok(())
}

/// The sample in a namespace without pods, with a wrong password for one of the tokens.
async fn prepared(stage: &Stage) -> Result<()> {
    operator::installed(stage).await?;
    team::prepared(stage).await?;
    stage.namespace(NAMESPACE).await?;
    stage.apply(NAMESPACE, &team::sample(stage)?).await?;
    for token in &team::TOKENS[..2] {
        let token = format!("apitoken/{}", token.name);
        stage.kubectl(&["-n", NAMESPACE, "wait", &token, "--for=condition=Ready", "--timeout=60s"]).await?;
    }
    stage.apply(NAMESPACE, &vendors::palette_request("billing", "robot@example.com", "mistyped")).await?;
    let rejected = "--for=jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=CredentialsRejected";
    stage.kubectl(&["-n", NAMESPACE, "wait", "apitoken/billing", rejected, "--timeout=60s"]).await?;
    let all = ["-n", NAMESPACE, "wait", "apitoken/monitoring", "--for=condition=Ready", "--timeout=60s"];
    stage.kubectl(&all).await.map(drop)
}

fn examples(page: &str) -> Vec<Example> {
    let blocks = page.split(FENCE).skip(1).filter_map(|rest| rest.split_once("```").map(|(block, _)| block));
    let commands = blocks.flat_map(|block| block.split("$ ").skip(1));
    let split = commands.filter_map(|text| text.split_once('\n'));
    split.map(|(command, output)| Example { command: command.to_owned(), output: output.to_owned() }).collect()
}

/// Runs a command of the page, in its namespace.
async fn run(stage: &Stage, command: &str) -> Result<String> {
    let words = words(command);
    let (program, arguments) = words.split_first().context("an empty command")?;
    ensure!(program == "kubectl", "{command} is not kubectl's");
    let mut all = vec!["-n", NAMESPACE];
    all.extend(arguments.iter().map(String::as_str));
    stage.kubectl(&all).await
}

/// As a shell would split it; quotes are single.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The text without what differs from run to run. Of tables and lists the order of lines is left as it is.
fn shape(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().map(kind).collect();
        words.join(" ")
    });
    lines.filter(|line| !line.is_empty()).collect()
}

/// A placeholder for what differs from run to run, else the word itself.
fn kind(word: &str) -> &str {
    let bare = word.trim_end_matches([',', ';', '.']).trim_matches('"');
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_age = bare.len() > 1
        && bare.starts_with(|c: char| c.is_ascii_digit())
        && bare.ends_with(['s', 'm', 'h', 'd'])
        && bare.bytes().all(|byte| byte.is_ascii_digit() || b"smhd".contains(&byte));
    let is_uid = bare.len() == 36 && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if bare.parse::<jiff::Timestamp>().is_ok() {
        "TIME"
    } else if is_age {
        "AGE"
    } else if is_uid {
        "UID"
    } else if is_digits(bare) && bare.len() > 1 {
        "NUMBER"
    } else {
        word
    }
}
