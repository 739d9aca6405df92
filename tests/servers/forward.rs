//! Forward tokens and four-eyes realms that lead to a server.

use serde_json::json;

use crate::support::service::{NOBODY, Service};
use crate::{Site, UNREACHABLE, by, family};

const CODE: &str = "755224";

fn site(service: &str) -> Site {
    let site = Site::new(&format!(
        "[mfa]\nprovider=local\n[edumfa]\nserver_url=http://{service}\nignore_connection_error=yes\n"
    ));
    site.token(
        "enroll --type forward --serial F1 --user alice --pin 1234 --target edumfa:THERE1 --max-fail 3",
    );
    site
}

fn passes(service: &Service) -> Vec<String> {
    service.requests().iter().map(|request| request.json()["pass"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_success_counts_a_use_and_forgets_the_failures_of_the_forward() {
    let service = family(CODE);
    let site = site(&service.address.to_string());
    for wrong in ["1234000000", "9999755224"] {
        site.say("alice", wrong).assert_denied("Authentication failed", 0);
    }
    assert_eq!(site.counters("F1"), (0, 2));
    let ended = site.say("alice", &format!("1234{CODE}"));
    assert_eq!((ended.verdict().as_str(), by(&ended).as_str()), ("ACCEPT", "local"), "{ended:?}");
    assert_eq!(site.counters("F1"), (1, 0));
    assert_eq!(passes(&service), ["000000", CODE], "the PIN stays here, and a wrong one asks nobody");
}

#[test]
fn an_outage_charges_nothing_lets_nobody_in_and_a_wrong_pin_is_charged_all_the_same() {
    let site = site(NOBODY);
    for _ in 0..4 {
        site.say("alice", "1234755224").assert_denied(UNREACHABLE, 0);
    }
    assert_eq!(site.counters("F1"), (0, 0));
    site.say("alice", "4321755224").assert_denied("Authentication failed", 0);
    assert_eq!(site.counters("F1"), (0, 1));
}

#[test]
fn a_locked_disabled_or_unassigned_forward_asks_no_server() {
    let service = family(CODE);
    let site = site(&service.address.to_string());
    let right = format!("1234{CODE}");
    for _ in 0..3 {
        site.say("alice", "1234000000").assert_denied("Authentication failed", 0);
    }
    let asked = service.requests().len();
    site.say("alice", &right).assert_denied("Authentication failed", 0);
    site.token("unlock F1");
    site.token("disable F1");
    site.say("alice", &right).assert_denied("Authentication failed", 0);
    site.token("enable F1");
    site.token("assign F1 --nobody");
    site.say("alice", &right).assert_denied("Authentication failed", 0);
    assert_eq!(service.requests().len(), asked);
    site.token("assign F1 --user alice");
    assert_eq!(site.say("alice", &right).verdict(), "ACCEPT");
}

#[test]
fn a_challenge_is_of_one_session_one_pin_and_one_target() {
    let service = family(CODE);
    let site = site(&service.address.to_string());
    for change in ["set-pin F1 --pin 5678", "assign F1 --target edumfa:OTHER1", "disable F1"] {
        let asked = site.say("alice", "1234");
        assert_eq!(asked.response()["question"][1], "your code? ", "{asked:?}");
        let cookie = asked.response()["cookie"].clone();
        let asked_before = service.requests().len();
        site.token(change);
        site.go_on("alice", CODE, &cookie, "1000").assert_denied("Authentication failed", 0);
        assert_eq!(service.requests().len(), asked_before, "{change}");
        site.token("set-pin F1 --pin 1234");
        site.token("assign F1 --target edumfa:THERE1");
        site.token("enable F1");
        // Too late.
        let cookie = site.say("alice", "1234").response()["cookie"].clone();
        site.go_on("alice", CODE, &cookie, "1121").assert_denied("Authentication failed", 0);
    }
    let cookie = site.say("alice", "1234").response()["cookie"].clone();
    assert!(!cookie.to_string().contains("0123"), "the server's id stays in the store: {cookie}");
    assert_eq!(site.go_on("alice", CODE, &cookie, "1000").verdict(), "ACCEPT");
    assert_eq!(service.requests().last().unwrap().json()["transaction_id"], "0123");
    let again = site.go_on("alice", CODE, &cookie, "1000");
    assert_eq!(again.verdict(), "DENY", "{again:?}");
}

#[test]
fn a_pin_alone_asks_no_server_where_a_pin_alone_starts_no_challenge() {
    let service = family(CODE);
    let mut site = site(&service.address.to_string());
    site.configuration.push_str("[local]\nchallenge_response=no\n");
    site.say("alice", "1234").assert_denied("Authentication failed", 0);
    assert_eq!((service.requests().len(), site.counters("F1")), (0, (0, 1)));
}

#[test]
fn what_opens_or_locks_another_token_of_the_user_does_not_leave_this_machine() {
    let service = family(CODE);
    let site = site(&service.address.to_string());
    site.token("enroll --type forward --serial F2 --user alice --target edumfa:THERE2");
    site.token("enroll --type spass --serial S1 --user alice --pin correct:horse");
    site.token("enroll --type hotp --serial H1 --user alice --pin hpin --secret-hex 3132333435363738393031323334353637383930");
    site.token("enroll --type 4eyes --serial E1 --user alice --pin epin --realms realm1@edumfa:1");
    assert_eq!(site.say("alice", "correct:horse").verdict(), "ACCEPT");
    assert_eq!(site.say("alice", "hpin287082").verdict(), "ACCEPT");
    assert_eq!(site.say("alice", "hpin").verdict(), "NEEDINFO");
    assert_eq!(site.say("alice", "epin").verdict(), "NEEDINFO");
    // A code of the store behind a wrong PIN.
    site.say("alice", "xpin969429").assert_denied("Authentication failed", 0);
    // What opens nothing now is still somebody's.
    let strict = Site {
        configuration: format!("{}[local]\nchallenge_response=no\n", site.configuration),
        place: site.place,
    };
    for own in ["hpin", "1234"] {
        strict.say("alice", own).assert_denied("Authentication failed", 0);
    }
    let site = Site { configuration: strict.configuration.replace("=no\n", "=yes\n"), ..strict };
    site.token("unlock H1");
    site.token("disable F1");
    site.say("alice", &format!("1234{CODE}")).assert_denied("Authentication failed", 0);
    site.token("enable F1");
    assert_eq!(service.requests().len(), 0, "{:?}", service.requests());
    assert_eq!(site.say("alice", &format!("1234{CODE}")).verdict(), "ACCEPT");
    assert_eq!(site.say("alice", CODE).verdict(), "ACCEPT", "by the forward without a PIN");
    assert_eq!(site.counters("H1"), (2, 1), "no local counter is lowered");
}

#[test]
fn a_server_that_no_provider_knows_is_refused_when_enrolled_and_denied_when_it_came_by_import() {
    let service = family(CODE);
    let site = site(&service.address.to_string());
    for command in [
        "enroll --type forward --serial F3 --user bob --target ldap:THERE1",
        "assign F1 --target ldap:THERE1",
        "enroll --type 4eyes --serial E3 --user bob --realms realm1@ldap:1",
        "enroll --type forward --serial F3 --user bob --target edumfa:",
    ] {
        let words: Vec<&str> = std::iter::once("token").chain(command.split(' ')).collect();
        let ended = site.place.run(&words, "");
        assert_eq!((ended.status, ended.stdout.len()), (Some(2), 0), "{command}: {ended:?}");
    }
    let exported = site.token("export --secrets").replace("edumfa:", "ldap:").replace("F1", "F3");
    let file = site.place.file("export.json", exported);
    site.token(&format!("import {}", file.display()));
    site.token("set-pin F3 --pin 5678");
    site.token("enable F3");
    site.say("alice", "5678755224").assert_denied("Communication Error", 0);
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn an_export_carries_where_a_forward_leads_and_list_and_show_tell_it() {
    let service = family(CODE);
    let site = site(&service.address.to_string());
    assert!(site.token("list").contains("edumfa:THERE1"));
    assert!(site.token("show F1").contains("target        edumfa:THERE1\n"));
    let file = site.place.file("export.json", site.token("export --secrets"));
    let other = Site::new(&site.configuration);
    other.token(&format!("import {}", file.display()));
    other.token("set-pin F1 --pin 1234");
    other.token("enable F1");
    assert_eq!(other.say("alice", &format!("1234{CODE}")).verdict(), "ACCEPT");
}

#[test]
fn two_sessions_with_one_wrong_approver_pay_from_one_account_and_a_restart_of_the_dialogue_is_no_new_one() {
    let service = family(CODE);
    let mut site = Site::new("");
    site.configuration = format!(
        "[mfa]\nprovider=local\n[edumfa]\nserver_url=http://{}\n[four_eyes]\nrealms=realm1@edumfa:1\nconnections=*\nmax_fail=2\n",
        service.address
    );
    // There are no local tokens, and no key yet.
    assert_eq!(site.say("alice", "").verdict(), "NEEDINFO");
    site.say("alice", "bob:000000").assert_denied("Authentication failed", 0);
    site.say("Alice", "bob:000001").assert_denied("Authentication failed", 0);
    let asked = service.requests().len();
    site.say("alice", &format!("bob:{CODE}")).assert_denied("Authentication failed", 0);
    assert_eq!((asked, service.requests().len()), (2, 2));
    let ended = site.go_on("alice", &format!("bob:{CODE}"), &json!({}), "2000");
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    assert_eq!(service.requests()[2].json()["realm"], "realm1");
}

#[test]
fn an_outage_while_an_approval_is_asked_for_costs_nobody_a_try() {
    let mut site = Site::new("");
    site.configuration = format!(
        "[mfa]\nprovider=local\n[edumfa]\nserver_url=http://{NOBODY}\nignore_connection_error=yes\n[four_eyes]\nrealms=realm1@edumfa:1\nconnections=*\nmax_fail=1\n"
    );
    for _ in 0..3 {
        site.say("alice", "bob:123456").assert_denied(UNREACHABLE, 0);
    }
    let service = family("123456");
    site.configuration = site.configuration.replace(NOBODY, &service.address.to_string());
    assert_eq!(site.say("alice", "bob:123456").verdict(), "ACCEPT");
}
