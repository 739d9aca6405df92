//! Why a user is let in, and what that proves. Each constructor of [`Evidence`] is a way in, and `tests/roads_in.rs`
//! walks each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::demand::Session;
use super::proof::{FactorProof, Proof};
use crate::mfa::{ConfirmedOutage, Factor, ProvedBy};
use crate::protocol::response::Metadata;

/// Becomes an ACCEPT if it satisfies the requirement. Its fields are private: it is made by a constructor below.
#[must_use]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    reason: String,
    road: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    serials: Vec<String>,
    proof: Proof,
}

impl Evidence {
    fn new(road: impl Into<String>, reason: impl Into<String>, proof: Proof) -> Self {
        Self { reason: reason.into(), road: road.into(), serials: Vec::new(), proof }
    }

    /// The user is on the whitelist that is a user list.
    pub(super) fn user_list(name: &str) -> Self {
        let proof = Proof::of(FactorProof::Whitelisted);
        Self::new(format!("user_list {name}"), "User whitelisted based on user list", proof)
    }

    /// The user is whitelisted by a group.
    pub(super) fn ldap_group() -> Self {
        let proof = Proof::of(FactorProof::Whitelisted);
        Self::new("ldap_server_group", "User whitelisted based on ldap group", proof)
    }

    /// The user authenticated a moment ago, from the same address, with the same provider.
    pub(super) fn cache() -> Self {
        let proof = Proof::of(FactorProof::Remembered);
        Self::new("authentication_cache", "User allowed based on cached authentication", proof)
    }

    /// A provider accepted the user. `proves` is whether the provider looks at anything.
    pub(super) fn factor(factor: Factor, proves: bool) -> Self {
        let Factor { name, serials, code: _, by } = factor;
        let (factor, realms) = match by {
            _ if !proves => (FactorProof::NoneConfigured, Vec::new()),
            ProvedBy::User => (FactorProof::Proven, Vec::new()),
            ProvedBy::UserByFallback => (FactorProof::ProvenByFallback, Vec::new()),
            ProvedBy::Others(realms) => (FactorProof::Approved, realms),
        };
        let mut approvals = BTreeMap::<String, u32>::new();
        for realm in realms {
            let given = approvals.entry(realm).or_default();
            *given = given.saturating_add(1);
        }
        Self { serials, ..Self::new(name, "", Proof { factor, approvals }) }
    }

    /// The approvals that are demanded were given, after a provider accepted the user.
    pub(super) fn approved(factor: Self, approvals: Self) -> Self {
        let serials = factor.serials.into_iter().chain(approvals.serials).collect();
        let road = format!("{}, approvals by {}", factor.road, approvals.road);
        Self { serials, ..Self::new(road, factor.reason, factor.proof.and(&approvals.proof)) }
    }

    /// The service is down, which a second question confirmed, and `ignore_connection_error=yes` says that this is good
    /// enough.
    pub(super) fn connection_error_ignored(branded_name: &str, _: &ConfirmedOutage) -> Self {
        let reason = format!("{branded_name} is not reachable, fallback enabled");
        Self::new("ignore_connection_error", reason, Proof::of(FactorProof::OutageIgnored))
    }

    /// Nothing forbids the access: the answer of `authorize` where no rule is configured.
    pub(super) fn authorized(session: &Session) -> Self {
        Self::new("authorize", "", session.proof().clone())
    }

    /// A rule or table lets in. `session` is what `authenticate` proved, and `required` what the rule asked for.
    pub(super) fn ruled(by: &str, session: &Session, required: Option<Self>) -> Self {
        let session = session.proof().clone();
        match required {
            None => Self::new(by, "", session),
            Some(Self { road, serials, proof, .. }) => {
                let is_new =
                    proof.factor == FactorProof::Proven || proof.factor == FactorProof::ProvenByFallback;
                let (first, second) = if is_new { (proof, session) } else { (session, proof) };
                Self { serials, ..Self::new(format!("{by}, {road}"), "", first.and(&second)) }
            }
        }
    }

    /// What it proves.
    pub(super) fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Whether it may be remembered for the next session: what a provider accepted without the approvals of others.
    pub(super) fn is_rememberable(&self) -> bool {
        let is_by_provider = match self.proof.factor {
            FactorProof::Proven | FactorProof::NoneConfigured => true,
            FactorProof::ProvenByFallback
            | FactorProof::Approved
            | FactorProof::OutageIgnored
            | FactorProof::Whitelisted
            | FactorProof::Remembered => false,
        };
        is_by_provider && self.proof.approvals.is_empty()
    }

    /// The road, for the log.
    pub(super) fn road(&self) -> &str {
        &self.road
    }

    /// What SPS stores beside the session.
    pub(super) fn metadata(&self) -> Metadata {
        let metadata = Metadata::reason(&self.reason).with("by", &self.road);
        if self.serials.is_empty() { metadata } else { metadata.with("serial", &self.serials.join(",")) }
    }
}
