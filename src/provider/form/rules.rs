//! The rules by which failures are recognized.

use super::reply::source;
use crate::{
    api::http::{ErrorRule, FailureClass, Operation},
    provider::{
        definition::{Condition, Rule},
        problem::Problems,
    },
};

pub(super) fn rules(problems: &mut Problems, at: &str, forms: &[ErrorRule]) -> Vec<Rule> {
    forms.iter().enumerate().filter_map(|(index, form)| rule(problems, &format!("{at}[{index}]"), form)).collect()
}

/// The replies that a rule is about, as it is written.
pub(super) struct Written<'a> {
    pub status: &'a [i32],
    pub json: Option<&'a str>,
    pub header: Option<&'a str>,
    pub text: bool,
    pub equals: &'a [String],
}

fn rule(problems: &mut Problems, at: &str, form: &ErrorRule) -> Option<Rule> {
    let written = Written {
        status: &form.status,
        json: form.json.as_deref(),
        header: form.header.as_deref(),
        text: form.text.is_some(),
        equals: &form.equals,
    };
    let (status, condition) = matching(problems, at, &written)?;
    if form.class == FailureClass::SessionOver && form.operation != Some(Operation::Refresh) {
        problems.add(format!("{at}.class"), "a login has no session that could be over: add `operation: Refresh`");
    }
    if form.reason.as_deref().is_some_and(|reason| !is_reason(reason)) {
        problems.add(format!("{at}.reason"), "is one word like MfaRequired");
    }
    Some(Rule { operation: form.operation, status, condition, class: form.class, reason: form.reason.clone() })
}

/// Statuses (any, if there is none) and what must stand where; `None` if that cannot be told.
pub(super) fn matching(problems: &mut Problems, at: &str, form: &Written<'_>) -> Option<(Vec<u16>, Option<Condition>)> {
    let places = [form.json.is_some(), form.header.is_some(), form.text];
    let condition = match places.into_iter().filter(|given| *given).count() {
        0 => None,
        1 => {
            let source = source(problems, at, [form.json, form.header, None], form.text)?;
            Some(Condition { source, equals: form.equals.to_vec() })
        }
        _ => {
            problems.add(at, "has at most one of json, header, text");
            return None;
        }
    };
    if condition.is_none() && !form.equals.is_empty() {
        problems.add(format!("{at}.equals"), "compares nothing: add json, header or text");
    }
    if condition.is_none() && form.status.is_empty() {
        problems.add(at, "would match every reply: add status, json, header or text");
    }
    let status: Vec<u16> = form.status.iter().filter_map(|code| u16::try_from(*code).ok()).collect();
    if status.len() != form.status.len() || !status.iter().all(|code| (200..600).contains(code)) {
        problems.add(format!("{at}.status"), "holds HTTP statuses, 200 to 599");
    }
    Some((status, condition))
}

fn is_reason(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
