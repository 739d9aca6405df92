//! Races in a four-eyes chain: one approval counts once, and the last one lets one in.

use serde_json::{Value, json};

use crate::codes::assert_bystanders_are_untouched;
use crate::token_site::{Site, answer, code, login, other_code, other_secret};
use crate::{PROCESSES, count, race, rounds};

/// The tokens of a round: alice asks, bob and carol approve. Alice's is never locked, so that a chain can be brought
/// to its end after a race of many wrong answers.
fn tokens(round: usize) -> Vec<Value> {
    let approver = |name: &str| {
        json!({"serial": format!("H-{name}{round}"), "type": "hotp", "user": format!("{name}{round}"),
            "realm": "office"})
    };
    let mut carol = approver("carol");
    carol["secret"] = json!(other_secret());
    let asking = json!({"serial": format!("E{round}"), "type": "4eyes", "user": format!("alice{round}"),
        "realms": "office:2", "max_fail": 0});
    vec![asking, approver("bob"), carol]
}

/// A chain of one round.
struct Chain<'a> {
    site: &'a Site,
    round: usize,
    cookie: Value,
}

impl<'a> Chain<'a> {
    fn begin(site: &'a Site, round: usize) -> Self {
        let asked = site.hook(&login(&format!("r{round}"), &format!("alice{round}"), ""));
        assert_eq!(asked["verdict"], "NEEDINFO", "{asked}");
        Self { site, round, cookie: asked["cookie"].clone() }
    }

    fn approval(&self, name: &str) -> Value {
        let round = self.round;
        let code = if name == "carol" { other_code(0) } else { code(0) };
        let password = format!("{name}{round}:{code}");
        answer(&format!("r{round}"), &format!("alice{round}"), &self.cookie, &password)
    }

    /// Asserts how often the tokens of alice, bob and carol were used.
    fn assert_uses(&self, uses: [u64; 3]) {
        let round = self.round;
        let serials = [format!("E{round}"), format!("H-bob{round}"), format!("H-carol{round}")];
        assert_eq!(serials.map(|serial| self.site.state(&serial).counter), uses, "round {round}");
    }
}

#[test]
fn the_last_approval_of_a_chain_lets_one_of_64_in() {
    let site = Site::new((0..rounds()).flat_map(tokens));
    for round in 0..rounds() {
        let before = site.states();
        let chain = Chain::begin(&site, round);
        assert_eq!(site.hook(&chain.approval("bob"))["verdict"], "NEEDINFO");
        let responses = race(&site, &vec![chain.approval("carol"); PROCESSES]);
        assert_eq!(count(&responses, "ACCEPT"), 1, "round {round}");
        chain.assert_uses([1, 1, 1]);
        assert_bystanders_are_untouched(&site, &before, &tokens(round));
        assert_eq!(site.hook(&chain.approval("carol"))["verdict"], "DENY");
    }
}

#[test]
fn the_first_approval_of_a_chain_counts_once_for_64() {
    let site = Site::new((0..rounds()).flat_map(tokens));
    for round in 0..rounds() {
        let before = site.states();
        let chain = Chain::begin(&site, round);
        let responses = race(&site, &vec![chain.approval("bob"); PROCESSES]);
        assert_eq!(count(&responses, "ACCEPT"), 0, "round {round}");
        chain.assert_uses([0, 1, 0]);
        assert_bystanders_are_untouched(&site, &before, &tokens(round));
        // One approval was counted: one more is enough, and it is needed.
        assert_eq!(site.hook(&chain.approval("bob"))["verdict"], "NEEDINFO");
        assert_eq!(site.hook(&chain.approval("carol"))["verdict"], "ACCEPT");
        chain.assert_uses([1, 1, 1]);
    }
}

#[test]
fn two_approvals_at_once_by_32_each_let_one_of_64_in_at_most_and_lose_none() {
    let site = Site::new((0..rounds()).flat_map(tokens));
    for round in 0..rounds() {
        let before = site.states();
        let chain = Chain::begin(&site, round);
        let name = |number| if number % 2 == 0 { "bob" } else { "carol" };
        let invocations: Vec<_> = (0..PROCESSES).map(|number| chain.approval(name(number))).collect();
        let responses = race(&site, &invocations);
        let mut accepted = count(&responses, "ACCEPT");
        // Where all of one side were too late for the state that they had read, their code is still good.
        for name in ["bob", "carol"] {
            if site.state(&format!("H-{name}{round}")).counter == 0 {
                accepted += usize::from(site.hook(&chain.approval(name))["verdict"] == "ACCEPT");
            }
        }
        assert_eq!(accepted, 1, "round {round}");
        chain.assert_uses([1, 1, 1]);
        assert_bystanders_are_untouched(&site, &before, &tokens(round));
    }
}
