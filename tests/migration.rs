//! The tables of `docs/migration.md` and the program say the same of the options of the Python plugins.
//!
//! `tests/fixtures/migration/NAME` has a configuration of a Python plugin (`before.ini`) and what the document makes of it
//! (`after.ini`). `check-config` reads both: what it does not know of the first is what the tables call gone or renamed, and
//! what it says of the second is what the document says that it says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sps_plugin::config::ini::Ini;
use support::Place;

/// The folder, and the document with its table; the common options are in `docs/migration.md`.
const PLUGINS: [(&str, &str, &str); 7] = [
    ("radius", "radius.md", ""),
    ("yubikey", "yubikey.md", ""),
    ("fqdn", "fqdn.md", ""),
    ("vault", "vault.md", ""),
    ("edumfa", "mfa-servers.md", "For eduMFA and privacyIDEA:"),
    ("privacyidea", "mfa-servers.md", "For eduMFA and privacyIDEA:"),
    ("linotp", "mfa-servers.md", "For LinOTP:"),
];

/// What a table may say of an option.
const KNOWN: [&str; 2] = ["same", "new default"];
const UNKNOWN: [&str; 2] = ["renamed", "gone"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A row of a table: the option as it is called there, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    section: String,
    /// `None` for a section without options; `NAME` for one whose name is free.
    option: Option<String>,
    here: String,
}

impl Row {
    fn is_about(&self, section: &str, option: &str) -> bool {
        let numbered = section.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_section = self.section == section || self.section == format!("{numbered}N");
        let other_spelling = self.section == "https-proxy" && section == "https_proxy";
        let is_option = self.option.as_deref().is_some_and(|name| name == option || name == "NAME");
        (is_section || other_spelling) && is_option
    }
}

/// Returns the rows of the tables of a text.
fn rows(text: &str) -> Vec<Row> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `["));
    cells
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (section, option) = cells[0].trim_end_matches('`').split_once(']').unwrap();
            let option = option.trim();
            Row {
                section: section.to_owned(),
                option: (!option.is_empty()).then(|| option.to_owned()),
                here: cells[2].to_owned(),
            }
        })
        .collect()
}

/// Returns the part of a document behind a line, up to the next table's introduction.
fn behind<'t>(text: &'t str, line: &str) -> &'t str {
    let from = text.find(line).unwrap_or_else(|| panic!("no {line:?}"));
    let rest = text.get(from..).unwrap();
    match rest.match_indices("\nFor ").map(|(at, _)| at).find(|at| *at > 0) {
        Some(end) if !line.is_empty() => rest.get(..end).unwrap(),
        Some(_) | None => rest,
    }
}

fn tables(document: &str, part: &str) -> Vec<Row> {
    let own = read(&format!("docs/migration/{document}"));
    let mut found = rows(behind(&own, part));
    found.extend(rows(&read("docs/migration.md")));
    found
}

/// The row about an option: that of the plugin's own table goes first.
fn row<'r>(rows: &'r [Row], section: &str, option: &str) -> &'r Row {
    let exact =
        rows.iter().find(|row| row.is_about(section, option) && row.option.as_deref() == Some(option));
    exact
        .or_else(|| rows.iter().find(|row| row.is_about(section, option)))
        .unwrap_or_else(|| panic!("no row for [{section}] {option}"))
}

fn options(file: &str) -> Vec<(String, String)> {
    let mut ini = Ini::new();
    ini.read_str(file, &read(file)).unwrap();
    let of = |section: &str| -> Vec<_> {
        ini.options(section).into_iter().map(|option| (section.to_owned(), option.to_owned())).collect()
    };
    ini.sections().flat_map(of).collect()
}

fn checked(file: &str) -> (Value, Option<i32>) {
    let ended =
        Place::new().run(&["check-config", "--json", "--config", root().join(file).to_str().unwrap()], "");
    assert_eq!(ended.stderr, "", "{ended:?}");
    (ended.response(), ended.status)
}

