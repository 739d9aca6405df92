//! A token with everything that stands behind it: for a forward token, the tokens down to the one with the codes.

use std::ops::Range;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::code::{CodePart, code_part};
use super::elsewhere::Target;
use super::oath::{self, CodeMaker, KeyId};
use super::pin::{KEPT, Purpose, Stretched, kept_length};
use crate::clock::UnixTime;
use crate::store::{Advance, Candidate, MAX_WINDOW, Sealer, Store, StoreError, Token, TokenType, Use};

/// How many forward tokens may stand in a row.
pub(super) const MAX_FORWARDS: usize = 5;
/// The first counter that is never used: the next one has to fit into the database.
const LAST_COUNTER: u64 = i64::MAX as u64;
/// The bytes that are kept of a static password: two verifiers.
const VERIFIERS: usize = 2 * KEPT;

/// A token and, for a forward token, where it leads.
pub(super) struct Held {
    pub(super) token: Token,
    /// The forward's target, and so on; the last one has the codes. Empty for others, and for a forward that leads
    /// nowhere or too far.
    pub(super) targets: Vec<Token>,
    /// Where the last forward leads, if that is out of the store.
    pub(super) elsewhere: Option<Target>,
    pin: Option<Zeroizing<Vec<u8>>>,
    /// What is kept of a static password.
    password: Option<Zeroizing<Vec<u8>>>,
}

/// A text that ends in a token's code.
pub(super) struct Match<'p> {
    /// What stands before the code.
    pub(super) pin: &'p str,
    pub(super) advance: Advance,
}

impl Held {
    pub(super) fn new(store: &Store<'_>, sealer: &Sealer, token: Token) -> Result<Self, StoreError> {
        let mut targets: Vec<Token> = Vec::new();
        let mut elsewhere = None;
        let mut next = token.target.clone().filter(|_| token.token_type == TokenType::Forward);
        while let Some(serial) = next {
            elsewhere = Target::parse(&serial);
            if elsewhere.is_some() {
                break;
            }
            let Some(target) = store.token(&serial)? else {
                targets.clear();
                break;
            };
            next = target.target.clone().filter(|_| target.token_type == TokenType::Forward);
            targets.push(target);
            if targets.len() > MAX_FORWARDS {
                targets.clear();
                break;
            }
        }
        let pin = token.pin(sealer)?;
        let password = (token.token_type == TokenType::Pw).then(|| token.secret(sealer)).transpose()?;
        Ok(Self { token, targets, elsewhere, pin, password })
    }

    /// The token whose codes count; `None` for a forward that leads nowhere, or to a token that is no device.
    pub(super) fn device(&self) -> Option<&Token> {
        match self.token.token_type {
            TokenType::Forward => self.targets.last().filter(|target| is_device(target.token_type)),
            TokenType::Hotp
            | TokenType::Totp
            | TokenType::Pw
            | TokenType::Spass
            | TokenType::Registration
            | TokenType::Paper
            | TokenType::FourEyes => Some(&self.token),
        }
    }

    /// The serial of the device that the person holds in hand.
    pub(super) fn device_serial(&self) -> &str {
        self.device().map_or(&self.token.serial, |device| &device.serial)
    }

    /// The owner of that device.
    pub(super) fn holder(&self) -> &str {
        self.device().map_or(&self.token.user, |device| &device.user)
    }

    /// Whether it and all that stands behind it may be used.
    pub(super) fn is_usable(&self, now: UnixTime) -> bool {
        let leads_somewhere = self.token.token_type != TokenType::Forward
            || !self.targets.is_empty()
            || self.elsewhere.is_some();
        leads_somewhere
            && self.token.is_usable(now)
            && self.targets.iter().all(|target| target.is_usable(now))
    }

    /// Whether it gives one-time codes, its own or its target's.
    pub(super) fn gives_codes(&self) -> bool {
        self.code_length().is_some()
    }

    /// Whether there is something to answer with after the PIN: a code or a password.
    pub(super) fn can_answer(&self) -> bool {
        self.gives_codes() || self.password.is_some()
    }

    pub(super) fn has_pin(&self) -> bool {
        self.pin.is_some()
    }

    /// How many characters a code has; `None` without codes.
    fn code_length(&self) -> Option<usize> {
        let device = self.device()?;
        is_code_type(device.token_type).then_some(usize::from(device.digits))
    }

