//! Typed access to the configuration.
//!
//! Every option that the program knows is a constant of type [`Opt`] beside the code that reads it; the lists named
//! `OPTIONS` of all modules together are what `plugin.ini.example` is held to and what unknown options are compared
//! with. A value is read when a step needs it, as the SDK does, so that an option that is never reached cannot stop
//! a hook. No error holds a value, because any option may be a secret.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::ini::{Ini, IniError};
use super::list::{self, Entries};
use super::number;
use super::reference::{self, Lookup, Reference, ReferenceError};

/// Names an option, its section and its default.
///
/// A section or option in angle brackets (`[user_list <name>]`, `<user name>`) stands for any name; see
/// [`Opt::of`].
#[derive(Debug, PartialEq, Eq)]
pub struct Opt {
    /// The section, or its pattern such as `question_<n>`.
    pub section: &'static str,
    /// The option, in lower case, or `<…>` for any name.
    pub option: &'static str,
    /// The default as one would write it; empty where there is none.
    pub default: &'static str,
    /// The kind of entries, for a list.
    pub entries: Entries,
    /// Whether the value is a secret, which is better kept outside the configuration.
    pub is_secret: bool,
}

impl Opt {
    /// Names an option. `default` is empty if there is none. A list gets the strictest kind of entries.
    pub const fn new(section: &'static str, option: &'static str, default: &'static str) -> Self {
        Self { section, option, default, entries: Entries::Words, is_secret: false }
    }

    /// Names a secret, which has no default.
    pub const fn secret(section: &'static str, option: &'static str) -> Self {
        Self { is_secret: true, ..Self::new(section, option, "") }
    }

    /// Names a list whose entries are of another kind.
    pub const fn with_entries(self, entries: Entries) -> Self {
        Self { entries, ..self }
    }

    /// Names the same option in one section of a family, for example `question_2` for `question_<n>`.
    pub fn of<'a>(&'a self, section: &'a str) -> At<'a> {
        At { section, option: self.option, default: self.default, entries: self.entries, is_own: false }
    }

    /// Tells whether the names in a configuration file are this option's.
    pub fn matches(&self, section: &str, option: &str) -> bool {
        self.matches_section(section) && fits(self.option, option)
    }

    /// Tells whether the name of a section in a configuration file is this option's.
    pub fn matches_section(&self, section: &str) -> bool {
        fits(self.section, section)
    }
}

/// Tells whether a name fits a pattern with at most one `<…>`, which stands for one character or more.
fn fits(pattern: &str, name: &str) -> bool {
    // Every start compares hundreds of names, and nearly all differ in the first letter.
    let (first, wanted) = (name.bytes().next(), pattern.bytes().next());
    if first != wanted && wanted != Some(b'<') {
        return false;
    }
    match pattern.split_once('<') {
        None => pattern == name,
        Some((before, rest)) => {
            let after = rest.split_once('>').map_or("", |(_, after)| after);
            name.strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|middle| !middle.is_empty())
        }
    }
}

/// One option of one section.
#[derive(Clone, Copy)]
pub struct At<'a> {
    section: &'a str,
    option: &'a str,
    default: &'a str,
    entries: Entries,
    /// Whether `[DEFAULT]` is left out.
    is_own: bool,
}

impl<'a> At<'a> {
    /// Names an option by a name that somebody may have chosen: a user, a protocol, a domain. It counts only where the
    /// section itself has it, so that no such name reaches what `[DEFAULT]` has for others.
    pub fn named(section: &'a str, option: &'a str) -> Self {
        Self { section, option, default: "", entries: Entries::Words, is_own: true }
    }

    /// Names the same option as a list whose entries are of another kind.
    pub fn with_entries(self, entries: Entries) -> Self {
        Self { entries, ..self }
    }
}

impl<'a> From<&'a Opt> for At<'a> {
    fn from(opt: &'a Opt) -> Self {
        opt.of(opt.section)
    }
}

/// Says what is wrong with the value of an option, and where it stands.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// An option without which the step cannot be done.
    #[error("[{section}] {option} is required")]
    Missing {
        /// The section that lacks it.
        section: String,
        /// Its name.
        option: String,
    },
    /// A value of the wrong form.
    #[error("{place}: expected {expected}")]
    Invalid {
        /// File, line, section and option.
        place: String,
        /// What would be right.
        expected: String,
    },
    /// A reference that leads nowhere.
    #[error("{place}")]
    Reference {
        /// File, line, section and option.
        place: String,
        /// Why.
        source: ReferenceError,
    },
    /// The text itself cannot be read, or a `%(name)s` in it.
    #[error(transparent)]
    Ini(#[from] IniError),
}

