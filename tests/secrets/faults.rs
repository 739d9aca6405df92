//! Invocations and configurations with a fault in them: the fault is told, the value is not.

use std::ffi::OsStr;

use serde_json::{Value, json};
use sps_plugin::options::known;

use crate::support::service::NOBODY;
use crate::support::{Place, authenticate, authorize, credential_hook};
use crate::{assert_clean, assert_nothing_left, mark};

#[test]
fn an_invocation_with_a_fault_is_not_quoted() {
    let secret = mark("secret");
    for text in [
        secret.clone(),
        format!("\"{secret}\""),
        format!("[\"{secret}\"]"),
        format!("{{\"hook\": \"{secret}\"}}"),
        format!("{{\"{secret}\": 1}}"),
        format!("{{\"hook\": \"authenticate\", \"type\": \"{secret}\"}}"),
        format!("{{\"hook\": \"authenticate\", \"arguments\": \"{secret}\"}}"),
        format!("{{\"hook\": \"authenticate\", \"arguments\": {{\"client_port\": \"{secret}\"}}}}"),
        format!("{{\"hook\": \"authenticate\", \"arguments\": {{\"gateway_groups\": \"{secret}\"}}}}"),
        format!("{{\"hook\": \"authenticate\", \"arguments\": {{\"key_value_pairs\": \"{secret}\"}}}}"),
        format!(
            "{{\"hook\": \"authenticate\", \"arguments\": {{\"key_value_pairs\": {{\"otp\": [\"{secret}\"]}}}}}}"
        ),
        format!(
            "{{\"hook\": \"authenticate\", \"arguments\": {{\"key_value_pairs\": {{\"otp\": \"{secret}\"}}"
        ),
        format!(
            "{{\"hook\": \"authenticate\", \"arguments\": {{\"key_value_pairs\": {{\"otp\": \"{secret}\\x\"}}}}}}"
        ),
        format!(
            "{{\"hook\": \"authenticate\", \"arguments\": {{\"gateway_password\": {{\"{secret}\": 1}}}}}}"
        ),
        format!("{{\"hook\": \"authenticate\", \"configuration\": [\"{secret}\"]}}"),
        format!(
            "{{\"hook\": \"get_password_list\", \"appliance\": {{\"credential_stores\": \"{secret}\"}}}}"
        ),
        format!(
            "{{\"hook\": \"get_password_list\", \"appliance\": {{\"credential_stores\": {{\"a\": [{{\"host\": \"h\", \"user\": \"u\", \"credentials\": \"{secret}\"}}]}}}}}}"
        ),
        format!(
            "{{\"hook\": \"get_password_list\", \"appliance\": {{\"credential_stores\": {{\"a\": [{{\"host\": \"h\", \"user\": \"u\", \"credentials\": [[\"{secret}\"]]}}]}}}}}}"
        ),
        format!(
            "{{\"hook\": \"get_password_list\", \"appliance\": {{\"credential_stores\": {{\"a\": [{{\"host\": \"h\", \"user\": \"u\", \"credentials\": [{{\"type\": \"ssh-rsa\", \"kay\": \"{secret}\"}}]}}]}}}}}}"
        ),
        format!(
            "{{\"hook\": \"authenticate\", \"appliance\": {{\"http_proxy\": {{\"authentication\": {{\"password\": [\"{secret}\"]}}}}}}}}"
        ),
        format!(
            "{{\"hook\": \"authenticate\", \"appliance\": {{\"http_proxy\": {{\"authentication\": \"{secret}\"}}}}}}"
        ),
    ] {
        let place = Place::new();
        let ended = place.run(&[], text.clone());
        assert_eq!(ended.status, Some(2), "{text}");
        assert_clean("stdout", &ended.stdout);
        assert_nothing_left(&place, &ended, &[]);
    }
}

