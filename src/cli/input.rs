//! What is typed but must not be seen: secrets, passwords, PINs, from the command line, stdin or a hidden prompt.

use std::io::Read;

use zeroize::Zeroizing;

use super::failure::Failure;
use crate::terminal::{Stream, Terminal};

/// The longest line that is read as a secret, in bytes.
const MAX_LINE: usize = 8192;

/// stdin, read line by line.
pub(super) struct Input<'a> {
    stdin: &'a mut dyn Read,
    terminal: &'a dyn Terminal,
}

impl<'a> Input<'a> {
    pub(super) fn new(stdin: &'a mut dyn Read, terminal: &'a dyn Terminal) -> Self {
        Self { stdin, terminal }
    }

    /// Takes a text from the command line, from the next line of stdin if `from_stdin`, or else, if `ask` and a
    /// person is there, from a hidden prompt.
    pub(super) fn secret(
        &mut self,
        what: &str,
        given: Option<String>,
        from_stdin: bool,
        ask: bool,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let is_terminal = self.terminal.is_terminal(Stream::Stdin);
        match given {
            Some(text) => Ok(Some(Zeroizing::new(text))),
            None if is_terminal && (from_stdin || ask) => self.ask_twice(what).map(Some),
            None if from_stdin => self.line(what).map(Some),
            None => Ok(None),
        }
    }

    /// Reads one line, without its end.
    pub(super) fn line(&mut self, what: &str) -> Result<Zeroizing<String>, Failure> {
        // With its final size, so that no copy is left behind when it grows.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
        let mut byte = [0_u8];
        let mut any = false;
        while self.stdin.read(&mut byte).map_err(Failure::fault)? > 0 {
            any = true;
            match byte {
                [b'\n'] => break,
                [byte] if line.len() < MAX_LINE => line.push(byte),
                [_] => return Err(Failure::because(format!("{what} on stdin is too long"))),
            }
        }
        if !any {
            return Err(Failure::because(format!("{what} is missing on stdin; there is one line for each")));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let text = std::str::from_utf8(&line);
        text.map(|text| Zeroizing::new(text.to_owned()))
            .map_err(|_| Failure::because(format!("{what} on stdin is not UTF-8")))
    }

    /// Reads everything that is left, up to `most` bytes; one byte more tells that there is more.
    pub(super) fn rest(&mut self, most: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
        read_bounded(self.stdin, most)
    }

    /// Asks a person for a secret that exists already, so that once is enough.
    pub(super) fn once(&mut self, what: &str) -> Result<Zeroizing<String>, Failure> {
        self.ask(what, &format!("Enter {what}: "))
    }

    fn ask_twice(&mut self, what: &str) -> Result<Zeroizing<String>, Failure> {
        let first = self.ask(what, &format!("Enter {what}: "))?;
        let second = self.ask(what, &format!("Enter {what} again: "))?;
        if *first == *second {
            Ok(first)
        } else {
            Err(Failure::because(format!("{what} was not typed the same twice")))
        }
    }

    fn ask(&mut self, what: &str, question: &str) -> Result<Zeroizing<String>, Failure> {
        if !self.terminal.hide(question) {
            return Err(Failure::because(format!("the terminal would show {what}; give it on stdin")));
        }
        let line = self.line(what);
        self.terminal.show();
        line
    }
}

/// Reads up to `most` bytes and one more.
pub(super) fn read_bounded(reader: &mut dyn Read, most: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
