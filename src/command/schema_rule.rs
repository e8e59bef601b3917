//! The rules of a schema that are plain enough to be judged here, by their form and without a CEL library.
//!
//! Most of ours are of a few forms. The others are the API server's to judge, and what the operator needs of them it
//! checks by itself when it compiles a provider.

use regex::Regex;
use serde_json::{Map, Value};

/// What a rule says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Kept,
    Broken,
    /// Of a form that is not known here.
    NotJudged,
}

/// Judges a value by the text of a rule.
#[must_use]
pub fn judge(rule: &str, value: &Value) -> Judgement {
    match by_text(rule, value).or_else(|| by_names(rule, value)).or_else(|| by_members(rule, value)) {
        Some(true) => Judgement::Kept,
        Some(false) => Judgement::Broken,
        None => Judgement::NotJudged,
    }
}

/// Rules of a text: `self.matches('...')`, `self.contains('...')`, `!self.contains('...')`.
fn by_text(rule: &str, value: &Value) -> Option<bool> {
    let text = value.as_str()?;
    if let Some(part) = quoted(rule, "!self.contains(", ")") {
        return Some(!text.contains(&part));
    }
    if let Some(part) = quoted(rule, "self.contains(", ")") {
        return Some(text.contains(&part));
    }
    let rule = rule.strip_prefix("self != '' && ").unwrap_or(rule);
    Some(Regex::new(&quoted(rule, "self.matches(", ")")?).ok()?.is_match(text))
}

/// Rules of a map's names: `self.all(k, ALTERNATIVES)`, `!('...' in self)`.
fn by_names(rule: &str, value: &Value) -> Option<bool> {
    let members = value.as_object()?;
    if let Some(alternatives) = rule.strip_prefix("self.all(k, ").and_then(|rest| rest.strip_suffix(')')) {
        for name in members.keys() {
            let judged: Option<Vec<_>> = alternatives.split(" || ").map(|part| of_name(part, name)).collect();
            if !judged?.contains(&true) {
                return Some(false);
            }
        }
        // With no name at all nothing shows whether the rule is understood.
        return alternatives.split(" || ").map(|part| of_name(part, "")).collect::<Option<Vec<_>>>().map(|_| true);
    }
    let refused: Option<Vec<_>> = rule.split(" && ").map(|part| quoted(part, "!(", " in self)")).collect();
    Some(refused?.iter().all(|name| !members.contains_key(name)))
}

/// `k.matches('...')` or `k.startsWith('...')`, or their opposite.
fn of_name(part: &str, name: &str) -> Option<bool> {
    if let Some(part) = part.strip_prefix('!') {
        return of_name(part, name).map(|holds| !holds);
    }
    if let Some(start) = quoted(part, "k.startsWith(", ")") {
        return Some(name.starts_with(&start));
    }
    Some(Regex::new(&quoted(part, "k.matches(", ")")?).ok()?.is_match(name))
}

/// Rules of which members there are: exactly one of a list, at most one, not both.
fn by_members(rule: &str, value: &Value) -> Option<bool> {
    let members = value.as_object()?;
    let list = |end| rule.strip_prefix('[')?.strip_suffix(end)?.split(", ").map(has).collect::<Option<Vec<_>>>();
    if let Some(names) = list("].exists_one(given, given)") {
        return Some(count(members, &names) == 1);
    }
    if let Some(names) = list("].filter(given, given).size() <= 1") {
        return Some(count(members, &names) <= 1);
    }
    if let Some((one, other)) = rule.split_once(" != ") {
        return Some(count(members, &[has(one)?, has(other)?]) == 1);
    }
    // One of several is there, or is not there.
    let alternative = |part: &str| match part.strip_prefix('!') {
        Some(part) => Some(!members.contains_key(has(part)?)),
        None => Some(members.contains_key(has(part)?)),
    };
    let alternatives: Option<Vec<_>> = rule.split(" || ").map(alternative).collect();
    Some(alternatives?.contains(&true))
}

