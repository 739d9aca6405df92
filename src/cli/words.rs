//! A value that is one of a few words, which a shell can complete.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, Error};

/// Reads one of the words, and names them all to whoever types another.
#[derive(Clone)]
pub(super) struct OneOf<T> {
    words: Vec<&'static str>,
    read: fn(&str) -> Option<T>,
}

impl<T> OneOf<T> {
    pub(super) fn new(words: &[&'static str], read: fn(&str) -> Option<T>) -> Self {
        Self { words: words.to_vec(), read }
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for OneOf<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        // The parser of a list of words says which are possible on a line of its own, and guesses at another.
        let Self { words, read } = self.clone();
        let parse =
            move |text: &str| read(text).ok_or_else(|| format!("expected one of {}", words.join(", ")));
        parse.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}
