//! The server's answers, typed.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::json::{Object, optional_object};
use crate::mfa::dialogue::{Accepted, Challenge, PROMPT, Push, Verdict};
use crate::mfa::envelope::{self, Refusal};
use crate::mfa::error::{MfaError, garbled};
use crate::mfa::kinds;
use crate::mfa::reason::Reason;
use crate::mfa::text::printable;
use crate::net::Reply;

#[derive(Default, Deserialize)]
struct Detail {
    transactionid: Option<String>,
    message: Option<String>,
    linotp_tokentype: Option<String>,
    linotp_forward_tokentype: Option<String>,
    /// By serial: the challenges of several tokens with one PIN.
    challenges: Option<BTreeMap<String, Object<Entry>>>,
    /// By id; of `/validate/check_status` only.
    transactions: Option<BTreeMap<String, Object<Transaction>>>,
    /// Of a success, where the policy `detail_on_success` allows it, as the next one.
    serial: Option<String>,
    tokentype: Option<String>,
    /// Of a failure, where the policy `detail_on_fail` allows it. A challenge has "challenge created".
    error: Option<String>,
}

/// One challenge, of a group or alone.
#[derive(Deserialize)]
struct Entry {
    transactionid: Option<String>,
    message: Option<String>,
    linotp_tokentype: Option<String>,
    /// The type of the token to which a forward token leads.
    linotp_forward_tokentype: Option<String>,
}

#[derive(Deserialize)]
struct Transaction {
    valid_tan: bool,
    status: String,
    /// What the device said, where it was asked.
    #[serde(default)]
    reject: bool,
    #[serde(default)]
    accept: Option<bool>,
    #[serde(default, deserialize_with = "optional_object")]
    token: Option<Token>,
}

/// Whose transaction it is.
#[derive(Deserialize)]
struct Token {
    serial: Option<String>,
    r#type: Option<String>,
}

type Usable = envelope::Usable<Detail, ()>;

/// Reads an answer of `/validate/check`.
pub(super) fn verdict(reply: &Reply) -> Result<Verdict, MfaError> {
    let answer = match usable(reply)? {
        Ok(answer) => answer,
        Err(reason) => return Ok(Verdict::Rejected(reason)),
    };
    let value = answer.truth()?;
    match (value, answer.detail.is_challenge()) {
        (true, false) if answer.authentication.is_none() => {
            let serial = answer.detail.serial.map(envelope::serial_of).transpose()?;
            let code = kinds::of_type(answer.detail.tokentype.as_deref());
            Ok(Verdict::Accepted(Accepted { serial, way: None, code }))
        }
        (true, _) => Err(garbled("the server's value and its detail contradict each other")),
        (false, true) => challenge(answer.detail).map(Verdict::Challenge),
        (false, false) => Ok(Verdict::Rejected(envelope::reason(answer.detail.error.as_deref()))),
    }
}

/// Reads an answer of `/validate/check_status`. What it calls true is that there is such a transaction.
pub(super) fn polled(reply: &Reply, id: &str) -> Result<Push, MfaError> {
    let answer = match usable(reply)? {
        Ok(answer) => answer,
        Err(_) => return Ok(Push::Gone),
    };
    if !answer.truth()? {
        return Ok(Push::Gone);
    }
    let transactions = answer.detail.transactions.unwrap_or_default();
    if transactions.is_empty() || !transactions.keys().all(|key| belongs(key, id)) {
        return Err(garbled("the server's transactions are not the one that was asked about"));
    }
    let all = || transactions.values().map(|Object(transaction)| transaction);
    if all().any(Transaction::is_declined) {
        return Ok(Push::Declined);
    }
    // A device's answer closes all transactions of a group, and is valid in one of them.
    if let Some(accepted) = all().find(|transaction| transaction.is_accepted()) {
        return accepted.accepted().map(Push::Accepted);
    }
    Ok(if all().any(Transaction::is_open) { Push::Pending } else { Push::Gone })
}

