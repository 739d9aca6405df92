//! The INI dialect of Python's `configparser.ConfigParser()`, because that is what administrators' existing
//! configurations were written for.
//!
//! Reads what CPython 3.11 reads with `read_string()`, refuses what it refuses, and answers what its `get()` answers
//! (<https://docs.python.org/3.11/library/configparser.html>), with four deviations, all on purpose:
//!
//! * Messages never hold a value or a piece of a line: either may be a secret. Python's hold both.
//! * A text with an error changes nothing. Python keeps what it had read until then.
//! * An interpolated value has at most [`MAX_INTERPOLATED`] bytes and takes bounded work. Python's may grow without
//!   bound: ten levels of n references each are n¹⁰ copies.
//! * Option names are lower-cased by Rust's Unicode tables. Python 3.11 has those of Unicode 14, which lack 55 capital
//!   letters and a few marks beside which a capital sigma becomes another small one.
//!
//! A byte order mark is text here as it is in Python: whoever reads a file takes it off first.

mod error;
mod interpolation;
mod reader;
mod table;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use error::{Fault, IniError, Place};
pub use interpolation::MAX_INTERPOLATED;
use table::Table;

/// Names the section whose options every section inherits.
pub const DEFAULT: &str = "DEFAULT";

/// Holds one parsed configuration: later texts laid over earlier ones.
#[derive(Clone, Default)]
pub struct Ini {
    defaults: Section,
    sections: Table<Section>,
}

/// Shows a raw value and where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The value as written: joined lines, `%` not interpreted. May be a secret.
    pub value: &'a str,
    /// The name that was given to [`Ini::read_str`].
    pub source: &'a str,
    /// The line on which the option begins, from 1.
    pub line: usize,
}

impl Ini {
    /// Makes a configuration without sections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lays `text` over what was read before; `source` is the name that errors cite, such as `plugin.ini`.
    ///
    /// # Errors
    ///
    /// Where Python raises `MissingSectionHeaderError`, `DuplicateSectionError`, `DuplicateOptionError` or
    /// `ParsingError`: the [`IniError`] of that name. Nothing of the text is taken over then.
    pub fn read_str(&mut self, source: &str, text: &str) -> Result<(), IniError> {
        let read = reader::read(source, text)?;
        self.defaults.lay(read.defaults);
        for (name, section) in read.sections {
            match self.sections.get_mut(&name) {
                Some(below) => below.lay(section),
                None => self.sections.insert(name, section),
            }
        }
        Ok(())
    }

