//! The dialect as a whole: the fixture, the messages, what is never shown.

use super::*;
use serde_json::{Map, Value as Json, json};

fn ini(texts: &[&str]) -> Ini {
    let mut ini = Ini::new();
    for (text, source) in texts.iter().zip(["plugin.ini", "configuration"]) {
        ini.read_str(source, text).unwrap();
    }
    ini
}

fn refusal(text: &str) -> String {
    Ini::new().read_str("configuration", text).unwrap_err().to_string()
}

/// What the fixture holds of an error: in the text of that number, or on `get`.
fn as_in_python(error: &IniError, text: usize) -> Json {
    match error {
        IniError::MissingSectionHeader { line, .. } => {
            json!({"kind": "MissingSectionHeaderError", "text": text, "line": line})
        }
        IniError::DuplicateSection { line, section, .. } => {
            json!({"kind": "DuplicateSectionError", "text": text, "line": line, "section": section})
        }
        IniError::DuplicateOption { place: Place { line, section, option, .. }, .. } => {
            json!({"kind": "DuplicateOptionError", "text": text, "line": line, "section": section, "option": option})
        }
        IniError::Parsing { lines, .. } => {
            json!({"kind": "ParsingError", "text": text, "lines": lines, "line": lines[0]})
        }
        IniError::InterpolationSyntax(_) => json!("InterpolationSyntaxError"),
        IniError::InterpolationMissingOption(_) => json!("InterpolationMissingOptionError"),
        IniError::InterpolationDepth(_) => json!("InterpolationDepthError"),
        IniError::InterpolationTooLarge(_) => Json::Null,
    }
}

fn strings(names: &Map<String, Json>) -> Vec<&str> {
    names.keys().map(String::as_str).collect()
}

fn agrees_with_python(case: &Json) {
    let python = &case["python"];
    let mut ini = Ini::new();
    for (index, text) in case["texts"].as_array().unwrap().iter().enumerate() {
        if let Err(error) = ini.read_str(&index.to_string(), text.as_str().unwrap()) {
            assert_eq!(as_in_python(&error, index), python["error"], "{}", case["id"]);
            return;
        }
    }
    assert_eq!(python["ok"], true, "{}: accepted", case["id"]);
    assert_eq!(json!(ini.sections().collect::<Vec<_>>()), python["order"], "{}", case["id"]);
    for (section, options) in python["raw"].as_object().unwrap() {
        for (option, value) in options.as_object().unwrap() {
            assert_eq!(
                ini.entry(section, option).unwrap().value,
                value,
                "{}: {section} {option}",
                case["id"]
            );
        }
    }
    for (section, options) in python["final"].as_object().unwrap() {
        let options = options.as_object().unwrap();
        assert_eq!(ini.options(section), strings(options), "{}: {section}", case["id"]);
        for (option, answer) in options {
            match ini.get(section, option) {
                Ok(value) => assert_eq!(json!({"v": value.unwrap()}), *answer, "{}: {option}", case["id"]),
                Err(error) => assert_eq!(as_in_python(&error, 0), answer["e"], "{}: {option}", case["id"]),
            }
        }
    }
}

#[test]
fn every_text_of_the_fixture_reads_as_in_python() {
    let fixture =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/python-configparser.json"));
    let cases: Vec<Json> = serde_json::from_str(fixture).unwrap();
    assert_eq!(cases.len(), 105);
    cases.iter().for_each(agrees_with_python);
}

#[test]
fn errors_cite_source_line_section_and_option() {
    assert_eq!(refusal("a = 1"), "configuration, line 1: expected a '[section]' header before this line");
    assert_eq!(
        refusal("[s]\n[t]\n[s]"),
        "configuration, line 3, section [s]: the section already began at line 1"
    );
    assert_eq!(
        refusal("[s]\nKey = 1\n\nkEY = 2"),
        "configuration, line 4, section [s], option 'key': the option was already given at line 2"
    );
    assert_eq!(
        refusal("[s]\nx\na = 1\ny"),
        "configuration, lines 2, 4: expected 'option = value', '[section]', or a line indented deeper than the option it continues"
    );
    let many = refusal(&format!("[s]\n{}", "x\n".repeat(1000)));
    assert!(many.starts_with("configuration, lines 2, 3, 4, 5, 6, 7, 8, 9 and 992 more: "), "{many}");
}

#[test]
fn names_in_messages_are_escaped_and_cut() {
    let name = format!("a\u{1b}[31m\r{}", "x".repeat(1000));
    let message = refusal(&format!("[{name}]\n[{name}]"));
    assert!(message.starts_with("configuration, line 2, section [a\\u{1b}[31m\\rxxx"), "{message}");
    assert!(message.len() < 200, "{message}");
}

