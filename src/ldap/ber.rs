//! BER as LDAP uses it (RFC 4511 section 5.1): tags of one byte, definite lengths. Lengths need not be the shortest
//! ones, because Active Directory writes four bytes always; that is why no DER crate will do.

use zeroize::Zeroizing;

/// BOOLEAN, INTEGER, OCTET STRING, ENUMERATED, SEQUENCE and SET.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Says what is wrong with a text in BER.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BerError {
    /// It ends too early.
    #[error("it breaks off")]
    Truncated,
    /// A length that is indefinite, or of more than four bytes.
    #[error("a length is none")]
    Length,
    /// Something else than what has to be there.
    #[error("an element of another kind, or too many of them")]
    Kind,
    /// A number of no byte or of more than eight.
    #[error("a number is none")]
    Number,
    /// Text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
}

/// Returns the tag, the length of the header and the length of the content, once that much is there.
///
/// # Errors
/// [`BerError::Length`], [`BerError::Kind`] for a tag of more than one byte.
pub(super) fn header(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, BerError> {
    let Some((&tag, rest)) = bytes.split_first() else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(BerError::Kind);
    }
    let Some((&first, rest)) = rest.split_first() else { return Ok(None) };
    if first < 0x80 {
        return Ok(Some((tag, 2, usize::from(first))));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return Err(BerError::Length);
    }
    let Some(digits) = rest.get(..count) else { return Ok(None) };
    let length = digits.iter().fold(0_u64, |length, digit| length << 8 | u64::from(*digit));
    let length = usize::try_from(length).map_err(|_| BerError::Length)?;
    Ok(Some((tag, count.saturating_add(2), length)))
}

/// Takes elements off a text, one after the other.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes the next element, whatever it is; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, BerError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (tag, start, length) = header(self.rest)?.ok_or(BerError::Truncated)?;
        let end = start.checked_add(length).ok_or(BerError::Length)?;
        let content = self.rest.get(start..end).ok_or(BerError::Truncated)?;
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(Some((tag, content)))
    }

    /// Takes the next element, which has to be of this kind.
    pub(super) fn take(&mut self, tag: u8) -> Result<&'a [u8], BerError> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            Some(_) => Err(BerError::Kind),
            None => Err(BerError::Truncated),
        }
    }

    /// Takes the next element if it is of this kind.
    pub(super) fn take_if(&mut self, tag: u8) -> Result<Option<&'a [u8]>, BerError> {
        if self.rest.first() == Some(&tag) { self.take(tag).map(Some) } else { Ok(None) }
    }

    /// Goes into the next element, which has to be of this kind.
    pub(super) fn enter(&mut self, tag: u8) -> Result<Reader<'a>, BerError> {
        self.take(tag).map(Reader::new)
    }

    /// Takes a number, which is an INTEGER or ENUMERATED by its tag.
    pub(super) fn number(&mut self, tag: u8) -> Result<i64, BerError> {
        number(self.take(tag)?)
    }

    /// Takes a text.
    pub(super) fn text(&mut self) -> Result<String, BerError> {
        String::from_utf8(self.take(STRING)?.to_vec()).map_err(|_| BerError::Text)
    }

    /// Asserts that nothing is left.
    pub(super) fn end(&self) -> Result<(), BerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(BerError::Kind) }
    }
}

