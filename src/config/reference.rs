//! What an option may hold instead of its value: `$`, `$$`, `$[list]`, `${env:NAME}`, `${file:PATH}`.
//!
//! `$` alone is fetched from the credential store that `[credential_store] name` names, with host = section and
//! user = option (SDK: `PluginConfiguration.get`); `$$` is the literal `$`. `$[NAME]` is a trusted CA list and is
//! read by [`super::settings::Settings::ca_certificates`] only. The other two are ours, for use off the appliance.

use crate::ownership::distrust_file;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::settings::Settings;

/// The longest content of a `${file:PATH}`, in bytes.
pub const MAX_FILE: u64 = 64 * 1024;

/// Answers what a configuration refers to: the policies of the appliance and the process's environment.
pub trait Lookup {
    /// Returns the first password for host and user in the credential store, or `None` if it holds none. `settings`
    /// says what the store is, where nobody passed one of that name.
    ///
    /// # Errors
    /// [`ReferenceError::NoStore`] where there is no credential store of that name; what that store says.
    fn credential(
        &self,
        settings: &Settings<'_>,
        store: &str,
        host: &str,
        user: &str,
    ) -> Result<Option<SecretString>, ReferenceError>;

    /// Returns the first certificate with its key, both in PEM form, for host and user in the credential store.
    ///
    /// # Errors
    /// As [`Lookup::credential`].
    fn certificate(
        &self,
        settings: &Settings<'_>,
        store: &str,
        host: &str,
        user: &str,
    ) -> Result<Option<(String, SecretString)>, ReferenceError>;

    /// Returns the PEM texts of a trusted CA list, or `None` if there is no list of that name.
    fn trusted_ca_list(&self, name: &str) -> Option<Vec<String>>;

    /// Tells whether a list that an option names and that is nowhere is taken for an empty one, which believes nobody.
    fn assumes_ca_list(&self, _section: &str, _option: &str, _name: &str) -> bool {
        false
    }

    /// Returns an environment variable that is valid UTF-8.
    fn environment(&self, name: &str) -> Option<String>;
}

/// Tells whether a value stands for itself.
pub fn is_literal(text: &str) -> bool {
    matches!(parse(text), Reference::Literal(_))
}

/// Has nothing that a configuration could refer to.
pub struct NothingElse;

impl Lookup for NothingElse {
    fn credential(
        &self,
        _: &Settings<'_>,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<Option<SecretString>, ReferenceError> {
        Ok(None)
    }

    fn certificate(
        &self,
        _: &Settings<'_>,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<Option<(String, SecretString)>, ReferenceError> {
        Ok(None)
    }

    fn trusted_ca_list(&self, _: &str) -> Option<Vec<String>> {
        None
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }
}

/// Says why a reference has no value. Names what was referred to, never what was found there.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// `$` without a store to look into.
    #[error("'$' needs [credential_store] name")]
    NoStoreNamed,
    /// The named credential store is nowhere.
    #[error("there is no credential store '{0}'")]
    NoStore(String),
    /// The named credential store has no password for this section and option. The SDK goes on without a value; an
    /// option that was meant to have one is a mistake here.
    #[error("the credential store '{0}' holds no password with the section as host and the option as user")]
    NoCredential(String),
    /// A store that would have to be asked for an option of its own, or for the state's place or key.
    #[error(
        "the credential store '{0}' cannot be asked for what is needed to open it; write that out, or use ${{env:...}} or ${{file:...}}"
    )]
    Circle(String),
    /// The options of the credential store, or the file that it is, cannot be used.
    #[error("the credential store '{store}'")]
    Store {
        /// Which.
        store: String,
        /// Why; from a layer that this one does not know.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `${env:NAME}` of a variable that is not set, or is not UTF-8.
    #[error("the environment variable {0} is not set, or is not UTF-8")]
    NoVariable(String),
    /// `${file:PATH}` that cannot be opened or read.
    #[error("cannot read the file {path}")]
    File {
        /// The path as configured.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// `${file:PATH}` that others may read, that belongs to somebody else, or that is no regular file.
    #[error("the file {path} {reason}")]
    Unsafe {
        /// The path as configured.
        path: String,
        /// What is wrong with it and how to mend it.
        reason: String,
    },
    /// `$[NAME]` of a list that is nowhere.
    #[error("there is no trusted CA list '{0}'")]
    NoCaList(String),
    /// Neither PEM certificates nor a `$[list]`.
    #[error("expected PEM certificates or $[name of a trusted CA list]")]
    NoCertificate,
}

/// What the text of an option asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// The text itself.
    Literal(&'a str),
    /// `$`.
    Credential,
    /// `${env:NAME}`.
    Environment(&'a str),
    /// `${file:PATH}`.
    File(&'a str),
}

/// Tells what an option's text asks for.
pub(super) fn parse(text: &str) -> Reference<'_> {
    let braced = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    if let Some(name) = braced.and_then(|inner| inner.strip_prefix("env:")) {
        return Reference::Environment(name);
    }
    if let Some(path) = braced.and_then(|inner| inner.strip_prefix("file:")) {
        return Reference::File(path);
    }
    match text {
        "$" => Reference::Credential,
        "$$" => Reference::Literal("$"),
        _ => Reference::Literal(text),
    }
}

/// Returns `NAME` where the text holds `$[NAME]`, as the SDK's `get_ca_certificate` finds it.
pub(super) fn ca_list_name(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("$[")?;
    let (line, _) = rest.split_once('\n').unwrap_or((rest, ""));
    line.rsplit_once(']').map(|(name, _)| name)
}

/// Reads a secret from a file of mode 0600 (or stricter) that belongs to this user or to root; one newline at the
/// end is not part of it.
///
/// # Errors
/// [`ReferenceError::File`] and [`ReferenceError::Unsafe`].
pub fn read_file(path: &str) -> Result<SecretString, ReferenceError> {
    let failed = |source| ReferenceError::File { path: path.to_owned(), source };
    let refused = |reason: &str| ReferenceError::Unsafe { path: path.to_owned(), reason: reason.to_owned() };
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(Path::new(path)).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(refused("is not a regular file"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(refused("is readable by others; chmod 600 it"));
    }
    if let Some(distrust) = distrust_file(Path::new(path), &metadata) {
        return Err(refused(&distrust));
    }
    if metadata.len() > MAX_FILE {
        return Err(refused("is larger than 64 KiB"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default()));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refused("is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(SecretString::from(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_text_is_a_reference() {
        assert_eq!(parse("$"), Reference::Credential);
        assert_eq!(parse("$$"), Reference::Literal("$"));
        assert_eq!(parse("$$$"), Reference::Literal("$$$"));
        assert_eq!(parse("pa$$word"), Reference::Literal("pa$$word"));
        assert_eq!(parse("${env:TOKEN}"), Reference::Environment("TOKEN"));
        assert_eq!(parse("${file:/etc/key}"), Reference::File("/etc/key"));
        assert_eq!(parse("x${env:TOKEN}"), Reference::Literal("x${env:TOKEN}"));
        assert_eq!(parse("${other}"), Reference::Literal("${other}"));
    }

    #[test]
    fn a_ca_list_is_named_in_brackets() {
        assert_eq!(ca_list_name("$[corp]"), Some("corp"));
        assert_eq!(ca_list_name("$[]"), Some(""));
        assert_eq!(ca_list_name("-----BEGIN CERTIFICATE-----"), None);
    }
}
