//! What a typed password is: whose token it could be an approval with, and whether it is one.

use super::Approvals;
use super::demand::{Demand, Vote};
use super::elsewhere::Voter;
use crate::names::CountKey;
use crate::store::{Advance, Sealer, StoreError, Use};
use crate::token::Owner;
use crate::token::code::{CodePart, code_part};
use crate::token::held::{Held, find_candidate_code, is_last_code};

/// An approval that would count, with what it uses up.
#[derive(Clone)]
pub(super) struct Offer {
    pub(super) vote: Vote,
    pub(super) uses: Vec<Use>,
    /// The realms that were searched for it as a code without a name.
    pub(super) unnamed: Vec<String>,
}

/// At whose codes a text is a guess.
#[derive(Clone, Default)]
pub(super) struct Aimed {
    /// The people whom the text names, or whose code it ends in, each by one spelling.
    pub(super) approvers: Vec<CountKey>,
    /// The realms in which it was compared, as a code without a name, with all codes.
    pub(super) unnamed: Vec<String>,
}

impl Aimed {
    /// At the people of these votes.
    pub(super) fn at<'v>(votes: impl IntoIterator<Item = &'v Vote>) -> Self {
        Self { approvers: votes.into_iter().flat_map(Vote::people).collect(), unnamed: Vec::new() }
    }
}

/// The tokens that a typed password may be an approval with.
#[derive(Default)]
pub(super) struct Candidates<'t> {
    /// Each with what would be its PIN and what would be used up.
    pub(super) tokens: Vec<(Held, &'t str, Advance)>,
    /// The people whose approval it claims to be.
    pub(super) aimed: Aimed,
}

