//! Patterns of rules, and what they are compared with.
//!
//! A rule that accepts compares exactly, but for case. A rule that denies means every spelling of what it names, so it
//! compares all forms of a name, and a part of them that is not known may be just what it denies.

use glob::Pattern;

use crate::names::{AccountNames, Address, CountKey, Host, OTHER_SEPARATORS, Person, Rules, fold};

/// What SPS calls the protocols that it proxies.
const PROTOCOLS: [&str; 17] = [
    "ftp", "http", "https", "ica", "mssql", "rdp", "scp", "sftp", "ssh", "tds", "telnet", "tn3270", "tn5250",
    "tsg", "vnc", "x11", "rlogin",
];
const GLOB: [char; 5] = ['*', '?', '[', ']', '!'];

/// How strictly a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As written, for a rule that accepts.
    Exact,
    /// Every spelling, for a rule that denies.
    Every,
}

/// A pattern of names: of users, groups or accounts.
#[derive(Debug)]
pub(super) struct Name {
    /// As written, in lower case.
    written: Pattern,
    /// Without domain, accents and case, where a rule denies.
    bare: Option<Pattern>,
    /// A pattern of names within a domain, where a rule denies: the domain may be written before or behind the name.
    scoped: Option<Scoped>,
}

/// A pattern of the names of one domain.
#[derive(Debug)]
struct Scoped {
    name: Pattern,
    /// `None` for one of the site's own domains, in which a name has none.
    domain: Option<Pattern>,
}

impl Name {
    pub(super) fn parse(text: &str, reading: Reading, people: &Rules) -> Option<Self> {
        let is_quoted = text.contains(['"', ';', '#']) || text.starts_with('\'');
        let has_hidden = crate::names::check_readable("the pattern", text).is_err();
        if is_quoted || has_hidden {
            return None;
        }
        let written = Pattern::new(&fold(text)).ok()?;
        let name = text.rsplit_once('\\').map_or(text, |(_, name)| name);
        let name = name.split('@').next().unwrap_or_default();
        // "*@example.org" is about a domain; without it, it would be about everybody.
        let names_one = name.contains(|character: char| character.is_alphanumeric());
        let has_domain = name.len() != text.len();
        let bare = match reading {
            Reading::Exact => None,
            Reading::Every if has_domain && (!names_one || name.contains(GLOB)) => None,
            Reading::Every => Some(Pattern::new(CountKey::of(name).as_str()).ok()?),
        };
        let scoped = match reading {
            Reading::Every if has_domain && bare.is_none() => Some(Scoped::parse(text, name, people)?),
            Reading::Every | Reading::Exact => None,
        };
        Some(Self { written, bare, scoped })
    }

    fn fits(&self, written: &[&str], bare: &str) -> bool {
        written.iter().any(|name| self.written.matches(name))
            || self.bare.as_ref().is_some_and(|pattern| !bare.is_empty() && pattern.matches(bare))
    }
}

impl Scoped {
    fn parse(text: &str, name: &str, people: &Rules) -> Option<Self> {
        let domain = text.split_once('\\').map(|(domain, _)| domain);
        let domain = domain.or_else(|| text.split_once('@').map(|(_, domain)| domain))?;
        let domain = if people.is_own(domain) { None } else { Some(Pattern::new(&fold(domain)).ok()?) };
        Some(Self { name: Pattern::new(&fold(name)).ok()?, domain })
    }

    fn fits(&self, permit: &str, bare: &str) -> bool {
        let (name, domain) = match permit.split_once('@') {
            None => (permit, None),
            Some((name, domain)) => (name, Some(domain)),
        };
        let is_there = match (&self.domain, domain) {
            (None, None) => true,
            (Some(pattern), Some(domain)) => pattern.matches(domain),
            (None, Some(_)) | (Some(_), None) => false,
        };
        is_there && (self.name.matches(name) || self.name.matches(bare))
    }
}

/// Tells whether one of the patterns matches a person. A rule that denies also looks at each part of a name with a separator
/// of other systems in it, such as `DOMAIN/alice`; `None` for an ambiguous name that matches none.
pub(super) fn user(patterns: &[Name], person: &Person, reading: Reading) -> Option<bool> {
    let (lower, permit) = (fold(person.as_str()), fold(person.permit_key().as_str()));
    let bare = person.count_key().as_str();
    let fits = patterns.iter().any(|pattern| {
        pattern.fits(&[&lower, &permit], bare)
            || bare.split(OTHER_SEPARATORS).any(|part| pattern.fits(&[], part))
            || pattern.scoped.as_ref().is_some_and(|scoped| scoped.fits(&permit, bare))
    });
    match reading {
        Reading::Every if !fits && person.is_ambiguous() => None,
        Reading::Every | Reading::Exact => Some(fits),
    }
}

/// Tells whether one of the patterns of a rule that denies matches an alias of a person.
pub(super) fn alias(patterns: &[Name], names: &[CountKey]) -> bool {
    patterns.iter().any(|pattern| names.iter().any(|name| pattern.fits(&[], name.as_str())))
}

