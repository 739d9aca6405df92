//! Every road × every demand. The compiler completes the table: a new road or demand does not compile without its verdicts.

use serde_json::{Value, json};

use crate::Given;
use crate::support::service::NOBODY;

/// RFC 4226's secret, whose first code is 755224.
const SECRET: &str = "3132333435363738393031323334353637383930";
const HTTP: &str = "[mfa]\nprovider=http\n[http]\nserver_url=http://SERVICE\ntoken=t0ken\n";
const RULES: &str = "[access]\nprovider=rules\n[rule all]\naction=accept\n";
const REALMS: &str = "[four_eyes]\nrealms=ops:1\n";

/// How somebody gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    UserList,
    Remembered,
    Server,
    Chain,
    LocalToken,
    Fallback,
    OutageIgnored,
    NoProvider,
}

const WAYS: [Way; 8] = [
    Way::UserList,
    Way::Remembered,
    Way::Server,
    Way::Chain,
    Way::LocalToken,
    Way::Fallback,
    Way::OutageIgnored,
    Way::NoProvider,
];

/// What is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demanded {
    Nothing,
    ApprovalsByConnection,
    ApprovalsByConnectionExceptWhitelisted,
    FactorByRule,
    ApprovalsByRule,
    ApprovalsByRuleExceptWhitelisted,
}

const DEMANDS: [Demanded; 6] = [
    Demanded::Nothing,
    Demanded::ApprovalsByConnection,
    Demanded::ApprovalsByConnectionExceptWhitelisted,
    Demanded::FactorByRule,
    Demanded::ApprovalsByRule,
    Demanded::ApprovalsByRuleExceptWhitelisted,
];

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// The way is enough.
    Accepted,
    /// The way is taken, and approvals are asked for.
    AsksApprovals,
    /// The way is not taken: approvals are the login, or the factor is wrong without them.
    Refused,
    /// The way is taken, and the rule asks for a factor.
    AsksFactor,
}

fn expected(way: Way, demanded: Demanded) -> Ends {
    match (way, demanded) {
        (_, Demanded::Nothing) => Ends::Accepted,
        // A whitelist proves no approval, unless that is written.
        (Way::UserList, Demanded::ApprovalsByConnection) => Ends::Refused,
        (
            Way::UserList,
            Demanded::ApprovalsByConnectionExceptWhitelisted | Demanded::ApprovalsByRuleExceptWhitelisted,
        ) => Ends::Accepted,
        // Neither what was proved for another session nor an outage proves anything where approvals are demanded.
        (
            Way::Remembered | Way::OutageIgnored,
            Demanded::ApprovalsByConnection | Demanded::ApprovalsByConnectionExceptWhitelisted,
        ) => Ends::Refused,
        // With local tokens the approvals are the login.
        (
            Way::LocalToken,
            Demanded::ApprovalsByConnection | Demanded::ApprovalsByConnectionExceptWhitelisted,
        ) => Ends::Refused,
        (
            Way::Server | Way::Chain | Way::Fallback | Way::NoProvider,
            Demanded::ApprovalsByConnection | Demanded::ApprovalsByConnectionExceptWhitelisted,
        ) => Ends::AsksApprovals,
        (Way::Server | Way::Chain | Way::LocalToken | Way::Fallback, Demanded::FactorByRule) => {
            Ends::Accepted
        }
        (Way::UserList | Way::Remembered | Way::OutageIgnored | Way::NoProvider, Demanded::FactorByRule) => {
            Ends::AsksFactor
        }
        (
            Way::UserList
            | Way::Remembered
            | Way::Server
            | Way::Chain
            | Way::LocalToken
            | Way::Fallback
            | Way::OutageIgnored
            | Way::NoProvider,
            Demanded::ApprovalsByRule | Demanded::ApprovalsByRuleExceptWhitelisted,
        ) => Ends::AsksApprovals,
    }
}

fn section(demanded: Demanded) -> String {
    match demanded {
        Demanded::Nothing => String::new(),
        Demanded::ApprovalsByConnection => format!("{REALMS}connections=legacy_*\n"),
        Demanded::ApprovalsByConnectionExceptWhitelisted => {
            format!("{REALMS}connections=legacy_*\nexcept_whitelisted=yes\n")
        }
        Demanded::FactorByRule => format!("{RULES}require=mfa\n"),
        Demanded::ApprovalsByRule => format!("{REALMS}{RULES}require=four_eyes\n"),
        Demanded::ApprovalsByRuleExceptWhitelisted => {
            format!("{REALMS}except_whitelisted=yes\n{RULES}require=four_eyes\n")
        }
    }
}

