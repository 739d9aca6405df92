//! Several servers, servers that were down a moment ago, and the local tokens in the place of a service.

use serde_json::json;

use crate::busy::{Busy, rename_server};
use crate::support::service::{NOBODY, Service, reply};
use crate::{Site, UNREACHABLE, by, codes, hangs_up, service};

const OTHER_NOBODY: &str = "127.77.0.2:9";

/// Options of `[mfa]`, servers of `[http]` and more of its options; alice has a PIN among the local tokens.
fn site(mfa: &str, servers: &[&str], more: &str) -> Site {
    let urls: Vec<_> = servers.iter().map(|server| format!("http://{server}")).collect();
    let urls = urls.join(",");
    let site = Site::new(&format!("[mfa]\nprovider=http\n{mfa}[http]\nserver_url={urls}\n{more}"));
    site.token("enroll --type spass --serial S1 --user alice --pin local");
    site
}

fn address(service: &Service) -> String {
    service.address.to_string()
}

#[test]
fn the_next_server_is_asked_when_one_cannot_be_reached() {
    let second = service("123456");
    let site = site("", &[NOBODY, &address(&second)], "");
    assert_eq!(by(&site.say("alice", "123456")), "http otp");
    site.say("alice", "000000").assert_denied("N/A", 0);
    assert_eq!(codes(&second), 2);
}

#[test]
fn the_next_server_is_not_asked_after_a_denial_or_an_answer_without_sense() {
    let second = service("123456");
    for first in [service("654321"), Service::answering(&json!("ACCEPT"))] {
        let site = site("", &[&address(&first), &address(&second)], "");
        assert_eq!(site.say("alice", "123456").verdict(), "DENY");
        assert_eq!((codes(&first), codes(&second)), (1, 0));
    }
}

#[test]
fn a_code_that_a_server_may_have_used_up_is_sent_to_no_other_and_to_none_again() {
    let (first, second) = (hangs_up(), service("123456"));
    let site = site("", &[&address(&first), &address(&second)], "");
    site.say("alice", "123456").assert_denied(UNREACHABLE, 0);
    assert_eq!((codes(&first), codes(&second)), (1, 0));
    // The next login does not wait for it.
    assert_eq!(site.say_at("1001", "123456").verdict(), "ACCEPT");
    assert_eq!((codes(&first), codes(&second)), (1, 1));
}

#[test]
fn a_server_that_was_down_is_asked_a_harmless_question_before_it_gets_a_code_again() {
    for (option, last, next) in [("", "1029.999999", "1030"), ("retry_after=5\n", "1004.999999", "1005")] {
        let (first, second) = (Busy::new(404), service("123456"));
        let site = site(option, &[&address(&first.service), &address(&second)], "");
        assert_eq!(site.say_at("900", "123456").verdict(), "ACCEPT");
        first.set(true);
        site.say_at("1000", "123456").assert_denied(UNREACHABLE, 0);
        assert_eq!(site.say_at(last, "123456").verdict(), "ACCEPT");
        let asked = first.service.requests().len();
        assert_eq!(codes(&first.service), 2, "{option}");
        assert_eq!(site.say_at(next, "123456").verdict(), "ACCEPT");
        assert_eq!((codes(&first.service), codes(&second)), (2, 2), "{option}");
        assert_eq!(first.service.requests().len(), asked + 1, "{option}");
    }
}

#[test]
fn a_server_whose_failure_lies_in_the_future_is_asked() {
    let (first, second) = (hangs_up(), service("123456"));
    let site = site("", &[&address(&first), &address(&second)], "");
    site.say_at("1000", "123456").assert_denied(UNREACHABLE, 0);
    site.say_at("999", "123456").assert_denied(UNREACHABLE, 0);
    assert_eq!((codes(&first), codes(&second)), (2, 0));
}

#[test]
fn where_all_servers_were_down_a_moment_ago_no_code_is_sent_until_one_answers() {
    let (first, second) = (Busy::new(404), Busy::new(404));
    let mut site = site("", &[&address(&second.service), &address(&first.service)], "");
    assert_eq!(site.say_at("800", "123456").verdict(), "ACCEPT");
    site.configuration =
        self::site("", &[&address(&first.service), &address(&second.service)], "").configuration;
    assert_eq!(site.say_at("900", "123456").verdict(), "ACCEPT");
    first.set(true);
    second.set(true);
    for (clock, asked) in [("1000", (2, 1)), ("1001", (2, 2)), ("1002", (2, 2))] {
        site.say_at(clock, "123456").assert_denied(UNREACHABLE, 0);
        assert_eq!((codes(&first.service), codes(&second.service)), asked, "{clock}");
    }
}

