//! Four eyes: several people's codes, all at once or one after the other.
//!
//! Only one-time codes are approvals: what is typed here is typed on somebody else's terminal, and a static password
//! would stay with them. An approval is one device's and one person's, for one session of one user; it is used up in
//! the transaction that counts it. A wrong answer uses up no code. It is charged to the four-eyes token that asks, and
//! to budgets of wrong approvals: of the one who asks, of the approver who is named, of the client address, and of the
//! demand. The fail counters of approvers' tokens are left alone, so that nobody's own login is lost by it.

mod demand;
mod elsewhere;
mod reading;

use serde::{Deserialize, Serialize};

use demand::Vote;
pub use demand::{Asking, Budgets, Demand, Distinct, RequesterRule, Rules};
pub use elsewhere::Ballot;
use reading::{Aimed, Found, Offer, Reading};

use super::pin::Hashing;
use super::reasons::tell_locks;
use super::{Outcome, Session};
use crate::logging::Log;
use crate::names::{CountKey, fold};
use crate::store::{
    Advance, BudgetKind, Challenge, ChallengeKind, ChallengeStep, Charge, GuessBudget, GuessStep, Guesses,
    Sealer, Settlement, Store, StoreError, Use,
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
    /// No code matched, and nothing was computed or changed: the text may be something else. If it is nothing else, these
    /// budgets pay.
    Nothing(Vec<GuessBudget>),
    /// Codes matched, but they are not the approvals. Nothing was changed; these budgets are to pay.
    Wrong(Vec<GuessBudget>),
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
            return self.refuse_unseen();
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
            return match demand.asking {
                // It may be a login of one's own.
                Asking::Token(_) => Ok(First::Nothing(Vec::new())),
                Asking::Policy => self.refuse_unseen().map(First::Settled),
            };
        }
        let pays = |aimed: &Aimed| self.budgets(demand, aimed);
        let nobody = Aimed::default();
        let Some(sealer) = self.sealer(demand)? else { return Ok(First::Nothing(pays(&nobody))) };
        let most = usize::try_from(demand.count_missing(&[]).min(MAX_PARTS)).unwrap_or_default();
        let parts = text.split(demand.separator).filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.take(most.saturating_add(1)).collect();
        if parts.len() > most {
            return Ok(First::Nothing(pays(&nobody)));
        }
        let (mut found, mut voters) = (Vec::new(), Vec::new());
        for part in &parts {
            match self.find(sealer, demand, &[], part)? {
                Found::Here(candidates) => found.push(candidates),
                Found::Elsewhere(voter) => voters.push(voter),
            }
        }
        if voters.is_empty() && found.iter().all(|found| found.tokens.is_empty()) {
            if self.is_spent(demand, &[], &parts)? {
                return self.refuse_spent().map(First::Settled);
            }
            let named = found.into_iter().next().map(|found| found.aimed).unwrap_or_default();
            return Ok(First::Nothing(pays(&named)));
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
        if let Some(aimed) = wrong {
            if self.is_spent(demand, &[], &parts)? {
                return self.refuse_spent().map(First::Settled);
            }
            return Ok(First::Wrong(pays(&aimed)));
        }
        let votes = offers.iter().map(|offer| &offer.vote);
        let Some(ballot) = self.ballot(demand, None, Vec::new(), offers.clone(), &voters)? else {
            return Ok(First::Wrong(pays(&nobody)));
        };
        let votes: Vec<_> = votes.chain(ballot.voters()).cloned().collect();
        if parts.len() > 1 && demand.count_missing(&votes) > 0 {
            return Ok(First::Wrong(pays(&nobody)));
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
            return self.refuse_unseen().map(Next::Settled);
        }
        let votes = self.standing(demand, progress.votes)?;
        let reading = match self.sealer(demand)? {
            None => Reading::Wrong(Aimed::default()),
            Some(sealer) => match self.find(sealer, demand, &votes, text)? {
                Found::Here(candidates) => self.judge(demand, &votes, candidates)?,
                Found::Elsewhere(voter) => {
                    match self.ballot(demand, Some(challenge), votes.clone(), Vec::new(), &[voter])? {
                        Some(ballot) => return Ok(Next::Ask(Box::new(ballot))),
                        None => Reading::Wrong(Aimed::default()),
                    }
                }
            },
        };
        let outcome = match reading {
            Reading::Offer(offer) => self.go_on(demand, Some(challenge), votes, vec![offer]),
            Reading::Wrong(_) if self.is_spent(demand, &votes, &[text])? => {
                self.refuse_spent()?;
                Ok(Outcome::Challenge { id: challenge.id.clone(), prompt: demand.prompt(&votes) })
            }
            Reading::Wrong(aimed) => self.ask_again(demand, challenge, &votes, &aimed),
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
        aimed: &Aimed,
    ) -> Result<Outcome, StoreError> {
        self.deny(demand, self.budgets(demand, aimed), "no approval")?;
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

    /// Denies, and charges the four-eyes token that asks and the budgets that pay.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn deny(&self, demand: &Demand, pays: Vec<GuessBudget>, why: &str) -> Result<Outcome, StoreError> {
        self.hashing.at_least_one()?;
        let charges = match &demand.asking {
            Asking::Token(token) => vec![Charge::own(&token.serial)],
            Asking::Policy => Vec::new(),
        };
        let charged: Vec<_> = charges.iter().map(|one| one.serial.as_str()).collect();
        self.log.info(format_args!("denied: {why}; failure counted for: {}", charged.join(", ")));
        let guesses = Some(Guesses { budgets: pays, step: GuessStep::Wrong });
        let settlement = Settlement { charges, guesses, denial: true, ..Settlement::default() };
        self.store.settle(&settlement)?;
        tell_locks(self.store, self.log, &settlement.charges)?;
        Ok(Outcome::Denied)
    }

    /// Denies without a charge: a budget is used up, and the text was not looked at.
    fn refuse_unseen(&self) -> Result<Outcome, StoreError> {
        self.deny_for_free("too many wrong answers")
    }

    /// Denies without a charge: the approval was right, and somebody used its code at the same moment.
    fn refuse_spent(&self) -> Result<Outcome, StoreError> {
        self.deny_for_free("the code of the approval was already used")
    }

    fn deny_for_free(&self, why: &str) -> Result<Outcome, StoreError> {
        self.hashing.at_least_one()?;
        self.log.info(format_args!("denied: {why}; failure counted for: none"));
        self.store.settle(&Settlement { denial: true, ..Settlement::default() })?;
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
        let mut unnamed = Vec::new();
        for offer in offers {
            let Vote { serial, user, realm, .. } = &offer.vote;
            self.log.info(format_args!("approval by {user}@{realm} with token {serial}"));
            settlement.uses.extend(offer.uses);
            unnamed.extend(offer.unnamed);
            votes.push(offer.vote);
        }
        // Who asks decides which approvals count, so it has to be known.
        if let Some(why) = self.session.requester.unknown() {
            self.log
                .warning(format_args!("approvals are not accepted, because the user has no identity: {why}"));
            return self.deny_for_free("the user cannot be mapped to an identity");
        }
        let complete = demand.count_missing(&votes) == 0 && self.rules.is_content(self.session, &votes);
        let asking = match &demand.asking {
            Asking::Token(token) => Some(token.serial.clone()),
            Asking::Policy => None,
        };
        let budgets = self.budgets(demand, &Aimed { unnamed, ..Aimed::at(&votes) });
        if self.is_used_up(&budgets)? {
            return self.refuse_unseen();
        }
        settlement.guesses =
            Some(Guesses { budgets, step: if complete { GuessStep::Clear } else { GuessStep::Within } });
        if complete {
            settlement
                .uses
                .extend(asking.iter().map(|serial| Use { serial: serial.clone(), advance: Advance::Count }));
            settlement.challenge = challenge.map(|challenge| ChallengeStep::Finish {
                id: challenge.id.clone(),
                from: challenge.data.clone(),
            });
            if !self.store.settle(&settlement)? {
                return self.deny_for_free("a code or the chain was used concurrently");
            }
            let realms = votes.iter().map(|vote| vote.realm.clone()).collect();
            let serials = votes.into_iter().map(|vote| vote.serial).chain(asking).collect::<Vec<_>>();
            self.log.info(format_args!("all approvals are there: {}", serials.join(", ")));
            return Ok(Outcome::Approved { serials, realms });
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
            return self.deny_for_free("a code or the chain was used concurrently");
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
            match self.rules.objection(demand, self.session, &standing, &vote) {
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

    /// Tells whether a budget of this demand is used up, or the token that asks may not ask any more.
    fn is_exhausted(&self, demand: &Demand) -> Result<bool, StoreError> {
        if let Asking::Token(token) = &demand.asking {
            let now = self.store.now();
            if !self.store.token(&token.serial)?.is_some_and(|token| token.is_usable(now)) {
                return Ok(true);
            }
        }
        self.is_used_up(&self.budgets(demand, &Aimed::default()))
    }

    /// Tells whether one of these budgets is used up, and tells the operator which.
    fn is_used_up(&self, budgets: &[GuessBudget]) -> Result<bool, StoreError> {
        let used_up = self.store.used_up(budgets)?;
        if let Some(budget) = used_up {
            let subject = crate::logging::Short(&budget.subject);
            let whose = match budget.kind {
                BudgetKind::Name => "asked for by",
                BudgetKind::Approver => "in the name of",
                BudgetKind::Client => "from",
                BudgetKind::Unnamed => "without a user name in the realm",
                BudgetKind::Demand => "for",
            };
            self.log.warning(format_args!(
                "approvals are temporarily refused: too many wrong ones {whose} {subject}"
            ));
        }
        Ok(used_up.is_some())
    }

    /// The budgets that a wrong approval is charged to, and a right one has to be within.
    fn budgets(&self, demand: &Demand, aimed: &Aimed) -> Vec<GuessBudget> {
        let Budgets { per_name, per_approver, per_client, per_demand, forget_after, unnamed: _ } =
            self.rules.budgets;
        let budget = |kind, subject: String, limit| GuessBudget { kind, subject, limit, forget_after };
        let mut budgets = Vec::new();
        match &demand.asking {
            Asking::Token(token) => {
                budgets.push(budget(BudgetKind::Demand, format!("token {}", token.serial), per_demand));
            }
            Asking::Policy => {
                let asker = CountKey::of(&self.session.owner.user).as_str().to_owned();
                budgets.push(budget(BudgetKind::Name, asker, per_name));
                budgets.push(budget(BudgetKind::Demand, format!("realms {}", demand.realms), per_demand));
            }
        }
        if !self.session.client_ip.is_empty() {
            budgets.push(budget(BudgetKind::Client, self.session.client_ip.to_owned(), per_client));
        }
        let mut realms: Vec<&String> = Vec::new();
        for realm in &aimed.unnamed {
            if !realms.contains(&realm) {
                realms.push(realm);
                budgets.push(self.unnamed_budget(realm));
            }
        }
        let mut known: Vec<&CountKey> = Vec::new();
        for approver in aimed.approvers.iter().filter(|approver| !approver.as_str().is_empty()) {
            if !known.contains(&approver) {
                known.push(approver);
                budgets.push(budget(BudgetKind::Approver, approver.as_str().to_owned(), per_approver));
            }
        }
        budgets
    }

    /// The budget of codes without a name in a realm: each is a guess at the codes of all users without a PIN there.
    fn unnamed_budget(&self, realm: &str) -> GuessBudget {
        let Budgets { unnamed: limit, forget_after, .. } = self.rules.budgets;
        GuessBudget { kind: BudgetKind::Unnamed, subject: fold(realm), limit, forget_after }
    }
}
