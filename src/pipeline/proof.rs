//! What a road in proves: who the user is and how well, and which approvals were given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names;

/// What is proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    pub(super) factor: FactorProof,
    /// How many approvals of which realms were given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) approvals: BTreeMap<String, u32>,
}

/// Who the user is, and how well that is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FactorProof {
    /// A second factor was accepted by the provider.
    Proven,
    /// A local token was accepted while the provider could not be reached.
    ProvenByFallback,
    /// No factor of the user's own: others approved, and approvals are the login.
    Approved,
    /// Nothing: the configuration asks for no factor.
    NoneConfigured,
    /// Nothing: the provider could not be reached.
    OutageIgnored,
    /// Nothing but the name.
    Whitelisted,
    /// That a factor was accepted a moment ago.
    Remembered,
}

impl Proof {
    pub(super) fn of(factor: FactorProof) -> Self {
        Self { factor, approvals: BTreeMap::new() }
    }

    /// Returns how many approvals of a realm were given; realms are compared without case, as they are counted.
    pub(super) fn given_in(&self, realm: &str) -> u32 {
        let realm = names::fold(realm);
        let given = self.approvals.iter().filter(|(name, _)| names::fold(name) == realm);
        given.map(|(_, count)| *count).fold(0, u32::saturating_add)
    }

    /// Both together: the factor of the first, the approvals of the second and of the first.
    pub(super) fn and(mut self, other: &Self) -> Self {
        for (realm, count) in &other.approvals {
            let given = self.approvals.entry(realm.clone()).or_default();
            *given = (*given).max(*count);
        }
        self
    }
}
