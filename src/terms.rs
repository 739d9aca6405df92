//! Things that several layers speak of: questions to the user, credentials for the target, and what a terminal may show.

use secrecy::SecretString;

/// Tells whether a character steers a terminal, or turns the direction of writing, where it is shown.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Something to ask the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Under which key the answer comes back.
    pub key: String,
    /// What the user reads.
    pub prompt: String,
    /// Whether the answer stays hidden.
    pub disable_echo: bool,
}

/// A private key for the target.
pub struct PrivateKey {
    /// The SSH name of its type, such as `ssh-rsa`.
    pub kind: String,
    /// PEM or OpenSSH text.
    pub key: SecretString,
}

/// A time-based code for the target.
pub struct TotpCode {
    /// When the code begins to hold, in Unix seconds.
    pub unix_time: i64,
    /// How long it holds, in seconds.
    pub period: u32,
    /// The digits.
    pub code: SecretString,
}