#[test]
fn the_local_tokens_answer_when_all_servers_are_unreachable_and_only_then() {
    let up = service("123456");
    let fallback = "fallback=local\n";
    let site_down = site(fallback, &[NOBODY, OTHER_NOBODY], "");
    let ended = site_down.say("alice", "local");
    assert_eq!((ended.verdict().as_str(), by(&ended).as_str()), ("ACCEPT", "local"), "{ended:?}");
    ended.assert_logged(&["asking the local tokens"]);
    site_down.say("alice", "123456").assert_denied("Authentication failed", 0);
    let site_up = site(fallback, &[NOBODY, &address(&up)], "");
    site_up.say("alice", "local").assert_denied("N/A", 0);
    assert_eq!(by(&site_up.say("alice", "123456")), "http otp");
    let without = site("", &[NOBODY], "");
    without.say("alice", "local").assert_denied(UNREACHABLE, 0);
}

#[test]
fn a_dialogue_that_the_fallback_began_is_the_fallbacks_to_the_end() {
    let service = service("123456");
    let mut site = site("fallback=local\nretry_after=1\n", &[NOBODY], "");
    site.token("enroll --type hotp --serial H1 --user alice --pin pin --secret-hex 3132333435363738393031323334353637383930");
    let asked = site.say("alice", "pin");
    assert_eq!(asked.verdict(), "NEEDINFO", "{asked:?}");
    site.configuration = site.configuration.replace(NOBODY, &address(&service));
    let ended = site.go_on("alice", "755224", &asked.response()["cookie"], "1001");
    assert_eq!((ended.verdict().as_str(), by(&ended).as_str()), ("ACCEPT", "local"), "{ended:?}");
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn a_server_that_refused_connections_is_asked_again_after_two_seconds() {
    for mfa in ["fallback=local\n", ""] {
        let service = service("123456");
        let mut site = site(mfa, &[NOBODY], "ignore_connection_error=yes\n");
        site.say_at("1000", "nope");
        rename_server(&site, NOBODY, &address(&service));
        site.configuration = site.configuration.replace(NOBODY, &address(&service));
        assert_eq!(by(&site.say_at("1002", "123456")), "http otp", "{mfa}");
        assert_eq!(codes(&service), 1, "{mfa}");
    }
}

#[test]
fn a_fallback_that_cannot_be_read_stops_no_login_that_has_no_use_for_it() {
    let site = Site::new("[mfa]\nprovider=local\nfallback=maybe\n");
    site.token("enroll --type spass --serial S1 --user alice --pin local");
    assert_eq!(by(&site.say("alice", "local")), "local");
}

#[test]
fn with_a_fallback_nobody_ignores_an_outage() {
    let site = site("fallback=local\n", &[NOBODY], "ignore_connection_error=yes\n");
    site.say("alice", "123456").assert_denied("Authentication failed", 0);
    let without = self::site("", &[NOBODY], "ignore_connection_error=yes\n");
    assert_eq!(by(&without.say("alice", "123456")), "ignore_connection_error");
}

#[test]
fn two_addresses_at_one_host_are_two_servers() {
    // A gateway: what is below /one is down, and what is below /two is not.
    let gateway = Service::plain(|connection| {
        while let Some(request) = connection.request() {
            let is_down = request.line.contains(" /one");
            let answer = json!({"result": "ACCEPT"}).to_string();
            connection.send(reply(if is_down { 503 } else { 200 }, "application/json", answer));
        }
    });
    let servers = [format!("{}/one", gateway.address), format!("{}/two", gateway.address)];
    let site = site("", &[&servers[0], &servers[1]], "");
    site.say_at("1000", "123456").assert_denied(UNREACHABLE, 0);
    for clock in ["1001", "1002", "1031", "1032"] {
        assert_eq!(site.say_at(clock, "123456").verdict(), "ACCEPT", "{clock}");
    }
}
