//! `token resync`.

use clap::Args;

use super::{Admin, Text};
use crate::cli::failure::Failure;
use crate::token::resync::{self, Resynced};

#[derive(Args)]
pub(super) struct Arguments {
    /// The token's serial
    serial: String,
    /// Two codes that the device showed one after the other; else they are read from two lines of stdin
    #[arg(num_args = 2, value_names = ["CODE1", "CODE2"])]
    codes: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let serial = &arguments.serial;
    let resynced = match arguments.codes.as_slice() {
        [first, second] => resync::resync(admin.store, serial, [first, second])?,
        _ => {
            let (first, second) = (admin.input.line("the first code")?, admin.input.line("the second code")?);
            resync::resync(admin.store, serial, [&first, &second])?
        }
    };
    let Resynced { token, went_back_behind } = resynced.ok_or_else(|| Failure::no_token(serial))?;
    let skew =
        if token.skew == 0 { String::new() } else { format!(", {} steps away from our time", token.skew) };
    let ahead = went_back_behind
        .map(|time| {
            format!(
                "; its last code was used at {time}, which is in the future, so its position was set back"
            )
        })
        .unwrap_or_default();
    if !ahead.is_empty() {
        admin.log.warning(format_args!("{serial} was resynchronised{ahead}"));
    }
    admin.report(&token, &format!("{serial} is in step again{skew}{ahead}"))
}