#[test]
fn a_text_with_an_error_changes_nothing() {
    let mut ini = ini(&["[s]\na = 1"]);
    ini.read_str("configuration", "[s]\na = 2\n[t]\nbad").unwrap_err();
    assert_eq!(ini.get("s", "a").unwrap().unwrap(), "1");
    assert!(!ini.has_section("t"));
}

#[test]
fn a_missing_section_never_answers_with_the_value_of_default() {
    let ini = ini(&["[DEFAULT]\na = 1\n[s]"]);
    assert_eq!(ini.get("s", "a").unwrap().unwrap(), "1");
    assert_eq!(ini.get("nosuch", "a"), Ok(None));
    assert_eq!(ini.entry("nosuch", "a"), None);
    assert_eq!(ini.get("s", "nosuch"), Ok(None));
    assert!(ini.options("nosuch").is_empty());
    assert!(!ini.has_option("nosuch", "a"));
}

#[test]
fn default_is_an_answer_to_options_but_no_section() {
    let ini = ini(&["[DEFAULT]\nA = 1\n[s]\nb = 2\n[]]\n"]);
    assert_eq!(ini.sections().collect::<Vec<_>>(), ["s", "]"]);
    assert!(!ini.has_section(DEFAULT) && ini.has_section("s"));
    assert!(ini.has_option(DEFAULT, "A") && ini.has_option("", "a") && ini.has_option("s", "A"));
    assert!(!ini.has_option(DEFAULT, "b"));
    assert_eq!(ini.entry("", "a"), None);
    assert_eq!(ini.get(DEFAULT, "a").unwrap().unwrap(), "1");
    assert_eq!((ini.options("s"), ini.options(DEFAULT)), (vec!["b", "a"], vec!["a"]));
}

#[test]
fn an_entry_says_where_the_value_stands() {
    let ini = ini(&["[s]\na = 1\nb = 2\n", "\n[s]\n# c\nB =\n  3\n"]);
    assert_eq!(ini.entry("s", "A"), Some(Entry { value: "1", source: "plugin.ini", line: 2 }));
    assert_eq!(ini.entry("s", "b"), Some(Entry { value: "\n3", source: "configuration", line: 4 }));
}

#[test]
fn an_option_that_is_overridden_keeps_its_place() {
    let ini = ini(&["[s]\na = 1\nb = 2\n[t]", "[u]\n[s]\nc = 3\na = 4"]);
    assert_eq!(ini.sections().collect::<Vec<_>>(), ["s", "t", "u"]);
    assert_eq!(ini.options("s"), ["a", "b", "c"]);
}

#[test]
fn no_error_and_no_debug_output_holds_a_value() {
    const MARKER: &str = "hunter2";
    let texts = [
        "hunter2",
        "hunter2 = 1",
        "[s]\nhunter2",
        "[s]\n= hunter2",
        "[s]\n= hunter2\n= hunter2",
        "[hunter2",
        "[s] hunter2\n[s] hunter2",
        "[s]\na = hunter2\na = hunter2",
        "[s]\na = 1\n hunter2\nhunter2\n  hunter2",
        "[s]\na = hunter2%",
        "[s]\na = %hunter2",
        "[s]\na = %(hunter2",
        "[s]\na = %(hunter2)s",
        "[s]\na = %(HUNTER2)s",
        "[s]\na = %(hunter2)d",
        "[s]\na = hunter2%(a)s",
        "[s]\na = %(b)s\nb = hunter2%(nosuch)s",
        "[DEFAULT]\nb = hunter2 %x\n[s]\na = %(b)s",
        "[s]\na = hunter2",
    ];
    for text in texts {
        let mut ini = Ini::new();
        let mut shown = Vec::new();
        if let Err(error) = ini.read_str("configuration", text) {
            shown.push(format!("{error} {error:?}"));
        }
        if let Err(error) = ini.get("s", "a") {
            shown.push(format!("{error} {error:?}"));
        }
        shown.push(format!("{ini:?} {:?}", ini.entry("s", "a")));
        assert!(!shown.concat().to_lowercase().contains(MARKER), "{text:?}: {shown:?}");
    }
}

#[test]
fn thirty_thousand_names_and_lines_are_read() {
    let sections: String = (0..30_000).map(|n| format!("[{n}]\n")).collect();
    let options: String = (0..30_000).map(|n| format!("{n} = 1\n")).collect();
    let lines = format!("[s]\na =\n{}", " b\n\n".repeat(30_000));
    assert_eq!(ini(&[&sections, &sections]).sections().count(), 30_000);
    assert_eq!(ini(&[&format!("[DEFAULT]\n{options}[s]\n{options}")]).options("s").len(), 30_000);
    assert_eq!(ini(&[&lines]).entry("s", "a").unwrap().value.len(), 30_000 * 3 - 1);
}