    /// Lists the sections in the order of their first appearance, without `DEFAULT`.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name)
    }

    /// Tells whether the section is there; `DEFAULT` never is, as in Python.
    #[must_use]
    pub fn has_section(&self, section: &str) -> bool {
        self.sections.get(section).is_some()
    }

    /// Lists the section's own options, then those it inherits from `DEFAULT`; none if there is no such section.
    ///
    /// For `DEFAULT` itself these are its options, where Python raises `NoSectionError`.
    #[must_use]
    pub fn options(&self, section: &str) -> Vec<&str> {
        let Some(scope) = self.scope(section) else {
            return Vec::new();
        };
        let inherited = scope.defaults.iter().filter(|(name, _)| scope.own.get(name).is_none());
        scope.own.iter().chain(inherited).map(|(name, _)| name).collect()
    }

    /// Tells whether options stand in the section itself; a header alone has none.
    #[must_use]
    pub fn has_own_options(&self, section: &str) -> bool {
        self.scope(section).is_some_and(|scope| scope.own.iter().next().is_some())
    }

    /// Tells whether the option stands in the section itself, and is not inherited.
    #[must_use]
    pub fn has_own_option(&self, section: &str, option: &str) -> bool {
        self.scope(section).is_some_and(|scope| scope.own.get(&lower(option)).is_some())
    }

    /// Tells whether the section has or inherits the option, whose case does not matter.
    ///
    /// The empty section name stands for `DEFAULT`, in Python's `has_option` and here, but nowhere else.
    #[must_use]
    pub fn has_option(&self, section: &str, option: &str) -> bool {
        let section = if section.is_empty() { DEFAULT } else { section };
        self.scope(section).is_some_and(|scope| scope.find(option).is_some())
    }

    /// Finds the raw value that the section has or inherits, and where it stands.
    #[must_use]
    pub fn entry(&self, section: &str, option: &str) -> Option<Entry<'_>> {
        let Value { text, source, line } = self.scope(section)?.find(option)?.value;
        Some(Entry { value: text, source, line: *line })
    }

    /// Finds the interpolated value; `None` where Python's `get` would answer its fallback.
    ///
    /// A missing section is such a place: `DEFAULT` is inherited by sections that are there.
    ///
    /// # Errors
    ///
    /// Where Python raises `InterpolationSyntaxError`, `InterpolationMissingOptionError` or
    /// `InterpolationDepthError`: the [`IniError`] of that name. And [`IniError::InterpolationTooLarge`], which Python
    /// does not have. A value that nobody gets is not looked at.
    pub fn get(&self, section: &str, option: &str) -> Result<Option<Cow<'_, str>>, IniError> {
        let Some(scope) = self.scope(section) else {
            return Ok(None);
        };
        scope.find(option).map(|found| interpolation::expand(&scope, found)).transpose()
    }

    /// Finds the interpolated value of an option that stands in the section itself, not in `DEFAULT`: for names that
    /// people choose. Python has no such call.
    ///
    /// # Errors
    ///
    /// As [`Ini::get`].
    pub fn get_own(&self, section: &str, option: &str) -> Result<Option<Cow<'_, str>>, IniError> {
        let Some(scope) = self.scope(section) else {
            return Ok(None);
        };
        scope.find_own(&lower(option)).map(|found| interpolation::expand(&scope, found)).transpose()
    }

    /// Lists the options that stand in the section itself, in their order.
    #[must_use]
    pub fn own_options(&self, section: &str) -> Vec<&str> {
        let own = self.scope(section).map(|scope| scope.own.iter().map(|(name, _)| name));
        own.into_iter().flatten().collect()
    }

    fn scope(&self, section: &str) -> Option<Scope<'_>> {
        let (name, own) = match section {
            DEFAULT => (DEFAULT, &self.defaults),
            _ => self.sections.get_key_value(section)?,
        };
        Some(Scope { name, own, defaults: &self.defaults })
    }
}

/// Prints the names of sections and options only: values may be secrets.
impl fmt::Debug for Ini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn names(section: &Section) -> Vec<&str> {
            section.iter().map(|(name, _)| name).collect()
        }
        f.debug_map()
            .entry(&DEFAULT, &names(&self.defaults))
            .entries(self.sections.iter().map(|(name, section)| (name, names(section))))
            .finish()
    }
}

/// Prints where the value stands, not the value.
impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("source", &self.source)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

type Section = Table<Value>;

#[derive(Clone)]
struct Value {
    text: String,
    source: Arc<str>,
    line: usize,
}

/// What a section's options and references are looked up in.
struct Scope<'a> {
    name: &'a str,
    own: &'a Section,
    defaults: &'a Section,
}

/// An option with the section that it was found in.
#[derive(Clone, Copy)]
struct Found<'a> {
    section: &'a str,
    option: &'a str,
    value: &'a Value,
}

impl<'a> Scope<'a> {
    fn find(&self, option: &str) -> Option<Found<'a>> {
        let option = lower(option);
        let inherited = || {
            let (option, value) = self.defaults.get_key_value(&option)?;
            Some(Found { section: DEFAULT, option, value })
        };
        self.find_own(&option).or_else(inherited)
    }

    fn find_own(&self, lower: &str) -> Option<Found<'a>> {
        let (option, value) = self.own.get_key_value(lower)?;
        Some(Found { section: self.name, option, value })
    }
}

/// Lower-cases as Python's `optionxform`, without a copy for the usual name.
fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

#[cfg(test)]
mod tests;
