//! Numbers as Python's `int()` and `float()` read them: the decimal digits of every script, blanks around, and an
//! underscore between two digits.

/// The zeros of the decimal digits beside ASCII's; nine more digits follow each (Unicode 14, which Python 3.11 has).
const ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0,
    0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50,
    0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140,
    0x1e2f0, 0x1e950, 0x1fbf0,
];
/// How many digits Python reads (`sys.get_int_max_str_digits`).
const MAX_DIGITS: usize = 4300;

/// Reads a whole number. One that does not fit is the largest or smallest that does, because Python has no bound and
/// what a number is compared with has one.
pub(super) fn integer(text: &str) -> Option<i64> {
    let text = plain(text)?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_whole || digits.len() > MAX_DIGITS {
        return None;
    }
    let bound = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(bound))
}

/// Reads a number with a fraction, an exponent, or the words `inf`, `infinity` and `nan`.
pub(super) fn float(text: &str) -> Option<f64> {
    plain(text)?.parse().ok()
}

/// Returns the number in ASCII, without blanks around it and without underscores.
fn plain(text: &str) -> Option<String> {
    let ascii = text.chars().map(to_ascii).collect::<Option<String>>()?;
    // The blanks of C's isspace, which are fewer than those of Python's strip.
    let ascii = ascii.trim_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let mut previous = None;
    let mut characters = ascii.chars().peekable();
    let mut number = String::with_capacity(ascii.len());
    while let Some(c) = characters.next() {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        match c {
            '_' if is_digit(previous) && is_digit(characters.peek().copied()) => {}
            '_' => return None,
            c => number.push(c),
        }
        previous = Some(c);
    }
    Some(number)
}

fn to_ascii(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c);
    }
    if c.is_whitespace() {
        return Some(' ');
    }
    let digit = ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(*zero).filter(|digit| *digit < 10))?;
    char::from_digit(digit, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_those_of_pythons_int() {
        for (text, number) in [
            ("0", 0),
            ("+1_0", 10),
            (" 12\t", 12),
            ("007", 7),
            ("-5", -5),
            ("1_000", 1000),
            ("٣", 3),
            ("１２", 12),
            ("-٣", -3),
            ("१_२", 12),
            ("1\u{664}", 14),
            ("\u{a0}1", 1),
            ("123456789012345678901234567890", i64::MAX),
            ("-123456789012345678901234567890", i64::MIN),
        ] {
            assert_eq!(integer(text), Some(number), "{text:?}");
        }
        for text in [
            "",
            "_1",
            "1__0",
            "1_",
            "+_1",
            "1 2",
            "0x10",
            "1e3",
            "1.0",
            "+-1",
            "-",
            "²",
            "〇",
            "Ⅳ",
            "\u{200b}1",
            "\u{1c}5",
            "inf",
            "1_\n",
        ] {
            assert_eq!(integer(text), None, "{text:?}");
        }
        assert_eq!(integer(&"9".repeat(MAX_DIGITS)), Some(i64::MAX));
        assert_eq!(integer(&"0".repeat(MAX_DIGITS + 1)), None);
    }

    #[test]
    fn numbers_are_those_of_pythons_float() {
        for (text, number) in [
            ("5.", 5.0),
            (".5", 0.5),
            ("1.5_0", 1.5),
            ("1e1_0", 1e10),
            ("1_0e+1_0", 1e11),
            ("٣.٥e٢", 350.0),
            ("1e400", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            (" INF ", f64::INFINITY),
        ] {
            assert_eq!(float(text), Some(number), "{text:?}");
        }
        assert!(float("-NaN").is_some_and(f64::is_nan));
        for text in [
            "",
            ".",
            "e5",
            "1e",
            "1_e3",
            "1._5",
            "1_.5",
            "1e_3",
            "_1",
            "in_f",
            "infi",
            "0x1p3",
            "1d",
            "1,5",
            "１．５",
            "١٫٤",
            "1 e3",
        ] {
            assert_eq!(float(text), None, "{text:?}");
        }
    }
}
