//! What must not be seen: in the story, and in the JSON of invocations and responses.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::secret::masked;
use crate::terms::steers;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Knows what was typed, and takes it out of what is shown.
pub(super) struct Mask {
    shows_secrets: bool,
    /// The keys of all answers.
    keys: BTreeSet<String>,
    /// The answers that were not shown as they were typed.
    hidden: Vec<SecretString>,
}

impl Mask {
    pub(super) fn new(shows_secrets: bool) -> Self {
        Self { shows_secrets, keys: BTreeSet::new(), hidden: Vec::new() }
    }

    pub(super) fn shows_secrets(&self) -> bool {
        self.shows_secrets
    }

    /// Notes that an answer stands under this key. An answer that was shown may be a code after a PIN, so it is not
    /// written into a file for that.
    pub(super) fn note(&mut self, key: &str, answer: &str, hidden: bool) {
        self.keys.insert(key.to_owned());
        if hidden {
            self.note_secret(answer);
        }
    }

    /// Notes a secret that has no key.
    pub(super) fn note_secret(&mut self, secret: &str) {
        self.hidden.push(SecretString::from(secret));
    }

    /// Makes one line of a text that may have come from a server.
    pub(super) fn line(&self, text: &str) -> String {
        let text: String = text.chars().map(|c| if steers(c) { ' ' } else { c }).collect();
        self.text(&text)
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
            for (_, member) in members.iter_mut() {
                self.texts(member);
            }
        }
        shown
    }

    /// Covers the answers in the cookies, and whatever else of them a plugin keeps there.
    fn cookies(&self, members: &mut Map<String, Value>) {
        for name in ["cookie", "session_cookie"] {
            if let Some(cookie) = members.get_mut(name) {
                self.answers(cookie.get_mut("questions"));
                self.texts(cookie);
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

    fn texts(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.texts(item)),
            Value::Object(members) => members.iter_mut().for_each(|(_, member)| self.texts(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&self, text: &str) -> String {
        if self.shows_secrets {
            return text.to_owned();
        }
        self.hidden.iter().fold(text.to_owned(), |text, secret| masked(&text, secret))
    }
}

/// Writes JSON as one line that steers no terminal: what would is escaped, which means the same.
pub(super) fn json_line(value: &Value) -> String {
    let mut line = String::new();
    for c in value.to_string().chars() {
        if steers(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| line.push_str(&format!("\\u{unit:04x}")));
        } else {
            line.push(c);
        }
    }
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
        mask.note("otp", "123456", false);
        mask.note("pin", "hidden-1", true);
        mask
    }

    #[test]
    fn answers_are_covered_where_sps_passes_them_and_in_the_cookies() {
        let invocation = json!({"hook": "authorize", "arguments": {
            "session_cookie": {"questions": {"pin": "hidden-1", "other": "kept"}},
            "cookie": {"__x": ["it was hidden-1"]}, "server_username": "hidden-1", "gateway_password": "gpw",
            "key_value_pairs": {"otp": "123456", "pin": "hidden-1", "gu": "alice"}}});
        let shown = mask().invocation(&invocation);
        assert_eq!(
            shown["arguments"],
            json!({"session_cookie": {"questions": {"pin": "***", "other": "kept"}}, "cookie": {"__x": ["it was ***"]},
                // What the command line says is no secret, and would tell the answer if it were covered.
                "server_username": "hidden-1", "gateway_password": "***",
                "key_value_pairs": {"otp": "***", "pin": "***", "gu": "alice"}})
        );
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
        let echoed = json!({"verdict": "DENY", "reason": "no hidden-1 here"});
        assert_eq!(mask().response(&echoed)["reason"], "no *** here");
    }

    #[test]
    fn whoever_asks_for_it_sees_everything() {
        let mut mask = Mask::new(true);
        mask.note("pin", "hidden-1", true);
        let response = json!({"passwords": ["a"], "reason": "hidden-1"});
        assert_eq!(mask.response(&response), response);
        assert_eq!(mask.line("hidden-1"), "hidden-1");
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_shown_and_the_json_means_the_same() {
        let text = "a\u{1b}[2J\r\nb\u{9b}31m\u{202e}c\u{7f}";
        assert_eq!(mask().line(text), "a [2J  b 31m c ");
        let line = json_line(&json!({"reason": text}));
        assert!(line.trim_end().chars().all(|c| !steers(c)), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["reason"], text);
    }
}