    fn pin_length(&self) -> usize {
        self.pin.as_deref().and_then(|kept| kept_length(kept)).unwrap_or(0)
    }

    /// Whether a text of this length may be meant for this token as it is: a PIN alone, a static password.
    pub(super) fn fits_whole(&self, length: usize) -> bool {
        let password = self.password_verifiers().and_then(|(_, full)| kept_length(full));
        (self.has_pin() && self.pin_length() == length) || password == Some(length)
    }

    /// Whether a text of this length may be meant for this token at all.
    pub(super) fn fits(&self, length: usize) -> bool {
        let code = self.code_length().map(|code| self.pin_length().saturating_add(code));
        // How long the server's codes are is not known here.
        let code_elsewhere = self.elsewhere.is_some() && length >= self.pin_length();
        self.fits_whole(length) || code == Some(length) || code_elsewhere
    }

    /// Whether a text is the static password, with the PIN in front of it.
    pub(super) fn is_pin_and_password(&self, stretched: &Stretched) -> bool {
        let kept = self.password_verifiers();
        kept.is_some_and(|(_, full)| stretched.matches(Purpose::PinAndPassword, &self.token.serial, full))
    }

    /// Whether a text is the static password alone.
    pub(super) fn is_password(&self, stretched: &Stretched) -> bool {
        let kept = self.password_verifiers();
        kept.is_some_and(|(alone, _)| stretched.matches(Purpose::Password, &self.token.serial, alone))
    }

    /// The two verifiers of a `pw` token: of the password alone, and of PIN and password.
    fn password_verifiers(&self) -> Option<(&[u8], &[u8])> {
        let kept = self.password.as_deref()?;
        (kept.len() == VERIFIERS).then(|| kept.split_at(VERIFIERS / 2))
    }

