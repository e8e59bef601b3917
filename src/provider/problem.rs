//! What is wrong with a definition: every problem at once, each with its path, so that one edit can mend them all.

use std::fmt;

/// A spec that cannot be used, with all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<Problem>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `kubectl explain` writes it: `spec.http.login.path`.
    pub path: String,
    /// What, and what to do about it.
    pub message: String,
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Problems on their way into an [`Invalid`], with the path at which they are found.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        let problem = Problem { path: path.into(), message: message.into() };
        // What two requests share is looked at twice.
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }

    /// The value, if nothing was wrong with it.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Invalid> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Invalid(self.0)),
        }
    }
}
