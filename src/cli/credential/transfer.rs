//! `credential import`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::{Admin, Failure, Text, checkout, line, read};
use crate::cli::words::OneOf;
use crate::locker::Checkout;
use crate::locker::import::{Batch, Defaults, Format, MAX_FILE};

/// How many notes are written out.
const NAMED: usize = 10;

#[derive(Args)]
pub(super) struct Arguments {
    /// The file; - for stdin
    file: PathBuf,
    /// How it is written: csv or keepass; else it is guessed from the beginning
    #[arg(long, value_parser = format(), hide_possible_values = true)]
    format: Option<Format>,
    /// The store for references ($) of entries that name none; without it, they are for targets
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    store: String,
    /// How many sessions may hold an entry that does not say so itself: shared or exclusive
    #[arg(long, value_parser = checkout(), hide_possible_values = true, default_value = "shared")]
    checkout: Checkout,
    /// Overwrite entries that are there; without it, one of them stops the whole import
    #[arg(long)]
    replace: bool,
}

fn format() -> OneOf<Format> {
    OneOf::new(&Format::WORDS, Format::from_word)
}

/// Imports a file, all of it or nothing.
pub(super) fn import(arguments: &Arguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let bytes = read(&arguments.file, MAX_FILE, admin)?;
    let defaults = Defaults { store: &arguments.store, checkout: arguments.checkout };
    let mut batch = Batch::read(&bytes, arguments.format, &defaults)?;
    let notes = std::mem::take(&mut batch.notes);
    let count = batch.store(admin.store, arguments.replace)?;
    for note in notes.iter().take(NAMED) {
        admin.log.warning(format_args!("{note}"));
    }
    if let Some(more @ 1..) = notes.len().checked_sub(NAMED) {
        admin.log.warning(format_args!("and {more} more like these"));
    }
    if admin.json {
        return line(&Map::from_iter([("imported".to_owned(), Value::from(count))]));
    }
    let noun = if count == 1 { "entry is" } else { "entries are" };
    Ok(format!("{count} {noun} imported\n").into())
}
