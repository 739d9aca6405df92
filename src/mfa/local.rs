//! `[mfa] provider=local`, the default: the tokens in the plugin's own store.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Answer, Factor, MfaClient, MfaError, Subject, Tools};
use crate::config::settings::{Opt, SettingError};
use crate::store::{ChallengeKind, Token, TokenType};
use crate::terms::Question;
use crate::token::four_eyes::{self, Approvals, Asking, Demand, Distinct, First, Requester};
use crate::token::pin::Hashing;
use crate::token::realms::Realms;
use crate::token::verify::{self, Codes, Earlier, Rest, Verifier};
use crate::token::{Outcome, Owner, Session};

pub(crate) const REALM: Opt = Opt::new("local", "realm", "default");
const CHALLENGE_RESPONSE: Opt = Opt::new("local", "challenge_response", "yes");
const CHALLENGE_VALIDITY: Opt = Opt::new("local", "challenge_validity", "120");
const FORWARD_FAILCOUNTER: Opt = Opt::new("local", "forward_failcounter", "yes");
const REALMS: Opt = Opt::new("four_eyes", "realms", "");
const CONNECTIONS: Opt = Opt::new("four_eyes", "connections", "");
const SEPARATOR: Opt = Opt::new("four_eyes", "separator", "");
const DISTINCT: Opt = Opt::new("four_eyes", "distinct", "users");
const REQUESTER: Opt = Opt::new("four_eyes", "requester", "any");
const PINLESS: Opt = Opt::new("four_eyes", "pinless", "no");
const MAX_FAIL: Opt = Opt::new("four_eyes", "max_fail", "10");
const UNLOCK_AFTER: Opt = Opt::new("four_eyes", "unlock_after", "900");
pub(super) const OPTIONS: &[Opt] = &[
    REALM,
    CHALLENGE_RESPONSE,
    CHALLENGE_VALIDITY,
    FORWARD_FAILCOUNTER,
    REALMS,
    CONNECTIONS,
    SEPARATOR,
    DISTINCT,
    REQUESTER,
    PINLESS,
    MAX_FAIL,
    UNLOCK_AFTER,
];

/// The longest password that is looked at, in bytes: all passwords of a four-eyes token at once.
const MAX_PASSWORD: usize = 4096;
/// The longest validity of a challenge, in seconds.
const MAX_VALIDITY: f64 = 86_400.0;
/// The one reason that a denial has, whatever it was.
const DENIED: &str = "no local token held";

/// The local tokens.
pub(super) struct Local<'a> {
    tools: Tools<'a>,
    realm: String,
    rules: verify::Rules,
    approvals: four_eyes::Rules,
    challenge_validity: f64,
    disable_echo: bool,
}

