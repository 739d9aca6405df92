//! A map that keeps the order of first appearance, as Python's `dict` does.

use std::collections::HashMap;
use std::sync::Arc;

/// Maps names to `T` in order; looks up by hash, so that a hostile text cannot make lookups linear.
#[derive(Clone)]
pub(super) struct Table<T> {
    entries: Vec<(Arc<str>, T)>,
    index: HashMap<Arc<str>, usize>,
}

impl<T> Table<T> {
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.get_key_value(name).map(|(_, value)| value)
    }

    pub(super) fn get_key_value(&self, name: &str) -> Option<(&str, &T)> {
        self.at(self.position(name)?)
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Reaches the entry at a position; positions never change, because nothing is ever removed.
    pub(super) fn at(&self, position: usize) -> Option<(&str, &T)> {
        self.entries.get(position).map(|(name, value)| (&**name, value))
    }

    pub(super) fn at_mut(&mut self, position: usize) -> Option<&mut T> {
        self.entries.get_mut(position).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.at_mut(self.position(name)?)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    /// Sets a value: in the place of an earlier one of that name, else at the end.
    pub(super) fn insert(&mut self, name: Arc<str>, value: T) {
        match self.get_mut(&name) {
            Some(earlier) => *earlier = value,
            None => {
                self.index.insert(Arc::clone(&name), self.entries.len());
                self.entries.push((name, value));
            }
        }
    }

    pub(super) fn lay(&mut self, over: Self) {
        for (name, value) in over {
            self.insert(name, value);
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: HashMap::new() }
    }
}

impl<T> IntoIterator for Table<T> {
    type Item = (Arc<str>, T);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}
