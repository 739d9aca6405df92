//! Where in Vault a secret lies: the path of the configuration, or the one that a user typed.
//!
//! A path is split into its segments before anything is put into it, and each segment is percent-encoded, so that no
//! name can climb out of its place (RFC 3986 3.3). Vault decodes `%2F` to a slash again; a name with a slash in it is
//! therefore no name here.

use std::fmt::Write;

use crate::names::{Account, Asset};

/// The longest path, in bytes.
const MAX_PATH: usize = 4096;
/// Where no secret lies that a user may name: Vault's own affairs.
const RESERVED: [&str; 4] = ["auth", "cubbyhole", "identity", "sys"];

/// Says why a text leads to no secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum PathError {
    /// The account or asset cannot stand in a path.
    #[error("the {0} is empty, a dot path, or has a slash in it, and no path is made of it")]
    Name(&'static str),
    /// A path that is none.
    #[error("a path is made of names between slashes, none of them empty, '.' or '..'")]
    Form,
    /// Vault's own affairs.
    #[error("a path that a user types may not begin with {}", RESERVED.join(", "))]
    Reserved,
    /// `word://` with another word.
    #[error("a path that a user types begins with password:// or key://, or without a scheme")]
    Scheme,
    /// Over [`MAX_PATH`].
    #[error("the path is longer than {MAX_PATH} bytes")]
    TooLong,
}

/// A path below `/v1/`, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretPath(String);

impl SecretPath {
    /// Puts account and asset into the path of the configuration. Without `{account}` and `{asset}` in it, the account
    /// is its last segment, as in the Python plugin.
    pub(super) fn of_entry(template: &str, account: &Account, asset: &Asset) -> Result<Self, PathError> {
        let named = template.contains("{account}") || template.contains("{asset}");
        let whole = if named {
            template.trim_matches('/').to_owned()
        } else {
            format!("{}/{{account}}", template.trim_matches('/'))
        };
        let mut segments = Vec::new();
        for segment in whole.split('/') {
            check_segment(segment)?;
            let mut text = segment.to_owned();
            for (placeholder, what, name) in
                [("{account}", "account", account.as_str()), ("{asset}", "asset", asset.as_str())]
            {
                if segment.contains(placeholder) {
                    check_segment(name).map_err(|_| PathError::Name(what))?;
                    if name.contains(['/', '{', '}']) {
                        return Err(PathError::Name(what));
                    }
                    text = text.replace(placeholder, name);
                }
            }
            check_segment(&text)?;
            segments.push(text);
        }
        Self::of_segments(segments.iter().map(String::as_str))
    }

    fn of_segments<'s>(segments: impl Iterator<Item = &'s str>) -> Result<Self, PathError> {
        let mut path = String::new();
        for segment in segments {
            if !path.is_empty() {
                path.push('/');
            }
            encode(segment, &mut path);
        }
        if path.len() > MAX_PATH { Err(PathError::TooLong) } else { Ok(Self(path)) }
    }

    /// Puts `data` behind the mount, where version 2 of the key-value engine has it, unless it stands there.
    pub(super) fn in_version_2(self, mount: Option<&str>) -> Self {
        let mount = match mount {
            Some(mount) => mount.trim_matches('/').to_owned(),
            None => self.0.split('/').next().unwrap_or_default().to_owned(),
        };
        match self.0.strip_prefix(&mount).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) if !rest.starts_with("data/") => Self(format!("{mount}/data/{rest}")),
            Some(_) | None => self,
        }
    }

    /// Returns the path, encoded.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

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

/// What a user typed: a path, which kind it is, and the field in it, where they say so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) path: SecretPath,
    pub(super) kind: Option<Kind>,
    pub(super) field: Option<String>,
}

impl Typed {
    /// Reads `password://path#field`: `//` in the path stands for a slash inside of a name, `##` for `#`. The field
    /// begins behind the last `#`, if that stands alone.
    pub(super) fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong);
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
        let segments: Vec<String> =
            path.trim_matches('/').split('/').map(|segment| segment.replace('\0', "/")).collect();
        for segment in &segments {
            // Vault takes the encoded slash for a slash, so each part has to be a name.
            segment.split('/').try_for_each(check_segment)?;
        }
        if segments.first().and_then(|first| first.split('/').next()).is_some_and(is_reserved) {
            return Err(PathError::Reserved);
        }
        let path = SecretPath::of_segments(segments.iter().map(String::as_str))?;
        Ok(Self { path, kind, field: field.filter(|field| !field.is_empty()) })
    }
}

