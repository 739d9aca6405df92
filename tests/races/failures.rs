//! Races of wrong codes: each one counts, up to the maximum.

use serde_json::json;

use crate::codes::assert_bystanders_are_untouched;
use crate::token_site::{Site, State, code, login};
use crate::{PROCESSES, count, race, rounds};

/// Returns 64 codes that are none of the first 20.
fn wrong_codes() -> Vec<String> {
    let right: Vec<_> = (0..20).map(code).collect();
    let wrong = (0..).map(|number: usize| format!("{number:06}")).filter(|text| !right.contains(text));
    wrong.take(PROCESSES).collect()
}

fn count_failures(max_fail: u32, expected: u32) {
    let token = |round| {
        json!({"serial": format!("H{round}"), "type": "hotp", "user": format!("alice{round}"),
            "max_fail": max_fail})
    };
    let site = Site::new((0..rounds()).map(token));
    for round in 0..rounds() {
        let before = site.states();
        let user = format!("alice{round}");
        let wrong: Vec<_> = wrong_codes()
            .iter()
            .enumerate()
            .map(|(number, code)| login(&format!("r{round}-{number}"), &user, code))
            .collect();
        let responses = race(&site, &wrong);
        assert_eq!(count(&responses, "DENY"), PROCESSES, "round {round}");
        let state = site.state(&format!("H{round}"));
        assert_eq!(state, State { counter: 0, fail_counter: expected, used: Vec::new() }, "round {round}");
        assert_bystanders_are_untouched(&site, &before, &[token(round)]);
    }
}

#[test]
fn sixty_four_wrong_codes_are_64_failures_where_nothing_is_locked() {
    count_failures(0, 64);
}

#[test]
fn sixty_four_wrong_codes_are_as_many_failures_as_lock_a_token() {
    count_failures(10, 10);
}

#[test]
fn a_right_code_among_63_wrong_ones_is_accepted_or_the_token_was_locked_before() {
    let token = |round| json!({"serial": format!("H{round}"), "type": "hotp", "user": format!("alice{round}"), "max_fail": 10});
    let site = Site::new((0..rounds()).map(token));
    for round in 0..rounds() {
        let user = format!("alice{round}");
        let mut codes = wrong_codes();
        codes[PROCESSES / 2] = code(0);
        let invocations: Vec<_> = codes
            .iter()
            .enumerate()
            .map(|(number, code)| login(&format!("r{round}-{number}"), &user, code))
            .collect();
        let responses = race(&site, &invocations);
        let accepted = count(&responses, "ACCEPT");
        let state = site.state(&format!("H{round}"));
        assert!(accepted <= 1 && state.fail_counter <= 10, "round {round}: {accepted}, {state:?}");
        assert_eq!(state.counter, u64::try_from(accepted).unwrap(), "round {round}");
    }
}
