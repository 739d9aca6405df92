//! `sps-plugin token`: the local tokens, administered by people.
//!
//! What a command has to say goes to stdout, for people or with `--json`; a mistake is one sentence on stderr and
//! status 2, a store that cannot be used is status 1.

mod change;
mod enroll;
mod failure;
mod input;
mod list;
mod progress;
mod rekey;
mod resync;
mod transfer;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use self::failure::Failure;
use self::input::Input;
use super::FixedClock;
use crate::answer::{self, Given, World};
use crate::clock::UnixTime;
use crate::config::settings::Settings;
use crate::logging::{Log, Short};
use crate::mfa::{LOCAL_REALM, SERVICES};
use crate::store::{Store, Token};
use crate::terminal::{Stream, Terminal};
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
    /// Write JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    /// The configuration file (else $SPS_PLUGIN_CONFIG, else plugin.ini beside the executable, else none)
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// A fixed time for tests: RFC 3339 or Unix seconds
    #[arg(long, value_name = "TIME", value_parser = UnixTime::parse, allow_negative_numbers = true, global = true)]
    clock: Option<UnixTime>,
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

/// What a command works with.
struct Admin<'a> {
    store: &'a Store<'a>,
    settings: &'a Settings<'a>,
    log: &'a Log,
    terminal: &'a dyn Terminal,
    input: Input<'a>,
    json: bool,
}

/// What goes to stdout; it may hold a secret.
type Text = Zeroizing<String>;

/// Does what the command says.
pub(super) fn run(edge: Edge<'_>, options: TokenOptions) -> Outcome {
    let log = Log::new(edge.stderr);
    let fixed = options.clock.map(|now| FixedClock { now, real: edge.clock });
    if let Some(FixedClock { now, .. }) = &fixed {
        log.warning(format_args!("--clock: it is always {now}; this is for tests"));
    }
    let world = World {
        environment: edge.environment,
        clock: match &fixed {
            Some(fixed) => fixed,
            None => edge.clock,
        },
        executable_folder: edge.executable_folder,
        log: &log,
    };
    let given = Given { config: options.config, plugin_type: None };
    let (stdin, terminal) = (edge.stdin, edge.terminal);
    let done = answer::administer(&given, &world, |settings, store| {
        let input = Input::new(stdin, terminal);
        let mut admin = Admin { store, settings, log: &log, terminal, input, json: options.json };
        dispatch(options.command, &mut admin)
    });
    match done.map_err(Failure::from).and_then(|result| result) {
        Ok(mut text) => {
            Outcome { stdout: Zeroizing::new(std::mem::take(&mut *text).into_bytes()), status: 0 }
        }
        Err(failure) => {
            log.error(format_args!("{:#}", failure.error));
            Outcome { stdout: Zeroizing::default(), status: failure.status }
        }
    }
}

/// Refuses a command line that makes no sense, in one sentence; the parser says it over several lines.
pub(super) fn refuse(edge: Edge<'_>, error: &clap::Error) -> Outcome {
    // Then the parser would show the whole help.
    let is_missing = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let message = if is_missing { "the command is missing".to_owned() } else { error.to_string() };
    let first = message.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().skip_while(|word| *word == "error:").collect();
    Log::new(edge.stderr).error(format_args!("{}; see --help", words.join(" ")));
    Outcome { stdout: Zeroizing::default(), status: 2 }
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
        Ok(naming::owner(user, realm, &self.settings.required(&LOCAL_REALM)?)?)
    }

    /// Says what became of a token: its members with `--json`, else a sentence.
    fn report(&self, token: &Token, sentence: &str) -> Result<Text, Failure> {
        if self.json { line(&members(token, self.store.now())) } else { Ok(format!("{sentence}\n").into()) }
    }

    fn is_terminal(&self, stream: Stream) -> bool {
        self.terminal.is_terminal(stream)
    }
}

/// Refuses a token that leads to a server, or asks for approvals in the realm of one, that no provider knows.
fn known_servers(token: &Token) -> Result<(), Failure> {
    let target = token.target.as_deref().and_then(Target::parse);
    let realms = token.realms.as_deref().and_then(|text| Realms::parse(text).ok());
    let realms = realms.iter().flat_map(Realms::services);
    let mut named = target.iter().map(|target| target.service.as_str()).chain(realms);
    match named.find(|name| !SERVICES.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let known = SERVICES.join(", ");
            Err(Failure::because(format!("{} is no server's section; known are {known}", Short(name))))
        }
    }
}

/// Writes an object as one line.
fn line(members: &Map<String, Value>) -> Result<Text, Failure> {
    let mut line = Zeroizing::new(serde_json::to_string(members).map_err(Failure::fault)?);
    line.push('\n');
    Ok(line)
}
