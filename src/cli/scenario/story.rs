//! What is told of the session while it goes on.

use std::cell::Cell;

use serde_json::Value;

use super::mask::{Mask, json_line, line};
use crate::protocol::invocation::{Hook, PluginType};
use crate::terminal::{Stream, Terminal};

/// Tells at once, because somebody waits for the next question.
pub(super) struct Story<'a> {
    terminal: &'a dyn Terminal,
    pub(super) mask: Mask,
    /// Whether stdout has the JSON of the hooks and nothing else.
    json: bool,
    /// Whether nobody listens any more.
    lost: Cell<bool>,
}

impl<'a> Story<'a> {
    pub(super) fn new(terminal: &'a dyn Terminal, mask: Mask, json: bool) -> Self {
        Self { terminal, mask, json, lost: Cell::new(false) }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Where the story is told.
    pub(super) fn stream(&self) -> Stream {
        if self.json { Stream::Stderr } else { Stream::Stdout }
    }

    /// Tells one thing on one line.
    pub(super) fn tell(&self, text: &str) {
        self.say(self.stream(), &line(text));
    }

    /// Writes what went into a hook, if that is wanted.
    pub(super) fn invocation(&self, invocation: &Value) {
        if self.json {
            self.say(Stream::Stdout, &json_line(&self.mask.invocation(invocation)));
        }
    }

    /// Writes what came out of a hook, if that is wanted, and tells what it means.
    pub(super) fn response(&self, plugin: PluginType, hook: Hook, response: &Value, status: u8) {
        if self.json {
            self.say(Stream::Stdout, &json_line(&self.mask.response(response)));
        }
        let name = name(hook);
        match hook {
            Hook::Authenticate | Hook::Authorize => self.tell(&format!("{name}: {}", verdict(response))),
            Hook::GetPasswordList | Hook::GetTotpCodes | Hook::GetRemoteAppCredentials => {
                self.checked_out(name, response, "passwords", "password");
            }
            Hook::GetPrivateKeyList => self.checked_out(name, response, "private_keys", "private key"),
            Hook::AuthenticationCompleted if status == 0 => self.tell(&format!("{name}: done")),
            Hook::SessionEnded if status == 0 => {
                let of = match plugin {
                    PluginType::Aa => "AA plugin",
                    PluginType::CredentialStore => "credential store plugin",
                };
                self.tell(&format!("{name} of the {of}: done"));
            }
            Hook::AuthenticationCompleted | Hook::SessionEnded => {}
        }
        if status != 0 {
            self.tell(&format!("{name}: the hook ended with status {status}; the log says why"));
        }
    }

    fn checked_out(&self, name: &str, response: &Value, member: &str, one: &str) {
        let found = response.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let of = |what| response.get("cookie").and_then(|cookie| cookie.get(what)).and_then(Value::as_str);
        let plural = if found.len() == 1 { "" } else { "s" };
        match (found.len(), of("account"), of("asset")) {
            (0, _, _) => self.tell(&format!("{name}: no {one}s")),
            (count, Some(account), Some(asset)) => {
                self.tell(&format!("{name}: {count} {one}{plural} for account {account} on asset {asset}"));
            }
            (count, _, _) => self.tell(&format!("{name}: {count} {one}{plural}")),
        }
        if self.mask.shows_secrets() {
            for secret in found {
                match (secret.get(0).and_then(Value::as_str), secret.get(1).and_then(Value::as_str)) {
                    (Some(kind), Some(key)) => self.tell(&format!("  {kind}: {key}")),
                    _ => self.tell(&format!("  {}", secret.as_str().unwrap_or_default())),
                }
            }
        }
    }

    fn say(&self, stream: Stream, text: &str) {
        if !self.terminal.say(stream, text) {
            self.lost.set(true);
        }
    }
}

/// What SPS calls a hook.
pub(super) fn name(hook: Hook) -> &'static str {
    Hook::ALL.iter().find(|(_, known)| *known == hook).map_or("", |(name, _)| name)
}

/// Says a verdict, what the user reads of it, and what SPS keeps of it.
fn verdict(response: &Value) -> String {
    let text = |name| response.get(name).and_then(Value::as_str);
    let mut said = text("verdict").unwrap_or_default().to_owned();
    if let Some(user) = text("gateway_user") {
        said.push_str(&format!("; gateway user: {user}"));
    }
    let groups = response.get("gateway_groups").and_then(Value::as_array);
    let groups: Vec<_> = groups.into_iter().flatten().filter_map(Value::as_str).collect();
    if !groups.is_empty() {
        said.push_str(&format!(" in {}", groups.join(", ")));
    }
    if let Some(reason) = text("reason") {
        said.push_str(&format!("; the user reads: {reason}"));
    }
    let metadata = text("additional_metadata").map(serde_json::from_str::<Value>);
    if let Some(Ok(Value::Object(metadata))) = metadata {
        for (name, value) in &metadata {
            said.push_str(&format!("; {name}: {}", value.as_str().unwrap_or_default()));
        }
    }
    if let Some(key) = response.get("question").and_then(|question| question.get(0)).and_then(Value::as_str) {
        said.push_str(&format!("; key: {key}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_verdict_is_said_with_all_that_people_read_of_it() {
        let metadata = "{\"reason\": \"wrong code\", \"serial\": \"TOTP1\"}";
        let deny =
            json!({"verdict": "DENY", "reason": "Authentication failed", "additional_metadata": metadata});
        assert_eq!(
            verdict(&deny),
            "DENY; the user reads: Authentication failed; reason: wrong code; serial: TOTP1"
        );
        let accept = json!({"verdict": "ACCEPT", "gateway_user": "alice", "gateway_groups": ["dba", "ops"]});
        assert_eq!(verdict(&accept), "ACCEPT; gateway user: alice in dba, ops");
        assert_eq!(
            verdict(&json!({"verdict": "NEEDINFO", "question": ["otp", "Code", true]})),
            "NEEDINFO; key: otp"
        );
    }
}
