//! Races for one code: whoever is first gets in, and nobody else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::token_site::{Site, answer, code, code_of_now, login, secret_of};
use crate::{PROCESSES, count, race, rounds};

/// Runs a race in each round: 64 passwords, of which one is accepted. The tokens of the other rounds are bystanders.
///
/// `tokens` makes a round's tokens, `take_part` lists who types what, and `check` looks at what has become of them.
fn one_gets_in(
    tokens: impl Fn(usize) -> Vec<Value>,
    take_part: impl Fn(usize) -> Vec<(String, String)>,
    check: impl Fn(&Site, usize),
) {
    let site = Site::new((0..rounds()).flat_map(&tokens));
    for round in 0..rounds() {
        let before = site.states();
        let parts = take_part(round);
        let invocations: Vec<_> = parts
            .iter()
            .enumerate()
            .map(|(number, (user, password))| login(&format!("r{round}-{number}"), user, password))
            .collect();
        assert_eq!(invocations.len(), PROCESSES);
        let responses = race(&site, &invocations);
        let verdicts = (count(&responses, "ACCEPT"), count(&responses, "DENY"));
        assert_eq!(verdicts, (1, PROCESSES - 1), "round {round}");
        check(&site, round);
        assert_bystanders_are_untouched(&site, &before, &tokens(round));
        // It is used up for good.
        for (user, password) in parts.iter().collect::<BTreeSet<_>>() {
            let again = site.hook(&login("again", user, password));
            assert_eq!(again["verdict"], "DENY", "round {round}");
        }
    }
}

/// Asserts that no token has changed but these.
pub(crate) fn assert_bystanders_are_untouched(
    site: &Site,
    before: &std::collections::BTreeMap<String, crate::token_site::State>,
    but: &[Value],
) {
    let mut after = site.states();
    let mut before = before.clone();
    for token in but {
        let serial = token["serial"].as_str().unwrap();
        assert!(after.remove(serial).is_some() && before.remove(serial).is_some());
    }
    assert_eq!(after, before);
}

fn all(user: &str, password: &str) -> Vec<(String, String)> {
    vec![(user.to_owned(), password.to_owned()); PROCESSES]
}

fn half_each(one: &str, other: &str, password: &str) -> Vec<(String, String)> {
    let user = |number| if number % 2 == 0 { one } else { other };
    (0..PROCESSES).map(|number| (user(number).to_owned(), password.to_owned())).collect()
}

#[test]
fn one_hotp_code_lets_one_of_64_in() {
    one_gets_in(
        |round| vec![json!({"serial": format!("H{round}"), "type": "hotp", "user": format!("alice{round}")})],
        |round| all(&format!("alice{round}"), &code(3)),
        |site, round| assert_eq!(site.state(&format!("H{round}")).counter, 4),
    );
}

#[test]
fn one_totp_code_lets_one_of_64_in() {
    let (now, step) = code_of_now();
    one_gets_in(
        |round| {
            vec![json!({"serial": format!("T{round}"), "type": "totp", "window": 1,
                "user": format!("alice{round}")})]
        },
        |round| all(&format!("alice{round}"), &now),
        |site, round| assert_eq!(site.state(&format!("T{round}")).counter, step + 1),
    );
}

#[test]
fn one_paper_code_lets_one_of_64_in() {
    one_gets_in(
        |round| {
            vec![json!({"serial": format!("P{round}"), "type": "paper", "user": format!("alice{round}")})]
        },
        |round| all(&format!("alice{round}"), &code(5)),
        |site, round| assert_eq!(site.state(&format!("P{round}")).used, [5]),
    );
}

#[test]
fn one_registration_code_lets_one_of_64_in() {
    let text = "OnceAndNeverAgain";
    one_gets_in(
        |round| {
            vec![json!({"serial": format!("R{round}"), "type": "registration", "digits": text.len(),
                "secret": secret_of(text), "user": format!("alice{round}")})]
        },
        |round| all(&format!("alice{round}"), text),
        |site, round| assert_eq!(site.state(&format!("R{round}")).used, [0]),
    );
}

#[test]
fn one_code_of_a_forward_token_and_its_target_lets_one_of_64_in() {
    one_gets_in(
        |round| {
            vec![
                json!({"serial": format!("H{round}"), "type": "hotp", "user": format!("alice{round}")}),
                json!({"serial": format!("F{round}"), "type": "forward", "user": format!("bob{round}"),
                    "target": format!("H{round}")}),
            ]
        },
        |round| half_each(&format!("alice{round}"), &format!("bob{round}"), &code(0)),
        |site, round| {
            assert_eq!(site.state(&format!("H{round}")).counter, 1);
            assert!(site.state(&format!("F{round}")).counter <= 1, "a forward counts its uses");
        },
    );
}

#[test]
fn one_code_behind_two_forward_tokens_lets_one_of_64_in() {
    one_gets_in(
        |round| {
            let forward = |name: &str| {
                json!({"serial": format!("F-{name}{round}"), "type": "forward", "user": format!("{name}{round}"),
                    "target": format!("H{round}")})
            };
            let target =
                json!({"serial": format!("H{round}"), "type": "hotp", "user": format!("alice{round}")});
            vec![target, forward("bob"), forward("carol")]
        },
        |round| half_each(&format!("bob{round}"), &format!("carol{round}"), &code(0)),
        |site, round| {
            assert_eq!(site.state(&format!("H{round}")).counter, 1);
            let uses = ["bob", "carol"].map(|name| site.state(&format!("F-{name}{round}")).counter);
            assert_eq!(uses.iter().sum::<u64>(), 1);
        },
    );
}

#[test]
fn one_answer_to_a_challenge_lets_one_of_64_in() {
    let tokens = |round| json!({"serial": format!("H{round}"), "type": "hotp", "user": format!("alice{round}"), "pin": "pin1"});
    let site = Site::new((0..rounds()).map(tokens));
    for round in 0..rounds() {
        let before = site.states();
        let (session, user) = (format!("r{round}"), format!("alice{round}"));
        let asked = site.hook(&login(&session, &user, "pin1"));
        assert_eq!(asked["verdict"], "NEEDINFO", "{asked}");
        let invocation = answer(&session, &user, &asked["cookie"], &code(0));
        let responses = race(&site, &vec![invocation; PROCESSES]);
        assert_eq!(count(&responses, "ACCEPT"), 1, "round {round}");
        assert_eq!(count(&responses, "DENY"), PROCESSES - 1, "round {round}");
        assert_eq!(site.state(&format!("H{round}")).counter, 1);
        assert_bystanders_are_untouched(&site, &before, &[tokens(round)]);
        // The challenge is over, whatever the code.
        let again = site.hook(&answer(&session, &user, &asked["cookie"], &code(1)));
        assert_eq!(again["verdict"], "DENY", "round {round}");
    }
}
