//! The messages of LDAP (RFC 4511) that a client of this kind sends and gets.

use secrecy::{ExposeSecret, SecretString};

use super::ber::{self, BOOLEAN, BerError, ENUMERATED, INTEGER, Reader, SEQUENCE, SET, STRING, Writer};
use super::filter::Filter;
use super::outcome::{Outcome, PolicyError, ResultCode, WindowsError};
use crate::clock::UnixTime;

/// StartTLS (RFC 4511 section 4.14) and the notice of disconnection (section 4.4.1).
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Paged results (RFC 2696) and the password policy's request and response.
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

const CONTROLS: u8 = 0xa0;
/// The most attributes of an entry, and values of an attribute, that are taken.
const MOST: usize = 10_000;

/// How deep a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The one entry.
    Base,
    /// It and all below it.
    Subtree,
}

/// What to search for.
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a Filter,
    /// `1.1` for none (RFC 4511 section 4.5.1.8).
    pub(super) attributes: &'a [&'a str],
    /// The most entries that the server is to send; 0: no limit.
    pub(super) size_limit: u32,
}

/// One page of a long list.
pub(super) struct Page<'a> {
    pub(super) size: u32,
    /// What the page before came with.
    pub(super) cookie: &'a [u8],
}

fn message(id: u32, room: usize, write: impl FnOnce(&mut Writer)) -> Writer {
    let mut writer = Writer::with_room(room);
    writer.nested(SEQUENCE, |inner| {
        inner.number(INTEGER, i64::from(id));
        write(inner);
    });
    writer
}

fn control(controls: &mut Writer, name: &str, value: Option<&[u8]>) {
    controls.nested(SEQUENCE, |inner| {
        inner.text(name);
        if let Some(value) = value {
            inner.put(STRING, value);
        }
    });
}

/// Writes a simple bind. The password policy is asked to say more, where the server has one.
pub(super) fn bind(id: u32, name: &str, password: &SecretString) -> Writer {
    let password = password.expose_secret();
    let room = name.len().saturating_add(password.len()).saturating_add(256);
    message(id, room, |inner| {
        inner.nested(0x60, |bind| {
            bind.number(INTEGER, 3).text(name).put(0x80, password.as_bytes());
        });
        inner.nested(CONTROLS, |controls| control(controls, PASSWORD_POLICY, None));
    })
}

pub(super) fn search(id: u32, search: &Search<'_>, page: Option<&Page<'_>>) -> Writer {
    message(id, 512, |inner| {
        inner.nested(0x63, |request| {
            let scope = match search.scope {
                Scope::Base => 0,
                Scope::Subtree => 2,
            };
            // Aliases are not followed: they may lead anywhere. The time is counted here.
            request.text(search.base).number(ENUMERATED, scope).number(ENUMERATED, 0);
            request.number(INTEGER, i64::from(search.size_limit)).number(INTEGER, 0).boolean(BOOLEAN, false);
            search.filter.write(request);
            request.nested(SEQUENCE, |list| {
                for attribute in search.attributes {
                    list.text(attribute);
                }
            });
        });
        if let Some(page) = page {
            let mut value = Writer::with_room(page.cookie.len().saturating_add(32));
            value.nested(SEQUENCE, |value| {
                value.number(INTEGER, i64::from(page.size)).put(STRING, page.cookie);
            });
            inner.nested(CONTROLS, |controls| control(controls, PAGED_RESULTS, Some(value.bytes())));
        }
    })
}

pub(super) fn start_tls(id: u32) -> Writer {
    message(id, 64, |inner| {
        inner.nested(0x77, |request| {
            request.put(0x80, START_TLS.as_bytes());
        });
    })
}

pub(super) fn unbind(id: u32) -> Writer {
    message(id, 32, |inner| {
        inner.put(0x42, &[]);
    })
}

/// Reads a GeneralizedTime in UTC, `20260131120000.0Z`, to the second (RFC 4517 section 3.3.13).
pub(super) fn generalized_time(text: &str) -> Option<UnixTime> {
    let (digits, rest) = text.split_at_checked("20260131120000".len())?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !rest.ends_with('Z') {
        return None;
    }
    let part = |range| digits.get(range);
    let [year, month, day] = [part(0..4)?, part(4..6)?, part(6..8)?];
    let [hour, minute, second] = [part(8..10)?, part(10..12)?, part(12..14)?];
    UnixTime::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

/// What a server sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    Bind(Outcome),
    Entry(Entry),
    /// To another server, which is not asked.
    Reference,
    /// The end of a search, and what the next page begins with.
    Done(Outcome, Vec<u8>),
    Extended(Outcome),
}

