//! The cells of the matrix, and the verdict of each.

use std::fmt::Write as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Http,
    EduMfa,
    PrivacyIdea,
    LinOtp,
    Yubico,
    Radius,
    Ldap,
}

pub(crate) const PROVIDERS: [Provider; 7] = [
    Provider::Http,
    Provider::EduMfa,
    Provider::PrivacyIdea,
    Provider::LinOtp,
    Provider::Yubico,
    Provider::Radius,
    Provider::Ldap,
];

impl Provider {
    /// The provider's name, which is its section's too but for yubico's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::EduMfa => "edumfa",
            Self::PrivacyIdea => "privacyidea",
            Self::LinOtp => "linotp",
            Self::Yubico => "yubico",
            Self::Radius => "radius",
            Self::Ldap => "ldap",
        }
    }

    /// Whether something is asked where nothing was typed.
    fn has_push(self) -> bool {
        match self {
            Self::Http | Self::EduMfa | Self::PrivacyIdea | Self::Radius => true,
            Self::LinOtp | Self::Yubico | Self::Ldap => false,
        }
    }

    /// Whether a push is waited for with questions of their own.
    fn has_polls(self) -> bool {
        match self {
            Self::EduMfa | Self::PrivacyIdea | Self::LinOtp => true,
            Self::Http | Self::Yubico | Self::Radius | Self::Ldap => false,
        }
    }
}

/// What happens to each request of a login, or to each that contains what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Refused,
    ResetBefore,
    ResetAfter,
    HangUp,
    Silence,
    Status502,
    Status503,
    Status504,
    SilenceToCodes,
    HangUpOnCodes,
    Status503ForCodes,
    TlsRefused,
    CertificateRefused,
    Status413,
    Status429,
    Status500,
    Html,
    AfterStatus,
}

const FAULTS: [Fault; 18] = [
    Fault::Refused,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::HangUp,
    Fault::Silence,
    Fault::Status502,
    Fault::Status503,
    Fault::Status504,
    Fault::SilenceToCodes,
    Fault::HangUpOnCodes,
    Fault::Status503ForCodes,
    Fault::TlsRefused,
    Fault::CertificateRefused,
    Fault::Status413,
    Fault::Status429,
    Fault::Status500,
    Fault::Html,
    Fault::AfterStatus,
];

impl Fault {
    /// Whether the server is well before: not where nothing listens, or TLS fails, which is so from the start.
    pub(crate) fn begins(self) -> bool {
        !matches!(self, Self::Refused | Self::TlsRefused | Self::CertificateRefused)
    }

    fn described(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::ResetBefore => "reset before the request is read",
            Self::ResetAfter => "reset after the request",
            Self::HangUp => "hang-up after the request",
            Self::Silence => "silence",
            Self::Status502 => "status 502",
            Self::Status503 => "status 503 (LDAP: `unavailable`)",
            Self::Status504 => "status 504",
            Self::SilenceToCodes => "silence, and the second question is answered",
            Self::HangUpOnCodes => "hang-up after the request, and the second question is answered",
            Self::Status503ForCodes => {
                "status 503 (LDAP: `unavailable`), and the second question is answered"
            }
            Self::TlsRefused => "TLS refused by the server",
            Self::CertificateRefused => "certificate refused by the plugin",
            Self::Status413 => "status 413",
            Self::Status429 => "status 429",
            Self::Status500 => "status 500",
            Self::Html => "HTML in the place of an answer",
            Self::AfterStatus => "hang-up after the status line (LDAP: in an answer)",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Code,
    Megabyte,
    Nothing,
    /// What the server takes for the beginning of a push. The fault begins after it.
    Pin,
}

const TYPED: [Typed; 4] = [Typed::Code, Typed::Nothing, Typed::Pin, Typed::Megabyte];

/// What the configuration does about outages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Ignore,
    Fallback,
    TwoServers,
}

const SETTINGS: [Setting; 3] = [Setting::Ignore, Setting::Fallback, Setting::TwoServers];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) provider: Provider,
    pub(crate) fault: Fault,
    pub(crate) typed: Typed,
    pub(crate) setting: Setting,
}

/// What comes of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// ACCEPT, because the outage is ignored.
    Ignored,
    /// ACCEPT of the local tokens.
    Local,
    /// ACCEPT of the second server.
    Second,
    /// DENY: "Authentication failed".
    Failed,
    /// DENY: "Backend service unreachable".
    Unreachable,
    /// DENY: "Communication Error".
    Error,
    /// Something else, which is nowhere right.
    Other,
}

impl Outcome {
    fn described(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Local => "local",
            Self::Second => "second",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Error => "error",
            Self::Other => "?",
        }
    }
}

