//! What must not be seen: in the story, and in the JSON of invocations and responses.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::terms::{shown_on_a_line, steers};

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Knows where answers stand, and covers them and what is handed out. Texts stay as they are: no hook writes a secret into
/// one, and a gap in a sentence would tell what was typed.
pub(super) struct Mask {
    shows_secrets: bool,
    /// The keys of all answers.
    keys: BTreeSet<String>,
}

impl Mask {
    pub(super) fn new(shows_secrets: bool) -> Self {
        Self { shows_secrets, keys: BTreeSet::new() }
    }

    pub(super) fn shows_secrets(&self) -> bool {
        self.shows_secrets
    }

    /// Notes that an answer stands under this key. An answer that was shown as it was typed may be a code after a PIN,
    /// so it is covered like any other.
    pub(super) fn note(&mut self, key: &str) {
        self.keys.insert(key.to_owned());
    }

    /// Returns an invocation as it may be shown.
    pub(super) fn invocation(&self, invocation: &Value) -> Value {
        let mut shown = invocation.clone();
        if self.shows_secrets {
            return shown;
        }
        let arguments = shown.get_mut("arguments").and_then(Value::as_object_mut);
        if let Some(arguments) = arguments {
            self.answers(arguments.get_mut("key_value_pairs"));
            if let Some(Value::String(password)) = arguments.get_mut("gateway_password") {
                MASK.clone_into(password);
            }
            self.cookies(arguments);
        }
        if let Some(appliance) = shown.get_mut("appliance") {
            cover_named(appliance, &["credentials", "password"]);
        }
        shown
    }

    /// Returns a response as it may be shown.
    pub(super) fn response(&self, response: &Value) -> Value {
        let mut shown = response.clone();
        if self.shows_secrets {
            return shown;
        }
        if let Some(members) = shown.as_object_mut() {
            if let Some(passwords) = members.get_mut("passwords") {
                cover(passwords);
            }
            if let Some(Value::Array(keys)) = members.get_mut("private_keys") {
                keys.iter_mut().filter_map(|key| key.get_mut(1)).for_each(cover);
            }
            self.cookies(members);
        }
        shown
    }

    /// Covers the answers in the cookies, and what a service keeps there, which may be an answer.
    fn cookies(&self, members: &mut Map<String, Value>) {
        for name in ["cookie", "session_cookie"] {
            if let Some(cookie) = members.get_mut(name) {
                self.answers(cookie.get_mut("questions"));
                if let Some(state) = cookie.get_mut("state") {
                    cover(state);
                }
            }
        }
    }

    fn answers(&self, answers: Option<&mut Value>) {
        if let Some(Value::Object(answers)) = answers {
            answers
                .iter_mut()
                .filter(|(key, _)| self.keys.contains(*key))
                .for_each(|(_, answer)| cover(answer));
        }
    }
}

/// Makes one line of a text that may have come from a server.
pub(super) fn line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if steers(c) { ' ' } else { c }).collect();
    line.push('\n');
    line
}

/// Writes JSON as one line that steers no terminal: what would is escaped, which means the same.
pub(super) fn json_line(value: &Value) -> String {
    let mut line = shown_on_a_line(&value.to_string()).into_owned();
    line.push('\n');
    line
}

/// Covers every text.
fn cover(value: &mut Value) {
    match value {
        Value::String(text) => MASK.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(cover),
        // A key says of which type it is.
        Value::Object(members) => {
            members.iter_mut().filter(|(name, _)| *name != "type").for_each(|(_, member)| cover(member));
        }
        Value::Null | Value::Bool(_) => {}
        Value::Number(_) => *value = Value::from(MASK),
    }
}

/// Covers what stands under these names, however deep.
fn cover_named(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| cover_named(item, names)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if names.contains(&name.as_str()) { cover(member) } else { cover_named(member, names) }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mask() -> Mask {
        let mut mask = Mask::new(false);
        mask.note("otp");
        mask.note("pin");
        mask
    }

    #[test]
    fn answers_are_covered_where_sps_passes_them_and_in_the_cookies() {
        let invocation = json!({"hook": "authorize", "arguments": {
            "session_cookie": {"questions": {"pin": "hidden-1", "other": "kept"}},
            "cookie": {"__x": [1]}, "server_username": "hidden-1", "gateway_password": "gpw",
            "key_value_pairs": {"otp": "123456", "pin": "hidden-1", "gu": "alice"}}});
        let shown = mask().invocation(&invocation);
        assert_eq!(
            shown["arguments"],
            json!({"session_cookie": {"questions": {"pin": "***", "other": "kept"}}, "cookie": {"__x": [1]},
                // What the command line says is no secret, and a gap would tell what was typed.
                "server_username": "hidden-1", "gateway_password": "***",
                "key_value_pairs": {"otp": "***", "pin": "***", "gu": "alice"}})
        );
    }

    #[test]
    fn what_a_service_keeps_in_the_cookie_is_covered() {
        let shown = mask().invocation(
            &json!({"arguments": {"cookie": {"username": "alice", "state": {"p": "PIN", "n": 7}}}}),
        );
        let cookie = json!({"username": "alice", "state": {"p": "***", "n": "***"}});
        assert_eq!(shown["arguments"]["cookie"], cookie);
        assert_eq!(mask().response(&json!({"cookie": {"state": "id"}}))["cookie"]["state"], "***");
    }

    #[test]
    fn what_the_appliance_keeps_is_covered() {
        let appliance = json!({"http_proxy": {"authentication": {"username": "u", "password": "proxy-pw"}},
            "credential_stores": {"s": [{"host": "h", "user": "u",
                "credentials": ["pw", {"type": "ssh-rsa", "key": "PEM"}]}]}});
        let shown = mask().invocation(&json!({"appliance": appliance})).to_string();
        assert!(
            !shown.contains("proxy-pw") && !shown.contains("\"pw\"") && !shown.contains("PEM"),
            "{shown}"
        );
        assert!(shown.contains("ssh-rsa") && shown.contains("\"host\":\"h\""), "{shown}");
    }

    #[test]
    fn what_is_checked_out_is_covered_and_how_much_it_is_stays() {
        assert_eq!(
            mask().response(&json!({"passwords": ["a", "b"], "cookie": {"account": "root"}})),
            json!({"passwords": ["***", "***"], "cookie": {"account": "root"}})
        );
        assert_eq!(
            mask().response(&json!({"private_keys": [["ssh-rsa", "PEM"]]})),
            json!({"private_keys": [["ssh-rsa", "***"]]})
        );
    }

    #[test]
    fn whoever_asks_for_it_sees_everything() {
        let mut mask = Mask::new(true);
        mask.note("pin");
        let response = json!({"passwords": ["a"], "session_cookie": {"questions": {"pin": "hidden-1"}}});
        assert_eq!(mask.response(&response), response);
        let invocation = json!({"arguments": {"key_value_pairs": {"pin": "hidden-1"}}});
        assert_eq!(mask.invocation(&invocation), invocation);
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_shown_and_the_json_means_the_same() {
        let text = "a\u{1b}[2J\r\nb\u{9b}31m\u{202e}c\u{7f}";
        assert_eq!(line(text), "a [2J  b 31m c \n");
        let line = json_line(&json!({"reason": text}));
        assert!(line.trim_end().chars().all(|c| !steers(c)), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["reason"], text);
    }
}
