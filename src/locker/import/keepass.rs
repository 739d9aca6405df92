//! The XML that KeePass 2 and KeePassXC export: groups in groups, entries with named strings.
//!
//! `UserName` is the account. The asset is the host of `URL`, or the title where there is no URL. `otp` (KeePassXC) and
//! `TimeOtp-Secret-Base32` (KeePass) are TOTP secrets. A string that holds a private key is one. What an entry held
//! earlier (`History`) and what lies in the recycle bin does not come along.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use zeroize::Zeroizing;

use super::{Batch, Defaults, ImportError, Raw};
use crate::logging::Short;

/// How deep elements may nest.
const MAX_DEPTH: usize = 64;
/// The longest text of one element, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// How many strings one entry may have.
const MAX_STRINGS: usize = 1000;

/// Reads a file.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let mut walk = Walk {
        reader: Reader::from_str(text),
        text,
        path: Vec::new(),
        content: Zeroizing::default(),
        bin: None,
        groups: Vec::new(),
        entry: None,
        history: 0,
    };
    walk.reader.config_mut().expand_empty_elements = true;
    walk.run(defaults, batch)
}

/// The strings of one entry.
#[derive(Default)]
struct Strings {
    found: Vec<(String, Zeroizing<String>)>,
    key: String,
    attachments: usize,
}

struct Group {
    is_bin: bool,
}

struct Walk<'t> {
    reader: Reader<&'t [u8]>,
    text: &'t str,
    path: Vec<String>,
    content: Zeroizing<String>,
    /// The recycle bin, as `Meta` names it.
    bin: Option<String>,
    groups: Vec<Group>,
    entry: Option<Strings>,
    history: usize,
}

