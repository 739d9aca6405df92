//! Logins that are killed with SIGKILL at any moment: a code that was accepted is never accepted again, one that was
//! not is still good or gone, no counter goes back, and the store opens every time.
//!
//! `CRASH_RUNS` says how many runs there are (25 without it; `scripts/test` says 500). They are dealt out to the kinds
//! of tokens, and the moments of death of each kind are spread evenly over the time that a run takes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::arithmetic_side_effects, reason = "the numbers are a test's own, and small")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

#[path = "../examples/seed_tokens/seed.rs"]
mod seed;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
#[expect(dead_code, reason = "other tests use the rest")]
mod token_site;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{io::Write, thread};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::{Value, json};

use support::{Ended, PROGRAM, Running};
use token_site::{Site, State, answer, code, code_of_now, login, number_from, other_code, other_secret};

/// How many runs that nobody kills tell how long one takes.
const UNHARMED: usize = 5;

/// A way to log in.
struct Kind {
    name: &'static str,
    /// The tokens of one run's user.
    tokens: fn(usize) -> Vec<Value>,
    /// Does what comes before the last step, and returns that step.
    last_step: fn(&Site, usize) -> Value,
    /// The token whose code is used up, and the same code once more in a session of its own, or another step with it.
    again: fn(&Site, usize, &Value) -> Value,
}

const KINDS: &[Kind] = &[
    Kind { name: "hotp", tokens: hotp, last_step: |_, run| alice(run, &code(0)), again: same },
    Kind {
        name: "totp",
        tokens: |run| {
            vec![
                json!({"serial": format!("T{run}"), "type": "totp", "window": 1, "user": format!("alice{run}")}),
            ]
        },
        last_step: |_, run| alice(run, &code_of_now().0),
        again: same,
    },
    Kind {
        name: "paper",
        tokens: |run| {
            vec![json!({"serial": format!("P{run}"), "type": "paper", "user": format!("alice{run}")})]
        },
        last_step: |_, run| alice(run, &code(4)),
        again: same,
    },
    Kind {
        name: "forward",
        tokens: |run| {
            let forward = json!({"serial": format!("F{run}"), "type": "forward", "user": format!("alice{run}"),
                "target": format!("H{run}")});
            let target = json!({"serial": format!("H{run}"), "type": "hotp", "user": format!("bob{run}")});
            vec![forward, target]
        },
        last_step: |_, run| alice(run, &code(0)),
        // By way of the target itself.
        again: |_, run, _| login("again", &format!("bob{run}"), &code(0)),
    },
    Kind {
        name: "challenge",
        tokens: |run| {
            let mut tokens = hotp(run);
            tokens[0]["pin"] = json!("pin1");
            tokens
        },
        last_step: |site, run| {
            let asked = site.hook(&alice(run, "pin1"));
            answer(&format!("s{run}"), &format!("alice{run}"), &asked["cookie"], &code(0))
        },
        again: same,
    },
    Kind {
        name: "four eyes",
        tokens: |run| {
            let approver = |name: &str| {
                json!({"serial": format!("H-{name}{run}"), "type": "hotp", "user": format!("{name}{run}"),
                    "realm": "office"})
            };
            let mut carol = approver("carol");
            carol["secret"] = json!(other_secret());
            let asking = json!({"serial": format!("E{run}"), "type": "4eyes", "user": format!("alice{run}"),
                "realms": "office:2"});
            vec![asking, approver("bob"), carol]
        },
        last_step: |site, run| {
            let asked = site.hook(&alice(run, ""));
            let asked = site.hook(&approval(run, "bob", &asked["cookie"]));
            approval(run, "carol", &asked["cookie"])
        },
        again: same,
    },
];

fn hotp(run: usize) -> Vec<Value> {
    vec![json!({"serial": format!("H{run}"), "type": "hotp", "user": format!("alice{run}")})]
}

fn alice(run: usize, password: &str) -> Value {
    login(&format!("s{run}"), &format!("alice{run}"), password)
}

fn approval(run: usize, name: &str, cookie: &Value) -> Value {
    let code = if name == "carol" { other_code(0) } else { code(0) };
    answer(&format!("s{run}"), &format!("alice{run}"), cookie, &format!("{name}{run}:{code}"))
}

fn same(_: &Site, _: usize, last_step: &Value) -> Value {
    last_step.clone()
}

