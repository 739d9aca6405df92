//! Four eyes: several people's codes, all at once or one after the other.
//!
//! Only one-time codes are approvals: what is typed here is typed on somebody else's terminal, and a static password
//! would stay with them. An approval is one device's and one person's, for one session of one user; it is used up in
//! the transaction that counts it. A wrong answer burns nobody's code, and is charged to the token that asks (and to
//! the tokens of the person it names), never to the rest of a realm.

use serde::{Deserialize, Serialize};

use super::held::{Held, find_candidate_code, split};
use super::pin::Stretched;
use super::realms::Realms;
use super::{Outcome, Owner, Session};
use crate::logging::Log;
use crate::store::{
    Advance, Challenge, ChallengeKind, ChallengeStep, Sealer, Settlement, Store, StoreError, Token, Use,
};

/// How many passwords a text that is typed all at once may have.
const MAX_PARTS: usize = 20;

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
    /// A person, by user name, whatever the realm.
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
struct Vote {
    serial: String,
    device: String,
    user: String,
    realm: String,
}

/// What a chain of approvals keeps in the store.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// The token that asks; `None` where the configuration does.
    asking: Option<String>,
    votes: Vec<Vote>,
}

/// An approval that would count, with what it uses up.
struct Offer {
    vote: Vote,
    uses: Vec<Use>,
}

/// The tokens that a typed password may be an approval with.
#[derive(Default)]
struct Candidates {
    /// Each with what would be its PIN and what would be used up.
    tokens: Vec<(Held, String, Advance)>,
    /// The serials of the person whom the text names.
    named: Vec<String>,
}

/// What became of one typed password.
enum Reading {
    /// It is an approval.
    Offer(Offer),
    /// It is none; the tokens of the person it names, if it names one.
    Wrong(Vec<String>),
}

/// Collects approvals.
pub struct Approvals<'a> {
    /// Where the tokens are.
    pub store: &'a Store<'a>,
    /// Where the reasons go.
    pub log: &'a Log,
    /// How to count.
    pub rules: Rules,
    /// Whose the session is.
    pub session: Session<'a>,
}

