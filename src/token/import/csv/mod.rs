//! CSV and its kin (RFC 4180, with any of the usual separators): tables whose first line names the columns in any order, and the lines of
//! OATH files and of the YubiKey tools, which have no header.

mod header;
mod layout;
mod row;
mod secret;

use std::borrow::Cow;

use self::header::{Column, Header};
use self::layout::Layout;
use self::row::{Kind, Row};
use self::secret::Shown;
use super::entry::{EntryError, Found, Place};
use super::{Batch, Defaults, ImportError};
use crate::intake::records::{Fields, RecordError, Records, Separator, Style, hinted};
use crate::store::TokenType;

/// Says why a whole table cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CsvError {
    /// The first line neither names the columns nor is a token.
    #[error("the first line has to name the columns; {0}")]
    Header(String),
    /// The same, in a file without a word that names a column.
    #[error(
        "the first line must name the columns, such as serial and secret, or be a token as in files of OATH or of the YubiKey tools"
    )]
    NoHeader,
}

/// How a table is to be read.
enum Table {
    Headed(Header),
    Bare {
        /// Whether privacyIDEA's second version puts user, resolver and realm before the serial.
        owned: bool,
    },
}

/// A line's number and what could be read of it.
type Line<'t> = (u64, Result<Fields<'t>, RecordError>);

/// Reads the lines of a file.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let (first, separators) = match hinted(text) {
        Some((separator, rest)) => ((2, rest), vec![Separator::Character(separator)]),
        None => ((1, text), Separator::ALL.to_vec()),
    };
    let ((line, text), owned) = (first, is_second_version(text));
    let records = |separator| {
        let all = Records::new(text, separator, Style::Loose).from_line(line);
        all.filter(|(_, fields)| !is_mark(fields))
    };
    let begin = |separator| records(separator).next();
    if begin(Separator::Blanks).is_none() {
        return Ok(());
    }
    let (separator, table) = recognize(&separators, begin, owned)?;
    let headers = usize::from(matches!(table, Table::Headed(_)));
    let lines: Vec<Line<'_>> = records(separator).skip(headers).collect();
    if let Table::Headed(header) = &table {
        batch.notes.extend(header.notes.iter().cloned());
    }
    let shown = table.shown(&lines);
    let mut untyped = 0_usize;
    for (line, fields) in &lines {
        let place = Place::Line(*line);
        let found = match fields {
            Ok(fields) => table.found(fields, &place, shown, defaults, &mut untyped),
            Err(error) => Err(EntryError::Record(*error)),
        };
        batch.add(place, found)?;
    }
    if untyped > 0 {
        batch.notes.push(format!(
            "{untyped} lines have no type and are imported as hotp, the default of OATH files; if they are totp, use --type totp"
        ));
    }
    Ok(())
}

/// Tells whether a line is the first of a YubiKey personalization tool log: `LOGGING START` and a time.
fn is_mark(fields: &Result<Fields<'_>, RecordError>) -> bool {
    let first = fields.as_ref().ok().and_then(|fields| fields.first());
    first.is_some_and(|first| first.eq_ignore_ascii_case("LOGGING START"))
}

/// Tells whether the first line is `# version: 2`, as privacyIDEA's and eduMFA's OATH files with owners begin.
fn is_second_version(text: &str) -> bool {
    let comment = text.lines().next().and_then(|line| line.trim().strip_prefix('#'));
    let version = comment.and_then(|comment| comment.trim().strip_prefix("version"));
    let version = version.and_then(|version| version.trim_start().strip_prefix(':'));
    version.is_some_and(|version| version.trim() == "2")
}

/// Finds the separator by which the first line is a header, or else a token.
fn recognize<'t>(
    separators: &[Separator],
    begin: impl Fn(Separator) -> Option<Line<'t>>,
    owned: bool,
) -> Result<(Separator, Table), CsvError> {
    let mut best: Option<(usize, String)> = None;
    let mut bare = None;
    for separator in separators {
        let Some((_, Ok(fields))) = begin(*separator) else { continue };
        match (Header::matches(&fields), Header::read(&fields)) {
            (1.., Ok(header)) => return Ok((*separator, Table::Headed(header))),
            (matches @ 1.., Err(fault)) if best.as_ref().is_none_or(|(most, _)| matches > *most) => {
                best = Some((matches, fault));
            }
            (_, _) => {}
        }
        if bare.is_none() && Layout::of(without_owner(&fields, owned).1).is_some() {
            bare = Some(*separator);
        }
    }
    match (bare, best) {
        (Some(separator), _) => Ok((separator, Table::Bare { owned })),
        (None, Some((_, fault))) => Err(CsvError::Header(fault)),
        (None, None) => Err(CsvError::NoHeader),
    }
}

