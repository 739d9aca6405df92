//! Which hooks are called, with what.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{APPLIANCE, CODES, LISTED, LOCAL, Stage};
use crate::support::service::Service;
use crate::support::{PROGRAM, run};

const AA: [&str; 2] = ["authenticate", "authorize"];

#[test]
fn every_protocol_is_played_to_its_end_with_and_without_gateway_authentication() {
    let stage = Stage::new(LISTED);
    let appliance = stage.file("appliance.json", APPLIANCE);
    for (protocol, port, keys) in [("ssh", 22, true), ("rdp", 3389, false), ("telnet", 23, false)] {
        for gateway in [true, false] {
            let user = if gateway { "--gateway-user alice --gateway-group dba" } else { "" };
            let words = format!(
                "--protocol {protocol} --server-user alice {user} --appliance {appliance} --json --show-secrets"
            );
            let played = stage.play(&words, "");
            assert_eq!(played.status(), Some(0), "{words}: {played:?}");
            let credentials = ["get_private_key_list", "get_password_list", "authentication_completed"];
            let expected: Vec<_> = AA
                .into_iter()
                .chain(credentials.into_iter().skip(usize::from(!keys)))
                .chain(["session_ended credentialstore", "session_ended aa"])
                .collect();
            assert_eq!(played.hooks(), expected, "{words}");

            let first = played.arguments("authenticate");
            let named = if gateway { json!("alice") } else { Value::Null };
            assert_eq!(first["gateway_user"], named, "{words}");
            // At the gate of RDP, the client says who it is, and the server does not know yet.
            let rdp = protocol == "rdp";
            let server = if rdp { Value::Null } else { json!("alice") };
            assert_eq!((&first["server_username"], &first["protocol"]), (&server, &json!(protocol)));
            let pairs = if rdp && !gateway { json!({"username": "alice"}) } else { json!({}) };
            assert_eq!(first["key_value_pairs"], pairs, "{words}");
            assert_eq!((&first["cookie"], &first["session_cookie"]), (&json!({}), &json!({})));
            assert!(first.get("server_ip").is_none(), "SPS does not say where to: {first}");

            let second = played.arguments("authorize");
            // Groups that nobody knows are not told.
            let groups = if gateway { json!(["dba"]) } else { Value::Null };
            assert_eq!((&second["gateway_user"], &second["gateway_groups"]), (&json!("alice"), &groups));
            assert_eq!(second["server_port"], port);
            assert_eq!(second["cookie"]["username"], "alice", "threaded: {second}");

            let third = played.arguments("get_password_list");
            assert_eq!(
                (&third["gateway_username"], &third["server_username"]),
                (&json!("alice"), &json!("alice"))
            );
            assert!(third.get("key_value_pairs").is_none() && third.get("connection_name").is_none());
            let lines = played.lines();
            let passwords = lines.iter().find(|(invocation, _)| invocation["hook"] == "get_password_list");
            assert_eq!(passwords.unwrap().1["passwords"], json!(["appliance-pw"]), "{words}");
            let last = played.arguments("session_ended");
            assert_eq!(last["cookie"]["account"], "alice", "{last}");
            assert_eq!(last.as_object().unwrap().len(), 3, "{last}");
        }
    }
}

#[test]
fn what_json_shows_gets_the_same_responses_when_it_is_piped_in_by_hand() {
    let configuration = format!(
        "{LOCAL}[question_1]\nprompt = Ticket\nkey = ticket\n[credentials]\nprovider = appliance\nstore = local\n"
    );
    let stage = Stage::with_tokens(&configuration);
    let appliance = stage.file("appliance.json", APPLIANCE);
    let words =
        format!("--server-user alice --appliance {appliance} --clock 1800000000 --json --show-secrets");
    let answers = format!("alicepin{}\nT-1\n", CODES[0]);
    let played = stage.play(&words, &answers);
    assert_eq!(played.status(), Some(0), "{played:?}");
    let lines: Vec<&str> = played.stdout().lines().collect();
    assert_eq!(lines.len(), 18, "{played:?}");
    // The same state, in which that code is not used up.
    let other = Stage::with_tokens(&configuration);
    let config = other.config();
    for pair in lines.chunks(2) {
        let ended = other.place.run(&["--config", &config, "--clock", "1800000000"], pair[0]);
        assert_eq!(
            (ended.status, std::str::from_utf8(&ended.stdout).unwrap().trim_end()),
            (Some(0), pair[1])
        );
    }
}

#[test]
fn who_was_authenticated_is_the_gateway_user_of_the_later_hooks() {
    let stage = Stage::new(&format!("{LISTED}[auth]\nskip_connections = open\n"));
    let played = stage.play("--server-user root --key-value gu=alice --json", "");
    assert_eq!(played.arguments("authenticate")["key_value_pairs"], json!({"gu": "alice"}));
    assert_eq!(played.arguments("authenticate")["gateway_user"], Value::Null);
    assert_eq!(played.arguments("authorize")["gateway_user"], "alice");
    assert_eq!(played.arguments("get_password_list")["gateway_username"], "alice");
    // A connection policy that is left alone has nobody to name, and goes on all the same.
    let appliance = stage.file("appliance.json", APPLIANCE);
    let words = format!("--server-user bob --connection open --appliance {appliance} --json");
    let skipped = stage.play(&words, "");
    assert_eq!(skipped.lines()[0].1["verdict"], "NONE");
    assert_eq!(skipped.arguments("authorize")["gateway_user"], Value::Null);
    assert_eq!(skipped.status(), Some(0), "{skipped:?}");
}

