//! `sps-plugin check-config`: reads a configuration as the hooks will, and says what is wrong with it, what to think about,
//! and who gets in.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::findings;
use crate::answer::{self, Checked, Given, World};
use crate::finding::{Finding, Grade};
use crate::logging::{Chain, Log};
use crate::protocol::invocation::PluginType;
use crate::{Edge, Outcome};

#[derive(Args)]
pub(super) struct CheckOptions {
    /// The configuration file (else $SPS_PLUGIN_CONFIG, else plugin.ini beside the executable)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which plugin it is for: aa or credentialstore; else both
    #[arg(long = "type", value_name = "TYPE", value_parser = super::plugin_type(), hide_possible_values = true)]
    plugin_type: Option<PluginType>,
    /// Ask each server that it names, too; only a login that is refused there may be counted
    #[arg(long)]
    online: bool,
    /// Also exit with status 1 for warnings
    #[arg(long)]
    strict: bool,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
}

/// What is found, before it is written.
#[derive(Default)]
struct Found {
    errors: Vec<String>,
    warnings: Vec<String>,
    /// Of each plugin: the hook, and who gets past it.
    roads: Vec<(&'static str, Vec<String>)>,
    /// What came of asking the servers, where they were asked.
    servers: Option<Vec<Finding>>,
}

/// Checks; the exit status is 0 where there is no error, with `--strict` also no warning, else 1.
pub(super) fn run(edge: Edge<'_>, options: CheckOptions) -> Outcome {
    let lines = Lines::default();
    let log = Log::new(Box::new(lines.clone()));
    let world = World {
        environment: edge.environment,
        clock: edge.clock,
        executable_folder: edge.executable_folder,
        log: &log,
    };
    let given = Given { config: options.config, plugin_type: options.plugin_type };
    let mut found = Found::default();
    match answer::overview(&given, &world, options.online) {
        Err(error) => found.errors.push(Chain(&error).to_string()),
        Ok(Checked { overviews, assumed, servers }) => {
            found.servers = options.online.then_some(servers);
            let on_the_appliance = |text| format!("{text}; it has to be on the appliance");
            add(&mut found.warnings, assumed.into_iter().map(on_the_appliance));
            for overview in overviews {
                let unknown = overview.unknown.into_iter().map(on_the_appliance);
                add(&mut found.errors, overview.errors);
                add(&mut found.warnings, overview.warnings.into_iter().chain(unknown));
                let hooks = [
                    ("authenticate", overview.authenticate),
                    ("authorize", overview.authorize),
                    ("credentials", overview.credentials),
                ];
                found.roads.extend(hooks.into_iter().filter(|(_, roads)| !roads.is_empty()));
            }
        }
    }
    lines.sort_into(&mut found);
    let servers = findings::worst(found.servers.iter().flatten());
    let is_bad = match options.strict {
        true => !found.errors.is_empty() || !found.warnings.is_empty() || servers != Grade::Ok,
        false => !found.errors.is_empty() || servers == Grade::Error,
    };
    let status = u8::from(is_bad);
    let text = if options.json { found.to_json() } else { found.to_text() };
    Outcome { stdout: Zeroizing::new(text.into_bytes()), status }
}

/// Adds what is not there yet: both plugins read some options.
fn add(all: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for text in more {
        if !all.contains(&text) {
            all.push(text);
        }
    }
}

impl Found {
    fn to_json(&self) -> String {
        let roads: serde_json::Map<_, _> =
            self.roads.iter().map(|(hook, roads)| ((*hook).to_owned(), json!(roads))).collect();
        let mut all = json!({"errors": self.errors, "warnings": self.warnings, "roads": roads});
        if let (Some(servers), Some(members)) = (&self.servers, all.as_object_mut()) {
            members.insert("servers".to_owned(), findings::json(servers, ["section", "address"]));
        }
        format!("{all}\n")
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for (kind, lines) in [("error", &self.errors), ("warning", &self.warnings)] {
            for line in lines {
                text.push_str(&format!("{kind}: {line}\n"));
            }
        }
        for (hook, roads) in &self.roads {
            text.push_str(&format!("{hook}:\n"));
            for (number, road) in (1_usize..).zip(roads) {
                text.push_str(&format!("  {number}. {road}\n"));
            }
        }
        if let Some(servers) = &self.servers {
            text.push_str("servers:\n");
            text.push_str(&findings::lines(servers));
        }
        let of_servers = |grade| self.servers.iter().flatten().filter(|one| one.grade == grade).count();
        let errors = self.errors.len().saturating_add(of_servers(Grade::Error));
        let warnings = self.warnings.len().saturating_add(of_servers(Grade::Warning));
        text.push_str(&format!("errors: {errors}, warnings: {warnings}\n"));
        text
    }
}

/// Keeps what the log is told while the configuration is read.
#[derive(Clone, Default)]
struct Lines(Rc<RefCell<Vec<u8>>>);

impl Lines {
    /// Sorts the lines by their level; each once.
    fn sort_into(&self, found: &mut Found) {
        let bytes = self.0.borrow();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let line = line.strip_prefix("sps-plugin: ").unwrap_or(line);
            let list = match line.split_once(": ") {
                Some(("warning", text)) => Some((&mut found.warnings, text)),
                Some(("error" | "critical", text)) => Some((&mut found.errors, text)),
                Some(_) | None => None,
            };
            if let Some((list, text)) = list
                && !list.iter().any(|known| known == text)
            {
                list.push(text.to_owned());
            }
        }
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