/// `NAME` of `has(self.NAME)`.
fn has(part: &str) -> Option<&str> {
    let name = part.strip_prefix("has(self.")?.strip_suffix(')')?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(name)
}

fn count(members: &Map<String, Value>, names: &[&str]) -> usize {
    names.iter().filter(|name| members.contains_key(**name)).count()
}

/// The text of the one CEL literal between `start` and `end`, if the rule is that and nothing else.
fn quoted(rule: &str, start: &str, end: &str) -> Option<String> {
    let literal = rule.strip_prefix(start)?.strip_suffix(end)?.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut text = String::with_capacity(literal.len());
    let mut letters = literal.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => return None,
            '\\' => text.push(match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                escaped @ ('\\' | '"' | '\'') => escaped,
                _ => return None,
            }),
            letter => text.push(letter),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::crd;

    #[test]
    fn rules_of_the_known_forms_are_judged() {
        let table = [
            ("self.matches('^[a-z]+$')", json!("abc"), Judgement::Kept),
            ("self.matches('^[a-z]+$')", json!("a1"), Judgement::Broken),
            ("self != '' && self.matches('^[a-z]*$')", json!("a"), Judgement::Kept),
            (r"self.matches('^[^\\s]+$')", json!("a b"), Judgement::Broken),
            ("!self.contains('${')", json!("a${b}"), Judgement::Broken),
            ("self.all(k, k.matches('^[a-z]+$'))", json!({ "a": 1, "B": 2 }), Judgement::Broken),
            ("self.all(k, k.startsWith('a/') || !k.matches('/'))", json!({ "a/b": 1, "c": 2 }), Judgement::Kept),
            ("self.all(k, k.startsWith('a/') || !k.matches('/'))", json!({ "b/c": 1 }), Judgement::Broken),
            ("self.all(k, k.size() > 1)", json!({ "b": 1 }), Judgement::NotJudged),
            ("!('' in self)", json!({ "": 1 }), Judgement::Broken),
            ("!('a' in self) && !('b' in self)", json!({ "c": 1 }), Judgement::Kept),
            ("[has(self.a), has(self.b)].exists_one(given, given)", json!({}), Judgement::Broken),
            ("[has(self.a), has(self.b)].exists_one(given, given)", json!({ "a": 1 }), Judgement::Kept),
            ("[has(self.a), has(self.b)].filter(given, given).size() <= 1", json!({}), Judgement::Kept),
            ("has(self.a) != has(self.b)", json!({ "a": 1, "b": 2 }), Judgement::Broken),
            ("!has(self.a) || !has(self.b)", json!({ "a": 1, "b": 2 }), Judgement::Broken),
            ("!has(self.a) || !has(self.b)", json!({ "b": 2 }), Judgement::Kept),
            ("self.a == 'x'", json!({ "a": "y" }), Judgement::NotJudged),
            ("self.matches('a') || self.matches('b')", json!("c"), Judgement::NotJudged),
        ];
        for (rule, value, expected) in table {
            assert_eq!(judge(rule, &value), expected, "{rule} of {value}");
        }
    }

    /// So that the API server's part stays the smaller one.
    #[test]
    fn most_rules_of_our_kinds_are_judged_here() {
        let definitions = serde_json::to_value(crd::definitions()).unwrap();
        let (mut judged, mut all) = (0, 0);
        count_rules(&definitions, &mut |rule| {
            all += 1;
            let probes = [json!("a"), json!({ "a": "a" })];
            judged += u32::from(probes.iter().any(|probe| judge(rule, probe) != Judgement::NotJudged));
        });
        assert!(all > 400 && judged * 100 / all >= 80, "{judged} of {all}");
    }

    fn count_rules(schema: &Value, found: &mut impl FnMut(&str)) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            found(rule["rule"].as_str().unwrap());
        }
        match schema {
            Value::Object(members) => members.values().for_each(|value| count_rules(value, found)),
            Value::Array(elements) => elements.iter().for_each(|value| count_rules(value, found)),
            _ => {}
        }
    }
}
