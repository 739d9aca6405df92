//! What is demanded, of whom, and what is still missing.

use serde::{Deserialize, Serialize};

use crate::names::{Aliases, CountKey, Requester, fold};
use crate::store::{Token, TokenType};
use crate::token::Session;
use crate::token::realms::Realms;

/// Whether the one who asks may, must or must not be among those who approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequesterRule {
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
    /// A person, by user name and its aliases, whatever the realm: the owner of the token, and of the device that a forward leads to.
    Users,
    /// A device.
    Tokens,
}

/// How approvals are counted.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// See [`RequesterRule`].
    pub requester: RequesterRule,
    /// See [`Distinct`].
    pub distinct: Distinct,
    /// Whether a token without PIN counts although nobody said whose it is.
    pub pinless: bool,
    /// Whether an approval counts where the server does not say that the code was a one-time code.
    pub unknown_token_types: bool,
    /// How many wrong ones there may be.
    pub budgets: Budgets,
}

/// How many wrong approvals there may be until approvals are refused for a while.
#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    /// Of one user who asks, on connections that demand approvals.
    pub per_name: u32,
    /// Of one approver who is named, or whose code it was.
    pub per_approver: u32,
    /// Codes without a name, in one realm.
    pub unnamed: u32,
    /// From one client address.
    pub per_client: u32,
    /// For one demand: for the realms of the configuration, or for one four-eyes token.
    pub per_demand: u32,
    /// For how many seconds they count.
    pub forget_after: f64,
}

/// Who demands the approvals, and pays for wrong answers.
#[derive(Clone)]
pub enum Asking {
    /// A four-eyes token.
    Token(Box<Token>),
    /// The configuration, for a connection policy or an access rule.
    Policy,
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
    /// The people of this approval: the owner of the token, and who has the device in hand.
    pub(super) fn people(&self) -> [CountKey; 2] {
        [CountKey::of(&self.user), CountKey::of(&self.holder)]
    }

    /// Tells whether the one who asks may be among the people of this approval, under either name.
    fn may_be_by(&self, requester: &Requester) -> bool {
        self.people().iter().any(|person| requester.may_be(person))
    }

    /// Tells whether it is an approval of the one who asks.
    fn is_by(&self, session: Session<'_>) -> bool {
        let realm = self.realm.split_once('@').map_or(self.realm.as_str(), |(realm, _)| realm);
        session.requester.is_owner(&self.user, realm, session.people)
    }

    /// Tells whether both approvals may be by the same person, under any names.
    fn shares_a_person_with(&self, other: &Self, aliases: &Aliases) -> bool {
        let others = other.people();
        self.people().iter().any(|person| others.iter().any(|other| aliases.may_be(person, other)))
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
        let given = |realm: &str| votes.iter().filter(|vote| fold(&vote.realm) == fold(realm)).count();
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
    /// Returns why a right approval does not count after those that the session already has.
    pub(super) fn objection(
        &self,
        demand: &Demand,
        session: Session<'_>,
        votes: &[Vote],
        vote: &Vote,
    ) -> Option<&'static str> {
        let shares = |other: &Vote| vote.shares_a_person_with(other, &session.requester.aliases);
        let device = |other: &Vote| {
            // Where the server does not say which device it was, it may have been the same.
            let unknown = other.device == other.without_device() || vote.device == vote.without_device();
            let same = other.device == vote.device || other.serial == vote.serial;
            (same && !vote.device.is_empty()) || (unknown && shares(other))
        };
        if votes.iter().any(device) {
            return Some("its device has approved already");
        }
        if self.distinct == Distinct::Users && votes.iter().any(shares) {
            return Some("its owner has approved already");
        }
        if self.requester == RequesterRule::Excluded && vote.may_be_by(session.requester) {
            return Some("its owner is the one who asks");
        }
        let last = demand.count_missing(votes) == 1;
        let asked = vote.is_by(session) || votes.iter().any(|other| other.is_by(session));
        if self.requester == RequesterRule::Required && last && !asked {
            return Some("the one who asks has to be among those who approve");
        }
        None
    }

    /// Tells whether the one who asks has approved, has not, or may do either, as the rule wants it.
    pub(super) fn is_content(&self, session: Session<'_>, votes: &[Vote]) -> bool {
        match self.requester {
            RequesterRule::Any => true,
            RequesterRule::Required => votes.iter().any(|vote| vote.is_by(session)),
            RequesterRule::Excluded => !votes.iter().any(|vote| vote.may_be_by(session.requester)),
        }
    }
}
