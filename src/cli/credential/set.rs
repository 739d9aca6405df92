//! `credential set`: an entry and its secrets, none of which stands on the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::SecretString;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Admin, Failure, Place, Text, checkout, described, is_stdin, line, read, read_text, summary};
use crate::cli::words::OneOf;
use crate::locker::import::MAX_PASSWORD;
use crate::locker::{Checkout, Entry, Totp};
use crate::logging::Short;
use crate::private_key::{KeyError, MAX_KEY, PrivateKey};
use crate::store::{Algorithm, CredentialChange};
use crate::terminal::Stream;

/// The longest file with additional information, in bytes.
const MAX_ADDITIONAL: u64 = 64 * 1024;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Read the password from a line of stdin, the first one; at a terminal it is asked for
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
    /// Read the password from a file, without the line end at its end
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read a private key (PEM or OpenSSH) from a file; - for stdin. May stand there several times
    #[arg(long, value_name = "FILE")]
    key_file: Vec<PathBuf>,
    /// Read the passphrase of the private keys from a line of stdin, after the password
    #[arg(long, conflicts_with = "passphrase_file")]
    passphrase_stdin: bool,
    /// Read the passphrase of the private keys from a file, without the line end at its end
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Read the TOTP secret (base32, or a URI otpauth://totp/...) from a line of stdin, the last one
    #[arg(long, conflicts_with = "totp_file")]
    totp_stdin: bool,
    /// Read the TOTP secret from a file
    #[arg(long, value_name = "FILE")]
    totp_file: Option<PathBuf>,
    /// The hash of the TOTP codes: sha1, sha256 or sha512; else sha1, or what the URI says
    #[arg(long, value_parser = algorithm(), hide_possible_values = true)]
    totp_algorithm: Option<Algorithm>,
    /// The length of a TOTP code; else 6, or what the URI says
    #[arg(long)]
    totp_digits: Option<u8>,
    /// The time step of the TOTP codes in seconds; else 30, or what the URI says
    #[arg(long)]
    totp_period: Option<u32>,
    /// Keep the passwords and keys that are there, and put the new ones behind them
    #[arg(long)]
    add: bool,
    /// How many sessions may hold the entry at once: shared (any number) or exclusive (one)
    #[arg(long, value_parser = checkout(), hide_possible_values = true)]
    checkout: Option<Checkout>,
    /// How a remote application is started: "--cmd ... --args ... --flag"
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    launch_information: Option<String>,
    /// The program that hosts the remote application
    #[arg(long, value_name = "NAME")]
    host_app: Option<String>,
    /// Read what else the remote application needs, a JSON object, from a file
    #[arg(long, value_name = "FILE")]
    additional_file: Option<PathBuf>,
    /// A note
    #[arg(long)]
    description: Option<String>,
}

fn algorithm() -> OneOf<Algorithm> {
    OneOf::new(Algorithm::WORDS, |text| Algorithm::from_word(&text.to_ascii_lowercase()))
}

/// What is to be put into the entry.
struct Secrets {
    password: Option<Zeroizing<String>>,
    keys: Vec<PrivateKey>,
    totp: Option<Totp>,
    additional: Option<Map<String, Value>>,
}

pub(super) fn run(arguments: Arguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let name = arguments.place.new_name()?;
    let secrets = secrets(&arguments, admin)?;
    let (is_new, entry) = admin.store.change_credential(&name, |kept| {
        let before = kept.map(Entry::from_bytes).transpose().map_err(Failure::fault)?;
        let is_new = before.is_none();
        let entry = changed(before.unwrap_or_default(), arguments, secrets);
        if entry.is_empty() {
            let sentence =
                "the entry would hold nothing; give a password, a key, a TOTP secret or launch information";
            return Err(Failure::because(sentence.to_owned()));
        }
        Ok((CredentialChange::Put(entry.to_bytes()), (is_new, entry)))
    })?;
    if admin.json {
        return line(&summary(&name, &entry));
    }
    let done = if is_new { "made" } else { "changed" };
    Ok(format!("the entry for {} is {done}\n", described(&name)).into())
}

fn changed(mut entry: Entry, arguments: Arguments, secrets: Secrets) -> Entry {
    if let Some(password) = secrets.password {
        if !arguments.add {
            entry.passwords.clear();
        }
        entry.passwords.push(SecretString::from(password.as_str()));
    }
    if !secrets.keys.is_empty() {
        if !arguments.add {
            entry.private_keys.clear();
            entry.unreadable_keys.clear();
        }
        entry.private_keys.extend(secrets.keys);
    }
    if secrets.totp.is_some() {
        entry.totp = secrets.totp;
    }
    if let Some(additional) = secrets.additional {
        entry.launch.additional = additional;
    }
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    if let Some(information) = arguments.launch_information {
        entry.launch.information = text(information);
    }
    if let Some(host_app) = arguments.host_app {
        entry.launch.host_app = text(host_app);
    }
    if let Some(checkout) = arguments.checkout {
        entry.checkout = checkout;
    }
    if let Some(description) = arguments.description {
        entry.description = description;
    }
    entry
}

