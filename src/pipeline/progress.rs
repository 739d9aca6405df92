//! How far a session of the AA plugin has come: the part of the cookie that is ours alone.
//!
//! A step that is done is not done again when an answer comes in (SDK: the checkpoints of `_execute_steps`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::evidence::Evidence;
use super::proof::Proof;
use crate::protocol::cookie::Progress;
use crate::protocol::invocation::PluginType;
use crate::store::ConnectionKey;

/// What the AA plugin keeps between its hooks.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AaProgress {
    pub(super) stage: Stage,
    /// The key under which the second factor's answer comes, where it is not `otp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answer_key: Option<String>,
    /// Whether the provider asked something without a state of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) has_begun: bool,
    /// Why the user could not be mapped to an identity, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mapping_failed: Option<String>,
    /// What the provider accepted, while the approvals of others are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) awaits_approvals: Option<Evidence>,
    /// The verdict that waits for the questions to be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accepted: Option<Evidence>,
    /// How many of the questions are answered.
    #[serde(default)]
    pub(super) questions_answered: u32,
    /// The key under which this session's connection is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) counted_as: Option<ConnectionKey>,
    /// Whether the connection limit was passed.
    #[serde(default)]
    pub(super) counted: bool,
    /// What `authenticate` proved, where an access rule may ask for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<Proof>,
    /// What the service said of the user whom it accepted, until the questions are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<Told>,
    /// What the service lays over the session cookie in this hook.
    #[serde(skip)]
    pub(super) session_cookie: Map<String, Value>,
    /// Whether `authorize` has asked what an access rule requires.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) has_asked: bool,
}

/// What a service said of the user whom it accepted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gateway_user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gateway_groups: Option<Vec<String>>,
    /// For the metadata.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) metadata: Map<String, Value>,
}

impl Told {
    /// Takes what was said; `None` where that is nothing.
    pub(super) fn of(
        gateway_user: Option<String>,
        gateway_groups: Option<Vec<String>>,
        metadata: Map<String, Value>,
    ) -> Option<Self> {
        let is_nothing = gateway_user.is_none() && gateway_groups.is_none() && metadata.is_empty();
        (!is_nothing).then_some(Self { gateway_user, gateway_groups, metadata })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The step of `authenticate` to go on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// From the beginning.
    #[default]
    Start,
    /// From the beginning, after nobody was named and the name was asked for.
    Unnamed,
    /// The MFA identity is known, the password was asked for.
    Identified,
    /// The second factor was asked.
    Factor,
    /// The second factor was accepted, and the approvals of others are asked for.
    Approvals,
    /// Accepted and cached; questions remain.
    Questions,
    /// Done.
    Complete,
    /// This plugin was not asked to authenticate the session.
    Elsewhere,
}

impl Progress for AaProgress {
    const PLUGIN: PluginType = PluginType::Aa;
}
