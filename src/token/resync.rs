//! Resynchronisation (RFC 4226 section 7.4): two codes in a row tell where a device is, however far it went.

use std::ops::Range;

use super::oath::{CodeMaker, parse_code, time_step};
use crate::clock::UnixTime;
use crate::store::{MAX_WINDOW, Store, StoreError, Token, TokenType};

/// How many counters ahead, or steps before and after now, are searched.
pub const REACH: u64 = 1000;

/// The last first code of two: the counter after both is the last one that the database holds.
const LAST: u64 = (i64::MAX - 2) as u64;

/// Says why a token was not resynchronised.
#[derive(Debug, thiserror::Error)]
pub enum ResyncError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A forward token has no codes of its own.
    #[error("{serial} is a forward token; resynchronise its target {target}")]
    Forward {
        /// The forward token.
        serial: String,
        /// Where it leads.
        target: String,
    },
    /// Nothing that could get out of step.
    #[error("a {0} token cannot get out of step")]
    NoSteps(TokenType),
    /// A text that is no code of this token.
    #[error("a code of {serial} has {digits} digits")]
    NoCode {
        /// The token.
        serial: String,
        /// The length of its codes.
        digits: u8,
    },
    /// The codes are wrong, or used up, or too far away.
    #[error("no two unused codes of {0} within {REACH} steps follow each other like these")]
    NotFound(String),
}

/// A token that is in step again.
pub struct Resynced {
    /// It, as it is now.
    pub token: Token,
    /// When its last code was used, if that lay in the future, so that the token had to go back behind it.
    pub went_back_behind: Option<UnixTime>,
}

/// Searches two codes that follow each other, takes the token there, and uses both up.
///
/// Counters only ever grow, but for one case: a `totp` token whose last code was used while the clock was ahead could not be
/// used until then. It goes back to where the two codes are. The codes that were used stay used.
///
/// As after any use, the failures are forgotten, unless they have locked the token. `None` without such a token.
///
/// # Errors
/// [`ResyncError`]; nothing is changed then.
pub fn resync(store: &Store<'_>, serial: &str, codes: [&str; 2]) -> Result<Option<Resynced>, ResyncError> {
    let Some(sealer) = store.sealer()? else { return Ok(None) };
    let mut went_back_behind = None;
    let changed = store.change_token(serial, |token| {
        let now = store.now();
        let secret = match token.token_type {
            TokenType::Hotp | TokenType::Totp => token.secret(sealer)?,
            TokenType::Forward => {
                let target = token.target.clone().unwrap_or_default();
                return Err(ResyncError::Forward { serial: token.serial.clone(), target });
            }
            TokenType::Pw
            | TokenType::Spass
            | TokenType::Registration
            | TokenType::Paper
            | TokenType::FourEyes => return Err(ResyncError::NoSteps(token.token_type)),
        };
        let before = token.counter;
        let found = move_to(token, &secret, codes, now, |step| store.is_used(serial, step))?;
        if token.token_type == TokenType::Totp {
            // A later resynchronisation may go back to earlier steps.
            store.note_used(serial, &found)?;
        }
        if token.counter < before {
            // What is known to be used, also by a version that kept nothing but the last: a code, or two of another
            // resynchronisation.
            let last = before.saturating_sub(1);
            store.note_used(serial, &[last.saturating_sub(1), last])?;
            went_back_behind = Some(time_of(last, token.period));
        }
        if !token.is_locked(now) {
            token.fail_counter = 0;
        }
        Ok(())
    })?;
    Ok(changed.map(|token| Resynced { token, went_back_behind }))
}

/// When a step begins.
fn time_of(step: u64, period: u32) -> UnixTime {
    UnixTime::from_secs(i64::try_from(step.saturating_mul(u64::from(period))).unwrap_or(i64::MAX))
}

/// Returns the counters or steps of both codes; the token then continues after them.
fn move_to(
    token: &mut Token,
    secret: &[u8],
    codes: [&str; 2],
    now: UnixTime,
    is_used: impl Fn(u64) -> Result<bool, StoreError>,
) -> Result<[u64; 2], ResyncError> {
    let no_code = || ResyncError::NoCode { serial: token.serial.clone(), digits: token.digits };
    let [first, second] = codes.map(|code| parse_code(code.trim(), token.digits));
    let (first, second) = (first.ok_or_else(no_code)?, second.ok_or_else(no_code)?);
    let maker = CodeMaker::new(token.algorithm, secret, token.digits).ok_or_else(no_code)?;
    let current = time_step(now.as_secs(), token.period);
    let range = reach(token, now, current);
    let mut from = range.start;
    while let Some(found) = maker.find(first, from..range.end) {
        let next = found.saturating_add(1);
        let follows = maker.find(second, next..next.saturating_add(1)).is_some();
        if follows && !is_used(found)? && !is_used(next)? {
            token.counter = next.saturating_add(1);
            if token.token_type == TokenType::Totp {
                // The second code is the one that the device shows now.
                let signed = |step: u64| i64::try_from(step).unwrap_or(i64::MAX);
                token.skew = signed(next).saturating_sub(signed(current));
            }
            return Ok([found, next]);
        }
        from = next;
    }
    Err(ResyncError::NotFound(token.serial.clone()))
}

