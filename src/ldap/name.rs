//! Names: which texts are the same name, and how a name goes into a DN or another name to bind as.

/// What stands for the user in a name to bind as.
pub(super) const USER: &str = "{user}";

/// Tells whether two texts are the same name but for the case of letters.
///
/// A directory finds more alike: it leaves out blanks and invisible characters, turns full-width letters into plain
/// ones (RFC 4518), and Active Directory ignores accents. Who logs in under a name that only looks like another's
/// would be somebody else for the log, the cache and the limits, with that other's rights.
pub(super) fn same(one: &str, other: &str) -> bool {
    let alike = |(a, b): (char, char)| {
        // Where only one is ASCII, as with the Kelvin sign and k, they are different letters.
        a == b || (a.is_ascii() == b.is_ascii() && a.to_lowercase().eq(b.to_lowercase()))
    };
    one.chars().count() == other.chars().count() && one.chars().zip(other.chars()).all(alike)
}

/// Puts a user's name into a name to bind as: into a DN escaped (RFC 4514 section 2.4), into `{user}@example.org` or
/// `EXAMPLE\{user}` as it is.
///
/// `None` for a name that could mean somebody else there, or that the directory would take for another: one with blanks
/// around or in a row, with other characters than those of ASCII, and outside of DNs with characters that no account
/// name has.
pub(super) fn to_bind_as(template: &str, user: &str) -> Option<String> {
    let plain = user.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if user.is_empty() || !plain || user.trim() != user || user.contains("  ") {
        return None;
    }
    let (before, after) = template.split_once(USER)?;
    let name = if template.contains('=') {
        escaped(user)
    } else if user.contains(['"', '/', '\\', '[', ']', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@'])
    {
        return None;
    } else {
        user.to_owned()
    };
    Some(format!("{before}{name}{after}"))
}

/// Tells whether a text is one to make names of with [`to_bind_as`].
pub(super) fn is_template(text: &str) -> bool {
    text.matches(USER).count() == 1 && !text.replace(USER, "").trim().is_empty()
}

/// Escapes a value for a DN.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=')
            || (at == 0 && c == '#')
            || ((at == 0 || at == last) && c == ' ');
        if special {
            text.push('\\');
        }
        if c == '\0' { text.push_str("\\00") } else { text.push(c) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_any_case_and_in_nothing_else() {
        for (one, other) in [("alice", "ALICE"), ("Jöhn", "JÖHN"), ("a b", "A B"), ("", "")] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("alice", "alice "),
            ("alice", "ali\u{ad}ce"),
            ("alice", "ａｌｉｃｅ"),
            ("john", "jöhn"),
            ("kate", "\u{212a}ate"),
            ("a b", "a  b"),
            ("strasse", "straße"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_name_in_a_dn_is_escaped() {
        let people = "uid={user},ou=people,dc=example,dc=org";
        for (user, dn) in [
            ("alice", "uid=alice,ou=people,dc=example,dc=org"),
            ("a,ou=admins", r"uid=a\,ou\=admins,ou=people,dc=example,dc=org"),
            ("#1", r"uid=\#1,ou=people,dc=example,dc=org"),
            (r#"a"+;<>\b"#, r#"uid=a\"\+\;\<\>\\b,ou=people,dc=example,dc=org"#),
            ("a#b c", "uid=a#b c,ou=people,dc=example,dc=org"),
        ] {
            assert_eq!(to_bind_as(people, user).as_deref(), Some(dn), "{user}");
        }
        assert_eq!(escaped(" a "), r"\ a\ ");
        assert_eq!(escaped("a\0"), r"a\00");
    }

    #[test]
    fn a_name_that_could_mean_somebody_else_is_not_bound_as() {
        for user in ["", " alice", "alice ", "a  b", "ali\u{ad}ce", "jöhn", "a\nb", "a\0"] {
            assert_eq!(to_bind_as("uid={user},dc=x", user), None, "{user}");
            assert_eq!(to_bind_as("{user}@x", user), None, "{user}");
        }
        for user in ["bob@other.example", "OTHER\\bob", "cn=bob", "bob,x", "*", "a/b"] {
            assert_eq!(to_bind_as("{user}@example.org", user), None, "{user}");
            assert_eq!(to_bind_as("EXAMPLE\\{user}", user), None, "{user}");
        }
        assert_eq!(to_bind_as("EXAMPLE\\{user}", "bob").as_deref(), Some("EXAMPLE\\bob"));
        assert_eq!(to_bind_as("{user}@example.org", "bob b.").as_deref(), Some("bob b.@example.org"));
    }

    #[test]
    fn a_template_names_the_user_once_and_something_else() {
        assert!(is_template("uid={user},dc=x") && is_template("X\\{user}"));
        assert!(!is_template("uid=alice") && !is_template("{user}") && !is_template("{user}{user}@x"));
    }
}
