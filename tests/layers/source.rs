//! A source file: what it says beside comments, and of which modules it speaks.

use std::fs;
use std::path::Path;

use crate::support::sources;

/// A file below `src/`.
pub(crate) struct Source {
    /// Its path below `src/`.
    pub(crate) name: String,
    /// What it says, without lines that are comments and without its unit tests.
    pub(crate) code: String,
    pub(crate) lines: usize,
}

/// Reads all source files.
pub(crate) fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        Source {
            name: path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(),
            code: code.join("\n"),
            lines: text.lines().count(),
        }
    };
    // The tests of a layer may look at it from the outside, as these do.
    let is_test =
        |path: &Path| path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    sources().iter().filter(|path| !is_test(path)).map(|path| read(path)).collect()
}

/// Returns the name at the beginning of a text.
pub(crate) fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

impl Source {
    /// The module of the crate that it belongs to.
    pub(crate) fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    pub(crate) fn file_stem(&self) -> &str {
        let last = self.name.rsplit('/').next().unwrap_or_default();
        last.strip_suffix(".rs").unwrap_or(last)
    }

    /// Tells whether a piece of code stands in it.
    pub(crate) fn has(&self, piece: &str) -> bool {
        self.code.contains(piece)
    }

    /// Lists the paths that begin at the crate's root, groups in braces taken apart.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        for rest in self.code.split("crate::").skip(1) {
            expand("", rest, &mut found);
        }
        // In the root itself a path begins with the module's name, and elsewhere `super::` may lead there.
        if self.module() == "lib" {
            let code = self.code.lines().filter(|line| !line.contains("mod "));
            for line in code {
                let line = line.trim_start().strip_prefix("use ").unwrap_or(line.trim_start());
                for word in line.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c)) {
                    let module = word.split_once("::").map(|(module, _)| module);
                    found.extend(module.filter(|name| is_module(name)).map(|_| word.to_owned()));
                }
            }
        }
        let depth =
            self.name.matches('/').count().saturating_add(usize::from(!self.name.ends_with("/mod.rs")));
        let out = "super::".repeat(depth);
        for rest in self.code.split(&out).skip(1) {
            expand("", rest, &mut found);
        }
        found
    }

    /// Lists the modules of the crate that it speaks of.
    pub(crate) fn targets(&self) -> Vec<String> {
        let paths = self.paths();
        paths.iter().map(|path| first_word(path).to_owned()).filter(|name| is_module(name)).collect()
    }
}

fn is_module(name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    !name.is_empty() && (root.join(format!("{name}.rs")).is_file() || root.join(name).is_dir())
}

/// Follows one path from its beginning to the end of the last name, through each branch of a group.
fn expand(before: &str, rest: &str, found: &mut Vec<String>) {
    let rest = rest.trim_start();
    if let Some(group) = rest.strip_prefix('{') {
        let mut depth = 0_usize;
        let mut branch = String::new();
        for c in group.chars() {
            match c {
                '{' => depth = depth.saturating_add(1),
                '}' if depth == 0 => break,
                '}' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    expand(before, &branch, found);
                    branch.clear();
                    continue;
                }
                _ => {}
            }
            branch.push(c);
        }
        expand(before, &branch, found);
        return;
    }
    let name = first_word(rest);
    if name.is_empty() {
        return;
    }
    let path = format!("{before}{name}");
    match rest.strip_prefix(name).and_then(|rest| rest.strip_prefix("::")) {
        Some(rest) => {
            found.push(path.clone());
            expand(&format!("{path}::"), rest, found);
        }
        None => found.push(path),
    }
}

#[test]
fn paths_are_found_in_groups_and_by_way_of_the_parent() {
    let source = |name: &str, code: &str| Source { name: name.to_owned(), code: code.to_owned(), lines: 1 };
    let grouped =
        source("cli/hook.rs", "use crate::{config::ini::{Ini, self}, Edge};\nlet x = crate::mfa::client;");
    assert_eq!(
        grouped.paths(),
        ["config", "config::ini", "config::ini::Ini", "config::ini::self", "Edge", "mfa", "mfa::client"]
    );
    assert_eq!(grouped.targets(), ["config", "config", "config", "config", "mfa", "mfa"]);
    assert_eq!(source("store/mod.rs", "super::pipeline::x").targets(), ["pipeline", "pipeline"]);
    assert_eq!(
        source("mfa/http.rs", "use super::Answer; use super::super::answer::y;").targets(),
        ["answer", "answer"]
    );
}
