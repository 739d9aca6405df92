//! Answers what `configparser` would: a JSON array of texts per line in, one JSON answer per line out.
//!
//! The form is that of the `python` members in `tests/fixtures/python-configparser.json`. The texts are laid over each
//! other. Run by `tests/conformance/ini_differential.py`.

use std::io::{self, BufRead, Write};

use serde_json::{Map, Value, json};
use sps_plugin::config::ini::{DEFAULT, Fault, Ini, IniError, Place};

fn main() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let texts: Vec<String> = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut output, &answer(&texts))?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(texts: &[String]) -> Value {
    let mut ini = Ini::new();
    for (number, text) in texts.iter().enumerate() {
        if let Err(error) = ini.read_str(&number.to_string(), text) {
            return json!({"ok": false, "error": refusal(&ini, &error, number)});
        }
    }
    let mut raw: Map<String, Value> = ini.sections().map(|name| (name.to_owned(), own(&ini, name))).collect();
    let mut got: Map<String, Value> = ini.sections().map(|name| (name.to_owned(), all(&ini, name))).collect();
    if !ini.options(DEFAULT).is_empty() {
        raw.insert(DEFAULT.to_owned(), own(&ini, DEFAULT));
        got.insert(DEFAULT.to_owned(), all(&ini, DEFAULT));
    }
    json!({"ok": true, "order": ini.sections().collect::<Vec<_>>(), "raw": raw, "final": got})
}

/// Lists the raw values of the section's own options: those that do not stand where `DEFAULT`'s stand.
fn own(ini: &Ini, section: &str) -> Value {
    let entries =
        ini.options(section).into_iter().filter_map(|option| Some((option, ini.entry(section, option)?)));
    entries
        .filter(|(option, entry)| section == DEFAULT || ini.entry(DEFAULT, option) != Some(*entry))
        .map(|(option, entry)| (option.to_owned(), Value::from(entry.value)))
        .collect()
}

fn all(ini: &Ini, section: &str) -> Value {
    let get = |option: &str| match ini.get(section, option) {
        Ok(value) => json!({"v": value}),
        Err(error) => refusal(ini, &error, 0),
    };
    ini.options(section).into_iter().map(|option| (option.to_owned(), get(option))).collect()
}

fn refusal(ini: &Ini, error: &IniError, text: usize) -> Value {
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
            json!({"kind": "ParsingError", "text": text, "lines": lines, "line": lines.first()})
        }
        IniError::InterpolationSyntax(_) => json!({"e": "InterpolationSyntaxError"}),
        IniError::InterpolationMissingOption(fault) => {
            json!({"e": "InterpolationMissingOptionError", "ref": reference(ini, fault)})
        }
        IniError::InterpolationDepth(_) => json!({"e": "InterpolationDepthError"}),
        IniError::InterpolationTooLarge(_) => json!({"e": "InterpolationTooLarge"}),
    }
}

/// Reads the name of the missing option, which the error does not tell, at the place that the error does tell.
fn reference(ini: &Ini, fault: &Fault) -> Option<String> {
    let value = ini.entry(&fault.at.section, &fault.at.option)?.value;
    let (start, _) = value.char_indices().nth(fault.character.checked_sub(1)?)?;
    let (name, _) = value.get(start..)?.strip_prefix("%(")?.split_once(')')?;
    Some(name.to_lowercase())
}
