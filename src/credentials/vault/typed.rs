//! The path of a secret that a user types, and what it may lead to.
//!
//! Vault takes the name of a namespace in front of a path, so that Vault's own mounts may be anywhere in it:
//! `team/auth/token/lookup-self` is the token of the login, in the namespace `team`. Each part is therefore looked at,
//! also those that an encoded slash divides.

use super::path::{MAX_PATH, PathError, SecretPath, check_segment, insert_data, is_reserved};

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A password.
    Password,
    /// A private key.
    Key,
}

impl Kind {
    /// The words of `default_type` and of a typed path's scheme.
    pub(super) const WORDS: [&'static str; 2] = ["key", "password"];

    /// Reads one of [`Kind::WORDS`], or its beginning, as the Python plugin takes it.
    pub(super) fn from_beginning(word: &str) -> Option<Self> {
        match word {
            "" => None,
            word if "password".starts_with(word) => Some(Self::Password),
            word if "key".starts_with(word) => Some(Self::Key),
            _ => None,
        }
    }
}

/// Where a typed path may lead.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'b> {
    /// The mount of the configured engine. The path has to be below it; without it, no typed path is accepted.
    pub(super) mount: Option<&'b str>,
    /// Whether the engine is version 2 of the key-value engine, which has `data` behind its mount.
    pub(super) version_2: bool,
}

/// What a user typed: a path that was looked at, which kind it is, and the field in it, where they say so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TypedPath {
    path: SecretPath,
    kind: Option<Kind>,
    field: Option<String>,
}

impl TypedPath {
    /// Reads `password://path#field`: `//` in the path stands for a slash inside of a name, `##` for `#`. The field
    /// begins behind the last `#`, if that stands alone.
    ///
    /// # Errors
    /// [`PathError`]: a path that is not plainly one, that has one of Vault's own mounts in it, or that is not below the
    /// mount.
    pub(super) fn parse(text: &str, bounds: Bounds<'_>) -> Result<Self, PathError> {
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PathError::Encoded);
        }
        let (kind, rest) = match text.split_once("://") {
            Some((word, rest)) if word.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                (Some(Kind::from_beginning(word).ok_or(PathError::Scheme)?), rest)
            }
            Some(_) | None => (None, text),
        };
        let (path, field) = match rest.rsplit_once('#') {
            Some((path, field)) if !path.ends_with('#') => (path, Some(field.to_owned())),
            Some(_) | None => (rest, None),
        };
        let path = path.replace("##", "#").replace("//", "\0");
        let mut segments: Vec<String> = path.split('/').map(|segment| segment.replace('\0', "/")).collect();
        // Vault takes the encoded slash for a slash, so each part has to be a name.
        let parts: Vec<&str> = segments.iter().flat_map(|segment| segment.split('/')).collect();
        parts.iter().try_for_each(|part| check_segment(part))?;
        if parts.iter().any(|part| has_escape(part)) {
            return Err(PathError::Encoded);
        }
        if parts.iter().any(|part| is_reserved(part)) {
            return Err(PathError::Reserved);
        }
        let mount: Vec<&str> = bounds.mount.ok_or(PathError::NoMount)?.trim_matches('/').split('/').collect();
        if segments.len() <= mount.len() || segments.iter().zip(&mount).any(|(is, has)| is != has) {
            return Err(PathError::OtherMount(mount.join("/")));
        }
        if bounds.version_2 {
            insert_data(&mut segments, bounds.mount);
        }
        let path = SecretPath::of_segments(segments.iter().map(String::as_str))?;
        Ok(Self { path, kind, field: field.filter(|field| !field.is_empty()) })
    }

    /// Returns which kind the user says it is.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Returns the path, and the field that the user names.
    pub(super) fn into_parts(self) -> (SecretPath, Option<String>) {
        (self.path, self.field)
    }
}

