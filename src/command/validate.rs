//! `apitoken-operator validate`: all that can be said of manifests without a cluster.
//!
//! For a pipeline. It sends nothing, and it says nothing of a Secret but names of keys.

use std::{io::Write, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{
    cross_check::cross_check,
    document::{self, Document},
    exit::Exit,
    finding::{self, Finding, Severity},
    manifest::{self, Manifest, Object},
};

/// Flags of `apitoken-operator validate`.
#[derive(Args, Clone, Debug)]
pub struct ValidateArgs {
    /// Manifests: a file, a directory with all that is below it, or - for standard input; repeatable
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,

    /// Form of the result
    #[arg(short = 'o', long, value_name = "FORM", default_value = "text", value_enum)]
    pub output: Form,

    /// Count it as wrong when something cannot be checked, such as a provider that is not among the files
    #[arg(long)]
    pub strict: bool,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// One object, for a pipeline
    Json,
}

/// What was looked at, and what was found.
pub struct Checked {
    pub manifests: Vec<Manifest>,
    /// Sorted.
    pub findings: Vec<Finding>,
}

/// Reads and checks files.
///
/// # Errors
/// If one of them cannot be read.
pub fn check(files: &[PathBuf]) -> Result<Checked, document::Unreadable> {
    let mut checked = Checked { manifests: Vec::new(), findings: Vec::new() };
    for source in document::read(files)? {
        match document::documents(&source) {
            Ok(documents) => documents.into_iter().flat_map(manifest::objects).for_each(|it| checked.add(it)),
            Err(error) => checked.findings.push(no_yaml(error)),
        }
    }
    checked.findings.extend(cross_check(&checked.manifests));
    finding::sort(&mut checked.findings);
    Ok(checked)
}

/// Checks, and writes what was found.
///
/// # Errors
/// If a file cannot be read, or the result not be written.
pub fn run(args: &ValidateArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let checked = match check(&args.files) {
        Ok(checked) => checked,
        Err(error) => return Ok(Exit::BadInput(error.into())),
    };
    let text = match args.output {
        Form::Text => format!("{}{}\n", finding::text(&checked.findings), checked.summary()),
        Form::Json => format!("{:#}\n", checked.json()),
    };
    out.write_all(text.as_bytes())?;
    let wrong = |finding: &Finding| args.strict || finding.severity == Severity::Error;
    Ok(if checked.findings.iter().any(wrong) { Exit::Refused } else { Exit::Fine })
}

impl Checked {
    fn add(&mut self, document: Document) {
        self.manifests.extend(Manifest::read(document, &mut self.findings));
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    fn summary(&self) -> String {
        let of = |wanted: fn(&Object) -> bool| self.manifests.iter().filter(|it| wanted(&it.object)).count();
        let (tokens, providers) = (of(|it| matches!(it, Object::Token(_))), of(|it| matches!(it, Object::Provider(_))));
        let (secrets, others) = (of(|it| matches!(it, Object::Secret(_))), of(is_other));
        let others = if others == 0 { String::new() } else { format!("; others, not looked at: {others}") };
        format!(
            "ApiTokens: {tokens}, providers: {providers}, Secrets: {secrets}{others}. Errors: {}, notes: {}.",
            self.count(Severity::Error),
            self.count(Severity::Note)
        )
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "objects": self.manifests.len(),
            "errors": self.count(Severity::Error),
            "notes": self.count(Severity::Note),
            "findings": self.findings,
        })
    }
}

/// A ConfigMap is looked at only where a provider refers to it.
const fn is_other(object: &Object) -> bool {
    matches!(object, Object::Other | Object::ConfigMap(_))
}

fn no_yaml(error: document::NotYaml) -> Finding {
    Finding {
        file: error.file,
        line: Some(error.line).filter(|line| *line > 0),
        object: None,
        path: String::new(),
        message: "is not YAML: look at this line and the one before; names may not repeat, and tabs do not indent"
            .to_owned(),
        severity: Severity::Error,
    }
}
