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
    match by_count(rule, value)
        .or_else(|| by_names(rule, value))
        .or_else(|| clauses(rule, |part| atom(part, "self", value)))
    {
        Some(true) => Judgement::Kept,
        Some(false) => Judgement::Broken,
        None => Judgement::NotJudged,
    }
}

/// Exactly one of some members, or at most one.
fn by_count(rule: &str, value: &Value) -> Option<bool> {
    let members = value.as_object()?;
    let list = |end| rule.strip_prefix('[')?.strip_suffix(end)?.split(", ").map(has).collect::<Option<Vec<_>>>();
    if let Some(names) = list("].exists_one(given, given)") {
        return Some(count(members, &names) == 1);
    }
    if let Some(names) = list("].filter(given, given).size() <= 1") {
        return Some(count(members, &names) <= 1);
    }
    let (one, other) = rule.split_once(" != ")?;
    Some(count(members, &[has(one)?, has(other)?]) == 1)
}

/// `self.all(k, CLAUSES)`, of the names of a map.
fn by_names(rule: &str, value: &Value) -> Option<bool> {
    let members = value.as_object()?;
    let rule = rule.strip_prefix("self.all(k, ")?.strip_suffix(')')?;
    let of_name = |name: &str| clauses(rule, |part| atom(part, "k", &Value::from(name)));
    // With no name at all nothing shows whether the rule is understood.
    of_name("")?;
    members.keys().map(|name| of_name(name)).collect::<Option<Vec<_>>>().map(|all| !all.contains(&false))
}

/// `A && !B || C`, without parentheses. What is decided before a part that is not understood stays decided, as in CEL.
fn clauses(rule: &str, atom: impl Fn(&str) -> Option<bool>) -> Option<bool> {
    for alternative in rule.split(" || ") {
        let mut all = true;
        for part in alternative.split(" && ") {
            let holds = match part.strip_prefix('!') {
                Some(part) => !atom(part)?,
                None => atom(part)?,
            };
            all = all && holds;
        }
        if all {
            return Some(true);
        }
    }
    Some(false)
}

/// One part of a clause; `this` is what the rule calls the value.
fn atom(part: &str, this: &str, value: &Value) -> Option<bool> {
    if let Some(text) = value.as_str() {
        let with = |method: &str| quoted(part, &format!("{this}.{method}("), ")");
        return with("contains")
            .map(|other| text.contains(&other))
            .or_else(|| with("startsWith").map(|other| text.starts_with(&other)))
            .or_else(|| quoted(part, &format!("{this} == "), "").map(|other| text == other))
            .or_else(|| quoted(part, &format!("{this} != "), "").map(|other| text != other))
            .or_else(|| Some(Regex::new(&with("matches")?).ok()?.is_match(text)));
    }
    let members = value.as_object()?;
    if let Some(name) = quoted(part, "(", " in self)") {
        return Some(members.contains_key(&name));
    }
    if let Some(name) = has(part) {
        return Some(members.contains_key(name));
    }
    for (sign, same) in [(" == ", true), (" != ", false)] {
        if let Some((path, literal)) = part.split_once(sign) {
            let given = members.get(plain(path.strip_prefix("self.")?)?)?.as_str()?;
            return Some((given == quoted(literal, "", "")?) == same);
        }
    }
    members.get(plain(part.strip_prefix("self.")?)?)?.as_bool()
}

/// `NAME` of `has(self.NAME)`.
fn has(part: &str) -> Option<&str> {
    plain(part.strip_prefix("has(self.")?.strip_suffix(')')?)
}

fn plain(name: &str) -> Option<&str> {
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
            ("self.a == 'x'", json!({ "a": "y" }), Judgement::Broken),
            ("!has(self.a) || self.a != 'x'", json!({}), Judgement::Kept),
            ("!has(self.a) || !self.a", json!({ "a": true }), Judgement::Broken),
            ("self.matches('[1-9]') || self == ''", json!("0s"), Judgement::Broken),
            (
                "self.all(k, k.matches('^[.a]+$') && k != '.' && !k.startsWith('..'))",
                json!({ "..a": 1 }),
                Judgement::Broken,
            ),
            ("self.a == 'x'", json!({}), Judgement::NotJudged),
            ("(has(self.a) && has(self.b)) || has(self.c)", json!({}), Judgement::NotJudged),
            ("duration(self) > duration('1s')", json!("0s"), Judgement::NotJudged),
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
