//! Why a token did not accept what was typed, for the operator. The user reads one sentence whatever it was.
//!
//! The same is computed for each token of the user in each denial, so that it takes the same time.

use super::code::code_part;
use super::held::Held;
use super::oath::{self, CodeMaker};
use super::verify::Verifier;
use crate::clock::UnixTime;
use crate::store::{Charge, Sealer, Store, StoreError, Token, TokenType};

/// How far beyond its window a code is looked for, in counters or time steps each way.
const REACH: u64 = 40;

impl Verifier<'_> {
    /// Writes a line for each of these tokens, to the log and to what `--explain` shows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn tell_reasons(&self, tokens: &[Token], text: &str) -> Result<(), StoreError> {
        let Some(sealer) = self.store.sealer()? else { return Ok(()) };
        for held in self.hold(sealer, tokens)? {
            let reason = reason(&held, self.store, sealer, text)?;
            let serial = &held.token.serial;
            self.log.info(format_args!("token {serial}: {reason}"));
            self.log.explain(format_args!("token {serial}: {reason}"));
        }
        Ok(())
    }

    /// Writes a line for each of these tokens that a failure of this moment has locked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn tell_locks(&self, charges: &[Charge]) -> Result<(), StoreError> {
        tell_locks(self.store, self.log, charges)
    }
}

/// As [`Verifier::tell_locks`], for those who charge without a verifier.
pub(super) fn tell_locks(
    store: &Store<'_>,
    log: &crate::logging::Log,
    charges: &[Charge],
) -> Result<(), StoreError> {
    let now = store.now();
    for Charge { serial, .. } in charges {
        let Some(token) = store.token(serial)? else { continue };
        if token.is_locked(now) && token.failed_at.as_micros() == now.as_micros() {
            let (failures, until) = (token.max_fail, until(&token));
            log.warning(format_args!("token {serial} is locked after {failures} failures, until {until}"));
        }
    }
    Ok(())
}

fn until(token: &Token) -> String {
    if token.unlock_after == 0 {
        return "'sps-plugin token unlock' unlocks it".to_owned();
    }
    token.failed_at.plus_seconds(f64::from(token.unlock_after)).to_string()
}

/// Returns why a token did not accept a text.
fn reason(held: &Held, store: &Store<'_>, sealer: &Sealer, text: &str) -> Result<String, StoreError> {
    let now = store.now();
    // Looked for in any case, because it takes the time.
    let step = out_of_step(held, store, sealer, text)?;
    let unusable = std::iter::once(&held.token).chain(&held.targets).find_map(|token| {
        let why = unusable(token, now)?;
        Some(if token.serial == held.token.serial {
            why
        } else {
            format!("its target {}: {why}", token.serial)
        })
    });
    if let Some(why) = unusable {
        return Ok(why);
    }
    Ok(match (step, held.token.token_type) {
        (Some(step), _) => step,
        (None, TokenType::Pw) => "wrong password".to_owned(),
        (None, TokenType::Spass) => "wrong PIN".to_owned(),
        (None, TokenType::FourEyes) => "no approval".to_owned(),
        (None, TokenType::Forward) if held.device().is_none() && held.elsewhere.is_none() => {
            "its target does not exist".to_owned()
        }
        (
            None,
            TokenType::Hotp
            | TokenType::Totp
            | TokenType::Registration
            | TokenType::Paper
            | TokenType::Forward,
        ) => if held.has_pin() { "wrong PIN or code" } else { "wrong code" }.to_owned(),
    })
}

/// Returns why a token may not be used at all, if that is so.
fn unusable(token: &Token, now: UnixTime) -> Option<String> {
    if !token.enabled {
        return Some("disabled".to_owned());
    }
    if let Some(from) = token.valid_from.filter(|from| *from > now) {
        return Some(format!("not valid before {from}"));
    }
    if let Some(until) = token.valid_until.filter(|until| *until <= now) {
        return Some(format!("expired at {until}"));
    }
    token.is_locked(now).then(|| {
        format!("locked since {} after {} failures, until {}", token.failed_at, token.max_fail, until(token))
    })
}

/// Looks for the code within the window and beyond it, and says where it was found.
fn out_of_step(
    held: &Held,
    store: &Store<'_>,
    sealer: &Sealer,
    text: &str,
) -> Result<Option<String>, StoreError> {
    let Some(device) = held.device() else { return Ok(None) };
    let secret = device.secret(sealer)?;
    let Some(part) = code_part(text, usize::from(device.digits)) else { return Ok(None) };
    let (maker, code) = match device.token_type {
        TokenType::Hotp | TokenType::Totp => (
            CodeMaker::new(device.algorithm, &secret, device.digits),
            oath::parse_code(&part.code, device.digits),
        ),
        TokenType::Paper | TokenType::Registration => {
            let used = held.find_used(store, sealer, text)?;
            return Ok(used.then(|| "code already used".to_owned()));
        }
        TokenType::Pw | TokenType::Spass | TokenType::Forward | TokenType::FourEyes => return Ok(None),
    };
    let (Some(maker), Some(code)) = (maker, code) else { return Ok(None) };
    let window = u64::from(device.window).min(REACH.saturating_mul(4));
    if device.token_type == TokenType::Hotp {
        let end = device.counter.saturating_add(window);
        let found = maker.find(code, device.counter.saturating_sub(REACH)..end.saturating_add(REACH));
        return Ok(found.map(|found| match found {
            found if found < device.counter => "code already used".to_owned(),
            found if found < end => "wrong PIN".to_owned(),
            found => {
                let ahead = found.saturating_sub(device.counter);
                format!("the code is {ahead} counters ahead; resynchronise it")
            }
        }));
    }
    let now = store.now().as_secs();
    if now < 0 || device.period == 0 {
        return Ok(None);
    }
    let current = oath::time_step(now, device.period).saturating_add_signed(device.skew);
    let (first, end) = (current.saturating_sub(window), current.saturating_add(window));
    let all = first.saturating_sub(REACH)..end.saturating_add(REACH).saturating_add(1);
    Ok(maker.find(code, all).map(|found| match found {
        found if (first..=end).contains(&found) && found < device.counter => "code already used".to_owned(),
        found if (first..=end).contains(&found) => "wrong PIN".to_owned(),
        found => {
            let (steps, way) = (found.abs_diff(current), if found > current { "ahead" } else { "behind" });
            format!("the code is {steps} steps of {} s {way}; resynchronise it", device.period)
        }
    }))
}