fn warnings(found: &Value) -> Vec<String> {
    let warnings = found["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning.as_str().unwrap().to_owned()).collect()
}

fn before(name: &str) -> String {
    format!("tests/fixtures/migration/{name}/before.ini")
}

fn after(name: &str) -> String {
    format!("tests/fixtures/migration/{name}/after.ini")
}

#[test]
fn what_is_unknown_of_an_old_configuration_is_what_the_tables_call_gone_or_renamed() {
    for (name, document, part) in PLUGINS {
        let rows = tables(document, part);
        let file = before(name);
        let (found, _) = checked(&file);
        let unknown: BTreeSet<String> = warnings(&found)
            .iter()
            .filter_map(|warning| warning.split_once(" is unknown").map(|(name, _)| name.to_owned()))
            .collect();
        let mut told = BTreeSet::new();
        for (section, option) in options(&file) {
            let row = row(&rows, &section, &option);
            assert!(KNOWN.contains(&row.here.as_str()) || UNKNOWN.contains(&row.here.as_str()), "{row:?}");
            if UNKNOWN.contains(&row.here.as_str()) {
                // A section that is unknown is named once, whatever is in it.
                let whole = format!("[{section}]");
                let one = format!("[{section}] {option}");
                told.insert(if unknown.contains(&whole) { whole } else { one });
            }
        }
        told.extend(rows.iter().filter(|row| row.option.is_none()).map(|row| format!("[{}]", row.section)));
        assert_eq!(unknown, told, "{name}");
        // That the secrets are in the appliance's store, and the lists on it, is none of the old configuration's faults.
        let errors: Vec<_> =
            found["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect();
        match name {
            // The tables would be read by nobody.
            "fqdn" => assert!(
                matches!(errors[..], [one] if one.contains("[access] provider: expected")),
                "{errors:?}"
            ),
            _ => assert!(errors.is_empty(), "{name}: {errors:?}"),
        }
    }
}

#[test]
fn every_row_of_a_table_is_about_an_option_of_an_old_configuration() {
    for (document, part) in
        PLUGINS.iter().map(|(_, document, part)| (document, part)).collect::<BTreeSet<_>>()
    {
        let own = read(&format!("docs/migration/{document}"));
        let of: Vec<_> = PLUGINS.iter().filter(|plugin| plugin.1 == *document && plugin.2 == *part).collect();
        let files: Vec<_> = of.iter().flat_map(|(name, ..)| options(&before(name))).collect();
        let table = rows(behind(&own, part));
        assert!(!table.is_empty(), "{document}");
        for row in table.iter().filter(|row| row.option.is_some()) {
            assert!(
                files.iter().any(|(section, option)| row.is_about(section, option)),
                "{document}: {row:?}"
            );
        }
    }
    let all: Vec<_> = PLUGINS.iter().flat_map(|(name, ..)| options(&before(name))).collect();
    let common = rows(&read("docs/migration.md"));
    assert!(common.len() > 30, "{}", common.len());
    for row in &common {
        // These are options of the SDK that no plugin's example configuration has.
        let rare = ["interactive_protocols", "destination"];
        let is_there = all.iter().any(|(section, option)| row.is_about(section, option));
        assert!(is_there || row.option.as_deref().is_some_and(|option| rare.contains(&option)), "{row:?}");
    }
}

#[test]
fn a_default_in_a_table_is_the_default_of_the_program() {
    let mut compared = 0_usize;
    let mut all = rows_with_defaults(&read("docs/migration.md"));
    for (_, document, _) in PLUGINS {
        all.extend(rows_with_defaults(&read(&format!("docs/migration/{document}"))));
    }
    for (row, default) in all.iter().filter(|(row, _)| row.here == "same") {
        let section = row.section.replace("question_N", "question_1");
        let option = row.option.as_deref().unwrap().replace("NAME", "rdp");
        let known = sps_plugin::options::known().filter(|opt| opt.matches(&section, &option));
        let Some(known) = known.min_by_key(|opt| opt.option.contains('<')) else {
            panic!("{row:?}");
        };
        if !known.option.contains('<') {
            assert_eq!(default, known.default, "{row:?}");
            compared = compared.saturating_add(1);
        }
    }
    assert!(compared > 40, "{compared}");
}

fn rows_with_defaults(text: &str) -> Vec<(Row, String)> {
    let lines = text.lines().filter(|line| line.starts_with("| `["));
    let default = |line: &str| line.split('|').nth(2).unwrap().trim().trim_matches('`').to_owned();
    rows(text).into_iter().zip(lines.map(default)).collect()
}

#[test]
fn the_new_configuration_is_without_errors_and_the_document_says_what_check_config_says() {
    for (name, document, _) in PLUGINS {
        let file = after(name);
        let (found, status) = checked(&file);
        assert_eq!((&found["errors"], status), (&serde_json::json!([]), Some(0)), "{name}");
        let here: Vec<String> = warnings(&found)
            .into_iter()
            .map(|warning| match warning.split_once(", line ") {
                // Where the line stands is of no use in a document.
                Some((_, rest)) => format!("warning: {}", rest.split_once(", ").unwrap().1),
                None => format!("warning: {warning}"),
            })
            .collect();
        let text = read(&format!("docs/migration/{document}"));
        // A document of several plugins has a line for each one's section.
        let is_of_another = |line: &str| {
            PLUGINS.iter().any(|(other, ..)| *other != name && line.contains(&format!("[{other}]")))
        };
        let told: Vec<&str> =
            text.lines().filter(|line| line.starts_with("warning: ") && !is_of_another(line)).collect();
        assert_eq!(here, told, "{name}");
        assert!(!here.is_empty() || text.contains("has nothing to say"), "{name}");
    }
}

/// With what is on the appliance beside it, the client itself is made, so that its options are read too.
#[test]
fn the_new_configuration_makes_the_provider_that_it_names() {
    for (name, road) in [
        ("radius", "users who pass radius"),
        ("yubikey", "users who pass yubico"),
        ("fqdn", "everybody: the provider none asks for nothing"),
        ("vault", "vault"),
        ("edumfa", "users who pass edumfa"),
        ("privacyidea", "users who pass privacyidea"),
        ("linotp", "users who pass linotp"),
    ] {
        let place = Place::new();
        let secrets = "[radius]\nsecret=s\n[yubikey]\napi_key=YWJjZGVmZ2hpamtsbW5vcHFyc3Q=\n[edumfa]\napi_key=k\n\
             [privacyidea]\napi_key=k\n[hashicorp]\npassword=p\n[approle-authentication]\nvault_token=t\n\
             [https-proxy]\npassword=p\n";
        let authority = support::pki::Ca::new("Example");
        let own = authority.issue("sps.example.org");
        let own = support::pki::as_value(&format!("{}{}", own.certificate_pem, own.key_pem));
        let secrets = place.file("secrets.ini", format!("{secrets}[tls]\nclient_cert={own}\n"));
        let certificate = support::pki::as_value(&authority.pem());
        let text = format!(
            "{}\n[credential_store plugin_secrets]\nprovider=file\nfile={}\n[trusted_ca_list corporate_ca]\ncerts={certificate}\n",
            read(&after(name)),
            secrets.display(),
        );
        let config = place.file("plugin.ini", text);
        let ended = place.run(&["check-config", "--json", "--config", config.to_str().unwrap()], "");
        let found = ended.response();
        assert_eq!(found["errors"], serde_json::json!([]), "{name}");
        let hook = if name == "vault" { "credentials" } else { "authenticate" };
        let roads: Vec<&str> =
            found["roads"][hook].as_array().unwrap().iter().map(|road| road.as_str().unwrap()).collect();
        assert!(roads.contains(&road), "{name}: {found}");
        let expected: &[&str] = if name == "fqdn" {
            &["[mfa] provider=none: everybody is accepted without a second factor"]
        } else {
            &[]
        };
        assert_eq!(warnings(&found), expected, "{name}");
    }
}

#[test]
fn the_new_configuration_has_what_the_document_adds_and_nothing_that_the_old_one_had_not() {
    for (name, document, _) in PLUGINS {
        let text = read(&format!("docs/migration/{document}"));
        let added = text.split("```ini\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let mut ini = Ini::new();
        ini.read_str(document, added).unwrap();
        let in_document: Vec<_> = ini
            .sections()
            .flat_map(|section| ini.options(section).into_iter().map(move |option| (section, option)))
            .collect();
        let old = options(&before(name));
        let new = options(&after(name));
        assert!(new.len() > 3, "{name}");
        for (section, option) in &new {
            let is_old = old.contains(&(section.clone(), option.clone()));
            let is_added = in_document.contains(&(section, option));
            // The three servers share one example.
            let is_section = section == name && document == "mfa-servers.md";
            assert!(is_old || is_added || is_section, "{name}: [{section}] {option}");
        }
    }
}

#[test]
fn the_documents_are_listed_and_are_there() {
    let index = read("docs/migration.md");
    for entry in fs::read_dir(root().join("docs/migration")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(index.contains(&format!("(migration/{})", name.to_str().unwrap())), "{name:?}");
    }
}
