//! One code and many processes, all at the same moment: the binary as SPS runs it, 64 times at once.
//!
//! Every process is started and has read its invocation before the first of them may go on. `RACE_ROUNDS` says how
//! often each race is run (3 without it; `scripts/test` says 200), and `TMPDIR` where the state lies: a round waits
//! for the disk as often as there are denials in it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::arithmetic_side_effects, reason = "the numbers are a test's own, and small")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

mod approvals;
mod codes;
mod failures;
#[path = "../../examples/seed_tokens/seed.rs"]
mod seed;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
#[path = "../token_site/mod.rs"]
mod token_site;

use std::os::fd::AsFd;
use std::process::Child;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use support::{Ended, PATIENCE, PROGRAM, Running};
use token_site::{Site, number_from};

/// How many processes take part in a race.
const PROCESSES: usize = 64;

/// Returns how often each race is run.
fn rounds() -> usize {
    number_from("RACE_ROUNDS", 3)
}

/// Starts a process for each invocation, waits until all have read theirs, lets them go on, and returns their
/// responses. Every process has to end as one that did its work.
fn race(site: &Site, invocations: &[Value]) -> Vec<Value> {
    let mut waiting: Vec<Child> =
        invocations.iter().map(|_| site.command(PROGRAM).spawn().unwrap()).collect();
    for (child, invocation) in waiting.iter_mut().zip(invocations) {
        // It fits into the pipe. The end of it is what they wait for.
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), invocation.to_string().as_bytes()).unwrap();
    }
    for child in &waiting {
        wait_until_read(child.stdin.as_ref().unwrap());
    }
    let pipes: Vec<_> = waiting.iter_mut().map(|child| child.stdin.take().unwrap()).collect();
    drop(pipes);
    let running: Vec<_> = waiting.into_iter().map(|child| Running::of(child, Vec::new())).collect();
    running.into_iter().map(|running| response(&running.end())).collect()
}

fn wait_until_read(pipe: impl AsFd) {
    const PAUSE: Duration = Duration::from_micros(200);
    let mut waited = Duration::ZERO;
    while rustix::io::ioctl_fionread(&pipe).unwrap() > 0 {
        assert!(waited < PATIENCE, "a process did not read its invocation");
        thread::sleep(PAUSE);
        waited += PAUSE;
    }
}

fn response(ended: &Ended) -> Value {
    assert_eq!(ended.status, Some(0), "{ended:?}");
    ended.response()
}

/// Counts the responses with a verdict.
fn count(responses: &[Value], verdict: &str) -> usize {
    responses.iter().filter(|response| response["verdict"] == verdict).count()
}
