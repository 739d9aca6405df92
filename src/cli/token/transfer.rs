//! `token import` and `token export`.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::enroll::algorithm;
use super::progress::Bar;
use super::{Admin, Text, line};
use crate::cli::failure::Failure;
use crate::cli::input::read_bounded;
use crate::cli::words::OneOf;
use crate::logging::{Chain, Short};
use crate::mfa::LOCAL_REALM;
use crate::names;
use crate::store::{Algorithm, TokenType};
use crate::terminal::Stream;
use crate::token::export::everything;
use crate::token::import::{Batch, Defaults, Format, Known, MAX_FILE, Refused};

/// How many serials a warning names.
const NAMED: usize = 10;
/// How many notes of an import are shown.
const MAX_NOTES: usize = 1000;

#[derive(Args)]
pub(super) struct ImportArguments {
    /// The file; - for stdin
    file: PathBuf,
    /// The format: pskc, csv, otpauth, json or aegis; default: detected from the beginning of the file
    #[arg(long, value_parser = format(), hide_possible_values = true)]
    format: Option<Format>,
    /// The file with the pre-shared key of an encrypted PSKC file, in hexadecimal digits; - for stdin
    #[arg(long, value_name = "FILE")]
    psk_file: Option<PathBuf>,
    /// The file with the password of an encrypted PSKC file; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "psk_file")]
    password_file: Option<PathBuf>,
    /// The owner of tokens without one; default: none, until they are assigned
    #[arg(long)]
    user: Option<String>,
    /// The realm of users without one; default: [local] realm
    #[arg(long)]
    realm: Option<String>,
    /// The type of tokens without one: hotp or totp
    #[arg(long = "type", value_name = "TYPE", value_parser = device(), hide_possible_values = true)]
    token_type: Option<TokenType>,
    /// The hash of tokens without one: sha1, sha256 or sha512
    #[arg(long, value_parser = algorithm(), hide_possible_values = true)]
    algorithm: Option<Algorithm>,
    /// The number of digits of tokens without one: 6 or 8
    #[arg(long)]
    digits: Option<u8>,
    /// Read and check everything, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Skip tokens whose serial already exists
    #[arg(long, conflicts_with = "replace")]
    skip_existing: bool,
    /// Replace existing tokens with the same serial
    #[arg(long)]
    replace: bool,
    /// Skip entries that cannot be imported; otherwise nothing is imported
    #[arg(long)]
    skip_bad: bool,
}

#[derive(Args)]
pub(super) struct ExportArguments {
    /// Confirm that secrets are exported in plain text
    #[arg(long)]
    secrets: bool,
    /// Only tokens of this user, in any realm unless --realm is given
    #[arg(long)]
    user: Option<String>,
    /// Only tokens of this realm
    #[arg(long)]
    realm: Option<String>,
}

fn format() -> OneOf<Format> {
    OneOf::new(&Format::WORDS, Format::from_word)
}

fn device() -> OneOf<TokenType> {
    OneOf::new(&["hotp", "totp"], |word| {
        TokenType::from_word(word).filter(|kind| matches!(kind, TokenType::Hotp | TokenType::Totp))
    })
}