fn is_by_connection(demanded: Demanded) -> bool {
    match demanded {
        Demanded::ApprovalsByConnection | Demanded::ApprovalsByConnectionExceptWhitelisted => true,
        Demanded::Nothing
        | Demanded::FactorByRule
        | Demanded::ApprovalsByRule
        | Demanded::ApprovalsByRuleExceptWhitelisted => false,
    }
}

/// A session of alice on this way, ready to be asked.
fn begun(way: Way, demanded: Demanded) -> Given {
    let outage = |more: &str| HTTP.replace("SERVICE", NOBODY).replace("[mfa]\n", &format!("[mfa]\n{more}"));
    let configuration = match way {
        Way::UserList => {
            format!(
                "{HTTP}[whitelist source=user_list]\nname=vip\n[user_list vip]\nallow=no_user\nexcept=alice\n"
            )
        }
        Way::Remembered => format!("{HTTP}[authentication_cache]\nreuse_limit=9\n"),
        Way::Server => HTTP.to_owned(),
        Way::Chain => {
            format!("{}[linotp]\nserver_url=http://SERVICE\n", HTTP.replace("=http\n", "=http + linotp\n"))
        }
        Way::LocalToken => "[mfa]\nprovider=local\n".to_owned(),
        Way::Fallback => outage("fallback=local\n"),
        Way::OutageIgnored => format!("{}ignore_connection_error=yes\n", outage("")),
        Way::NoProvider => "[mfa]\nprovider=none\n".to_owned(),
    };
    let mut given = Given::new(&configuration);
    given.token(&format!("enroll --type hotp --serial BOB --user bob@ops --pin 4321 --secret-hex {SECRET}"));
    given.token("enroll --type spass --serial ALICE --user alice --pin 135790");
    let otp = match way {
        Way::UserList | Way::Remembered => "000000",
        Way::Server | Way::Chain => "123456",
        Way::LocalToken | Way::Fallback => "135790",
        Way::OutageIgnored | Way::NoProvider => "anything",
    };
    if way == Way::Remembered {
        // Before anything is demanded, so that only the demand stands in the way.
        given.argument("session_id", json!("s0"));
        given.argument("key_value_pairs", json!({"otp": "123456"}));
        assert_eq!(given.ask().verdict(), "ACCEPT");
        given.argument("session_id", json!("s1"));
    }
    given.configuration.push_str(&section(demanded));
    given.argument("key_value_pairs", json!({"otp": otp}));
    given
}

/// Goes on with the cookie that came out, and other answers.
fn go_on(given: &mut Given, cookie: &Value, answers: Value) {
    given.argument("cookie", cookie.clone());
    given.argument("key_value_pairs", answers);
}

/// Asks, and answers the second question of a chain.
fn authenticate(given: &mut Given, way: Way) -> Value {
    let mut response = given.ask().response();
    if way == Way::Chain {
        assert_eq!(response["verdict"], "NEEDINFO", "{response}");
        go_on(given, &response["cookie"], json!({"otp": "123456"}));
        response = given.ask().response();
    }
    response
}

/// Walks a way to its end; returns how it ended, and the key of the question if there was one.
fn walk(way: Way, demanded: Demanded) -> (Given, Value, Ends) {
    let mut given = begun(way, demanded);
    let mut response = authenticate(&mut given, way);
    if !is_by_connection(demanded) {
        assert_eq!(response["verdict"], "ACCEPT", "{way:?} {demanded:?}: {response}");
        given.hook = "authorize";
        go_on(&mut given, &response["cookie"], json!({"otp": "123456"}));
        response = given.ask().response();
    }
    let asks = response["question"][1].as_str().unwrap_or_default().to_owned();
    let ends = match response["verdict"].as_str().unwrap() {
        "ACCEPT" => Ends::Accepted,
        "NEEDINFO" if asks.starts_with("Approval is still missing from: ops (1)") => Ends::AsksApprovals,
        "NEEDINFO" => Ends::AsksFactor,
        _ => Ends::Refused,
    };
    (given, response, ends)
}

#[test]
fn every_road_ends_as_the_demand_wants_it() {
    for demanded in DEMANDS {
        for way in WAYS {
            let (_, response, ends) = walk(way, demanded);
            assert_eq!(ends, expected(way, demanded), "{way:?} {demanded:?}: {response}");
        }
    }
}

