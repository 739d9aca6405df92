//! Why a factor does not hold, or why nothing was found out.

use std::borrow::Cow;
use std::fmt;

use super::text;
use crate::secret::{self, SecretString};

/// A reason: words of ours, and after them what a server said, which may repeat what the server was told.
///
/// Secrets are taken out of the server's words only. In ours a gap would show that the secret is a piece of a sentence
/// that everybody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    ours: Cow<'static, str>,
    servers: String,
}

impl Reason {
    /// Makes one of ours. Nothing that a server said may stand in the text.
    pub(super) fn ours(text: impl Into<Cow<'static, str>>) -> Self {
        Self { ours: text.into(), servers: String::new() }
    }

    /// Makes one of what a server said, as far as a terminal may show it.
    pub(super) fn of_server(text: &str) -> Self {
        Self::introduced("", text)
    }

    /// The same with words of ours before it.
    pub(super) fn introduced(ours: impl Into<Cow<'static, str>>, text: &str) -> Self {
        Self { ours: ours.into(), servers: text::unsteering(text) }
    }

    /// Tells whether there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        self.ours.is_empty() && self.servers.is_empty()
    }

    /// Takes a secret out of what the server said.
    #[must_use]
    pub fn without(self, secret: &SecretString) -> Self {
        Self { servers: secret::masked(&self.servers, secret), ..self }
    }
}

impl From<&'static str> for Reason {
    fn from(text: &'static str) -> Self {
        Self::ours(text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only here: a secret of which half were cut off before would not be found.
        let end = self.servers.char_indices().nth(text::MAX_TEXT).map_or(self.servers.len(), |(end, _)| end);
        write!(f, "{}{}", self.ours, self.servers.get(..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_of_the_servers_words_and_leaves_no_gap_in_ours() {
        let server = SecretString::from("server");
        let without = |reason: Reason| reason.without(&server).to_string();
        assert_eq!(without("the server rejects it".into()), "the server rejects it");
        assert_eq!(without(Reason::of_server("the server is tired")), "the *** is tired");
        assert_eq!(
            without(Reason::introduced("error of the server: ", "my server")),
            "error of the server: my ***"
        );
    }

    #[test]
    fn what_steers_a_terminal_is_taken_out_before_a_secret_is_looked_for() {
        let reason = Reason::of_server("wrong: 123\u{1b}456").without(&SecretString::from("123456"));
        assert_eq!(reason.to_string(), "wrong: ***");
    }

    #[test]
    fn a_secret_at_the_end_of_what_is_shown_is_taken_out_whole() {
        let long = format!("{}123456", "x".repeat(text::MAX_TEXT - 3));
        let reason = Reason::of_server(&long);
        assert!(reason.to_string().ends_with("x123"), "so much is shown");
        assert!(reason.without(&SecretString::from("123456")).to_string().ends_with("x***"));
    }
}
