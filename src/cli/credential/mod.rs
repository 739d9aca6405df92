//! `sps-plugin credential`: the local credentials for targets, administered by people.

mod list;
mod set;
mod transfer;

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::admin::{self, Admin, Common, Text, line};
use super::failure::Failure;
use super::input::read_bounded;
use super::rekey;
use super::words::OneOf;
use crate::locker::{self, Checkout, Entry};
use crate::logging::Short;
use crate::store::{CredentialChange, CredentialName};
use crate::{Edge, Outcome};

#[derive(Args)]
pub(super) struct CredentialOptions {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Command {
    /// Make or change the entry for an account on an asset; what is not named stays as it is
    Set(Box<set::Arguments>),
    /// List the entries, without their secrets
    List(list::ListArguments),
    /// Show one entry
    Show(list::ShowArguments),
    /// Delete one entry
    Delete(Place),
    /// Take in entries from a file: CSV, or the XML that KeePass exports
    Import(transfer::Arguments),
    /// Seal every secret of the store anew with another key, those of the tokens too; the same as `token rekey`
    RotateKey(rekey::Arguments),
}

/// Which entry is meant.
#[derive(Args)]
struct Place {
    /// The account on the target
    #[arg(long)]
    account: String,
    /// The target, as the asset generators name it; or a pattern with * and ?, such as *.lan
    #[arg(long)]
    asset: String,
    /// The store for references ($) that the entry is in; without it, the entries for targets
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    store: String,
}

impl Place {
    fn name(&self) -> Result<CredentialName, Failure> {
        locker::place(&self.store, &self.account, &self.asset).map_err(Failure::mistake)
    }

    fn new_name(&self) -> Result<CredentialName, Failure> {
        locker::new_place(&self.store, &self.account, &self.asset).map_err(Failure::mistake)
    }
}

/// Does what the command says.
pub(super) fn run(edge: Edge<'_>, options: CredentialOptions) -> Outcome {
    let CredentialOptions { command, common } = options;
    admin::run(edge, common, |admin| match command {
        Command::Set(arguments) => set::run(*arguments, admin),
        Command::List(arguments) => list::list(&arguments, admin),
        Command::Show(arguments) => list::show(&arguments, admin),
        Command::Delete(place) => delete(&place, admin),
        Command::Import(arguments) => transfer::import(&arguments, admin),
        Command::RotateKey(arguments) => rekey::run(&arguments, admin),
    })
}

fn delete(place: &Place, admin: &Admin<'_>) -> Result<Text, Failure> {
    let name = place.name()?;
    if admin.store.credential(&name)?.is_none() {
        return Err(no_entry(&name));
    }
    admin.store.change_credential(&name, |kept| match kept {
        Some(_) => Ok((CredentialChange::Delete, ())),
        None => Err(no_entry(&name)),
    })?;
    if admin.json {
        return line(&members(&name));
    }
    Ok(format!("the entry for {} is deleted\n", described(&name)).into())
}

fn no_entry(name: &CredentialName) -> Failure {
    Failure::because(format!("there is no entry for {}", described(name)))
}

fn described(name: &CredentialName) -> String {
    let store = match name.store.as_str() {
        "" => String::new(),
        store => format!(" in the store {}", Short(store)),
    };
    format!("account {} on asset {}{store}", Short(&name.account), Short(&name.asset))
}

fn members(name: &CredentialName) -> Map<String, Value> {
    let mut members = Map::new();
    for (member, text) in [("store", &name.store), ("account", &name.account), ("asset", &name.asset)] {
        if member != "store" || !text.is_empty() {
            members.insert(member.to_owned(), Value::from(text.as_str()));
        }
    }
    members
}

/// Says what an entry holds, without its secrets.
fn summary(name: &CredentialName, entry: &Entry) -> Map<String, Value> {
    let mut members = members(name);
    let mut put = |member: &str, value: Value| members.insert(member.to_owned(), value);
    put("checkout", Value::from(entry.checkout.word()));
    put("passwords", Value::from(entry.passwords.len()));
    put("private_keys", entry.private_keys.iter().map(|key| Value::from(key.kind())).collect());
    put("totp", Value::from(entry.totp.is_some()));
    put("remote_app", Value::from(!entry.launch.is_empty()));
    put("description", Value::from(entry.description.as_str()));
    members
}

fn checkout() -> OneOf<Checkout> {
    OneOf::new(&Checkout::WORDS, Checkout::from_word)
}

/// Reads a file, or stdin for `-`, up to `most` bytes.
fn read(path: &Path, most: u64, admin: &mut Admin<'_>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = if is_stdin(path) {
        admin.input.rest(most)
    } else {
        std::fs::File::open(path).and_then(|mut file| read_bounded(&mut file, most))
    };
    let bytes = bytes.map_err(|error| {
        let path = path.display().to_string();
        Failure::mistake(anyhow::Error::new(error).context(format!("cannot read {}", Short(&path))))
    })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        let path = path.display().to_string();
        return Err(Failure::because(format!("{} is longer than {most} bytes", Short(&path))));
    }
    Ok(bytes)
}

/// Reads a text from a file.
fn read_text(path: &Path, most: u64, admin: &mut Admin<'_>) -> Result<Zeroizing<String>, Failure> {
    let bytes = read(path, most, admin)?;
    let text = std::str::from_utf8(&bytes);
    text.map(|text| Zeroizing::new(text.to_owned())).map_err(|_| {
        let path = path.display().to_string();
        Failure::because(format!("{} is not UTF-8", Short(&path)))
    })
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}
