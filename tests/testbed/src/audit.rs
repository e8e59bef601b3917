//! Reads the API server's audit log: who asked what, and what the answer's code was. It only reads.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The audit log of one control plane.
#[derive(Clone, Debug)]
pub struct AuditLog(PathBuf);

/// A place in the log: events behind it are new. The default is the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(u64);

/// One request that was answered, or one watch that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Who asked, as in [`crate::users::User::name`].
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The plural, such as `secrets`; empty if the URL names no resource.
    pub resource: String,
    /// Such as `status`; empty if there is none.
    pub subresource: String,
    /// Empty for what has no namespace.
    pub namespace: String,
    /// Empty for lists, watches, and creations with a generated name.
    pub name: String,
    /// Path and query as they were sent.
    pub uri: String,
    /// The HTTP status of the answer.
    pub code: u16,
    pub user_agent: String,
}

impl AuditLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The present end of the log.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn mark(&self) -> Result<Mark> {
        let metadata = fs::metadata(&self.0).with_context(|| format!("cannot read {}", self.0.display()))?;
        Ok(Mark(metadata.len()))
    }

    /// What was answered since the mark, oldest first; a watch stands where it was opened.
    ///
    /// A request that a client has the answer to is in the log, or will be within the moment that the server
    /// takes to finish it; one that is still being answered is not.
    ///
    /// # Errors
    /// The log cannot be read, or a line of it is no audit event.
    pub fn since(&self, mark: &Mark) -> Result<Vec<AuditEvent>> {
        let text = self.text_since(mark)?;
        let mut events = Vec::new();
        for line in text.lines() {
            let line: Line = serde_json::from_str(line).with_context(|| format!("no audit event: {line}"))?;
            if line.counts() {
                events.push(line.into());
            }
        }
        Ok(events)
    }

    /// The log since the mark as it was written, in whole lines, to search for what must not be in it.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn text_since(&self, mark: &Mark) -> Result<String> {
        let mut bytes = Vec::new();
        let mut file = File::open(&self.0).with_context(|| format!("cannot read {}", self.0.display()))?;
        file.seek(SeekFrom::Start(mark.0.saturating_sub(1)))?;
        file.read_to_end(&mut bytes)?;
        // The server may be in the middle of a line, now and when the mark was made: what it wrote then is not new.
        let newline = |byte: &u8| *byte == b'\n';
        let begin = if mark.0 == 0 { Some(0) } else { bytes.iter().position(newline).map(|at| at + 1) };
        let end = bytes.iter().rposition(newline).map(|at| at + 1);
        let lines = begin.zip(end).and_then(|(begin, end)| bytes.get(begin..end)).unwrap_or_default();
        Ok(String::from_utf8_lossy(lines).into_owned())
    }
}

/// The part of audit.k8s.io/v1 Event that is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: LineUser,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: LineObject,
    #[serde(default)]
    response_status: LineStatus,
}

#[derive(Deserialize)]
struct LineUser {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LineObject {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LineStatus {
    code: u16,
}

impl Line {
    /// A watch is logged at its start and at its end, anything else at its end only.
    fn counts(&self) -> bool {
        if self.verb == "watch" { self.stage == "ResponseStarted" } else { self.stage != "ResponseStarted" }
    }
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        let LineObject { resource, subresource, namespace, name } = line.object_ref;
        Self {
            user: line.user.username,
            verb: line.verb,
            resource,
            subresource,
            namespace,
            name,
            uri: line.request_uri,
            code: line.response_status.code,
            user_agent: line.user_agent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LINE: &str = "{\"stage\":\"ResponseComplete\",\"verb\":\"get\",\"requestURI\":\"/ü\",\"user\":{}}\n";

    #[test]
    fn whatever_moment_a_mark_is_made_at_whole_lines_follow_and_none_that_had_begun() {
        for written in 0..=LINE.len() {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            let log = AuditLog::new(file.path().to_owned());
            file.write_all(&LINE.as_bytes()[..written]).expect("written");
            let mark = log.mark().expect("a mark");
            assert!(log.since(&mark).expect("no events").is_empty());
            file.write_all(&LINE.as_bytes()[written..]).expect("written");
            file.write_all(LINE.as_bytes()).expect("written");
            let new = log.since(&mark).expect("events").len();
            assert_eq!(new, if written == 0 { 2 } else { 1 }, "{written} bytes were there");
            file.write_all(&LINE.as_bytes()[..9]).expect("written");
            assert_eq!(log.since(&mark).expect("events").len(), new);
        }
    }
}