impl Approvals<'_> {
    /// Begins to collect: with nothing yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(&self, demand: &Demand) -> Result<Outcome, StoreError> {
        if self.store.sealer()?.is_none() {
            return self.deny(demand, Vec::new(), "there are no tokens to approve with");
        }
        if self.is_exhausted(demand)? {
            return self.deny(demand, Vec::new(), "too many wrong answers");
        }
        self.go_on(demand, None, Vec::new(), Vec::new())
    }

    /// Takes the first text: all passwords at once, or the first of them. `None`, with nothing computed or changed,
    /// where no code matched: the text may then be something else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn first(&self, demand: &Demand, text: &str) -> Result<Option<Outcome>, StoreError> {
        if self.is_exhausted(demand)? {
            return self.deny(demand, Vec::new(), "too many wrong answers").map(Some);
        }
        let Some(sealer) = self.store.sealer()? else { return Ok(None) };
        let parts: Vec<_> = text.split(demand.separator).filter(|part| !part.is_empty()).collect();
        if parts.len() > MAX_PARTS {
            return self.deny(demand, Vec::new(), "too many passwords at once").map(Some);
        }
        let mut found = Vec::new();
        for part in &parts {
            found.push(self.candidates(sealer, demand, &[], part)?);
        }
        if found.iter().all(|found| found.tokens.is_empty()) {
            return Ok(None);
        }
        let mut offers: Vec<Offer> = Vec::new();
        for (part, found) in parts.iter().zip(found) {
            let votes: Vec<_> = offers.iter().map(|offer| offer.vote.clone()).collect();
            match self.judge(demand, &votes, part, found)? {
                Reading::Offer(offer) => offers.push(offer),
                Reading::Wrong(named) => return self.deny(demand, named, "no approval").map(Some),
            }
        }
        let votes: Vec<_> = offers.iter().map(|offer| offer.vote.clone()).collect();
        if parts.len() > 1 && !missing(demand, &votes).is_empty() {
            return self.deny(demand, Vec::new(), "not enough approvals at once").map(Some);
        }
        self.go_on(demand, None, Vec::new(), offers).map(Some)
    }

    /// Denies a first text that is nothing at all, with the work that any other denial takes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refuse(&self, demand: &Demand, text: &str) -> Result<Outcome, StoreError> {
        if self.store.has_pins()? {
            Stretched::compute(self.store, text)?;
        }
        self.deny(demand, Vec::new(), "no approval")
    }

    /// Takes the next answer of a chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn answer(&self, demand: &Demand, challenge: &Challenge, text: &str) -> Result<Outcome, StoreError> {
        let Ok(progress) = serde_json::from_str::<Progress>(&challenge.data) else {
            return self.deny(demand, Vec::new(), "the chain is damaged");
        };
        if self.is_exhausted(demand)? {
            return self.deny(demand, Vec::new(), "too many wrong answers");
        }
        match self.read(demand, &progress.votes, text)? {
            Reading::Offer(offer) => self.go_on(demand, Some(challenge), progress.votes, vec![offer]),
            Reading::Wrong(named) => {
                self.deny(demand, named, "no approval")?;
                // The token that asks has paid; as long as it can, the answer may be tried again.
                if self.is_exhausted(demand)? {
                    return Ok(Outcome::Denied);
                }
                Ok(Outcome::Challenge { id: challenge.id.clone(), prompt: prompt(demand, &progress.votes) })
            }
        }
    }

    /// Finds what a chain in the store was begun for: the token that asks, or `policy`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn demand_of(
        &self,
        challenge: &Challenge,
        policy: impl FnOnce() -> Option<Demand>,
    ) -> Result<Option<Demand>, StoreError> {
        let Ok(progress) = serde_json::from_str::<Progress>(&challenge.data) else { return Ok(None) };
        match progress.asking {
            Some(serial) => Ok(self.store.token(&serial)?.and_then(Demand::of)),
            None => Ok(policy()),
        }
    }

    /// Counts offers: the last one needed is an ACCEPT, before it the next is asked for.
    fn go_on(
        &self,
        demand: &Demand,
        challenge: Option<&Challenge>,
        mut votes: Vec<Vote>,
        offers: Vec<Offer>,
    ) -> Result<Outcome, StoreError> {
        let mut settlement = Settlement::default();
        for offer in offers {
            let Vote { serial, user, realm, .. } = &offer.vote;
            self.log.info(format_args!("approval by {user}@{realm} with token {serial}"));
            settlement.uses.extend(offer.uses);
            votes.push(offer.vote);
        }
        let complete = missing(demand, &votes).is_empty() && self.requester_is_content(&votes);
        let asking = match &demand.asking {
            Asking::Token(token) => Some(token.serial.clone()),
            Asking::Policy { .. } => None,
        };
        if complete {
            settlement
                .uses
                .extend(asking.iter().map(|serial| Use { serial: serial.clone(), advance: Advance::Count }));
            settlement.challenge = challenge.map(|challenge| ChallengeStep::Finish {
                id: challenge.id.clone(),
                from: challenge.data.clone(),
            });
            if !self.store.settle(&settlement)? {
                return self.deny(demand, Vec::new(), "a code or the chain was used at the same time");
            }
            let serials = votes.into_iter().map(|vote| vote.serial).chain(asking).collect::<Vec<_>>();
            self.log.info(format_args!("all approvals are there: {}", serials.join(", ")));
            return Ok(Outcome::Accepted(serials));
        }
        let prompt = prompt(demand, &votes);
        let now = self.store.now();
        let data = serde_json::to_string(&Progress { asking, votes }).unwrap_or_default();
        let step = match challenge {
            None => {
                ChallengeStep::Begin(self.session.challenge(self.store, ChallengeKind::FourEyes, data)?)
            }
            Some(challenge) => ChallengeStep::GoOn {
                from: challenge.data.clone(),
                to: Challenge {
                    data,
                    expires: now.plus_seconds(self.session.challenge_validity),
                    ..challenge.clone()
                },
            },
        };
        let id = match &step {
            ChallengeStep::Begin(challenge) | ChallengeStep::GoOn { to: challenge, .. } => {
                challenge.id.clone()
            }
            ChallengeStep::Finish { id, .. } => id.clone(),
        };
        settlement.challenge = Some(step);
        if !self.store.settle(&settlement)? {
            return self.deny(demand, Vec::new(), "a code or the chain was used at the same time");
        }
        Ok(Outcome::Challenge { id, prompt })
    }

    /// Tells what a typed password is.
    fn read(&self, demand: &Demand, votes: &[Vote], text: &str) -> Result<Reading, StoreError> {
        let Some(sealer) = self.store.sealer()? else { return Ok(Reading::Wrong(Vec::new())) };
        let found = self.candidates(sealer, demand, votes, text)?;
        self.judge(demand, votes, text, found)
    }

    /// Finds the tokens whose code a text ends in; their PINs are not looked at.
    fn candidates(
        &self,
        sealer: &Sealer,
        demand: &Demand,
        votes: &[Vote],
        text: &str,
    ) -> Result<Candidates, StoreError> {
        let open: Vec<String> = missing(demand, votes).into_iter().map(|(realm, _)| realm).collect();
        match self.named(sealer, &open, text)? {
            Some(found) => Ok(found),
            None => self.search(sealer, &open, text),
        }
    }

    /// Looks at the PINs: one argon2id for each code that matched, and a dummy one where none did.
    fn judge(
        &self,
        demand: &Demand,
        votes: &[Vote],
        text: &str,
        found: Candidates,
    ) -> Result<Reading, StoreError> {
        let hashing = self.store.has_pins()?;
        if found.tokens.is_empty() && hashing {
            Stretched::compute(self.store, text)?;
        }
        let mut right = Vec::new();
        for (held, pin, advance) in found.tokens {
            let stretched = hashing.then(|| Stretched::compute(self.store, &pin)).transpose()?;
            if held.pin_is(&pin, stretched.as_ref()) {
                right.push((held, advance));
            }
        }
        match right.as_slice() {
            [] => Ok(Reading::Wrong(found.named)),
            [(held, advance)] => {
                let offer = Offer { vote: vote(held), uses: held.uses(*advance) };
                match self.objection(demand, votes, &offer.vote) {
                    None => Ok(Reading::Offer(offer)),
                    Some(why) => {
                        self.log.info(format_args!("token {} does not count: {why}", offer.vote.serial));
                        Ok(Reading::Wrong(Vec::new()))
                    }
                }
            }
            _ => {
                self.log.info(format_args!("several tokens have this PIN and code; type user:PIN+code"));
                Ok(Reading::Wrong(Vec::new()))
            }
        }
    }

    /// Reads `user:pin+otp`; `None` where nobody of that name has a token in the realms that are missing.
    fn named(
        &self,
        sealer: &Sealer,
        realms: &[String],
        text: &str,
    ) -> Result<Option<Candidates>, StoreError> {
        let Some((name, rest)) = text.split_once(':') else { return Ok(None) };
        let mut held = Vec::new();
        for realm in realms {
            let owner = Owner::parse(name, realm);
            if owner.realm == *realm {
                for token in self.store.tokens_of(&owner.user, realm)? {
                    held.push(Held::new(self.store, sealer, token)?);
                }
            }
        }
        if held.is_empty() {
            return Ok(None);
        }
        let mut found = Candidates::default();
        for one in held {
            if !one.gives_codes() {
                continue;
            }
            found.named.push(one.token.serial.clone());
            let code = match one.is_usable(self.store.now()) {
                true => one.find_code(self.store, sealer, rest)?,
                false => None,
            };
            if let Some(code) = code {
                let (pin, advance) = (code.pin.to_owned(), code.advance);
                found.tokens.push((one, pin, advance));
            }
        }
        Ok(Some(found))
    }

    /// Searches the realms that are missing for tokens whose code a text ends in.
    fn search(&self, sealer: &Sealer, realms: &[String], text: &str) -> Result<Candidates, StoreError> {
        let mut hits: Vec<(String, String, Advance)> = Vec::new();
        for realm in realms {
            self.store.search::<StoreError>(realm, None, |candidate| {
                let Some((pin, code)) = split(text, usize::from(candidate.digits)) else { return Ok(()) };
                let could_be =
                    if candidate.has_pin { !pin.is_empty() } else { self.rules.pinless && pin.is_empty() };
                if could_be && let Some(advance) = find_candidate_code(self.store, sealer, candidate, code)? {
                    hits.push((candidate.serial.to_owned(), pin.to_owned(), advance));
                }
                Ok(())
            })?;
        }
        let mut found = Candidates::default();
        for (serial, pin, advance) in hits {
            if let Some(token) = self.store.token(&serial)? {
                found.tokens.push((Held::new(self.store, sealer, token)?, pin, advance));
            }
        }
        Ok(found)
    }

    /// Says why an approval that is right does not count.
    fn objection(&self, demand: &Demand, votes: &[Vote], vote: &Vote) -> Option<&'static str> {
        let is_requester = vote.user == self.session.owner.user;
        let person = |other: &Vote| other.user == vote.user;
        let device = |other: &Vote| other.device == vote.device || other.serial == vote.serial;
        if votes.iter().any(device) {
            return Some("its device has approved already");
        }
        if self.rules.distinct == Distinct::Users && votes.iter().any(person) {
            return Some("its owner has approved already");
        }
        if self.rules.requester == Requester::Excluded && is_requester {
            return Some("its owner is the one who asks");
        }
        let last = missing(demand, votes).iter().map(|(_, count)| *count).sum::<u32>() == 1;
        let asked = is_requester || votes.iter().any(|other| other.user == self.session.owner.user);
        if self.rules.requester == Requester::Required && last && !asked {
            return Some("the one who asks has to be among those who approve");
        }
        None
    }

    fn requester_is_content(&self, votes: &[Vote]) -> bool {
        let approves = votes.iter().any(|vote| vote.user == self.session.owner.user);
        match self.rules.requester {
            Requester::Any => true,
            Requester::Required => approves,
            Requester::Excluded => !approves,
        }
    }

    /// Tells whether whoever asks has given too many wrong answers, or may not ask any more.
    fn is_exhausted(&self, demand: &Demand) -> Result<bool, StoreError> {
        match &demand.asking {
            Asking::Token(token) => {
                let now = self.store.now();
                Ok(!self.store.token(&token.serial)?.is_some_and(|token| token.is_usable(now)))
            }
            Asking::Policy { max_fail } => {
                Ok(self.store.guesses(&self.subject(), self.rules.forget_after)? >= *max_fail)
            }
        }
    }

    fn subject(&self) -> String {
        format!("{}@{}", self.session.owner.user, self.session.owner.realm)
    }

    fn deny(&self, demand: &Demand, mut charges: Vec<String>, why: &str) -> Result<Outcome, StoreError> {
        let mut guess = None;
        match &demand.asking {
            Asking::Token(token) => charges.push(token.serial.clone()),
            Asking::Policy { .. } => guess = Some((self.subject(), self.rules.forget_after)),
        }
        self.log.info(format_args!("denied: {why}; charged: {}", charges.join(", ")));
        self.store.settle(&Settlement { charges, guess, denial: true, ..Settlement::default() })?;
        Ok(Outcome::Denied)
    }
}

