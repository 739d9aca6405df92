//! Why somebody is let in. Each way to make an [`Evidence`] is a road in, and `tests/roads_in.rs` walks each.

use serde::{Deserialize, Serialize};

use crate::mfa::{ConfirmedOutage, Factor};
use crate::protocol::response::Metadata;

/// The proof that becomes an ACCEPT. Its fields are private: whoever holds one went through a constructor below.
#[must_use]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    reason: String,
    road: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    serials: Vec<String>,
    from_cache: bool,
    /// Whether a factor was really asked; not kept, because only the step that found it wants to know.
    #[serde(skip)]
    is_factor: bool,
}

impl Evidence {
    fn new(road: impl Into<String>, reason: impl Into<String>) -> Self {
        let (reason, road) = (reason.into(), road.into());
        Self { reason, road, serials: Vec::new(), from_cache: false, is_factor: false }
    }

    /// The user is on the whitelist that is a user list.
    pub(super) fn user_list(name: &str) -> Self {
        Self::new(format!("user_list {name}"), "User whitelisted based on user list")
    }

    /// The user is whitelisted by a group.
    pub(super) fn ldap_group() -> Self {
        Self::new("ldap_server_group", "User whitelisted based on ldap group")
    }

    /// The user authenticated a moment ago, from the same address.
    pub(super) fn cache() -> Self {
        Self {
            from_cache: true,
            ..Self::new("authentication_cache", "User allowed based on cached authentication")
        }
    }

    /// A second factor held. `proves` is whether the provider looks at anything.
    pub(super) fn factor(factor: Factor, proves: bool) -> Self {
        Self { serials: factor.serials, is_factor: proves, ..Self::new(factor.name, "") }
    }

    /// The service is down, which a second question confirmed, and `ignore_connection_error=yes` says that this is good
    /// enough.
    pub(super) fn connection_error_ignored(branded_name: &str, _: &ConfirmedOutage) -> Self {
        let reason = format!("{branded_name} is not reachable, fallback enabled");
        Self::new("ignore_connection_error", reason)
    }

    /// Nothing forbids the access: the answer of `authorize` where no rule is configured.
    pub(super) fn authorized() -> Self {
        Self::new("authorize", "")
    }

    /// A rule or table lets in, with what it requires, if anything.
    pub(super) fn ruled(by: &str, required: Option<Self>) -> Self {
        match required {
            None => Self::new(by, ""),
            Some(Self { road, serials, .. }) => Self { serials, ..Self::new(format!("{by}, {road}"), "") },
        }
    }

    /// Whether a second factor held.
    pub(super) fn is_factor(&self) -> bool {
        self.is_factor
    }

    /// Whether this is a cached authentication, which must not refresh itself.
    pub(super) fn is_from_cache(&self) -> bool {
        self.from_cache
    }

    /// The road, for the log.
    pub(super) fn road(&self) -> &str {
        &self.road
    }

    /// What SPS stores beside the session.
    pub fn metadata(&self) -> Metadata {
        let metadata = Metadata::reason(&self.reason).with("by", &self.road);
        if self.serials.is_empty() { metadata } else { metadata.with("serial", &self.serials.join(",")) }
    }
}
