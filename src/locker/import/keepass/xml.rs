//! The XML: groups in groups, entries with named strings. What an entry held earlier (`History`) is not read.

use data_encoding::{BASE64, HEXUPPER};
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use zeroize::Zeroizing;

use super::{Expiry, Source, take};
use crate::clock::UnixTime;
use crate::locker::import::{Batch, Defaults, ImportError, MAX_ENTRIES};

/// How deep elements may nest.
const MAX_DEPTH: usize = 64;
/// The longest text of one element, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// How many strings one entry may have.
const MAX_STRINGS: usize = 1000;

/// Reads a file.
pub(in crate::locker::import) fn read(
    text: &str,
    defaults: &Defaults<'_>,
    batch: &mut Batch,
) -> Result<(), ImportError> {
    let mut walk = Walk {
        reader: Reader::from_str(text),
        text,
        path: Vec::new(),
        content: Zeroizing::default(),
        counted: (0, 1),
        bin: None,
        groups: Vec::new(),
        entry: None,
        key: String::new(),
        expires: false,
        time: String::new(),
        history: 0,
        sources: Vec::new(),
    };
    walk.reader.config_mut().expand_empty_elements = true;
    walk.run()?;
    take(walk.sources, defaults, batch)
}

#[derive(Default)]
struct Group {
    name: String,
    is_bin: bool,
}

struct Walk<'t> {
    reader: Reader<&'t [u8]>,
    text: &'t str,
    path: Vec<String>,
    content: Zeroizing<String>,
    /// Up to which byte lines are counted, and in which line it is.
    counted: (usize, u64),
    /// The recycle bin, as `Meta` names it.
    bin: Option<String>,
    groups: Vec<Group>,
    entry: Option<Source>,
    /// The name of the string that is read.
    key: String,
    /// Whether the entry expires, and when.
    expires: bool,
    time: String,
    history: usize,
    sources: Vec<Source>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), ImportError> {
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
                    self.end(&name)?;
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
            "Group" => self.groups.push(Group::default()),
            "History" => self.history = self.history.saturating_add(1),
            "Entry" if self.history == 0 => {
                let line = self.line();
                self.entry = Some(Source::at(line));
                (self.expires, self.time) = (false, String::new());
            }
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

    fn end(&mut self, name: &str) -> Result<(), ImportError> {
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
            ("Group", "Name") => {
                if let Some(group) = self.groups.last_mut() {
                    content.trim().clone_into(&mut group.name);
                }
            }
            (_, "Group") => drop(self.groups.pop()),
            (_, "History") => self.history = self.history.saturating_sub(1),
            _ if self.history == 0 => self.end_in_entry(name, content)?,
            _ => {}
        }
        Ok(())
    }

    fn end_in_entry(&mut self, name: &str, content: Zeroizing<String>) -> Result<(), ImportError> {
        let parent = self.path.last().map_or("", String::as_str);
        let Some(entry) = &mut self.entry else { return Ok(()) };
        match (parent, name) {
            ("Entry", "UUID") => entry.uuid = uuid(&content),
            ("Times", "Expires") => self.expires = content.trim().eq_ignore_ascii_case("true"),
            ("Times", "ExpiryTime") => content.trim().clone_into(&mut self.time),
            ("Binary", "Key") => entry.attachments = entry.attachments.saturating_add(1),
            ("String", "Key") => content.trim().clone_into(&mut self.key),
            ("String", "Value") => {
                entry.put(std::mem::take(&mut self.key), content);
                if entry.len() > MAX_STRINGS {
                    return Err(self.broken("an entry with more than 1000 strings"));
                }
            }
            (_, "Entry") => {
                if let Some(mut entry) = self.entry.take() {
                    let names: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
                    entry.group = names.join("/");
                    entry.is_in_bin = self.groups.iter().any(|group| group.is_bin);
                    entry.expiry = if self.expires { expiry(&self.time) } else { Expiry::Never };
                    self.sources.push(entry);
                }
                if self.sources.len() > MAX_ENTRIES {
                    return Err(ImportError::TooMany);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the line in which the reader is, from 1.
    fn line(&mut self) -> u64 {
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let (from, line) = self.counted;
        let more = self.text.as_bytes().get(from..position).unwrap_or_default();
        let ends = more.iter().filter(|byte| **byte == b'\n').count();
        let line = line.saturating_add(u64::try_from(ends).unwrap_or(u64::MAX));
        self.counted = (position, line);
        line
    }

    fn broken(&mut self, fault: &'static str) -> ImportError {
        ImportError::Xml { line: self.line(), fault }
    }
}

/// Reads an identifier; references write it in hexadecimal digits.
fn uuid(text: &str) -> Option<String> {
    let bytes = BASE64.decode(text.trim().as_bytes()).ok()?;
    (bytes.len() == 16).then(|| HEXUPPER.encode(&bytes))
}

/// Reads RFC 3339, or what KDBX 4 has: base64 of seconds since the year 1.
fn expiry(text: &str) -> Expiry {
    /// From there to 1970.
    const UNIX_EPOCH: i64 = 62_135_596_800;
    let seconds = BASE64.decode(text.as_bytes()).ok().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    let time = match seconds.map(i64::from_le_bytes) {
        Some(seconds) => seconds.checked_sub(UNIX_EPOCH).map(UnixTime::from_secs),
        None if text.contains('-') => UnixTime::parse(text).ok(),
        None => None,
    };
    time.map_or(Expiry::Unknown, Expiry::At)
}
