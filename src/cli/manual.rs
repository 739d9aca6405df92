//! `sps-plugin completions` and `sps-plugin man`: the definition of the command line, written for shells and for `man`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use zeroize::Zeroizing;

use super::CommandLine;
use crate::logging::Log;
use crate::{Edge, Outcome};

/// The name under which shells find the program.
const PROGRAM: &str = "sps-plugin";

/// What the page of the program says besides what clap knows: a heading, and of each thing what it means.
const SECTIONS: [(&str, &[(&str, &str)]); 3] = [
    (
        "EXIT STATUS",
        &[
            ("0", "The hook ran, whatever its verdict; or the command did what it was to do."),
            (
                "1",
                "The hook could not do its work, and its response lets nobody in; or the command failed or found a fault.",
            ),
            ("2", "The invocation, the configuration or the command line cannot be used."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("SPS_PLUGIN_CONFIG", "The configuration file, where --config does not name one."),
            (
                "SCB_PLUGIN_STATE_DIRECTORY",
                "Where the state is kept, unless [state] directory says so; SPS sets it.",
            ),
            ("EPHEMERAL_PLUGIN_STATE_DIRECTORY", "Where the open connections are counted."),
            (
                "XDG_STATE_HOME",
                "Holds the state in its folder sps-plugin where nothing else is set; else ~/.local/state.",
            ),
            ("TMPDIR", "Holds the ephemeral state where nothing else is set; else /tmp."),
        ],
    ),
    (
        "FILES",
        &[
            (
                "plugin.ini",
                "The configuration, beside the executable; plugin.ini.example describes every option.",
            ),
            ("state.sqlite3", "The state: tokens, credentials, the authentication cache."),
            (
                "master.key",
                "The key that the secrets in the state are sealed with, unless [state] key gives one.",
            ),
            ("connections.sqlite3", "The open connections, in the ephemeral state directory."),
        ],
    ),
];

#[derive(Args)]
pub(super) struct CompletionsOptions {
    /// The shell that is to complete
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManOptions {
    /// The folder to write the pages to; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the completions for one shell to stdout.
pub(super) fn completions(options: &CompletionsOptions) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut CommandLine::command(), PROGRAM, &mut text);
    // clap-rs/clap#6421: bash would look for the commands of a program with a hyphen under a name that no label has.
    let text = String::from_utf8_lossy(&text).replace("sps__subcmd__plugin", "sps__plugin");
    Outcome { stdout: Zeroizing::new(text.into_bytes()), status: 0 }
}

/// Writes a page for each command, `sps-plugin-token-enroll.1` and so on, and lists them on stdout; the status is 1
/// where one cannot be written.
pub(super) fn man(edge: Edge<'_>, options: &ManOptions) -> Outcome {
    match pages(&options.folder) {
        Ok(names) => {
            let list: String =
                names.iter().map(|name| format!("{}\n", options.folder.join(name).display())).collect();
            Outcome { stdout: Zeroizing::new(list.into_bytes()), status: 0 }
        }
        Err(error) => {
            Log::new(edge.stderr).error(format_args!("{error:#}"));
            Outcome { stdout: Zeroizing::default(), status: 1 }
        }
    }
}

fn pages(folder: &Path) -> anyhow::Result<Vec<String>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut program = CommandLine::command().disable_help_subcommand(true);
    program.build();
    let mut names = Vec::new();
    page(&program, folder, &mut names)?;
    names.sort();
    Ok(names)
}

/// Writes the page of a command and of those below it; the command line is a few levels deep.
fn page(command: &Command, folder: &Path, names: &mut Vec<String>) -> anyhow::Result<()> {
    let man = Man::new(command.clone()).manual("sps-plugin");
    let name = man.get_filename();
    let path = folder.join(&name);
    let mut text = Vec::new();
    man.render(&mut text)?;
    if command.get_name() == PROGRAM {
        sections().to_writer(&mut text)?;
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    names.push(name);
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| page(below, folder, names))
}

fn sections() -> Roff {
    let mut roff = Roff::new();
    for (heading, things) in SECTIONS {
        roff.control("SH", [heading]);
        for (thing, meaning) in things {
            roff.control("TP", []).text([bold(*thing)]).text([roman(*meaning)]);
        }
    }
    roff
}
