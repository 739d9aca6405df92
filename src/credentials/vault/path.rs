//! The path of a secret that the configuration names.
//!
//! A template is split into its segments, and where version 2 of the key-value engine has its `data` is decided, before a
//! name goes in. Each segment is percent-encoded, so that no name can leave its place (RFC 3986 3.3). Vault decodes `%2F`
//! to a slash again; a name with a slash in it is therefore refused.

use std::borrow::Cow;
use std::fmt::Write;

use crate::names::{Account, Asset};

/// The longest path, in bytes.
pub(super) const MAX_PATH: usize = 4096;
/// The mounts of Vault's own affairs, of which each namespace has its own.
pub(super) const RESERVED: [&str; 4] = ["auth", "cubbyhole", "identity", "sys"];
/// What version 2 of the key-value engine has between its mount and the path of a secret.
const DATA: &str = "data";
const PLACEHOLDERS: [&str; 2] = ["{account}", "{asset}"];

/// Says why a text leads to no secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum PathError {
    /// The account or asset cannot stand in a path.
    #[error("the {0} is empty, a dot path, or has a slash in it, and no path is made of it")]
    Name(&'static str),
    /// The account or asset names a mount of Vault's own.
    #[error("the {0} would lead to one of Vault's own mounts ({known}); set mount if it is a name below the engine's mount",
        known = RESERVED.join(", "))]
    NameOfMount(&'static str),
    /// Not a path.
    #[error("a part of a path must not be empty, '.' or '..'")]
    Form,
    /// A typed path with an escape such as `%2e`.
    #[error("a typed path must not contain percent-encoding or control characters")]
    Encoded,
    /// Vault's own affairs.
    #[error("no part of a typed path may be one of {}", RESERVED.join(", "))]
    Reserved,
    /// A typed path where no mount is configured.
    #[error("a typed path needs the mount of its engine; set mount in the [engine-kv-…] section")]
    NoMount,
    /// Outside of the configured mount.
    #[error("a typed path must begin with the mount of the configured engine, {0}/")]
    OtherMount(String),
    /// `word://` with another word.
    #[error("a typed path must begin with password:// or key://, or have no scheme")]
    Scheme,
    /// Over [`MAX_PATH`].
    #[error("the path is longer than {MAX_PATH} bytes")]
    TooLong,
}

/// A path below `/v1/`, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretPath(String);

impl SecretPath {
    /// Encodes each segment.
    ///
    /// # Errors
    /// [`PathError::TooLong`].
    pub(super) fn of_segments<'s>(segments: impl Iterator<Item = &'s str>) -> Result<Self, PathError> {
        let mut path = String::new();
        for segment in segments {
            if !path.is_empty() {
                path.push('/');
            }
            encode(segment, &mut path);
        }
        if path.len() > MAX_PATH { Err(PathError::TooLong) } else { Ok(Self(path)) }
    }

    /// Returns the path, encoded.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A `secrets_path`: segments with `{account}` and `{asset}` in them.
#[derive(Debug)]
pub(super) struct Template {
    segments: Vec<String>,
    /// The number of segments of the configured mount. What follows them is never a mount.
    mount: usize,
}

impl Template {
    /// Reads a path of the configuration.
    ///
    /// # Errors
    /// [`PathError::Form`].
    pub(super) fn parse(text: &str) -> Result<Self, PathError> {
        let segments: Vec<String> = text.trim_matches('/').split('/').map(str::to_owned).collect();
        segments.iter().try_for_each(|segment| check_segment(segment))?;
        Ok(Self { segments, mount: 0 })
    }

    /// Appends the account, as the Python plugin does, unless a placeholder says where names stand. It is for engines
    /// that have a secret for each account.
    pub(super) fn with_account(mut self) -> Self {
        if !self.segments.iter().any(|segment| PLACEHOLDERS.iter().any(|name| segment.contains(name))) {
            self.segments.push("{account}".to_owned());
        }
        self
    }

    /// Puts `data` behind the mount, where version 2 of the key-value engine has it, unless it is written there.
    pub(super) fn in_version_2(mut self, mount: Option<&str>) -> Self {
        insert_data(&mut self.segments, mount);
        self
    }

    /// Sets the configured mount. Without it, Vault may read any of the first segments as a namespace.
    pub(super) fn below(mut self, mount: Option<&str>) -> Self {
        let mount: Vec<&str> =
            mount.map_or_else(Vec::new, |mount| mount.trim_matches('/').split('/').collect());
        let is_below = self.segments.iter().zip(&mount).filter(|(is, has)| is == has).count() == mount.len();
        self.mount = if is_below { mount.len() } else { 0 };
        self
    }