#[test]
fn a_configuration_with_a_fault_is_not_quoted() {
    let secret = mark("secret");
    for text in [
        format!("{secret}\n"),
        format!("{secret} = 1\n"),
        format!("[http]\n{secret}\n"),
        format!("[http]\ntoken = a\n{secret}\n"),
        format!("[http]\ntoken = -----BEGIN KEY-----\n{secret}\n-----END KEY-----\n"),
        format!("[http]\ntoken = {secret}\ntoken = {secret}\n"),
        format!("[http]\ntoken = {secret}%\n[mfa]\nprovider=http\n"),
        format!("[http]\ntoken = {secret}%(other)s\nserver_url=http://{NOBODY}\n[mfa]\nprovider=http\n"),
        format!("[http]\ntoken = %({secret})s\nserver_url=http://{NOBODY}\n[mfa]\nprovider=http\n"),
        format!("[http]\ntoken = %(token)s{secret}\nserver_url=http://{NOBODY}\n[mfa]\nprovider=http\n"),
        format!("[http]\nserver_url = https://user:{secret}@{NOBODY}/\n[mfa]\nprovider=http\n"),
        format!("[http]\nserver_url = https://{NOBODY}/?token={secret}\n[mfa]\nprovider=http\n"),
        format!("[http]\nserver_url = https://{NOBODY}/\n[tls]\nca_cert={secret}\n[mfa]\nprovider=http\n"),
        format!(
            "[http]\nserver_url = https://{NOBODY}/\n[tls]\nclient_cert={secret}\n[mfa]\nprovider=http\n"
        ),
        format!(
            "[http]\nserver_url = https://{NOBODY}/\n[tls]\nclient_cert=-----BEGIN PRIVATE KEY-----\n  {secret}\n  -----END PRIVATE KEY-----\n[mfa]\nprovider=http\n"
        ),
        format!("[state]\nkey = {secret}\n[http]\nserver_url = {secret}\n[mfa]\nprovider=http\n"),
    ] {
        let place = Place::new();
        let file = place.file("plugin.ini", &text);
        let otp = json!({"key_value_pairs": {"otp": "1"}});
        let laid_over = place.hook(&authenticate(&text, otp.clone()));
        let from_file = place.run(&["--config", file.to_str().unwrap()], authenticate("", otp).to_string());
        for ended in [laid_over, from_file] {
            assert_eq!((ended.verdict().as_str(), ended.status), ("DENY", Some(2)), "{text}: {ended:?}");
            assert_clean("stdout", &ended.stdout);
            assert_nothing_left(&place, &ended, &["plugin.ini"]);
        }
    }
}

/// Options whose value the log or the response has to show: names of policies, what users are asked, where something is.
const SHOWN: [(&str, &str); 16] = [
    ("account", "prefix"),
    ("account", "suffix"),
    ("assets", "domain_suffix"),
    ("auth", "prompt"),
    ("credential_store", "name"),
    ("credentials", "store"),
    ("domain_asset_mapping", "<domain>"),
    ("https-proxy", "server"),
    ("https_proxy", "server"),
    ("ldap_server", "name"),
    ("local", "realm"),
    ("question_<n>", "prompt"),
    ("state", "directory"),
    ("username_transform", "append_domain"),
    ("usermapping source=explicit", "<user name>"),
    ("whitelist source=user_list", "name"),
];

