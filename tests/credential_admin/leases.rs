//! Leases over random sequences of hooks of several sessions, with lost responses, beside a model; and hooks that are
//! killed, and hooks that come at once.

use std::collections::BTreeMap;
use std::thread;

use serde_json::{Value, json};

use super::{Desk, LOCAL};
use crate::support::{PROGRAM, run};

/// Random numbers of a seed (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }

    fn choice<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        let end = u64::try_from(choices.len()).unwrap();
        &choices[usize::try_from(self.below(end)).unwrap()]
    }
}

const MAX_CHECKOUT: u64 = 1000;
/// Assets and the entry that answers for each; the last is shared.
const ASSETS: [(&str, &str); 4] = [("db1", "db1"), ("a.lan", "*.lan"), ("b.lan", "*.lan"), ("web", "web")];

/// Who holds what, as it should be: for each entry a session, what it asked for, and until when.
#[derive(Default)]
struct Model {
    held: BTreeMap<&'static str, Vec<(usize, &'static str, u64)>>,
}

impl Model {
    fn end(&mut self, session: usize, asset: Option<&str>) {
        for held in self.held.values_mut() {
            held.retain(|(holder, of, _)| *holder != session || asset.is_some_and(|asset| asset != *of));
        }
    }

    fn take(&mut self, session: usize, asset: &'static str, entry: &'static str, now: u64) -> bool {
        if entry == "web" {
            return true;
        }
        let held = self.held.entry(entry).or_default();
        held.retain(|(.., until)| *until > now);
        if held.iter().any(|(holder, ..)| *holder != session) {
            return false;
        }
        held.retain(|(_, of, _)| *of != asset);
        held.push((session, asset, now.saturating_add(MAX_CHECKOUT)));
        true
    }
}

/// A session as SPS sees it: the last cookie that arrived, and what that cookie says is checked out.
#[derive(Default)]
struct Session {
    cookie: Value,
    out: Vec<&'static str>,
}

fn desk() -> Desk {
    let desk = Desk::new();
    let lines = "account,asset,password,checkout,host_app\nroot,db1,pw,exclusive,app\nroot,*.lan,pw,exclusive,app\nroot,web,pw,shared,app\n";
    desk.ok("import -", lines);
    desk
}

fn hook(desk: &Desk, hook: &str, now: u64, arguments: Value) -> Value {
    let configuration =
        format!("{LOCAL}max_checkout = {MAX_CHECKOUT}\n[check-in-trigger]\nssh = authentication-completed\n");
    let invocation = json!({"hook": hook, "type": "credentialstore", "arguments": arguments, "configuration": configuration});
    let ended = desk.place.run(&["--clock", &now.to_string()], invocation.to_string());
    assert_eq!(ended.status, Some(0), "{ended:?}");
    ended.response()
}