/// Where the first code is looked for: a thousand counters ahead, or as many steps before and after now, and nowhere before
/// the last use.
///
/// A last use that lies further ahead than any code that is taken now was one of a clock that was ahead. Then the end of
/// what may have been used before that is the bound: the oldest code that is taken now.
fn reach(token: &Token, now: UnixTime, current: u64) -> Range<u64> {
    if token.token_type != TokenType::Totp {
        return token.counter..token.counter.saturating_add(REACH).min(LAST);
    }
    // There is no time step before 1970 or without a period, and both codes have to fit into the database.
    if now.as_secs() < 0 || token.period == 0 {
        return 0..0;
    }
    let window = u64::from(token.window.min(MAX_WINDOW));
    let middle = current.saturating_add_signed(token.skew);
    let newest = middle.saturating_add(window);
    let oldest = middle.saturating_sub(window);
    let is_ahead = token.counter > newest.saturating_add(1);
    let bound = if is_ahead { oldest } else { token.counter };
    let end = current.saturating_add(REACH).saturating_add(1).min(LAST);
    current.saturating_sub(REACH).max(bound)..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Algorithm;

    const SECRET: &[u8] = b"12345678901234567890";

    fn token(token_type: TokenType) -> Token {
        let period = if token_type == TokenType::Totp { 30 } else { 0 };
        Token { digits: 6, period, counter: 5, ..Token::new(token_type, "T") }
    }

    /// Returns counter and skew after a resynchronisation with the codes of two steps, at step 100000.
    fn moved(token_type: TokenType, steps: [u64; 2]) -> Option<(u64, i64)> {
        let maker = CodeMaker::new(Algorithm::Sha1, SECRET, 6).unwrap();
        let codes = steps.map(|step| maker.code(step));
        let mut token = token(token_type);
        let now = UnixTime::from_secs(100_000 * 30);
        match move_to(&mut token, SECRET, [&codes[0], &codes[1]], now, |_| Ok(false)) {
            Ok(_) => Some((token.counter, token.skew)),
            Err(error) => {
                assert!(matches!(error, ResyncError::NotFound(_)));
                assert_eq!((token.counter, token.skew), (5, 0));
                None
            }
        }
    }

    #[test]
    fn hotp_searches_a_thousand_counters_ahead_and_never_behind() {
        assert_eq!(moved(TokenType::Hotp, [5, 6]), Some((7, 0)));
        assert_eq!(moved(TokenType::Hotp, [1004, 1005]), Some((1006, 0)));
        assert_eq!(moved(TokenType::Hotp, [1005, 1006]), None);
        assert_eq!(moved(TokenType::Hotp, [4, 5]), None);
    }

    #[test]
    fn the_two_codes_have_to_follow_each_other() {
        assert_eq!(moved(TokenType::Hotp, [10, 12]), None);
        assert_eq!(moved(TokenType::Hotp, [11, 10]), None);
        assert_eq!(moved(TokenType::Hotp, [10, 10]), None);
    }

    #[test]
    fn totp_searches_both_ways_and_remembers_how_far_the_device_is_off() {
        assert_eq!(moved(TokenType::Totp, [99_999, 100_000]), Some((100_001, 0)));
        assert_eq!(moved(TokenType::Totp, [100_499, 100_500]), Some((100_501, 500)));
        assert_eq!(moved(TokenType::Totp, [99_000, 99_001]), Some((99_002, -999)));
        assert_eq!(moved(TokenType::Totp, [101_000, 101_001]), Some((101_002, 1001)));
        assert_eq!(moved(TokenType::Totp, [98_999, 99_000]), None);
        assert_eq!(moved(TokenType::Totp, [101_001, 101_002]), None);
    }

    #[test]
    fn nothing_is_found_where_there_are_no_steps_or_no_more_counters() {
        let maker = CodeMaker::new(Algorithm::Sha1, SECRET, 6).unwrap();
        let moved = |token: Token, step: u64, now: i64| {
            let codes = [maker.code(step), maker.code(step.saturating_add(1))];
            let mut token = Token { digits: 6, ..token };
            let codes = [codes[0].as_str(), codes[1].as_str()];
            move_to(&mut token, SECRET, codes, UnixTime::from_secs(now), |_| Ok(false)).map(|_| token.counter)
        };
        let totp = |period: u32| Token { period, ..Token::new(TokenType::Totp, "T") };
        assert_eq!(moved(totp(30), 0, 0).unwrap(), 2);
        assert!(moved(totp(30), 0, -1).is_err());
        assert!(moved(totp(0), 0, 1_000_000).is_err());
        let hotp = |counter: u64| Token { counter, ..Token::new(TokenType::Hotp, "T") };
        assert_eq!(moved(hotp(LAST - 1), LAST - 1, 0).unwrap(), LAST + 1);
        assert!(moved(hotp(LAST), LAST, 0).is_err());
    }

    #[test]
    fn a_text_that_is_no_code_is_refused() {
        for codes in [["12345", "123456"], ["123456", "1234567"], ["", ""], ["abcdef", "123456"]] {
            let refused =
                move_to(&mut token(TokenType::Hotp), SECRET, codes, UnixTime::from_secs(0), |_| Ok(false));
            assert!(matches!(refused, Err(ResyncError::NoCode { digits: 6, .. })));
        }
    }
}
