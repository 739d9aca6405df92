//! What is demanded, of whom, and what is still missing.

use serde::{Deserialize, Serialize};

use crate::store::{Token, TokenType};
use crate::token::realms::Realms;

/// Whether the one who asks may, must or must not be among those who approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requester {
    /// May be.
    Any,
    /// Must be.
    Required,
    /// Must not be.
    Excluded,
}

/// What is never counted twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distinct {
    /// A person, by user name, whatever the realm: the owner of the token, and of the device that a forward leads to.
    Users,
    /// A device.
    Tokens,
}

/// How approvals are counted.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// See [`Requester`].
    pub requester: Requester,
    /// See [`Distinct`].
    pub distinct: Distinct,
    /// Whether a token without PIN counts although nobody said whose it is.
    pub pinless: bool,
    /// For how many seconds wrong answers of a user without a four-eyes token count.
    pub forget_after: f64,
}

/// Who demands the approvals, and pays for wrong answers.
#[derive(Clone)]
pub enum Asking {
    /// A four-eyes token.
    Token(Box<Token>),
    /// The configuration, for a connection policy; `max_fail` wrong answers of a user are too many.
    Policy {
        /// How many.
        max_fail: u32,
    },
}

/// Approvals that are demanded.
#[derive(Clone)]
pub struct Demand {
    /// How many of which realms.
    pub realms: Realms,
    /// What stands between passwords that are typed all at once.
    pub separator: char,
    /// Who demands them.
    pub asking: Asking,
}

/// An approval that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vote {
    pub(super) serial: String,
    pub(super) device: String,
    /// Who has the device in hand, and with it half of every approval that is given through it.
    pub(super) holder: String,
    pub(super) user: String,
    pub(super) realm: String,
}

impl Vote {
    /// Tells whether a user is among the persons of this approval. The empty name is nobody's.
    fn is_by(&self, user: &str) -> bool {
        self.is_by_person(user, self.is_elsewhere())
    }

    fn is_by_person(&self, user: &str, by_core: bool) -> bool {
        let same = |name: &str| if by_core { core(name) == core(user) } else { same_person(name, user) };
        let is = |name: &str| !name.is_empty() && same(name);
        is(&self.user) || is(&self.holder)
    }

    /// Tells whether a person of this approval is a person of the other one.
    fn shares_a_person_with(&self, other: &Self) -> bool {
        let by_core = self.is_elsewhere() || other.is_elsewhere();
        self.is_by_person(&other.user, by_core) || self.is_by_person(&other.holder, by_core)
    }

    /// Tells whether a server gave it. Only a server's realm has an `@` in its name.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.realm.contains('@')
    }
}

impl Demand {
    /// Returns what a four-eyes token demands; `None` where its realms make no sense.
    pub fn of(token: Token) -> Option<Self> {
        if token.token_type != TokenType::FourEyes {
            return None;
        }
        let realms = Realms::parse(token.realms.as_deref()?).ok()?;
        let separator = token.separator.as_deref().and_then(|text| text.chars().next()).unwrap_or(' ');
        Some(Self { realms, separator, asking: Asking::Token(Box::new(token)) })
    }

    /// Returns how many approvals of which realms are still missing, in the order of the demand.
    pub(super) fn missing(&self, votes: &[Vote]) -> Vec<(String, u32)> {
        let given = |realm: &str| votes.iter().filter(|vote| vote.realm == realm).count();
        let left = |(realm, count): (&str, u32)| {
            let left = count.saturating_sub(u32::try_from(given(realm)).unwrap_or(u32::MAX));
            (left > 0).then(|| (realm.to_owned(), left))
        };
        self.realms.iter().filter_map(left).collect()
    }

    /// Returns how many approvals are still missing.
    pub(super) fn count_missing(&self, votes: &[Vote]) -> u64 {
        let counts = self.missing(votes).into_iter().map(|(_, count)| u64::from(count));
        counts.fold(0, u64::saturating_add)
    }

    /// Returns the question for what is still missing.
    pub(super) fn prompt(&self, votes: &[Vote]) -> String {
        let missing = self.missing(votes);
        let realms: Vec<_> = missing.iter().map(|(realm, count)| format!("{realm} ({count})")).collect();
        format!("Approval is still missing from: {}. Enter user:PIN+code: ", realms.join(", "))
    }
}

impl Rules {
    /// Says why an approval that is right does not count for `requester` after others.
    pub(super) fn objection(
        &self,
        demand: &Demand,
        requester: &str,
        votes: &[Vote],
        vote: &Vote,
    ) -> Option<&'static str> {
        let device = |other: &Vote| {
            // Where the server does not say which device it was, it may have been the same.
            let unknown = other.device == other.without_device() || vote.device == vote.without_device();
            let same = other.device == vote.device || other.serial == vote.serial;
            (same && !vote.device.is_empty()) || (unknown && vote.shares_a_person_with(other))
        };
        if votes.iter().any(device) {
            return Some("its device has approved already");
        }
        if self.distinct == Distinct::Users && votes.iter().any(|other| vote.shares_a_person_with(other)) {
            return Some("its owner has approved already");
        }
        if self.requester == Requester::Excluded && vote.is_by(requester) {
            return Some("its owner is the one who asks");
        }
        let last = demand.count_missing(votes) == 1;
        let asked = vote.user == requester || votes.iter().any(|other| other.user == requester);
        if self.requester == Requester::Required && last && !asked {
            return Some("the one who asks has to be among those who approve");
        }
        None
    }

    /// Tells whether the one who asks has approved, has not, or may do either, as the rule wants it.
    pub(super) fn is_content(&self, requester: &str, votes: &[Vote]) -> bool {
        match self.requester {
            Requester::Any => true,
            Requester::Required => votes.iter().any(|vote| vote.user == requester),
            Requester::Excluded => !votes.iter().any(|vote| vote.is_by(requester)),
        }
    }
}

/// The part of a name at a server that decides whose it is: servers take `bob@realm2` for `bob`, whatever realm is
/// asked for, and know people by their mail addresses too.
pub(super) fn core(name: &str) -> String {
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    name.split('@').next().unwrap_or_default().to_lowercase()
}

/// Tells whether two user names may be one person's: directories do not tell `alice` and `Alice` apart.
pub(super) fn same_person(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
