//! Days and hours of a rule, by the clock on the wall in a time zone.
//!
//! A span that goes past midnight belongs to the day on which it begins: with `days = fri` and `hours = 22:00-06:00`
//! Saturday morning is inside. When clocks are put back, the hour that comes twice is the same on the wall twice; when
//! they are put forward, the hour that is left out does not come.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use crate::clock::UnixTime;

const MINUTES_OF_A_DAY: u16 = 24 * 60;
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// When a rule holds.
pub(super) struct Hours {
    zone: TimeZone,
    /// From Monday on.
    days: [bool; 7],
    spans: Vec<Span>,
}

/// Minutes of a day; where the end is not after the begin, it lies on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    begin: u16,
    end: u16,
}

impl Hours {
    /// Takes a time zone of the IANA database, as `Europe/Berlin`; `None` where the system knows no such zone.
    pub(super) fn zone(name: &str) -> Option<TimeZone> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(TimeZone::UTC);
        }
        TimeZone::get(name).ok()
    }

    /// Reads the entries of `mon-fri, sun` and `08:00-12:00, 13:00-17:30`; no list means every day, or all day. The error says which of
    /// the two is none.
    pub(super) fn parse(
        zone: TimeZone,
        days: Option<&[String]>,
        hours: Option<&[String]>,
    ) -> Result<Self, Wrong> {
        let days = days.map_or(Some([true; 7]), parse_days).ok_or(Wrong::Days)?;
        let whole = vec![Span { begin: 0, end: MINUTES_OF_A_DAY }];
        let spans = hours.map_or(Some(whole), parse_spans).ok_or(Wrong::Hours)?;
        Ok(Self { zone, days, spans })
    }

    /// Tells whether a moment lies inside.
    pub(super) fn contain(&self, now: UnixTime) -> bool {
        let Ok(now) = jiff::Timestamp::from_microsecond(now.as_micros()) else { return false };
        let local = now.to_zoned(self.zone.clone());
        let (date, minute) = (local.date(), minute_of(local.time()));
        self.spans.iter().any(|span| {
            if span.begin < span.end {
                return self.is_on(Some(date)) && (span.begin..span.end).contains(&minute);
            }
            (self.is_on(Some(date)) && minute >= span.begin)
                || (self.is_on(date.yesterday().ok()) && minute < span.end)
        })
    }

    fn is_on(&self, date: Option<Date>) -> bool {
        date.is_some_and(|date| {
            let number = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(usize::MAX);
            self.days.get(number).is_some_and(|on| *on)
        })
    }
}

/// Which text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// That of the days.
    Days,
    /// That of the hours.
    Hours,
}

fn minute_of(time: Time) -> u16 {
    let (hour, minute) = (time.hour().unsigned_abs(), time.minute().unsigned_abs());
    u16::from(hour).saturating_mul(60).saturating_add(u16::from(minute))
}

fn parse_days(entries: &[String]) -> Option<[bool; 7]> {
    let number = |word: &str| {
        let word = word.trim().to_lowercase();
        DAYS.iter().position(|(name, _)| *name == word)
    };
    let mut on = [false; 7];
    for entry in entries {
        let (first, last) = match entry.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(entry)?, number(entry)?),
        };
        let mut day = first;
        // At most once around the week.
        for _ in 0..on.len() {
            *on.get_mut(day)? = true;
            if day == last {
                break;
            }
            day = if day == 6 { 0 } else { day.saturating_add(1) };
        }
    }
    Some(on)
}

fn parse_spans(entries: &[String]) -> Option<Vec<Span>> {
    entries
        .iter()
        .map(|entry| {
            let (begin, end) = entry.split_once('-')?;
            let (begin, end) = (parse_minute(begin.trim())?, parse_minute(end.trim())?);
            // "08:00-08:00" may mean nothing or a whole day.
            (begin != end && begin < MINUTES_OF_A_DAY).then_some(Span { begin, end })
        })
        .collect()
}

