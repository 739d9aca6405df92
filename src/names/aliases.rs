//! The names that the configuration gives to one person.

use super::CountKey;

/// Which names belong to one person: a name and the name that it is mapped to, and all names linked to these. Used to
/// forbid and to count, never to permit.
#[derive(Clone, Debug, Default)]
pub struct Aliases(Vec<Vec<CountKey>>);

impl Aliases {
    /// Takes pairs of names, each of one person. Empty names are ignored.
    pub fn of(pairs: impl IntoIterator<Item = [CountKey; 2]>) -> Self {
        let mut groups: Vec<Vec<CountKey>> = Vec::new();
        for pair in pairs {
            if pair.iter().any(|name| name.as_str().is_empty()) {
                continue;
            }
            let is_linked = |group: &mut Vec<CountKey>| group.iter().any(|name| pair.contains(name));
            let mut linked: Vec<CountKey> = groups.extract_if(.., is_linked).flatten().collect();
            for name in pair {
                if !linked.contains(&name) {
                    linked.push(name);
                }
            }
            groups.push(linked);
        }
        Self(groups)
    }

    /// Tells whether two names may belong to one person.
    pub fn may_be(&self, one: &CountKey, other: &CountKey) -> bool {
        one.may_be(other) || self.names_of(one).contains(other)
    }

    /// Returns all names of a person, including the given one; an empty list if it is the only one.
    pub fn names_of(&self, name: &CountKey) -> &[CountKey] {
        self.0.iter().find(|group| group.contains(name)).map_or(&[], Vec::as_slice)
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
        let aliases = Aliases::of(pairs.map(|(name, identity)| [key(name), key(identity)]));
        for name in ["bob", "b1", "b2", "Robert", "CORP\\bob"] {
            assert!(aliases.may_be(&key(name), &key("b2")), "{name}");
        }
        for (one, other) in [("bob", "carl"), ("", ""), ("", "bob"), ("x", "b1"), ("dave", "bob")] {
            assert!(!aliases.may_be(&key(one), &key(other)), "{one} {other}");
        }
    }
}