/// Takes user, resolver and realm off a line that begins with them.
fn without_owner<'r, 't>(
    fields: &'r [Cow<'t, str>],
    owned: bool,
) -> (Option<&'r [Cow<'t, str>; 3]>, &'r [Cow<'t, str>]) {
    match fields.split_first_chunk::<3>() {
        Some((owner, rest)) if owned => (Some(owner), rest),
        Some(_) | None => (None, fields),
    }
}

impl Table {
    /// Looks at all secrets, because one alone may be readable in two ways.
    fn shown(&self, lines: &[Line<'_>]) -> Shown {
        let mut shown = Shown::default();
        for fields in lines.iter().filter_map(|(_, fields)| fields.as_ref().ok()) {
            match self {
                Self::Headed(header) => {
                    let secrets =
                        header.fields(fields).filter(|(column, _)| matches!(column, Column::Secret(_)));
                    secrets.for_each(|(_, secret)| shown.look(secret));
                }
                Self::Bare { owned } => {
                    let (_, fields) = without_owner(fields, *owned);
                    if Layout::of(fields) == Some(Layout::Oath) {
                        fields.iter().skip(1).take(1).for_each(|secret| shown.look(secret));
                    }
                }
            }
        }
        shown
    }

    fn found(
        &self,
        fields: &Fields<'_>,
        place: &Place,
        shown: Shown,
        defaults: &Defaults<'_>,
        untyped: &mut usize,
    ) -> Result<Found, EntryError> {
        match self {
            Self::Headed(header) => headed(header, fields)?.found(place, shown, defaults),
            Self::Bare { owned } => {
                let (owner, fields) = without_owner(fields, *owned);
                // A line that cannot be told is one of an OATH file that lacks something.
                let layout = Layout::of(fields).unwrap_or(Layout::Oath);
                let mut serial = String::new();
                let mut row = layout.row(fields, &mut serial)?;
                if let Some([user, _, realm]) = owner {
                    let text = |text: &'_ str| !text.is_empty();
                    row.user = Some(user.as_ref()).filter(|user| text(user));
                    row.realm = Some(realm.as_ref()).filter(|realm| text(realm) && row.user.is_some());
                }
                if layout == Layout::Yubico {
                    row.notes.push(format!(
                        "{place}: the file does not name the number of digits; 6 is used, or the one in --digits"
                    ));
                }
                let is_untyped = layout == Layout::Oath && matches!(row.token_type, Kind::Else(_));
                let found = row.found(place, shown, defaults)?;
                *untyped = untyped.saturating_add(usize::from(is_untyped && defaults.token_type.is_none()));
                Ok(found)
            }
        }
    }
}

fn headed<'r>(header: &'r Header, fields: &'r Fields<'_>) -> Result<Row<'r>, EntryError> {
    if fields.iter().skip(header.len()).any(|field| !field.is_empty()) {
        return Err(EntryError::Fields { found: fields.len(), expected: header.len() });
    }
    let mut row = Row::default();
    for (column, field) in header.fields(fields) {
        match column {
            Column::Serial => row.serial = Some(field),
            Column::Secret(encoding) => row.secrets.push((encoding, field)),
            Column::Type => row.token_type = Kind::Written(field),
            Column::Algorithm => row.algorithm = Some(field),
            Column::Digits => row.digits = Some(field),
            Column::Period => row.period = Some(field),
            Column::Counter => row.counter = Some(field),
            Column::User => row.user = Some(field),
            Column::Realm => row.realm = Some(field),
            Column::Description | Column::Manufacturer | Column::Model => row.description.push(field),
            Column::Unused => {}
        }
    }
    if matches!(row.token_type, Kind::Unknown) {
        let has_secret = header.has(Column::Secret(secret::Encoding::HexPreferred));
        row.token_type = match (row.period.is_some(), row.counter.is_some()) {
            (true, false) => Kind::Else(TokenType::Totp),
            (false, true) => Kind::Else(TokenType::Hotp),
            // This program's own table.
            (false, false) if header.has(Column::Type) || has_secret => Kind::Else(TokenType::Hotp),
            (true, true) | (false, false) => Kind::Unknown,
        };
    }
    Ok(row)
}

#[cfg(test)]
mod tests;
