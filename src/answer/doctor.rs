//! What `doctor` looks at: what the hooks would find on this machine, without doing what they would do.

use super::{Found, Given, MAX_BUDGET, StartError, World, configuration, place, store};
use crate::appliance::Appliance;
use crate::clock::Budget;
use crate::config::ini::Ini;
use crate::config::settings::Settings;
use crate::finding::{CONFIGURATION, Finding, Grade};
use crate::logging::Chain;
use crate::options::TIME_BUDGET;
use crate::pipeline::online::{self, Plugins};
use crate::pipeline::overview;
use crate::pipeline::{self, Context};
use crate::policies::Policies;
use crate::store;

/// What was found on this machine, and at the servers, where they were asked.
pub(crate) struct Examined {
    pub(crate) checks: Vec<Finding>,
    pub(crate) servers: Option<Vec<Finding>>,
}

/// Looks at this machine and, with `online`, at the servers that the configuration names.
pub(crate) fn examine(given: &Given, world: &World<'_>, online: bool) -> Examined {
    let version = Finding::new("program", "", "version", Grade::Ok, env!("CARGO_PKG_VERSION"));
    let mut examined = Examined { checks: vec![version], servers: None };
    examined.checks.extend(store::versions());
    examined.checks.push(store::randomness());
    let ini = match configuration(None, given, world) {
        Ok(ini) => {
            examined.checks.push(found(given, world));
            ini
        }
        Err(StartError::NoConfiguration) => {
            let detail = "there is none: neither --config nor $SPS_PLUGIN_CONFIG nor a plugin.ini beside the executable. SPS \
                          passes one with each call, and what that says is not known here";
            examined.checks.push(Finding::new(CONFIGURATION, "", "found", Grade::Warning, detail));
            Ini::new()
        }
        Err(error) => {
            not_read(&mut examined, &error);
            return examined;
        }
    };
    if let Err(error) = look(ini, world, online, &mut examined) {
        not_read(&mut examined, &error);
    }
    examined
}

/// Without the configuration, nobody knows where the state is.
fn not_read(examined: &mut Examined, error: &StartError) {
    let detail = format!("{}; see check-config. The state was not looked at", Chain(error));
    examined.checks.push(Finding::new(CONFIGURATION, "", "read", Grade::Error, &detail));
}

fn found(given: &Given, world: &World<'_>) -> Finding {
    let (path, how) = place(given, world).unzip();
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    let how = match how {
        Some(Found::Option) => "by --config",
        Some(Found::Environment) => "by $SPS_PLUGIN_CONFIG",
        Some(Found::BesideExecutable) | None => "beside the executable",
    };
    Finding::new(CONFIGURATION, &path, "found", Grade::Ok, how)
}

fn look(ini: Ini, world: &World<'_>, online: bool, examined: &mut Examined) -> Result<(), StartError> {
    let appliance = Appliance::default();
    let lookup = Policies::new(&appliance, world.environment, world.clock, world.log).only_reading();
    let settings = Settings::new(ini, &lookup);
    let budget = Budget::new(world.clock, settings.seconds(&TIME_BUDGET, MAX_BUDGET)?);
    let max_session_age = pipeline::max_session_age(&settings)?;
    examined.checks.extend(store(&settings, world, budget)?.examine(max_session_age));
    let store = store(&settings, world, budget)?.only_reading();
    let context = Context::new(&settings, &appliance, world.log, budget, &store);
    let mut mistakes = overview::of_aa(&context).errors;
    let more = overview::of_credential_store(&context).errors;
    // Both read some options.
    mistakes.extend(more.into_iter().filter(|mistake| !mistakes.contains(mistake)).collect::<Vec<_>>());
    examined.checks.extend(
        mistakes.iter().map(|mistake| Finding::new(CONFIGURATION, "", "read", Grade::Error, mistake)),
    );
    let (grade, detail) = if online {
        (Grade::Ok, "compared with the servers that tell theirs, below")
    } else {
        (Grade::Ok, "not compared with any server; --online does")
    };
    examined.checks.push(Finding::new("clock", "", "servers", grade, detail));
    if online {
        let plugins = Plugins { aa: true, credential_store: true };
        examined.servers = Some(online::servers(&context, plugins, !mistakes.is_empty()));
    }
    Ok(())
}
