//! Finds shell patterns that match a common name.

use glob::Pattern;

/// Returns each pair of patterns that match a common name.
pub(super) fn overlaps<'p>(ones: &'p [String], others: &'p [String]) -> Vec<(&'p str, &'p str)> {
    let pairs = ones.iter().flat_map(|one| others.iter().map(move |other| (one.as_str(), other.as_str())));
    pairs.filter(|(one, other)| overlap(one, other)).collect()
}

/// A piece of a pattern.
enum Piece<'p> {
    /// `*`.
    Many,
    /// `?`.
    One,
    /// A character that stands for itself.
    Letter(char),
    /// A character class in brackets.
    Class(&'p str),
}

/// Tells whether some name matches both patterns.
fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (pieces(one), pieces(other));
    // The positions in the second pattern that the first one can reach, up to its current piece.
    let mut reached = vec![false; other.len().saturating_add(1)];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    pass_stars(&mut reached, &other);
    for piece in &one {
        let mut next = vec![false; reached.len()];
        for (place, _) in reached.iter().enumerate().filter(|(_, is_reached)| **is_reached) {
            match piece {
                // A star matches nothing, or any number of the following pieces.
                Piece::Many => next.iter_mut().skip(place).for_each(|place| *place = true),
                piece @ (Piece::One | Piece::Letter(_) | Piece::Class(_)) => match other.get(place) {
                    Some(Piece::Many) => mark(&mut next, place),
                    Some(beside) if meet(piece, beside) => mark(&mut next, place.saturating_add(1)),
                    Some(_) | None => {}
                },
            }
        }
        pass_stars(&mut next, &other);
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

fn mark(places: &mut [bool], place: usize) {
    if let Some(place) = places.get_mut(place) {
        *place = true;
    }
}

/// Adds the positions after stars, which may match nothing.
fn pass_stars(reached: &mut [bool], pieces: &[Piece<'_>]) {
    for (place, piece) in pieces.iter().enumerate() {
        if matches!(piece, Piece::Many) && reached.get(place) == Some(&true) {
            mark(reached, place.saturating_add(1));
        }
    }
}

/// Tells whether two pieces, each of one character, can match the same one.
fn meet(one: &Piece<'_>, other: &Piece<'_>) -> bool {
    match (one, other) {
        (Piece::Letter(one), Piece::Letter(other)) => one == other,
        (Piece::Letter(letter), Piece::Class(class)) | (Piece::Class(class), Piece::Letter(letter)) => {
            is_in(*letter, class)
        }
        // Ranges that meet contain an end of one of them, and classes that exclude meet beyond all that is written.
        (Piece::Class(one), Piece::Class(other)) => {
            let written = one.chars().chain(other.chars());
            written.chain([char::MAX]).any(|letter| is_in(letter, one) && is_in(letter, other))
        }
        (Piece::Many | Piece::One, _) | (Piece::Letter(_) | Piece::Class(_), Piece::Many | Piece::One) => {
            true
        }
    }
}

fn is_in(letter: char, class: &str) -> bool {
    Pattern::new(class).is_ok_and(|class| class.matches(letter.encode_utf8(&mut [0; 4])))
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        // A ']' directly after '[' or '[!' is part of the class.
        let begins = if rest.starts_with("[!") { 3 } else { 2 };
        let class = (first == '[')
            .then(|| rest.get(begins..)?.find(']'))
            .flatten()
            .and_then(|at| rest.split_at_checked(at.saturating_add(begins).saturating_add(1)));
        let (piece, after) = match (class, first) {
            (Some((class, after)), _) => (Piece::Class(class), after),
            (None, first) => {
                let piece = match first {
                    '*' => Piece::Many,
                    '?' => Piece::One,
                    letter => Piece::Letter(letter),
                };
                (piece, rest.get(first.len_utf8()..).unwrap_or_default())
            }
        };
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_patterns_overlap_if_a_name_fits_both() {
        for (one, other, expected) in [
            ("db", "db", true),
            ("db", "db2", false),
            ("legacy_*", "legacy_db", true),
            ("legacy_*", "*_db", true),
            ("legacy_*", "prod_*", false),
            ("*", "anything", true),
            ("*", "", true),
            ("a*b*c", "a?c", true),
            ("a*b*c", "a?", false),
            ("a*b*c", "a*d*c", true),
            ("a?c", "ab", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("db[12]", "db?", true),
            ("[ab]x", "[cd]x", false),
            ("[a-m]x", "[k-z]x", true),
            ("[a-z]x", "[cd]x", true),
            ("[!a-z]x", "[b-d]x", false),
            ("[!a]x", "[!b]x", true),
            ("**", "a", true),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} {other}");
            assert_eq!(overlap(other, one), expected, "{other} {one}");
        }
    }
}
