//! CSV (RFC 4180) whose first line names the columns, in any order.

use csv::ReaderBuilder;

use super::{Batch, Defaults, EntryFault, ImportError, Raw};
use crate::token::import::columns::Columns;

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

/// Reads the lines of a file.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| ImportError::Header("it cannot be read".to_owned()))?.clone();
    let columns = Columns::find(&COLUMNS, &["account", "asset"], &header).map_err(ImportError::Header)?;
    for record in reader.records() {
        let record = record.map_err(|error| ImportError::Entry {
            place: format!("line {}", error.position().map_or(0, csv::Position::line)),
            source: EntryFault::Fields,
        })?;
        // Blanks may be part of a password.
        let field = |name| columns.field(&record, name);
        let trimmed = |name| field(name).map(str::trim).filter(|field| !field.is_empty());
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
