//! Placeholders in strings of KeePass, as its documents describe them ("Placeholders", "Field References"): what the
//! same file says is put in; everything else that KeePass would replace is refused.

use std::cell::Cell;
use std::collections::HashMap;

use zeroize::Zeroizing;

use super::Source;

/// How deep placeholders may lead; as KeePass.
const MAX_DEPTH: usize = 12;
/// How many placeholders one string may lead to, and how long it may become, in bytes.
const MAX_STEPS: usize = 1000;
const MAX_LENGTH: usize = 256 * 1024;
/// The longest placeholder, in bytes.
const MAX_PLACEHOLDER: usize = 1000;
/// How many references of a file may search for a text instead of naming an entry.
const MAX_SEARCHES: u32 = 1000;

/// What KeePass replaces with something that this file does not say. A colon at the end takes whatever follows.
const OTHERS: [&str; 38] = [
    "APPDIR",
    "BASE",
    "BASE:",
    "C:",
    "CLIPBOARD",
    "CLIPBOARD:",
    "CMD:",
    "DB_BASENAME",
    "DB_DIR",
    "DB_EXT",
    "DB_NAME",
    "DB_PATH",
    "DOCDB",
    "ENV_DIRSEP",
    "ENV_PROGRAMFILES_X86",
    "GROUP",
    "GROUP_NOTES",
    "GROUP_PATH",
    "GROUPNOTES",
    "GROUPPATH",
    "HMACOTP",
    "NEWPASSWORD",
    "NEWPASSWORD:",
    "PASSWORD_ENC",
    "PICKCHARS",
    "PICKCHARS:",
    "PICKFIELD",
    "T-CONV:",
    "T-REPLACE-RX:",
    "TIMEOTP",
    "TOTP",
    "URL:PASSWORD",
    "URL:PATH",
    "URL:PORT",
    "URL:QUERY",
    "URL:SCM",
    "URL:USERINFO",
    "URL:USERNAME",
];

/// The value of a placeholder, and its entry if that is another one.
type Replacement<'s> = (Zeroizing<String>, Option<&'s Source>);

/// Says what cannot be put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unresolved(pub(super) String);

fn unresolved<T>(what: &str) -> Result<T, Unresolved> {
    Err(Unresolved(what.to_owned()))
}

/// The entries that references lead to.
pub(super) struct Database<'s> {
    sources: &'s [Source],
    by_uuid: HashMap<&'s str, usize>,
    searches: Cell<u32>,
}

impl<'s> Database<'s> {
    pub(super) fn new(sources: &'s [Source]) -> Self {
        let uuids = sources.iter().enumerate();
        let by_uuid = uuids.filter_map(|(index, source)| Some((source.uuid.as_deref()?, index))).collect();
        Self { sources, by_uuid, searches: Cell::new(0) }
    }

    /// Puts in what a text of an entry refers to.
    pub(super) fn resolve(&self, text: &str, of: &Source) -> Result<Zeroizing<String>, Unresolved> {
        let mut steps = MAX_STEPS;
        self.resolve_at(text, of, 0, &mut steps)
    }

    fn resolve_at(
        &self,
        text: &str,
        of: &Source,
        depth: usize,
        steps: &mut usize,
    ) -> Result<Zeroizing<String>, Unresolved> {
        let mut found = Zeroizing::new(String::with_capacity(text.len()));
        let mut rest = text;
        let mut close = text.find('}');
        while let Some((before, behind)) = rest.split_once('{') {
            found.push_str(before);
            // Looked for once for all the braces before it.
            let begin = text.len().saturating_sub(behind.len());
            if close.is_some_and(|close| close < begin) {
                close = behind.find('}').map(|place| begin.saturating_add(place));
            }
            let end = close.map(|close| close.saturating_sub(begin)).filter(|end| *end <= MAX_PLACEHOLDER);
            let replaced = match end.and_then(|end| inside(behind, end)) {
                Some((inside, behind)) => self.value(inside, of)?.map(|found| (found, behind)),
                None => None,
            };
            match replaced {
                Some(((value, owner), behind)) => {
                    *steps = steps.saturating_sub(1);
                    if depth >= MAX_DEPTH || *steps == 0 {
                        return unresolved("circular placeholders");
                    }
                    let value =
                        self.resolve_at(&value, owner.unwrap_or(of), depth.saturating_add(1), steps)?;
                    found.push_str(&value);
                    rest = behind;
                }
                // A brace like any other character.
                None => {
                    found.push('{');
                    rest = behind;
                }
            }
            if found.len() > MAX_LENGTH {
                return unresolved("placeholders that expand to more than 256 KiB");
            }
        }
        found.push_str(rest);
        Ok(found)
    }