#[test]
fn no_value_of_any_other_option_is_quoted_whatever_the_hook_and_however_wrong_it_is() {
    let base = format!(
        "[logging]\nlog_level=debug\n[mfa]\nprovider=http\n[http]\nserver_url=https://{NOBODY}\ntimeout=5\n\
         [tls]\nverify=no\n[credentials]\nprovider=appliance\nstore=local\n[credential_store]\nname=local\n\
         [ldap_server]\nname=ad\n[question_1]\nprompt=?\nkey=k\n[authentication_cache]\nreuse_limit=1\n"
    );
    let mut tried = 0_usize;
    for opt in known().filter(|opt| !SHOWN.contains(&(opt.section, opt.option))) {
        let section = opt.section.replace("<n>", "1").replace("<name>", "x");
        let option = if opt.option.contains('<') { "alice" } else { opt.option };
        for value in [mark("value"), format!("{}%", mark("value")), format!("${{env:{}}}", "PLUGIN_SECRET")] {
            let place = Place::new();
            let http = place.file("http.ini", &base);
            let local = place.file("local.ini", base.replace("provider=http", "provider=local"));
            let configuration = format!("[{section}]\n{option}={value}\n");
            let otp = json!({"key_value_pairs": {"otp": mark("otp"), "k": "v"}});
            for (file, hook) in [
                (&http, authenticate(&configuration, otp.clone())),
                (&local, authenticate(&configuration, otp)),
                (&http, authorize(&configuration, json!({}))),
                (&http, credential_hook("get_password_list", &configuration, json!({}))),
            ] {
                let mut command = place.command(crate::PROGRAM);
                command.args(["--config", file.to_str().unwrap()]);
                command.env("PLUGIN_SECRET", OsStr::new(&mark("environment")));
                let ended = crate::support::run(command, hook.to_string());
                ended.response();
                assert_clean(&format!("stdout with [{section}] {option}"), &ended.stdout);
                assert_clean(&format!("the log with [{section}] {option}"), ended.stderr.as_bytes());
                tried = tried.saturating_add(1);
            }
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn a_cookie_that_is_not_ours_goes_back_and_is_not_logged() {
    let foreign = json!({"password": mark("cookie")});
    let ended = Place::new().hook(&authenticate("[mfa]\nprovider=none\n", json!({"cookie": foreign})));
    assert_eq!((ended.response()["cookie"].clone(), ended.status), (foreign, Some(2)));
    assert_clean("the log", ended.stderr.as_bytes());
    let damaged =
        json!({"__sps_plugin": {"version": 1, "plugin": mark("plugin"), "progress": mark("progress")}});
    let ended = Place::new().hook(&authenticate("[mfa]\nprovider=none\n", json!({"cookie": damaged})));
    assert_eq!(ended.status, Some(2));
    assert_clean("the log", ended.stderr.as_bytes());
    let shared: Value = json!({"questions": [mark("answer")]});
    let configuration = "[mfa]\nprovider=none\n[question_1]\nprompt=?\nkey=k\n";
    let otp = json!({"session_cookie": shared, "key_value_pairs": {"otp": "1"}});
    let ended = Place::new().hook(&authenticate(configuration, otp));
    assert_eq!(ended.status, Some(2));
    assert_clean("the log", ended.stderr.as_bytes());
}

#[test]
fn a_command_line_with_a_fault_is_shown_as_typed_and_stdin_is_not() {
    let hook = authenticate("", json!({"key_value_pairs": {"otp": mark("otp")}}));
    let ended = Place::new().run(&["--no-such-option"], hook.to_string());
    assert!(ended.stderr.contains("--no-such-option"));
    assert_clean("stdout", &ended.stdout);
    assert_clean("the log", ended.stderr.as_bytes());
}

#[test]
fn a_token_that_is_no_header_is_an_error_without_its_text() {
    let place = Place::new();
    let file = place.file("token", format!("{}\u{1}\nsecond line", mark("token")));
    let configuration = format!(
        "[mfa]\nprovider=http\n[http]\nserver_url=http://{NOBODY}\ntoken=${{file:{}}}\nignore_connection_error=yes\n",
        file.display()
    );
    let ended = place.hook(&authenticate(&configuration, json!({"key_value_pairs": {"otp": "1"}})));
    assert_eq!(ended.verdict(), "DENY", "a token that cannot be sent is no outage: {ended:?}");
    assert_clean("stdout", &ended.stdout);
    assert_nothing_left(&place, &ended, &["token"]);
}