impl Walk<'_> {
    fn run(&mut self, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
        let mut is_begun = false;
        loop {
            // What the reader says may quote the text.
            let event = self.reader.read_event().map_err(|_| self.broken("this is not XML"))?;
            match event {
                Event::Start(start) => {
                    if self.path.is_empty() && (is_begun || start.local_name().into_inner() != "KeePassFile")
                    {
                        return Err(self.broken("this is not what KeePass exports (KeePassFile)"));
                    }
                    is_begun = true;
                    self.begin(&start)?;
                }
                Event::End(_) => {
                    let Some(name) = self.path.pop() else { return Err(self.broken("this is not XML")) };
                    self.end(&name, defaults, batch)?;
                }
                Event::Text(text) => self.append(&text.xml10_content())?,
                Event::CData(text) => self.append(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().ok().flatten();
                    match (character, resolve_predefined_entity(&reference)) {
                        (Some(character), _) => self.append(character.encode_utf8(&mut [0; 4]))?,
                        (None, Some(text)) => self.append(text)?,
                        (None, None) => return Err(self.broken("an entity that XML does not have")),
                    }
                }
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(self.broken("a document type is not allowed")),
                Event::Empty(_) => return Err(self.broken("this is not XML")),
                Event::Eof if self.path.is_empty() && is_begun => return Ok(()),
                Event::Eof => return Err(self.broken("the document is not complete")),
            }
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), ImportError> {
        if self.path.len() >= MAX_DEPTH {
            return Err(self.broken("more elements in each other than KeePass writes"));
        }
        let name = start.local_name().into_inner().to_owned();
        match name.as_str() {
            "Group" => self.groups.push(Group { is_bin: false }),
            "History" => self.history = self.history.saturating_add(1),
            "Entry" if self.history == 0 => self.entry = Some(Strings::default()),
            "Value" => {
                for attribute in start.attributes() {
                    let attribute = attribute.map_err(|_| self.broken("an attribute that is none"))?;
                    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                    let is_true = value.is_ok_and(|value| value.eq_ignore_ascii_case("true"));
                    if attribute.key.into_inner() == "Protected" && is_true {
                        return Err(self.broken("the passwords in it are encrypted; export it as plain XML"));
                    }
                }
            }
            _ => {}
        }
        self.path.push(name);
        self.content = Zeroizing::default();
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<(), ImportError> {
        if self.path.is_empty() {
            let is_blank = text.trim().is_empty();
            return if is_blank { Ok(()) } else { Err(self.broken("this is not XML")) };
        }
        if self.content.len().saturating_add(text.len()) > MAX_TEXT {
            return Err(self.broken("a text of more than 256 KiB"));
        }
        self.content.push_str(text);
        Ok(())
    }

    fn end(&mut self, name: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
        let content = std::mem::take(&mut self.content);
        let parent = self.path.last().map_or("", String::as_str);
        match (parent, name) {
            ("Meta", "RecycleBinUUID") => self.bin = Some(content.trim().to_owned()),
            ("Group", "UUID") => {
                let is_bin = self.bin.as_deref() == Some(content.trim()) && !content.trim().is_empty();
                if let Some(group) = self.groups.last_mut() {
                    group.is_bin = is_bin;
                }
            }
            (_, "Group") => drop(self.groups.pop()),
            (_, "History") => self.history = self.history.saturating_sub(1),
            ("String" | "Binary", "Key") if self.history == 0 => {
                if let Some(entry) = &mut self.entry {
                    entry.key = content.trim().to_owned();
                    entry.attachments = entry.attachments.saturating_add(usize::from(parent == "Binary"));
                }
            }
            ("String", "Value") if self.history == 0 => {
                if let Some(entry) = &mut self.entry {
                    let key = std::mem::take(&mut entry.key);
                    entry.found.push((key, content));
                }
                if self.entry.as_ref().is_some_and(|entry| entry.found.len() > MAX_STRINGS) {
                    return Err(self.broken("an entry with more than 1000 strings"));
                }
            }
            (_, "Entry") if self.history == 0 => {
                if let Some(strings) = self.entry.take() {
                    let is_deleted = self.groups.iter().any(|group| group.is_bin);
                    strings.add(is_deleted, defaults, batch)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn broken(&self, fault: &'static str) -> ImportError {
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let before = self.text.as_bytes().get(..position).unwrap_or(self.text.as_bytes());
        let ends = before.iter().filter(|byte| **byte == b'\n').count();
        ImportError::Xml { line: ends.saturating_add(1), fault }
    }
}

impl Strings {
    fn get(&self, names: &[&str]) -> Option<&str> {
        let of = |name: &&str| {
            let (_, value) = self.found.iter().find(|(known, _)| known == name)?;
            Some(value.as_str()).filter(|value| !value.is_empty())
        };
        names.iter().find_map(of)
    }

    fn add(&self, is_deleted: bool, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
        let title = self.get(&["Title"]).unwrap_or("without a title");
        let place = || format!("the entry {}", Short(title));
        if is_deleted {
            batch.notes.push(format!("{} is left out: it lies in the recycle bin", place()));
            return Ok(());
        }
        let asset = self.get(&["URL"]).map(str::trim).and_then(host).or(self.get(&["Title"]).map(str::trim));
        let key = self.found.iter().find(|(_, value)| is_key(value)).map(|(_, value)| value.as_str());
        // The password of an entry with an encrypted key is as likely the key's as the account's; it is tried.
        let password = self.get(&["Password"]);
        let raw = Raw {
            account: self.get(&["UserName"]).map(str::trim).unwrap_or_default(),
            asset: asset.unwrap_or_default(),
            password,
            private_key: key,
            passphrase: password,
            totp: self.get(&["otp", "TimeOtp-Secret-Base32", "TOTP Seed"]),
            ..Raw::default()
        };
        if raw.account.is_empty() || raw.asset.is_empty() {
            let what = if raw.account.is_empty() { "user name" } else { "URL and no title" };
            batch.notes.push(format!("{} is left out: it has no {what}", place()));
            return Ok(());
        }
        if raw.password.is_none() && raw.private_key.is_none() && raw.totp.is_none() {
            batch.notes.push(format!("{} is left out: it holds nothing to hand out", place()));
            return Ok(());
        }
        if self.attachments > 0 {
            batch.notes.push(format!("{}: what is attached to it does not come along", place()));
        }
        batch.add(place, &raw, defaults)
    }
}

fn is_key(value: &str) -> bool {
    let value = value.trim_start();
    value.starts_with("-----BEGIN ") && value.contains("PRIVATE KEY-----")
}

/// Returns the host of a URL, or the text where it is none: `ssh://root@db1:22/x` is `db1`.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = match rest.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        // One colon is before a port; more are in an IPv6 address.
        None if rest.matches(':').count() == 1 => rest.split(':').next().unwrap_or_default(),
        None => rest,
    };
    Some(host).filter(|host| !host.is_empty())
}
