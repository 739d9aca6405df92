//! From a text to its sections: the rules by which `configparser` tells headers, options and continuations apart.

use std::sync::Arc;

use super::{DEFAULT, Ini, IniError, Place, Section, Value, lower};

/// Reads one text on its own, so that duplicates are those within it.
pub(super) fn read(source: &str, text: &str) -> Result<Ini, IniError> {
    let mut reader = Reader {
        source: source.into(),
        read: Ini::new(),
        begun: Vec::new(),
        current: Current::Nothing,
        open: None,
        indent: 0,
        bad: Vec::new(),
    };
    // Only a line feed ends a line: a carriage return is white space and goes where white space is stripped.
    for (number, line) in (1..).zip(text.split('\n')) {
        reader.line(number, line)?;
    }
    if reader.bad.is_empty() {
        Ok(reader.read)
    } else {
        Err(IniError::Parsing { origin: source.to_owned(), lines: reader.bad })
    }
}

struct Reader {
    source: Arc<str>,
    read: Ini,
    /// Where each section began, by its position.
    begun: Vec<usize>,
    current: Current,
    /// The option that a deeper line continues.
    open: Option<Open>,
    /// The indent, in characters, of the last line that was no continuation.
    indent: usize,
    /// Lines that are nothing; they are refused at the end, so that all are cited at once.
    bad: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Current {
    Nothing,
    Defaults,
    Section(usize),
}

#[derive(Clone, Copy)]
struct Open {
    position: usize,
    /// Line breaks to write before the next line of the value. Written late, so that trailing blank lines vanish.
    breaks: usize,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), IniError> {
        let content = line.trim_matches(is_space);
        if content.is_empty() {
            if let Some(open) = &mut self.open {
                open.breaks = open.breaks.saturating_add(1);
            }
            return Ok(());
        }
        if content.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        if indent > self.indent && self.continues(content) {
            return Ok(());
        }
        self.indent = indent;
        if let Some(name) = header(content) {
            return self.begin_section(number, name);
        }
        let Some((section, options)) = self.current() else {
            return Err(IniError::MissingSectionHeader { origin: self.source.to_string(), line: number });
        };
        let Some((name, value)) = content.split_once(['=', ':']) else {
            // The option before it stays open.
            self.bad.push(number);
            return Ok(());
        };
        let name = lower(name.trim_end_matches(is_space));
        if let Some(first) = options.get(&name) {
            let (origin, section) = (self.source.to_string(), section.to_owned());
            let place = Place { origin, line: number, section, option: name.into_owned() };
            return Err(IniError::DuplicateOption { place, first: first.line });
        }
        self.begin_option(number, &name, value.trim_start_matches(is_space));
        Ok(())
    }

    /// Appends to the open option; `false` if there is none.
    fn continues(&mut self, content: &str) -> bool {
        let Some(Open { position, breaks }) = self.open else {
            return false;
        };
        let Some(value) = self.current_mut().and_then(|section| section.at_mut(position)) else {
            return false;
        };
        value.text.extend(std::iter::repeat_n('\n', breaks));
        value.text.push_str(content);
        self.open = Some(Open { position, breaks: 1 });
        true
    }

    fn begin_section(&mut self, number: usize, name: &str) -> Result<(), IniError> {
        // Nothing can be continued right after a header.
        self.open = None;
        if name == DEFAULT {
            // The one section that may come again.
            self.current = Current::Defaults;
            return Ok(());
        }
        if let Some(position) = self.read.sections.position(name) {
            return Err(IniError::DuplicateSection {
                origin: self.source.to_string(),
                line: number,
                section: name.to_owned(),
                first: self.begun.get(position).copied().unwrap_or_default(),
            });
        }
        self.current = Current::Section(self.read.sections.len());
        self.begun.push(number);
        self.read.sections.insert(name.into(), Section::default());
        Ok(())
    }

    fn begin_option(&mut self, number: usize, name: &str, value: &str) {
        let source = Arc::clone(&self.source);
        let Some(section) = self.current_mut() else {
            return;
        };
        let position = section.len();
        section.insert(name.into(), Value { text: value.to_owned(), source, line: number });
        if name.is_empty() {
            // A bad line, and yet an option whose second coming is a duplicate. Nothing continues it.
            self.bad.push(number);
            self.open = None;
        } else {
            self.open = Some(Open { position, breaks: 1 });
        }
    }

    fn current(&self) -> Option<(&str, &Section)> {
        match self.current {
            Current::Nothing => None,
            Current::Defaults => Some((DEFAULT, &self.read.defaults)),
            Current::Section(position) => self.read.sections.at(position),
        }
    }

    fn current_mut(&mut self) -> Option<&mut Section> {
        match self.current {
            Current::Nothing => None,
            Current::Defaults => Some(&mut self.read.defaults),
            Current::Section(position) => self.read.sections.at_mut(position),
        }
    }
}

/// Finds the name in a header: all between the first bracket and the last. What follows the last is ignored.
fn header(content: &str) -> Option<&str> {
    let (name, _ignored) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

/// Tells what Python's `str.isspace` calls white space: the four separators below are none to Rust.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, section: &str, option: &str) -> String {
        let ini = read("configuration", text).unwrap();
        ini.entry(section, option).unwrap().value.to_owned()
    }

    #[test]
    fn nothing_continues_after_a_header_not_even_in_a_second_default() {
        assert_eq!(value("[DEFAULT]\na = 1\n[DEFAULT]\n  b = 2", DEFAULT, "b"), "2");
        assert_eq!(value("[s]\na = 1\n[t]\n  b = 2", "t", "b"), "2");
    }

    #[test]
    fn a_bad_line_sets_the_indent_beyond_which_the_option_before_it_continues() {
        let lines = |text| match read("configuration", text) {
            Err(IniError::Parsing { lines, .. }) => lines,
            other => panic!("{other:?}"),
        };
        assert_eq!(lines("[s]\n    a = 1\nbad\n  continued"), [3]);
        assert_eq!(lines("[s]\n  a = 1\n bad\n worse"), [3, 4]);
    }

    #[test]
    fn white_space_is_that_of_python() {
        for c in "\t\x0b\x0c\r\x1c\x1d\x1e\x1f \u{85}\u{a0}\u{1680}\u{2000}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}".chars() {
            assert_eq!(value(&format!("{c}[s]\n{c}a{c}={c}1{c}\n{c}{c}2{c}"), "s", "a"), "1\n2", "{c:?}");
        }
        for c in "\u{feff}\u{200b}\u{180e}\u{2060}\0\x1b".chars() {
            assert_eq!(value(&format!("[s]\na=1{c}"), "s", "a"), format!("1{c}"), "{c:?}");
        }
    }
}
