//! A login with one's own tokens: PIN and code, a PIN alone, a challenge's answer, a static password.
//!
//! The order keeps the work the same whoever is meant. Codes are compared first, because that costs microseconds;
//! then argon2id runs once for each code that matched, and once where none did: over what would be the PIN, or over
//! the whole text where its length is that of a PIN or password of this user. A store without PINs hashes nothing.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::held::{Held, Match};
use super::pin::{Hashing, Stretched};
use super::{Outcome, Session, is_of};
use crate::logging::Log;
use crate::store::{
    Advance, Challenge, ChallengeKind, ChallengeStep, Charge, GuessBudget, GuessStep, Guesses, Sealer,
    Settlement, Store, StoreError, Token, TokenType,
};

/// The reason for a denial without a more specific one.
const DENIED: &str = "no token matched";
/// What a user with a challenge reads.
const PROMPT: &str = "Please enter the one-time password: ";

/// How logins with local tokens behave.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Whether a PIN alone starts a challenge.
    pub challenge_response: bool,
    /// How much of a target's limit wrong codes behind a right forward PIN may use up, in per cent; 0 for nothing.
    pub forward_share: u32,
}

/// Who pays for a denial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blame {
    /// The tokens that were meant.
    pub charges: Vec<Charge>,
    /// The budgets of wrong approvals, where it may have been one.
    pub guesses: Vec<GuessBudget>,
}

impl From<Vec<Charge>> for Blame {
    fn from(charges: Vec<Charge>) -> Self {
        Self { charges, guesses: Vec::new() }
    }
}

/// A login attempt.
pub struct Verifier<'a> {
    /// Where the tokens are.
    pub store: &'a Store<'a>,
    /// Where the reasons go.
    pub log: &'a Log,
    /// What was computed in this attempt.
    pub hashing: &'a Hashing<'a>,
    /// How to behave.
    pub rules: Rules,
}

/// What a look at the codes found.
pub enum Codes {
    /// No code matched; nothing was computed or changed.
    None,
    /// A token held, and it is settled.
    Settled(Outcome),
    /// Codes matched behind wrong PINs. Nothing is settled; these tokens are to be charged.
    WrongPin(Vec<Charge>),
}

/// What other readings of a text came to before it is read as a whole.
#[derive(Default)]
pub struct Earlier {
    /// Whether a code matched.
    pub matched: bool,
    /// Who pays.
    pub blame: Blame,
}

/// What a text without a code was.
pub enum Rest {
    /// It is settled.
    Settled(Outcome),
    /// It is the PIN of the four-eyes token of this number.
    Asks(usize),
}

/// The tokens that a challenge was made for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    tokens: Vec<OpenedToken>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenedToken {
    serial: String,
    /// See [`mark`].
    mark: String,
}

