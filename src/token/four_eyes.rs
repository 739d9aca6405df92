//! Four eyes: several people's codes, all at once or one after the other.
//!
//! Only one-time codes are approvals: what is typed here is typed on somebody else's terminal, and a static password
//! would stay with them. An approval is one device's and one person's, for one session of one user; it is used up in
//! the transaction that counts it. A wrong answer burns nobody's code, and is charged to the token that asks (and to
//! the tokens of the person it names), never to the rest of a realm.

mod demand;
mod elsewhere;
mod reading;

use serde::{Deserialize, Serialize};

use demand::Vote;
pub use demand::{Asking, Demand, Distinct, RequesterRule, Rules};
pub use elsewhere::Ballot;
use reading::{Found, Offer, Reading};

use super::pin::Hashing;
use super::reasons::tell_locks;
use super::{Outcome, Session};
use crate::logging::Log;
use crate::names::CountKey;
use crate::store::{
    Advance, Challenge, ChallengeKind, ChallengeStep, GuessStep, Guesses, Sealer, Settlement, Store,
    StoreError, Use,
};

/// How many passwords a text that is typed all at once may have.
const MAX_PARTS: u64 = 20;

/// What a chain of approvals keeps in the store.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// The token that asks; `None` where the configuration does.
    asking: Option<String>,
    votes: Vec<Vote>,
}

/// What a first text was.
pub enum First<'p> {
    /// No code matched, and nothing was computed or changed: the text may be something else. The tokens of the person
    /// it names, if it names one.
    Nothing(Vec<String>),
    /// Codes matched, but they are not the approvals. Nothing was changed; these tokens are to be charged.
    Wrong(Vec<String>),
    /// Nothing is wrong that can be told here, and servers have to be asked.
    Ask(Box<Ballot<'p>>),
    /// It is settled.
    Settled(Outcome),
}

/// What a later text was.
pub enum Next<'p> {
    /// Nothing is wrong that can be told here, and a server has to be asked.
    Ask(Box<Ballot<'p>>),
    /// It is settled.
    Settled(Outcome),
}

