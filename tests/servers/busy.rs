//! What a user can do to a server by logging in: keep it busy, so that it answers nothing for a while. No outage comes of
//! that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::PROGRAM;
use crate::support::service::{NOBODY, Service, reply};
use crate::{Site, UNREACHABLE, by, codes};

/// A service that takes a code, and answers nothing but 503 while it is busy; `looks` is its answer to a harmless question.
pub(crate) struct Busy {
    pub(crate) service: Service,
    is_busy: Arc<AtomicBool>,
}

impl Busy {
    pub(crate) fn new(looks: u16) -> Self {
        let is_busy = Arc::new(AtomicBool::new(false));
        let busy = Arc::clone(&is_busy);
        let service = Service::plain(move |connection| {
            while let Some(request) = connection.request() {
                let is_login = request.line.starts_with("POST");
                let status = match (busy.load(Ordering::SeqCst), is_login) {
                    (true, _) => 503,
                    (false, true) => 200,
                    (false, false) => looks,
                };
                let is_right = request.json()["otp"] == "123456";
                let answer = json!({"result": if is_right { "ACCEPT" } else { "DENY" }});
                connection.send(reply(status, "application/json", answer.to_string()));
            }
        });
        Self { service, is_busy }
    }

    pub(crate) fn set(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::SeqCst);
    }

    /// The ways to do without the service, each with what an accepted login says of it.
    fn sites(&self) -> [(Site, &'static str); 2] {
        let site = |mfa: &str, more: &str| {
            let url = self.service.address;
            let site =
                Site::new(&format!("[mfa]\nprovider=http\n{mfa}[http]\nserver_url=http://{url}\n{more}"));
            site.token("enroll --type spass --serial S1 --user alice --pin local");
            site
        };
        [
            (site("", "ignore_connection_error=yes\n"), "ignore_connection_error"),
            (site("fallback=local\n", ""), "local"),
        ]
    }

    /// Counts the questions without a code.
    fn looks(&self) -> usize {
        self.service.requests().iter().filter(|request| !request.line.starts_with("POST")).count()
    }
}

#[test]
fn a_server_that_is_silent_for_a_while_is_down_only_if_nothing_but_harmless_questions_was_sent_meanwhile() {
    for way in 0..2 {
        let busy = Busy::new(404);
        let (site, by_what) = &busy.sites()[way];
        assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
        busy.set(true);
        let sent = codes(&busy.service);
        for clock in ["2000", "2001", "2028", "2050"] {
            site.say_at(clock, "local").assert_denied(UNREACHABLE, 0);
        }
        // Only the first login was sent.
        assert_eq!(codes(&busy.service), sent + 1);
        assert_eq!(by(&site.say_at("2060", "local")), *by_what);
        // It answers again, so the next silence begins anew.
        busy.set(false);
        assert_eq!(by(&site.say_at("2070", "123456")), "http otp");
        busy.set(true);
        for clock in ["2080", "2108", "2130"] {
            site.say_at(clock, "local").assert_denied(UNREACHABLE, 0);
        }
        assert_eq!(by(&site.say_at("2140", "local")), *by_what);
    }
}

