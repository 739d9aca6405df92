//! `credential import`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::{Admin, Failure, Text, checkout, line, read};
use crate::cli::words::OneOf;
use crate::locker::Checkout;
use crate::locker::import::{Batch, Defaults, Expired, Format, Known, MAX_FILE};
use crate::logging::Chain;

/// How many notes are written out.
const MAX_NOTES: usize = 100;

#[derive(Args)]
pub(super) struct Arguments {
    /// The file; - for stdin
    file: PathBuf,
    /// The format: csv or keepass; default: detected from the beginning of the file
    #[arg(long, value_parser = format(), hide_possible_values = true)]
    format: Option<Format>,
    /// The store for references ($) of entries that name none; without it, they are for targets
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    store: String,
    /// How many sessions may hold an entry that does not say so itself: shared or exclusive
    #[arg(long, value_parser = checkout(), hide_possible_values = true, default_value = "shared")]
    checkout: Checkout,
    /// How to treat expired KeePass entries: skip or take
    #[arg(long, value_parser = expired(), hide_possible_values = true, default_value = "skip")]
    expired: Expired,
    /// Overwrite existing entries; otherwise one of them stops the whole import
    #[arg(long, conflicts_with = "skip_existing")]
    replace: bool,
    /// Skip entries that already exist
    #[arg(long)]
    skip_existing: bool,
    /// Skip entries that cannot be imported; otherwise one of them stops the whole import
    #[arg(long)]
    skip_bad: bool,
    /// Report what would be imported, and write nothing
    #[arg(long)]
    dry_run: bool,
}

fn format() -> OneOf<Format> {
    OneOf::new(&Format::WORDS, Format::from_word)
}

fn expired() -> OneOf<Expired> {
    OneOf::new(&Expired::WORDS, Expired::from_word)
}

/// Imports a file: all of it or nothing, unless entries may be left out.
pub(super) fn import(arguments: &Arguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let bytes = read(&arguments.file, MAX_FILE, admin)?;
    let Arguments { checkout, expired, .. } = *arguments;
    let defaults = Defaults { store: &arguments.store, checkout, expired, now: admin.store.now() };
    let mut batch = Batch::read(&bytes, arguments.format, &defaults)?;
    let known = match (arguments.skip_existing, arguments.replace) {
        (true, _) => Known::Skip,
        (false, true) => Known::Replace,
        (false, false) => Known::Refuse,
    };
    let (skipped, replaced) = batch.compare(admin.store, known)?;
    tell_notes(&batch, admin);
    let left_out = tell_refused(&batch, arguments.skip_bad, admin)?;
    let imported = match arguments.dry_run {
        true => batch.entries().len(),
        false => batch.store(admin.store, arguments.replace)?,
    };
    let done = Done { dry_run: arguments.dry_run, imported, replaced, skipped, left_out };
    if admin.json { line(&done.members()) } else { Ok(done.sentences().into()) }
}

fn tell_notes(batch: &Batch, admin: &Admin<'_>) {
    for note in batch.notes.iter().take(MAX_NOTES) {
        admin.log.warning(format_args!("{note}"));
    }
    if let Some(more @ 1..) = batch.notes.len().checked_sub(MAX_NOTES) {
        admin.log.warning(format_args!("and {more} more like these"));
    }
}

/// Names every entry that cannot be imported. Without `--skip-bad` nothing is imported then.
fn tell_refused(batch: &Batch, skip_bad: bool, admin: &Admin<'_>) -> Result<Vec<(String, String)>, Failure> {
    let refused = batch.refused().iter();
    let told: Vec<_> =
        refused.map(|refused| (refused.place.clone(), Chain(&refused.reason).to_string())).collect();
    let is_damaged = batch.is_damaged();
    for (place, reason) in &told {
        if skip_bad && !is_damaged {
            admin.log.warning(format_args!("{place}: {reason}; it is left out"));
        } else {
            admin.log.error(format_args!("{place}: {reason}"));
        }
    }
    if told.is_empty() || (skip_bad && !is_damaged) {
        return Ok(told);
    }
    let all = batch.entries().len().saturating_add(told.len());
    let hint = if is_damaged {
        "correct the quotes first, because wrong quotes change how other lines are read"
    } else {
        "--skip-bad imports the others"
    };
    Err(Failure::because(format!(
        "{} of {all} entries cannot be imported; nothing was imported; {hint}",
        told.len()
    )))
}

/// What an import did, or would do.
struct Done {
    dry_run: bool,
    imported: usize,
    /// How many of these were in the store before.
    replaced: usize,
    skipped: usize,
    left_out: Vec<(String, String)>,
}

impl Done {
    fn members(self) -> Map<String, Value> {
        let mut members = Map::from_iter([("imported".to_owned(), Value::from(self.imported))]);
        if self.dry_run {
            members.insert("dry_run".to_owned(), Value::from(true));
        }
        for (name, count) in [("replaced", self.replaced), ("skipped", self.skipped)] {
            if count > 0 {
                members.insert(name.to_owned(), Value::from(count));
            }
        }
        if !self.left_out.is_empty() {
            let entry = |(place, reason)| {
                let pairs = [("place", place), ("reason", reason)];
                Value::from_iter(
                    pairs.map(|(name, text): (&str, String)| (name.to_owned(), Value::from(text))),
                )
            };
            members.insert("left_out".to_owned(), self.left_out.into_iter().map(entry).collect());
        }
        members
    }

    fn sentences(&self) -> String {
        let entries =
            |count: usize| if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") };
        let verb = match (self.dry_run, self.imported) {
            (true, _) => "would be",
            (false, 1) => "is",
            (false, _) => "are",
        };
        let mut text = format!("{} {verb} imported\n", entries(self.imported));
        if self.replaced > 0 {
            let verb = if self.dry_run { "would overwrite" } else { "overwrote" };
            text.push_str(&format!("{} of them {verb} existing entries\n", self.replaced));
        }
        for (count, why) in [(self.skipped, "already in the store"), (self.left_out.len(), "see above")] {
            if count > 0 {
                text.push_str(&format!("{} left out: {why}\n", entries(count)));
            }
        }
        if self.dry_run {
            text.push_str("nothing was written\n");
        }
        text
    }
}
