//! `sps-plugin doctor`: says what is wrong with a machine on which it does not work, and changes nothing there.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::findings;
use crate::answer::{self, Examined, Given, World};
use crate::finding::Grade;
use crate::logging::Log;
use crate::{Edge, Outcome};

#[derive(Args)]
pub(super) struct DoctorOptions {
    /// The configuration file (else $SPS_PLUGIN_CONFIG, else plugin.ini beside the executable, else none)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask each server that the configuration names, too; only a login that is refused there may be counted
    #[arg(long)]
    online: bool,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
}

/// Looks; the exit status is 0 where all is well, 1 where something is wrong.
pub(super) fn run(edge: Edge<'_>, options: DoctorOptions) -> Outcome {
    // What a configuration weakens is for check-config to say.
    let log = Log::new(Box::new(std::io::sink()));
    let world = World {
        environment: edge.environment,
        clock: edge.clock,
        executable_folder: edge.executable_folder,
        log: &log,
    };
    let given = Given { config: options.config, plugin_type: None };
    let examined = answer::examine(&given, &world, options.online);
    let all = || examined.checks.iter().chain(examined.servers.iter().flatten());
    let status = u8::from(findings::worst(all()) == Grade::Error);
    let text = if options.json {
        let mut object = json!({"checks": findings::json(&examined.checks, ["about", "place"])});
        if let (Some(servers), Some(members)) = (&examined.servers, object.as_object_mut()) {
            members.insert("servers".to_owned(), findings::json(servers, ["section", "address"]));
        }
        format!("{object}\n")
    } else {
        let count = |grade| all().filter(|one| one.grade == grade).count();
        let (errors, warnings) = (count(Grade::Error), count(Grade::Warning));
        format!("{}errors: {errors}, warnings: {warnings}\n", to_text(&examined))
    };
    Outcome { stdout: Zeroizing::new(text.into_bytes()), status }
}

fn to_text(examined: &Examined) -> String {
    let mut text = format!("this machine:\n{}", findings::lines(&examined.checks));
    if let Some(servers) = &examined.servers {
        text.push_str("servers:\n");
        text.push_str(&findings::lines(servers));
    }
    text
}
