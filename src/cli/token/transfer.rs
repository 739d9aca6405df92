//! `token import` and `token export`.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::progress::Bar;
use super::{Admin, Text, line};
use crate::cli::failure::Failure;
use crate::cli::input::read_bounded;
use crate::cli::words::OneOf;
use crate::logging::Short;
use crate::mfa::LOCAL_REALM;
use crate::terminal::Stream;
use crate::token::export::everything;
use crate::token::import::{Batch, Defaults, Format, MAX_FILE};

/// How many serials a warning names.
const NAMED: usize = 10;

#[derive(Args)]
pub(super) struct ImportArguments {
    /// The file; - for stdin
    file: PathBuf,
    /// How it is written: pskc, csv, otpauth or json; else it is guessed from the beginning
    #[arg(long, value_parser = format(), hide_possible_values = true)]
    format: Option<Format>,
    /// The file with the pre-shared key of an encrypted PSKC file, in hexadecimal digits; - for stdin
    #[arg(long, value_name = "FILE")]
    psk_file: Option<PathBuf>,
    /// The owner of tokens that name none; else they are nobody's until they are assigned
    #[arg(long)]
    user: Option<String>,
    /// The realm of users that name none; else [local] realm
    #[arg(long)]
    realm: Option<String>,
}

#[derive(Args)]
pub(super) struct ExportArguments {
    /// Yes, with the secrets
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

/// Imports a file, all of it or nothing.
pub(super) fn import(arguments: &ImportArguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let pre_shared_key = match &arguments.psk_file {
        Some(path) if is_stdin(path) && is_stdin(&arguments.file) => {
            return Err(Failure::because("only one of the file and its key can be stdin".to_owned()));
        }
        Some(path) => Some(pre_shared_key(path, admin)?),
        None => None,
    };
    let bytes = read(&arguments.file, MAX_FILE, admin)?;
    let default_realm = admin.settings.required(&LOCAL_REALM)?;
    let realm = arguments.realm.as_deref().unwrap_or(&default_realm);
    let user = arguments.user.as_deref();
    let owner = user.map(|user| admin.owner(user, arguments.realm.as_deref())).transpose()?;
    let mut batch = Batch::read(&bytes, arguments.format, &Defaults { owner, realm, pre_shared_key })?;
    let notes = std::mem::take(&mut batch.notes);
    let serials = if admin.is_terminal(Stream::Stderr) {
        let bar = Bar::new(admin.terminal, batch.len().saturating_mul(2));
        batch.store(admin.store, &|| bar.step())?
    } else {
        batch.store(admin.store, &|| {})?
    };
    for note in notes.iter().take(NAMED) {
        admin.log.warning(format_args!("{note}"));
    }
    if let Some(more @ 1..) = notes.len().checked_sub(NAMED) {
        admin.log.warning(format_args!("and {more} more like these"));
    }
    if admin.json {
        let count = ("imported".to_owned(), Value::from(serials.len()));
        return line(&Map::from_iter([count, ("serials".to_owned(), Value::from(serials))]));
    }
    Ok(match serials.as_slice() {
        [serial] => format!("1 token is imported: {serial}\n"),
        _ => format!("{} tokens are imported\n", serials.len()),
    }
    .into())
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