#[test]
fn many_logins_ask_a_silent_server_after_pauses_that_grow() {
    let busy = Busy::new(404);
    let [(site, _), _] = &busy.sites();
    assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
    busy.set(true);
    site.say_at("2000", "123456").assert_denied(UNREACHABLE, 0);
    let asked = busy.looks();
    for half in 0..80 {
        let clock = format!("20{:02}.{}", half / 2, half % 2 * 5);
        site.say_at(&clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    assert_eq!(busy.looks() - asked, 6, "at 2002, 2004, 2008, 2016, 2026 and 2036");
    assert_eq!(codes(&busy.service), 2);
}

#[test]
fn a_server_that_never_answered_the_harmless_question_is_never_known_to_be_down() {
    for way in 0..2 {
        let busy = Busy::new(503);
        let (site, _) = &busy.sites()[way];
        let ended = site.say_at("1000", "123456");
        assert_eq!(by(&ended), "http otp");
        ended.assert_logged(&["answers logins, but not the harmless question"]);
        // It is told once a day, and costs one question.
        let looks = busy.looks();
        assert!(!site.say_at("1001", "123456").stderr.contains("harmless question"));
        assert_eq!(busy.looks(), looks);
        busy.set(true);
        for clock in ["2000", "2100", "3000", "9000", "90000"] {
            site.say_at(clock, "local").assert_denied(UNREACHABLE, 0);
        }
        // Nothing but a login can show that it is back, so a login is sent.
        busy.set(false);
        assert_eq!(by(&site.say_at("90001", "123456")), "http otp");
    }
}

#[test]
fn two_servers_that_never_answer_the_harmless_question_are_not_left_out_for_ever() {
    let all = [Busy::new(503), Busy::new(503)];
    let urls: Vec<_> = all.iter().map(|busy| format!("http://{}", busy.service.address)).collect();
    let site = Site::new(&format!("[mfa]\nprovider=http\n[http]\nserver_url={}\n", urls.join(", ")));
    all.iter().for_each(|busy| busy.set(true));
    for clock in ["1000", "1001", "1002"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    all.iter().for_each(|busy| busy.set(false));
    assert_eq!(by(&site.say_at("1003", "123456")), "http otp");
}

#[test]
fn of_two_logins_at_once_at_a_server_that_was_down_yesterday_none_is_let_in_without_it() {
    for is_refused in [true, false] {
        let busy = Busy::new(404);
        let [(mut site, _), _] = busy.sites();
        assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
        let there = site.configuration.clone();
        if is_refused {
            site.configuration = there.replace(&busy.service.address.to_string(), NOBODY);
        } else {
            busy.set(true);
            for clock in ["2000", "2028", "2050"] {
                site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
            }
        }
        let later = if is_refused { "2000" } else { "2060" };
        assert_eq!(by(&site.say_at(later, "123456")), "ignore_connection_error");
        // The same server is there again, and slow: as many ask at once as find an old doubt.
        site.configuration = there;
        busy.set(false);
        if is_refused {
            rename_server(&site, NOBODY, &busy.service.address.to_string());
        }
        let logins: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..6).map(|_| scope.spawn(|| site.say_at("90000", "000000"))).collect();
            all.into_iter().map(|login| login.join().unwrap()).collect()
        });
        for login in logins {
            assert_eq!(login.verdict(), "DENY", "{login:?}");
        }
    }
}

/// Gives what is remembered of an http service at one address to another.
pub(crate) fn rename_server(site: &Site, from: &str, to: &str) {
    let path = site.place.ephemeral().join("connections.sqlite3");
    let database = rusqlite::Connection::open(path).unwrap();
    let [from, to] = [from, to].map(|address| format!("http http://{address}"));
    database.execute("DELETE FROM servers WHERE server = ?1", [&to]).unwrap();
    assert_eq!(
        database.execute("UPDATE servers SET server = ?2 WHERE server = ?1", [&from, &to]).unwrap(),
        1
    );
}