/// Who can judge a typed password.
pub(super) enum Found<'p> {
    /// The store.
    Here(Candidates<'p>),
    /// A server.
    Elsewhere(Voter<'p>),
}

/// What became of one typed password.
pub(super) enum Reading {
    /// It is an approval.
    Offer(Offer),
    /// Not an approval; the people whose approval it claimed to be.
    Wrong(Aimed),
}

impl Approvals<'_> {
    /// Finds the tokens whose code a text ends in; their PINs are not looked at. Or the person at a server whom it names.
    ///
    /// Whoever has tokens here is meant by the bare name, so that what was mistyped for one of them goes nowhere else.
    pub(super) fn find<'t>(
        &self,
        sealer: &Sealer,
        demand: &Demand,
        votes: &[Vote],
        text: &'t str,
    ) -> Result<Found<'t>, StoreError> {
        let open = demand.missing(votes).into_iter().map(|(realm, _)| realm);
        let (elsewhere, here): (Vec<String>, Vec<String>) = open.partition(|realm| realm.contains('@'));
        if let Some(voter) = Voter::read(&elsewhere, text, true) {
            return Ok(Found::Elsewhere(voter));
        }
        if let Some(found) = self.named(sealer, &here, text)? {
            return Ok(Found::Here(found));
        }
        match Voter::read(&elsewhere, text, false) {
            Some(voter) => Ok(Found::Elsewhere(voter)),
            None => self.search(sealer, &here, text).map(Found::Here),
        }
    }

    /// Looks at the PINs: one argon2id for each code that matched.
    pub(super) fn judge(
        &self,
        demand: &Demand,
        votes: &[Vote],
        found: Candidates<'_>,
    ) -> Result<Reading, StoreError> {
        let mut right = Vec::new();
        for (held, pin, advance) in found.tokens {
            let stretched = self.hashing.of(pin)?;
            if held.pin_is(pin, stretched.as_deref()) {
                right.push((held, advance));
            }
        }
        let Some((first, _)) = right.first() else { return Ok(Reading::Wrong(found.aimed)) };
        let owner = CountKey::of(&first.token.user);
        if !right.iter().all(|(held, _)| CountKey::of(&held.token.user).may_be(&owner)) {
            self.log
                .info(format_args!("tokens of several people have this PIN and code; type user:PIN+code"));
            return Ok(Reading::Wrong(Aimed::default()));
        }
        for (held, advance) in right {
            let vote = self.vote(&held)?;
            match self.rules.objection(demand, self.session, votes, &vote) {
                None => {
                    let uses = held.uses(self.store, advance)?;
                    return Ok(Reading::Offer(Offer { uses, vote, unnamed: found.aimed.unnamed }));
                }
                Some(why) => self.log.info(format_args!("token {} does not count: {why}", vote.serial)),
            }
        }
        Ok(Reading::Wrong(Aimed::default()))
    }

    /// Reads `user:pin+otp`; `None` where nobody of that name has a token in the realms that are missing.
    fn named<'t>(
        &self,
        sealer: &Sealer,
        realms: &[String],
        text: &'t str,
    ) -> Result<Option<Candidates<'t>>, StoreError> {
        let Some((name, rest)) = text.split_once(':') else { return Ok(None) };
        let mut held = Vec::new();
        for realm in realms {
            let people = self.session.people;
            let owner = Owner::of_login(name, realm, people);
            // Tokens that nobody owns are not the empty name's.
            if people.key(&owner.realm) == people.key(realm) && !owner.user.is_empty() {
                let tokens = self.store.tokens_of(&owner.user, realm)?;
                for token in tokens.into_iter().filter(|token| owner.owns(token, people)) {
                    held.push(Held::new(self.store, sealer, token)?);
                }
            }
        }
        if held.is_empty() {
            return Ok(None);
        }
        held.retain(Held::gives_codes);
        let mut found = Candidates::default();
        for one in held {
            found.aimed.approvers.extend([CountKey::of(&one.token.user), CountKey::of(one.holder())]);
            let code = match one.is_usable(self.store.now()) {
                true => one.find_code(self.store, sealer, rest)?,
                false => None,
            };
            if let Some(code) = code {
                found.tokens.push((one, code.pin, code.advance));
            }
        }
        Ok(Some(found))
    }

    /// Searches the realms that are missing for tokens whose code a text ends in. A token that does not open is passed
    /// over, so that it does not block all others. Codes without a name are not searched for after too many wrong ones.
    fn search<'t>(
        &self,
        sealer: &Sealer,
        realms: &[String],
        text: &'t str,
    ) -> Result<Candidates<'t>, StoreError> {
        let mut hits: Vec<(String, usize, Advance)> = Vec::new();
        let mut unnamed = Vec::new();
        for realm in realms {
            let pinless = self.rules.pinless && !self.is_used_up(&[self.unnamed_budget(realm)])?;
            let mut compares_alone = false;
            self.store.search::<StoreError>(realm, None, |candidate| {
                let digits = usize::from(candidate.digits);
                let Some(part) = code_part(text, digits) else { return Ok(()) };
                let alone = part.pin(0).is_empty();
                let could_be = if candidate.has_pin { part.has_more() } else { pinless && alone };
                if !could_be {
                    return Ok(());
                }
                compares_alone |= !candidate.has_pin;
                let found = find_candidate_code(self.store, sealer, candidate, &part.code);
                if let Some(advance) = self.unless_damaged(found)?.flatten() {
                    hits.push((candidate.serial.to_owned(), digits, advance));
                }
                Ok(())
            })?;
            unnamed.extend(compares_alone.then(|| realm.clone()));
        }
        let aimed = Aimed { approvers: Vec::new(), unnamed };
        let mut found = Candidates { tokens: Vec::new(), aimed };
        for (serial, digits, advance) in hits {
            if let Some(part) = code_part(text, digits)
                && let Some(token) = self.store.token(&serial)?
                && realms
                    .iter()
                    .any(|realm| self.session.people.key(realm) == self.session.people.key(&token.realm))
                && let Some(held) = self.unless_damaged(Held::new(self.store, sealer, token))?
            {
                found.aimed.approvers.extend([CountKey::of(&held.token.user), CountKey::of(held.holder())]);
                let pin = held.pin_of(&part);
                found.tokens.push((held, pin, advance));
            }
        }
        Ok(found)
    }

    /// Tells whether each of these texts is an approval whose code is the one that its token used last: it was right, and
    /// came too late. Such a text tells nobody anything, and is no guess.
    pub(super) fn is_spent(
        &self,
        demand: &Demand,
        votes: &[Vote],
        texts: &[&str],
    ) -> Result<bool, StoreError> {
        let Some(sealer) = self.store.sealer()? else { return Ok(false) };
        let open = demand.missing(votes).into_iter().map(|(realm, _)| realm);
        let realms: Vec<String> = open.filter(|realm| !realm.contains('@')).collect();
        for text in texts {
            if !self.is_one_spent(sealer, &realms, text)? {
                return Ok(false);
            }
        }
        Ok(!texts.is_empty())
    }

    fn is_one_spent(&self, sealer: &Sealer, realms: &[String], text: &str) -> Result<bool, StoreError> {
        let (name, rest) = text.split_once(':').unzip();
        for realm in realms {
            let people = self.session.people;
            let owner = name.map(|name| Owner::of_login(name, realm, people));
            let owner = owner.filter(|owner| people.key(&owner.realm) == people.key(realm));
            let mut spent: Vec<(String, CodePart<'_>)> = Vec::new();
            self.store.search::<StoreError>(realm, None, |candidate| {
                let is_named = {
                    let user = CountKey::of(candidate.user);
                    owner.as_ref().is_none_or(|owner| CountKey::of(&owner.user).may_be(&user))
                };
                let text = if owner.is_some() { rest.unwrap_or(text) } else { text };
                let Some(part) = code_part(text, usize::from(candidate.digits)) else { return Ok(()) };
                let could_be = is_named && (candidate.has_pin || !part.has_more());
                if could_be && self.unless_damaged(is_last_code(sealer, candidate, &part.code))? == Some(true)
                {
                    spent.push((candidate.serial.to_owned(), part));
                }
                Ok(())
            })?;
            for (serial, part) in spent {
                let Some(token) = self.store.token(&serial)? else { continue };
                let held = Held::new(self.store, sealer, token)?;
                let pin = held.pin_of(&part);
                let stretched = self.hashing.of(pin)?;
                if held.pin_is(pin, stretched.as_deref()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn vote(&self, held: &Held) -> Result<Vote, StoreError> {
        Ok(Vote {
            serial: held.token.serial.clone(),
            device: held.device_mark(self.store)?,
            holder: held.holder().to_owned(),
            user: held.token.user.clone(),
            realm: held.token.realm.clone(),
        })
    }

    fn unless_damaged<T>(&self, found: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match found {
            Err(error @ StoreError::Sealed { .. }) => {
                self.log.warning(format_args!("passed over: {error}"));
                Ok(None)
            }
            found => found.map(Some),
        }
    }
}