/// Tells whether a part has a percent-encoded character, which a proxy may decode before Vault sees the path.
fn has_escape(part: &str) -> bool {
    part.as_bytes().windows(3).any(|three| match three {
        [b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BELOW: Bounds<'_> = Bounds { mount: Some("secret"), version_2: false };

    #[test]
    fn a_typed_path_says_kind_and_field() {
        let typed = |text| {
            let typed = TypedPath::parse(text, BELOW).unwrap();
            let kind = typed.kind();
            let (path, field) = typed.into_parts();
            (path.as_str().to_owned(), kind, field)
        };
        let field = |text: &str| Some(text.to_owned());
        assert_eq!(typed("secret/a"), ("secret/a".to_owned(), None, None));
        assert_eq!(
            typed("password://secret/a#pw"),
            ("secret/a".to_owned(), Some(Kind::Password), field("pw"))
        );
        assert_eq!(typed("k://secret/a"), ("secret/a".to_owned(), Some(Kind::Key), None));
        assert_eq!(typed("secret/a//b"), ("secret/a%2Fb".to_owned(), None, None));
        assert_eq!(typed("secret/a##b"), ("secret/a%23b".to_owned(), None, None));
        assert_eq!(typed("secret/a##b#f"), ("secret/a%23b".to_owned(), None, field("f")));
        assert_eq!(typed("secret/a#"), ("secret/a".to_owned(), None, None));
        assert_eq!(typed("secret/100%"), ("secret/100%25".to_owned(), None, None));
    }

    #[test]
    fn no_part_of_a_typed_path_is_one_of_vaults_own_mounts() {
        for text in [
            "sys/raw/x",
            "auth/token/lookup-self",
            "identity/entity",
            "cubbyhole/x",
            "sys//raw",
            "team/auth/token/lookup-self#id",
            "team//auth/token/lookup-self#id",
            "team/sys/policies/acl/default#policy",
            "team/a/b/SYS/x",
            "team/ auth /token/lookup-self",
            "password://team//child//identity/entity",
            "team/cubbyhole",
        ] {
            assert_eq!(TypedPath::parse(text, BELOW), Err(PathError::Reserved), "{text}");
        }
    }

    #[test]
    fn a_typed_path_is_plainly_a_path() {
        for text in [
            "secret/../sys/x",
            "..",
            "secret/..//x",
            "",
            "secret/./a",
            "#f",
            "secret/..//..//sys",
            "/secret/a",
            "/team/auth/token/lookup-self",
            "secret/a/",
            "secret///a",
            "secret/a//",
            "//secret/a",
            "password:///secret/a",
        ] {
            assert_eq!(TypedPath::parse(text, BELOW), Err(PathError::Form), "{text}");
        }
        for text in ["team/%61uth/x", "team%2Fauth/x", "secret/%2e%2e/x", "secret/a\nb", "secret/a\0b"] {
            assert_eq!(TypedPath::parse(text, BELOW), Err(PathError::Encoded), "{text}");
        }
        assert_eq!(TypedPath::parse("ftp://secret/a", BELOW), Err(PathError::Scheme));
        assert_eq!(TypedPath::parse(&"a/".repeat(3000), BELOW), Err(PathError::TooLong));
    }

    #[test]
    fn a_typed_path_is_below_the_mount() {
        let path = |text, mount, version_2| {
            let typed = TypedPath::parse(text, Bounds { mount: Some(mount), version_2 })?;
            Ok(typed.into_parts().0.as_str().to_owned())
        };
        let other = |mount: &str| Err(PathError::OtherMount(mount.to_owned()));
        assert_eq!(path("kv/a", "kv", false), Ok("kv/a".to_owned()));
        assert_eq!(path("kv/a", "kv", true), Ok("kv/data/a".to_owned()));
        assert_eq!(path("kv/data/a", "kv", true), Ok("kv/data/a".to_owned()));
        assert_eq!(path("kv/metadata/a", "kv", true), Ok("kv/data/metadata/a".to_owned()));
        assert_eq!(path("team/kv/a", "team/kv/", true), Ok("team/kv/data/a".to_owned()));
        for text in ["kv", "kv2/a", "KV/a", "child/kv/a", "pki/issue/a"] {
            assert_eq!(path(text, "kv", false), other("kv"), "{text}");
        }
        assert_eq!(path("team/other/a", "team/kv", false), other("team/kv"));
        assert_eq!(path("team/kv", "/team/kv/", false), other("team/kv"));
    }

    #[test]
    fn a_slash_inside_of_a_name_does_not_hide_the_mount() {
        let bounds = Bounds { mount: Some("team/kv"), version_2: true };
        // Here the segments are not those of the mount, and version 2 would be asked without its data.
        assert_eq!(TypedPath::parse("team//kv/a", bounds), Err(PathError::OtherMount("team/kv".to_owned())));
    }
}