fn is_reserved(segment: &str) -> bool {
    RESERVED.iter().any(|reserved| segment.eq_ignore_ascii_case(reserved))
}

fn check_segment(segment: &str) -> Result<(), PathError> {
    if segment.is_empty() || segment == "." || segment == ".." || segment.contains('\0') {
        return Err(PathError::Form);
    }
    Ok(())
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(template: &str, account: &str, asset: &str) -> Result<String, PathError> {
        let (account, asset) = (Account::parse(account).unwrap(), Asset::parse(asset).unwrap());
        SecretPath::of_entry(template, &account, &asset).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn an_account_is_the_last_segment_or_stands_where_the_path_says() {
        let path = |template| entry(template, "root", "db1").unwrap();
        assert_eq!(path("secret/users"), "secret/users/root");
        assert_eq!(path("/secret/users/"), "secret/users/root");
        assert_eq!(path("secret/{asset}/{account}"), "secret/db1/root");
        assert_eq!(path("secret/{account}@{asset}"), "secret/root%40db1");
        assert_eq!(path("secret/{asset}"), "secret/db1");
    }

    #[test]
    fn every_character_of_a_name_is_only_a_character() {
        let path = |account| entry("kv/users", account, "db1").unwrap();
        assert_eq!(path("a b"), "kv/users/a%20b");
        assert_eq!(path("a#b?c"), "kv/users/a%23b%3Fc");
        assert_eq!(path("jöhn"), "kv/users/j%C3%B6hn");
        assert_eq!(path("CORP\\bob"), "kv/users/CORP%5Cbob");
        assert_eq!(path("%2e%2e"), "kv/users/%252e%252e");
        assert_eq!(path("..."), "kv/users/...");
    }

    #[test]
    fn a_name_that_looks_like_a_path_leads_nowhere() {
        for account in ["../admin", "a/b", "/", "..", ".", "", "{asset}", "a/../b"] {
            assert_eq!(entry("kv/users", account, "db1"), Err(PathError::Name("account")), "{account}");
        }
        assert_eq!(entry("kv/{asset}/{account}", "root", ".."), Err(PathError::Name("asset")));
        for template in ["kv/../sys", "kv//users", ""] {
            assert_eq!(entry(template, "root", "db1"), Err(PathError::Form), "{template}");
        }
    }

    #[test]
    fn version_2_has_data_behind_the_mount() {
        let version_2 = |path: &str, mount| SecretPath(path.to_owned()).in_version_2(mount).0;
        assert_eq!(version_2("secret/users/root", None), "secret/data/users/root");
        assert_eq!(version_2("secret/data/users/root", None), "secret/data/users/root");
        assert_eq!(version_2("team/kv/users/root", Some("team/kv")), "team/kv/data/users/root");
        assert_eq!(version_2("team/kv/data/users/root", Some("team/kv/")), "team/kv/data/users/root");
    }

    #[test]
    fn a_typed_path_says_kind_and_field() {
        let typed = |text| {
            let typed = Typed::parse(text).unwrap();
            (typed.path.0, typed.kind, typed.field)
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
    }

    #[test]
    fn a_typed_path_stays_among_the_secrets() {
        for text in [
            "sys/raw/x",
            "/SYS/health",
            "auth/token/lookup-self",
            "identity/entity",
            "cubbyhole/x",
            "sys//raw",
        ] {
            assert_eq!(Typed::parse(text), Err(PathError::Reserved), "{text}");
        }
        for text in ["secret/../sys/x", "..", "secret/..//x", "", "secret/./a", "#f", "secret/..//..//sys"] {
            assert_eq!(Typed::parse(text), Err(PathError::Form), "{text}");
        }
        assert_eq!(Typed::parse("ftp://secret/a"), Err(PathError::Scheme));
        assert_eq!(Typed::parse(&"a/".repeat(3000)), Err(PathError::TooLong));
    }
}
