//! What is wrong with a manifest, for people and for a pipeline.

use std::fmt::Write as _;

use serde::Serialize;

/// One thing that is wrong, or that could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub file: String,
    /// From 1; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Such as `ApiToken web/assets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// As `kubectl explain` writes it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    pub message: String,
    pub severity: Severity,
}

/// Whether a finding makes the manifest wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot work.
    Error,
    /// It may work; what could not be checked, and why.
    Note,
}

impl Finding {
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Findings, by file and line, errors first where they meet.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| (&a.file, a.line, a.severity, &a.path).cmp(&(&b.file, b.line, b.severity, &b.path)));
}

/// Two lines for each: where, and what.
#[must_use]
pub fn text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let object = finding.object.as_ref().map(|object| format!("  {object}")).unwrap_or_default();
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Note => "note",
        };
        let path = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
        let _ = writeln!(out, "{}{line}{object}\n  {severity}: {path}{}", finding.file, finding.message);
    }
    out
}