const CREDENTIAL_STORE: Opt = Opt::new("credential_store", "name", "");
const TRUSTED_CA_LIST: Opt = Opt::new("trusted_ca_list <name>", "certs", "");

/// The options that this module reads.
pub const OPTIONS: &[Opt] = &[CREDENTIAL_STORE, TRUSTED_CA_LIST];

/// The configuration of one hook.
pub struct Settings<'a> {
    ini: Ini,
    lookup: &'a dyn Lookup,
}

impl<'a> Settings<'a> {
    /// Puts a parsed configuration together with what its references refer to.
    pub fn new(ini: Ini, lookup: &'a dyn Lookup) -> Self {
        Self { ini, lookup }
    }

    /// Gives access to the names of sections and options.
    pub fn ini(&self) -> &Ini {
        &self.ini
    }

    /// Returns the value of an option: as written, or what it refers to, or its default, or `None`.
    ///
    /// # Errors
    /// A `%(name)s` or a reference that leads nowhere.
    pub fn text<'o>(&self, at: impl Into<At<'o>>) -> Result<Option<String>, SettingError> {
        Ok(self.secret(at)?.map(|value| value.expose_secret().to_owned()))
    }

    /// Returns the value of an option that has to be there, which may be empty.
    ///
    /// # Errors
    /// As [`Settings::text`], and [`SettingError::Missing`].
    pub fn required<'o>(&self, at: impl Into<At<'o>>) -> Result<String, SettingError> {
        let at = at.into();
        self.text(at)?.ok_or_else(|| missing(at))
    }

    /// Returns the value of an option that is a secret.
    ///
    /// # Errors
    /// As [`Settings::text`].
    pub fn secret<'o>(&self, at: impl Into<At<'o>>) -> Result<Option<SecretString>, SettingError> {
        let at = at.into();
        let written = match at.is_own {
            true => self.ini.get_own(at.section, at.option)?,
            false => self.ini.get(at.section, at.option)?,
        };
        let text = match &written {
            Some(text) => text.as_ref(),
            None if at.default.is_empty() => return Ok(None),
            None => at.default,
        };
        let failed = |source| SettingError::Reference { place: self.place(at), source };
        match reference::parse(text) {
            Reference::Literal(text) => Ok(Some(SecretString::from(text.to_owned()))),
            Reference::Credential => self.credential(at).map(Some).map_err(failed),
            Reference::Environment(name) => match self.lookup.environment(name) {
                Some(value) => Ok(Some(SecretString::from(value))),
                None => Err(failed(ReferenceError::NoVariable(name.to_owned()))),
            },
            Reference::File(path) => reference::read_file(path).map(Some).map_err(failed),
        }
    }

    /// Returns the value of a secret that has to be there.
    ///
    /// # Errors
    /// As [`Settings::secret`], and [`SettingError::Missing`].
    pub fn required_secret<'o>(&self, at: impl Into<At<'o>>) -> Result<SecretString, SettingError> {
        let at = at.into();
        self.secret(at)?.ok_or_else(|| missing(at))
    }

    /// Returns a `yes` or `no`, in any case, as the SDK's `getboolean` reads it; `no` without value and default.
    ///
    /// # Errors
    /// As [`Settings::text`]; any other value.
    pub fn boolean<'o>(&self, at: impl Into<At<'o>>) -> Result<bool, SettingError> {
        Ok(self.choice(at, &["yes", "no"])? == "yes")
    }

    /// Returns one of a set of lower-case words, written in any case; the last of the set without value and default.
    ///
    /// # Errors
    /// As [`Settings::text`]; any other value.
    pub fn choice<'o, 'c>(
        &self,
        at: impl Into<At<'o>>,
        choices: &[&'c str],
    ) -> Result<&'c str, SettingError> {
        let at = at.into();
        match self.optional_choice(at, choices)? {
            Some(choice) => Ok(choice),
            None => choices.last().copied().ok_or_else(|| missing(at)),
        }
    }

    /// Returns one of a set of lower-case words, written in any case, or `None` without value and default.
    ///
    /// # Errors
    /// As [`Settings::text`]; any other value.
    pub fn optional_choice<'o, 'c>(
        &self,
        at: impl Into<At<'o>>,
        choices: &[&'c str],
    ) -> Result<Option<&'c str>, SettingError> {
        let at = at.into();
        let Some(text) = self.text(at)? else { return Ok(None) };
        let lower = text.to_lowercase();
        match choices.iter().find(|choice| **choice == lower) {
            Some(choice) => Ok(Some(choice)),
            None => Err(self.invalid(at, format!("one of {}", choices.join(", ")))),
        }
    }

    /// Returns a whole number between `least` and `most`, as Python's `int()` reads it.
    ///
    /// # Errors
    /// As [`Settings::text`]; no number, or out of the range; [`SettingError::Missing`] without value and default.
    pub fn integer<'o>(&self, at: impl Into<At<'o>>, least: i64, most: i64) -> Result<i64, SettingError> {
        let at = at.into();
        match number::integer(&self.required(at)?) {
            Some(number) if (least..=most).contains(&number) => Ok(number),
            Some(_) => Err(self.invalid(at, format!("a whole number from {least} to {most}"))),
            None => Err(self.invalid(at, "a whole number".to_owned())),
        }
    }

    /// Returns a number as Python's `float()` reads it, which may be infinite (`inf`) but not `nan`.
    ///
    /// # Errors
    /// As [`Settings::text`]; no number; [`SettingError::Missing`] without value and default.
    pub fn number<'o>(&self, at: impl Into<At<'o>>) -> Result<f64, SettingError> {
        let at = at.into();
        match number::float(&self.required(at)?) {
            Some(number) if !number.is_nan() => Ok(number),
            Some(_) | None => Err(self.invalid(at, "a number".to_owned())),
        }
    }

    /// Returns a time to wait, in seconds with a fraction, above zero and at most `most` seconds.
    ///
    /// # Errors
    /// As [`Settings::number`]; out of the range.
    pub fn seconds<'o>(&self, at: impl Into<At<'o>>, most: f64) -> Result<Duration, SettingError> {
        let at = at.into();
        let seconds = self.number(at)?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) if seconds > 0.0 && seconds <= most => Ok(duration),
            Ok(_) | Err(_) => Err(self.invalid(at, format!("seconds above 0, at most {most}"))),
        }
    }

    /// Returns the entries of a list, as [`list::entries`] splits it; none without value and default.
    ///
    /// # Errors
    /// As [`Settings::text`]; an entry that shows that another separator, a quote or a comment was meant.
    pub fn list<'o>(&self, at: impl Into<At<'o>>) -> Result<Vec<String>, SettingError> {
        let at = at.into();
        let Some(text) = self.text(at)? else { return Ok(Vec::new()) };
        match list::entries(&text, at.entries) {
            Ok(entries) => Ok(entries.into_iter().map(str::to_owned).collect()),
            Err(bad) => Err(self.bad_entry(at, &bad.entry, bad.why)),
        }
    }

    /// Returns the entries of a list that has to have some, and no empty one.
    ///
    /// # Errors
    /// As [`Settings::list`]; no entry, or an empty one; [`SettingError::Missing`] without value and default.
    pub fn required_list<'o>(&self, at: impl Into<At<'o>>) -> Result<Vec<String>, SettingError> {
        let at = at.into();
        let has_gap = list::has_gap(&self.required(at)?);
        let entries = self.list(at)?;
        if has_gap || entries.is_empty() {
            return Err(self.invalid(at, "non-empty entries separated by commas or line ends".to_owned()));
        }
        Ok(entries)
    }

    /// Returns the entries of a list that must not be empty. `what` is what each entry is, for errors; the caller parses them.
    ///
    /// # Errors
    /// As [`Settings::required_list`]; the error says what they have to be.
    pub fn required_list_of<'o>(
        &self,
        at: impl Into<At<'o>>,
        what: &str,
    ) -> Result<Vec<String>, SettingError> {
        self.required_list(at.into().with_entries(Entries::Parsed)).map_err(|error| match error {
            SettingError::Invalid { place, expected } => {
                SettingError::Invalid { place, expected: format!("{what}; {expected}") }
            }
            error
            @ (SettingError::Missing { .. } | SettingError::Reference { .. } | SettingError::Ini(_)) => error,
        })
    }

    /// Returns shell patterns (`*`, `?`, `[…]`) from a list.
    ///
    /// # Errors
    /// As [`Settings::list`]; an entry that is not a pattern.
    pub fn patterns<'o>(&self, at: impl Into<At<'o>>) -> Result<Vec<glob::Pattern>, SettingError> {
        let at = at.into();
        let entries = self.list(at)?;
        let pattern = |entry: &String| {
            glob::Pattern::new(entry)
                .map_err(|_| self.bad_entry(at, entry, "is not a shell pattern (*, ?, [a-z])"))
        };
        entries.iter().map(pattern).collect()
    }

    /// Makes the error for an entry of a list.
    pub fn bad_entry<'o>(&self, at: impl Into<At<'o>>, entry: &str, why: &str) -> SettingError {
        let at = at.into();
        let entry = self.shown(at, entry);
        self.invalid(at, format!("entries separated by commas or line ends; {entry} {why}"))
    }

    /// Makes the error for an entry that is not one of `expected`.
    pub fn wrong_entry<'o>(&self, at: impl Into<At<'o>>, expected: &str, entry: &str) -> SettingError {
        let at = at.into();
        let entry = self.shown(at, entry);
        self.invalid(at, format!("{expected}; {entry} is not one"))
    }

    /// Names an entry. The value of a reference is not shown, because it may be a secret.
    fn shown(&self, at: At<'_>, entry: &str) -> String {
        let raw = self.ini.entry(at.section, at.option);
        let is_shown = raw.is_none_or(|raw| reference::is_literal(raw.value));
        if is_shown { format!("the entry '{entry}'") } else { "an entry".to_owned() }
    }

    /// Returns the PEM texts of the certificates that an option holds or, as `$[NAME]`, names.
    ///
    /// # Errors
    /// As [`Settings::text`]; no certificate in the text; no such list.
    pub fn ca_certificates<'o>(&self, at: impl Into<At<'o>>) -> Result<Option<Vec<String>>, SettingError> {
        let at = at.into();
        let Some(text) = self.text(at)? else { return Ok(None) };
        let failed = |source| SettingError::Reference { place: self.place(at), source };
        match reference::ca_list_name(&text) {
            Some(name) => match self.lookup.trusted_ca_list(name) {
                Some(list) => Ok(Some(list)),
                None => match self.text(TRUSTED_CA_LIST.of(&format!("trusted_ca_list {name}")))? {
                    Some(list) => Ok(Some(vec![list])),
                    None if self.lookup.assumes_ca_list(at.section, at.option, name) => Ok(Some(Vec::new())),
                    None => Err(failed(ReferenceError::NoCaList(name.to_owned()))),
                },
            },
            None if text.contains("-----BEGIN CERTIFICATE-----") => Ok(Some(vec![text])),
            None => Err(failed(ReferenceError::NoCertificate)),
        }
    }

    /// Returns a client certificate and its private key, each a PEM text, from the option or, for `$`, from the
    /// credential store.
    ///
    /// # Errors
    /// As [`Settings::text`].
    pub fn client_certificate<'o>(
        &self,
        at: impl Into<At<'o>>,
    ) -> Result<Option<(String, SecretString)>, SettingError> {
        let at = at.into();
        if self.ini.get(at.section, at.option)?.as_deref() == Some("$") {
            let failed = |source| SettingError::Reference { place: self.place(at), source };
            let store = self.credential_store().map_err(failed)?;
            let found = self.lookup.certificate(self, &store, at.section, at.option).map_err(failed)?;
            return found.map(Some).ok_or_else(|| failed(ReferenceError::NoCredential(store)));
        }
        Ok(self.secret(at)?.map(|pem| (pem.expose_secret().to_owned(), pem)))
    }

    /// Makes the error for a value that a caller found to be of the wrong form.
    pub fn invalid<'o>(&self, at: impl Into<At<'o>>, expected: String) -> SettingError {
        SettingError::Invalid { place: self.place(at.into()), expected }
    }

    fn credential(&self, at: At<'_>) -> Result<SecretString, ReferenceError> {
        let store = self.credential_store()?;
        let found = self.lookup.credential(self, &store, at.section, at.option)?;
        found.ok_or(ReferenceError::NoCredential(store))
    }

    fn credential_store(&self) -> Result<String, ReferenceError> {
        let name = self.ini.get(CREDENTIAL_STORE.section, CREDENTIAL_STORE.option).ok().flatten();
        name.map(|name| name.into_owned()).ok_or(ReferenceError::NoStoreNamed)
    }

    fn place(&self, at: At<'_>) -> String {
        match self.ini.entry(at.section, at.option) {
            Some(entry) => format!("{}, line {}, [{}] {}", entry.source, entry.line, at.section, at.option),
            None => format!("[{}] {}", at.section, at.option),
        }
    }
}

fn missing(at: At<'_>) -> SettingError {
    SettingError::Missing { section: at.section.to_owned(), option: at.option.to_owned() }
}