    /// Returns the value of a placeholder and the entry that it belongs to; nothing if it is not a placeholder.
    fn value(&self, inside: &str, of: &Source) -> Result<Option<Replacement<'s>>, Unresolved> {
        let upper = inside.to_ascii_uppercase();
        let own = |name: &str| Ok(Some((Zeroizing::new(of.get(name).unwrap_or_default().to_owned()), None)));
        match upper.as_str() {
            "TITLE" => return own("Title"),
            "USERNAME" => return own("UserName"),
            "PASSWORD" => return own("Password"),
            "NOTES" => return own("Notes"),
            "URL" => return own("URL"),
            "UUID" => return Ok(of.uuid.clone().map(|uuid| (Zeroizing::new(uuid), None))),
            "URL:HOST" | "URL:RMVSCM" => {
                let url = of.get("URL").unwrap_or_default();
                let host = if upper.ends_with("HOST") {
                    super::url::asset(Some(url), None).unwrap_or_default()
                } else {
                    url.split_once("://").map_or(url, |(_, rest)| rest)
                };
                return Ok(Some((Zeroizing::new(host.to_owned()), None)));
            }
            _ => {}
        }
        if upper.starts_with("REF:") {
            return self.reference(inside.get(4..).unwrap_or_default()).map(Some);
        }
        if upper.starts_with("S:") {
            let name = inside.get(2..).unwrap_or_default();
            return match of.string(name) {
                Some(value) => Ok(Some((Zeroizing::new(value.to_owned()), None))),
                None => unresolved("a placeholder {S:…} for a string that does not exist"),
            };
        }
        let is_other =
            |other: &&str| if other.ends_with(':') { upper.starts_with(other) } else { upper == *other };
        let is_time = upper.starts_with("DT_");
        if is_time || OTHERS.iter().any(is_other) {
            return unresolved("a placeholder that only KeePass can fill in");
        }
        Ok(None)
    }

    /// Reads `P@I:UUID` and the like: which field of which entry.
    fn reference(&self, text: &str) -> Result<Replacement<'s>, Unresolved> {
        let malformed = "a malformed reference {REF:…}";
        let Some((wanted, search)) = text.split_once('@') else { return unresolved(malformed) };
        let Some((by, text)) = search.split_once(':') else { return unresolved(malformed) };
        let source = if by.eq_ignore_ascii_case("I") {
            let uuid = text.trim().to_ascii_uppercase();
            self.by_uuid.get(uuid.as_str()).and_then(|index| self.sources.get(*index))
        } else {
            self.only(by, text)?
        };
        let Some(source) = source else {
            return unresolved("a reference {REF:…} to an entry that is not in the file");
        };
        let value = match wanted.to_ascii_uppercase().as_str() {
            "I" => source.uuid.as_deref(),
            letter => match field(letter) {
                Some(name) => Some(source.get(name).unwrap_or_default()),
                None => return unresolved(malformed),
            },
        };
        let Some(value) = value else { return unresolved(malformed) };
        Ok((Zeroizing::new(value.to_owned()), Some(source)))
    }

    /// Finds the one entry with a text in a field, as KeePass searches. Of several KeePass takes one by their order.
    fn only(&self, by: &str, text: &str) -> Result<Option<&'s Source>, Unresolved> {
        self.searches.set(self.searches.get().saturating_add(1));
        if self.searches.get() > MAX_SEARCHES {
            return unresolved("more than 1000 references that need a search; refer by UUID (@I:)");
        }
        let text = text.to_lowercase();
        let fits = |value: &str| value.to_lowercase().contains(&text);
        let by = by.to_ascii_uppercase();
        let standard = ["Title", "UserName", "Password", "URL", "Notes"];
        let has = |source: &&Source| match field(&by) {
            Some(name) => source.get(name).is_some_and(fits),
            None => {
                let mut others = source.strings.iter().filter(|(name, _)| !standard.contains(&name.as_str()));
                others.any(|(_, value)| fits(value))
            }
        };
        if field(&by).is_none() && by != "O" {
            return unresolved("a malformed reference {REF:…}");
        }
        let mut fitting = self.sources.iter().filter(|source| !source.is_in_bin).filter(has);
        match (fitting.next(), fitting.next()) {
            (_, Some(_)) => unresolved("a reference {REF:…} that matches several entries"),
            (found, None) => Ok(found),
        }
    }
}

/// Splits at the brace that closes a placeholder.
fn inside(text: &str, end: usize) -> Option<(&str, &str)> {
    let (inside, behind) = text.split_at_checked(end)?;
    Some((inside, behind.strip_prefix('}')?))
}

fn field(letter: &str) -> Option<&'static str> {
    match letter {
        "T" => Some("Title"),
        "U" => Some("UserName"),
        "P" => Some("Password"),
        "A" => Some("URL"),
        "N" => Some("Notes"),
        _ => None,
    }
}
