//! The names that the configuration gives to one person.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::CountKey;

/// Which names belong to one person: a name and the name that it is mapped to, and all names linked to these. Used to
/// forbid and to count, never to permit.
///
/// A mapping may have thousands of lines, and most hooks compare no name with it, so the links are made when they are
/// first needed. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Aliases(Rc<Lazy>);

#[derive(Debug, Default)]
struct Lazy {
    pairs: Vec<[String; 2]>,
    people: OnceCell<People>,
}

/// The names of each person, and at which place those of a name are.
#[derive(Debug, Default)]
struct People {
    all: Vec<Vec<CountKey>>,
    places: HashMap<CountKey, usize>,
}

impl Aliases {
    /// Takes pairs of names, each of one person. Pairs with an empty name are ignored.
    pub fn of(pairs: Vec<[String; 2]>) -> Self {
        Self(Rc::new(Lazy { pairs, people: OnceCell::new() }))
    }

    /// Tells whether two names may belong to one person.
    pub fn may_be(&self, one: &CountKey, other: &CountKey) -> bool {
        one.may_be(other) || self.names_of(one).contains(other)
    }

    /// Returns all names of a person, including the given one; an empty list if it is the only one.
    pub fn names_of(&self, name: &CountKey) -> &[CountKey] {
        let People { all, places } = self.0.people.get_or_init(|| People::of(&self.0.pairs));
        places.get(name).and_then(|place| all.get(*place)).map_or(&[], Vec::as_slice)
    }
}

impl People {
    fn of(pairs: &[[String; 2]]) -> Self {
        let mut people = Self::default();
        for [one, other] in pairs {
            let (one, other) = (CountKey::of(one), CountKey::of(other));
            if !one.as_str().is_empty() && !other.as_str().is_empty() {
                people.link(one, other);
            }
        }
        people
    }

    fn link(&mut self, one: CountKey, other: CountKey) {
        let (of_one, of_other) = (self.place_of(one), self.place_of(other));
        let len = |place: usize| self.all.get(place).map_or(0, Vec::len);
        // The fewer names move, so that a long chain of links is no slow one.
        let (from, to) = if len(of_one) < len(of_other) { (of_one, of_other) } else { (of_other, of_one) };
        if from != to
            && let Some(moved) = self.all.get_mut(from).map(std::mem::take)
            && let Some(names) = self.all.get_mut(to)
        {
            self.places.extend(moved.iter().map(|name| (name.clone(), to)));
            names.extend(moved);
        }
    }

    fn place_of(&mut self, name: CountKey) -> usize {
        if let Some(place) = self.places.get(&name) {
            return *place;
        }
        let place = self.all.len();
        self.places.insert(name.clone(), place);
        self.all.push(vec![name]);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_linked_in_any_order_belong_to_one_person() {
        let key = CountKey::of;
        let pairs =
            [("bob", "b1"), ("carl", "c1"), ("b2", "robert"), ("ROBERT", "b1"), ("", "b1"), ("x", "")];
        let aliases =
            Aliases::of(pairs.map(|(name, identity)| [name.to_owned(), identity.to_owned()]).into());
        for name in ["bob", "b1", "b2", "Robert", "CORP\\bob"] {
            assert!(aliases.may_be(&key(name), &key("b2")), "{name}");
        }
        for (one, other) in [("bob", "carl"), ("", ""), ("", "bob"), ("x", "b1"), ("dave", "bob")] {
            assert!(!aliases.may_be(&key(one), &key(other)), "{one} {other}");
        }
    }
}
