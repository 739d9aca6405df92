//! `[mfa] provider=local`, the default: the tokens in the plugin's own store.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::client::{Answer, MfaClient, Subject, Tools, failed};
use super::elsewhere;
use super::error::MfaError;
use super::factor::{Factor, ProvedBy};
use super::provider::{Kind, MfaProvider};
use crate::config::settings::{Opt, SettingError};
use crate::names::{self, Rules};
use crate::store::{ChallengeKind, Charge, Token, TokenType};
use crate::terms::Question;
use crate::token::elsewhere::{CodeKind, Reply};
use crate::token::forward::Forwarded;
use crate::token::four_eyes::{self, Approvals, Ballot, Demand, First, Next};
use crate::token::pin::Hashing;
use crate::token::verify::{self, Blame, Codes, Earlier, Rest, Verifier};
use crate::token::{Outcome, Owner, Session};

pub(crate) const REALM: Opt = Opt::new("local", "realm", "default");
const CHALLENGE_RESPONSE: Opt = Opt::new("local", "challenge_response", "yes");
const CHALLENGE_VALIDITY: Opt = Opt::new("local", "challenge_validity", "120");
const FORWARD_FAILCOUNTER: Opt = Opt::new("local", "forward_failcounter", "yes");
/// How much of the limit of a forward token's target the forward's owner may use up with wrong codes.
const FORWARD_SHARE: Opt = Opt::new("local", "forward_share", "50");
const OPTIONS: &[Opt] = &[REALM, CHALLENGE_RESPONSE, CHALLENGE_VALIDITY, FORWARD_FAILCOUNTER, FORWARD_SHARE];

/// The provider. Its section is read by every configuration, because approvals are asked for with local tokens.
pub(super) const PROVIDER: MfaProvider = MfaProvider {
    prompt: Some(Opt::new("local", "prompt", "")),
    ..MfaProvider::new("local", Kind::Tokens, OPTIONS, |tools, disable_echo| {
        Ok(Box::new(Local::from_settings(tools, disable_echo)?))
    })
};

/// The longest validity of a challenge, in seconds.
const MAX_VALIDITY: f64 = 86_400.0;
/// The one reason that a denial has, whatever it was.
const DENIED: &str = "no local token matched";

/// How far the store alone brings an attempt.
enum Step<'p> {
    /// To the end.
    Settled(Outcome),
    /// To a server that a forward token leads to.
    Forward(Box<Forwarded<'p>>),
    /// To the servers of those who approve.
    Approve(Box<Ballot<'p>>),
}

/// The local tokens.
pub(super) struct Local<'a> {
    tools: Tools<'a>,
    realm: String,
    rules: verify::Rules,
    approvals: four_eyes::Rules,
    people: Rules,
    challenge_validity: f64,
    disable_echo: bool,
}

impl<'a> Local<'a> {
    pub(super) fn from_settings(tools: Tools<'a>, disable_echo: bool) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let share = u32::try_from(settings.integer(&FORWARD_SHARE, 0, 100)?).unwrap_or(0);
        let forward_failcounter = settings.boolean(&FORWARD_FAILCOUNTER)?;
        Ok(Self {
            realm: settings.required(&REALM)?,
            people: Rules::from_settings(settings)?,
            rules: verify::Rules {
                challenge_response: settings.boolean(&CHALLENGE_RESPONSE)?,
                forward_share: if forward_failcounter { share } else { 0 },
            },
            approvals: super::four_eyes::rules(settings)?,
            challenge_validity: settings.seconds(&CHALLENGE_VALIDITY, MAX_VALIDITY)?.as_secs_f64(),
            disable_echo,
            tools,
        })
    }

    fn attempt(&self, subject: Subject<'_>, password: &str) -> Result<Answer, MfaError> {
        let owner = Owner::of_login(subject.identity.as_str(), &self.realm, &self.people);
        let client_ip = subject.client_ip.unwrap_or_default();
        let client_ip =
            names::address(client_ip).map_or_else(|| client_ip.to_owned(), |address| address.to_string());
        let session = Session {
            id: subject.session_id.unwrap_or_default(),
            owner: &owner,
            requester: subject.requester,
            people: &self.people,
            client_ip: &client_ip,
            challenge_validity: self.challenge_validity,
        };
        let store = self.tools.store;
        let hashing = Hashing::new(store);
        let log = self.tools.log;
        let verifier = Verifier { store, log, hashing: &hashing, rules: self.rules };
        let approvals = Approvals { store, log, hashing: &hashing, rules: self.approvals, session };
        let step = match subject.state {
            None => self.first(subject, &verifier, &approvals, password)?,
            Some(Value::String(id)) => self.answer(subject, &verifier, &approvals, id, password)?,
            Some(_) => {
                Step::Settled(verifier.deny(Blame::default(), "the cookie's state is not a challenge")?)
            }
        };
        match step {
            Step::Settled(outcome) => Ok(self.told(outcome, None)),
            Step::Forward(forwarded) => self.forward(subject, &verifier, session, *forwarded),
            Step::Approve(ballot) => self.approve(subject, &approvals, *ballot),
        }
    }

