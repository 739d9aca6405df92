//! `sps-plugin token`: the local tokens, administered by people.
//!
//! What a command has to say goes to stdout, for people or with `--json`; a mistake is one sentence on stderr and
//! status 2, a store that cannot be used is status 1.

mod change;
mod enroll;
mod list;
mod progress;
mod resync;
mod transfer;

use clap::{Args, Subcommand};

use super::admin::{self, Admin, Common, Text, line};
use super::failure::Failure;
use super::rekey;
use crate::logging::Short;
use crate::mfa::{LOCAL_REALM, PROVIDERS};
use crate::names;
use crate::store::Token;
use crate::token::Owner;
use crate::token::elsewhere::Target;
use crate::token::members::members;
use crate::token::naming;
use crate::token::realms::Realms;
use crate::{Edge, Outcome};

#[derive(Args)]
pub(super) struct TokenOptions {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Command {
    /// Make a token and show what its owner needs
    Enroll(Box<enroll::Arguments>),
    /// List the tokens, of one user or realm or all
    List(list::ListArguments),
    /// Show one token
    Show(list::ShowArguments),
    /// Give a token another PIN, or none
    SetPin(change::SetPinArguments),
    /// Let a token be used
    Enable(change::Serial),
    /// Let a token not be used
    Disable(change::Serial),
    /// Forget a token's failures
    Unlock(change::Serial),
    /// Give a token to somebody, or lead a forward token elsewhere
    Assign(change::AssignArguments),
    /// Bring a hotp or totp token that got out of step back, with two codes in a row
    Resync(resync::Arguments),
    /// Delete a token
    Delete(change::DeleteArguments),
    /// Take in tokens from a file: PSKC, CSV, otpauth URIs, or an export
    Import(transfer::ImportArguments),
    /// Write tokens with their secrets, for import elsewhere
    Export(transfer::ExportArguments),
    /// Seal every secret anew with another key
    Rekey(rekey::Arguments),
}

/// Does what the command says.
pub(super) fn run(edge: Edge<'_>, options: TokenOptions) -> Outcome {
    let TokenOptions { command, common } = options;
    admin::run(edge, common, |admin| dispatch(command, admin))
}

fn dispatch(command: Command, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    match command {
        Command::Enroll(arguments) => enroll::run(*arguments, admin),
        Command::List(arguments) => list::list(&arguments, admin),
        Command::Show(arguments) => list::show(&arguments, admin),
        Command::SetPin(arguments) => change::set_pin(arguments, admin),
        Command::Enable(serial) => change::enable(&serial, admin, true),
        Command::Disable(serial) => change::enable(&serial, admin, false),
        Command::Unlock(serial) => change::unlock(&serial, admin),
        Command::Assign(arguments) => change::assign(&arguments, admin),
        Command::Delete(arguments) => change::delete(&arguments, admin),
        Command::Resync(arguments) => resync::run(&arguments, admin),
        Command::Import(arguments) => transfer::import(&arguments, admin),
        Command::Export(arguments) => transfer::export(&arguments, admin),
        Command::Rekey(arguments) => rekey::run(&arguments, admin),
    }
}

impl Admin<'_> {
    /// Takes the owner that the command line names.
    fn owner(&self, user: &str, realm: Option<&str>) -> Result<Owner, Failure> {
        let people = names::Rules::from_settings(self.settings)?;
        let owner = naming::owner(user, realm, &self.settings.required(&LOCAL_REALM)?, &people)?;
        Ok(owner.as_written_before(self.store, &people)?)
    }

    /// Says what became of a token: its members with `--json`, else a sentence.
    fn report(&self, token: &Token, sentence: &str) -> Result<Text, Failure> {
        if self.json { line(&members(token, self.store.now())) } else { Ok(format!("{sentence}\n").into()) }
    }
}

/// Refuses a token that leads to a server, or asks for approvals in the realm of one, that no provider knows.
fn known_servers(token: &Token) -> Result<(), Failure> {
    let target = token.target.as_deref().and_then(Target::parse);
    let realms = token.realms.as_deref().and_then(|text| Realms::parse(text).ok());
    let realms = realms.iter().flat_map(Realms::services);
    let mut named = target.iter().map(|target| target.service.as_str()).chain(realms);
    match named.find(|name| PROVIDERS.service(name).is_none()) {
        None => Ok(()),
        Some(name) => {
            let known = PROVIDERS.service_words();
            Err(Failure::because(format!("{} is no server's section; known are {known}", Short(name))))
        }
    }
}