/// What became of the runs of one kind.
#[derive(Debug, Default)]
struct Tally {
    /// Nothing was changed yet, and the code was good afterwards.
    before: usize,
    /// The code was used up, and nobody had been told.
    between: usize,
    /// The ACCEPT was out.
    after: usize,
}

#[test]
fn a_login_that_is_killed_at_any_moment_neither_doubles_a_code_nor_loses_the_store() {
    let runs = number_from("CRASH_RUNS", 25);
    for (number, kind) in KINDS.iter().enumerate() {
        // The first kinds get what is left over.
        let share = runs / KINDS.len() + usize::from(number < runs % KINDS.len());
        let tally = crash(kind, share);
        writeln!(std::io::stderr(), "{}: killed {tally:?}", kind.name).unwrap();
    }
}

fn crash(kind: &Kind, runs: usize) -> Tally {
    let site = Site::new((0..UNHARMED + runs).flat_map(kind.tokens));
    let mut duration = Duration::ZERO;
    for run in 0..UNHARMED {
        let step = (kind.last_step)(&site, run);
        let (ended, took) = step_killed_after(&site, &step, None);
        assert_eq!(ended.verdict(), "ACCEPT", "{}: {ended:?}", kind.name);
        duration = duration.max(took);
    }
    let mut tally = Tally::default();
    for number in 0..runs {
        let run = UNHARMED + number;
        let step = (kind.last_step)(&site, run);
        let states = site.states();
        // The number by which the moments are dealt out has no common factor with theirs, so that they come in no order.
        let moment = duration * u32::try_from(number * 7919 % runs).unwrap() / u32::try_from(runs).unwrap();
        let (ended, _) = step_killed_after(&site, &step, Some(moment));
        assert!(ended.status.is_none_or(|status| status == 0), "{}: {ended:?}", kind.name);
        let told = !ended.stdout.is_empty();
        assert!(!told || ended.verdict() == "ACCEPT", "{}: {ended:?}", kind.name);

        let killed = site.states();
        assert_nothing_went_back(&states, &killed);
        assert!(!told || killed != states, "{}: accepted, and nothing is used up", kind.name);
        assert_sound(&site);
        let second = site.hook(&(kind.again)(&site, run, &step))["verdict"] == "ACCEPT";
        assert!(!(told && second), "{}: run {run} was accepted twice", kind.name);
        let used_up = changes(&states, &killed) > 0;
        assert_eq!(second, !used_up, "{}: run {run}, a code is good as long as it is not used up", kind.name);
        let third = site.hook(&(kind.again)(&site, run, &step))["verdict"] == "ACCEPT";
        assert!(!third, "{}: run {run} was accepted twice", kind.name);
        assert_nothing_went_back(&killed, &site.states());
        *match (used_up, told) {
            (_, true) => &mut tally.after,
            (true, false) => &mut tally.between,
            (false, false) => &mut tally.before,
        } += 1;
    }
    tally
}

/// Runs a step and kills it after this time, if it takes as long; returns how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "the moments of death are spread over the time that a run takes"
)]
fn step_killed_after(site: &Site, step: &Value, moment: Option<Duration>) -> (Ended, Duration) {
    let mut child = site.command(PROGRAM).spawn().unwrap();
    let began = Instant::now();
    // Dropped at the end of the statement, which closes the pipe.
    child.stdin.take().unwrap().write_all(step.to_string().as_bytes()).unwrap();
    if let Some(moment) = moment {
        thread::sleep(moment);
        child.kill().unwrap();
    }
    let ended = Running::of(child, Vec::new()).end();
    (ended, began.elapsed())
}

fn changes(before: &BTreeMap<String, State>, after: &BTreeMap<String, State>) -> usize {
    after.iter().filter(|(serial, state)| before.get(*serial) != Some(state)).count()
}

fn assert_nothing_went_back(before: &BTreeMap<String, State>, after: &BTreeMap<String, State>) {
    assert_eq!(before.len(), after.len());
    for (serial, earlier) in before {
        let later = &after[serial];
        assert!(later.counter >= earlier.counter, "{serial}: {earlier:?}, then {later:?}");
        assert!(earlier.used.iter().all(|position| later.used.contains(position)), "{serial}");
    }
}

/// Asserts that SQLite finds no fault, without folding the log in, which no process of ours does at its end either.
fn assert_sound(site: &Site) {
    let database = Connection::open(site.place.state().join("state.sqlite3")).unwrap();
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}