    /// Asks the server that a forward token leads to. Where it does not answer, nothing is settled.
    fn forward(
        &self,
        subject: Subject<'_>,
        verifier: &Verifier<'_>,
        session: Session<'_>,
        forwarded: Forwarded<'_>,
    ) -> Result<Answer, MfaError> {
        let (reply, question) = elsewhere::ask(self.tools, self.disable_echo, subject, &forwarded.enquiry)?;
        Ok(self.told(verifier.conclude(session, forwarded, reply)?, question))
    }

    /// Asks the servers of those who approve, until one does not say yes.
    fn approve(
        &self,
        subject: Subject<'_>,
        approvals: &Approvals<'_>,
        ballot: Ballot<'_>,
    ) -> Result<Answer, MfaError> {
        let mut yes = Vec::new();
        for enquiry in &ballot.enquiries {
            match elsewhere::ask(self.tools, self.disable_echo, subject, enquiry)?.0 {
                Reply::Yes(given) => yes.push(given),
                // A question is for whoever approves, who does not sit here for long: PIN and code, or nothing.
                Reply::No | Reply::Asks(_) => return Ok(self.told(approvals.refuse(&ballot)?, None)),
            }
        }
        Ok(self.told(approvals.count(ballot, yes)?, None))
    }

    fn told(&self, outcome: Outcome, servers: Option<Question>) -> Answer {
        match outcome {
            // The kind of token is only logged; no decision depends on it.
            Outcome::Accepted(serials) => Answer::Accepted(Factor::new("local", serials, CodeKind::Unknown)),
            Outcome::Approved { serials, realms } => Answer::Accepted(Factor {
                by: ProvedBy::Others(realms),
                ..Factor::new("local", serials, CodeKind::OneTime)
            }),
            Outcome::Denied => failed(DENIED),
            Outcome::Challenge { id, prompt } => Answer::NeedInfo {
                question: servers.unwrap_or_else(|| Question {
                    key: "otp".to_owned(),
                    prompt,
                    disable_echo: self.disable_echo,
                }),
                state: Some(Value::from(id)),
            },
        }
    }

