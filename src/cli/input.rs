//! What is typed but must not be seen: secrets, passwords, PINs, from the command line, stdin or a hidden prompt.

use std::io::Read;

use zeroize::Zeroizing;

use super::failure::Failure;
use crate::terminal::{INTERRUPT, Stream, Terminal};

/// The longest line that is read as a secret, in bytes.
const MAX_LINE: usize = 8192;
/// The exit status after Ctrl-C, which shells give a command that was ended by it.
const INTERRUPTED: u8 = 130;

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
        self.read().map_err(|unread| failure(what, unread))
    }

    /// Reads one line, without its end.
    pub(super) fn read(&mut self) -> Result<Zeroizing<String>, Unread> {
        let is_terminal = self.terminal.is_terminal(Stream::Stdin);
        // With its final size, so that no copy is left behind when it grows.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
        let mut byte = [0_u8];
        let mut any = false;
        while self.stdin.read(&mut byte).map_err(Unread::Broken)? > 0 {
            any = true;
            match byte {
                [b'\n'] => break,
                [INTERRUPT] if is_terminal => return Err(Unread::Interrupted),
                [byte] if line.len() < MAX_LINE => line.push(byte),
                [_] => return Err(Unread::TooLong),
            }
        }
        if !any {
            return Err(Unread::End);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let text = std::str::from_utf8(&line);
        text.map(|text| Zeroizing::new(text.to_owned())).map_err(|_| Unread::NotUtf8)
    }

    /// Shows a question at the terminal and reads the answer, which is shown as it is typed or not. Whoever asks gives
    /// the terminal back.
    pub(super) fn typed(
        &mut self,
        on: Stream,
        question: &str,
        echo: bool,
    ) -> Result<Zeroizing<String>, Unread> {
        if !self.terminal.hold(echo) || !self.terminal.say(on, question) {
            return Err(Unread::Unasked);
        }
        let line = self.read();
        if !echo || line.is_err() {
            // The line end that was typed was not shown either.
            self.terminal.say(on, "\n");
        }
        line
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
        let line = self.typed(Stream::Stderr, question, false);
        self.terminal.give_back();
        line.map_err(|unread| failure(what, unread))
    }
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// Ctrl-C at the terminal.
    #[error("Ctrl-C was typed")]
    Interrupted,
    /// Nothing comes any more.
    #[error("stdin has ended")]
    End,
    /// Over [`MAX_LINE`].
    #[error("a line on stdin is too long")]
    TooLong,
    /// Bytes that are no text.
    #[error("a line on stdin is not UTF-8")]
    NotUtf8,
    /// The question could not be shown, or what is typed not be hidden.
    #[error("the terminal cannot be used")]
    Unasked,
    /// stdin cannot be read.
    #[error("stdin cannot be read")]
    Broken(#[source] std::io::Error),
}

/// Says why there is no secret.
fn failure(what: &str, unread: Unread) -> Failure {
    match unread {
        Unread::Interrupted => Failure { status: INTERRUPTED, ..Failure::because("interrupted".to_owned()) },
        Unread::End => Failure::because(format!("{what} is missing on stdin; there is one line for each")),
        Unread::TooLong => Failure::because(format!("{what} on stdin is too long")),
        Unread::NotUtf8 => Failure::because(format!("{what} on stdin is not UTF-8")),
        Unread::Unasked => Failure::because(format!("the terminal would show {what}; give it on stdin")),
        Unread::Broken(error) => Failure::fault(error),
    }
}

/// Reads up to `most` bytes and one more.
pub(super) fn read_bounded(reader: &mut dyn Read, most: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
