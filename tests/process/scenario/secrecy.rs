//! What is shown, and what is not.

use serde_json::{Value, json};

use super::{CODES, LOCAL, Stage};

const APPLIANCE: &str = r#"{"http_proxy": {"enabled": false, "authentication": {"selection": "password",
    "username": "u", "password": "marker-proxy"}},
  "credential_stores": {"local": [{"host": "192.0.2.22", "user": "alice", "credentials":
    ["marker-password", {"type": "ssh-ed25519", "key": "marker-key"}]}]}}"#;
const MARKERS: [&str; 6] =
    ["marker-proxy", "marker-password", "marker-key", "marker-answer", "marker-gateway", "alicepin"];

fn stage() -> (Stage, String) {
    let stage = Stage::with_tokens(&format!(
        "{LOCAL}[question_1]\nprompt = Ticket\nkey = ticket\n[credentials]\nprovider = appliance\nstore = local\n"
    ));
    let appliance = stage.file("appliance.json", APPLIANCE);
    (stage, format!("--gateway-user alice --gateway-password --appliance {appliance}"))
}

fn answers(round: usize) -> String {
    format!("marker-gateway\nalicepin{}\nmarker-answer\n", CODES[round])
}

#[test]
fn no_secret_is_in_the_story_the_json_or_the_log() {
    let (stage, words) = stage();
    let story = stage.play(&words, &answers(0));
    let json = stage.play(&format!("{words} --json"), &answers(1));
    for played in [&story, &json] {
        assert_eq!(played.status(), Some(0), "{played:?}");
        let shown = format!("{}{}", played.stdout(), played.0.stderr);
        for marker in MARKERS {
            assert!(!shown.contains(marker), "{marker} in {shown}");
        }
        assert!(!shown.contains(CODES[0]) && !shown.contains(CODES[1]), "{shown}");
    }
    assert_eq!(
        json.arguments("authorize")["session_cookie"]["questions"],
        json!({"ticket": "***"}),
        "{json:?}"
    );
    assert_eq!(
        json.arguments("authorize")["key_value_pairs"],
        json!({"otp": "***", "ticket": "***"}),
        "{json:?}"
    );
    assert_eq!(json.arguments("get_password_list")["gateway_password"], "***");
    let lines = json.lines();
    let of = |hook: &str| lines.iter().find(|(invocation, _)| invocation["hook"] == hook).unwrap().1.clone();
    assert_eq!(of("get_password_list")["passwords"], json!(["***"]));
    assert_eq!(of("get_private_key_list")["private_keys"], json!([["ssh-ed25519", "***"]]));
}

#[test]
fn everything_is_shown_to_whoever_asks_for_it() {
    let (stage, words) = stage();
    let json = stage.play(&format!("{words} --json --show-secrets"), &answers(0));
    for marker in MARKERS {
        assert!(json.stdout().contains(marker), "{marker}: {json:?}");
        assert!(
            !json.0.stderr.contains(marker) || marker == "marker-password" || marker == "marker-key",
            "{json:?}"
        );
    }
    let story = stage.play(&format!("{words} --show-secrets"), &answers(1));
    assert!(story.story().contains(&"  marker-password"), "{story:?}");
    assert!(story.story().contains(&"  ssh-ed25519: marker-key"), "{story:?}");
}

#[test]
fn a_code_on_the_command_line_is_refused_and_not_repeated() {
    let (stage, words) = stage();
    let played = stage.play(&format!("{words} --key-value otp=alicepin755224"), "");
    assert_eq!((played.status(), played.stdout()), (Some(2), ""));
    played.0.assert_logged(&["--key-value otp=...", "everybody on this machine"]);
    assert!(!played.0.stderr.contains("755224"), "{played:?}");
}

#[test]
fn nothing_that_a_configuration_or_a_name_holds_steers_the_terminal() {
    let steering = "\u{1b}[2J\u{9b}31m\u{202e}";
    let stage =
        Stage::with_tokens(&format!("{LOCAL}[question_1]\nprompt = Ti{steering}cket\nkey = ticket\n"));
    let config = stage.config();
    for json in [&["--json"][..], &[]] {
        let user = format!("ali{steering}ce");
        let words = ["scenario", "--config", &config, "--gateway-user", "alice", "--server-user", &user];
        let code = if json.is_empty() { CODES[1] } else { CODES[0] };
        let ended = stage.place.run(&[&words[..], json].concat(), format!("alicepin{code}\nT\n"));
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let shown = format!("{}{}", String::from_utf8_lossy(&ended.stdout), ended.stderr);
        assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{shown:?}");
        if let Some(line) = String::from_utf8_lossy(&ended.stdout).lines().next().filter(|_| !json.is_empty())
        {
            let invocation: Value = serde_json::from_str(line).unwrap();
            assert_eq!(invocation["arguments"]["server_username"], json!(user), "it means the same");
        }
    }
}
