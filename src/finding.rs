//! What somebody found out by looking: at a server that the configuration names, or at this machine.

use crate::clock::UnixTime;
use crate::terms::steers;

/// How far two clocks may be apart before it is worth a warning, in seconds: a step of most TOTP tokens.
const MAX_SKEW: i64 = 30;
/// The longest text of a finding, in characters.
const MAX_TEXT: usize = 600;

/// The question of a finding that is about the configuration, and not about whom it names.
pub const CONFIGURATION: &str = "configuration";

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// To be thought about, or not known.
    Warning,
    /// Something will not work.
    Error,
}

impl Grade {
    /// Returns the word that lines begin with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One question and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: a section of the configuration, or a part of this machine.
    pub about: String,
    /// Where that is: an address, or a path. May be empty.
    pub place: String,
    /// What was tried.
    pub question: &'static str,
    /// How it is.
    pub grade: Grade,
    /// What came back.
    pub detail: String,
}

impl Finding {
    /// Notes a finding. What others wrote may be in the texts, so they are cleaned of what steers a terminal, and cut.
    pub fn new(about: &str, place: &str, question: &'static str, grade: Grade, detail: &str) -> Self {
        Self { about: clean(about), place: clean(place), question, grade, detail: clean(detail) }
    }

    /// Notes that somebody was not asked.
    pub fn not_asked(about: &str, question: &'static str, grade: Grade, why: &str) -> Self {
        Self::new(about, "", question, grade, &format!("not asked: {why}"))
    }

    /// Returns it as one line, without the grade.
    pub fn line(&self) -> String {
        let Self { about, place, question, detail, .. } = self;
        if place.is_empty() {
            format!("{about}: {question}: {detail}")
        } else {
            format!("{about} {place}: {question}: {detail}")
        }
    }
}

fn clean(text: &str) -> String {
    let mut kept: String = text.chars().filter(|c| !steers(*c)).take(MAX_TEXT).collect();
    if text.chars().filter(|c| !steers(*c)).nth(MAX_TEXT).is_some() {
        kept.push('…');
    }
    kept
}

/// Compares a server's clock with ours.
pub fn clock(about: &str, place: &str, theirs: UnixTime, ours: UnixTime) -> Finding {
    let ahead = theirs.as_secs().saturating_sub(ours.as_secs());
    let apart = ahead.saturating_abs();
    let (grade, detail) = if apart > MAX_SKEW {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        let mend = "codes by time (TOTP) suffer; set the clock of the one that is wrong by NTP";
        (Grade::Warning, format!("the server's clock is {apart} s {way} this machine's; {mend}"))
    } else {
        (Grade::Ok, format!("the server's clock and this machine's are at most {MAX_SKEW} s apart"))
    };
    Finding::new(about, place, "clock", grade, &detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_others_neither_steers_a_terminal_nor_floods_it() {
        let finding = Finding::new("a\nb", "p\u{1b}[31m", "q", Grade::Error, &"x\u{202e}".repeat(1000));
        assert_eq!((finding.about.as_str(), finding.place.as_str()), ("ab", "p[31m"));
        assert_eq!(finding.detail, format!("{}…", "x".repeat(MAX_TEXT)));
        assert_eq!(Finding::new("a", "", "q", Grade::Ok, "d").line(), "a: q: d");
    }

    #[test]
    fn a_skew_of_more_than_a_step_is_a_warning_with_its_seconds() {
        let at = |theirs| clock("s", "p", UnixTime::from_secs(theirs), UnixTime::from_secs(1000));
        assert_eq!((at(1030).grade, at(970).grade), (Grade::Ok, Grade::Ok));
        assert!(at(1031).detail.contains("31 s ahead of") && at(1031).grade == Grade::Warning);
        assert!(at(960).detail.contains("40 s behind") && at(960).grade == Grade::Warning);
        assert!(at(i64::MIN).grade == Grade::Warning);
    }
}
