//! `sps-plugin`: the hooks of One Identity Safeguard for Privileged Sessions (SPS), answered by one binary.
//!
//! One hook invocation comes in as JSON, one decision goes out as JSON, and everything in between is a pure function
//! of its inputs: arguments, stdin, environment, clock and files. The walk, which is also the order of the modules:
//!
//! ```text
//! stdin → protocol::invocation → config → pipeline (one straight line per hook) → protocol::response → stdout
//!                                            │ asks              │ keeps
//!                               mfa · credentials · directory   store (SQLite)
//! ```
//!
//! Whatever goes wrong, [`run`] returns a response, and one that lets nobody in.

pub mod access;
mod answer;
pub mod appliance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod directory;
pub mod finding;
pub mod intake;
mod json;
pub mod ldap;
pub mod locker;
pub mod logging;
pub mod members;
pub mod mfa;
pub mod names;
pub mod net;
pub mod options;
mod ownership;
pub mod pipeline;
mod policies;
pub mod private_key;
pub mod protocol;
pub mod secret;
pub mod store;
pub mod terminal;
pub mod terms;
pub mod token;
mod words;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;

use zeroize::Zeroizing;

use clock::Clock;
use store::Environment;

/// The outside world, as `main.rs` hands it in.
pub struct Edge<'a> {
    /// The command line without the program's name.
    pub arguments: Vec<OsString>,
    /// The invocation.
    pub stdin: &'a mut dyn Read,
    /// The log.
    pub stderr: Box<dyn Write>,
    /// The environment.
    pub environment: &'a dyn Environment,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Whether a person sits there, and what they are told at once; only what people type asks.
    pub terminal: &'a dyn terminal::Terminal,
    /// Finds the folder of the executable, in which `plugin.ini` may lie.
    pub executable_folder: &'a dyn Fn() -> Option<PathBuf>,
}

/// What the process has to write and with which status it has to end.
pub struct Outcome {
    /// For stdout, in one write.
    pub stdout: Zeroizing<Vec<u8>>,
    /// 0: the hook ran. 1: it could not do its work. 2: invocation or configuration is unusable.
    pub status: u8,
}

/// Does what the command line says: without a command, answers the hook on stdin.
///
/// What comes out, on any stream, steers no terminal: names of others may be in it.
pub fn run(edge: Edge<'_>) -> Outcome {
    let Edge { arguments, stdin, stderr, environment, clock, terminal, executable_folder } = edge;
    let stderr = Box::new(terminal::Guard(stderr));
    let terminal = &terminal::Guarded(terminal);
    let Outcome { stdout, status } =
        cli::run(Edge { arguments, stdin, stderr, environment, clock, terminal, executable_folder });
    Outcome { stdout: terminal::guarded(&stdout), status }
}
