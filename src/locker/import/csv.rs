//! CSV whose first line names the columns, in any order: ours, or KeePassXC's.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::keepass::{self, Source};
use super::{Batch, Defaults, EntryFault, ImportError, Raw};
use crate::intake::records::{Fields, RecordError, Records, Separator, Style, hinted};
use crate::locker::Totp;

/// The columns that there may be.
const COLUMNS: [&str; 11] = [
    "account",
    "asset",
    "password",
    "private_key",
    "passphrase",
    "totp",
    "checkout",
    "launch_information",
    "host_app",
    "description",
    "store",
];
/// KeePassXC's columns that are read, with the names that its XML has for them.
const KEEPASSXC: [(&str, &str); 7] = [
    ("group", ""),
    ("title", "Title"),
    ("username", "UserName"),
    ("password", "Password"),
    ("url", "URL"),
    ("notes", "Notes"),
    ("totp", "otp"),
];
/// And those that are not about a credential.
const UNREAD: [&str; 3] = ["icon", "last modified", "created"];
/// Spreadsheets write what their country uses.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// Reads the lines of a file.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let ((first, text), separators) = match hinted(text) {
        Some((separator, rest)) => ((2, rest), vec![separator]),
        None => ((1, text), SEPARATORS.to_vec()),
    };
    let records =
        |separator| Records::new(text, Separator::Character(separator), Style::Exact).from_line(first);
    let header = |separator| {
        let (_, fields) = records(separator).next()?;
        let names: Vec<String> = fields.ok()?.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let is_known = |name: &String| name == "account" || name == "asset" || name == "username";
        names.iter().any(is_known).then_some((separator, names))
    };
    let (separator, names) = separators.into_iter().find_map(header).unwrap_or_else(|| {
        let fields = records(',').next().and_then(|(_, fields)| fields.ok()).unwrap_or_default();
        (',', fields.iter().map(|name| name.trim().to_ascii_lowercase()).collect())
    });
    if names.iter().any(|name| name == "login name") {
        return Err(ImportError::Foreign(
            "this is the CSV of KeePass 1, which writes backslashes and quotes in its own way; export XML instead",
        ));
    }
    let rows = records(separator).skip(1);
    if names.iter().any(|name| name == "username") && names.iter().any(|name| name == "title") {
        return keepassxc(&names, rows, defaults, batch);
    }
    check(&names, &COLUMNS, &["account", "asset"])?;
    for (line, fields) in rows {
        let read = fields.map_err(EntryFault::from).and_then(|fields| row(&names, &fields, defaults));
        batch.add(format!("line {line}"), read)?;
    }
    Ok(())
}

/// Checks the first line. What is not known is not quoted: in a file without a header it may be a secret.
fn check(names: &[String], known: &[&str], needed: &[&str]) -> Result<(), ImportError> {
    let fault = (1_usize..).zip(names).find_map(|(number, name)| {
        if !known.contains(&name.as_str()) {
            return Some(format!("column {number} is not one of {}", known.join(", ")));
        }
        let is_twice = names.iter().filter(|other| *other == name).count() > 1;
        is_twice.then(|| format!("{name} appears twice"))
    });
    let missing = || needed.iter().find(|needed| !names.iter().any(|name| name == *needed));
    match fault.or_else(|| missing().map(|missing| format!("{missing} is missing"))) {
        Some(fault) => Err(ImportError::Header(fault)),
        None => Ok(()),
    }
}

fn row(
    names: &[String],
    fields: &[Cow<'_, str>],
    defaults: &Defaults<'_>,
) -> Result<(crate::store::CredentialName, crate::locker::Entry), EntryFault> {
    if fields.len() != names.len() {
        return Err(EntryFault::Fields { found: fields.len(), expected: names.len() });
    }
    let field = |wanted: &str| {
        let (_, field) = names.iter().zip(fields).find(|(name, _)| *name == wanted)?;
        Some(field.as_ref()).filter(|field| !field.is_empty())
    };
    // Blanks may be part of a password.
    let trimmed = |name| field(name).map(str::trim).filter(|field| !field.is_empty());
    let raw = Raw {
        store: trimmed("store"),
        account: trimmed("account").unwrap_or_default(),
        asset: trimmed("asset").unwrap_or_default(),
        password: field("password"),
        private_keys: trimmed("private_key").into_iter().collect(),
        passphrase: field("passphrase"),
        totp: trimmed("totp").map(Totp::read).transpose()?,
        checkout: trimmed("checkout"),
        launch_information: trimmed("launch_information"),
        host_app: trimmed("host_app"),
        description: trimmed("description").unwrap_or_default(),
    };
    raw.entry(defaults)
}

fn keepassxc<'t>(
    names: &[String],
    rows: impl Iterator<Item = (u64, Result<Fields<'t>, RecordError>)>,
    defaults: &Defaults<'_>,
    batch: &mut Batch,
) -> Result<(), ImportError> {
    let known: Vec<&str> = KEEPASSXC.iter().map(|(name, _)| *name).chain(UNREAD).collect();
    check(names, &known, &["title", "username", "password"])?;
    let mut sources = Vec::new();
    for (line, fields) in rows {
        let fields = match fields {
            Ok(fields) if fields.len() == names.len() => fields,
            Ok(fields) => {
                let fault = EntryFault::Fields { found: fields.len(), expected: names.len() };
                batch.add(format!("line {line}"), Err(fault))?;
                continue;
            }
            Err(error) => {
                batch.add(format!("line {line}"), Err(error.into()))?;
                continue;
            }
        };
        let mut source = Source::at(line);
        for (name, field) in names.iter().zip(&fields) {
            match KEEPASSXC.iter().find(|(known, _)| known == name) {
                Some((_, "")) => {
                    source.group = field.to_string();
                    // The file does not say which group is the bin; this is the name that KeePassXC gives it.
                    source.is_in_bin =
                        field.split('/').any(|group| group.eq_ignore_ascii_case("Recycle Bin"));
                }
                Some((_, key)) => source.put((*key).to_owned(), Zeroizing::new(field.to_string())),
                None => {}
            }
        }
        sources.push(source);
    }
    keepass::take(sources, defaults, batch)
}
