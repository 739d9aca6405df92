//! `docs/pitfalls.md` names a test for each fault, and the test is there.

use std::fs;
use std::path::Path;

/// What stands between backquotes in the last column of the tables.
fn named() -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pitfalls.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let rows = rows.filter(|line| !line.ends_with("| held by |"));
    rows.map(|row| {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        (row.to_owned(), tests.split('`').skip(1).step_by(2).map(str::to_owned).collect())
    })
    .collect()
}

#[test]
fn every_fault_of_others_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = named();
    assert!(rows.len() > 20, "only {} rows", rows.len());
    for (row, tests) in rows {
        assert!(!tests.is_empty(), "no test in {row}");
        for test in tests {
            let there = match test.split_once("::") {
                Some((file, name)) => fs::read_to_string(root.join(file)).is_ok_and(|text| {
                    ["fn", "def"].iter().any(|word| text.contains(&format!("{word} {name}(")))
                }),
                None => root.join(&test).exists(),
            };
            assert!(there, "{test} is not there; it stands in {row}");
        }
    }
}
