//! XML as PSKC needs it: one child of the root at a time, bounded, without a document type and its entities.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use zeroize::Zeroizing;

use super::ImportError;

/// How deep elements may nest.
const MAX_DEPTH: usize = 20;
/// How many elements one child of the root may hold.
const MAX_ELEMENTS: usize = 1000;
/// The longest text of one element, in bytes.
const MAX_TEXT: usize = 65_536;

/// The namespaces that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// RFC 6030.
    Pskc,
    /// XML encryption.
    Encryption,
    /// XML encryption 1.1, for derived keys.
    Encryption11,
    /// XML signatures.
    Signature,
    Other,
}

/// An element with all that is in it.
pub(super) struct Element {
    pub(super) space: Space,
    /// In lower case: privacyIDEA and eduMFA write all names so.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    text: Zeroizing<String>,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Returns the value of an attribute without a namespace, whose name may be written in any case.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let attribute = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        attribute.map(|(_, value)| value.as_str())
    }

    /// Returns the text in it, without the blanks around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Tells whether this is the element of that name, written in any case.
    pub(super) fn is(&self, space: Space, name: &str) -> bool {
        self.space == space && self.name.eq_ignore_ascii_case(name)
    }

    /// Returns the first child of that name.
    pub(super) fn child(&self, space: Space, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(space, name))
    }

    /// Returns the first child of that name in whatever namespace.
    pub(super) fn child_anywhere(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name.eq_ignore_ascii_case(name))
    }
}

/// Reads a document child by child of its root.
pub(super) struct Document<'t> {
    reader: NsReader<&'t [u8]>,
    text: &'t str,
    elements: usize,
}

impl<'t> Document<'t> {
    /// Reads up to the root, and returns it without its children.
    pub(super) fn open(text: &'t str) -> Result<(Self, Element), ImportError> {
        let mut document = Self { reader: NsReader::from_str(text), text, elements: 0 };
        document.reader.config_mut().expand_empty_elements = true;
        loop {
            let (space, event) = document.event()?;
            match event {
                Event::Start(start) => {
                    let root = document.element(space, &start)?;
                    return Ok((document, root));
                }
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::DocType(_) => return Err(document.broken("a document type is not allowed")),
                Event::End(_)
                | Event::Empty(_)
                | Event::Text(_)
                | Event::CData(_)
                | Event::GeneralRef(_)
                | Event::Eof => return Err(document.broken("this is not XML")),
            }
        }
    }

    /// Returns the next child of the root, or `None` at its end.
    pub(super) fn next_child(&mut self) -> Result<Option<Element>, ImportError> {
        self.elements = 0;
        let mut open: Vec<Element> = Vec::new();
        loop {
            let (space, event) = self.event()?;
            match event {
                Event::Start(start) => {
                    self.elements = self.elements.saturating_add(1);
                    if open.len() >= MAX_DEPTH || self.elements > MAX_ELEMENTS {
                        return Err(self.broken("more elements in each other than a key has"));
                    }
                    open.push(self.element(space, &start)?);
                }
                Event::End(_) => {
                    let Some(done) = open.pop() else {
                        self.expect_the_end()?;
                        return Ok(None);
                    };
                    match open.last_mut() {
                        Some(parent) => parent.children.push(done),
                        None => return Ok(Some(done)),
                    }
                }
                Event::Text(text) => self.append(open.last_mut(), &text.xml10_content())?,
                Event::CData(text) => self.append(open.last_mut(), &text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().ok().flatten();
                    let text = match (character, resolve_predefined_entity(&reference)) {
                        (Some(character), _) => character.to_string(),
                        (None, Some(text)) => text.to_owned(),
                        (None, None) => return Err(self.broken("an entity that XML does not have")),
                    };
                    self.append(open.last_mut(), &text)?;
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(self.broken("a document type is not allowed")),
                Event::Empty(_) | Event::Decl(_) | Event::Eof => {
                    return Err(self.broken("the document is not complete"));
                }
            }
        }
    }

    fn expect_the_end(&mut self) -> Result<(), ImportError> {
        loop {
            match self.event()?.1 {
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Start(_)
                | Event::End(_)
                | Event::Empty(_)
                | Event::Text(_)
                | Event::CData(_)
                | Event::Decl(_)
                | Event::DocType(_)
                | Event::GeneralRef(_) => return Err(self.broken("there is something behind the document")),
            }
        }
    }

    fn append(&self, element: Option<&mut Element>, text: &str) -> Result<(), ImportError> {
        match element {
            Some(element) if element.text.len().saturating_add(text.len()) <= MAX_TEXT => {
                element.text.push_str(text);
                Ok(())
            }
            None if text.trim().is_empty() => Ok(()),
            Some(_) | None => Err(self.broken("a text where none can be, or too long a one")),
        }
    }

    fn event(&mut self) -> Result<(Space, Event<'t>), ImportError> {
        match self.reader.read_resolved_event() {
            Ok((ResolveResult::Bound(namespace), event)) => {
                let space = match namespace.into_inner() {
                    "urn:ietf:params:xml:ns:keyprov:pskc" => Space::Pskc,
                    "http://www.w3.org/2001/04/xmlenc#" => Space::Encryption,
                    "http://www.w3.org/2009/xmlenc11#" => Space::Encryption11,
                    "http://www.w3.org/2000/09/xmldsig#" => Space::Signature,
                    _ => Space::Other,
                };
                Ok((space, event))
            }
            Ok((ResolveResult::Unbound, event)) => Ok((Space::Other, event)),
            Ok((ResolveResult::Unknown(_), _)) => Err(self.broken("a prefix without a namespace")),
            // What the reader says may quote the text.
            Err(_) => Err(self.broken("this is not XML")),
        }
    }

    fn element(&self, space: Space, start: &BytesStart<'_>) -> Result<Element, ImportError> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| self.broken("an attribute that is none"))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| self.broken("an attribute that is none"))?;
            let name = attribute.key.into_inner().to_ascii_lowercase();
            if attributes.iter().any(|(known, _)| *known == name) {
                return Err(self.broken("an attribute that is given twice"));
            }
            attributes.push((name, value.into_owned()));
        }
        Ok(Element {
            space,
            name: start.local_name().into_inner().to_ascii_lowercase(),
            attributes,
            text: Zeroizing::default(),
            children: Vec::new(),
        })
    }

