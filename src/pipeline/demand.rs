//! What has to be proved before a session is let in: read from the configuration and the connection, whatever the provider
//! is. The one place that makes an ACCEPT compares it with the [`Evidence`].

use super::evidence::Evidence;
use super::factor::UNREACHABLE;
use super::proof::{FactorProof, Proof};
use super::{Context, Stop};
use crate::access::{self, Requirement};
use crate::mfa::{self, Approvals, Selection};
use crate::protocol::invocation::Arguments;
use crate::protocol::response::Metadata;

/// How well it has to be proved who the user is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FactorDemand {
    /// By a factor, or by what the configuration takes in its place: a whitelist, a remembered authentication, an ignored
    /// outage, `provider = none`.
    AsConfigured,
    /// By the approvals that are demanded: they are the login if the local tokens are the only provider.
    ByApprovals,
    /// By the provider, because approvals are demanded too: by a factor, or not at all with `provider = none`.
    ByProvider,
    /// By a factor of the user's own in this session.
    Proven,
}

/// What is demanded.
pub(super) struct Demand {
    factor: FactorDemand,
    approvals: Option<Approvals>,
    /// Whether users of a whitelist need no approvals.
    except_whitelisted: bool,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// A second factor.
    Factor,
    /// Approvals of others.
    Approvals,
}

impl Lack {
    fn denial(self) -> Stop {
        match self {
            Self::Factor => Stop::deny("a second factor is required, but none was given", UNREACHABLE),
            Self::Approvals => {
                Stop::deny("approvals are required, but they were not given", "Authentication failed")
            }
        }
    }
}

/// What `authenticate` proved of a session that has met the demand of its connection. Only `Demand::met_by` makes one, and
/// `authorize` needs it to make evidence.
pub(super) struct Session(Proof);

impl Session {
    pub(super) fn proof(&self) -> &Proof {
        &self.0
    }
}

/// An ACCEPT: evidence that proves what is demanded. Only `Demand::accept` makes one.
#[must_use]
pub struct Accepted(Metadata);

impl Accepted {
    /// What SPS stores beside the session.
    pub fn into_metadata(self) -> Metadata {
        self.0
    }
}

impl Demand {
    /// Returns what the connection demands of `authenticate`.
    ///
    /// # Errors
    /// Options that are unusable, or half of a demand.
    pub(super) fn of_connection(context: &Context<'_>, arguments: &Arguments) -> Result<Self, Stop> {
        let (settings, name) = (context.settings, arguments.connection_name.as_deref());
        let approvals = mfa::approvals_of_connection(settings, name, access::has_rules(settings)?)?;
        let factor = match approvals {
            Some(_) if Selection::from_settings(context.settings)?.is_local() => FactorDemand::ByApprovals,
            Some(_) => FactorDemand::ByProvider,
            None => FactorDemand::AsConfigured,
        };
        Ok(Self { factor, approvals, except_whitelisted: mfa::except_whitelisted(context.settings)? })
    }

    /// Returns what an access rule demands of `authorize`, beyond what the connection demands.
    ///
    /// # Errors
    /// As [`Demand::of_connection`].
    pub(super) fn of_rule(context: &Context<'_>, requirement: Requirement) -> Result<Self, Stop> {
        let except_whitelisted = mfa::except_whitelisted(context.settings)?;
        let (factor, approvals) = match requirement {
            Requirement::Nothing => (FactorDemand::AsConfigured, None),
            Requirement::Factor => (FactorDemand::Proven, None),
            Requirement::FourEyes => {
                (FactorDemand::AsConfigured, Some(mfa::approvals_of_rule(context.settings)?))
            }
        };
        Ok(Self { factor, approvals, except_whitelisted })
    }

    /// The approvals that have to be asked for from a user who has proved this much; `None` where there are none.
    pub(super) fn approvals(&self, proof: Option<&Proof>) -> Option<&Approvals> {
        self.approvals.as_ref().filter(|_| !proof.is_some_and(|proof| self.is_excepted(proof)))
    }

