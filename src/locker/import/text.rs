//! The bytes of a file as text: UTF-8, or UTF-16 with its mark, as spreadsheets write it. Files of another kind are named.

use std::borrow::Cow;

use super::ImportError;

const KEEPASS: &str = "this is a KeePass database; export it first: in KeePass or KeePassXC as XML, or \
                       keepassxc-cli export -f xml FILE > NEW";
/// What files begin with that people take for an export, and what to do with them.
const FOREIGN: [(&[u8], &str); 9] = [
    (b"\x03\xd9\xa2\x9a", KEEPASS),
    (b"PK\x03\x04", "this is a spreadsheet or a ZIP archive; save the sheet as CSV, or unpack the archive"),
    (b"\xd0\xcf\x11\xe0", "this is a spreadsheet (.xls); save the sheet as CSV"),
    (b"\x1f\x8b", "this is compressed with gzip; unpack it: gunzip FILE"),
    (b"%PDF-", "this is a PDF document; CSV or KeePass XML is needed"),
    (b"-----BEGIN PGP", "this is encrypted with OpenPGP; decrypt it: gpg --decrypt FILE > NEW"),
    (b"SQLite format 3\0", "this is an SQLite database; CSV or KeePass XML is needed"),
    (b"-----BEGIN ", "this is PEM; a private key is stored with credential set --key-file"),
    (b"{", "this is JSON; CSV or KeePass XML is needed"),
];

/// Reads the bytes of a file.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ImportError> {
    if let Some((_, what)) = FOREIGN.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Err(ImportError::Foreign(what));
    }
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => {
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| ImportError::NotUtf8)
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, ImportError> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|pair| unit(*pair)).collect();
    let text = String::from_utf16(&units).ok().filter(|_| rest.is_empty());
    text.map(Cow::Owned).ok_or(ImportError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_utf_16_are_read_and_other_files_are_named() {
        let text = "account,ä€😀\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for file in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe", little.as_slice()].concat(),
            [b"\xfe\xff", big.as_slice()].concat(),
        ] {
            assert_eq!(decode(&file).unwrap(), text);
        }
        assert!(matches!(decode(b"\xff\xfea"), Err(ImportError::NotUtf8)));
        assert!(matches!(decode(b"M\xfcller"), Err(ImportError::NotUtf8)));
        for (file, what) in [
            (&b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5"[..], "keepassxc-cli export -f xml FILE"),
            (b"\x03\xd9\xa2\x9a\x65\xfb\x4b\xb5", "KeePass database"),
            (b"PK\x03\x04\x14", "save the sheet as CSV"),
            (b"-----BEGIN OPENSSH PRIVATE KEY-----", "--key-file"),
        ] {
            let said = decode(file).unwrap_err().to_string();
            assert!(said.contains(what), "{said}");
        }
    }
}