/// An entry of the directory.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name as the server writes it.
    pub dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// Returns the values of an attribute, whose name is taken in any case.
    pub fn values(&self, attribute: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found.map(|(_, values)| values.as_slice()).unwrap_or_default()
    }

    /// Returns the values of an attribute that are text; `None` where one is not.
    pub fn texts(&self, attribute: &str) -> Option<Vec<String>> {
        self.values(attribute).iter().map(|value| String::from_utf8(value.clone()).ok()).collect()
    }
}

/// Reads a message: its number and what it is. The number 0 is the server's notice that it hangs up.
pub(super) fn read(bytes: &[u8]) -> Result<(u32, Response), BerError> {
    let mut outer = Reader::new(bytes);
    let mut message = outer.enter(SEQUENCE)?;
    outer.end()?;
    let id = u32::try_from(message.number(INTEGER)?).map_err(|_| BerError::Number)?;
    let (tag, content) = message.next()?.ok_or(BerError::Truncated)?;
    let mut operation = Reader::new(content);
    let mut controls = message.take_if(CONTROLS)?.map(Reader::new);
    message.end()?;
    let response = match tag {
        0x61 => {
            let mut outcome = outcome(&mut operation)?;
            outcome.policy = value_of(controls.as_mut(), PASSWORD_POLICY)?.map(policy).transpose()?.flatten();
            Response::Bind(outcome)
        }
        0x64 => Response::Entry(entry(operation)?),
        0x65 => {
            let outcome = outcome(&mut operation)?;
            let cookie = match value_of(controls.as_mut(), PAGED_RESULTS)? {
                None => Vec::new(),
                Some(value) => {
                    let mut value = Reader::new(value).enter(SEQUENCE)?;
                    value.number(INTEGER)?;
                    value.take(STRING)?.to_vec()
                }
            };
            Response::Done(outcome, cookie)
        }
        0x73 => Response::Reference,
        0x78 => Response::Extended(outcome(&mut operation)?),
        _ => return Err(BerError::Kind),
    };
    Ok((id, response))
}

/// Reads the beginning of every result; referrals and what else comes behind is left alone.
fn outcome(operation: &mut Reader<'_>) -> Result<Outcome, BerError> {
    let code = u32::try_from(operation.number(ENUMERATED)?).map_err(|_| BerError::Number)?;
    operation.take(STRING)?;
    // Active Directory ends it with a NUL, and others may write any bytes.
    let message = String::from_utf8_lossy(operation.take(STRING)?);
    let refused = code == ResultCode::INVALID_CREDENTIALS.0;
    let windows = if refused { WindowsError::find(&message) } else { None };
    Ok(Outcome { code: ResultCode(code), windows, policy: None })
}

fn entry(mut operation: Reader<'_>) -> Result<Entry, BerError> {
    let dn = operation.text()?;
    let mut list = operation.enter(SEQUENCE)?;
    let mut attributes = Vec::new();
    let mut room = MOST;
    while let Some(attribute) = list.take_if(SEQUENCE)? {
        let mut attribute = Reader::new(attribute);
        let name = attribute.text()?;
        let mut set = attribute.enter(SET)?;
        let mut values = Vec::new();
        while let Some(value) = set.take_if(STRING)? {
            room = room.checked_sub(1).ok_or(BerError::Kind)?;
            values.push(value.to_vec());
        }
        set.end()?;
        room = room.checked_sub(1).ok_or(BerError::Kind)?;
        attributes.push((name, values));
    }
    list.end()?;
    Ok(Entry { dn, attributes })
}

/// Finds the value of a control of this name.
fn value_of<'a>(controls: Option<&mut Reader<'a>>, name: &str) -> Result<Option<&'a [u8]>, BerError> {
    let Some(controls) = controls else { return Ok(None) };
    while let Some(control) = controls.take_if(SEQUENCE)? {
        let mut control = Reader::new(control);
        let found = control.take(STRING)?;
        control.take_if(BOOLEAN)?;
        if found == name.as_bytes() {
            return control.take_if(STRING);
        }
    }
    Ok(None)
}