/// Imports a file: all of it or nothing, unless entries may be left out.
pub(super) fn import(arguments: &ImportArguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let from_stdin = arguments.psk_file.iter().chain(&arguments.password_file).any(|path| is_stdin(path));
    if from_stdin && is_stdin(&arguments.file) {
        return Err(Failure::because("only one of the file and its key can be stdin".to_owned()));
    }
    let pre_shared_key = arguments.psk_file.as_deref().map(|path| pre_shared_key(path, admin)).transpose()?;
    let password = arguments.password_file.as_deref().map(|path| password(path, admin)).transpose()?;
    let bytes = read(&arguments.file, MAX_FILE, admin)?;
    let default_realm = admin.settings.required(&LOCAL_REALM)?;
    let user = arguments.user.as_deref();
    let people = names::Rules::from_settings(admin.settings)?;
    let defaults = Defaults {
        owner: user.map(|user| admin.owner(user, arguments.realm.as_deref())).transpose()?,
        realm: arguments.realm.as_deref().unwrap_or(&default_realm),
        people: people.clone(),
        token_type: arguments.token_type,
        algorithm: arguments.algorithm,
        digits: arguments.digits,
        pre_shared_key,
        password,
    };
    let mut batch = Batch::read(&bytes, arguments.format, &defaults)?;
    let known = match (arguments.skip_existing, arguments.replace) {
        (true, _) => Known::Skip,
        (false, true) => Known::Replace,
        (false, false) => Known::Refuse,
    };
    batch.write_owners_alike(admin.store, &people)?;
    let skipped = batch.compare(admin.store, known)?;
    let left_out = report_refused(&batch, arguments.skip_bad, admin)?;
    for note in batch.notes.iter().take(MAX_NOTES) {
        admin.log.warning(format_args!("{note}"));
    }
    if let Some(more @ 1..) = batch.notes.len().checked_sub(MAX_NOTES) {
        admin.log.warning(format_args!("and {more} more like these"));
    }
    let replaced = batch.replaced();
    let serials = if arguments.dry_run {
        batch.drafts().map(|draft| draft.token.serial.clone()).collect()
    } else if admin.is_terminal(Stream::Stderr) {
        let bar = Bar::new(admin.terminal, batch.len().saturating_mul(2));
        batch.store(admin.store, &|| bar.step())?
    } else {
        batch.store(admin.store, &|| {})?
    };
    let done = Done { dry_run: arguments.dry_run, serials, replaced, skipped, left_out };
    if admin.json { line(&done.members()) } else { Ok(done.sentences().into()) }
}

/// Names every entry that cannot be imported. Without `--skip-bad` nothing is imported then.
fn report_refused(
    batch: &Batch,
    skip_bad: bool,
    admin: &Admin<'_>,
) -> Result<Vec<(String, String)>, Failure> {
    let told = |refused: &Refused| (refused.place.to_string(), Chain(&refused.reason).to_string());
    let told: Vec<(String, String)> = batch.refused().iter().map(told).collect();
    for (place, reason) in &told {
        if skip_bad {
            admin.log.warning(format_args!("{place}: {reason}; it is left out"));
        } else {
            admin.log.error(format_args!("{place}: {reason}"));
        }
    }
    if told.is_empty() || (skip_bad && !batch.is_empty()) {
        return Ok(told);
    }
    if skip_bad {
        return Err(Failure::because("no entry can be imported".to_owned()));
    }
    let all = batch.len().saturating_add(told.len());
    Err(Failure::because(format!(
        "{} of {all} entries cannot be imported; nothing was imported; --skip-bad imports the others",
        told.len()
    )))
}

/// What an import did, or would do.
struct Done {
    dry_run: bool,
    serials: Vec<String>,
    /// Those of the serials that were in the store before.
    replaced: Vec<String>,
    skipped: Vec<String>,
    left_out: Vec<(String, String)>,
}

impl Done {
    fn members(self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("imported".to_owned(), self.serials.len().into());
        members.insert("serials".to_owned(), self.serials.into());
        if self.dry_run {
            members.insert("dry_run".to_owned(), true.into());
        }
        for (name, serials) in [("replaced", self.replaced), ("skipped", self.skipped)] {
            if !serials.is_empty() {
                members.insert(name.to_owned(), serials.into());
            }
        }
        if !self.left_out.is_empty() {
            let entry = |(place, reason)| {
                let pairs = [("place", place), ("reason", reason)];
                Value::from_iter(pairs.map(|(name, text)| (name.to_owned(), Value::from(text))))
            };
            let left_out: Vec<Value> = self.left_out.into_iter().map(entry).collect();
            members.insert("left_out".to_owned(), left_out.into());
        }
        members
    }

