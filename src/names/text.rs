//! One form for every text that is compared: which characters are rejected, Unicode's normal form, and case.

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

use super::{NameError, check};

/// Returns a text in Unicode's compatibility form (NFKC), if all its characters can be read.
///
/// # Errors
/// [`NameError`].
pub(super) fn readable(what: &'static str, text: &str) -> Result<String, NameError> {
    check_characters(what, text)?;
    if text.is_ascii() {
        return Ok(text.to_owned());
    }
    let normal = nfkc(text);
    // A compatibility form may begin with a blank, and is longer than what it stands for.
    check_characters(what, &normal)?;
    Ok(normal)
}

/// Checks that all characters of a name can be read, in this form and in the one in which it is compared.
///
/// # Errors
/// [`NameError`].
pub fn check_readable(what: &'static str, text: &str) -> Result<(), NameError> {
    readable(what, text).map(drop)
}

fn check_characters(what: &'static str, text: &str) -> Result<(), NameError> {
    check(what, text)?;
    if text.chars().any(is_hidden) {
        return Err(NameError::Hidden(what));
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(NameError::OuterBlank(what));
    }
    // A mark without a letter before it joins with whatever is printed before the name.
    if text.chars().next().is_some_and(is_mark) {
        return Err(NameError::Hidden(what));
    }
    Ok(())
}

/// Returns a text without regard to case: each character in lower case, as Unicode's simple folding has it.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = |character: char| match character {
        // Two forms of one letter, which have the same capital.
        'ς' => 'σ'.to_lowercase(),
        'ẞ' => 'ß'.to_lowercase(),
        character => character.to_lowercase(),
    };
    nfkc(&nfkc(text).chars().flat_map(lower).collect::<String>())
}

/// The dots that DNS and directories take for one, after Unicode's compatibility form.
pub(super) const DOTS: [char; 2] = ['.', '\u{3002}'];

/// Returns what is left of a text once case, accents, invisible characters, outer blanks and dots at the end are
/// disregarded, as directories do: two texts with the same remains may name the same person.
pub(super) fn remains(text: &str) -> String {
    let is_outer = |character: char| character.is_whitespace() || character.is_control();
    let bare = |text: &str| {
        let text = text.trim_start_matches(is_outer);
        text.trim_end_matches(|character| is_outer(character) || DOTS.contains(&character)).to_owned()
    };
    if text.is_ascii() {
        return bare(&text.to_ascii_lowercase());
    }
    let shown: String = nfkc(text).chars().filter(|character| !is_hidden(*character)).collect();
    // Via upper case, which ß and ss, i and ı have in common.
    let folded = shown.to_uppercase().to_lowercase();
    let letters = DecomposingNormalizerBorrowed::new_nfkd().normalize(&folded);
    bare(&letters.chars().filter(|character| !is_mark(*character)).collect::<String>())
}

/// Returns a text in Unicode's compatibility form (NFKC), whatever is in it.
pub(crate) fn nfkc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text).into_owned()
}

/// Tells whether a character is not displayed, changes the direction of the text, or has no meaning that all share.
pub(super) fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return false;
    }
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character);
    is_ignorable
        || matches!(
            category(character),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
                | GeneralCategory::Surrogate
                | GeneralCategory::Unassigned
        )
}

pub(super) fn is_mark(character: char) -> bool {
    matches!(
        category(character),
        GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark | GeneralCategory::EnclosingMark
    )
}

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_of_a_name_has_no_dots_or_blanks_at_its_end() {
        for text in ["bob", "BOB.", "bob. .", " bob . . . ", "bob\u{3002}", "bob.\u{ff61} ", "b\u{f6}b. ."] {
            assert_eq!(remains(text), "bob", "{text:?}");
        }
        assert_eq!(remains(".bob"), ".bob");
        assert_eq!(remains(". ."), "");
    }
}