    /// Returns what would be the PIN if a text were PIN and code, and both as long as they have to be.
    pub(super) fn pin_part<'p>(&self, text: &'p str) -> Option<&'p str> {
        let (pin, _) = self.pin_and_code(text)?;
        (pin.chars().count() == self.pin_length()).then_some(pin)
    }

    /// Takes a text apart into what would be the PIN, as it was typed, and the code.
    fn pin_and_code<'p>(&self, text: &'p str) -> Option<(&'p str, Zeroizing<String>)> {
        let length = self.code_length()?;
        if self.device()?.token_type == TokenType::Registration {
            return split(text, length).map(|(pin, code)| (pin, Zeroizing::new(code.to_owned())));
        }
        let part = code_part(text, length)?;
        Some((part.pin(self.pin_length()), part.code))
    }

    /// Returns the PIN, as it was typed, of a text that ends in a code.
    pub(super) fn pin_of<'p>(&self, part: &CodePart<'p>) -> &'p str {
        part.pin(self.pin_length())
    }

    /// Takes a text apart into what would be the PIN and what would go to the server.
    pub(super) fn pin_and_rest<'p>(&self, text: &'p str) -> Option<(&'p str, &'p str)> {
        self.elsewhere.as_ref()?;
        let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        text.split_at_checked(ends.nth(self.pin_length())?)
    }

    /// Tells whether the PIN is this one; a token without PIN has the empty one.
    pub(super) fn pin_is(&self, text: &str, stretched: Option<&Stretched>) -> bool {
        match (&self.pin, stretched) {
            (None, _) => text.is_empty(),
            (Some(kept), Some(stretched)) => stretched.matches(Purpose::Pin, &self.token.serial, kept),
            (Some(_), None) => false,
        }
    }

    /// Finds a code at the end of a text; the PIN in front of it is not looked at.
    pub(super) fn find_code<'p>(
        &self,
        store: &Store<'_>,
        sealer: &Sealer,
        text: &'p str,
    ) -> Result<Option<Match<'p>>, StoreError> {
        let Some(device) = self.device() else { return Ok(None) };
        let Some((pin, code)) = self.pin_and_code(text) else { return Ok(None) };
        let code = code.as_str();
        let secret = device.secret(sealer)?;
        let advance = match device.token_type {
            TokenType::Hotp | TokenType::Totp => {
                let range = range(
                    device.token_type,
                    device.counter,
                    device.window,
                    device.period,
                    device.skew,
                    store,
                );
                let maker = CodeMaker::new(device.algorithm, &secret, device.digits);
                find_unused(store, &device.serial, maker, code, device.digits, range)?.map(Advance::Counter)
            }
            TokenType::Paper => {
                let maker = CodeMaker::new(device.algorithm, &secret, device.digits);
                let list = list(device.window);
                find_unused(store, &device.serial, maker, code, device.digits, list)?.map(Advance::Position)
            }
            TokenType::Registration => {
                let same = bool::from(secret.as_slice().ct_eq(code.as_bytes()));
                (same && !store.is_used(&device.serial, 0)?).then_some(Advance::Position(0))
            }
            TokenType::Pw | TokenType::Spass | TokenType::Forward | TokenType::FourEyes => None,
        };
        Ok(advance.map(|advance| Match { pin, advance }))
    }

    /// Tells whether a text ends in a code of a list that was used before.
    pub(super) fn find_used(
        &self,
        store: &Store<'_>,
        sealer: &Sealer,
        text: &str,
    ) -> Result<bool, StoreError> {
        let (Some(device), Some((_, code))) = (self.device(), self.pin_and_code(text)) else {
            return Ok(false);
        };
        let secret = device.secret(sealer)?;
        if device.token_type == TokenType::Registration {
            return Ok(
                bool::from(secret.as_slice().ct_eq(code.as_bytes())) && store.is_used(&device.serial, 0)?
            );
        }
        let (maker, code) = (
            CodeMaker::new(device.algorithm, &secret, device.digits),
            oath::parse_code(&code, device.digits),
        );
        let (Some(maker), Some(code)) = (maker, code) else { return Ok(false) };
        match maker.find(code, 0..u64::from(device.window.min(MAX_WINDOW))) {
            Some(position) => store.is_used(&device.serial, position),
            None => Ok(false),
        }
    }

    /// What a success uses up: the code at the device, and at every other token of its owner with the same secret, and a
    /// count at each forward on the way.
    pub(super) fn uses(&self, store: &Store<'_>, advance: Advance) -> Result<Vec<Use>, StoreError> {
        let serials = std::iter::once(&self.token).chain(&self.targets).map(|token| token.serial.clone());
        let device = self.device_serial();
        let mut uses: Vec<_> = serials
            .map(|serial| {
                let advance = if serial == device { advance } else { Advance::Count };
                Use { serial, advance }
            })
            .collect();
        if let (Advance::Counter(counter), Some(device)) = (advance, self.device()) {
            let twins = twins(store, device)?.into_iter();
            uses.extend(twins.map(|serial| Use { serial, advance: Advance::Shared(counter) }));
        }
        Ok(uses)
    }

    /// Names the device by its secret, so that one device is one however many serials it has. Not for a device at a server.
    pub(super) fn device_mark(&self, store: &Store<'_>) -> Result<String, StoreError> {
        match (self.device(), store.sealer()?) {
            (Some(device), Some(sealer)) => {
                let key = KeyId::of(device.algorithm, &device.secret(sealer)?);
                Ok(sealer.name(&[b"the secret of a device", key.as_bytes()]))
            }
            (None, _) | (_, None) => Ok(self.token.serial.clone()),
        }
    }
}

/// Returns the serials of the owner's other tokens that give the same codes.
fn twins(store: &Store<'_>, device: &Token) -> Result<Vec<String>, StoreError> {
    let Some(sealer) = store.sealer()? else { return Ok(Vec::new()) };
    let same_codes = |other: &Token| {
        other.serial != device.serial
            && other.token_type == device.token_type
            && other.algorithm == device.algorithm
            && other.period == device.period
    };
    let key = KeyId::of(device.algorithm, &device.secret(sealer)?);
    let mut twins = Vec::new();
    for other in store.tokens_of(&device.user, &device.realm)?.into_iter().filter(same_codes) {
        if KeyId::of(other.algorithm, &other.secret(sealer)?) == key {
            twins.push(other.serial);
        }
    }
    Ok(twins)
}

/// Splits the last `length` characters off; they have to be ASCII, as all codes are.
fn split(text: &str, length: usize) -> Option<(&str, &str)> {
    let at = text.len().checked_sub(length)?;
    let (before, code) = text.split_at_checked(at)?;
    (length > 0 && code.is_ascii()).then_some((before, code))
}

