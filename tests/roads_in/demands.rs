//! Demands that come later, that others meet, or that somebody tries to go around.

use serde_json::{Value, json};

use crate::Given;
use crate::approvals::{Asks, Terms, section};
use crate::ways::{Tokens, Way, go_on};

const HTTP: &str = "[mfa]\nprovider=http\n[http]\nserver_url=http://SERVICE\ntoken=t0ken\n";
const RULES: &str = "[access]\nprovider=rules\n[rule all]\naction=accept\n";
const REALMS: &str = "[four_eyes]\nrealms=ops:1\n";

fn begun(way: Way, asks: Asks) -> Given {
    Tokens::new().session(way, asks, Terms::One)
}

#[test]
fn a_verdict_that_waits_for_an_answer_is_compared_with_what_is_demanded_by_then() {
    let mut given = begun(Way::Http, Asks::Nothing);
    given.configuration.push_str("[question_1]\nprompt=Ticket?\nkey=ticket\n");
    let asked = given.ask().response();
    assert_eq!(asked["verdict"], "NEEDINFO");
    given.configuration.push_str(&section(Asks::ApprovalsByConnection, Terms::One));
    go_on(&mut given, &asked["cookie"], json!({"otp": "123456", "ticket": "T1"}));
    assert_eq!(given.ask().verdict(), "DENY");
}

#[test]
fn the_exception_for_whitelists_is_warned_of_at_each_use() {
    let ended =
        Tokens::new().session(Way::UserList, Asks::ApprovalsByConnection, Terms::ExceptWhitelisted).ask();
    ended.assert_logged(&["[four_eyes] except_whitelisted=yes: accepted without the required approvals"]);
}

/// A session that approvals let in, or a four-eyes token of alice's own, and a rule that asks for a factor.
fn approved(demanded: &str, otp: &str) -> Given {
    let mut given = begun(Way::LocalToken, Asks::Nothing);
    given.configuration.push_str(demanded);
    given.configuration.push_str(&section(Asks::FactorByRule, Terms::One));
    given.argument("key_value_pairs", json!({"otp": otp}));
    given
}

#[test]
fn approvals_of_others_are_not_the_factor_that_a_rule_requires() {
    let by_connection = section(Asks::ApprovalsByConnection, Terms::One);
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
    let mut given = begun(Way::Fallback, Asks::ApprovalsByConnection);
    given.token("enroll --type 4eyes --serial MINE --user alice --realms ops:1");
    given.argument("key_value_pairs", json!({"otp": "bob:4321755224"}));
    let ended = given.ask();
    let metadata = ended.response()["additional_metadata"].to_string();
    assert_eq!(ended.verdict(), "DENY", "{ended:?}");
    assert!(metadata.contains("a second factor is required, but none was given"), "{metadata}");
}

#[test]
fn a_link_of_a_chain_that_others_approved_is_not_the_factor_that_a_rule_requires() {
    let mut given = begun(Way::Http, Asks::FactorByRule);
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
    for way in [Way::Http, Way::NoProvider, Way::LocalToken] {
        for rules in ["", RULES] {
            let mut given = begun(way, Asks::ApprovalsByConnection);
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
    let mut given = begun(Way::Http, Asks::Nothing);
    let cookie = given.ask().response()["cookie"].clone();
    given.hook = "authorize";
    go_on(&mut given, &cookie, json!({}));
    assert_eq!(given.ask().verdict(), "ACCEPT");
    given.configuration.push_str(&section(Asks::ApprovalsByConnection, Terms::One));
    assert_eq!(given.ask().verdict(), "DENY");
}
