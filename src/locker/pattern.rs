//! Assets as they are compared: a host in its one form, whatever its case, spelling and trailing dots; `*` stands for any
//! characters, also none, and `?` for one.

use std::cmp::Ordering;

use crate::names::{Host, HostError};

/// Returns an asset, or a pattern of assets, as new entries have it.
pub(super) fn folded(asset: &str) -> String {
    let dots = ['.', '\u{3002}'];
    Host::parse(asset).map_or_else(
        |_| asset.to_ascii_lowercase().trim_end_matches(dots).to_owned(),
        |host| host.to_string(),
    )
}

/// Returns the names under which an exact entry may stand, the newest form first. Earlier versions kept the dot at the
/// end of a name.
pub(super) fn exact(asset: &str) -> Vec<String> {
    let form = folded(asset);
    let mut names = vec![form.clone(), format!("{form}."), asset.to_ascii_lowercase()];
    names.dedup();
    names
}

/// Checks the asset of a new entry for targets: a host, a pattern that can match one, or words separated by blanks, which
/// `[domain_asset_mapping]` may map to.
///
/// # Errors
/// [`HostError`] for an asset that cannot match any host.
pub(super) fn check_new(asset: &str) -> Result<(), HostError> {
    if !is_pattern(asset) {
        return match Host::parse(asset) {
            Err(HostError::Characters) if is_words(asset) => Ok(()),
            parsed => parsed.map(drop),
        };
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:*?".contains(c);
    let form = folded(asset);
    let is_clear = form.chars().all(allowed) && !form.starts_with('.') && !form.contains("..");
    if is_clear { Ok(()) } else { Err(HostError::Form) }
}

fn is_words(text: &str) -> bool {
    text.split(' ')
        .all(|word| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)))
}

/// Tells whether an asset that somebody types is a pattern.
pub(super) fn is_pattern(asset: &str) -> bool {
    asset.contains(['*', '?'])
}

/// Compares two patterns that fit: the greater one wins. That is the longer one, else the first in the alphabet.
pub(super) fn rank(one: &str, other: &str) -> Ordering {
    one.chars().count().cmp(&other.chars().count()).then_with(|| other.cmp(one))
}

/// Tells whether a pattern, as an entry of any version has it, fits an asset.
pub(super) fn fits_asset(pattern: &str, folded: &str) -> bool {
    fits(pattern.trim_end_matches('.'), folded)
}

/// Tells whether a pattern fits a whole asset. The work is at most the product of their lengths.
pub(super) fn fits(pattern: &str, asset: &str) -> bool {
    let (mut pattern, mut asset) = (pattern.chars(), asset.chars());
    // Behind the last star, and the first character that it does not take yet.
    let mut back: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let rest = asset.clone();
        match (pattern.next(), asset.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                back = Some((pattern.clone(), rest.clone()));
                asset = rest;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {}
            (_, _) => {
                let Some((after_star, mut taken)) = back.take() else { return false };
                if taken.next().is_none() {
                    return false;
                }
                (pattern, asset) = (after_star.clone(), taken.clone());
                back = Some((after_star, taken));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        for (pattern, asset) in [
            ("*", ""),
            ("*", "db1"),
            ("*.lan", "db1.lan"),
            ("*.lan", "a.b.lan"),
            ("*.lan", ".lan"),
            ("db?", "db1"),
            ("d*b*1", "dxbbx1"),
            ("a*a", "aa"),
            ("**", "x"),
            ("*ab", "aab"),
            ("10.0.*.?", "10.0.12.3"),
            ("db-ä?", "db-äö"),
        ] {
            assert!(fits(pattern, asset), "{pattern} {asset}");
        }
        for (pattern, asset) in [
            ("*.lan", "lan"),
            ("*.lan", "db1.lan.example.org"),
            ("db?", "db"),
            ("db?", "db12"),
            ("?", ""),
            ("a*a", "a"),
            ("*b", "abc"),
            ("", "a"),
            ("d*b*1", "db12"),
        ] {
            assert!(!fits(pattern, asset), "{pattern} {asset}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        // With backtracking into every star this would not end.
        let pattern = "a*".repeat(300) + "b";
        assert!(!fits(&pattern, &"a".repeat(1024)));
    }

    #[test]
    fn the_longest_pattern_wins_and_then_the_first_in_the_alphabet() {
        let best = |patterns: &[&'static str]| {
            patterns.iter().copied().max_by(|one, other| rank(one, other)).unwrap()
        };
        assert_eq!(best(&["*", "*.lan", "*.b.lan"]), "*.b.lan");
        assert_eq!(best(&["*.ab", "a*.b"]), "*.ab");
        assert_eq!(best(&["a*.b", "*.ab"]), "*.ab");
    }
}