/// Tells whether one of the patterns matches one of the groups; `None` if the groups are unknown.
pub(super) fn groups(patterns: &[Name], groups: Option<&[String]>) -> Option<bool> {
    let groups = groups?;
    let fits = |group: &String| {
        patterns.iter().any(|pattern| pattern.fits(&[&fold(group)], CountKey::of(group).as_str()))
    };
    let is_unknown = |group: &String| CountKey::of(group).as_str().is_empty();
    if groups.iter().filter(|group| !group.is_empty()).any(fits) {
        return Some(true);
    }
    (!groups.iter().any(is_unknown)).then_some(false)
}

/// Tells whether one of the patterns fits an account; `None` where it is not known or cannot be read.
pub(super) fn account(patterns: &[Name], text: Option<&str>, reading: Reading) -> Option<bool> {
    let names = AccountNames::read(text.filter(|text| !text.is_empty())?)?;
    Some(patterns.iter().any(|pattern| match reading {
        Reading::Exact => pattern.fits(&[names.written()], ""),
        Reading::Every => names.all().any(|name| pattern.fits(&[name], CountKey::of(name).as_str())),
    }))
}

/// A pattern of hosts, in the form in which hosts are compared.
#[derive(Debug)]
pub(super) struct HostPattern {
    pattern: Pattern,
    /// Whether it can only fit an address.
    is_address: bool,
}

impl HostPattern {
    /// Reads a host, or a pattern of hosts; `None` for what can fit no host.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(host) = Host::parse(text) {
            let pattern = Pattern::new(&host.to_string()).ok()?;
            return Some(Self { pattern, is_address: host.address().is_some() });
        }
        // A '!' that does not negate a class, or a single colon outside of an address, was meant to separate two hosts.
        let separates = |text: &str| {
            let first = text.split(':').next().unwrap_or_default();
            let is_hex = first.chars().all(|c| c.is_ascii_hexdigit());
            let is_group = (first.len() == 4 && is_hex) || first.starts_with('*');
            text.replace("[!", "").contains('!') || (text.matches(':').count() == 1 && !is_group)
        };
        // Brackets around a whole address, with a port after them for example, are not a character class.
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let is_bracketed = bracketed.is_some_and(|(inner, _)| crate::names::address(inner).is_some());
        if !text.contains(GLOB) || is_bracketed || separates(text) {
            return None;
        }
        let text = fold(text).replace('\u{3002}', ".");
        let labels: Option<Vec<String>> = text.trim_end_matches('.').split('.').map(label).collect();
        let text = labels?.join(".");
        // Colons are an address's: no name has one.
        let is_v6 = text.contains(':');
        let of_v6 =
            |character: char| character.is_ascii_hexdigit() || character == ':' || GLOB.contains(&character);
        if text.is_empty() || text.starts_with('.') || (is_v6 && !text.chars().all(of_v6)) {
            return None;
        }
        let of_v4 =
            |character: char| character.is_ascii_digit() || character == '.' || GLOB.contains(&character);
        let has_digit = text.contains(|character: char| character.is_ascii_digit());
        let is_address = is_v6 || (has_digit && text.contains('.') && text.chars().all(of_v4));
        Some(Self { pattern: Pattern::new(&text).ok()?, is_address })
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        self.pattern.matches(host)
    }

    pub(super) fn as_str(&self) -> &str {
        self.pattern.as_str()
    }
}

/// Returns a label of a host pattern; one of another script as its A-label, which has no place for wildcards.
fn label(text: &str) -> Option<String> {
    if !text.is_ascii() {
        return if text.contains(GLOB) { None } else { idna::domain_to_ascii(text).ok() };
    }
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | ':') || GLOB.contains(&character)
    };
    text.chars().all(allowed).then(|| text.to_owned())
}

/// Tells whether one of the patterns fits a target; `None` where that is not known. The address is a name of the target
/// as well; the name that the user gave may be another. A rule that denies looks at all addresses that an address contains.
pub(super) fn host(
    patterns: &[HostPattern],
    host: Option<&str>,
    address: Option<&Address>,
    reading: Reading,
) -> Option<bool> {
    let host = host.and_then(|host| Host::parse(host).ok());
    let fits = |text: &str| patterns.iter().any(|pattern| pattern.matches(text));
    let is_there = |address: &Address| match reading {
        Reading::Exact => fits(&address.canonical().to_string()),
        Reading::Every => address.readings().any(|one| fits(&one.to_string())),
    };
    let is_named = match &host {
        Some(Host::Name(name)) => fits(name),
        Some(Host::Address(address)) => is_there(&Address::from(*address)),
        None => false,
    };
    if is_named || address.is_some_and(is_there) {
        return Some(true);
    }
    match host {
        // A rule about an address cannot be decided by a name.
        Some(Host::Name(_)) => {
            let needs_address = address.is_none() && patterns.iter().any(|pattern| pattern.is_address);
            if needs_address { None } else { Some(false) }
        }
        // A target that was given by its address may have any name.
        Some(Host::Address(_)) | None => {
            let is_known = address.is_some() && patterns.iter().all(|pattern| pattern.is_address);
            is_known.then_some(false)
        }
    }
}

/// Reads a pattern of protocols; `None` for what fits no protocol that SPS proxies.
pub(super) fn protocol(text: &str) -> Option<Pattern> {
    let pattern = Pattern::new(&text.to_lowercase()).ok()?;
    PROTOCOLS.iter().any(|known| pattern.matches(known)).then_some(pattern)
}
