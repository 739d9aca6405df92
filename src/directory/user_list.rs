//! User list policies: the appliance's, else `[user_list NAME]` of the configuration, with a file of names if it
//! has one.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::appliance::{Allow, Appliance, UserListPolicy};
use crate::config::list::{self, Entries};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::names::{Aliases, CountKey, Person};
use crate::ownership::distrust_file;

const ALLOW: Opt = Opt::new("user_list <name>", "allow", "");
const EXCEPT: Opt = Opt::new("user_list <name>", "except", "").with_entries(Entries::Users);
const EXCEPT_FILE: Opt = Opt::new("user_list <name>", "except_file", "");
/// The options that this module reads.
pub const OPTIONS: &[Opt] = &[ALLOW, EXCEPT, EXCEPT_FILE];

/// The longest file of names, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;

/// Says why a user list cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum UserListError {
    /// Named, but nowhere.
    #[error("there is no user list '{0}', neither on the appliance nor as [user_list {0}]")]
    NotFound(String),
    /// `[user_list NAME]` is unusable.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// `except_file` cannot be read.
    #[error("cannot read the file {path} of the user list '{list}'")]
    File {
        /// The list's name.
        list: String,
        /// The path as configured.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// `except_file` is no list of names, or one that others may write.
    #[error("the file {path} of the user list '{list}' {reason}")]
    Unusable {
        /// The list's name.
        list: String,
        /// The path as configured.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A line of `except_file` that is not one name.
    #[error("the file {path} of the user list '{list}', line {line}: '{entry}' {why}")]
    Line {
        /// The list's name.
        list: String,
        /// The path as configured.
        path: String,
        /// The number of the line, from 1.
        line: usize,
        /// The line.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Finds the named list.
///
/// # Errors
/// [`UserListError`].
pub fn find(
    settings: &Settings<'_>,
    appliance: &Appliance,
    list: &str,
) -> Result<UserListPolicy, UserListError> {
    appliance.user_lists.get(list).cloned().map_or_else(|| from_settings(settings, list), Ok)
}

/// Tells whether a user matches the named list: an exception of a list that allows nobody, or no exception of one
/// that allows everybody. Names that let in are compared exactly (SDK: `UserList.check_user`); names that keep out mean
/// every spelling and every alias of the person, and an ambiguous name may mean them too.
///
/// # Errors
/// [`UserListError`].
pub fn matches(
    settings: &Settings<'_>,
    appliance: &Appliance,
    list: &str,
    user: &Person,
    aliases: &Aliases,
) -> Result<bool, UserListError> {
    let policy = find(settings, appliance, list)?;
    let is_written = policy.except.iter().any(|name| name == user.as_str());
    let is_exception = match policy.allow {
        Allow::NoUser => is_written,
        Allow::AllUsers => {
            let may_be = |name: &String| aliases.may_be(&CountKey::of(name), user.count_key());
            is_written
                || (user.is_ambiguous() && !policy.except.is_empty())
                || policy.except.iter().any(may_be)
        }
    };
    Ok(policy.allow.matches(is_exception))
}

fn from_settings(settings: &Settings<'_>, list: &str) -> Result<UserListPolicy, UserListError> {
    let section = format!("user_list {list}");
    if !settings.ini().has_section(&section) {
        return Err(UserListError::NotFound(list.to_owned()));
    }
    let allow = ALLOW.of(&section);
    let word = settings.optional_choice(allow, &Allow::WORDS)?;
    let word = word.ok_or_else(|| settings.invalid(allow, "no_user or all_users".to_owned()))?;
    let mut except = settings.list(EXCEPT.of(&section))?;
    if let Some(path) = settings.text(EXCEPT_FILE.of(&section))? {
        except.extend(from_file(list, &path)?);
    }
    Ok(UserListPolicy { allow: Allow::from_word(word), except })
}

/// Reads a file with one name a line; a line that begins with `#` is a comment. Whoever may write it decides who needs
/// no second factor, so nobody but this user and root may.
fn from_file(list_name: &str, path: &str) -> Result<Vec<String>, UserListError> {
    let failed = |source| UserListError::File { list: list_name.to_owned(), path: path.to_owned(), source };
    let unusable = |reason: &str| UserListError::Unusable {
        list: list_name.to_owned(),
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(unusable("is not a regular file"));
    }
    if let Some(distrust) = distrust_file(Path::new(path), &metadata) {
        return Err(unusable(&distrust));
    }
    let mut text = String::new();
    let read = file.take(MAX_FILE.saturating_add(1)).read_to_string(&mut text);
    match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= MAX_FILE) => {}
        Ok(_) => return Err(unusable("is larger than 1 MiB")),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(unusable("is not UTF-8"));
        }
        Err(error) => return Err(failed(error)),
    }
    let names = list::names_of_file(&text).map_err(|list::BadLine { line, bad }| UserListError::Line {
        list: list_name.to_owned(),
        path: path.to_owned(),
        line,
        entry: bad.entry,
        why: bad.why,
    })?;
    // A full disk leaves an empty file, and with all_users everybody would match it.
    if names.is_empty() {
        return Err(unusable("holds no name"));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(content: impl AsRef<[u8]>, mode: u32) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        from_file("vip", path.to_str().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_has_one_name_a_line_and_comments() {
        let text = "\u{feff}# who is called at night\r\nroot\r\n\n  j.doe  \n#bob\njöhn\na#b\nJane Doe";
        assert_eq!(read(text, 0o644).unwrap(), ["root", "j.doe", "jöhn", "a#b", "Jane Doe"]);
    }

    #[test]
    fn a_file_that_is_not_to_be_trusted_is_an_error() {
        let most = usize::try_from(MAX_FILE).unwrap();
        for (content, mode, reason) in [
            (b"root\n".to_vec(), 0o666, "is writable by others"),
            (b"root\n".to_vec(), 0o620, "is writable by others"),
            (b"".to_vec(), 0o600, "holds no name"),
            (b"\n# root\n".to_vec(), 0o600, "holds no name"),
            (b"root\n\xff\n".to_vec(), 0o600, "is not UTF-8"),
            (b"# night\nroot; oncall\n".to_vec(), 0o600, "line 2: 'root; oncall' contains a separator"),
            (vec![b'x'; most.saturating_add(1)], 0o600, "is larger than 1 MiB"),
        ] {
            let error = read(content, mode).unwrap_err();
            assert!(error.contains(reason) && error.contains("'vip'"), "{error}");
        }
        assert_eq!(read(vec![b'x'; most], 0o600).unwrap().len(), 1);
        assert!(matches!(from_file("vip", "/nowhere/names"), Err(UserListError::File { .. })));
        let device = from_file("vip", "/dev/zero").unwrap_err().to_string();
        assert!(device.contains("is not a regular file"), "{device}");
    }
}