impl Transaction {
    /// What a confirmed transaction proves, which depends on the type of its token.
    fn accepted(&self) -> Result<Accepted, MfaError> {
        let token = self.token.as_ref();
        let serial = token.and_then(|token| token.serial.clone()).map(envelope::serial_of).transpose()?;
        let code = kinds::of_type(token.and_then(|token| token.r#type.as_deref()));
        Ok(Accepted { serial, way: Some("push"), code })
    }

    fn is_open(&self) -> bool {
        self.status == "open"
    }

    fn is_declined(&self) -> bool {
        self.reject
    }

    /// Only a push says `accept`. A QR token's transaction that is closed and valid was answered by the device that
    /// scanned it, or by the code that it showed.
    fn is_accepted(&self) -> bool {
        let kind = self.token.as_ref().and_then(|token| token.r#type.as_deref()).unwrap_or_default();
        let is_accepted = match self.accept {
            Some(accept) => accept,
            None => kind.eq_ignore_ascii_case("qr"),
        };
        self.valid_tan && self.status == "closed" && is_accepted
    }
}

impl Detail {
    /// There is no flag for it; the details are what makes a challenge.
    fn is_challenge(&self) -> bool {
        self.transactionid.is_some()
            || self.linotp_tokentype.is_some()
            || self.linotp_forward_tokentype.is_some()
            || self.challenges.is_some()
    }
}

/// LinOTP has an error for what nobody should have sent, and a `status` and `value` of false where it failed inside:
/// a token that may not be used any more, a challenge that could not be sent.
fn usable(reply: &Reply) -> Result<Result<Usable, Reason>, MfaError> {
    Ok(match envelope::usable(reply)? {
        Ok(answer) => Ok(answer),
        Err(Refusal { is_denial: true, .. }) => Err("the server failed to check it".into()),
        Err(refusal) => return Err(garbled(refusal.reason)),
    })
}

fn challenge(detail: Detail) -> Result<Challenge, MfaError> {
    let Detail { message: text, linotp_tokentype, linotp_forward_tokentype, .. } = detail;
    let transaction_id = envelope::transaction_id(detail.transactionid)?;
    let entries: Vec<Entry> = match detail.challenges {
        None => {
            vec![Entry { transactionid: None, message: text, linotp_tokentype, linotp_forward_tokentype }]
        }
        Some(group) => group.into_values().map(|Object(entry)| entry).collect(),
    };
    let foreign =
        |entry: &Entry| entry.transactionid.as_ref().is_some_and(|id| !belongs(id, &transaction_id));
    if entries.is_empty() || entries.iter().any(foreign) {
        return Err(garbled("the server's challenges are not of one transaction"));
    }
    Ok(Challenge {
        message: message(&entries),
        interactive: entries.iter().any(Entry::is_interactive),
        poll: entries.iter().any(|entry| matches!(entry.mode(), Mode::Poll | Mode::Both)),
        transaction_id,
    })
}

/// Tells whether an id is the transaction's, or that of one challenge of its group (`47343440062794.01`).
fn belongs(id: &str, transaction: &str) -> bool {
    id.strip_prefix(transaction).is_some_and(|rest| {
        let number = rest.strip_prefix('.');
        rest.is_empty()
            || number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Says what the user reads: each text once, without those of challenges that no code answers.
fn message(entries: &[Entry]) -> Option<String> {
    let mut texts = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_interactive()) {
        let text = printable(entry.message.as_deref().unwrap_or_default());
        let text = text.trim().to_owned();
        if !text.is_empty() && !texts.contains(&text) {
            texts.push(text);
        }
    }
    (!texts.is_empty()).then(|| printable(&asking(&texts.join(" / "))))
}

/// Makes a question of a text that only tells something, such as "sms submitted".
fn asking(text: &str) -> String {
    if text.ends_with([':', '?']) { format!("{text} ") } else { format!("{text} - {PROMPT}") }
}

enum Mode {
    Interactive,
    Poll,
    /// A code answers it, and a device does.
    Both,
    Browser,
}

impl Entry {
    fn is_interactive(&self) -> bool {
        matches!(self.mode(), Mode::Interactive | Mode::Both)
    }

    /// A forward token is answered like the token to which it leads.
    fn mode(&self) -> Mode {
        let kind = self.linotp_forward_tokentype.as_ref().or(self.linotp_tokentype.as_ref());
        match kind.map(|kind| kind.to_ascii_lowercase()).as_deref() {
            Some("push") => Mode::Poll,
            Some("qr") => Mode::Both,
            Some("fido2" | "u2f") => Mode::Browser,
            Some(_) | None => Mode::Interactive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::elsewhere::CodeKind;

    #[test]
    fn a_polled_transaction_is_what_its_token_type_says() {
        for (token, code) in [
            (r#"{"serial": "T1", "type": "push"}"#, CodeKind::OneTime),
            (r#"{"serial": "T1", "type": "QR"}"#, CodeKind::OneTime),
            (r#"{"serial": "T1", "type": "spass"}"#, CodeKind::Static),
            (r#"{"serial": "T1", "type": "a new one"}"#, CodeKind::Unknown),
            (r#"{"serial": "T1"}"#, CodeKind::Unknown),
            ("null", CodeKind::Unknown),
        ] {
            let text =
                format!(r#"{{"valid_tan": true, "status": "closed", "accept": true, "token": {token}}}"#);
            let transaction: Transaction = serde_json::from_str(&text).unwrap();
            assert!(transaction.is_accepted());
            assert_eq!(transaction.accepted().unwrap().code, code, "{token}");
        }
        let text = r#"{"valid_tan": true, "status": "closed", "token": {"serial": "T1", "type": "qr"}}"#;
        let transaction: Transaction = serde_json::from_str(text).unwrap();
        assert!(transaction.is_accepted());
        assert_eq!(transaction.accepted().unwrap().code, CodeKind::OneTime);
    }
}