/// What is left to do when no code matched.
enum Without<'h> {
    Accept(&'h Held),
    Open(Vec<&'h Held>),
    Asks(usize),
    Deny(Vec<Charge>),
}

impl Verifier<'_> {
    /// Looks at a user's own tokens for one whose code a text ends in, and settles what comes of it if the PIN is
    /// right.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn with_code(&self, tokens: &[Token], text: &str) -> Result<Codes, StoreError> {
        let Some(sealer) = self.store.sealer()? else { return Ok(Codes::None) };
        let held = self.hold(sealer, tokens)?;
        let mut matches: Vec<(&Held, Match<'_>)> = Vec::new();
        for one in held.iter().filter(|one| one.is_usable(self.store.now())) {
            if let Some(found) = one.find_code(self.store, sealer, text)? {
                matches.push((one, found));
            }
        }
        if matches.is_empty() {
            return Ok(Codes::None);
        }
        let mut right = None;
        for (one, found) in &matches {
            let stretched = self.hashing.of(found.pin)?;
            if right.is_none() && one.pin_is(found.pin, stretched.as_deref()) {
                right = Some((one, found));
            }
        }
        match right {
            Some((one, found)) => self.accept(one, found.advance).map(Codes::Settled),
            // The PIN is the token's own affair: a forward's wrong PIN is nothing to its target.
            None => {
                let serials = matches.iter().map(|(one, _)| Charge::own(&one.token.serial));
                Ok(Codes::WrongPin(serials.collect()))
            }
        }
    }

    /// Does what remains when no code held: a static password, a PIN alone, or a denial, which is charged to the
    /// user's tokens and to `asking`, the user's four-eyes tokens, and to those that were found `earlier`.
    ///
    /// Where a code matched, the whole text is looked at only if it has the length of a PIN or password: one that
    /// ends in the digits of somebody's code would else be refused for as long as that is a code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn without_code(
        &self,
        session: Session<'_>,
        own: &[Token],
        asking_tokens: &[Token],
        text: &str,
        earlier: Earlier,
    ) -> Result<Rest, StoreError> {
        let (held, asking) = match self.store.sealer()? {
            Some(sealer) => (self.hold(sealer, own)?, self.hold(sealer, asking_tokens)?),
            None => (Vec::new(), Vec::new()),
        };
        let length = text.chars().count();
        let whole_fits = held.iter().chain(&asking).any(|one| one.fits_whole(length));
        if earlier.matched && !whole_fits {
            self.tell_reasons(own, text)?;
            return self.deny(earlier.blame, DENIED).map(Rest::Settled);
        }
        // Where only a server has codes, the PIN that was compared already is looked at, and nothing is computed anew.
        let here = || held.iter().find_map(|one| one.pin_part(text));
        let elsewhere = || held.iter().find_map(|one| one.pin_and_rest(text).map(|(pin, _)| pin));
        let pin = if whole_fits { None } else { here().or_else(elsewhere) };
        // If only a failure is counted, there is no second computation, because its time would reveal such users.
        if pin.is_some_and(|pin| !self.hashing.is_free(pin)) {
            return self.deny_and_charge(meant(&held, text), &asking, length, earlier).map(Rest::Settled);
        }
        let stretched = self.hashing.of(pin.unwrap_or(text))?;
        let what = match (pin, stretched.as_deref()) {
            (Some(pin), stretched) => Without::Deny(self.charges_by_pin(&held, text, pin, stretched)),
            (None, None) => Without::Deny(meant(&held, text)),
            (None, Some(stretched)) => self.whole(&held, &asking, text, stretched),
        };
        match what {
            Without::Accept(one) => self.accept(one, Advance::Count).map(Rest::Settled),
            Without::Open(tokens) => self.open(session, &tokens).map(Rest::Settled),
            Without::Asks(number) => Ok(Rest::Asks(number)),
            Without::Deny(charges) => {
                self.tell_reasons(own, text)?;
                self.tell_reasons(asking_tokens, text)?;
                self.deny_and_charge(charges, &asking, length, earlier).map(Rest::Settled)
            }
        }
    }

    fn deny_and_charge(
        &self,
        mut charges: Vec<Charge>,
        asking: &[Held],
        length: usize,
        earlier: Earlier,
    ) -> Result<Outcome, StoreError> {
        if earlier.matched || length == 0 {
            charges.clear();
        } else {
            charges.extend(asking.iter().map(|one| Charge::own(&one.token.serial)));
        }
        let Blame { charges: before, guesses } = earlier.blame;
        charges.extend(before);
        self.deny(Blame { charges, guesses }, DENIED)
    }

    /// Answers a challenge with a code alone, or with the password alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn answer(&self, challenge: &Challenge, text: &str) -> Result<Outcome, StoreError> {
        let Some(sealer) = self.store.sealer()? else { return self.deny(Blame::default(), "no tokens") };
        let Ok(opened) = serde_json::from_str::<Opened>(&challenge.data) else {
            return self.deny(Blame::default(), "the challenge is damaged");
        };
        let mut tokens = Vec::new();
        for one in &opened.tokens {
            // A token that went to somebody else, or got another PIN or secret, was not opened by this challenge.
            let still = |token: &Token| is_of(challenge, token) && mark(token) == one.mark;
            tokens.extend(self.store.token(&one.serial)?.filter(still));
        }
        let held = self.hold(sealer, &tokens)?;
        for one in held.iter().filter(|one| one.is_usable(self.store.now())) {
            let advance = if one.token.token_type == TokenType::Pw {
                let stretched = self.hashing.of(text)?;
                let right = stretched.is_some_and(|stretched| one.is_password(&stretched));
                right.then_some(Advance::Count)
            } else {
                let found = one.find_code(self.store, sealer, text)?;
                found.filter(|found| found.pin.is_empty()).map(|found| found.advance)
            };
            if let Some(advance) = advance {
                let finish = ChallengeStep::Finish { id: challenge.id.clone(), from: challenge.data.clone() };
                let settlement = Settlement {
                    uses: one.uses(self.store, advance)?,
                    challenge: Some(finish),
                    ..Settlement::default()
                };
                return self.settle_success(settlement, one);
            }
        }
        let charges: Vec<_> = held.iter().flat_map(|one| self.with_targets(one)).collect();
        self.tell_reasons(&tokens, text)?;
        self.deny(charges.into(), "wrong answer to the challenge")
    }

    pub(super) fn hold(&self, sealer: &Sealer, tokens: &[Token]) -> Result<Vec<Held>, StoreError> {
        tokens.iter().map(|token| Held::new(self.store, sealer, token.clone())).collect()
    }

    fn whole<'h>(&self, held: &'h [Held], asking: &[Held], text: &str, stretched: &Stretched) -> Without<'h> {
        let now = self.store.now();
        let has_pin = |one: &Held| one.has_pin() && one.pin_is(text, Some(stretched));
        let mut open = Vec::new();
        for one in held.iter().filter(|one| one.is_usable(now)) {
            match one.token.token_type {
                TokenType::Spass if has_pin(one) => return Without::Accept(one),
                TokenType::Pw if one.is_pin_and_password(stretched) => return Without::Accept(one),
                TokenType::Hotp
                | TokenType::Totp
                | TokenType::Pw
                | TokenType::Spass
                | TokenType::Registration
                | TokenType::Paper
                | TokenType::Forward
                | TokenType::FourEyes => {}
            }
            if one.can_answer() && has_pin(one) {
                open.push(one);
            }
        }
        if let Some(number) = asking.iter().position(has_pin) {
            return Without::Asks(number);
        }
        if self.rules.challenge_response && !open.is_empty() {
            return Without::Open(open);
        }
        Without::Deny(meant(held, text))
    }

    /// A right PIN with a wrong code is charged to the tokens that have this PIN, and to their targets; a PIN that is
    /// nobody's to the tokens that it could have been meant for.
    fn charges_by_pin(
        &self,
        held: &[Held],
        text: &str,
        pin: &str,
        stretched: Option<&Stretched>,
    ) -> Vec<Charge> {
        let is_meant = |one: &&Held| one.pin_part(text) == Some(pin) && one.pin_is(pin, stretched);
        let meant: Vec<_> = held.iter().filter(is_meant).collect();
        if meant.is_empty() {
            return self::meant(held, text);
        }
        meant.into_iter().flat_map(|one| self.with_targets(one)).collect()
    }

    /// The token, and a share of its targets' limits where the way to them is open: a locked forward must not charge its
    /// target as well.
    pub(super) fn with_targets(&self, one: &Held) -> Vec<Charge> {
        let share = self.rules.forward_share;
        let on_the_way = share > 0 && one.is_usable(self.store.now());
        let targets = one.targets.iter().filter(|_| on_the_way);
        let targets = targets.map(|token| Charge { serial: token.serial.clone(), share });
        std::iter::once(Charge::own(&one.token.serial)).chain(targets).collect()
    }

    fn open(&self, session: Session<'_>, tokens: &[&Held]) -> Result<Outcome, StoreError> {
        let serials: Vec<_> = tokens.iter().map(|one| one.token.serial.as_str()).collect();
        self.log.info(format_args!("right PIN for {}; the code is asked for", serials.join(", ")));
        let opened = |one: &&Held| OpenedToken { serial: one.token.serial.clone(), mark: mark(&one.token) };
        let opened = Opened { tokens: tokens.iter().map(opened).collect() };
        let data = serde_json::to_string(&opened).unwrap_or_default();
        let challenge = session.challenge(self.store, ChallengeKind::Otp, &serials, data)?;
        let id = challenge.id.clone();
        let challenge = Some(ChallengeStep::Begin(challenge));
        self.store.settle(&Settlement { challenge, ..Settlement::default() })?;
        Ok(Outcome::Challenge { id, prompt: PROMPT.to_owned() })
    }

    fn accept(&self, one: &Held, advance: Advance) -> Result<Outcome, StoreError> {
        self.settle_success(Settlement { uses: one.uses(self.store, advance)?, ..Settlement::default() }, one)
    }

    pub(super) fn settle_success(&self, settlement: Settlement, one: &Held) -> Result<Outcome, StoreError> {
        if !self.store.settle(&settlement)? {
            return self.deny(Blame::default(), "the code was used, or its token locked, concurrently");
        }
        let accepted = settlement.uses.iter().filter(|used| !matches!(used.advance, Advance::Shared(_)));
        let serials: Vec<_> = accepted.map(|used| used.serial.clone()).collect();
        let kind = one.token.token_type;
        self.log.info(format_args!("the {kind} token {} accepted", serials.join(" via ")));
        Ok(Outcome::Accepted(serials))
    }

    /// Denies where codes matched behind wrong PINs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn deny_pin(&self, own: &[Token], text: &str, charges: Blame) -> Result<Outcome, StoreError> {
        self.tell_reasons(own, text)?;
        self.deny(charges, "wrong PIN")
    }

    /// Denies, and charges the tokens that were meant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn deny(&self, blame: Blame, why: &str) -> Result<Outcome, StoreError> {
        self.hashing.at_least_one()?;
        let Blame { charges, guesses } = blame;
        let charged: Vec<_> = charges.iter().map(|one| one.serial.as_str()).collect();
        let charged = if charged.is_empty() { "none".to_owned() } else { charged.join(", ") };
        self.log.info(format_args!("denied: {why}; failure counted for: {charged}"));
        let guesses = Some(Guesses { budgets: guesses, step: GuessStep::Wrong });
        let settlement = Settlement { charges, guesses, denial: true, ..Settlement::default() };
        self.store.settle(&settlement)?;
        self.tell_locks(&settlement.charges)?;
        Ok(Outcome::Denied)
    }
}

/// Tells a token from what is enrolled later under its serial, or has another PIN, secret or target.
pub(super) fn mark(token: &Token) -> String {
    let pin = token.sealed_pin.as_deref().unwrap_or_default();
    let target = token.target.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [token.sealed_secret.as_slice(), pin, target.as_bytes()] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(hash.finalize().first_chunk::<16>().map_or(&[], |chunk| chunk.as_slice()))
}

/// The tokens that a text could have been meant for, by its form; all, if it fits none.
fn meant(held: &[Held], text: &str) -> Vec<Charge> {
    let length = text.chars().count();
    let fits = |one: &&Held| one.fits(length) || one.pin_part(text).is_some();
    let charge = |one: &Held| Charge::own(&one.token.serial);
    let fitting: Vec<_> = held.iter().filter(fits).map(charge).collect();
    if fitting.is_empty() && length > 0 {
        return held.iter().map(charge).collect();
    }
    fitting
}
