//! What can be wrong with a configuration, said without a value or a piece of a line.

use std::fmt;

/// Says why a text was refused or a value cannot be interpolated.
///
/// Cites places and the names of sections and options, which are the writer's to publish; never a value, which may be
/// a secret, and so not the name inside a `%(name)s` either.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum IniError {
    /// Reports an option or a stray line before any header; Python's error of this name.
    #[error("{origin}, line {line}: expected a '[section]' header before this line")]
    MissingSectionHeader {
        /// The name of the text.
        origin: String,
        /// The line, from 1.
        line: usize,
    },
    /// Reports a section that comes twice in one text; Python's `DuplicateSectionError`.
    #[error("{origin}, line {line}, section [{}]: the section already began at line {first}", Shown(section))]
    DuplicateSection {
        /// The name of the text.
        origin: String,
        /// The line of the second header.
        line: usize,
        /// The section's name.
        section: String,
        /// The line of the first header.
        first: usize,
    },
    /// Reports an option that comes twice in one section of one text; Python's `DuplicateOptionError`.
    #[error("{place}: the option was already given at line {first}")]
    DuplicateOption {
        /// Where it comes again.
        place: Place,
        /// The line where it came first.
        first: usize,
    },
    /// Reports lines that are neither header, option nor continuation; Python's `ParsingError`.
    #[error(
        "{origin}, {}: expected 'option = value', '[section]', or a line indented deeper than the option it continues",
        Lines(lines)
    )]
    Parsing {
        /// The name of the text.
        origin: String,
        /// All such lines, in order.
        lines: Vec<usize>,
    },
    /// Reports a stray `%`; Python's `InterpolationSyntaxError`.
    #[error("{0}: a '%' must be written '%%' or begin a '%(name)s' reference")]
    InterpolationSyntax(Box<Fault>),
    /// Reports a reference to nothing; Python's `InterpolationMissingOptionError`.
    #[error("{0}: the '%(name)s' reference names an option that neither the section nor [DEFAULT] has")]
    InterpolationMissingOption(Box<Fault>),
    /// Reports references nested deeper than ten levels, so loops too; Python's `InterpolationDepthError`.
    #[error("{0}: '%(name)s' references may be nested 10 deep and must not form a loop")]
    InterpolationDepth(Box<Fault>),
    /// Reports a value that grows beyond [`MAX_INTERPOLATED`](super::MAX_INTERPOLATED); Python has no such bound.
    #[error("{0}: the value becomes too large when its '%(name)s' references are replaced")]
    InterpolationTooLarge(Box<Fault>),
}

/// Cites an option: in which text, on which line, in which section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name of the text.
    pub origin: String,
    /// The line on which the option begins, from 1.
    pub line: usize,
    /// The section it stands in, perhaps `DEFAULT`.
    pub section: String,
    /// Its name in lower case.
    pub option: String,
}

/// Cites a character in a value, and the option that it was read for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The option whose value has the fault.
    pub at: Place,
    /// Which character of the raw value, from 1; joined lines count one for the line break.
    pub character: usize,
    /// The option that was asked for: the same one, or one that refers to it.
    pub asked: Place,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, line, section, option } = self;
        write!(f, "{origin}, line {line}, section [{}], option '{}'", Shown(section), Shown(option))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, character, asked } = self;
        write!(f, "{at}, character {character} of the value")?;
        if asked == at { Ok(()) } else { write!(f, " (read for {asked})") }
    }
}

/// Shows a name without control characters, and only its beginning: names go to logs and terminals.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 64;
        match self.0.char_indices().nth(MOST).and_then(|(end, _)| self.0.get(..end)) {
            Some(beginning) => write!(f, "{}…", beginning.escape_debug()),
            None => write!(f, "{}", self.0.escape_debug()),
        }
    }
}

struct Lines<'a>(&'a [usize]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 8;
        f.write_str(if self.0.len() == 1 { "line " } else { "lines " })?;
        for (position, line) in self.0.iter().take(MOST).enumerate() {
            write!(f, "{}{line}", if position == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