/// Everything that is asked of the binary.
pub(crate) fn cells() -> impl Iterator<Item = Cell> {
    let all = PROVIDERS.into_iter().flat_map(|provider| {
        FAULTS.into_iter().flat_map(move |fault| {
            TYPED.into_iter().flat_map(move |typed| {
                SETTINGS.into_iter().map(move |setting| Cell { provider, fault, typed, setting })
            })
        })
    });
    all.filter(|cell| expected(*cell).is_some())
}

/// What is known after a fault, and after the second question.
enum Known {
    /// The server refuses connections.
    Refused,
    /// The server is silent, and has not got what was typed.
    Silent,
    /// The server is silent, and may have got it.
    SilentAndSent,
    /// The server is there, and did not answer this.
    There,
    /// A mistake and no outage.
    Mistake,
}

/// The outcomes of a login, of one a second later, and of one a minute later; `None` where the provider or its protocol has no such thing.
pub(crate) fn expected(cell: Cell) -> Option<[Outcome; 3]> {
    let Cell { provider, fault, typed, setting } = cell;
    let known = match provider {
        Provider::Http | Provider::EduMfa | Provider::PrivacyIdea | Provider::LinOtp | Provider::Yubico => {
            over_http(fault)
        }
        Provider::Radius => over_radius(fault)?,
        Provider::Ldap => over_ldap(fault)?,
    };
    if provider == Provider::Ldap && setting == Setting::Ignore {
        return None;
    }
    if typed == Typed::Pin {
        return at_a_poll(provider, fault, setting);
    }
    if typed == Typed::Megabyte || (typed == Typed::Nothing && !provider.has_push()) {
        return Some([Outcome::Failed; 3]);
    }
    let without_it = match (setting, typed) {
        (Setting::Ignore, _) => Outcome::Ignored,
        (Setting::Fallback, Typed::Nothing) => Outcome::Failed,
        (Setting::Fallback, Typed::Code | Typed::Megabyte | Typed::Pin) => Outcome::Local,
        (Setting::TwoServers, _) => Outcome::Second,
    };
    Some(match (known, setting) {
        (Known::Refused, _) | (Known::Silent, Setting::TwoServers) => [without_it; 3],
        (Known::SilentAndSent, Setting::TwoServers) => [Outcome::Unreachable, without_it, without_it],
        (Known::Silent | Known::SilentAndSent, Setting::Ignore | Setting::Fallback) => {
            [Outcome::Unreachable, Outcome::Unreachable, without_it]
        }
        (Known::There, _) => [Outcome::Unreachable; 3],
        (Known::Mistake, _) => [Outcome::Error; 3],
    })
}

/// The outcome of one login whose push was started: nothing is ignored any more, and another server may be asked about it.
fn at_a_poll(provider: Provider, fault: Fault, setting: Setting) -> Option<[Outcome; 3]> {
    // TLS fails from the start.
    if !provider.has_polls() || matches!(fault, Fault::TlsRefused | Fault::CertificateRefused) {
        return None;
    }
    let outcome = match (over_http(fault), setting) {
        (Known::Mistake, _) => Outcome::Error,
        (Known::Refused | Known::Silent | Known::SilentAndSent, Setting::TwoServers) => Outcome::Second,
        (Known::There, _) | (_, Setting::Ignore | Setting::Fallback) => Outcome::Unreachable,
    };
    Some([outcome; 3])
}

fn over_http(fault: Fault) -> Known {
    match fault {
        Fault::Refused => Known::Refused,
        Fault::ResetBefore
        | Fault::ResetAfter
        | Fault::HangUp
        | Fault::Silence
        | Fault::Status502
        | Fault::Status503
        | Fault::Status504 => Known::SilentAndSent,
        Fault::SilenceToCodes | Fault::HangUpOnCodes | Fault::Status503ForCodes => Known::There,
        Fault::TlsRefused
        | Fault::CertificateRefused
        | Fault::Status413
        | Fault::Status429
        | Fault::Status500
        | Fault::Html
        | Fault::AfterStatus => Known::Mistake,
    }
}

/// Datagrams over no connection: they are answered, or not.
fn over_radius(fault: Fault) -> Option<Known> {
    match fault {
        Fault::Refused => Some(Known::Refused),
        Fault::Silence => Some(Known::SilentAndSent),
        Fault::SilenceToCodes => Some(Known::There),
        Fault::Html => Some(Known::Mistake),
        Fault::ResetBefore
        | Fault::ResetAfter
        | Fault::HangUp
        | Fault::Status502
        | Fault::Status503
        | Fault::Status504
        | Fault::HangUpOnCodes
        | Fault::Status503ForCodes
        | Fault::TlsRefused
        | Fault::CertificateRefused
        | Fault::Status413
        | Fault::Status429
        | Fault::Status500
        | Fault::AfterStatus => None,
    }
}

