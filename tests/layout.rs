//! The order of rooms, and of files in a room: each imports only from what is named before it.
#![expect(clippy::unwrap_used, reason = "this file is a test, and so is all that it calls")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Rooms that hold no clock, client, environment or chance of their own.
const PURE: [&str; 3] = ["api", "provider", "token"];
/// What a pure room must not name.
const IMPURE: [&str; 12] = [
    "tokio",
    "kube::Client",
    "kube::Api",
    "kube::api::",
    "kube::client",
    "reqwest",
    "std::env",
    "std::fs",
    "Timestamp::now",
    "SystemTime",
    "Instant",
    "rand::",
];
/// Lines of a file without its tests.
const LONGEST_FILE: usize = 350;
/// Longer ones, each with its reason.
const LONGER: [(&str, &str); 0] = [];
/// Names that tell nothing of what a file is for.
const SAYING_NOTHING: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

/// A source file, without its tests.
struct Source {
    /// From `src/`, such as `token/decide/case.rs`.
    path: String,
    code: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut all = Vec::new();
    collect(&root().join("src"), &mut all);
    assert!(all.len() > 80, "only {} files found", all.len());
    all
}

fn collect(directory: &Path, all: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
            all.push(Source { code: without_tests(&fs::read_to_string(&path).unwrap()), path: name });
        }
    }
}

/// The code but for `#[cfg(test)]` items at its end, and for comments.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.split(['/', '.']).any(|part| ["tests", "fixtures"].contains(&part))
    }

    /// The modules from the crate down to this file: `["token", "decide", "case"]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").unwrap();
        path.split('/').filter(|part| !["mod", "lib", "main"].contains(part)).collect()
    }

    /// The paths that it imports or names, from the crate down. Outside of the crate: nothing.
    fn imports(&self) -> BTreeSet<Vec<String>> {
        let mut paths = BTreeSet::new();
        let code = self.code.replace("pub use ", "use ").replace("pub(super) use ", "use ");
        let mut rest = code.as_str();
        while let Some((_, after)) = rest.split_once("use ") {
            let (tree, after) = after.split_once(';').unwrap_or((after, ""));
            for path in flatten(tree) {
                paths.extend(self.absolute(&path));
            }
            rest = after;
        }
        // Names in the middle of code: `crate::a::b`, `super::b`.
        for start in ["crate::", "super::"] {
            for (at, _) in code.match_indices(start) {
                let preceded = code[..at].chars().next_back();
                if preceded.is_some_and(|before| before.is_alphanumeric() || before == ':' || before == '_') {
                    continue;
                }
                let end = code[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                let path = &code[at..end.map_or(code.len(), |end| at + end)];
                paths.extend(self.absolute(path));
            }
        }
        paths
    }

    fn absolute(&self, path: &str) -> Option<Vec<String>> {
        let mut module: Vec<String> = self.module().into_iter().map(str::to_owned).collect();
        let parts: Vec<_> = path.split("::").map(str::trim).filter(|part| !part.is_empty()).collect();
        let named = match *parts.first()? {
            "crate" => {
                module.clear();
                &parts[1..]
            }
            "self" => &parts[1..],
            "super" => {
                let ups = parts.iter().take_while(|part| **part == "super").count();
                module.truncate(module.len().checked_sub(ups)?);
                &parts[ups..]
            }
            _ => return None,
        };
        module.extend(named.iter().map(|part| (*part).to_owned()));
        Some(module)
    }
}

/// The paths of a `use` tree: `a::{b, c::{d, self}}` is `a::b`, `a::c::d`, `a::c::self`.
fn flatten(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, group)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().trim().to_owned()];
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let mut depth = 0;
    let items = group.split(|c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    });
    let items: Vec<_> = items.filter(|item| !item.trim().is_empty()).collect();
    items.iter().flat_map(|item| flatten(item)).map(|path| format!("{}{path}", prefix.trim())).collect()
}

/// The modules that a file declares, in their order.
fn declared(path: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("src").join(path)).unwrap();
    let mut modules = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            modules.push(name.to_owned());
        }
    }
    modules
}

/// The names that a room passes on, and the files that they are from.
fn passed_on(path: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("src").join(path)).unwrap();
    let trees = text.split("pub use ").skip(1).filter_map(|rest| rest.split_once(';'));
    let paths = trees.flat_map(|(tree, _)| flatten(tree));
    paths.filter_map(|path| path.split_once("::").map(|(file, name)| (name.to_owned(), file.to_owned()))).collect()
}

