//! How findings are shown, to people and to programs.

use serde_json::{Map, Value};

use crate::finding::{Finding, Grade};

/// Returns the worst grade of all; well, where there is none.
pub(super) fn worst<'f>(findings: impl Iterator<Item = &'f Finding>) -> Grade {
    findings.fold(Grade::Ok, |worst, finding| match (worst, finding.grade) {
        (Grade::Error, _) | (_, Grade::Error) => Grade::Error,
        (Grade::Warning, _) | (_, Grade::Warning) => Grade::Warning,
        (Grade::Ok, Grade::Ok) => Grade::Ok,
    })
}

/// Writes a line for each.
pub(super) fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("  {}: {}\n", finding.grade.word(), finding.line())).collect()
}

/// Writes an object for each; the first two members are called as the findings have it.
pub(super) fn json(findings: &[Finding], [about, place]: [&str; 2]) -> Value {
    let object = |finding: &Finding| {
        let members = [
            // The brackets are for people.
            (about, finding.about.trim_start_matches('[').trim_end_matches(']')),
            (place, finding.place.as_str()),
            ("question", finding.question),
            ("result", finding.grade.word()),
            ("detail", finding.detail.as_str()),
        ];
        let members = members.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Value::Object(Map::from_iter(members))
    };
    findings.iter().map(object).collect()
}