/// Reads a password policy response: a warning, which does not matter here, and an error.
fn policy(value: &[u8]) -> Result<Option<PolicyError>, BerError> {
    let mut value = Reader::new(value).enter(SEQUENCE)?;
    value.take_if(0xa0)?;
    let Some(error) = value.take_if(0x81)? else { return Ok(None) };
    let number = ber::number(error)?;
    Ok(Some(PolicyError(u8::try_from(number).unwrap_or(u8::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(writer: &Writer) -> &[u8] {
        writer.bytes()
    }

    #[test]
    fn requests_are_written_as_rfc_4511_says() {
        let bind = bind(1, "cn=x", &SecretString::from("pw"));
        let (head, controls) = written(&bind).split_at(20);
        assert_eq!(head, b"\x30\x31\x02\x01\x01\x60\x0d\x02\x01\x03\x04\x04cn=x\x80\x02pw");
        assert_eq!(controls, [b"\xa0\x1d\x30\x1b\x04\x19", PASSWORD_POLICY.as_bytes()].concat());
        assert_eq!(written(&unbind(5)), b"\x30\x05\x02\x01\x05\x42\x00");
        assert_eq!(
            written(&start_tls(2)),
            [b"\x30\x1d\x02\x01\x02\x77\x18\x80\x16", START_TLS.as_bytes()].concat()
        );
        let filter = Filter::Present("a".to_owned());
        let one = Search {
            base: "dc=x",
            scope: Scope::Subtree,
            filter: &filter,
            attributes: &["1.1"],
            size_limit: 2,
        };
        assert_eq!(
            written(&search(3, &one, None)),
            b"\x30\x24\x02\x01\x03\x63\x1f\x04\x04dc=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x02\x02\x01\x00\x01\x01\x00\x87\x01a\x30\x05\x04\x031.1"
        );
        let page = Page { size: 200, cookie: b"c" };
        let paged = search(3, &one, Some(&page));
        assert!(written(&paged).ends_with(b"\x04\x09\x30\x07\x02\x02\x00\xc8\x04\x01c"));
    }

    #[test]
    fn a_time_of_a_directory_is_a_point_in_time() {
        let noon = UnixTime::parse("2026-01-31T12:00:00Z").unwrap();
        assert_eq!(generalized_time("20260131120000.0Z"), Some(noon));
        assert_eq!(generalized_time("20260131120000Z"), Some(noon));
        for bad in [
            "",
            "20260131120000",
            "20260131120000+0100",
            "2026013112000Z",
            "2026-01-31T12:00Z",
            "20261331120000Z",
        ] {
            assert_eq!(generalized_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_entry_is_read_with_all_its_values() {
        let bytes = b"\x30\x24\x02\x01\x02\x64\x1f\x04\x04cn=x\x30\x17\x30\x0d\x04\x04mail\x31\x05\x04\x01a\x04\x00\x30\x06\x04\x02cn\x31\x00";
        let (2, Response::Entry(entry)) = read(bytes).unwrap() else { panic!("no entry") };
        assert_eq!(
            (entry.dn.as_str(), entry.texts("MAIL").unwrap()),
            ("cn=x", vec!["a".to_owned(), String::new()])
        );
        assert!(entry.values("cn").is_empty() && entry.values("sn").is_empty());
    }

    #[test]
    fn an_outcome_is_read_with_what_a_policy_adds() {
        let mut locked = Writer::with_room(128);
        locked.nested(SEQUENCE, |message| {
            message.number(INTEGER, 1).put(0x61, b"\x0a\x01\x31\x04\x00\x04\x00");
            message.nested(CONTROLS, |controls| {
                controls.nested(SEQUENCE, |control| {
                    control
                        .text(PASSWORD_POLICY)
                        .boolean(BOOLEAN, false)
                        .put(STRING, b"\x30\x03\x81\x01\x01");
                });
            });
        });
        let (1, Response::Bind(outcome)) = read(locked.bytes()).unwrap() else { panic!("no bind") };
        assert_eq!(outcome.to_string(), "invalidCredentials (49), password policy: the account is locked");
        assert!(!outcome.is_success());
    }

    #[test]
    fn a_message_with_something_else_in_it_is_an_error() {
        for bytes in [
            &b""[..],
            b"\x30\x00",
            b"\x30\x03\x02\x01\x01",
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00x",
            b"\x30\x0c\x02\x01\xff\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
            b"\x30\x0a\x02\x01\x01\x61\x05\x0a\x01\x00\x04\x00",
            b"\x30\x0c\x02\x01\x01\x60\x07\x0a\x01\x00\x04\x00\x04\x00",
            b"\x30\x0c\x02\x01\x01\x61\x07\x02\x01\x00\x04\x00\x04\x00",
            b"\x30\x0d\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\x00",
            b"\x30\x09\x02\x01\x02\x64\x04\x04\x02\xff\xfe",
            b"\x30\x10\x02\x01\x02\x64\x0b\x04\x01x\x30\x06\x04\x04mail",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        let success = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert!(matches!(read(success), Ok((1, Response::Bind(outcome))) if outcome.is_success()));
    }
}