#[test]
fn approvals_that_are_asked_for_let_in_when_they_are_right_and_not_with_one_thing_less() {
    for demanded in DEMANDS {
        for way in WAYS {
            let (mut given, asked, ends) = walk(way, demanded);
            if ends != Ends::AsksApprovals {
                continue;
            }
            let key = asked["question"][0].as_str().unwrap().to_owned();
            let place = format!("{way:?} {demanded:?}");
            // One's own factor once more, the approval under another key, a code without PIN, an unknown approver.
            for answers in [
                json!({"otp": "123456"}),
                json!({"otp": "bob:4321755224"}),
                json!({&key: "123456"}),
                json!({&key: "755224"}),
                json!({&key: "bob:755224"}),
                json!({&key: "carl:4321755224"}),
                json!({}),
            ] {
                go_on(&mut given, &asked["cookie"], answers.clone());
                assert_ne!(given.ask().verdict(), "ACCEPT", "{place} {answers}");
            }
            go_on(&mut given, &asked["cookie"], json!({&key: "bob:4321755224"}));
            let ended = given.ask();
            assert_eq!(ended.verdict(), "ACCEPT", "{place}: {ended:?}");
            assert!(ended.response()["additional_metadata"].as_str().unwrap().contains("BOB"), "{place}");
            go_on(&mut given, &asked["cookie"], json!({&key: "bob:4321755224"}));
            assert_ne!(given.ask().verdict(), "ACCEPT", "{place}: the same approval once more");
        }
    }
}

#[test]
fn where_approvals_are_the_login_the_approval_lets_in_and_ones_own_token_does_not() {
    let mut given = begun(Way::LocalToken, Demanded::ApprovalsByConnection);
    assert_eq!(given.ask().verdict(), "DENY");
    given.argument("key_value_pairs", json!({"otp": "bob:4321755224"}));
    assert_eq!(given.ask().verdict(), "ACCEPT");
}

#[test]
fn a_verdict_that_waits_for_an_answer_is_compared_with_what_is_demanded_by_then() {
    let mut given = begun(Way::Server, Demanded::Nothing);
    given.configuration.push_str("[question_1]\nprompt=Ticket?\nkey=ticket\n");
    let asked = given.ask().response();
    assert_eq!(asked["verdict"], "NEEDINFO");
    given.configuration.push_str(&section(Demanded::ApprovalsByConnection));
    go_on(&mut given, &asked["cookie"], json!({"otp": "123456", "ticket": "T1"}));
    assert_eq!(given.ask().verdict(), "DENY");
}

#[test]
fn the_exception_for_whitelists_is_warned_of_at_each_use() {
    let ended = begun(Way::UserList, Demanded::ApprovalsByConnectionExceptWhitelisted).ask();
    ended.assert_logged(&["[four_eyes] except_whitelisted=yes: accepted without the required approvals"]);
}

/// A session that approvals let in, or a four-eyes token of alice's own, and a rule that asks for a factor.
fn approved(demanded: &str, otp: &str) -> Given {
    let mut given = begun(Way::LocalToken, Demanded::Nothing);
    given.configuration.push_str(demanded);
    given.configuration.push_str(&section(Demanded::FactorByRule));
    given.argument("key_value_pairs", json!({"otp": otp}));
    given
}

#[test]
fn approvals_of_others_are_not_the_factor_that_a_rule_requires() {
    let by_connection = section(Demanded::ApprovalsByConnection);
    for demanded in [by_connection.as_str(), ""] {
        let mut given = approved(demanded, "bob:4321755224");
        if demanded.is_empty() {
            given.token("enroll --type 4eyes --serial MINE --user alice --realms ops:1");
        }
        let response = given.ask().response();
        assert_eq!(response["verdict"], "ACCEPT", "{response}");
        given.hook = "authorize";
        go_on(&mut given, &response["cookie"], json!({"otp": "bob:4321755224"}));
        let asked = given.ask().response();
        assert_eq!(asked["verdict"], "NEEDINFO", "{asked}");
        // Bob's next code is no factor of alice's either.
        go_on(&mut given, &asked["cookie"], json!({"access": "bob:4321287082"}));
        assert_ne!(given.ask().verdict(), "ACCEPT");
        go_on(&mut given, &asked["cookie"], json!({"access": "135790"}));
        let ended = given.ask();
        assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    }
}