    fn sentences(&self) -> String {
        let verb = |count: usize, done: &str, would: &str| match (self.dry_run, count) {
            (true, _) => format!("would be {would}"),
            (false, 1) => format!("is {done}"),
            (false, _) => format!("are {done}"),
        };
        let tokens = |count: usize| if count == 1 { "1 token".to_owned() } else { format!("{count} tokens") };
        let count = self.serials.len();
        let name = match self.serials.as_slice() {
            [serial] if !serial.is_empty() => format!(": {serial}"),
            _ => String::new(),
        };
        let mut text = format!("{} {}{name}\n", tokens(count), verb(count, "imported", "imported"));
        for (count, what) in [
            (self.replaced.len(), "of these replaced an existing token with the same serial"),
            (self.skipped.len(), "left out, because the serial already exists"),
        ] {
            if count > 0 {
                text.push_str(&format!("{} {}\n", tokens(count), what));
            }
        }
        if !self.left_out.is_empty() {
            let count = self.left_out.len();
            let entries = if count == 1 { "entry" } else { "entries" };
            text.push_str(&format!("{count} {entries} left out, for the reasons above\n"));
        }
        if self.dry_run {
            text.push_str("nothing was written\n");
        }
        text
    }
}

/// Writes the tokens with their secrets, one JSON object a line, as `import` reads them back.
pub(super) fn export(arguments: &ExportArguments, admin: &Admin<'_>) -> Result<Text, Failure> {
    if !arguments.secrets {
        let sentence = "an export holds every secret in plain text; say --secrets if that is wanted";
        return Err(Failure::because(sentence.to_owned()));
    }
    let tokens = admin.store.tokens(arguments.user.as_deref(), arguments.realm.as_deref())?;
    let mut text = Text::default();
    let mut left_out = Vec::new();
    let mut pins = 0_usize;
    if let Some(sealer) = admin.store.sealer()? {
        for token in &tokens {
            match everything(admin.store, sealer, token, admin.store.now())? {
                Some(members) => {
                    text.push_str(&line(&members)?);
                    pins = pins.saturating_add(usize::from(token.sealed_pin.is_some()));
                }
                None => left_out.push(token.serial.as_str()),
            }
        }
    }
    if !left_out.is_empty() {
        let named: Vec<&str> = left_out.iter().copied().take(NAMED).collect();
        admin.log.warning(format_args!(
            "{} tokens are left out, because a password or PIN cannot be read back: {}{}",
            left_out.len(),
            named.join(", "),
            if left_out.len() > NAMED { " and others" } else { "" }
        ));
    }
    if pins > 0 {
        admin.log.warning(format_args!(
            "the PINs of {pins} tokens cannot be exported; import disables these until set-pin and enable"
        ));
    }
    Ok(text)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read(path: &Path, most: u64, admin: &mut Admin<'_>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = if is_stdin(path) {
        admin.input.rest(most)
    } else {
        File::open(path).and_then(|mut file| read_bounded(&mut file, most))
    };
    bytes.map_err(|error| {
        let path = path.display().to_string();
        Failure::mistake(anyhow::Error::new(error).context(format!("cannot read {}", Short(&path))))
    })
}

fn pre_shared_key(path: &Path, admin: &mut Admin<'_>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let text = read(path, 1024, admin)?;
    HEXLOWER_PERMISSIVE
        .decode(text.trim_ascii())
        .map(Zeroizing::new)
        .map_err(|_| Failure::because("the pre-shared key has to be hexadecimal digits".to_owned()))
}

/// Reads a password: the first line of the file.
fn password(path: &Path, admin: &mut Admin<'_>) -> Result<Zeroizing<String>, Failure> {
    let bytes = read(path, 1024, admin)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::because("the password has to be UTF-8".to_owned()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::because("the password is empty".to_owned()));
    }
    Ok(Zeroizing::new(line.to_owned()))
}