impl<'a> Local<'a> {
    pub(super) fn from_settings(tools: Tools<'a>, disable_echo: bool) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let requester = match settings.choice(&REQUESTER, &["any", "required", "excluded"])? {
            "required" => Requester::Required,
            "excluded" => Requester::Excluded,
            _ => Requester::Any,
        };
        let distinct = match settings.choice(&DISTINCT, &["tokens", "users"])? {
            "tokens" => Distinct::Tokens,
            _ => Distinct::Users,
        };
        Ok(Self {
            realm: settings.required(&REALM)?,
            rules: verify::Rules {
                challenge_response: settings.boolean(&CHALLENGE_RESPONSE)?,
                forward_failcounter: settings.boolean(&FORWARD_FAILCOUNTER)?,
            },
            approvals: four_eyes::Rules {
                requester,
                distinct,
                pinless: settings.boolean(&PINLESS)?,
                forget_after: settings.seconds(&UNLOCK_AFTER, MAX_VALIDITY)?.as_secs_f64(),
            },
            challenge_validity: settings.seconds(&CHALLENGE_VALIDITY, MAX_VALIDITY)?.as_secs_f64(),
            disable_echo,
            tools,
        })
    }

    fn attempt(&self, subject: Subject<'_>, password: &str) -> Result<Answer, MfaError> {
        let owner = Owner::parse(subject.identity.as_str(), &self.realm);
        let session = Session {
            id: subject.session_id.unwrap_or_default(),
            owner: &owner,
            challenge_validity: self.challenge_validity,
        };
        let store = self.tools.store;
        let hashing = Hashing::new(store);
        let log = self.tools.log;
        let verifier = Verifier { store, log, hashing: &hashing, rules: self.rules };
        let approvals = Approvals { store, log, hashing: &hashing, rules: self.approvals, session };
        let outcome = match subject.state {
            _ if password.len() > MAX_PASSWORD => verifier.deny(Vec::new(), "the password is too long")?,
            None => self.first(subject, &verifier, &approvals, password)?,
            Some(Value::String(id)) => self.answer(subject, &verifier, &approvals, id, password)?,
            Some(_) => verifier.deny(Vec::new(), "the cookie's state is no challenge")?,
        };
        Ok(match outcome {
            Outcome::Accepted(serials) => Answer::Accepted(Factor { name: "local".to_owned(), serials }),
            Outcome::Denied => Answer::AuthenticationFailure { reason: DENIED.to_owned() },
            Outcome::Challenge { id, prompt } => Answer::NeedInfo {
                question: Question { key: "otp".to_owned(), prompt, disable_echo: self.disable_echo },
                state: Some(Value::from(id)),
            },
        })
    }

    /// The first password of a session: four eyes where the connection demands them, else one's own tokens, else
    /// one's four-eyes tokens.
    fn first(
        &self,
        subject: Subject<'_>,
        verifier: &Verifier<'_>,
        approvals: &Approvals<'_>,
        password: &str,
    ) -> Result<Outcome, MfaError> {
        if let Some(demand) = self.policy(subject.connection_name)? {
            if password.is_empty() {
                return Ok(approvals.begin(&demand)?);
            }
            return Ok(match approvals.first(&demand, password)? {
                First::Settled(outcome) => outcome,
                First::Nothing(named) | First::Wrong(named) => {
                    approvals.deny(&demand, named, "no approval")?
                }
            });
        }
        let owner = approvals.session.owner;
        // The empty name is nobody's, and nobody's tokens let nobody in.
        let tokens = match owner.user.is_empty() {
            true => Vec::new(),
            false => self.tools.store.tokens_of(&owner.user, &owner.realm)?,
        };
        let (asking, own): (Vec<_>, Vec<_>) =
            tokens.into_iter().partition(|token| token.token_type == TokenType::FourEyes);
        let now = self.tools.store.now();
        let asking: Vec<_> = asking.into_iter().filter(|token| token.is_usable(now)).collect();
        let demands: Vec<_> = asking.iter().cloned().map(Demand::of).collect();
        let earlier = match verifier.with_code(&own, password)? {
            Codes::Settled(outcome) => return Ok(outcome),
            Codes::WrongPin(charges) if asking.is_empty() => return Ok(verifier.deny(charges, "wrong PIN")?),
            Codes::WrongPin(charges) => Earlier { matched: true, charges },
            Codes::None => Earlier::default(),
        };
        let demanded =
            demands.iter().zip(&asking).filter_map(|(demand, token)| Some((demand.as_ref()?, token)));
        let mut without_pin = demanded.clone().filter(|(_, token)| token.sealed_pin.is_none());
        if password.is_empty()
            && let Some((demand, _)) = without_pin.next()
        {
            return Ok(approvals.begin(demand)?);
        }
        let earlier = match approvals_of(approvals, demanded, password, earlier)? {
            Ok(outcome) => return Ok(outcome),
            Err(earlier) => earlier,
        };
        Ok(match verifier.without_code(approvals.session, &own, &asking, password, earlier)? {
            Rest::Settled(outcome) => outcome,
            Rest::Asks(number) => match demands.get(number).and_then(Option::as_ref) {
                Some(demand) => approvals.begin(demand)?,
                None => verifier.deny(Vec::new(), "the four-eyes token's realms make no sense")?,
            },
        })
    }

    fn answer(
        &self,
        subject: Subject<'_>,
        verifier: &Verifier<'_>,
        approvals: &Approvals<'_>,
        id: &str,
        password: &str,
    ) -> Result<Outcome, MfaError> {
        let policy = self.policy(subject.connection_name)?;
        let Some(challenge) = approvals.session.find(self.tools.store, id)? else {
            return Ok(verifier.deny(Vec::new(), "there is no such challenge for this session")?);
        };
        match challenge.kind {
            ChallengeKind::Otp => {
                return Ok(match policy {
                    None => verifier.answer(&challenge, password)?,
                    Some(_) => verifier.deny(Vec::new(), "the connection demands approvals by now")?,
                });
            }
            ChallengeKind::Remote => return Ok(verifier.deny(Vec::new(), "the challenge is a server's")?),
            ChallengeKind::FourEyes => {}
        }
        match approvals.demand_of(&challenge, policy)? {
            Some(demand) => Ok(approvals.answer(&demand, &challenge, password)?),
            None => Ok(verifier.deny(Vec::new(), "nobody asks for these approvals any more")?),
        }
    }

    /// Returns the approvals that `[four_eyes]` demands for a connection policy.
    fn policy(&self, connection_name: Option<&str>) -> Result<Option<Demand>, SettingError> {
        let settings = self.tools.settings;
        let (text, patterns) = (settings.text(&REALMS)?, settings.patterns(&CONNECTIONS)?);
        if text.is_none() && patterns.is_empty() {
            return Ok(None);
        }
        // Half a demand is a slip of the pen. Taken for none, it would let people in with less than was meant.
        if patterns.is_empty() {
            return Err(settings.invalid(&CONNECTIONS, "shell patterns, because realms is set".to_owned()));
        }
        let realms = Realms::parse(&text.unwrap_or_default()).map_err(|_| {
            settings.invalid(&REALMS, "realms and counts such as realm1:2,realm2:1".to_owned())
        })?;
        // Without a name nobody can tell that the approvals are not demanded.
        if !connection_name.is_none_or(|name| patterns.iter().any(|pattern| pattern.matches(name))) {
            return Ok(None);
        }
        let separator = settings.text(&SEPARATOR)?.unwrap_or_default();
        let mut characters = separator.chars();
        let separator = match (characters.next(), characters.next()) {
            (None, None) => ' ',
            (Some(separator), None) => separator,
            _ => return Err(settings.invalid(&SEPARATOR, "one character".to_owned())),
        };
        let max_fail = u32::try_from(settings.integer(&MAX_FAIL, 1, 1000)?).unwrap_or(1);
        Ok(Some(Demand { realms, separator, asking: Asking::Policy { max_fail } }))
    }
}

/// Reads a first password as approvals for one four-eyes token after the other, and returns what else it may be.
///
/// A code of one's own with a wrong PIN in front of it may still be one approval of several, or one with a name.
fn approvals_of<'d>(
    approvals: &Approvals<'_>,
    demands: impl Iterator<Item = (&'d Demand, &'d Token)>,
    password: &str,
    mut earlier: Earlier,
) -> Result<Result<Outcome, Earlier>, MfaError> {
    let own_code = earlier.matched;
    for (demand, token) in demands {
        if own_code && !password.contains([demand.separator, ':']) {
            continue;
        }
        match approvals.first(demand, password)? {
            First::Settled(outcome) => return Ok(Ok(outcome)),
            First::Wrong(mut charges) => {
                charges.push(token.serial.clone());
                return Ok(Err(Earlier { matched: true, charges }));
            }
            First::Nothing(named) => {
                earlier.charges.extend(named);
                if own_code {
                    earlier.charges.push(token.serial.clone());
                }
            }
        }
    }
    Ok(Err(earlier))
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