#[test]
fn approvals_by_a_token_of_ones_own_are_not_the_factor_of_a_service_that_is_down() {
    let mut given = begun(Way::Fallback, Demanded::ApprovalsByConnection);
    given.token("enroll --type 4eyes --serial MINE --user alice --realms ops:1");
    given.argument("key_value_pairs", json!({"otp": "bob:4321755224"}));
    let ended = given.ask();
    let metadata = ended.response()["additional_metadata"].to_string();
    assert_eq!(ended.verdict(), "DENY", "{ended:?}");
    assert!(metadata.contains("a second factor is required, but none was given"), "{metadata}");
}

#[test]
fn a_link_of_a_chain_that_others_approved_is_not_the_factor_that_a_rule_requires() {
    let mut given = begun(Way::Server, Demanded::FactorByRule);
    given.instead("provider=http\n", "provider=http + local\n");
    given.token("enroll --type 4eyes --serial MINE --user alice --realms ops:1");
    let asked = given.ask().response();
    go_on(&mut given, &asked["cookie"], json!({"otp": "bob:4321755224"}));
    let response = given.ask().response();
    assert_eq!(response["verdict"], "ACCEPT", "{response}");
    given.hook = "authorize";
    go_on(&mut given, &response["cookie"], json!({}));
    assert_eq!(given.ask().verdict(), "NEEDINFO");
}

#[test]
fn a_connection_that_requires_approvals_is_not_skipped() {
    for (skipped, demanding) in [("legacy_*", "legacy_*"), ("legacy_db", "*"), ("*_db, test", "legacy_??")] {
        for hook in ["authenticate", "authorize"] {
            let mut given = Given::new(&format!(
                "{HTTP}[auth]\nskip_connections={skipped}\n{REALMS}connections={demanding}\nexcept_whitelisted=yes\n"
            ));
            given.hook = hook;
            assert_eq!(given.ask().verdict(), "DENY", "{hook} {skipped} {demanding}");
            given.instead(
                &format!("{REALMS}connections={demanding}\n"),
                &format!("{REALMS}connections=prod_*\n"),
            );
            let ends = if hook == "authenticate" { "NONE" } else { "ACCEPT" };
            assert_eq!(given.ask().verdict(), ends, "{hook} {skipped} {demanding}");
        }
    }
}

#[test]
fn authorize_is_closed_where_the_cookie_does_not_prove_the_approvals_of_the_connection() {
    for way in [Way::Server, Way::NoProvider, Way::LocalToken] {
        for rules in ["", RULES] {
            let mut given = begun(way, Demanded::ApprovalsByConnection);
            given.configuration.push_str(rules);
            let mut cookie = json!({});
            let login = if way == Way::LocalToken { "bob:4321755224" } else { "123456" };
            for answers in [json!({"otp": login}), json!({"approval": "bob:4321755224"})] {
                go_on(&mut given, &cookie, answers);
                let response = given.ask().response();
                cookie = response["cookie"].clone();
                if response["verdict"] == "ACCEPT" {
                    break;
                }
            }
            given.hook = "authorize";
            let progress = "/__sps_plugin/progress";
            let without = |name: &str, value: Value| {
                let mut cookie = cookie.clone();
                cookie.pointer_mut(progress).unwrap()[name] = value;
                cookie
            };
            for (what, cookie) in [
                ("no cookie", json!({})),
                ("another plugin's cookie", json!({"other": 1})),
                ("a cookie without a proof", without("proof", json!(null))),
                ("a factor alone", without("proof", json!({"factor": "proven"}))),
                (
                    "approvals elsewhere",
                    without("proof", json!({"factor": "proven", "approvals": {"dev": 9}})),
                ),
                ("a session that is not over", without("stage", json!("approvals"))),
            ] {
                go_on(&mut given, &cookie, json!({}));
                let ended = given.ask();
                assert_eq!(ended.verdict(), "DENY", "{way:?} {what}: {ended:?}");
            }
            go_on(&mut given, &cookie, json!({}));
            given.argument("session_id", json!("s2"));
            assert_eq!(given.ask().verdict(), "DENY", "{way:?}: the cookie of another session");
            given.argument("session_id", json!("s1"));
            let ended = given.ask();
            assert_eq!(ended.verdict(), "ACCEPT", "{way:?}: {ended:?}");
        }
    }
}

#[test]
fn approvals_that_are_demanded_since_authenticate_close_authorize() {
    let mut given = begun(Way::Server, Demanded::Nothing);
    let cookie = given.ask().response()["cookie"].clone();
    given.hook = "authorize";
    go_on(&mut given, &cookie, json!({}));
    assert_eq!(given.ask().verdict(), "ACCEPT");
    given.configuration.push_str(&section(Demanded::ApprovalsByConnection));
    assert_eq!(given.ask().verdict(), "DENY");
}
