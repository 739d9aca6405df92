//! `[mfa] provider=local`, the default: the tokens in the plugin's own store.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Answer, Factor, MfaClient, MfaError, Subject, Tools};
use crate::config::settings::{Opt, SettingError};
use crate::store::{ChallengeKind, TokenType};
use crate::terms::Question;
use crate::token::four_eyes::{self, Approvals, Asking, Demand, Distinct, Requester};
use crate::token::realms::Realms;
use crate::token::verify::{self, Verifier};
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
        let verifier = Verifier { store, log: self.tools.log, rules: self.rules };
        let outcome = match subject.state {
            _ if password.len() > MAX_PASSWORD => verifier.deny(Vec::new(), "the password is too long")?,
            None => self.first(subject, session, &verifier, password)?,
            Some(Value::String(id)) => self.answer(subject, session, &verifier, id, password)?,
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
    /// one's four-eyes token.
    fn first(
        &self,
        subject: Subject<'_>,
        session: Session<'_>,
        verifier: &Verifier<'_>,
        password: &str,
    ) -> Result<Outcome, MfaError> {
        let approvals = self.approvals(session);
        if let Some(demand) = self.policy(subject.connection_name)? {
            if password.is_empty() {
                return Ok(approvals.begin(&demand)?);
            }
            return Ok(match approvals.first(&demand, password)? {
                Some(outcome) => outcome,
                None => approvals.refuse(&demand, password)?,
            });
        }
        let store = self.tools.store;
        let tokens = store.tokens_of(&session.owner.user, &session.owner.realm)?;
        let (asking, own): (Vec<_>, Vec<_>) =
            tokens.into_iter().partition(|token| token.token_type == TokenType::FourEyes);
        if let Some(outcome) = verifier.with_code(&own, password)? {
            return Ok(outcome);
        }
        let asking = asking.into_iter().find(|token| token.is_usable(store.now()));
        let Some(token) = asking else {
            let nothing = |_: &_| Ok(None::<()>);
            let outcome = verifier.without_code(session, &own, password, None, nothing)?;
            return Ok(outcome.unwrap_or(Outcome::Denied));
        };
        let has_pin = token.sealed_pin.is_some();
        let Some(demand) = Demand::of(token.clone()) else {
            return Ok(verifier.deny(Vec::new(), "the four-eyes token's realms make no sense")?);
        };
        if password.is_empty() && !has_pin {
            return Ok(approvals.begin(&demand)?);
        }
        if let Some(outcome) = approvals.first(&demand, password)? {
            return Ok(outcome);
        }
        let kept = match store.sealer()? {
            Some(sealer) => token.pin(sealer)?,
            None => None,
        };
        let opens = |stretched: &crate::token::pin::Stretched| {
            let purpose = crate::token::pin::Purpose::Pin;
            Ok(kept.as_ref().filter(|kept| stretched.matches(purpose, &token.serial, kept)).map(|_| ()))
        };
        match verifier.without_code(session, &own, password, Some(&token), opens)? {
            Ok(outcome) => Ok(outcome),
            Err(()) => Ok(approvals.begin(&demand)?),
        }
    }

    fn answer(
        &self,
        subject: Subject<'_>,
        session: Session<'_>,
        verifier: &Verifier<'_>,
        id: &str,
        password: &str,
    ) -> Result<Outcome, MfaError> {
        let Some(challenge) = session.find(self.tools.store, id)? else {
            return Ok(verifier.deny(Vec::new(), "there is no such challenge for this session")?);
        };
        if challenge.kind == ChallengeKind::Otp {
            return Ok(verifier.answer(&challenge, password)?);
        }
        let approvals = self.approvals(session);
        let policy = self.policy(subject.connection_name)?;
        match approvals.demand_of(&challenge, || policy)? {
            Some(demand) => Ok(approvals.answer(&demand, &challenge, password)?),
            None => Ok(verifier.deny(Vec::new(), "nobody asks for these approvals any more")?),
        }
    }

    fn approvals<'s>(&'s self, session: Session<'s>) -> Approvals<'s> {
        Approvals { store: self.tools.store, log: self.tools.log, rules: self.approvals, session }
    }

    /// Returns the approvals that `[four_eyes]` demands for a connection policy.
    fn policy(&self, connection_name: Option<&str>) -> Result<Option<Demand>, SettingError> {
        let settings = self.tools.settings;
        let Some(text) = settings.text(&REALMS)? else { return Ok(None) };
        let patterns = settings.patterns(&CONNECTIONS)?;
        // Without a name nobody can tell that the approvals are not demanded.
        let demanded =
            connection_name.is_none_or(|name| patterns.iter().any(|pattern| pattern.matches(name)));
        if patterns.is_empty() || !demanded {
            return Ok(None);
        }
        let realms = Realms::parse(&text).map_err(|_| {
            settings.invalid(&REALMS, "realms and counts such as realm1:2,realm2:1".to_owned())
        })?;
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
