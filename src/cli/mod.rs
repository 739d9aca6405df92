//! What people and SPS type: without a command, or with `hook`, one hook is answered from stdin; `golden` plays
//! recorded ones; `check-config` says what a configuration does, `scenario` plays a session with it, and `doctor` says what
//! is wrong with a machine; `token` administers the local tokens, `credential` the local credentials, and `state` copies
//! what both keep.

mod admin;
mod check;
mod credential;
mod doctor;
mod failure;
mod findings;
mod golden;
mod hook;
mod input;
mod manual;
mod rekey;
mod scenario;
mod session;
mod state;
mod token;
mod words;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::protocol::invocation::{Hook, PluginType};
use crate::protocol::response::{Cookies, Fault, Response};
use crate::{Edge, Outcome};
use words::OneOf;

/// Answers the plugin hooks of One Identity Safeguard for Privileged Sessions: one JSON invocation on stdin, one
/// JSON response on stdout.
#[derive(Parser)]
#[command(name = "sps-plugin", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(flatten)]
    hook: HookOptions,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Answer one hook; stdin may then be the bare arguments object
    Hook {
        /// The hook, such as authenticate; else the invocation names it
        #[arg(value_parser = hook_name(), hide_possible_values = true)]
        name: Option<Hook>,
        /// Write to stderr which steps and rules decided, and why the others did not
        #[arg(long)]
        explain: bool,
        #[command(flatten)]
        options: HookOptions,
    },
    /// Read a configuration as the hooks will, and say what is wrong with it and who gets in
    CheckConfig(check::CheckOptions),
    /// Look at this machine, and say what is wrong with it; nothing is changed
    Doctor(doctor::DoctorOptions),
    /// Play the recorded cases below a folder and compare the responses
    Golden(golden::GoldenOptions),
    /// Play a whole session on the terminal: its questions, its hooks, and what they answer
    #[command(after_help = scenario::HELP)]
    Scenario(Box<scenario::ScenarioOptions>),
    /// Administer the local tokens
    Token(token::TokenOptions),
    /// Administer the local credentials for targets
    Credential(credential::CredentialOptions),
    /// Copy the state beside hooks that run, and take a copy back
    State(state::StateOptions),
    /// Write the completions for a shell to stdout
    Completions(manual::CompletionsOptions),
    /// Write the man pages to a folder
    Man(manual::ManOptions),
}

#[derive(Args, Default)]
struct HookOptions {
    /// The configuration file (else $SPS_PLUGIN_CONFIG, else plugin.ini beside the executable)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which plugin is meant: aa or credentialstore
    #[arg(long = "type", value_name = "TYPE", value_parser = plugin_type(), hide_possible_values = true)]
    plugin_type: Option<PluginType>,
    /// A fixed time for tests: RFC 3339 or Unix seconds
    #[arg(long, value_name = "TIME", value_parser = UnixTime::parse, allow_negative_numbers = true)]
    clock: Option<UnixTime>,
}

fn hook_name() -> OneOf<Hook> {
    OneOf::new(&Hook::ALL.map(|(name, _)| name), Hook::from_name)
}

fn plugin_type() -> OneOf<PluginType> {
    OneOf::new(&PluginType::WORDS, PluginType::from_word)
}

/// Tells whether one of the words is a command that SPS does not call.
fn is_for_people(words: &[OsString]) -> bool {
    let command = CommandLine::command();
    let is_command =
        |word: &OsString| command.find_subcommand(word).is_some_and(|found| found.get_name() != "hook");
    words.first().is_some_and(is_command)
        || (!words.iter().any(|word| word == "hook") && words.iter().any(is_command))
}

/// Does what the command line says. A panic becomes a denial: those in a hook do so where its own closed response is
/// known, those before and after it do so here.
pub(crate) fn run(edge: Edge<'_>) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| dispatch(edge))).unwrap_or_else(|_| Outcome {
        stdout: Response::closed(None, Fault::Internal, Cookies::default()).to_line(),
        status: 1,
    })
}

fn dispatch(edge: Edge<'_>) -> Outcome {
    // SPS calls without arguments, and a parser that is not needed is not built.
    if edge.arguments.is_empty() {
        return hook::run(edge, None, HookOptions::default(), false);
    }
    let words = std::iter::once(OsString::from("sps-plugin")).chain(edge.arguments.iter().cloned());
    match CommandLine::try_parse_from(words) {
        Ok(CommandLine { hook: options, command: None }) => hook::run(edge, None, options, false),
        Ok(CommandLine { command: Some(Command::Hook { name, explain, options }), .. }) => {
            hook::run(edge, name, options, explain)
        }
        Ok(CommandLine { command: Some(Command::CheckConfig(options)), .. }) => check::run(edge, options),
        Ok(CommandLine { command: Some(Command::Doctor(options)), .. }) => doctor::run(edge, options),
        Ok(CommandLine { command: Some(Command::Golden(options)), .. }) => golden::run(edge, &options),
        Ok(CommandLine { command: Some(Command::Scenario(options)), .. }) => scenario::run(edge, &options),
        Ok(CommandLine { command: Some(Command::Token(options)), .. }) => token::run(edge, options),
        Ok(CommandLine { command: Some(Command::Credential(options)), .. }) => credential::run(edge, options),
        Ok(CommandLine { command: Some(Command::State(options)), .. }) => state::run(edge, options),
        Ok(CommandLine { command: Some(Command::Completions(options)), .. }) => manual::completions(&options),
        Ok(CommandLine { command: Some(Command::Man(options)), .. }) => manual::man(edge, &options),
        Err(error) if !error.use_stderr() => {
            Outcome { stdout: Zeroizing::new(error.to_string().into_bytes()), status: 0 }
        }
        // Nobody waits for a response here.
        Err(error) if is_for_people(&edge.arguments) => admin::refuse(edge, &error),
        Err(error) => hook::refuse(edge, &error.to_string()),
    }
}
