//! The bytes of a file as text: UTF-8, or UTF-16 as spreadsheets write it. Files of another kind are told by name.

use std::borrow::Cow;

/// Says why the bytes of a file are not text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TextError {
    /// A file that only another program reads, recognized by how it begins.
    #[error("the file is {what}; {instead}")]
    Foreign {
        /// Its kind.
        what: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// Bytes that are not text.
    #[error("line {line} is not UTF-8; save the file as UTF-8 or UTF-16")]
    NotUtf8 {
        /// Where reading stopped.
        line: usize,
    },
    /// Half a character at the end, or half a surrogate pair.
    #[error("the file is not complete UTF-16; save it as UTF-8")]
    NotUtf16,
}

/// The first bytes of files of another kind, what they are, and what to do with them.
pub type Foreign = (&'static [u8], &'static str, &'static str);

/// What a KeePass database begins with, of version 1 or 2.
pub const KEEPASS: &[u8] = b"\x03\xd9\xa2\x9a";
/// Files that never contain a table, for both importers.
const FOREIGN: [Foreign; 6] = [
    (b"PK\x03\x04", "a spreadsheet or a ZIP archive", "save the sheet as CSV, or unpack the archive"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet (.xls)", "save the sheet as CSV"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it with gunzip"),
    (b"-----BEGIN PGP", "encrypted or signed with OpenPGP", "decrypt it with gpg --decrypt"),
    (b"-----BEGIN PKCS7", "encrypted with S/MIME", "decrypt it with openssl cms -decrypt"),
    (b"SQLite format 3\0", "an SQLite database", "let the program that wrote it export its tokens"),
];

/// Decodes a file, without its byte order mark. `foreign` are further kinds of files that this importer recognizes and rejects,
/// in addition to those that never contain a table.
///
/// # Errors
/// [`TextError`].
pub fn decode<'b>(bytes: &'b [u8], foreign: &[Foreign]) -> Result<Cow<'b, str>, TextError> {
    let mut kinds = foreign.iter().chain(&FOREIGN);
    if let Some((_, what, instead)) = kinds.find(|(begin, _, _)| bytes.starts_with(begin)) {
        return Err(TextError::Foreign { what, instead });
    }
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // Without a byte order mark: every table begins with an ASCII character.
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => {
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(text).map(Cow::Borrowed).map_err(|error| {
                let before = text.get(..error.valid_up_to()).unwrap_or_default();
                let ends = before.iter().filter(|byte| **byte == b'\n').count();
                TextError::NotUtf8 { line: ends.saturating_add(1) }
            })
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, TextError> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(TextError::NotUtf16);
    }
    let units: Vec<u16> = units.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16(&units).map(Cow::Owned).map_err(|_| TextError::NotUtf16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_utf_16_are_read_with_and_without_a_mark() {
        let text = "serial;secret\r\nä€😀;31\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let files: [Vec<u8>; 6] = [
            text.into(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            little.clone(),
            [b"\xff\xfe", little.as_slice()].concat(),
            big.clone(),
            [b"\xfe\xff", big.as_slice()].concat(),
        ];
        for file in files {
            assert_eq!(decode(&file, &[]).unwrap(), text);
        }
        assert_eq!(decode(b"", &[]).unwrap(), "");
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_with_their_line() {
        assert_eq!(decode(b"a,b\nM\xfcller,1\n", &[]), Err(TextError::NotUtf8 { line: 2 }));
        assert_eq!(decode(b"\xff\xfea\0b", &[]), Err(TextError::NotUtf16));
        assert_eq!(decode(b"\xff\xfe\0\xd8", &[]), Err(TextError::NotUtf16));
    }

    #[test]
    fn a_file_of_another_kind_is_named_with_what_to_do() {
        let xlsx = decode(b"PK\x03\x04\x14\0", &[]).unwrap_err().to_string();
        assert_eq!(
            xlsx,
            "the file is a spreadsheet or a ZIP archive; save the sheet as CSV, or unpack the archive"
        );
        let json: Foreign = (b"{", "JSON", "export CSV");
        assert_eq!(decode(b"{}", &[json]).unwrap_err().to_string(), "the file is JSON; export CSV");
    }
}
