//! The rules, one by one and against a model.

use super::*;
use crate::clock::UnixTime;
use crate::config::ini::Ini;
use crate::config::reference::NothingElse;
use crate::names::Person;

fn rules(text: &str) -> Result<Rules, String> {
    let mut ini = Ini::new();
    ini.read_str("test", text).unwrap();
    Rules::from_settings(&Settings::new(ini, &NothingElse)).map_err(|error| error.to_string())
}

fn person(name: &str) -> &'static Person {
    Box::leak(Box::new(Person::parse(name, &crate::names::Rules::default()).unwrap()))
}

fn access<'a>(groups: &'a [String]) -> Access<'a> {
    Access {
        user: Some(person("alice")),
        names: &[],
        groups: Some(groups),
        host: Some("db1.example.org"),
        address: Address::parse("10.1.2.3"),
        protocol: Some("ssh"),
        account: Some("root"),
        now: UnixTime::parse("2026-01-05T12:00:00Z").unwrap(),
    }
}

fn decide(text: &str, change: impl FnOnce(&mut Access<'_>)) -> Ruling {
    let groups = ["dba".to_owned(), "Staff".to_owned()];
    let mut access = access(&groups);
    change(&mut access);
    rules(text).unwrap().decide(&access, &mut |_| {})
}

fn accepted(by: &str) -> Ruling {
    Ruling::Accept { by: by.to_owned(), requirement: Requirement::Nothing }
}

fn denied(by: &str) -> Ruling {
    Ruling::Deny { by: by.to_owned() }
}

#[test]
fn the_first_rule_that_matches_decides_and_without_one_nobody_may() {
    let text =
        "[rule a]\nusers=bob\naction=accept\n[rule b]\nusers=a*\naction=deny\n[rule c]\naction=accept\n";
    assert_eq!(decide(text, |_| {}), denied("rule b"));
    assert_eq!(decide(text, |access| access.user = Some(person("bob"))), accepted("rule a"));
    assert_eq!(decide(text, |access| access.user = Some(person("carol"))), accepted("rule c"));
    assert_eq!(decide("[rule a]\nusers=bob\naction=accept\n", |_| {}), denied("no rule matches"));
}

#[test]
fn every_condition_of_a_rule_has_to_hold() {
    let whole = "[rule a]\nusers=ALICE\ngroups=x, staff\nhosts=db?.example.org\nnetworks=10.0.0.0/8\n\
                 protocols=SSH\naccounts=root\ndays=mon\nhours=08:00-17:00\naction=accept\n";
    assert_eq!(decide(whole, |_| {}), accepted("rule a"));
    let other: [fn(&mut Access<'_>); 7] = [
        |access| access.user = Some(person("bob")),
        |access| access.groups = Some(&[]),
        |access| access.host = Some("db10.example.org"),
        |access| access.address = Address::parse("11.0.0.1"),
        |access| access.protocol = Some("rdp"),
        |access| access.account = Some("toor"),
        |access| access.now = UnixTime::parse("2026-01-05T17:00:00Z").unwrap(),
    ];
    for (number, change) in other.into_iter().enumerate() {
        assert_eq!(decide(whole, change), denied("no rule matches"), "{number}");
    }
}

#[test]
fn what_is_not_known_accepts_nobody_and_denies() {
    type Change = fn(&mut Access<'_>);
    let unknown: [(&str, Change); 4] = [
        ("hosts=db1*", |access| access.host = None),
        ("networks=10.0.0.0/8", |access| access.address = None),
        ("protocols=ssh", |access| access.protocol = None),
        ("accounts=root", |access| access.account = Some("")),
    ];
    for (condition, change) in unknown {
        let accepting = format!("[rule a]\n{condition}\naction=accept\n");
        assert_eq!(decide(&accepting, |_| {}), accepted("rule a"), "{condition}");
        assert_eq!(decide(&accepting, change), denied("no rule matches"), "{condition}");
        let denying = format!("[rule a]\n{condition}\naction=deny\n[rule b]\naction=accept\n");
        assert_eq!(decide(&denying, change), denied("rule a"), "{condition}");
        // A rule that does not fit in what is known denies nothing.
        let elsewhere = format!("[rule a]\n{condition}\nusers=bob\naction=deny\n[rule b]\naction=accept\n");
        assert_eq!(decide(&elsewhere, change), accepted("rule b"), "{condition}");
    }
}

#[test]
fn a_dot_at_the_end_of_a_name_keeps_nobody_from_being_denied() {
    let text = "[rule a]\nhosts=db1.example.org\naction=deny\n[rule b]\naction=accept\n";
    for host in ["db1.example.org", "db1.example.org.", "DB1.example.org.."] {
        assert_eq!(decide(text, |access| access.host = Some(host)), denied("rule a"), "{host}");
    }
    // Nothing but dots is no name, and what is not known is denied.
    assert_eq!(decide(text, |access| access.host = Some(".")), denied("rule a"));
    assert_eq!(decide(text, |access| access.host = Some("db2.example.org.")), accepted("rule b"));
}

#[test]
fn a_target_that_was_given_by_its_address_is_also_a_host() {
    let text = "[rule a]\nhosts=10.1.*\naction=accept\n";
    assert_eq!(decide(text, |access| access.host = None), accepted("rule a"));
    assert_eq!(decide(text, |_| {}), accepted("rule a"));
}

#[test]
fn what_is_required_comes_with_the_rule() {
    for (word, requirement) in
        [("none", Requirement::Nothing), ("mfa", Requirement::Factor), ("four_eyes", Requirement::FourEyes)]
    {
        let text = format!("[rule a]\nrequire={word}\naction=accept\n");
        assert_eq!(decide(&text, |_| {}), Ruling::Accept { by: "rule a".to_owned(), requirement });
    }
}

#[test]
fn a_rule_with_a_slip_of_the_pen_is_an_error_and_not_a_rule_without_it() {
    for (bad, option) in [
        ("users=\naction=accept", "users"),
        ("users=a,,b\naction=accept", "users"),
        ("hosts=[\naction=accept", "hosts"),
        ("networks=10.1.2.3/8\naction=accept", "networks"),
        ("networks=\naction=accept", "networks"),
        ("days=monday\naction=accept", "days"),
        ("hours=8-17\naction=accept", "hours"),
        ("hours=08:00-17:00\ntime_zone=Mars/Olympus\naction=accept", "time_zone"),
        ("require=both\naction=accept", "require"),
        ("require=mfa\naction=deny", "require"),
        ("action=allow", "action"),
        ("users=alice", "action"),
    ] {
        let error = rules(&format!("[rule a]\n{bad}\n")).err().unwrap();
        assert!(error.contains(&format!("[rule a] {option}")), "{bad}: {error}");
    }
    assert!(rules("[mfa]\n").err().unwrap().contains("[access] provider"));
}

/// A generator of numbers (xorshift64*), the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap().checked_rem(count).unwrap()
    }

    /// Chooses one, or nothing.
    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len().saturating_add(1))).copied()
    }
}

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const GROUPS: [&str; 3] = ["dba", "staff", "ops"];
const HOSTS: [&str; 2] = ["db1", "web1"];
const ADDRESSES: [&str; 3] = ["10.0.0.1", "10.1.0.1", "192.0.2.1"];
const NETWORKS: [(&str, [bool; 3]); 3] =
    [("10.0.0.0/8", [true, true, false]), ("10.1.0.0/16", [false, true, false]), ("::/0", [false; 3])];
