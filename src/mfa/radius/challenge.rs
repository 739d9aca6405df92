//! The challenges of RADIUS servers. State stays in the store, and the cookie has the challenge's name; State crosses
//! the network in the clear and is worth nothing without the secret, so it is not sealed.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::Radius;
use crate::json;
use crate::mfa::client::Subject;
use crate::mfa::error::MfaError;
use crate::store::{Challenge, ChallengeKind, ChallengeStep, Settlement, StoreError};

/// What is kept of a challenge that the user has to answer.
pub(super) struct Open {
    /// Who asked.
    pub(super) server: String,
    /// About whom.
    pub(super) user: String,
    /// What the server wants back.
    pub(super) state: Vec<u8>,
    /// How many challenges of this login there were.
    pub(super) round: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    server: String,
    user: String,
    state: String,
    round: u32,
}

impl Radius<'_> {
    /// Keeps a challenge, and returns its name for the cookie. The name is made with the store's key, so that nobody
    /// can guess it, and of what the server sent, so that no two challenges share one.
    pub(super) fn keep(&self, subject: Subject<'_>, open: &Open) -> Result<String, MfaError> {
        let store = self.tools.store;
        let now = store.now();
        let (session, identity) = (subject.session_id.unwrap_or_default(), subject.identity.as_str());
        let written = Written {
            server: open.server.clone(),
            user: open.user.clone(),
            state: HEXLOWER.encode(&open.state),
            round: open.round,
        };
        let data = json_of(&written)?;
        let time = now.as_micros().to_be_bytes();
        let pieces = [b"radius", &time[..], session.as_bytes(), identity.as_bytes(), data.as_bytes()];
        let id = store.sealer_or_create()?.name(&pieces);
        let challenge = Challenge {
            id: id.clone(),
            kind: ChallengeKind::Remote,
            session_id: session.to_owned(),
            user: identity.to_owned(),
            realm: String::new(),
            data,
            expires: now.plus_seconds(self.challenge_validity),
        };
        let begin = Settlement { challenge: Some(ChallengeStep::Begin(challenge)), ..Settlement::default() };
        store.settle(&begin)?;
        Ok(id)
    }

    /// Takes an open challenge of this session and identity; nobody gets it a second time, whatever the server says.
    pub(super) fn take(&self, subject: Subject<'_>, id: &str) -> Result<Option<Open>, MfaError> {
        let store = self.tools.store;
        let session = subject.session_id.unwrap_or_default();
        let found = store.challenge(id, self.challenge_validity)?.filter(|challenge| {
            challenge.kind == ChallengeKind::Remote
                && challenge.session_id == session
                && challenge.user == subject.identity.as_str()
                && challenge.realm.is_empty()
        });
        let Some(challenge) = found else { return Ok(None) };
        let finish = ChallengeStep::Finish { id: challenge.id, from: challenge.data.clone() };
        if !store.settle(&Settlement { challenge: Some(finish), ..Settlement::default() })? {
            return Ok(None);
        }
        let Ok(Written { server, user, state, round }) = json::from_slice(challenge.data.as_bytes()) else {
            return Ok(None);
        };
        let state = HEXLOWER.decode(state.as_bytes()).ok();
        Ok(state.map(|state| Open { server, user, state, round }))
    }
}

fn json_of(written: &Written) -> Result<String, MfaError> {
    // Texts and a number always have a JSON form.
    let unknown = |_| StoreError::Unknown { column: "challenges.data", row: "a RADIUS challenge".to_owned() };
    Ok(serde_json::to_string(written).map_err(unknown)?)
}
