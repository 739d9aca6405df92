//! `plugin.ini.example` and the options that the program reads are the same.
//!
//! The file's form: a comment begins with `# `; an option is `; option = default`, or `; option =` where it has no
//! default; a section or option whose name is free stands there with an example of a name (and, for such an option,
//! of a value). Under each header stands who reads the section.

use std::fs;
use std::path::Path;

use sps_plugin::config::ini::Ini;
use sps_plugin::config::settings::Opt;
use sps_plugin::config::unknown::unknown_names;
use sps_plugin::options::known;

use crate::support::{Place, authenticate};

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin.ini.example")
}

fn text() -> String {
    fs::read_to_string(path()).unwrap()
}

/// Returns the file with every option set.
fn uncommented() -> String {
    text().lines().map(|line| format!("{}\n", line.strip_prefix("; ").unwrap_or(line))).collect()
}

fn read(text: &str) -> Ini {
    let mut ini = Ini::new();
    ini.read_str("plugin.ini.example", text).unwrap();
    ini
}

fn options(ini: &Ini) -> Vec<(String, String)> {
    let of = |section: &str| -> Vec<_> {
        ini.options(section).into_iter().map(|option| (section.to_owned(), option.to_owned())).collect()
    };
    ini.sections().flat_map(of).collect()
}

/// The options that an entry of the file stands for: those of that very name, else those whose names are free.
fn meant(section: &str, option: &str) -> Vec<&'static Opt> {
    let fitting: Vec<_> = known().filter(|opt| opt.matches(section, option)).collect();
    let exact: Vec<_> = fitting.iter().copied().filter(|opt| opt.option == option).collect();
    if exact.is_empty() { fitting } else { exact }
}

#[test]
fn every_option_of_the_program_stands_in_the_example_once() {
    let entries = options(&read(&uncommented()));
    for opt in known() {
        let count = entries.iter().filter(|(section, option)| meant(section, option).contains(&opt)).count();
        assert_eq!(count, 1, "[{}] {}", opt.section, opt.option);
    }
}

#[test]
fn every_option_of_the_example_is_one_of_the_program_with_its_default() {
    let ini = read(&uncommented());
    assert_eq!(unknown_names(&ini, known()), []);
    for (section, option) in options(&ini) {
        let value = ini.entry(&section, &option).unwrap().value;
        for opt in meant(&section, &option) {
            if opt.option.contains('<') {
                assert!(!value.is_empty(), "[{section}] {option} needs an example of a value");
            } else {
                assert_eq!(value, opt.default, "[{section}] {option}");
            }
        }
    }
}

#[test]
fn the_example_as_it_is_sets_nothing() {
    let ini = read(&text());
    assert!(ini.sections().count() > 20);
    assert_eq!(options(&ini), []);
    let place = Place::new();
    let hook = authenticate("", serde_json::json!({})).to_string();
    let with = place.run(&["--config", path().to_str().unwrap(), "--clock", "1"], hook.clone());
    let without = place.run(&["--clock", "1"], hook);
    assert_eq!((with.stdout, with.stderr), (without.stdout, without.stderr));
}

#[test]
fn every_line_of_the_example_has_its_form_and_every_option_a_comment() {
    let mut before = "";
    for line in text().lines() {
        if let Some(option) = line.strip_prefix("; ") {
            let (name, value) = option.split_once(" =").unwrap_or_else(|| panic!("{line}"));
            assert!(!name.is_empty() && (value.is_empty() || value.starts_with(' ')), "{line}");
            assert!(before.starts_with("# "), "no comment above {line:?}");
            assert!(!before.starts_with("# Read by"), "no comment of its own above {line:?}");
        } else {
            let known = line.is_empty() || line == "#" || line.starts_with("# ") || line.starts_with('[');
            assert!(known, "{line:?} is neither comment, option nor header");
        }
        assert!(line.len() <= 120 && line.trim_end() == line && line.is_ascii(), "{line:?}");
        before = line;
    }
}

#[test]
fn every_section_of_the_example_says_who_reads_it() {
    let text = text();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with('[') {
            let readers = lines.next().and_then(|next| next.strip_prefix("# Read by: "));
            let readers = readers.unwrap_or_else(|| panic!("no line 'Read by' under {line}"));
            assert!(["aa", "credentialstore", "aa, credentialstore"].contains(&readers), "{line}: {readers}");
        }
    }
}