    /// Returns the mount of the engine: the configured one, else the first segment.
    pub(super) fn mount<'m>(&'m self, configured: Option<&'m str>) -> &'m str {
        configured.or(self.segments.first().map(String::as_str)).unwrap_or_default()
    }

    /// Puts the names in and checks the resulting path, decoded as Vault and a proxy in front of it would decode it: a name
    /// must not lead to one of Vault's own mounts, which every namespace has. The last segment is not checked, because nothing
    /// is below it.
    ///
    /// # Errors
    /// [`PathError::Name`], [`PathError::NameOfMount`], [`PathError::TooLong`].
    pub(super) fn fill(&self, account: &Account, asset: &Asset) -> Result<SecretPath, PathError> {
        let mut filled = Vec::with_capacity(self.segments.len());
        for (index, segment) in self.segments.iter().enumerate() {
            let mut text = segment.clone();
            let mut named = None;
            for (placeholder, what, name) in
                [("{account}", "account", account.as_str()), ("{asset}", "asset", asset.as_str())]
            {
                if segment.contains(placeholder) {
                    check_segment(name).map_err(|_| PathError::Name(what))?;
                    if name.contains(['/', '{', '}']) {
                        return Err(PathError::Name(what));
                    }
                    text = text.replace(placeholder, name);
                    named = Some(what);
                }
            }
            check_segment(&text)?;
            if let Some(what) = named {
                let plain = fully_decoded(&text);
                if plain.split('/').any(|part| check_segment(part).is_err()) || plain.contains('/') {
                    return Err(PathError::Name(what));
                }
                let leads_on = index == 0 || index.saturating_add(1) < self.segments.len();
                let is_below = self.mount > 0 && index >= self.mount;
                if !is_below && leads_on && is_reserved(&plain) {
                    return Err(PathError::NameOfMount(what));
                }
            }
            filled.push(text);
        }
        SecretPath::of_segments(filled.iter().map(String::as_str))
    }
}

/// Puts `data` behind the mount, unless it stands there. A path outside of the mount stays as it is.
pub(super) fn insert_data(segments: &mut Vec<String>, mount: Option<&str>) {
    let first = segments.first().cloned().unwrap_or_default();
    let mount: Vec<&str> = mount.unwrap_or(&first).trim_matches('/').split('/').collect();
    let is_below = segments.len() > mount.len() && segments.iter().zip(&mount).all(|(is, has)| is == has);
    if is_below && segments.get(mount.len()).is_some_and(|next| next != DATA) {
        segments.insert(mount.len(), DATA.to_owned());
    }
}

/// Tells whether a segment is one of Vault's own mounts.
pub(super) fn is_reserved(segment: &str) -> bool {
    RESERVED.iter().any(|reserved| segment.trim().eq_ignore_ascii_case(reserved))
}

/// # Errors
/// [`PathError::Form`].
pub(super) fn check_segment(segment: &str) -> Result<(), PathError> {
    if segment.is_empty() || segment == "." || segment == ".." || segment.contains('\0') {
        return Err(PathError::Form);
    }
    Ok(())
}

/// Decodes a path as Vault does.
pub(super) fn decoded(path: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy()
}