/// Reads a number in two's complement.
pub(super) fn number(content: &[u8]) -> Result<i64, BerError> {
    let (Some(first), true) = (content.first(), content.len() <= 8) else { return Err(BerError::Number) };
    let sign: i64 = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(content.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
}

/// Puts elements together. What it holds may be a password, so it is wiped.
pub(super) struct Writer {
    bytes: Zeroizing<Vec<u8>>,
}

impl Writer {
    /// Makes a writer with room for so many bytes, so that nothing is copied on the way.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(bytes)) }
    }

    pub(super) fn put(&mut self, tag: u8, content: &[u8]) -> &mut Self {
        self.bytes.push(tag);
        match u8::try_from(content.len()) {
            Ok(length) if length < 0x80 => self.bytes.push(length),
            _ => {
                let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
                self.bytes.push(0x84);
                self.bytes.extend(length.to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(content);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.put(STRING, text.as_bytes())
    }

    pub(super) fn number(&mut self, tag: u8, number: i64) -> &mut Self {
        let bytes = number.to_be_bytes();
        let more = |at: &usize| {
            // A byte that only repeats the sign is not written.
            let (this, next) = (bytes.get(*at).copied(), bytes.get(at.saturating_add(1)).copied());
            !matches!((this, next), (Some(0), Some(0..=0x7f)) | (Some(0xff), Some(0x80..)))
        };
        let start = (0..7).find(more).unwrap_or(7);
        self.put(tag, bytes.get(start..).unwrap_or_default())
    }

    pub(super) fn boolean(&mut self, tag: u8, value: bool) -> &mut Self {
        self.put(tag, &[if value { 0xff } else { 0 }])
    }

    /// Puts an element whose content `write` puts together.
    pub(super) fn nested(&mut self, tag: u8, write: impl FnOnce(&mut Writer)) -> &mut Self {
        let mut inner = Self::with_room(self.bytes.capacity());
        write(&mut inner);
        self.put(tag, &inner.bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_may_be_longer_than_it_has_to_be() {
        for bytes in [&b"\x04\x01x"[..], b"\x04\x81\x01x", b"\x04\x82\x00\x01x", b"\x04\x84\x00\x00\x00\x01x"]
        {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.take(STRING), Ok(&b"x"[..]), "{bytes:?}");
            assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn a_length_that_is_none_or_goes_too_far_is_an_error() {
        for (bytes, error) in [
            (&b"\x04"[..], BerError::Truncated),
            (b"\x04\x02x", BerError::Truncated),
            (b"\x04\x82\x01", BerError::Truncated),
            (b"\x04\x84\xff\xff\xff\xffx", BerError::Truncated),
            (b"\x04\x80x\x00\x00", BerError::Length),
            (b"\x04\x85\x00\x00\x00\x00\x01x", BerError::Length),
            (b"\x04\xff", BerError::Length),
            (b"\x1f\x81\x01\x00", BerError::Kind),
            (b"\x05\x00", BerError::Kind),
            (b"", BerError::Truncated),
        ] {
            assert_eq!(Reader::new(bytes).take(STRING), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn numbers_are_written_short_and_read_back() {
        for (value, bytes) in [
            (0, &b"\x02\x01\x00"[..]),
            (127, b"\x02\x01\x7f"),
            (128, b"\x02\x02\x00\x80"),
            (256, b"\x02\x02\x01\x00"),
            (-1, b"\x02\x01\xff"),
            (-129, b"\x02\x02\xff\x7f"),
            (i64::MAX, b"\x02\x08\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ] {
            let mut writer = Writer::with_room(16);
            writer.number(INTEGER, value);
            assert_eq!(writer.bytes(), bytes, "{value}");
            assert_eq!(Reader::new(bytes).number(INTEGER), Ok(value));
        }
        assert_eq!(number(b""), Err(BerError::Number));
        assert_eq!(number(&[1; 9]), Err(BerError::Number));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = "x".repeat(300);
        let mut writer = Writer::with_room(16);
        writer.nested(SEQUENCE, |inner| {
            inner.text("a").text(&long).boolean(BOOLEAN, true);
        });
        let mut inner = Reader::new(writer.bytes()).enter(SEQUENCE).unwrap();
        assert_eq!((inner.text().unwrap().as_str(), inner.text().unwrap()), ("a", long));
        assert_eq!(inner.take_if(SET), Ok(None));
        assert_eq!(inner.take_if(BOOLEAN), Ok(Some(&[0xff][..])));
        assert_eq!(inner.next(), Ok(None));
    }
}
