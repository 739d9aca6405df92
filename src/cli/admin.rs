//! What the commands that people type have in common: where things come from, and how they end.
//!
//! What a command has to say goes to stdout, for people or with `--json`; a mistake is one sentence on stderr and
//! status 2, a store that cannot be used is status 1.

use std::borrow::Cow;
use std::path::PathBuf;

use clap::Args;
use clap::error::ErrorKind;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::input::Input;
use super::session::ChosenClock;
use crate::answer::{self, Given, World};
use crate::clock::UnixTime;
use crate::config::settings::Settings;
use crate::logging::{Log, Short};
use crate::store::Store;
use crate::terminal::{Stream, Terminal};
use crate::terms::shown_on_a_line;
use crate::{Edge, Outcome};

#[derive(Args)]
pub(super) struct Common {
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

/// What a command works with.
pub(super) struct Admin<'a> {
    pub(super) store: &'a Store<'a>,
    pub(super) settings: &'a Settings<'a>,
    pub(super) log: &'a Log,
    pub(super) terminal: &'a dyn Terminal,
    pub(super) input: Input<'a>,
    pub(super) json: bool,
}

/// What goes to stdout; it may hold a secret.
pub(super) type Text = Zeroizing<String>;

/// Lets a command work.
pub(super) fn run(
    edge: Edge<'_>,
    options: Common,
    work: impl FnOnce(&mut Admin<'_>) -> Result<Text, Failure>,
) -> Outcome {
    let log = Log::new(edge.stderr);
    let clock = ChosenClock::new(options.clock, edge.clock, &log);
    let world = World {
        environment: edge.environment,
        clock: &clock,
        executable_folder: edge.executable_folder,
        log: &log,
    };
    let given = Given { config: options.config, plugin_type: None };
    let (stdin, terminal) = (edge.stdin, edge.terminal);
    let done = answer::administer(&given, &world, |settings, store| {
        let input = Input::new(stdin, terminal);
        work(&mut Admin { store, settings, log: &log, terminal, input, json: options.json })
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
    let first = edge.arguments.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    if first.starts_with('-') {
        // What follows `=` may be anything.
        let option = first.split('=').next().unwrap_or_default();
        Log::new(edge.stderr).error(format_args!("write {} after the command; see --help", Short(option)));
        return Outcome { stdout: Zeroizing::default(), status: 2 };
    }
    // Then the parser would show the whole help.
    let is_missing = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let message = if is_missing { "the command is missing".to_owned() } else { error.to_string() };
    let (first_word, first) = (first.as_str(), message.split("\n\n").next().unwrap_or_default());
    let words: Vec<&str> = first.split_whitespace().skip_while(|word| *word == "error:").collect();
    // Other checkers take the file without an option, so users try that.
    let is_file =
        error.kind() == ErrorKind::UnknownArgument && matches!(first_word, "check-config" | "doctor");
    let hint = if is_file { "; the configuration file is given with --config" } else { "" };
    Log::new(edge.stderr).error(format_args!("{}{hint}; see --help", words.join(" ")));
    Outcome { stdout: Zeroizing::default(), status: 2 }
}

impl Admin<'_> {
    pub(super) fn is_terminal(&self, stream: Stream) -> bool {
        self.terminal.is_terminal(stream)
    }
}

/// Writes an object as one line.
pub(super) fn line(members: &Map<String, Value>) -> Result<Text, Failure> {
    let mut line = Zeroizing::new(serde_json::to_string(members).map_err(Failure::fault)?);
    line.push('\n');
    Ok(line)
}

/// Writes rows below each other, the first of which has the names of the columns; some columns may be left out. A cell
/// stays in its row and its column, whatever others wrote into it.
pub(super) fn table<const N: usize>(rows: &[[&str; N]], is_shown: impl Fn(usize) -> bool) -> String {
    let rows: Vec<[Cow<'_, str>; N]> = rows.iter().map(|row| row.map(shown_on_a_line)).collect();
    let mut widths = [0_usize; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        let cells = widths.iter().zip(row).enumerate().filter(|(column, _)| is_shown(*column));
        for (_, (width, cell)) in cells {
            line.push_str(&format!("{cell:width$}  ", width = *width));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
