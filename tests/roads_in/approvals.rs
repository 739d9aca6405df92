//! What is demanded of a session, who can approve, and which approvals are enough.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::ways::listed;

listed! {
    /// Who demands something.
    Asks {
        Nothing,
        /// A rule, for a factor.
        FactorByRule,
        /// The connection policy, for approvals.
        ApprovalsByConnection,
        /// A rule, for approvals.
        ApprovalsByRule,
    }
}

impl Asks {
    /// The terms that make a difference here.
    pub(crate) fn terms(self) -> &'static [Terms] {
        match self {
            Self::Nothing | Self::FactorByRule => &[Terms::One],
            Self::ApprovalsByConnection | Self::ApprovalsByRule => Terms::ALL,
        }
    }

    /// Whether it is demanded in `authenticate`.
    pub(crate) fn is_by_connection(self) -> bool {
        match self {
            Self::ApprovalsByConnection => true,
            Self::Nothing | Self::FactorByRule | Self::ApprovalsByRule => false,
        }
    }
}

listed! {
    /// Which approvals are demanded.
    Terms {
        One,
        ExceptWhitelisted,
        RequesterExcluded,
        RequesterRequired,
        Two,
        TwoUsers,
        TwoTokens,
        TwoRealms,
    }
}

listed! {
    /// The token of somebody who can approve.
    Approver {
        Bob,
        /// Bob's second one.
        BobToo,
        Carol,
        /// In the other realm.
        Dave,
        /// The requester's own.
        Alice,
    }
}

const PIN: &str = "4321";

impl Approver {
    fn user(self) -> &'static str {
        match self {
            Self::Bob | Self::BobToo => "bob",
            Self::Carol => "carol",
            Self::Dave => "dave",
            Self::Alice => "alice",
        }
    }

    fn realm(self) -> &'static str {
        match self {
            Self::Bob | Self::BobToo | Self::Carol | Self::Alice => "ops",
            Self::Dave => "dev",
        }
    }

    pub(crate) fn serial(self) -> &'static str {
        match self {
            Self::Bob => "BOB",
            Self::BobToo => "BOB2",
            Self::Carol => "CAROL",
            Self::Dave => "DAVE",
            Self::Alice => "ALICE-OPS",
        }
    }

    fn secret(self) -> &'static str {
        match self {
            // Of RFC 4226: its first codes are 755224 and 287082.
            Self::Bob => "12345678901234567890",
            Self::BobToo => "22345678901234567890",
            Self::Carol => "32345678901234567890",
            Self::Dave => "42345678901234567890",
            Self::Alice => "52345678901234567890",
        }
    }

    pub(crate) fn enrolment(self) -> String {
        let (serial, user, realm) = (self.serial(), self.user(), self.realm());
        let secret = data_encoding::HEXLOWER.encode(self.secret().as_bytes());
        format!(
            "enroll --type hotp --serial {serial} --user {user}@{realm} --pin {PIN} --secret-hex {secret}"
        )
    }

    /// The code of a counter (RFC 4226).
    pub(crate) fn code(self, counter: u64) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret().as_bytes()).unwrap();
        mac.update(&counter.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = usize::from(hash[19] & 15);
        let number = u32::from_be_bytes(hash[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// What this approver types.
    pub(crate) fn approves(self, counter: u64) -> String {
        format!("{}:{PIN}{}", self.user(), self.code(counter))
    }
}

impl Terms {
    /// The approvals that are enough. One that a session has already is the first.
    pub(crate) fn needed(self) -> &'static [Approver] {
        match self {
            Self::One | Self::ExceptWhitelisted | Self::RequesterExcluded => &[Approver::Bob],
            Self::RequesterRequired => &[Approver::Alice],
            Self::Two | Self::TwoUsers => &[Approver::Bob, Approver::Carol],
            Self::TwoTokens => &[Approver::Bob, Approver::BobToo],
            Self::TwoRealms => &[Approver::Bob, Approver::Dave],
        }
    }

    /// Approvals each of which is right, and that are not enough together.
    pub(crate) fn not_enough(self) -> &'static [&'static [Approver]] {
        match self {
            Self::One | Self::ExceptWhitelisted => &[&[Approver::Dave]],
            Self::RequesterExcluded => &[&[Approver::Alice], &[Approver::Dave]],
            Self::RequesterRequired => &[&[Approver::Bob], &[Approver::Carol]],
            Self::Two | Self::TwoUsers => {
                &[&[Approver::Bob], &[Approver::Bob, Approver::Bob], &[Approver::Bob, Approver::BobToo]]
            }
            Self::TwoTokens => &[&[Approver::BobToo], &[Approver::Bob, Approver::Bob]],
            Self::TwoRealms => &[&[Approver::Dave], &[Approver::Bob, Approver::Carol]],
        }
    }

    fn options(self) -> &'static str {
        match self {
            Self::One => "realms=ops:1\n",
            Self::ExceptWhitelisted => "realms=ops:1\nexcept_whitelisted=yes\n",
            Self::RequesterExcluded => "realms=ops:1\nrequester=excluded\n",
            Self::RequesterRequired => "realms=ops:1\nrequester=required\n",
            Self::Two => "realms=ops:2\n",
            Self::TwoUsers => "realms=ops:2\ndistinct=users\n",
            Self::TwoTokens => "realms=ops:2\ndistinct=tokens\n",
            Self::TwoRealms => "realms=ops:1,dev:1\n",
        }
    }
}

/// The configuration of a demand.
pub(crate) fn section(asks: Asks, terms: Terms) -> String {
    let realms = format!("[four_eyes]\n{}", terms.options());
    let rule = "[access]\nprovider=rules\n[rule all]\naction=accept\n";
    match asks {
        Asks::Nothing => String::new(),
        Asks::FactorByRule => format!("{rule}require=mfa\n"),
        Asks::ApprovalsByConnection => format!("{realms}connections=legacy_*\n"),
        Asks::ApprovalsByRule => format!("{realms}{rule}require=four_eyes\n"),
    }
}

/// What is said to be missing where these approvals are.
pub(crate) fn missing(approvers: &[Approver]) -> String {
    let in_realm = |realm| match approvers.iter().filter(|approver| approver.realm() == realm).count() {
        0 => None,
        count => Some(format!("{realm} ({count})")),
    };
    let realms: Vec<_> = ["ops", "dev"].into_iter().filter_map(in_realm).collect();
    format!("Approval is still missing from: {}.", realms.join(", "))
}

/// What they type, each with the code of this counter, or with the next one where the token is there twice.
pub(crate) fn approvals(approvers: &[Approver], counter: u64) -> Vec<String> {
    let mut texts = Vec::new();
    for (index, approver) in approvers.iter().enumerate() {
        let before = approvers[..index].iter().filter(|other| *other == approver).count();
        texts.push(approver.approves(counter.saturating_add(u64::try_from(before).unwrap())));
    }
    texts
}