    fn broken(&self, fault: &'static str) -> ImportError {
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let before = self.text.as_bytes().get(..position).unwrap_or(self.text.as_bytes());
        let ends = before.iter().filter(|byte| **byte == b'\n').count();
        ImportError::Xml { line: ends.saturating_add(1), fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads everything; the names of the root's children, or the fault.
    fn read(text: &str) -> Result<Vec<String>, String> {
        let all = || -> Result<_, ImportError> {
            let (mut document, _) = Document::open(text)?;
            let mut names = Vec::new();
            while let Some(child) = document.next_child()? {
                names.push(child.name);
            }
            Ok(names)
        };
        all().map_err(|error| error.to_string())
    }

    #[test]
    fn texts_attributes_and_references_are_put_together() {
        let text =
            "<?xml version='1.0'?><!-- c --><r xmlns='urn:ietf:params:xml:ns:keyprov:pskc' xmlns:x='y'>
            <a b='1 &lt; 2' x:b='3'> t&#65;&amp;<![CDATA[<u>]]><!-- c --> <c/> </a></r>\n";
        let (mut document, root) = Document::open(text).unwrap();
        assert!(root.is(Space::Pskc, "r"));
        let child = document.next_child().unwrap().unwrap();
        assert_eq!((child.attribute("b"), child.attribute("c")), (Some("1 < 2"), None));
        assert_eq!(child.text(), "tA&<u>");
        assert!(child.child(Space::Pskc, "c").is_some() && child.child(Space::Other, "c").is_none());
        assert!(document.next_child().unwrap().is_none());
    }

    #[test]
    fn names_are_read_in_any_case() {
        let text = "<Root xmlns='urn:ietf:params:xml:ns:keyprov:pskc'><SerialNo Id='1'>A</SerialNo></Root>";
        for text in [text, &text.replace("SerialNo", "serialno").replace("Id", "id")] {
            let (mut document, root) = Document::open(text).unwrap();
            assert!(root.is(Space::Pskc, "root") && root.is(Space::Pskc, "Root"));
            let child = document.next_child().unwrap().unwrap();
            assert!(child.is(Space::Pskc, "SerialNo"));
            assert_eq!(child.attribute("ID"), Some("1"));
        }
    }

    #[test]
    fn a_document_type_is_refused_and_with_it_every_entity_of_its_own() {
        let bomb = "<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>\n<r><c>&b;</c></r>";
        assert_eq!(read(bomb), Err("line 1: a document type is not allowed".to_owned()));
        let external = "<!DOCTYPE r [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><r>&a;</r>";
        assert_eq!(read(external), Err("line 1: a document type is not allowed".to_owned()));
        assert_eq!(read("<r>\n<c>&b;</c></r>"), Err("line 2: an entity that XML does not have".to_owned()));
        assert!(read("<r><c b='&b;'/></r>").is_err());
    }

    #[test]
    fn what_is_not_one_whole_document_is_refused() {
        assert_eq!(read("<r><a/><b/></r>").unwrap(), ["a", "b"]);
        for bad in [
            "",
            "x",
            "<",
            "<r",
            "<r>",
            "<r><a>",
            "<r></a>",
            "<r/><r/>",
            "<r/>x",
            "x<r/>",
            "<r>x</r>",
            "<r><a b='1' b='2'/></r>",
            "<r><a b='1' B='2'/></r>",
            "<x:r/>",
            "<r><a b=1/></r>",
            "<r><a>&</a></r>",
            "<r><a>&#0;</a></r>",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn depth_number_and_length_are_bounded() {
        let deep = |depth: usize| format!("<r>{}{}</r>", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read(&deep(MAX_DEPTH)).is_ok());
        assert!(read(&deep(MAX_DEPTH + 1)).is_err());
        let many = |count: usize| format!("<r><b>{}</b></r>", "<a/>".repeat(count - 1));
        assert!(read(&many(MAX_ELEMENTS)).is_ok());
        assert!(read(&many(MAX_ELEMENTS + 1)).is_err());
        assert!(read(&format!("<r><a>{}</a></r>", "x".repeat(MAX_TEXT + 1))).is_err());
    }
}