fn play(seed: u64, steps: usize) {
    let mut random = Random(seed);
    let desk = desk();
    let mut model = Model::default();
    let mut sessions: Vec<Session> = (0..3).map(|_| Session { cookie: json!({}), out: Vec::new() }).collect();
    let mut triggers = [false; 3];
    let mut now = 1_000_000_u64;
    let mut given = 0;
    for step in 0..steps {
        now = now.saturating_add(if random.below(20) == 0 { MAX_CHECKOUT } else { random.below(100) });
        let number = usize::try_from(random.below(3)).unwrap();
        let session = &mut sessions[number];
        let (asset, entry) = *random.choice(&ASSETS);
        let is_lost = random.below(4) == 0;
        let protocol = *random.choice(&["ssh", "rdp"]);
        let base =
            json!({"session_id": format!("s{number}"), "cookie": session.cookie, "session_cookie": {}});
        let with = |more: Value| {
            let mut all = base.clone();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let what = format!("seed {seed}, step {step}, session {number}");
        match random.below(10) {
            0..=4 => {
                for of in &session.out {
                    model.end(number, Some(of));
                }
                let arguments =
                    with(json!({"protocol": protocol, "server_username": "root", "server_hostname": asset}));
                let response = hook(&desk, "get_password_list", now, arguments);
                let gets = model.take(number, asset, entry, now);
                let expected = if gets { json!(["pw"]) } else { json!([]) };
                assert_eq!(response["passwords"], expected, "{what}: {asset}, {:?}", model.held);
                given += usize::from(gets);
                if !is_lost {
                    session.cookie = response["cookie"].clone();
                    session.out = if gets { vec![asset] } else { Vec::new() };
                    triggers[number] = protocol == "ssh";
                }
            }
            5 => {
                let response = hook(
                    &desk,
                    "get_remote_app_credentials",
                    now,
                    with(json!({"server_username": "root", "asset": asset})),
                );
                let gets = model.take(number, asset, entry, now);
                let expected = if gets { json!(["pw"]) } else { json!([]) };
                assert_eq!(response["passwords"], expected, "{what}: remote {asset}, {:?}", model.held);
                if !is_lost {
                    session.cookie = response["cookie"].clone();
                    if gets {
                        session.out.push(asset);
                    }
                }
            }
            6 | 7 => {
                let response = hook(&desk, "authentication_completed", now, base.clone());
                if triggers[number] {
                    for of in &session.out {
                        model.end(number, Some(of));
                    }
                }
                if !is_lost {
                    session.cookie = response["cookie"].clone();
                    if triggers[number] {
                        session.out.clear();
                    }
                }
            }
            _ => {
                let response = hook(&desk, "session_ended", now, base.clone());
                assert_eq!(response, Value::Null, "{what}");
                model.end(number, None);
                // A lost answer is asked for again; either way a session with this number may begin anew.
                if !is_lost {
                    *session = Session { cookie: json!({}), out: Vec::new() };
                    triggers[number] = false;
                }
            }
        }
    }
    for (number, session) in sessions.iter().enumerate() {
        hook(
            &desk,
            "session_ended",
            now,
            json!({"session_id": format!("s{number}"), "cookie": session.cookie}),
        );
    }
    let held: Vec<_> =
        desk.json("list").as_array().unwrap().iter().map(|entry| entry["held_by"].clone()).collect();
    assert_eq!(held, [Value::Null, Value::Null, Value::Null], "seed {seed}");
    assert!(given > 0, "seed {seed}: nothing was ever handed out");
}

#[test]
fn whatever_the_order_of_hooks_one_session_holds_an_entry_and_its_end_gives_all_back() {
    #[expect(clippy::disallowed_methods, reason = "this is where a test run says how long it may take")]
    let runs = std::env::var("LEASE_RUNS").ok().map_or(12_u64, |runs| runs.parse().unwrap());
    thread::scope(|scope| {
        for worker in 0..2_u64 {
            scope.spawn(move || {
                for seed in (1 + worker..=runs).step_by(2) {
                    play(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 40);
                }
            });
        }
    });
}

#[test]
fn of_many_sessions_at_once_one_gets_an_exclusive_entry() {
    let desk = &desk();
    for round in 0..5 {
        let got: Vec<bool> = thread::scope(|scope| {
            let all: Vec<_> = (0..6)
                .map(|number| {
                    scope.spawn(move || {
                        desk.passwords(&format!("r{round}s{number}"), "root", "db1") == json!(["pw"])
                    })
                })
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(got.iter().filter(|got| **got).count(), 1, "round {round}: {got:?}");
        for number in 0..6 {
            desk.hook("session_ended", json!({"session_id": format!("r{round}s{number}"), "cookie": {}}));
        }
    }
}

#[test]
fn a_check_out_that_is_killed_at_any_moment_is_free_or_its_sessions_own() {
    let desk = desk();
    for delay in 0..24_u64 {
        let arguments = json!({"session_id": "killed", "server_username": "root", "server_hostname": "db1"});
        let invocation = json!({"hook": "get_password_list", "arguments": arguments, "configuration": LOCAL});
        let mut command = desk.place.command("timeout");
        command.args(["-s", "KILL", &format!("0.{:03}", delay + 1), PROGRAM]).env("PATH", "/usr/bin:/bin");
        run(command, invocation.to_string());
        // Its own session gets it, whether the lease was written or not; another does not get it then.
        assert_eq!(desk.passwords("killed", "root", "db1"), json!(["pw"]), "{delay} ms");
        assert_eq!(desk.passwords("other", "root", "db1"), json!([]), "{delay} ms");
        desk.hook("session_ended", json!({"session_id": "killed", "cookie": {}}));
        assert_eq!(desk.passwords("other", "root", "db1"), json!(["pw"]), "{delay} ms");
        desk.hook("session_ended", json!({"session_id": "other", "cookie": {}}));
    }
}
