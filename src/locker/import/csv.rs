//! CSV (RFC 4180) whose first line names the columns, in any order.

use csv::{ReaderBuilder, StringRecord};

use super::{Batch, Defaults, EntryFault, ImportError, Raw};

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

struct Columns([Option<usize>; COLUMNS.len()]);

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, ImportError> {
        let mut columns = Self([None; COLUMNS.len()]);
        for (index, name) in header.iter().enumerate() {
            let name = name.trim();
            let place =
                COLUMNS.iter().zip(&mut columns.0).find(|(known, _)| known.eq_ignore_ascii_case(name));
            match place {
                Some((_, place @ None)) => *place = Some(index),
                Some((known, Some(_))) => {
                    return Err(ImportError::Header(format!("{known} is there twice")));
                }
                // What stands there may be a secret, in a file without a header.
                None => {
                    let (column, known) = (index.saturating_add(1), COLUMNS.join(", "));
                    return Err(ImportError::Header(format!("column {column} is none of {known}")));
                }
            }
        }
        for needed in ["account", "asset"] {
            if columns.place(needed).is_none() {
                return Err(ImportError::Header(format!("{needed} is missing")));
            }
        }
        Ok(columns)
    }

    fn place(&self, name: &str) -> Option<usize> {
        COLUMNS.iter().zip(self.0).find(|(known, _)| **known == name).and_then(|(_, place)| place)
    }

    /// Returns a field that is there and not empty, as it stands: blanks may be part of a password.
    fn field<'r>(&self, record: &'r StringRecord, name: &str) -> Option<&'r str> {
        record.get(self.place(name)?).filter(|field| !field.is_empty())
    }

    fn trimmed<'r>(&self, record: &'r StringRecord, name: &str) -> Option<&'r str> {
        self.field(record, name).map(str::trim).filter(|field| !field.is_empty())
    }
}

/// Reads the lines of a file.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| ImportError::Header("it cannot be read".to_owned()))?.clone();
    let columns = Columns::find(&header)?;
    for record in reader.records() {
        let record = record.map_err(|error| ImportError::Entry {
            place: format!("line {}", error.position().map_or(0, csv::Position::line)),
            source: EntryFault::Fields,
        })?;
        let (field, trimmed) = (|name| columns.field(&record, name), |name| columns.trimmed(&record, name));
        let raw = Raw {
            store: trimmed("store"),
            account: trimmed("account").unwrap_or_default(),
            asset: trimmed("asset").unwrap_or_default(),
            password: field("password"),
            private_key: trimmed("private_key"),
            passphrase: field("passphrase"),
            totp: trimmed("totp"),
            checkout: trimmed("checkout"),
            launch_information: trimmed("launch_information"),
            host_app: trimmed("host_app"),
            description: trimmed("description").unwrap_or_default(),
        };
        let line = record.position().map_or(0, csv::Position::line);
        batch.add(|| format!("line {line}"), &raw, defaults)?;
    }
    Ok(())
}