/// The user is looked for before the password is sent, so a directory that is down has not got it.
fn over_ldap(fault: Fault) -> Option<Known> {
    match fault {
        Fault::Refused => Some(Known::Refused),
        Fault::ResetBefore | Fault::ResetAfter | Fault::HangUp | Fault::Silence | Fault::Status503 => {
            Some(Known::Silent)
        }
        Fault::SilenceToCodes | Fault::HangUpOnCodes | Fault::Status503ForCodes => Some(Known::There),
        Fault::TlsRefused | Fault::CertificateRefused | Fault::Html | Fault::AfterStatus => {
            Some(Known::Mistake)
        }
        Fault::Status502 | Fault::Status504 | Fault::Status413 | Fault::Status429 | Fault::Status500 => None,
    }
}

/// What the document says of one group of cells.
struct Row {
    /// Empty where it does not matter what happens.
    faults: Vec<Fault>,
    verdicts: [String; 3],
    cells: Vec<(Provider, Typed)>,
}

/// The table of the document: what is alike stands in one row.
pub(crate) fn document() -> String {
    let mut rows: Vec<Row> = Vec::new();
    for typed in TYPED {
        for provider in PROVIDERS {
            for (faults, verdicts) in by_verdict(provider, typed) {
                let cell = (provider, typed);
                match rows.iter_mut().find(|row| row.faults == faults && are_alike(&row.verdicts, &verdicts))
                {
                    Some(row) => row.cells.push(cell),
                    None => rows.push(Row { faults, verdicts, cells: vec![cell] }),
                }
            }
        }
    }
    let mut text = "| what happens | provider | typed | ignored | fallback | two servers |\n\
                    | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for Row { faults, verdicts: [ignored, fallback, two], cells } in rows {
        let what = faults.iter().map(|fault| fault.described()).collect::<Vec<_>>().join("; ");
        let what = if what.is_empty() { "whatever" } else { &what };
        for (providers, typed) in by_provider(&cells) {
            writeln!(text, "| {what} | {providers} | {typed} | {ignored} | {fallback} | {two} |").unwrap();
        }
    }
    text
}

/// Puts together what has the same verdicts.
fn by_verdict(provider: Provider, typed: Typed) -> Vec<(Vec<Fault>, [String; 3])> {
    let mut found: Vec<(Vec<Fault>, [String; 3])> = Vec::new();
    for fault in FAULTS {
        let cells = SETTINGS.map(|setting| Cell { provider, fault, typed, setting });
        if cells.iter().all(|cell| expected(*cell).is_none()) {
            continue;
        }
        let verdicts = cells.map(shown);
        match found.iter_mut().find(|(_, known)| *known == verdicts) {
            Some((faults, _)) => faults.push(fault),
            None => found.push((vec![fault], verdicts)),
        }
    }
    if let [(faults, _)] = found.as_mut_slice() {
        faults.clear();
    }
    found
}

/// Whether two rows are the same but for what one of them does not have.
fn are_alike(known: &[String; 3], other: &[String; 3]) -> bool {
    known.iter().zip(other).all(|(known, other)| known == other || other == "-")
}

fn shown(cell: Cell) -> String {
    match expected(cell) {
        None => "-".to_owned(),
        Some([first, next, later]) if first == next && next == later => first.described().to_owned(),
        Some([first, next, later]) if first == next => {
            format!("{}, after a minute {}", first.described(), later.described())
        }
        Some([first, _, later]) => format!("{}, then {}", first.described(), later.described()),
    }
}

/// Puts providers together for which the same is typed.
fn by_provider(cells: &[(Provider, Typed)]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for provider in PROVIDERS {
        let typed: Vec<_> = TYPED.into_iter().filter(|typed| cells.contains(&(provider, *typed))).collect();
        if typed.is_empty() {
            continue;
        }
        let words = typed.iter().map(|typed| match typed {
            Typed::Code => "code",
            Typed::Megabyte => "1 MB",
            Typed::Nothing => "nothing",
            Typed::Pin => "PIN",
        });
        let typed = words.collect::<Vec<_>>().join(", ");
        let name = format!("`{}`", provider.name());
        match found.iter_mut().find(|(_, known)| *known == typed) {
            Some((names, _)) => *names = format!("{names}, {name}"),
            None => found.push((name, typed)),
        }
    }
    found
}