/// Reads `HH:MM`, also `24:00`.
fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| -> Option<u16> {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let total = hour.saturating_mul(60).saturating_add(minute);
    (minute < 60 && total <= MINUTES_OF_A_DAY).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, days: &str, hours: &str) -> Hours {
        let some = |text: &str| (!text.is_empty()).then(|| entries(text));
        let (days, hours) = (some(days), some(hours));
        Hours::parse(Hours::zone(zone).unwrap(), days.as_deref(), hours.as_deref()).unwrap()
    }

    fn entries(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn days_and_hours_are_those_of_the_time_zone_summer_and_winter() {
        // 2026: clocks go forward on 29 March at 02:00, back on 25 October at 03:00 in Berlin; in New York on 8 March and
        // 1 November. Kathmandu is at +05:45 all year; Lord Howe goes half an hour.
        for (zone, days, spans, at, inside) in [
            ("UTC", "", "08:00-17:00", "2026-01-05T08:00:00Z", true),
            ("UTC", "", "08:00-17:00", "2026-01-05T07:59:59Z", false),
            ("UTC", "", "08:00-17:00", "2026-01-05T17:00:00Z", false),
            ("Europe/Berlin", "", "08:00-17:00", "2026-01-05T07:00:00Z", true),
            ("Europe/Berlin", "", "08:00-17:00", "2026-07-06T06:00:00Z", true),
            ("Europe/Berlin", "", "08:00-17:00", "2026-07-06T15:00:00Z", false),
            ("Europe/Berlin", "", "08:00-17:00", "2026-01-05T15:59:00Z", true),
            // The day that has 23 hours, before and after the jump.
            ("Europe/Berlin", "sun", "01:30-02:00", "2026-03-29T00:45:00Z", true),
            ("Europe/Berlin", "sun", "02:00-03:00", "2026-03-29T01:00:00Z", false),
            ("Europe/Berlin", "sun", "03:00-04:00", "2026-03-29T01:00:00Z", true),
            // The day that has 25, with an hour that comes twice.
            ("Europe/Berlin", "sun", "02:00-03:00", "2026-10-25T00:30:00Z", true),
            ("Europe/Berlin", "sun", "02:00-03:00", "2026-10-25T01:30:00Z", true),
            ("Europe/Berlin", "sun", "02:00-03:00", "2026-10-25T02:00:00Z", false),
            ("America/New_York", "sun", "02:00-03:00", "2026-03-08T07:00:00Z", false),
            ("America/New_York", "sun", "01:00-02:00", "2026-11-01T05:30:00Z", true),
            ("America/New_York", "sun", "01:00-02:00", "2026-11-01T06:30:00Z", true),
            ("Asia/Kathmandu", "", "09:00-10:00", "2026-06-01T03:15:00Z", true),
            ("Asia/Kathmandu", "", "09:00-10:00", "2026-06-01T03:14:59Z", false),
            ("Australia/Lord_Howe", "", "02:00-02:30", "2026-10-03T15:45:00Z", false),
            // The day of the zone, not that of UTC.
            ("Pacific/Auckland", "mon", "", "2026-01-04T11:00:00Z", true),
            ("Pacific/Auckland", "sun", "", "2026-01-04T11:00:00Z", false),
            ("America/Los_Angeles", "sun", "", "2026-01-05T07:59:00Z", true),
            // Past midnight it is still the day of the begin.
            ("UTC", "fri", "22:00-06:00", "2026-01-02T23:00:00Z", true),
            ("UTC", "fri", "22:00-06:00", "2026-01-03T05:59:00Z", true),
            ("UTC", "fri", "22:00-06:00", "2026-01-03T06:00:00Z", false),
            ("UTC", "fri", "22:00-06:00", "2026-01-02T05:00:00Z", false),
            ("UTC", "fri", "22:00-06:00", "2026-01-03T23:00:00Z", false),
            ("UTC", "sat-mon", "", "2026-01-04T12:00:00Z", true),
            ("UTC", "sat-mon", "", "2026-01-06T12:00:00Z", false),
            ("UTC", "", "00:00-24:00", "2026-01-06T23:59:59Z", true),
            ("UTC", "", "08:00-12:00, 13:00-17:00", "2026-01-06T12:30:00Z", false),
            ("UTC", "", "08:00-12:00, 13:00-17:00", "2026-01-06T13:00:00Z", true),
        ] {
            let at_time = UnixTime::parse(at).unwrap();
            assert_eq!(hours(zone, days, spans).contain(at_time), inside, "{zone} {days} {spans} {at}");
        }
    }

    #[test]
    fn what_is_no_day_or_hour_is_refused() {
        for days in ["", "monday", "mon-", "mon;tue", "mon,,tue", "1-5"] {
            assert_eq!(
                Hours::parse(TimeZone::UTC, Some(&entries(days)), None).err(),
                Some(Wrong::Days),
                "{days}"
            );
        }
        for hours in [
            "",
            "8-17",
            "08:00",
            "08:00-08:00",
            "25:00-26:00",
            "24:00-25:00",
            "24:00-08:00",
            "08:60-09:00",
            "08:00-",
            "8:00-9:00",
        ] {
            assert_eq!(
                Hours::parse(TimeZone::UTC, None, Some(&entries(hours))).err(),
                Some(Wrong::Hours),
                "{hours}"
            );
        }
        assert!(Hours::zone("Mars/Olympus").is_none());
        assert!(Hours::zone("../../etc/passwd").is_none());
    }
}