/// Decodes a text until nothing is left to decode: each proxy on the way may decode once more.
fn fully_decoded(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        // Each round makes it shorter, so this ends.
        let plain = decoded(&text).into_owned();
        if plain.len() >= text.len() {
            return text;
        }
        text = plain;
    }
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
        let path = Template::parse(template)?.with_account().fill(&account, &asset)?;
        Ok(path.as_str().to_owned())
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
        assert_eq!(path("100%41"), "kv/users/100%2541");
        assert_eq!(path("..."), "kv/users/...");
    }

    #[test]
    fn a_path_is_decoded_as_vault_names_it() {
        let (account, asset) = (Account::parse("CORP\\jöhn %41").unwrap(), Asset::parse("db1").unwrap());
        let path = Template::parse("kv/{account}").unwrap().fill(&account, &asset).unwrap();
        assert_eq!(decoded(path.as_str()), "kv/CORP\\jöhn %41");
    }

    #[test]
    fn a_name_that_looks_like_a_path_leads_nowhere() {
        for account in [
            "../admin", "a/b", "/", "..", ".", "", "{asset}", "a/../b", "%2e%2e", "%2E", "%252e.", "a%2fb",
            "a%00",
        ] {
            assert_eq!(entry("kv/users", account, "db1"), Err(PathError::Name("account")), "{account}");
        }
        assert_eq!(entry("kv/{asset}/{account}", "root", ".."), Err(PathError::Name("asset")));
        for template in ["kv/../sys", "kv//users", ""] {
            assert_eq!(entry(template, "root", "db1"), Err(PathError::Form), "{template}");
        }
    }

    #[test]
    fn a_name_in_the_place_of_the_mount_is_not_one_of_vaults_own() {
        for asset in ["auth", "SYS", "identity", "cubbyhole"] {
            assert_eq!(
                entry("{asset}/{account}", "root", asset),
                Err(PathError::NameOfMount("asset")),
                "{asset}"
            );
        }
        // A name beside text, and one that a proxy decodes.
        assert_eq!(entry("s{account}/x", "ys", "db1"), Err(PathError::NameOfMount("account")));
        assert_eq!(entry("{account}{asset}/x", "au", "TH"), Err(PathError::NameOfMount("asset")));
        assert_eq!(entry("{asset}th/{account}", "root", "au"), Err(PathError::NameOfMount("asset")));
        for asset in ["%73ys", "%2573ys", "s%79%73", " sys ", "%20auth"] {
            let found = entry("{asset}/{account}", "root", asset);
            assert_eq!(found, Err(PathError::NameOfMount("asset")), "{asset}");
        }
        // What precedes the name may be a namespace, unless it is the configured mount.
        for template in ["team/{asset}/{account}", "team/child/c{asset}/{account}", "{account}/{asset}/x"] {
            let asset = if template.contains("c{") { "ubbyhole" } else { "auth" };
            assert_eq!(entry(template, "root", asset), Err(PathError::NameOfMount("asset")), "{template}");
        }
        let (account, asset) = (Account::parse("root").unwrap(), Asset::parse("auth").unwrap());
        let below = |template: &str, mount| {
            Template::parse(template).unwrap().below(Some(mount)).fill(&account, &asset).map(|path| path.0)
        };
        assert_eq!(below("team/kv/{asset}/{account}", "team/kv/"), Ok("team/kv/auth/root".to_owned()));
        for (template, mount) in [("team/{asset}/{account}", "kv"), ("team/{asset}/x", "team/auth/x/y")] {
            assert_eq!(below(template, mount), Err(PathError::NameOfMount("asset")), "{template} {mount}");
        }
        // Below a mount it is a name like any other; Oracle has an account sys.
        assert_eq!(entry("kv/{asset}", "sys", "auth").unwrap(), "kv/auth");
        assert_eq!(entry("kv/users", "sys", "db1").unwrap(), "kv/users/sys");
    }

    #[test]
    fn version_2_has_data_behind_the_mount() {
        let (account, asset) = (Account::parse("root").unwrap(), Asset::parse("db1").unwrap());
        let version_2 = |path: &str, mount| {
            let template = Template::parse(path).unwrap().with_account().in_version_2(mount);
            template.fill(&account, &asset).unwrap().as_str().to_owned()
        };
        assert_eq!(version_2("secret/users", None), "secret/data/users/root");
        assert_eq!(version_2("secret/data/users", None), "secret/data/users/root");
        assert_eq!(version_2("secret", None), "secret/data/root");
        assert_eq!(version_2("team/kv/users", Some("team/kv")), "team/kv/data/users/root");
        assert_eq!(version_2("team/kv/data/users", Some("team/kv/")), "team/kv/data/users/root");
    }

    #[test]
    fn a_name_that_is_called_data_is_no_data_of_version_2() {
        let path = |template: &str, account: &str, asset: &str| {
            let (account, asset) = (Account::parse(account).unwrap(), Asset::parse(asset).unwrap());
            let template = Template::parse(template).unwrap().with_account().in_version_2(None);
            template.fill(&account, &asset).unwrap().as_str().to_owned()
        };
        assert_eq!(path("secret/{asset}/{account}", "root", "data"), "secret/data/data/root");
        assert_eq!(path("secret/{account}", "data", "db1"), "secret/data/data");
        assert_eq!(path("secret", "data", "db1"), "secret/data/data");
        assert_eq!(path("{asset}/{account}", "data", "kv"), "kv/data/data");
    }
}
