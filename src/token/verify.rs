//! A login with one's own tokens: PIN and code, a PIN alone, a challenge's answer, a static password.
//!
//! The order keeps the work the same whoever is meant. Codes are compared first, because that costs microseconds;
//! then argon2id runs once for each code that matched, and once where none did: over what would be the PIN, or over
//! the whole text where its length is that of a PIN or password of this user. A store without PINs hashes nothing.

use serde::{Deserialize, Serialize};

use super::held::{Held, Match};
use super::pin::Stretched;
use super::{Outcome, Session};
use crate::logging::Log;
use crate::store::{
    Advance, Challenge, ChallengeKind, ChallengeStep, Sealer, Settlement, Store, StoreError, Token, TokenType,
};

/// What a user with a challenge reads.
const PROMPT: &str = "Please enter the one-time password: ";

/// How logins with local tokens behave.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Whether a PIN alone starts a challenge.
    pub challenge_response: bool,
    /// Whether a wrong code behind a right forward PIN is charged to the target too.
    pub forward_failcounter: bool,
}

/// A login attempt.
pub struct Verifier<'a> {
    /// Where the tokens are.
    pub store: &'a Store<'a>,
    /// Where the reasons go.
    pub log: &'a Log,
    /// How to behave.
    pub rules: Rules,
}

#[derive(Serialize, Deserialize)]
struct OpenTokens {
    serials: Vec<String>,
}

