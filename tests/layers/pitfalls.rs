//! The documents whose tables name tests name tests that are there: for each fault in `pitfalls.md`, for each promise in
//! `security.md` and `upgrade.md`.

use std::fs;
use std::path::Path;

/// The header of the last column.
const HELD_BY: &str = "| held by |";

/// What stands between backquotes in the last column of the tables that say what holds them.
fn named(document: &str) -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(document);
    let text = fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    let mut is_held = false;
    for row in text.lines() {
        match row {
            row if row.ends_with(HELD_BY) => is_held = true,
            row if !row.starts_with("| ") => is_held = false,
            row if is_held && !row.starts_with("| ---") => {
                let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
                found
                    .push((row.to_owned(), tests.split('`').skip(1).step_by(2).map(str::to_owned).collect()));
            }
            _ => {}
        }
    }
    found
}

fn is_there(test: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match test.split_once("::") {
        Some((file, name)) => fs::read_to_string(root.join(file))
            .is_ok_and(|text| ["fn", "def"].iter().any(|word| text.contains(&format!("{word} {name}(")))),
        None => root.join(test).exists(),
    }
}

fn check(document: &str, at_least: usize) {
    let rows = named(document);
    assert!(rows.len() >= at_least, "{document}: only {} rows", rows.len());
    for (row, tests) in rows {
        assert!(!tests.is_empty(), "{document}: no test in {row}");
        for test in tests {
            assert!(is_there(&test), "{document}: {test} is not there; it stands in {row}");
        }
    }
}

#[test]
fn every_fault_of_others_names_a_test_that_is_there() {
    check("pitfalls.md", 100);
}

#[test]
fn every_promise_of_the_security_model_names_a_test_that_is_there() {
    check("security.md", 40);
}

#[test]
fn every_promise_about_an_upgrade_names_a_test_that_is_there() {
    check("upgrade.md", 7);
}