#[test]
fn one_plugin_is_played_alone_where_the_type_or_the_configuration_says_so() {
    let stage = Stage::new(LISTED);
    let store_only = [
        "get_private_key_list",
        "get_password_list",
        "authentication_completed",
        "session_ended credentialstore",
    ];
    let aa_only = ["authenticate", "authorize", "session_ended aa"];
    assert_eq!(stage.play("--server-user alice --type aa --json", "").hooks(), aa_only);
    assert_eq!(stage.play("--server-user alice --type credentialstore --json", "").hooks(), store_only);
    let named = Stage::new("[plugin]\ntype = credentialstore\n");
    assert_eq!(named.play("--server-user alice --json", "").hooks(), store_only);
    let without = Stage::new("[mfa]\nprovider = none\n");
    assert_eq!(without.play("--server-user alice --json", "\n").hooks().last().unwrap(), "session_ended aa");
}

#[test]
fn the_credential_store_plugin_may_have_a_configuration_of_its_own() {
    let stage = Stage::new("[mfa]\nprovider = none\n[credentials]\nprovider = none\n");
    let other = stage.file("other.ini", "[credentials]\nprovider = appliance\nstore = local\n");
    let appliance = stage.file("appliance.json", APPLIANCE);
    let words = format!("--server-user alice --credentials-config {other} --appliance {appliance}");
    let played = stage.play(&words, "\n");
    assert_eq!(played.status(), Some(0), "{played:?}");
    assert!(
        played.story().contains(&"get_password_list: 1 password for account alice on asset 192.0.2.22"),
        "{played:?}"
    );
}

#[test]
fn an_entry_that_is_held_by_one_session_is_given_back_at_the_end() {
    let stage = Stage::new("[mfa]\nprovider = none\n[credentials]\nprovider = local\n");
    stage.set_exclusive();
    for round in 0..2 {
        let played = stage.play("--server-user alice", "\n");
        let told = "get_password_list: 1 password for account alice on asset 192.0.2.22";
        assert!(played.story().contains(&told), "{round}: {played:?}");
        assert_eq!(played.status(), Some(0), "{round}: {played:?}");
        stage.assert_nothing_is_held();
    }
}

#[test]
fn a_push_goes_out_where_the_answer_is_empty() {
    let service = Service::answering(&json!({"result": "ACCEPT"}));
    let stage =
        Stage::new(&format!("[mfa]\nprovider = http\n[http]\nserver_url = http://{}\n", service.address));
    let played = stage.play("--server-user alice", "\n");
    assert_eq!(played.status(), Some(0), "{played:?}");
    let requests = service.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].line.contains("/push"), "{requests:?}");
    assert!(played.story().iter().any(|line| line.contains("by: http push")), "{played:?}");
}

#[test]
fn a_code_that_the_client_gives_before_it_is_asked_is_read_and_not_asked_for_again() {
    let stage = Stage::with_tokens(LOCAL);
    let played = stage.play("--server-user alice --key-value otp", &format!("alicepin{}\n", CODES[0]));
    assert_eq!(played.status(), Some(0), "{played:?}");
    assert_eq!(played.story()[0], "otp: (hidden answer from stdin)");
    assert!(played.story()[1].starts_with("authenticate: ACCEPT"), "{played:?}");
}

/// The arguments that the package hands over for a hook, by the signature of its method, without what older versions of SPS
/// call the target.
fn of_package(plugin: &str, hook: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("package/{plugin}/main.py"));
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("def {hook}(\n")).unwrap();
    let (signature, _) = rest.split_once(") ->").unwrap();
    let names = signature.lines().filter_map(|line| Some(line.trim().split_once(':')?.0));
    names.filter(|name| !name.starts_with("target_")).map(str::to_owned).collect()
}

#[test]
fn each_hook_gets_the_arguments_that_the_package_hands_over_and_no_others() {
    let stage = Stage::new(LISTED);
    let appliance = stage.file("appliance.json", APPLIANCE);
    let played = stage.play(&format!("--server-user alice --appliance {appliance} --json"), "");
    let lines = played.lines();
    assert_eq!(lines.len(), 7, "{played:?}");
    for (invocation, _) in lines {
        let (plugin, hook) = (invocation["type"].as_str().unwrap(), invocation["hook"].as_str().unwrap());
        let passed: BTreeSet<_> = invocation["arguments"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(passed, of_package(plugin, hook), "{plugin} {hook}");
    }
}

#[test]
fn the_time_that_the_user_takes_is_not_taken_from_the_hook() {
    let service = Service::answering(&json!({"result": "ACCEPT"}));
    let budget = "[plugin]\ntime_budget = 4\n";
    let address = service.address;
    let stage =
        Stage::new(&format!("{budget}[mfa]\nprovider = http\n[http]\nserver_url = http://{address}\n"));
    let mut command = stage.place.command("/bin/sh");
    let script = "{ sleep 4.2; echo; } | \"$0\" scenario --config \"$1\" --server-user alice";
    command.args(["-c", script, PROGRAM, &stage.config()]);
    let ended = run(command, "");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(service.requests().len(), 1);
}
