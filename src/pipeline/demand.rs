//! What has to be proved before a session is let in: read from the configuration and the connection, whatever the provider
//! is. The one place that makes an ACCEPT compares it with the [`Evidence`].

use super::evidence::Evidence;
use super::factor::UNREACHABLE;
use super::proof::{FactorProof, Proof};
use super::{Context, Stop};
use crate::access::{self, Requirement};
use crate::mfa::{self, Approvals};
use crate::protocol::invocation::Arguments;
use crate::protocol::response::Metadata;

/// How well it has to be proved who the user is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FactorDemand {
    /// By a factor, or by what the configuration takes in its place: a whitelist, a remembered authentication, an ignored
    /// outage, `provider = none`.
    AsConfigured,
    /// By the provider, because approvals are demanded too: by a factor, or not at all with `provider = none`.
    ByProvider,
    /// By a factor in this session.
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
        let approvals = of_connection(context, arguments)?;
        let factor = match approvals {
            Some(_) => FactorDemand::ByProvider,
            None => FactorDemand::AsConfigured,
        };
        Ok(Self { factor, approvals, except_whitelisted: mfa::except_whitelisted(context.settings)? })
    }

    /// Returns what an access rule demands of `authorize`. A session whose proof is known has met its connection's demand;
    /// where it is not known, the connection's approvals are demanded with the rule's factor.
    ///
    /// # Errors
    /// As [`Demand::of_connection`].
    pub(super) fn of_rule(
        context: &Context<'_>,
        arguments: &Arguments,
        requirement: Requirement,
        session: Option<&Proof>,
    ) -> Result<Self, Stop> {
        let except_whitelisted = mfa::except_whitelisted(context.settings)?;
        let (factor, approvals) = match requirement {
            Requirement::Nothing => (FactorDemand::AsConfigured, None),
            Requirement::Factor if session.is_some() => (FactorDemand::Proven, None),
            Requirement::Factor => (FactorDemand::Proven, of_connection(context, arguments)?),
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

    /// Whether what the configuration takes in the place of a factor is taken here: a remembered authentication, an ignored
    /// outage.
    pub(super) fn takes_no_factor(&self) -> bool {
        self.factor == FactorDemand::AsConfigured
    }

    /// Whether a whitelist lets in here.
    pub(super) fn takes_whitelist(&self) -> bool {
        match self.factor {
            FactorDemand::AsConfigured => true,
            FactorDemand::ByProvider => self.except_whitelisted,
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
            | (FactorDemand::ByProvider, FactorProof::NoneConfigured) => true,
            (FactorDemand::ByProvider, FactorProof::Whitelisted) => self.is_excepted(proof),
            (FactorDemand::ByProvider, FactorProof::OutageIgnored | FactorProof::Remembered)
            | (
                FactorDemand::Proven,
                FactorProof::NoneConfigured
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
            Some(Lack::Factor) => {
                Err(Stop::deny("a second factor is required, but none was given", UNREACHABLE))
            }
            Some(Lack::Approvals) => {
                Err(Stop::deny("approvals are required, but they were not given", "Authentication failed"))
            }
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

fn of_connection(context: &Context<'_>, arguments: &Arguments) -> Result<Option<Approvals>, Stop> {
    let has_rules = access::has_rules(context.settings)?;
    Ok(mfa::approvals_of_connection(context.settings, arguments.connection_name.as_deref(), has_rules)?)
}