/// What is left to do when no code matched.
enum Without<'h> {
    Accept(&'h Held),
    Open(Vec<&'h Held>),
    Deny(Vec<String>),
}

impl Verifier<'_> {
    /// Looks at a user's own tokens for one whose code a text ends in, and settles what comes of it; `None` if no
    /// code matched, and then nothing is computed or changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn with_code(&self, tokens: &[Token], text: &str) -> Result<Option<Outcome>, StoreError> {
        let Some(sealer) = self.store.sealer()? else { return Ok(None) };
        let held = self.hold(sealer, tokens)?;
        let mut matches = Vec::new();
        for one in held.iter().filter(|one| one.is_usable(self.store.now())) {
            if let Some(found) = one.find_code(self.store, sealer, text)? {
                matches.push((one, found));
            }
        }
        if matches.is_empty() { Ok(None) } else { self.settle_matches(&matches).map(Some) }
    }

    /// Does what remains when no code matched: a static password, a PIN alone, or a denial, which is charged to the
    /// user's tokens and to `also`.
    ///
    /// `opens` is asked whether the stretched text is the PIN of something else that it may open.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn without_code<T>(
        &self,
        session: Session<'_>,
        tokens: &[Token],
        text: &str,
        also: Option<&Token>,
        opens: impl FnOnce(&Stretched) -> Result<Option<T>, StoreError>,
    ) -> Result<Result<Outcome, T>, StoreError> {
        let sealer = self.store.sealer()?;
        let held = match sealer {
            Some(sealer) => self.hold(sealer, tokens)?,
            None => Vec::new(),
        };
        let length = text.chars().count();
        let whole_fits = also.is_some() || held.iter().any(|one| one.fits_whole(length));
        let pin = if whole_fits { None } else { held.iter().find_map(|one| one.pin_part(text)) };
        let stretched = match self.store.has_pins()? {
            true => Some(Stretched::compute(self.store, pin.unwrap_or(text))?),
            false => None,
        };
        if let Some(stretched) = &stretched
            && let Some(opened) = opens(stretched)?
        {
            return Ok(Err(opened));
        }
        let what = match (pin, &stretched) {
            (Some(pin), stretched) => {
                Without::Deny(self.charges_by_pin(&held, pin, stretched.as_ref(), length))
            }
            (None, None) => Without::Deny(by_length(&held, length)),
            (None, Some(stretched)) => self.whole(&held, text, stretched, length),
        };
        match what {
            Without::Accept(one) => self.accept(one, Advance::Count).map(Ok),
            Without::Open(tokens) => self.open(session, &tokens).map(Ok),
            Without::Deny(mut charges) => {
                charges.extend(also.map(|token| token.serial.clone()));
                self.deny(charges, "no token held").map(Ok)
            }
        }
    }

    /// Answers a challenge with a code alone, or with the password alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn answer(&self, challenge: &Challenge, text: &str) -> Result<Outcome, StoreError> {
        let Some(sealer) = self.store.sealer()? else { return self.deny(Vec::new(), "no tokens") };
        let open: OpenTokens = match serde_json::from_str(&challenge.data) {
            Ok(open) => open,
            Err(_) => return self.deny(Vec::new(), "the challenge is damaged"),
        };
        let mut tokens = Vec::new();
        for serial in &open.serials {
            tokens.extend(self.store.token(serial)?);
        }
        let held = self.hold(sealer, &tokens)?;
        let finish =
            || Some(ChallengeStep::Finish { id: challenge.id.clone(), from: challenge.data.clone() });
        let mut stretched = None;
        for one in held.iter().filter(|one| one.is_usable(self.store.now())) {
            let advance = if one.token.token_type == TokenType::Pw {
                let stretched = match &mut stretched {
                    Some(stretched) => stretched,
                    None => stretched.insert(Stretched::compute(self.store, text)?),
                };
                one.is_password(stretched).then_some(Advance::Count)
            } else {
                let found = one.find_code(self.store, sealer, text)?;
                found.filter(|found| found.pin.is_empty()).map(|found| found.advance)
            };
            if let Some(advance) = advance {
                let settlement =
                    Settlement { uses: one.uses(advance), challenge: finish(), ..Settlement::default() };
                return self.settle_success(settlement, one);
            }
        }
        let charges = held.iter().flat_map(|one| self.with_targets(one)).collect();
        self.deny(charges, "the challenge's answer is wrong")
    }

    fn hold(&self, sealer: &Sealer, tokens: &[Token]) -> Result<Vec<Held>, StoreError> {
        tokens.iter().map(|token| Held::new(self.store, sealer, token.clone())).collect()
    }

    /// One argon2id for each code that matched; the token whose PIN stands in front of its code wins.
    fn settle_matches(&self, matches: &[(&Held, Match<'_>)]) -> Result<Outcome, StoreError> {
        let hashing = self.store.has_pins()?;
        let mut computed: Vec<(&str, Option<Stretched>)> = Vec::new();
        for (_, found) in matches {
            if !computed.iter().any(|(pin, _)| *pin == found.pin) {
                let stretched = hashing.then(|| Stretched::compute(self.store, found.pin)).transpose()?;
                computed.push((found.pin, stretched));
            }
        }
        let holds = |(one, found): &&(&Held, Match<'_>)| {
            let stretched = computed.iter().find(|(pin, _)| *pin == found.pin).and_then(|(_, s)| s.as_ref());
            one.pin_is(found.pin, stretched)
        };
        match matches.iter().find(holds) {
            Some((one, found)) => self.accept(one, found.advance),
            // The PIN is the token's own affair: a forward's wrong PIN is nothing to its target.
            None => self.deny(matches.iter().map(|(one, _)| one.token.serial.clone()).collect(), "wrong PIN"),
        }
    }

    fn whole<'h>(&self, held: &'h [Held], text: &str, stretched: &Stretched, length: usize) -> Without<'h> {
        let now = self.store.now();
        let mut open = Vec::new();
        for one in held.iter().filter(|one| one.is_usable(now)) {
            match one.token.token_type {
                TokenType::Spass if one.has_pin() && one.pin_is(text, Some(stretched)) => {
                    return Without::Accept(one);
                }
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
            let answerable = one.token.token_type != TokenType::Spass;
            if answerable && one.has_pin() && one.pin_is(text, Some(stretched)) {
                open.push(one);
            }
        }
        if self.rules.challenge_response && !open.is_empty() {
            return Without::Open(open);
        }
        Without::Deny(by_length(held, length))
    }

    /// A right PIN with a wrong code is charged to the tokens that have this PIN, and to their targets; a PIN that is
    /// nobody's to the tokens that it could have been meant for.
    fn charges_by_pin(
        &self,
        held: &[Held],
        pin: &str,
        stretched: Option<&Stretched>,
        length: usize,
    ) -> Vec<String> {
        let meant: Vec<_> = held.iter().filter(|one| one.has_pin() && one.pin_is(pin, stretched)).collect();
        if meant.is_empty() {
            return by_length(held, length);
        }
        meant.into_iter().flat_map(|one| self.with_targets(one)).collect()
    }

    fn with_targets(&self, one: &Held) -> Vec<String> {
        let targets = one.targets.iter().filter(|_| self.rules.forward_failcounter);
        std::iter::once(&one.token).chain(targets).map(|token| token.serial.clone()).collect()
    }

    fn open(&self, session: Session<'_>, tokens: &[&Held]) -> Result<Outcome, StoreError> {
        let serials: Vec<_> = tokens.iter().map(|one| one.token.serial.clone()).collect();
        self.log.info(format_args!("right PIN for {}; the code is asked for", serials.join(", ")));
        let data = serde_json::to_string(&OpenTokens { serials }).unwrap_or_default();
        let challenge = session.challenge(self.store, ChallengeKind::Otp, data)?;
        let id = challenge.id.clone();
        let challenge = Some(ChallengeStep::Begin(challenge));
        self.store.settle(&Settlement { challenge, ..Settlement::default() })?;
        Ok(Outcome::Challenge { id, prompt: PROMPT.to_owned() })
    }

    fn accept(&self, one: &Held, advance: Advance) -> Result<Outcome, StoreError> {
        self.settle_success(Settlement { uses: one.uses(advance), ..Settlement::default() }, one)
    }

    fn settle_success(&self, settlement: Settlement, one: &Held) -> Result<Outcome, StoreError> {
        if !self.store.settle(&settlement)? {
            return self.deny(Vec::new(), "the code was used, or its token locked, at the same time");
        }
        let serials: Vec<_> = settlement.uses.iter().map(|used| used.serial.clone()).collect();
        let kind = one.token.token_type;
        self.log.info(format_args!("the {kind} token {} held", serials.join(" by way of ")));
        Ok(Outcome::Accepted(serials))
    }

    /// Denies, and charges the tokens that were meant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn deny(&self, charges: Vec<String>, why: &str) -> Result<Outcome, StoreError> {
        let charged = if charges.is_empty() { "none".to_owned() } else { charges.join(", ") };
        self.log.info(format_args!("denied: {why}; charged: {charged}"));
        self.store.settle(&Settlement { charges, denial: true, ..Settlement::default() })?;
        Ok(Outcome::Denied)
    }
}

/// The tokens that a text of this length could have been meant for; all, if it fits none.
fn by_length(held: &[Held], length: usize) -> Vec<String> {
    let fits = |one: &&Held| one.fits(length);
    let fitting: Vec<_> = held.iter().filter(fits).map(|one| one.token.serial.clone()).collect();
    if fitting.is_empty() && length > 0 {
        return held.iter().map(|one| one.token.serial.clone()).collect();
    }
    fitting
}
