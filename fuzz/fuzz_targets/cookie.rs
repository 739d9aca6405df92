//! Any JSON as the cookie of every hook, or two at the two sides of a NUL as cookie and session cookie: no cookie lets
//! anybody in but one that says "accepted" in the form that this program writes, none brings forth another credential
//! than the store has, and what a hook gives back is taken by the next one.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::{Value, json};
use sps_plugin::protocol::invocation::Hook;
use sps_plugin_fuzz::{Answered, answer, verdict};

/// No road in: the service cannot be asked, because no time is left.
const CONFIGURATION: &str = "
[mfa]
provider = http
[http]
server_url = http://127.0.0.1:9
[question_1]
prompt = Ticket:
key = ticket
[credentials]
provider = appliance
store = local
";

/// The texts of `CookieError` that a cookie of our own must never lead to.
const REFUSED: [&str; 5] =
    ["not this plugin's", "another version", "the other plugin", "another session", "is damaged"];

fuzz_target!(|data: &[u8]| -> Corpus {
    let mut texts = data.splitn(2, |&byte| byte == 0);
    let (Some(Ok(cookie)), Some(Ok(session_cookie))) = (
        texts.next().map(serde_json::from_slice::<Value>),
        texts.next().or(Some(b"{}")).map(serde_json::from_slice::<Value>),
    ) else {
        return Corpus::Reject;
    };
    for (name, hook) in Hook::ALL {
        let answered = call(name, hook, &cookie, &session_cookie);
        let response = &answered.response;
        match hook {
            Hook::Authenticate if verdict(response) == Some("ACCEPT") => {
                assert!(is_accepted(&cookie) && !cookie["username"].is_null(), "{response}");
                let answered = response["session_cookie"]["questions"].get("ticket").is_some();
                let counted = cookie["__sps_plugin"]["progress"]["questions_answered"].as_u64();
                assert!(answered || counted.is_some_and(|count| count > 0), "{response}");
            }
            Hook::GetPasswordList => {
                assert!(response["passwords"] == json!(["pw"]) || response["passwords"] == json!([]));
            }
            Hook::GetPrivateKeyList => {
                let keys = &response["private_keys"];
                assert!(*keys == json!([["ssh-rsa", "key"]]) || *keys == json!([]));
            }
            _ => {}
        }
        if answered.status == 0 && response["cookie"].is_object() {
            let (next, next_hook) = match hook {
                Hook::Authenticate | Hook::Authorize => ("authorize", Hook::Authorize),
                _ => ("session_ended", Hook::GetPasswordList),
            };
            let after = call(next, next_hook, &response["cookie"], &response["session_cookie"]);
            assert!(!REFUSED.iter().any(|text| after.log.contains(text)), "{response} {}", after.log);
        }
    }
    Corpus::Keep
});

fn call(name: &str, hook: Hook, cookie: &Value, session_cookie: &Value) -> Answered {
    let plugin_type = match hook {
        Hook::Authenticate | Hook::Authorize | Hook::SessionEnded => "aa",
        _ => "credentialstore",
    };
    let invocation = json!({
        "hook": name,
        "type": plugin_type,
        "arguments": {
            "cookie": cookie,
            "session_cookie": session_cookie,
            "session_id": "s",
            "protocol": "ssh",
            "client_ip": "10.1.2.3",
            "server_username": "alice",
            "server_hostname": "db1",
            "key_value_pairs": {"otp": "1"},
        },
        "configuration": CONFIGURATION,
        "appliance": {"credential_stores": {"local": [
            {"host": "db1", "user": "alice", "credentials": ["pw", {"type": "ssh-rsa", "key": "key"}]},
        ]}},
    });
    answer(&[], invocation.to_string().as_bytes())
}

fn is_accepted(cookie: &Value) -> bool {
    let own = &cookie["__sps_plugin"];
    own["version"] == 1
        && own["plugin"] == "aa"
        && own["session_id"] == "s"
        && own["progress"]["stage"] == "questions"
        && own["progress"]["accepted"].is_object()
}