fn secrets(arguments: &Arguments, admin: &mut Admin<'_>) -> Result<Secrets, Failure> {
    let reads_rest = arguments.key_file.iter().filter(|path| is_stdin(path)).count();
    let reads_lines = arguments.password_stdin || arguments.passphrase_stdin || arguments.totp_stdin;
    if reads_rest > 1 || (reads_rest == 1 && reads_lines && !admin.is_terminal(Stream::Stdin)) {
        return Err(Failure::because("a key on stdin leaves no room for anything else there".to_owned()));
    }
    // With nothing else to do, a person is asked for the password.
    let wants_password = arguments.key_file.is_empty()
        && !arguments.totp_stdin
        && arguments.totp_file.is_none()
        && arguments.additional_file.is_none()
        && arguments.launch_information.is_none()
        && arguments.host_app.is_none()
        && arguments.checkout.is_none()
        && arguments.description.is_none();
    let password = match &arguments.password_file {
        Some(path) => Some(line_of(path, admin)?),
        None => admin.input.secret("the password", None, arguments.password_stdin, wants_password)?,
    };
    if password.as_ref().is_some_and(|password| password.is_empty()) {
        return Err(Failure::because("the password is empty".to_owned()));
    }
    let passphrase = match &arguments.passphrase_file {
        Some(path) => Some(line_of(path, admin)?),
        None => admin.input.secret("the passphrase", None, arguments.passphrase_stdin, false)?,
    };
    let keys = keys(&arguments.key_file, passphrase, admin)?;
    let totp = match &arguments.totp_file {
        Some(path) => Some(line_of(path, admin)?),
        None => admin.input.secret("the TOTP secret", None, arguments.totp_stdin, false)?,
    };
    let totp = totp.map(|text| totp_of(&text, arguments)).transpose()?;
    let additional = arguments.additional_file.as_deref().map(|path| additional(path, admin)).transpose()?;
    Ok(Secrets { password, keys, totp, additional })
}

fn keys(
    paths: &[PathBuf],
    mut passphrase: Option<Zeroizing<String>>,
    admin: &mut Admin<'_>,
) -> Result<Vec<PrivateKey>, Failure> {
    let mut keys = Vec::new();
    for path in paths {
        let most = u64::try_from(MAX_KEY).unwrap_or(u64::MAX);
        let bytes = read(path, most, admin)?;
        let open = |given: &Option<Zeroizing<String>>| {
            PrivateKey::from_file(&bytes, given.as_ref().map(|passphrase| passphrase.as_str()))
        };
        let mut found = open(&passphrase);
        if matches!(found, Err(KeyError::Encrypted)) && admin.is_terminal(Stream::Stdin) && !is_stdin(path) {
            passphrase = Some(admin.input.once("the passphrase")?);
            found = open(&passphrase);
        }
        let path = path.display().to_string();
        keys.push(found.map_err(|error| {
            Failure::mistake(anyhow::Error::new(error).context(format!("the key in {}", Short(&path))))
        })?);
    }
    Ok(keys)
}

fn totp_of(text: &str, arguments: &Arguments) -> Result<Totp, Failure> {
    let mut totp = Totp::read(text).map_err(Failure::mistake)?;
    totp.algorithm = arguments.totp_algorithm.unwrap_or(totp.algorithm);
    totp.digits = arguments.totp_digits.unwrap_or(totp.digits);
    totp.period = arguments.totp_period.unwrap_or(totp.period);
    totp.check().map_err(Failure::mistake)?;
    Ok(totp)
}

fn additional(path: &Path, admin: &mut Admin<'_>) -> Result<Map<String, Value>, Failure> {
    let text = read_text(path, MAX_ADDITIONAL, admin)?;
    let path = path.display().to_string();
    // What the parser says may quote the text.
    serde_json::from_str(&text)
        .map_err(|_| Failure::because(format!("{} has to be a JSON object", Short(&path))))
}

/// Reads a secret from a file: everything but the line end at its end.
fn line_of(path: &Path, admin: &mut Admin<'_>) -> Result<Zeroizing<String>, Failure> {
    let text = read_text(path, u64::try_from(MAX_PASSWORD).unwrap_or(u64::MAX), admin)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}