/// Collects approvals.
pub struct Approvals<'a> {
    /// Where the tokens are.
    pub store: &'a Store<'a>,
    /// Where the reasons go.
    pub log: &'a Log,
    /// What was computed in this attempt.
    pub hashing: &'a Hashing<'a>,
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
        if self.sealer(demand)?.is_none() {
            return self.deny(demand, Vec::new(), "there are no tokens to approve with");
        }
        if self.is_exhausted(demand)? {
            return self.deny(demand, Vec::new(), "too many wrong answers");
        }
        self.go_on(demand, None, Vec::new(), Vec::new())
    }

    /// Takes the first text: all passwords at once, or the first of them.
    ///
    /// All of them are judged before anything is said, so that a denial does not tell which one was wrong.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn first<'p>(&self, demand: &Demand, text: &'p str) -> Result<First<'p>, StoreError> {
        if self.is_exhausted(demand)? {
            return self.deny(demand, Vec::new(), "too many wrong answers").map(First::Settled);
        }
        let Some(sealer) = self.sealer(demand)? else { return Ok(First::Nothing(Vec::new())) };
        let most = usize::try_from(demand.count_missing(&[]).min(MAX_PARTS)).unwrap_or_default();
        let parts = text.split(demand.separator).filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.take(most.saturating_add(1)).collect();
        if parts.len() > most {
            return Ok(First::Nothing(Vec::new()));
        }
        let (mut found, mut voters) = (Vec::new(), Vec::new());
        for part in &parts {
            match self.find(sealer, demand, &[], part)? {
                Found::Here(candidates) => found.push(candidates),
                Found::Elsewhere(voter) => voters.push(voter),
            }
        }
        if voters.is_empty() && found.iter().all(|found| found.tokens.is_empty()) {
            return Ok(First::Nothing(found.into_iter().next().map(|found| found.named).unwrap_or_default()));
        }
        let mut offers: Vec<Offer> = Vec::new();
        let mut wrong = None;
        for found in found {
            let votes: Vec<_> = offers.iter().map(|offer| offer.vote.clone()).collect();
            match self.judge(demand, &votes, found)? {
                Reading::Offer(offer) => offers.push(offer),
                // The first one that is wrong pays: a text of twenty names must not cost twenty people.
                Reading::Wrong(named) => wrong = wrong.or(Some(named)),
            }
        }
        if let Some(named) = wrong {
            return Ok(First::Wrong(named));
        }
        let votes = offers.iter().map(|offer| &offer.vote);
        let Some(ballot) = self.ballot(demand, None, Vec::new(), offers.clone(), &voters) else {
            return Ok(First::Wrong(Vec::new()));
        };
        let votes: Vec<_> = votes.chain(ballot.voters()).cloned().collect();
        if parts.len() > 1 && demand.count_missing(&votes) > 0 {
            return Ok(First::Wrong(Vec::new()));
        }
        if voters.is_empty() {
            return self.go_on(demand, None, Vec::new(), offers).map(First::Settled);
        }
        Ok(First::Ask(Box::new(ballot)))
    }

    /// Takes the next answer of a chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn answer<'p>(
        &self,
        demand: &Demand,
        challenge: &Challenge,
        text: &'p str,
    ) -> Result<Next<'p>, StoreError> {
        let Ok(progress) = serde_json::from_str::<Progress>(&challenge.data) else {
            return self.deny(demand, Vec::new(), "the chain is damaged").map(Next::Settled);
        };
        if self.is_exhausted(demand)? {
            return self.deny(demand, Vec::new(), "too many wrong answers").map(Next::Settled);
        }
        let votes = self.standing(demand, progress.votes)?;
        let reading = match self.sealer(demand)? {
            None => Reading::Wrong(Vec::new()),
            Some(sealer) => match self.find(sealer, demand, &votes, text)? {
                Found::Here(candidates) => self.judge(demand, &votes, candidates)?,
                Found::Elsewhere(voter) => {
                    match self.ballot(demand, Some(challenge), votes.clone(), Vec::new(), &[voter]) {
                        Some(ballot) => return Ok(Next::Ask(Box::new(ballot))),
                        None => Reading::Wrong(Vec::new()),
                    }
                }
            },
        };
        let outcome = match reading {
            Reading::Offer(offer) => self.go_on(demand, Some(challenge), votes, vec![offer]),
            Reading::Wrong(named) => self.ask_again(demand, challenge, &votes, named),
        };
        outcome.map(Next::Settled)
    }

    /// Denies, and asks once more for what is missing: the token that asks has paid, and as long as it can, the answer
    /// may be tried again.
    fn ask_again(
        &self,
        demand: &Demand,
        challenge: &Challenge,
        votes: &[Vote],
        named: Vec<String>,
    ) -> Result<Outcome, StoreError> {
        self.deny(demand, named, "no approval")?;
        if self.is_exhausted(demand)? {
            return Ok(Outcome::Denied);
        }
        Ok(Outcome::Challenge { id: challenge.id.clone(), prompt: demand.prompt(votes) })
    }

    /// Finds what a chain in the store was begun for: the token that asks, or `policy`. `None` where that is not what
    /// is asked for now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn demand_of(
        &self,
        challenge: &Challenge,
        policy: Option<Demand>,
    ) -> Result<Option<Demand>, StoreError> {
        let Ok(progress) = serde_json::from_str::<Progress>(&challenge.data) else { return Ok(None) };
        match (progress.asking, policy) {
            (None, policy) => Ok(policy),
            (Some(_), Some(_)) => Ok(None),
            (Some(serial), None) => {
                let owner = self.session.owner;
                let token = self.store.token(&serial)?;
                let own = token.filter(|token| owner.owns(token, self.session.people));
                Ok(own.and_then(Demand::of))
            }
        }
    }

    /// Denies, and charges whoever asks and `charges`. Whoever has no more tries is not charged for trying.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn deny(&self, demand: &Demand, mut charges: Vec<String>, why: &str) -> Result<Outcome, StoreError> {
        self.hashing.at_least_one()?;
        let mut guesses = None;
        match &demand.asking {
            Asking::Token(token) => charges.push(token.serial.clone()),
            Asking::Policy { .. } if self.is_exhausted(demand)? => {}
            Asking::Policy { .. } => guesses = Some(self.guesses(GuessStep::Wrong)),
        }
        self.log.info(format_args!("denied: {why}; charged: {}", charges.join(", ")));
        let settlement = Settlement { charges, guesses, denial: true, ..Settlement::default() };
        self.store.settle(&settlement)?;
        tell_locks(self.store, self.log, &settlement.charges)?;
        Ok(Outcome::Denied)
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
        // Who asks decides which approvals count, so it has to be known.
        if let Some(why) = self.session.requester.unknown() {
            self.log.warning(format_args!(
                "approvals are not counted, the user is not mapped to an identity: {why}"
            ));
            return self.deny(demand, Vec::new(), "the user cannot be mapped to an identity");
        }
        let complete =
            demand.count_missing(&votes) == 0 && self.rules.is_content(self.session.requester, &votes);
        let asking = match &demand.asking {
            Asking::Token(token) => Some(token.serial.clone()),
            Asking::Policy { max_fail } => {
                let step = if complete { GuessStep::Clear(*max_fail) } else { GuessStep::Within(*max_fail) };
                settlement.guesses = Some(self.guesses(step));
                None
            }
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
        settlement.needs.extend(asking.clone());
        let prompt = demand.prompt(&votes);
        let now = self.store.now();
        let serials: Vec<_> = votes.iter().map(|vote| vote.serial.clone()).chain(asking.clone()).collect();
        let data = serde_json::to_string(&Progress { asking, votes }).unwrap_or_default();
        let (id, step) = match challenge {
            None => {
                let serials: Vec<_> = serials.iter().map(String::as_str).collect();
                let kind = ChallengeKind::FourEyes;
                let challenge = self.session.challenge(self.store, kind, &serials, data)?;
                (challenge.id.clone(), ChallengeStep::Begin(challenge))
            }
            Some(challenge) => {
                let expires = now.plus_seconds(self.session.challenge_validity);
                let to = Challenge { data, expires, ..challenge.clone() };
                (to.id.clone(), ChallengeStep::GoOn { from: challenge.data.clone(), to })
            }
        };
        settlement.challenge = Some(step);
        if !self.store.settle(&settlement)? {
            return self.deny(demand, Vec::new(), "a code or the chain was used at the same time");
        }
        Ok(Outcome::Challenge { id, prompt })
    }

    /// Returns the approvals that still count: of tokens that are enabled and their owner's, under the rules of now.
    fn standing(&self, demand: &Demand, votes: Vec<Vote>) -> Result<Vec<Vote>, StoreError> {
        let mut standing: Vec<Vote> = Vec::new();
        for vote in votes {
            let token = self.store.token(&vote.serial)?;
            let is_theirs = token
                .is_some_and(|token| token.enabled && token.user == vote.user && token.realm == vote.realm);
            let requester = self.session.requester;
            match self.rules.objection(demand, requester, &standing, &vote) {
                // A server's approval was used up there and cannot be asked for again.
                None if is_theirs || vote.is_elsewhere() => standing.push(vote),
                None => self.log.info(format_args!("the approval with {} counts no more", vote.serial)),
                Some(why) => self.log.info(format_args!("token {} counts no more: {why}", vote.serial)),
            }
        }
        Ok(standing)
    }

    /// The key of the store. Where servers approve, there may be no tokens yet, and a chain needs the key all the same.
    fn sealer(&self, demand: &Demand) -> Result<Option<&Sealer>, StoreError> {
        if demand.realms.services().next().is_some() {
            return self.store.sealer_or_create().map(Some);
        }
        self.store.sealer()
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

    fn guesses(&self, step: GuessStep) -> Guesses {
        Guesses { subject: self.subject(), forget_after: self.rules.forget_after, step }
    }

    /// Whose guesses are counted: the name alone, however it is written and whatever the realm.
    fn subject(&self) -> String {
        CountKey::of(&self.session.owner.user).as_str().to_owned()
    }
}