fn is_code_type(token_type: TokenType) -> bool {
    match token_type {
        TokenType::Hotp | TokenType::Totp | TokenType::Paper | TokenType::Registration => true,
        TokenType::Pw | TokenType::Spass | TokenType::Forward | TokenType::FourEyes => false,
    }
}

/// What tokens may be forwarded to: a device with codes that anybody may hold in hand.
fn is_device(token_type: TokenType) -> bool {
    match token_type {
        TokenType::Hotp | TokenType::Totp | TokenType::Paper => true,
        TokenType::Pw
        | TokenType::Spass
        | TokenType::Registration
        | TokenType::Forward
        | TokenType::FourEyes => false,
    }
}

/// The counters or steps whose codes are taken now: never one that is used up.
fn range(
    token_type: TokenType,
    counter: u64,
    window: u32,
    period: u32,
    skew: i64,
    store: &Store<'_>,
) -> Range<u64> {
    let window = u64::from(window.min(MAX_WINDOW));
    let (first, end) = if token_type == TokenType::Totp {
        let now = store.now().as_secs();
        let Some(step) = oath::time_step(now, period).checked_add_signed(skew) else { return 0..0 };
        // Neither before 1970 nor without a period is there a step; 0 would be one whose codes never change.
        if now < 0 || period == 0 {
            return 0..0;
        }
        (step.saturating_sub(window).max(counter), step.saturating_add(window).saturating_add(1))
    } else {
        (counter, counter.saturating_add(window))
    };
    first..end.min(LAST_COUNTER)
}

/// The places of a list of so many codes.
fn list(count: u32) -> Range<u64> {
    0..u64::from(count.min(MAX_WINDOW))
}

/// Finds a code in a range, at a place that is not used up. `hotp` has no such places: its counter never goes back.
fn find_unused(
    store: &Store<'_>,
    serial: &str,
    maker: Option<CodeMaker>,
    code: &str,
    digits: u8,
    range: Range<u64>,
) -> Result<Option<u64>, StoreError> {
    let (Some(maker), Some(code)) = (maker, oath::parse_code(code, digits)) else { return Ok(None) };
    let mut from = range.start;
    // Two places may have the same digits; a used one does not hide the other.
    while let Some(position) = maker.find(code, from..range.end) {
        if !store.is_used(serial, position)? {
            return Ok(Some(position));
        }
        from = position.saturating_add(1);
    }
    Ok(None)
}

/// Finds a code for a candidate of a search; `code` is the text's end of the candidate's length.
pub(super) fn find_candidate_code(
    store: &Store<'_>,
    sealer: &Sealer,
    candidate: &Candidate<'_>,
    code: &str,
) -> Result<Option<Advance>, StoreError> {
    let secret = candidate.secret(sealer)?;
    let maker = CodeMaker::new(candidate.algorithm, &secret, candidate.digits);
    if candidate.token_type == TokenType::Paper {
        let list = list(candidate.window);
        let found = find_unused(store, candidate.serial, maker, code, candidate.digits, list)?;
        return Ok(found.map(Advance::Position));
    }
    let Candidate { token_type, counter, window, period, skew, .. } = *candidate;
    let range = range(token_type, counter, window, period, skew, store);
    Ok(find_unused(store, candidate.serial, maker, code, candidate.digits, range)?.map(Advance::Counter))
}

/// Tells whether a code is the one that a candidate of a search used last.
pub(super) fn is_last_code(
    sealer: &Sealer,
    candidate: &Candidate<'_>,
    code: &str,
) -> Result<bool, StoreError> {
    match candidate.token_type {
        TokenType::Hotp | TokenType::Totp => {}
        TokenType::Pw
        | TokenType::Spass
        | TokenType::Registration
        | TokenType::Paper
        | TokenType::Forward
        | TokenType::FourEyes => return Ok(false),
    }
    let Some(last) = candidate.counter.checked_sub(1) else { return Ok(false) };
    let maker = CodeMaker::new(candidate.algorithm, &candidate.secret(sealer)?, candidate.digits);
    let code = oath::parse_code(code, candidate.digits);
    Ok(maker.zip(code).is_some_and(|(maker, code)| maker.find(code, last..candidate.counter).is_some()))
}
