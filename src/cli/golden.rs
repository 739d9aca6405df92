//! `sps-plugin golden DIR`: plays recorded invocations and compares what comes out with what is recorded.
//!
//! `docs/golden.md` describes the folders. A case is read before anything is run, so that a misspelt file cannot
//! turn into a case that always passes.

mod case;
mod difference;
mod junit;
mod play;
mod request;
mod scratch;
mod server;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use zeroize::Zeroizing;

use crate::terms::shown_on_a_line;
use crate::{Edge, Outcome};
use case::Case;
use difference::Difference;

/// Options of `sps-plugin golden`.
#[derive(Args)]
pub(super) struct GoldenOptions {
    /// The folder below which the cases lie
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Write the responses that came out over those that are recorded
    #[arg(long)]
    update: bool,
    /// Also write a report in the XML form of JUnit
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A case that was played.
struct Played {
    name: String,
    differences: Vec<Difference>,
    /// The response files that `--update` wrote.
    rewritten: Vec<String>,
    took: Duration,
}

/// Plays every case: status 0 where all are equal, 1 where one differs, 2 where the folder is unusable.
pub(super) fn run(mut edge: Edge<'_>, options: &GoldenOptions) -> Outcome {
    match play_all(&edge, options) {
        Ok(played) => {
            let status = u8::from(played.iter().any(|case| !case.differences.is_empty()));
            Outcome { stdout: Zeroizing::new(report(&played).into_bytes()), status }
        }
        Err(error) => {
            let _ = writeln!(edge.stderr, "sps-plugin: golden: {error:#}");
            Outcome { stdout: Zeroizing::default(), status: 2 }
        }
    }
}

fn play_all(edge: &Edge<'_>, options: &GoldenOptions) -> anyhow::Result<Vec<Played>> {
    let cases = case::find(&options.directory)?;
    let mut all = Vec::with_capacity(cases.len());
    for case in &cases {
        all.push(play_one(edge, case, options.update).with_context(|| case.name.clone())?);
    }
    if let Some(path) = &options.junit {
        std::fs::write(path, junit::to_xml(&all))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(all)
}

fn play_one(edge: &Edge<'_>, case: &Case, update: bool) -> anyhow::Result<Played> {
    let began = edge.clock.elapsed();
    let (differences, rewritten) = play::play(case, edge.environment, edge.clock, update)?;
    let took = edge.clock.elapsed().saturating_sub(began);
    Ok(Played { name: case.name.clone(), differences, rewritten, took })
}

fn report(played: &[Played]) -> String {
    let mut text = String::new();
    for case in played {
        let name = shown_on_a_line(&case.name);
        for file in &case.rewritten {
            let _ = writeln!(text, "updated: {name}: {file}");
        }
        if let Some((first, others)) = case.differences.split_first() {
            let _ = writeln!(text, "failed: {name}: {}", first.headline);
            for line in &first.details {
                let _ = writeln!(text, "    {line}");
            }
            for other in others {
                let _ = writeln!(text, "    also {}", other.headline);
                for line in &other.details {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
    }
    let failed = played.iter().filter(|case| !case.differences.is_empty()).count();
    let _ = writeln!(text, "{} passed, {failed} failed", played.len().saturating_sub(failed));
    text
}
