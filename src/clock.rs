//! Time as an argument: one clock for the whole program and one time budget for a hook.
//!
//! The system's clock is read in `main.rs` and nowhere else; everything below takes a [`Clock`], so that
//! `--clock` and the tests decide what time it is.

use std::fmt;
use std::time::Duration;

/// Tells the time of day and how long this process has been at work.
pub trait Clock {
    /// Returns the time of day.
    fn now(&self) -> UnixTime;
    /// Returns the time since the process began, on a clock that never goes back.
    fn elapsed(&self) -> Duration;
    /// Waits; a clock that a test sets only moves on.
    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A point in time in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(i64);

const MICROS: i64 = 1_000_000;

/// Says why the text of `--clock` is no point in time.
#[derive(Debug, thiserror::Error)]
#[error("expected a time such as 2026-01-31T12:00:00Z or Unix seconds such as 1769860800")]
pub struct ParseTimeError;

impl UnixTime {
    /// Makes a time from microseconds since the epoch.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Makes a time from whole seconds since the epoch.
    pub fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// Returns the microseconds since the epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the epoch, rounded down.
    pub fn as_secs(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// Returns the time `seconds` later; an infinite or huge number means the end of time.
    pub fn plus_seconds(self, seconds: f64) -> Self {
        // A float to int conversion saturates, which is the wanted answer for `inf`.
        Self(self.0.saturating_add(saturating_micros(seconds)))
    }

    /// Reads RFC 3339 or Unix seconds (with a fraction, if there is one), as `--clock` takes them.
    ///
    /// # Errors
    /// [`ParseTimeError`] where the text is neither.
    pub fn parse(text: &str) -> Result<Self, ParseTimeError> {
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(timestamp.as_microsecond()));
        }
        let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-');
        match text.parse::<f64>() {
            Ok(seconds) if plain && seconds.is_finite() => Ok(Self(saturating_micros(seconds))),
            Ok(_) | Err(_) => Err(ParseTimeError),
        }
    }

    /// Reads the time in an HTTP `Date` header (RFC 9110 section 5.6.7); `None` for what is none.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        Some(Self(parser.parse_timestamp(text.trim()).ok()?.as_microsecond()))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float to int conversion saturates, which is what is wanted"
)]
fn saturating_micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

/// Writes RFC 3339 in UTC, to the second, as log lines show it.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.as_secs()) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "@{}", self.as_secs()),
        }
    }
}

/// What is left of the time that a hook may take; every wait in it is cut from this.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    clock: &'a dyn Clock,
    total: Duration,
}

impl<'a> Budget<'a> {
    /// Gives a hook `total` time from the start of the process.
    pub fn new(clock: &'a dyn Clock, total: Duration) -> Self {
        Self { clock, total }
    }

    /// Returns the time of day.
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Returns what is left; zero when the time is used up.
    pub fn remaining(&self) -> Duration {
        self.total.saturating_sub(self.clock.elapsed())
    }

    /// Returns a budget that ends `wait` from now, or with this one if that is sooner.
    #[must_use]
    pub fn at_most(&self, wait: Duration) -> Self {
        Self { clock: self.clock, total: self.total.min(self.clock.elapsed().saturating_add(wait)) }
    }

    /// Waits, but not longer than what is left; tells whether anything is left after it.
    pub fn sleep(&self, wanted: Duration) -> bool {
        self.clock.sleep(wanted.min(self.remaining()));
        !self.remaining().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_text_is_rfc_3339_or_unix_seconds() {
        assert_eq!(UnixTime::parse("1970-01-01T00:00:01Z").unwrap(), UnixTime::from_secs(1));
        assert_eq!(UnixTime::parse("1.5").unwrap(), UnixTime::from_micros(1_500_000));
        assert_eq!(UnixTime::parse("1769860800").unwrap().to_string(), "2026-01-31T12:00:00Z");
        for bad in ["", "now", "inf", "1e400", "nan", "2026-01-31", "12:00"] {
            assert!(UnixTime::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_date_header_is_a_point_in_time() {
        let parse = UnixTime::parse_http_date;
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT").unwrap(), UnixTime::from_secs(784_111_777));
        for bad in ["", "now", "1994-11-06", "Sun, 06 Nov 1994 08:49:37", "784111777"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_part_of_a_budget_ends_with_the_whole() {
        struct AtTen;
        impl Clock for AtTen {
            fn now(&self) -> UnixTime {
                UnixTime::from_secs(0)
            }

            fn elapsed(&self) -> Duration {
                Duration::from_secs(10)
            }
        }
        let budget = Budget::new(&AtTen, Duration::from_secs(12));
        assert_eq!(budget.at_most(Duration::from_secs(1)).remaining(), Duration::from_secs(1));
        assert_eq!(budget.at_most(Duration::from_secs(5)).remaining(), Duration::from_secs(2));
        assert_eq!(budget.at_most(Duration::MAX).remaining(), Duration::from_secs(2));
    }

    #[test]
    fn adding_an_infinite_time_saturates() {
        assert!(
            UnixTime::from_secs(5).plus_seconds(f64::INFINITY) > UnixTime::from_secs(i64::MAX / MICROS - 1)
        );
        assert_eq!(UnixTime::from_secs(5).plus_seconds(-1.5), UnixTime::from_micros(3_500_000));
    }
}
