//! A directory on the loopback interface, as far as a client of this kind asks one.

use super::service::{Connection, Service};

/// The password of `bind_dn` and that of alice.
pub(crate) const READER: &str = "readerpw";
pub(crate) const ALICE: &str = "alicepw";

/// A request as it arrived.
pub(crate) struct Asked {
    pub(crate) id: Vec<u8>,
    pub(crate) tag: u8,
    /// What is in the request, element by element.
    pub(crate) parts: Vec<(u8, Vec<u8>)>,
}

impl Asked {
    /// Reads a message; `None` where the client did not send one, or said good-bye.
    pub(crate) fn read(connection: &mut Connection) -> Option<Self> {
        let mut bytes = connection.exactly(2)?;
        if bytes[1] == 0x84 {
            bytes.extend(connection.exactly(4)?);
        }
        bytes.extend(connection.exactly(length(&bytes))?);
        let message = elements(&elements(&bytes)[0].1);
        let (tag, content) = message[1].clone();
        let parts = if matches!(tag, 0x60 | 0x63 | 0x77) { elements(&content) } else { Vec::new() };
        (tag != 0x42).then(|| Self { id: message[0].1.clone(), tag, parts })
    }

    pub(crate) fn text(&self, at: usize) -> String {
        String::from_utf8_lossy(&self.parts[at].1).into_owned()
    }

    /// Whether the filter of a search holds this value.
    fn filter_has(&self, value: &str) -> bool {
        let filter = self.parts[6].1.to_ascii_lowercase();
        // As the client writes it.
        let value = value.to_ascii_lowercase();
        let element = [&[4, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
        filter.windows(element.len()).any(|window| window == element)
    }

    /// Answers with a result: a bind with a bind's, a search with a search's.
    pub(crate) fn result(&self, code: u8) -> Vec<u8> {
        self.result_saying(code, "")
    }

    pub(crate) fn result_saying(&self, code: u8, message: &str) -> Vec<u8> {
        let tag = match self.tag {
            0x60 => 0x61,
            0x63 => 0x65,
            _ => 0x78,
        };
        self.message(tag, &[tlv(10, &[code]), tlv(4, b""), tlv(4, message.as_bytes())].concat())
    }

    pub(crate) fn entry(&self, dn: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
        let attributes: Vec<u8> = attributes
            .iter()
            .flat_map(|(name, value)| {
                let values = tlv(0x31, &tlv(4, value.as_bytes()));
                tlv(0x30, &[tlv(4, name.as_bytes()), values].concat())
            })
            .collect();
        self.message(0x64, &[tlv(4, dn.as_bytes()), tlv(0x30, &attributes)].concat())
    }

    pub(crate) fn message(&self, tag: u8, content: &[u8]) -> Vec<u8> {
        tlv(0x30, &[tlv(2, &self.id), tlv(tag, content)].concat())
    }
}

/// What the beginning of an element says of the length of the rest.
fn length(head: &[u8]) -> usize {
    match head[1] {
        0x84 => head[2..6].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        short => usize::from(short),
    }
}

/// Whether a message has arrived to its end.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let head = if bytes.get(1) == Some(&0x84) { 6 } else { 2 };
    bytes.get(head..).is_some_and(|rest| rest.len() >= length(bytes))
}

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&[tag, 0x84], length.to_be_bytes().as_slice(), content].concat()
}

fn elements(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let [tag, first, rest @ ..] = bytes {
        let (length, rest) = match *first {
            0x84 => (rest[..4].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), &rest[4..]),
            short => (usize::from(short), rest),
        };
        all.push((*tag, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    all
}

/// Serves a directory: alice is in dba by way of ops, bob is in dev, twin appears twice, and every password but
/// theirs is wrong. It compares names loosely, as directories do, and takes an empty password for no bind at all.
pub(crate) fn directory() -> Service {
    Service::plain(serve)
}

/// The script of [`directory`].
pub(crate) fn serve(connection: &mut Connection) {
    while let Some(asked) = Asked::read(connection) {
        for message in answers(&asked) {
            connection.send(message);
        }
    }
}

pub(crate) fn answers(asked: &Asked) -> Vec<Vec<u8>> {
    if asked.tag == 0x60 {
        let right = match asked.text(1).as_str() {
            "cn=reader" => READER,
            "uid=alice,ou=people" => ALICE,
            _ => "",
        };
        let given = asked.text(2);
        // The unauthenticated bind of RFC 4513 section 5.1.2.
        let code = if given.is_empty() || given.starts_with('\0') || given == right { 0 } else { 49 };
        let message = "80090308: LdapErr: comment: AcceptSecurityContext error, data 52e, v1";
        return vec![asked.result_saying(code, message)];
    }
    let (base, scope) = (asked.text(0), asked.parts[1].1[0]);
    let mut all = Vec::new();
    let person = |name: &str| asked.entry(&format!("uid={name},ou=people"), &[("uid", name)]);
    let group = |name: &str| asked.entry(&format!("cn={name},ou=groups"), &[("cn", name)]);
    match (base.as_str(), scope) {
        ("ou=people", 2) => {
            for name in ["alice", "bob"] {
                let loosely = [name.to_owned(), format!("{name} "), format!("{name}\u{ad}")];
                if loosely.iter().any(|name| asked.filter_has(name)) {
                    all.push(person(name));
                }
            }
            if asked.filter_has("twin") {
                all.extend([person("twin"), person("Twin")]);
            }
        }
        ("ou=groups", 2) => {
            for (name, member) in
                [("ops", "uid=alice,ou=people"), ("dba", "cn=ops,ou=groups"), ("dev", "uid=bob,ou=people")]
            {
                if asked.filter_has(name) || asked.filter_has(member) {
                    all.push(group(name));
                }
            }
            if asked.filter_has("double") {
                all.extend([group("double"), group("double")]);
            }
        }
        ("cn=ops,ou=groups", 0) if asked.filter_has("uid=alice,ou=people") => all.push(group("ops")),
        ("cn=dba,ou=groups", 0) if asked.filter_has("cn=ops,ou=groups") => all.push(group("dba")),
        ("cn=dev,ou=groups", 0) if asked.filter_has("uid=bob,ou=people") => all.push(group("dev")),
        // Whether the entry itself is there (a filter that only asks for an attribute).
        ("ou=people" | "ou=groups", 0) if asked.parts[6].0 == 0x87 => all.push(asked.entry(&base, &[])),
        ("ou=nowhere", 0) => return vec![asked.result(32)],
        (_, 0) => {}
        _ => return vec![asked.result(32)],
    }
    all.push(asked.result(0));
    all
}

/// The section for it.
pub(crate) fn section(url: &str) -> String {
    format!(
        "[ldap_server ad]\nurl={url}\nschema=rfc2307bis\nbind_dn=cn=reader\nbind_password={READER}\n\
         user_base_dn=ou=people\ngroup_base_dn=ou=groups\n"
    )
}
