//! `sps-plugin state`: a copy of the state beside hooks that run, and its way back.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::admin::{self, Admin, Common, Text, line};
use super::failure::Failure;
use crate::{Edge, Outcome};

#[derive(Args)]
pub(super) struct StateOptions {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Command {
    /// Copy the state into a new file; the key that its secrets are sealed with is not in it
    Backup {
        /// The file, which must not be there yet
        file: PathBuf,
    },
    /// Take a copy back; codes that were used since then may be good again
    Restore {
        /// The file
        file: PathBuf,
        /// Overwrite the state that is there
        #[arg(long)]
        replace: bool,
    },
    /// Clear what the hooks remember of users: cached authentications and counts of wrong
    /// approvals
    #[command(group(clap::ArgGroup::new("whose").required(true)))]
    Forget {
        /// Of this user, in any domain or realm
        #[arg(long, value_name = "NAME", group = "whose")]
        user: Option<String>,
        /// Of all users, with the counts per address and per requirement
        #[arg(long, group = "whose")]
        all: bool,
    },
}

/// Does what the command says.
pub(super) fn run(edge: Edge<'_>, options: StateOptions) -> Outcome {
    let StateOptions { command, common } = options;
    admin::run(edge, common, |admin| match command {
        Command::Backup { file } => backup(&file, admin),
        Command::Restore { file, replace } => restore(&file, replace, admin),
        Command::Forget { user, all: _ } => forget(user.as_deref(), admin),
    })
}

fn backup(file: &std::path::Path, admin: &Admin<'_>) -> Result<Text, Failure> {
    admin.store.back_up(file)?;
    if admin.json {
        return line(&Map::from_iter([("file".to_owned(), Value::from(file.to_string_lossy()))]));
    }
    Ok(format!("the state is copied to {}; its key is not in there\n", file.display()).into())
}

fn restore(file: &std::path::Path, replace: bool, admin: &Admin<'_>) -> Result<Text, Failure> {
    let restored = admin.store.restore(file, replace)?;
    if restored.replayable > 0 {
        admin.log.warning(format_args!(
            "{} tokens have codes that are good again if they were used since the backup; see docs/backup.md",
            restored.replayable
        ));
    }
    if admin.json {
        let members = [("tokens", restored.tokens), ("replayable", restored.replayable)];
        let members = members.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count)));
        return line(&members.collect());
    }
    Ok(format!("the state is that of the backup, with {} tokens\n", restored.tokens).into())
}

fn forget(user: Option<&str>, admin: &Admin<'_>) -> Result<Text, Failure> {
    let authentications = admin.store.forget_authentications(user)?;
    let approvals = admin.store.forget_guesses(user)?;
    if admin.json {
        let members = [("authentications", authentications), ("wrong_approvals", approvals)];
        let members = members.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count)));
        return line(&members.collect());
    }
    Ok(format!(
        "forgotten: {authentications} remembered authentications, {approvals} counts of wrong approvals\n"
    )
    .into())
}