    /// The approvals that are asked for instead of a factor.
    pub(super) fn approvals_as_login(&self) -> Option<&Approvals> {
        self.approvals.as_ref().filter(|_| self.factor == FactorDemand::ByApprovals)
    }

    /// Compares what `authenticate` proved with what the connection demands. `None` means that this plugin did not
    /// authenticate the session: nothing is proved.
    ///
    /// # Errors
    /// A denial where something is missing.
    pub(super) fn met_by(&self, proof: Option<Proof>) -> Result<Session, Stop> {
        let proof = proof.unwrap_or_else(|| Proof::of(FactorProof::NoneConfigured));
        match self.lacks(&proof) {
            None => Ok(Session(proof)),
            Some(lack) => Err(lack.denial()),
        }
    }

    /// Whether the session has to prove approvals, so that it cannot be skipped and `authorize` compares again.
    pub(super) fn takes_approvals(&self) -> bool {
        self.approvals.is_some()
    }

    /// Whether what the configuration takes in the place of a factor is taken here: a remembered authentication, an ignored
    /// outage.
    pub(super) fn takes_no_factor(&self) -> bool {
        self.factor == FactorDemand::AsConfigured
    }

    /// Whether a whitelist lets in here.
    pub(super) fn takes_whitelist(&self) -> bool {
        match self.factor {
            FactorDemand::AsConfigured => true,
            FactorDemand::ByApprovals | FactorDemand::ByProvider => self.except_whitelisted,
            FactorDemand::Proven => false,
        }
    }

    /// Whether these are users of a whitelist who need no approvals, though they are demanded.
    pub(super) fn is_excepted(&self, proof: &Proof) -> bool {
        self.approvals.is_some() && self.except_whitelisted && proof.factor == FactorProof::Whitelisted
    }

    /// Tells what is missing; `None` where everything is proved.
    pub(super) fn lacks(&self, proof: &Proof) -> Option<Lack> {
        let is_enough = match (self.factor, proof.factor) {
            (FactorDemand::AsConfigured, _)
            | (_, FactorProof::Proven | FactorProof::ProvenByFallback)
            | (FactorDemand::ByApprovals, FactorProof::Approved)
            | (FactorDemand::ByProvider, FactorProof::NoneConfigured) => true,
            (FactorDemand::ByApprovals | FactorDemand::ByProvider, FactorProof::Whitelisted) => {
                self.is_excepted(proof)
            }
            (FactorDemand::ByApprovals, FactorProof::NoneConfigured)
            | (FactorDemand::ByProvider, FactorProof::Approved)
            | (
                FactorDemand::ByApprovals | FactorDemand::ByProvider,
                FactorProof::OutageIgnored | FactorProof::Remembered,
            )
            | (
                FactorDemand::Proven,
                FactorProof::Approved
                | FactorProof::NoneConfigured
                | FactorProof::OutageIgnored
                | FactorProof::Whitelisted
                | FactorProof::Remembered,
            ) => false,
        };
        if !is_enough {
            return Some(Lack::Factor);
        }
        let approvals = self.approvals(Some(proof))?;
        let is_enough = approvals.realms.iter().all(|(realm, count)| proof.given_in(realm) >= count);
        (!is_enough).then_some(Lack::Approvals)
    }

    /// Makes the ACCEPT, if the evidence proves what is demanded.
    ///
    /// # Errors
    /// A denial that names what is missing.
    pub(super) fn accept(&self, context: &Context<'_>, evidence: &Evidence) -> Result<Accepted, Stop> {
        match self.lacks(evidence.proof()) {
            Some(lack) => Err(lack.denial()),
            None => {
                if self.is_excepted(evidence.proof()) {
                    context.log.warning(format_args!(
                        "[four_eyes] except_whitelisted=yes: accepted without the required approvals"
                    ));
                }
                Ok(Accepted(evidence.metadata()))
            }
        }
    }
}