    /// The first password of a session: four eyes where the connection demands them, else one's own tokens, else
    /// one's four-eyes tokens.
    fn first<'p>(
        &self,
        subject: Subject<'_>,
        verifier: &Verifier<'_>,
        approvals: &Approvals<'_>,
        password: &'p str,
    ) -> Result<Step<'p>, MfaError> {
        if let Some(demand) = subject.approvals {
            if password.is_empty() {
                return Ok(Step::Settled(approvals.begin(demand)?));
            }
            return Ok(match approvals.first(demand, password)? {
                First::Settled(outcome) => Step::Settled(outcome),
                First::Ask(ballot) => Step::Approve(ballot),
                First::Nothing(pays) | First::Wrong(pays) => {
                    Step::Settled(approvals.deny(demand, pays, "no approval")?)
                }
            });
        }
        let owner = approvals.session.owner;
        // The empty name is nobody's, and nobody's tokens let nobody in.
        let tokens = match owner.user.is_empty() {
            true => Vec::new(),
            false => self.tools.store.tokens_of(&owner.user, &owner.realm)?,
        };
        let tokens = tokens.into_iter().filter(|token| owner.owns(token, &self.people));
        let (asking, own): (Vec<_>, Vec<_>) =
            tokens.partition(|token| token.token_type == TokenType::FourEyes);
        let now = self.tools.store.now();
        let asking: Vec<_> = asking.into_iter().filter(|token| token.is_usable(now)).collect();
        let demands: Vec<_> = asking.iter().cloned().map(Demand::of).collect();
        let earlier = match verifier.with_code(&own, password)? {
            Codes::Settled(outcome) => return Ok(Step::Settled(outcome)),
            Codes::WrongPin(charges) if asking.is_empty() && !leads_out(&own) => {
                return Ok(Step::Settled(verifier.deny_pin(&own, password, charges.into())?));
            }
            Codes::WrongPin(charges) => Earlier { matched: true, blame: charges.into() },
            Codes::None => Earlier::default(),
        };
        if let Some(forwarded) = verifier.with_server(&own, &asking, password, true)? {
            return Ok(Step::Forward(Box::new(forwarded)));
        }
        let demanded =
            demands.iter().zip(&asking).filter_map(|(demand, token)| Some((demand.as_ref()?, token)));
        let mut without_pin = demanded.clone().filter(|(_, token)| token.sealed_pin.is_none());
        if password.is_empty()
            && let Some((demand, _)) = without_pin.next()
        {
            return Ok(Step::Settled(approvals.begin(demand)?));
        }
        // What is one's own PIN or password is nobody's approval, and is not sent to the server of somebody's realm.
        let servers = demands.iter().flatten().any(|demand| demand.realms.services().next().is_some());
        let skips_approvals = servers && verifier.is_ones_own(&own, &asking, password)?;
        let demanded = demanded.filter(|_| !skips_approvals);
        let earlier = match approvals_of(approvals, demanded, password, earlier)? {
            Ok(step) => return Ok(step),
            Err(earlier) => earlier,
        };
        if let Some(forwarded) = verifier.with_server(&own, &asking, password, earlier.matched)? {
            return Ok(Step::Forward(Box::new(forwarded)));
        }
        Ok(Step::Settled(
            match verifier.without_code(approvals.session, &own, &asking, password, earlier)? {
                Rest::Settled(outcome) => outcome,
                Rest::Asks(number) => match demands.get(number).and_then(Option::as_ref) {
                    Some(demand) => approvals.begin(demand)?,
                    None => verifier.deny(Blame::default(), "the four-eyes token's realms are invalid")?,
                },
            },
        ))
    }

    fn answer<'p>(
        &self,
        subject: Subject<'_>,
        verifier: &Verifier<'_>,
        approvals: &Approvals<'_>,
        id: &str,
        password: &'p str,
    ) -> Result<Step<'p>, MfaError> {
        let policy = subject.approvals.cloned();
        let deny = |why| verifier.deny(Blame::default(), why).map(Step::Settled);
        let Some(challenge) = approvals.session.find(self.tools.store, id)? else {
            return Ok(deny("there is no such challenge for this session")?);
        };
        Ok(match (challenge.kind, policy) {
            (ChallengeKind::Otp | ChallengeKind::Forward, Some(_)) => {
                deny("the connection demands approvals by now")?
            }
            (ChallengeKind::Otp, None) => Step::Settled(verifier.answer(&challenge, password)?),
            (ChallengeKind::Forward, None) => match verifier.resume(&challenge, password)? {
                Ok(forwarded) => Step::Forward(Box::new(forwarded)),
                Err(outcome) => Step::Settled(outcome),
            },
            (ChallengeKind::Remote, _) => deny("the challenge is a server's")?,
            (ChallengeKind::FourEyes, policy) => match approvals.demand_of(&challenge, policy)? {
                None => deny("nobody asks for these approvals any more")?,
                Some(demand) => match approvals.answer(&demand, &challenge, password)? {
                    Next::Settled(outcome) => Step::Settled(outcome),
                    Next::Ask(ballot) => Step::Approve(ballot),
                },
            },
        })
    }
}

/// Reads a first password as approvals for one four-eyes token after the other, and returns what else it may be.
///
/// A code of one's own with a wrong PIN in front of it may still be one approval of several, or one with a name.
fn approvals_of<'d, 'p>(
    approvals: &Approvals<'_>,
    demands: impl Iterator<Item = (&'d Demand, &'d Token)>,
    password: &'p str,
    mut earlier: Earlier,
) -> Result<Result<Step<'p>, Earlier>, MfaError> {
    let own_code = earlier.matched;
    for (demand, token) in demands {
        if own_code && !password.contains([demand.separator, ':']) {
            continue;
        }
        match approvals.first(demand, password)? {
            First::Settled(outcome) => return Ok(Ok(Step::Settled(outcome))),
            First::Ask(ballot) => return Ok(Ok(Step::Approve(ballot))),
            First::Wrong(guesses) => {
                let charges = vec![Charge::own(&token.serial)];
                return Ok(Err(Earlier { matched: true, blame: Blame { charges, guesses } }));
            }
            First::Nothing(guesses) => {
                earlier.blame.guesses.extend(guesses);
                if own_code {
                    earlier.blame.charges.push(Charge::own(&token.serial));
                }
            }
        }
    }
    Ok(Err(earlier))
}

/// Whether one of the tokens may lead to a server.
fn leads_out(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| token.token_type == TokenType::Forward)
}

impl MfaClient for Local<'_> {
    fn branded_name(&self) -> &str {
        "local"
    }

    fn ignore_connection_error(&self) -> bool {
        false
    }

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.attempt(subject, "")
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.attempt(subject, otp.expose_secret())
    }
}