fn position(order: &[String], name: &str) -> Option<usize> {
    order.iter().position(|other| other == name)
}

#[test]
fn the_rooms_stand_in_the_order_of_the_design() {
    assert_eq!(declared("lib.rs"), ["api", "provider", "token", "operator", "command"]);
}

#[test]
fn a_room_imports_only_from_rooms_above_it() {
    let rooms = declared("lib.rs");
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let Some(own) = source.module().first().and_then(|room| position(&rooms, room)) else { continue };
        for import in source.imports() {
            if import.first().and_then(|room| position(&rooms, room)).is_some_and(|room| room > own) {
                wrong.push(format!("src/{} imports {}", source.path, import.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_imports_only_from_files_named_before_it_in_its_room() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources().iter().filter(|source| !source.is_test()) {
        let module = source.module();
        let [room, file, ..] = module.as_slice() else { continue };
        let order = declared(&format!("{room}/mod.rs"));
        let passed_on = passed_on(&format!("{room}/mod.rs"));
        let own = position(&order, file).unwrap_or_else(|| panic!("{room}/mod.rs does not name {file}"));
        for import in source.imports().iter().filter(|import| import.first().is_some_and(|first| first == room)) {
            let Some(name) = import.get(1) else { continue };
            let Some(other) = position(&order, name).or_else(|| position(&order, passed_on.get(name)?)) else {
                continue;
            };
            seen += 1;
            if other > own {
                wrong.push(format!("src/{}, number {own} of its room, imports {}", source.path, import.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} imports were understood");
}

#[test]
fn pure_rooms_name_no_clock_client_environment_or_chance() {
    let mut wrong = Vec::new();
    let is_pure = |source: &&Source| source.module().first().is_some_and(|room| PURE.contains(room));
    for source in sources().iter().filter(is_pure).filter(|source| !source.is_test()) {
        let mut named: Vec<_> = source.imports().into_iter().map(|path| path.join("::")).collect();
        named.push(source.code.clone());
        let mut rest = source.code.as_str();
        while let Some((_, after)) = rest.split_once("use ") {
            let (tree, after) = after.split_once(';').unwrap_or((after, ""));
            named.extend(flatten(tree));
            rest = after;
        }
        for word in IMPURE {
            if named.iter().any(|text| names(text, word)) {
                wrong.push(format!("src/{} names {word}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a text names a path, and not only something that begins or ends like it.
fn names(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_name);
        let after = !word.ends_with(':') && text[at + word.len()..].chars().next().is_some_and(is_name);
        !before && !after
    })
}

#[test]
fn a_file_is_no_longer_than_one_can_take_in() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let text = fs::read_to_string(root().join("src").join(&source.path)).unwrap();
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count();
        if lines > LONGEST_FILE && !LONGER.iter().any(|(path, _)| *path == source.path) {
            wrong.push(format!("src/{} has {lines} lines", source.path));
        }
    }
    assert!(wrong.is_empty(), "at most {LONGEST_FILE}: {}", wrong.join("\n"));
}

#[test]
fn each_file_has_a_name_that_says_what_it_is_for() {
    for source in sources() {
        for part in source.module() {
            assert!(!SAYING_NOTHING.contains(&part), "src/{}: {part} tells nothing", source.path);
        }
    }
}

#[test]
fn each_file_says_what_it_is_for() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        let text = fs::read_to_string(root().join("src").join(&source.path)).unwrap();
        assert!(text.starts_with("//! "), "src/{} does not begin with its purpose", source.path);
    }
}

#[test]
fn imports_are_understood_in_all_their_forms() {
    let source = Source {
        path: "token/decide/case.rs".to_owned(),
        code: "use super::{Call, a::{self, B}};\nuse crate::{api::http::{X as Y, Z}, token::facts};\nuse std::fmt;\n\
               fn f() { super::super::g(); crate::operator::h::<T>() }"
            .to_owned(),
    };
    let found: BTreeSet<_> = source.imports().into_iter().map(|path| path.join("::")).collect();
    for expected in [
        "token::decide::Call",
        "token::decide::a::self",
        "token::decide::a::B",
        "api::http::X",
        "api::http::Z",
        "token::facts",
        "token::g",
        "operator::h",
    ] {
        assert!(found.contains(expected), "{expected} is not among {found:?}");
    }
    assert!(!found.iter().any(|path| path.contains("fmt")));
    assert!(
        names("use jiff::Timestamp; Timestamp::now()", "Timestamp::now")
            && !names("Timestamp::nowhere", "Timestamp::now")
    );
}