#[test]
fn a_request_that_is_open_elsewhere_is_why_a_server_refuses_or_is_silent() {
    let busy = Busy::new(404);
    let [(mut site, _), _] = busy.sites();
    assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
    let open = |server: &str, ends: i64| {
        let path = site.place.ephemeral().join("connections.sqlite3");
        let database = rusqlite::Connection::open(path).unwrap();
        let sql = "INSERT INTO requests (endpoint, ends) VALUES (?1, ?2)";
        database.execute(sql, rusqlite::params![server, ends * 1_000_000]).unwrap();
    };
    // A push that waits until 2090, and a server that is silent meanwhile.
    open(&busy.service.address.to_string(), 2090);
    busy.set(true);
    for clock in ["2000", "2028", "2056", "2084", "2112", "2140"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    assert_eq!(by(&site.say_at("2150", "123456")), "ignore_connection_error");
    // And one that refuses more connections.
    open(NOBODY, 3090);
    site.configuration = site.configuration.replace(&busy.service.address.to_string(), NOBODY);
    for clock in ["3000", "3091", "3149"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    assert_eq!(by(&site.say_at("3160", "123456")), "ignore_connection_error");
}

#[test]
fn an_outage_after_a_question_of_the_service_is_a_denial_also_if_it_kept_no_state() {
    let service = Service::answering(&json!({"result": "NEEDINFO", "question": "code?"}));
    let there = service.address.to_string();
    for way in ["ignore_connection_error=yes\n", ""] {
        let mfa = if way.is_empty() { "fallback=local\n" } else { "" };
        let mut site =
            Site::new(&format!("[mfa]\nprovider=http\n{mfa}[http]\nserver_url=http://{there}\n{way}"));
        site.token("enroll --type spass --serial S1 --user alice --pin local");
        let asked = site.say("alice", "123456");
        assert_eq!(asked.verdict(), "NEEDINFO", "{asked:?}");
        site.configuration = site.configuration.replace(&there, NOBODY);
        let ended = site.go_on("alice", "local", &asked.response()["cookie"], "1001");
        ended.assert_denied(UNREACHABLE, 0);
    }
}

#[test]
fn a_proof_of_yesterday_is_asked_for_again_at_an_accepted_login() {
    let busy = Busy::new(404);
    let [(site, _), _] = &busy.sites();
    for (clock, looks) in [("1000", 1), ("1001", 1), ("87399", 1), ("87401", 2)] {
        assert_eq!(by(&site.say_at(clock, "123456")), "http otp");
        site.say_at(clock, "000000").assert_denied("N/A", 0);
        assert_eq!(busy.looks(), looks, "{clock}");
    }
}

#[test]
fn questions_with_more_than_half_the_time_between_them_do_not_belong_to_one_outage() {
    let busy = Busy::new(404);
    let [(site, _), _] = &busy.sites();
    assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
    busy.set(true);
    for clock in ["2000", "2031", "2062", "2093", "2121", "2143"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    assert_eq!(by(&site.say_at("2153", "123456")), "ignore_connection_error");
}

#[test]
fn a_clock_that_went_back_makes_no_outage_longer() {
    let busy = Busy::new(404);
    let [(site, _), _] = &busy.sites();
    assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
    busy.set(true);
    site.say_at("5000", "123456").assert_denied(UNREACHABLE, 0);
    site.say_at("4000", "123456").assert_denied(UNREACHABLE, 0);
    site.say_at("4028", "123456").assert_denied(UNREACHABLE, 0);
    site.say_at("4050", "123456").assert_denied(UNREACHABLE, 0);
    assert_eq!(by(&site.say_at("4060", "123456")), "ignore_connection_error");
}

#[test]
fn without_state_no_outage_is_ignored() {
    let busy = Busy::new(503);
    let ignoring = |address: &str| {
        format!("[mfa]\nprovider=http\n[http]\nserver_url=http://{address}\nignore_connection_error=yes\n")
    };
    let invocation = |configuration: &str| {
        let more = json!({"key_value_pairs": {"otp": "123456"}});
        crate::authenticate(configuration, more).to_string()
    };
    let site = Site::new("");
    busy.set(true);
    let run = |address: &str| {
        let mut command = site.place.command(PROGRAM);
        command.env_remove("SCB_PLUGIN_STATE_DIRECTORY").env_remove("EPHEMERAL_PLUGIN_STATE_DIRECTORY");
        crate::support::run(command, invocation(&ignoring(address)))
    };
    for _ in 0..2 {
        run(&busy.service.address.to_string()).assert_denied(UNREACHABLE, 0);
    }
    run(NOBODY).assert_denied(UNREACHABLE, 0);
    busy.set(false);
    assert_eq!(by(&run(&busy.service.address.to_string())), "http otp");
}

/// A server of the family that accepts a code, pushes for a PIN, and always answers polls; while it is busy it answers
/// nothing else.
fn pushing() -> (Service, Arc<AtomicBool>) {
    let is_busy = Arc::new(AtomicBool::new(false));
    let busy = Arc::clone(&is_busy);
    let service = Service::plain(move |connection| {
        while let Some(request) = connection.request() {
            let is_poll = request.line.contains("/polltransaction/");
            let (status, authentication) = match request.json()["pass"].as_str() {
                _ if busy.load(Ordering::SeqCst) && !is_poll => (503, "REJECT"),
                Some("pushpin") => (200, "CHALLENGE"),
                Some("123456") => (200, "ACCEPT"),
                Some(_) => (200, "REJECT"),
                None if is_poll => (200, "REJECT"),
                None => (401, "REJECT"),
            };
            let challenge = json!({"client_mode": "poll", "type": "edupush", "transaction_id": "0123", "message": "Confirm"});
            let answer = json!({
                "result": {"status": true, "value": authentication == "ACCEPT", "authentication": authentication},
                "detail": {
                    "message": "Confirm", "serial": "PUSH1", "type": "edupush", "transaction_id": "0123",
                    "client_mode": "poll", "multi_challenge": [challenge], "challenge_status": "pending",
                },
            });
            connection.send(reply(status, "application/json", answer.to_string()));
        }
    });
    (service, is_busy)
}

#[test]
fn polls_of_an_open_push_that_a_busy_server_answers_begin_the_time_of_its_silence_anew() {
    let (service, is_busy) = pushing();
    let url = service.address;
    let configuration = format!(
        "[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{url}\nignore_connection_error=yes\npoll_interval=0.2\n"
    );
    let site = Site::new(&configuration);
    assert_eq!(by(&site.say_at("1000", "123456")), "edumfa otp");
    let polls =
        || service.requests().iter().filter(|request| request.line.contains("polltransaction")).count();
    std::thread::scope(|scope| {
        let push = scope.spawn(|| {
            let waiting = format!("{configuration}[plugin]\ntime_budget=10\n");
            let more = json!({"key_value_pairs": {"otp": "pushpin"}});
            site.place.run(&["--clock", "2030"], crate::authenticate(&waiting, more).to_string())
        });
        while polls() == 0 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        is_busy.store(true, Ordering::SeqCst);
        site.say_at("2000", "123456").assert_denied(UNREACHABLE, 0);
        assert_eq!(push.join().unwrap().verdict(), "DENY");
    });
    assert!(polls() > 1);
    for clock in ["2028", "2056"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    // 66 seconds after the first silence, and 36 after the last poll.
    site.say_at("2066", "123456").assert_denied(UNREACHABLE, 0);
    assert_eq!(by(&site.say_at("2090", "123456")), "ignore_connection_error");
}

#[test]
fn a_request_of_a_configuration_that_ignores_no_outage_counts_at_a_server_of_the_same_state() {
    let busy = Busy::new(404);
    let [(mut site, _), _] = busy.sites();
    let ignoring = site.configuration.clone();
    let strict = ignoring.replace("ignore_connection_error=yes\n", "");
    assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
    busy.set(true);
    site.say_at("2000", "123456").assert_denied(UNREACHABLE, 0);
    site.say_at("2028", "123456").assert_denied(UNREACHABLE, 0);
    site.configuration = strict;
    site.say_at("2050", "123456").assert_denied(UNREACHABLE, 0);
    site.configuration = ignoring;
    for clock in ["2056", "2066", "2094"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    assert_eq!(by(&site.say_at("2110", "123456")), "ignore_connection_error");
}

#[test]
fn a_refusal_soon_after_a_login_was_sent_is_no_outage_because_a_limit_may_refuse() {
    for way in 0..2 {
        let busy = Busy::new(404);
        let [ignoring, falling_back] = busy.sites();
        let (mut site, by_what) = if way == 0 { ignoring } else { falling_back };
        site.say_at("1000", "local").assert_denied("N/A", 0);
        // A firewall that refuses the connections of a client that made too many: the same endpoint, and nobody there.
        let there = busy.service.address.to_string();
        site.configuration = site.configuration.replace(&there, NOBODY);
        let path = site.place.ephemeral().join("connections.sqlite3");
        let database = rusqlite::Connection::open(path).unwrap();
        database.execute("UPDATE logins SET endpoint = ?1", [NOBODY]).unwrap();
        for clock in ["1000.1", "1003", "1030", "1059.9"] {
            site.say_at(clock, "local").assert_denied(UNREACHABLE, 0);
        }
        assert_eq!(by(&site.say_at("1070", "local")), by_what);
    }
}

#[test]
fn each_request_that_had_no_answer_makes_an_outage_later() {
    let is_mute = Arc::new(AtomicBool::new(false));
    let mute = Arc::clone(&is_mute);
    // One after the other: it works on a request whose client has given up.
    let service = Service::plain(move |connection| {
        while let Some(request) = connection.request() {
            if mute.load(Ordering::SeqCst) {
                return;
            }
            let result = if request.json()["otp"] == "123456" { "ACCEPT" } else { "DENY" };
            connection.send(reply(200, "application/json", json!({"result": result}).to_string()));
        }
    });
    let url = service.address;
    let site = Site::new(&format!(
        "[mfa]\nprovider=http\n[http]\nserver_url=http://{url}\nignore_connection_error=yes\n"
    ));
    assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
    let path = site.place.ephemeral().join("connections.sqlite3");
    let database = rusqlite::Connection::open(path).unwrap();
    is_mute.store(true, Ordering::SeqCst);
    site.say_at("2000", "123456").assert_denied(UNREACHABLE, 0);
    let unanswered: u32 = database.query_row("SELECT unanswered FROM logins", [], |row| row.get(0)).unwrap();
    assert_eq!(unanswered, 1);
    // Two more at the same time, one of them of a hook that was killed.
    database.execute("UPDATE logins SET unanswered = 2", []).unwrap();
    let killed = "INSERT INTO requests (endpoint, ends) VALUES (?1, 2000000000)";
    database.execute(killed, [url.to_string()]).unwrap();
    for step in 0..7 {
        site.say_at(&(2025 + step * 25).to_string(), "123456").assert_denied(UNREACHABLE, 0);
    }
    assert_eq!(by(&site.say_at("2185", "123456")), "ignore_connection_error");
    // Each answer is one request less in the queue, and a question whether the server is there is none.
    is_mute.store(false, Ordering::SeqCst);
    for (clock, left) in [("2200", 1), ("2201", 0), ("2202", 0)] {
        assert_eq!(by(&site.say_at(clock, "123456")), "http otp");
        let unanswered: u32 =
            database.query_row("SELECT unanswered FROM logins", [], |row| row.get(0)).unwrap();
        assert_eq!(unanswered, left, "{clock}");
    }
    // After an hour nothing of it is left.
    database.execute("UPDATE logins SET unanswered = 9", []).unwrap();
    is_mute.store(true, Ordering::SeqCst);
    for clock in ["9000", "9028", "9050"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    assert_eq!(by(&site.say_at("9060", "123456")), "ignore_connection_error");
}

#[test]
fn another_service_at_the_same_address_proves_nothing_and_counts_as_load() {
    let busy = Busy::new(404);
    let [(mut site, _), _] = busy.sites();
    let http = site.configuration.clone();
    let url = busy.service.address;
    let other =
        format!("[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{url}\nignore_connection_error=yes\n");
    assert_eq!(by(&site.say_at("1000", "123456")), "http otp");
    busy.set(true);
    for clock in ["2000", "2028", "2050"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    // eduMFA's own question was never answered.
    site.configuration = other;
    for clock in ["2055", "2060", "2085", "2110", "2135"] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
    }
    // And its requests, which are sent because nothing else can show that it is back, are a load there.
    site.configuration = http;
    site.say_at("2136", "123456").assert_denied(UNREACHABLE, 0);
}