impl Demand {
    /// Returns what a four-eyes token demands; `None` where its realms make no sense.
    pub fn of(token: Token) -> Option<Self> {
        let realms = Realms::parse(token.realms.as_deref()?).ok()?;
        let separator = token.separator.as_deref().and_then(|text| text.chars().next()).unwrap_or(' ');
        Some(Self { realms, separator, asking: Asking::Token(Box::new(token)) })
    }
}

fn vote(held: &Held) -> Vote {
    Vote {
        serial: held.token.serial.clone(),
        device: held.device_serial().to_owned(),
        user: held.token.user.clone(),
        realm: held.token.realm.clone(),
    }
}

/// Returns how many approvals of which realms are still missing, in the order of the demand.
fn missing(demand: &Demand, votes: &[Vote]) -> Vec<(String, u32)> {
    let given = |realm: &str| votes.iter().filter(|vote| vote.realm == realm).count();
    let left = |(realm, count): (&str, u32)| {
        let left = count.saturating_sub(u32::try_from(given(realm)).unwrap_or(u32::MAX));
        (left > 0).then(|| (realm.to_owned(), left))
    };
    demand.realms.iter().filter_map(left).collect()
}

fn prompt(demand: &Demand, votes: &[Vote]) -> String {
    let missing = missing(demand, votes);
    let realms: Vec<_> = missing.iter().map(|(realm, count)| format!("{realm} ({count})")).collect();
    format!("Approval is still missing from: {}. Enter user:PIN+code: ", realms.join(", "))
}
