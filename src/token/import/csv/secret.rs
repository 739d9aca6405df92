//! How the secrets of a table are written: as its header says, or as all of them together show.

use zeroize::Zeroizing;

use super::super::entry::{EntryError, base32, expected, hex};

/// What a column says about its secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base32,
    /// Hexadecimal by its definition, and people write base32 as well.
    HexPreferred,
    Unknown,
}

/// What the secrets of a whole file show. A secret may be readable both ways, because both alphabets have A to F and 2 to 7.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    hex: bool,
    base32: bool,
}

impl Shown {
    /// Looks at one secret.
    pub(super) fn look(&mut self, text: &str) {
        match (hex(text).is_ok(), base32(text).is_ok()) {
            (true, false) => self.hex = true,
            (false, true) => self.base32 = true,
            (true, true) | (false, false) => {}
        }
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// [`EntryError`]; a secret that can be read both ways and that neither its column nor the others decide.
    pub(super) fn read(self, text: &str, encoding: Encoding) -> Result<Zeroizing<Vec<u8>>, EntryError> {
        let preferred = match encoding {
            Encoding::Hex => return hex(text),
            Encoding::Base32 => return base32(text),
            Encoding::HexPreferred => true,
            Encoding::Unknown => false,
        };
        match (hex(text), base32(text)) {
            (Ok(bytes), Err(_)) | (Err(_), Ok(bytes)) => Ok(bytes),
            (Err(_), Err(_)) => Err(expected("the secret", "hexadecimal digits or base32")),
            (Ok(as_hex), Ok(as_base32)) => match (self.hex, self.base32) {
                (true, false) => Ok(as_hex),
                (false, true) => Ok(as_base32),
                (false, false) if preferred => Ok(as_hex),
                (true, true) | (false, false) => Err(EntryError::Ambiguous),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixteen bytes as hexadecimal digits, twenty in base32.
    const BOTH: &str = "ABCDEF234567ABCDEF234567ABCDEF23";
    const HEX: &str = "31323334353637383930313233343536";
    const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn length(others: &[&str], encoding: Encoding) -> Option<usize> {
        let mut shown = Shown::default();
        others.iter().for_each(|other| shown.look(other));
        shown.read(BOTH, encoding).ok().map(|bytes| bytes.len())
    }

    #[test]
    fn a_secret_that_can_be_read_both_ways_is_read_as_its_column_or_the_others_are() {
        for (others, encoding, read) in [
            (&[][..], Encoding::Hex, Some(16)),
            (&[HEX], Encoding::Base32, Some(20)),
            (&[], Encoding::HexPreferred, Some(16)),
            (&[], Encoding::Unknown, None),
            (&[HEX], Encoding::Unknown, Some(16)),
            (&[BASE32], Encoding::Unknown, Some(20)),
            (&[BASE32], Encoding::HexPreferred, Some(20)),
            (&[HEX, BASE32], Encoding::HexPreferred, None),
        ] {
            assert_eq!(length(others, encoding), read, "{others:?} {encoding:?}");
        }
    }
}
