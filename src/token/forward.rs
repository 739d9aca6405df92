//! A forward token that leads out of the store: PIN here, the rest at the server.
//!
//! The PIN is what the text begins with, in the length of the token's own PIN, and costs the one argon2id that every
//! attempt costs. Only behind a right PIN is there an [`Enquiry`]; the server's answer is taken in a second step, so
//! that nothing is locked while the server thinks. What the server is asked behind a challenge needs no PIN again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::elsewhere::{Enquiry, Given, Reply, Target};
use super::held::Held;
use super::verify::{Blame, Verifier, mark};
use super::{Outcome, Session, is_of};
use crate::store::{Advance, Challenge, ChallengeKind, ChallengeStep, Settlement, StoreError, Token};

/// A right PIN, or an answer to a server's question; the server has not been asked yet.
pub struct Forwarded<'p> {
    held: Held,
    /// The question that is answered.
    challenge: Option<Challenge>,
    /// What the server is to be asked.
    pub enquiry: Enquiry<'p>,
}

/// What is kept of a server's question.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    serial: String,
    /// See [`mark`].
    mark: String,
    /// Where the token led when the question was asked.
    target: String,
    /// The server's own.
    state: Option<Value>,
}

impl Verifier<'_> {
    /// Looks for a forward token that leads to a server, and whose PIN a text begins with.
    ///
    /// What is a PIN or password of the user's other tokens as it is does not leave this machine. A forward token
    /// without PIN would take every text; where it may be something else, it `needs_pin`. A PIN alone is for the server
    /// to make a question of, if a PIN alone may start a challenge here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn with_server<'p>(
        &self,
        own: &[Token],
        asking: &[Token],
        text: &'p str,
        needs_pin: bool,
    ) -> Result<Option<Forwarded<'p>>, StoreError> {
        let Some(sealer) = self.store.sealer()? else { return Ok(None) };
        let mut leads_out = self.hold(sealer, own)?;
        leads_out.retain(|one| one.elsewhere.is_some());
        if leads_out.is_empty() || self.is_ones_own(own, asking, text)? {
            return Ok(None);
        }
        // One without PIN takes every text, and so comes last.
        leads_out.sort_by_key(|one| !one.has_pin());
        for one in leads_out {
            let (Some((pin, rest)), Some(target)) = (one.pin_and_rest(text), one.elsewhere.clone()) else {
                continue;
            };
            let stretched = if one.has_pin() { self.hashing.of(pin)? } else { None };
            if !one.pin_is(pin, stretched.as_deref()) || (needs_pin && !one.has_pin()) {
                continue;
            }
            let starts_something = !rest.is_empty() || !one.has_pin() || self.rules.challenge_response;
            if !one.is_usable(self.store.now()) || !starts_something {
                // A PIN that is known to be this token's is not for the next one's server.
                if one.has_pin() {
                    return Ok(None);
                }
                continue;
            }
            let enquiry = Enquiry { target, may_be_serial: true, password: rest, state: None };
            return Ok(Some(Forwarded { held: one, challenge: None, enquiry }));
        }
        Ok(None)
    }

    /// Tells whether a text as it is belongs to one of the tokens of the store: as its static password, or as its PIN,
    /// whatever a PIN alone does now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_ones_own(&self, own: &[Token], asking: &[Token], text: &str) -> Result<bool, StoreError> {
        let Some(sealer) = self.store.sealer()? else { return Ok(false) };
        let mut local = self.hold(sealer, own)?;
        local.append(&mut self.hold(sealer, asking)?);
        let length = text.chars().count();
        local.retain(|one| one.elsewhere.is_none() && one.fits_whole(length));
        if local.is_empty() {
            return Ok(false);
        }
        let Some(stretched) = self.hashing.of(text)? else { return Ok(false) };
        let is_it = |one: &Held| {
            (one.has_pin() && one.pin_is(text, Some(&stretched))) || one.is_pin_and_password(&stretched)
        };
        Ok(local.iter().any(is_it))
    }

    /// Takes the answer to a server's question.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn resume<'p>(
        &self,
        challenge: &Challenge,
        text: &'p str,
    ) -> Result<Result<Forwarded<'p>, Outcome>, StoreError> {
        let Some(sealer) = self.store.sealer()? else {
            return self.deny(Blame::default(), "no tokens").map(Err);
        };
        let Ok(asked) = serde_json::from_str::<Asked>(&challenge.data) else {
            return self.deny(Blame::default(), "the challenge is damaged").map(Err);
        };
        let token = self
            .store
            .token(&asked.serial)?
            .filter(|token| is_of(challenge, token) && mark(token) == asked.mark);
        let held = token.map(|token| Held::new(self.store, sealer, token)).transpose()?;
        let held = held.filter(|one| one.is_usable(self.store.now()));
        let Some((held, target)) = held.and_then(|one| {
            let target = one.elsewhere.clone()?;
            (target.to_string() == asked.target).then_some((one, target))
        }) else {
            return self
                .deny(Blame::default(), "the forward token is locked, or was changed meanwhile")
                .map(Err);
        };
        let enquiry = Enquiry { target, may_be_serial: true, password: text, state: asked.state };
        Ok(Ok(Forwarded { held, challenge: Some(challenge.clone()), enquiry }))
    }

    /// Settles what the server answered. Its no is charged to the forward token, and where that is configured to those
    /// between it and the server; no other token of the store has a part in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn conclude(
        &self,
        session: Session<'_>,
        forwarded: Forwarded<'_>,
        reply: Reply,
    ) -> Result<Outcome, StoreError> {
        let Forwarded { held, challenge, enquiry } = forwarded;
        match reply {
            Reply::Yes(Given { serials, code: _ }) => {
                let finish = challenge.map(|one| ChallengeStep::Finish { id: one.id, from: one.data });
                let uses = held.uses(self.store, Advance::Count)?;
                let settlement = Settlement { uses, challenge: finish, ..Settlement::default() };
                let mut outcome = self.settle_success(settlement, &held)?;
                if let Outcome::Accepted(known) = &mut outcome {
                    let service = &enquiry.target.service;
                    known.extend(serials.iter().map(|serial| format!("{service}:{serial}")));
                }
                Ok(outcome)
            }
            Reply::No => self.deny(self.with_targets(&held).into(), "rejected by the server"),
            Reply::Asks(state) => self.keep(session, &held, challenge.as_ref(), &enquiry.target, state),
        }
    }

    fn keep(
        &self,
        session: Session<'_>,
        held: &Held,
        before: Option<&Challenge>,
        target: &Target,
        state: Option<Value>,
    ) -> Result<Outcome, StoreError> {
        let serial = held.token.serial.clone();
        let data = Asked { serial, mark: mark(&held.token), target: target.to_string(), state };
        let data = serde_json::to_string(&data).unwrap_or_default();
        let serial = held.token.serial.as_str();
        self.log.info(format_args!("right PIN for {serial}; {target} has a question"));
        let (id, step) = match before {
            None => {
                let challenge = session.challenge(self.store, ChallengeKind::Forward, &[serial], data)?;
                (challenge.id.clone(), ChallengeStep::Begin(challenge))
            }
            Some(before) => {
                let expires = self.store.now().plus_seconds(session.challenge_validity);
                let to = Challenge { data, expires, ..before.clone() };
                (to.id.clone(), ChallengeStep::GoOn { from: before.data.clone(), to })
            }
        };
        let needs =
            std::iter::once(&held.token).chain(&held.targets).map(|token| token.serial.clone()).collect();
        let settlement = Settlement { needs, challenge: Some(step), ..Settlement::default() };
        if !self.store.settle(&settlement)? {
            return self
                .deny(Blame::default(), "the token was locked, or the question answered, concurrently");
        }
        // The text is the server's, which this layer does not have.
        Ok(Outcome::Challenge { id, prompt: String::new() })
    }
}
