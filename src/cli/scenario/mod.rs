//! `sps-plugin scenario`: plays a whole session of SPS on the terminal, hook after hook, with the questions that a user
//! would be asked. It is how a configuration is tried before it is uploaded.

mod dialogue;
mod invocations;
mod mask;
mod options;
mod play;
mod story;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::input::{Input, read_bounded};
use super::session::ChosenClock;
use crate::answer::{self, Given, World};
use crate::logging::Log;
use crate::protocol::invocation::{MAX_INVOCATION, PluginType};
use crate::{Edge, Outcome};
use dialogue::Dialogue;
use invocations::Session;
use mask::Mask;
pub(super) use options::{HELP, ScenarioOptions};
use play::{Begin, Play};
use story::Story;

/// The key of the one-time password, which does not belong on a command line.
const OTP: &str = "otp";

/// How a line of the log begins that warns.
const WARNING: &[u8] = b"sps-plugin: warning: ";

/// Plays a session. Everything is told as it happens, so that nothing is left to write at the end.
pub(super) fn run(edge: Edge<'_>, options: &ScenarioOptions) -> Outcome {
    let log = Log::new(Box::new(Once { stderr: edge.stderr, warnings: BTreeSet::new() }));
    if options.explain {
        log.set_explaining();
    }
    let clock = ChosenClock::new(options.clock, edge.clock, &log);
    let world = World {
        environment: edge.environment,
        clock: &clock,
        executable_folder: edge.executable_folder,
        log: &log,
    };
    let status = match prepare(options, &world) {
        Ok(Prepared { session, plugins, begin }) => {
            let story = Story::new(edge.terminal, Mask::new(options.show_secrets), options.json);
            let dialogue = Dialogue::begin(edge.terminal, Input::new(edge.stdin, edge.terminal));
            let [aa, credential_store] = plugins;
            let protocol = options.protocol;
            let (called, status) = (Vec::new(), 0);
            Play { world, session, story, dialogue, protocol, aa, credential_store, called, status }
                .play(&begin)
        }
        Err(failure) => {
            log.error(format_args!("{:#}", failure.error));
            failure.status
        }
    };
    Outcome { stdout: Zeroizing::default(), status }
}

/// The log of all hooks, in which a warning stands once: each hook gives those of the configuration again.
struct Once {
    stderr: Box<dyn Write>,
    warnings: BTreeSet<Vec<u8>>,
}

impl Write for Once {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let is_new = !line.starts_with(WARNING) || self.warnings.insert(line.to_vec());
        if is_new { self.stderr.write_all(line).map(|()| line.len()) } else { Ok(line.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stderr.flush()
    }
}

/// What is known before the first hook.
struct Prepared {
    session: Session,
    /// The AA plugin and the credential store plugin, each if it is played.
    plugins: [Option<Given>; 2],
    begin: Begin,
}

fn prepare(options: &ScenarioOptions, world: &World<'_>) -> Result<Prepared, Failure> {
    options.check().map_err(Failure::because)?;
    let plugins = plugins(options, world)?;
    let appliance = options.appliance.as_deref().map(appliance).transpose()?.unwrap_or_default();
    let fresh = || format!("scenario-{}-{}", world.clock.now().as_secs(), std::process::id());
    let mut session = Session::new(options, options.session_id.clone().unwrap_or_else(fresh), appliance);
    let mut keys = Vec::new();
    for pair in &options.key_values {
        match &pair.value {
            Some(value) => session.say(&pair.key, Zeroizing::new(value.clone())),
            None => keys.push(pair.key.clone()),
        }
    }
    let begin = Begin { keys, gateway_password: options.gateway_password };
    Ok(Prepared { session, plugins, begin })
}

/// Finds out which plugins are played, each with which configuration.
fn plugins(options: &ScenarioOptions, world: &World<'_>) -> Result<[Option<Given>; 2], Failure> {
    let given = |config: &Option<_>, plugin| Given { config: config.clone(), plugin_type: plugin };
    let mut found = answer::plugins(&given(&options.config, options.plugin_type), world)?;
    let mut store_config = &options.config;
    if options.credentials_config.is_some() {
        store_config = &options.credentials_config;
        // Whatever the first file says of credentials is not what is tried.
        found = vec![PluginType::Aa, PluginType::CredentialStore];
        answer::plugins(&given(store_config, Some(PluginType::CredentialStore)), world)?;
    }
    let played = |plugin, config| found.contains(&plugin).then(|| given(config, Some(plugin)));
    Ok([played(PluginType::Aa, &options.config), played(PluginType::CredentialStore, store_config)])
}

/// Reads the policies of the appliance; what they have to be is looked at with each invocation.
fn appliance(path: &Path) -> Result<Map<String, Value>, Failure> {
    let name = || format!("the file {}", path.display());
    let most = u64::try_from(MAX_INVOCATION).unwrap_or(u64::MAX);
    let read = File::open(path).and_then(|mut file| read_bounded(&mut file, most));
    let bytes = read.with_context(|| format!("cannot read {}", name())).map_err(Failure::mistake)?;
    // What the parser says may quote the text.
    serde_json::from_slice(&bytes).map_err(|_| {
        Failure::because(format!("{} has to be a JSON object of at most 1 MiB, the member appliance", name()))
    })
}