const PROTOCOLS: [&str; 2] = ["ssh", "rdp"];

/// A rule as a person reads it: each condition names one thing or is not there.
struct Plain {
    user: Option<&'static str>,
    group: Option<&'static str>,
    host: Option<&'static str>,
    network: Option<(&'static str, [bool; 3])>,
    protocol: Option<&'static str>,
    accepts: bool,
}

impl Plain {
    fn random(random: &mut Random) -> Self {
        Self {
            user: random.one(&USERS),
            group: random.one(&GROUPS),
            host: random.one(&HOSTS),
            network: random.one(&NETWORKS),
            protocol: random.one(&PROTOCOLS),
            accepts: random.below(2) == 0,
        }
    }

    fn text(&self, number: usize) -> String {
        let line = |name: &str, value: Option<&str>| {
            value.map(|value| format!("{name} = {value}\n")).unwrap_or_default()
        };
        let action = if self.accepts { "accept" } else { "deny" };
        [
            format!("[rule {number}]\n"),
            line("users", self.user),
            line("groups", self.group),
            line("hosts", self.host),
            line("networks", self.network.map(|(name, _)| name)),
            line("protocols", self.protocol),
            line("action", Some(action)),
        ]
        .concat()
    }
}

#[test]
fn for_random_rules_the_first_match_is_what_a_model_says() {
    let mut random = Random(0x5EED);
    let (mut accepts, mut unknown) = (0, 0);
    for _ in 0..4000 {
        let plain: Vec<_> = (0..=random.below(5)).map(|_| Plain::random(&mut random)).collect();
        let (user, group) = (USERS[random.below(3)], random.one(&GROUPS));
        let (host, protocol) = (random.one(&HOSTS), random.one(&PROTOCOLS));
        let address = [Some(0), Some(1), Some(2), None][random.below(4)];
        let groups: Vec<_> = group.into_iter().map(str::to_owned).collect();
        let access = Access {
            user: Some(person(user)),
            names: &[],
            groups: Some(&groups),
            host,
            address: address.and_then(|number| Address::parse(ADDRESSES[number])),
            protocol,
            account: None,
            now: UnixTime::from_secs(0),
        };
        // What a rule needs against what there is: fits, does not, or nobody knows.
        let fits = |rule: &Plain| -> [Option<bool>; 5] {
            let same = |wanted: Option<&str>, there: Option<&str>| match (wanted, there) {
                (None, _) => Some(true),
                (Some(_), None) => None,
                (Some(wanted), Some(there)) => Some(wanted == there),
            };
            [
                same(rule.user, Some(user)),
                Some(rule.group.is_none() || rule.group == group),
                same(rule.host, host),
                match (rule.network, address) {
                    (None, _) => Some(true),
                    (Some(_), None) => None,
                    (Some((_, inside)), Some(address)) => Some(inside[address]),
                },
                same(rule.protocol, protocol),
            ]
        };
        let mut wanted = denied("no rule matches");
        for (number, rule) in plain.iter().enumerate() {
            let fits = fits(rule);
            let certain = fits.iter().all(|fit| *fit == Some(true));
            let possible = fits.iter().all(|fit| *fit != Some(false));
            unknown += usize::from(possible && !certain);
            if rule.accepts && certain {
                wanted = accepted(&format!("rule {number}"));
                accepts += 1;
                break;
            }
            if !rule.accepts && possible {
                wanted = denied(&format!("rule {number}"));
                break;
            }
        }
        let text: String = plain.iter().enumerate().map(|(number, rule)| rule.text(number)).collect();
        let decided = rules(&text).unwrap().decide(&access, &mut |_| {});
        assert_eq!(decided, wanted, "{text}\n{user} {group:?} {host:?} {address:?} {protocol:?}");
    }
    assert!(accepts > 100 && unknown > 100, "{accepts} accepted, {unknown} with something unknown");
}
