//! Approvals that only a server can judge: `user:pin+otp` of somebody in `realm1@edumfa`.
//!
//! The store decides first, and the server is asked last: a text in which anything is wrong that can be told without
//! it uses up nobody's code. The server's yes is one for the name that was asked about, so that the name alone tells
//! whose approval it is. A name in which a server might see somebody else than this program does is refused.

use super::demand::{Demand, Vote};
use super::reading::{Aimed, Offer};
use super::{Approvals, Outcome};
use crate::names::{CountKey, fold};
use crate::store::{Challenge, StoreError};
use crate::token::elsewhere::{CodeKind, Enquiry, Given, Target};

/// The longest name of somebody who approves, in bytes.
const MAX_USER: usize = 256;

/// Somebody whom a text names, and what the server is to be sent.
pub(super) struct Voter<'p> {
    pub(super) user: String,
    /// As the demand names it, with the section behind it.
    realm: String,
    password: &'p str,
}

/// Approvals of which servers have to be asked. All have to say yes.
pub struct Ballot<'p> {
    demand: Demand,
    challenge: Option<Challenge>,
    votes: Vec<Vote>,
    /// What the store says yes to.
    offers: Vec<Offer>,
    /// In the order of `enquiries`.
    voters: Vec<Vote>,
    /// What the servers are to be asked, one after the other.
    pub enquiries: Vec<Enquiry<'p>>,
}

impl Ballot<'_> {
    /// The votes that servers have to confirm.
    pub(super) fn voters(&self) -> &[Vote] {
        &self.voters
    }
}

impl<'p> Voter<'p> {
    /// Reads `user:pin+otp`, `user@realm1:pin+otp` or `user@realm1@edumfa:pin+otp`.
    ///
    /// `None` where the text names nobody, or nobody in one of these realms, or leaves open in which.
    pub(super) fn read(realms: &[String], text: &'p str, in_full: bool) -> Option<Self> {
        let (name, password) = text.split_once(':')?;
        let behind = |realm: &str| strip_realm(name, realm);
        let full = || realms.iter().find_map(|realm| Some((behind(realm)?, realm)));
        let short = || {
            let named =
                |realm: &&String| realm.split_once('@').is_some_and(|(short, _)| behind(short).is_some());
            let named: Vec<_> = realms.iter().filter(|realm| named(realm)).collect();
            match (named.as_slice(), realms) {
                ([realm], _) => Some((behind(realm.split_once('@')?.0)?, *realm)),
                ([], [realm]) => Some((name, realm)),
                _ => None,
            }
        };
        let (user, realm) = if in_full { full()? } else { full().or_else(short)? };
        is_clear(user).then(|| Self { user: user.to_owned(), realm: realm.clone(), password })
    }

    /// The vote before the server has said with which device it was given.
    fn vote(&self) -> Vote {
        Vote {
            serial: String::new(),
            device: String::new(),
            holder: self.user.clone(),
            user: self.user.clone(),
            realm: self.realm.clone(),
        }
    }

    fn enquiry(&self) -> Enquiry<'p> {
        let (realm, service) = self.realm.split_once('@').unwrap_or((&self.realm, ""));
        let target = Target { service: service.to_owned(), name: format!("{}@{realm}", self.user) };
        Enquiry { target, may_be_serial: false, password: self.password, state: None }
    }
}

impl Approvals<'_> {
    /// Makes a ballot of what the store says yes to and of what servers have to be asked; `None` where one of the
    /// latter would not count.
    pub(super) fn ballot<'p>(
        &self,
        demand: &Demand,
        challenge: Option<&Challenge>,
        votes: Vec<Vote>,
        offers: Vec<Offer>,
        voters: &[Voter<'p>],
    ) -> Result<Option<Ballot<'p>>, StoreError> {
        let mut counted: Vec<_> =
            votes.iter().chain(offers.iter().map(|offer| &offer.vote)).cloned().collect();
        let mut new = Vec::new();
        for voter in voters {
            // An empty password would ring somebody's phone.
            let objection = if voter.password.is_empty() { Some("there is no PIN or code") } else { None };
            let vote = voter.vote();
            let session = self.session;
            if let Some(why) = objection.or_else(|| self.rules.objection(demand, session, &counted, &vote)) {
                self.log
                    .info(format_args!("the approval of {}@{} does not count: {why}", vote.user, vote.realm));
                return Ok(None);
            }
            // The server would count a wrong password there, so it is not asked.
            if self.is_used_up(&self.budgets(demand, &Aimed::at([&vote])))? {
                return Ok(None);
            }
            counted.push(vote.clone());
            new.push(vote);
        }
        Ok(Some(Ballot {
            demand: demand.clone(),
            challenge: challenge.cloned(),
            votes,
            offers,
            voters: new,
            enquiries: voters.iter().map(Voter::enquiry).collect(),
        }))
    }

    /// Counts a ballot to which every server said yes, by these devices.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count(&self, ballot: Ballot<'_>, given: Vec<Given>) -> Result<Outcome, StoreError> {
        if given.len() != ballot.voters.len() {
            return self.refuse(&ballot);
        }
        let mut offers: Vec<Offer> = Vec::new();
        let mut counted: Vec<_> =
            ballot.votes.iter().chain(ballot.offers.iter().map(|offer| &offer.vote)).cloned().collect();
        for (vote, Given { serials, code }) in ballot.voters.iter().zip(given) {
            if let Some(why) = self.no_one_time_code(code) {
                self.log.warning(format_args!(
                    "the approval of {}@{} does not count: {why}",
                    vote.user, vote.realm
                ));
                return self.refuse(&ballot);
            }
            let device = match serials.as_slice() {
                [] => vote.without_device(),
                _ => format!("{}:{}", vote.service(), serials.join(",")),
            };
            let vote = Vote { serial: device.clone(), device, ..vote.clone() };
            if let Some(why) = self.rules.objection(&ballot.demand, self.session, &counted, &vote) {
                self.log.info(format_args!("{} does not count: {why}", vote.serial));
                return self.refuse(&ballot);
            }
            counted.push(vote.clone());
            offers.push(Offer { vote, uses: Vec::new(), unnamed: Vec::new() });
        }
        let Ballot { demand, challenge, votes, offers: mut all, .. } = ballot;
        all.append(&mut offers);
        self.go_on(&demand, challenge.as_ref(), votes, all)
    }

    /// Denies because a server did not say yes. Whoever asks pays here, as far as there is more to lose than this
    /// session's chain; the server keeps its own account of those who were asked about.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refuse(&self, ballot: &Ballot<'_>) -> Result<Outcome, StoreError> {
        let aimed = Aimed::at(&ballot.voters);
        match &ballot.challenge {
            Some(challenge) => self.ask_again(&ballot.demand, challenge, &ballot.votes, &aimed),
            None => self.deny(&ballot.demand, self.budgets(&ballot.demand, &aimed), "no approval"),
        }
    }

    /// Says why what a server accepted is no approval: only one-time codes are.
    fn no_one_time_code(&self, code: CodeKind) -> Option<&'static str> {
        match code {
            CodeKind::OneTime => None,
            CodeKind::Static => {
                Some("the server reports a static password, which is not accepted as an approval")
            }
            CodeKind::Unknown if self.rules.unknown_token_types => None,
            CodeKind::Unknown => Some(
                "the server does not report the token type; have it report the type \
                 (LinOTP: policy detail_on_success), or set [four_eyes] unknown_token_types = yes if it \
                 accepts no static passwords",
            ),
        }
    }
}

impl Vote {
    /// What stands for the device where the server does not say which it was: there is only one for each person.
    pub(super) fn without_device(&self) -> String {
        let (realm, service) = self.realm.split_once('@').unwrap_or((&self.realm, ""));
        format!("{service}:{}@{}", CountKey::of(&self.user).as_str(), fold(realm))
    }

    fn service(&self) -> &str {
        self.realm.split_once('@').map_or("", |(_, service)| service)
    }
}

/// Returns what stands before `@realm`, in whatever case it is written.
fn strip_realm<'n>(name: &'n str, realm: &str) -> Option<&'n str> {
    let at = name.len().checked_sub(realm.len())?;
    let (before, end) = name.split_at_checked(at)?;
    before.strip_suffix('@').filter(|_| end.eq_ignore_ascii_case(realm))
}

/// Tells whether a name can be nobody else's. Directories find people by names with blanks around them, with other
/// accents, with wildcards; then one person would approve under two names.
fn is_clear(user: &str) -> bool {
    let is_known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'@');
    user.len() <= MAX_USER && !CountKey::of(user).as_str().is_empty() && user.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_somebody_in_one_realm_of_a_server() {
        let one = ["realm1@edumfa".to_owned()];
        let two = ["realm1@edumfa".to_owned(), "realm2@edumfa".to_owned()];
        let twins = ["realm1@edumfa".to_owned(), "realm1@privacyidea".to_owned()];
        let read = |realms: &[String], text: &str, in_full| {
            let voter = Voter::read(realms, text, in_full)?;
            Some(format!("{} {} {}", voter.user, voter.realm, voter.password))
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(read(&one, "bob:1234:5", false), is("bob realm1@edumfa 1234:5"));
        assert_eq!(read(&one, "bob@realm1:1", false), is("bob realm1@edumfa 1"));
        assert_eq!(read(&one, "bob@REALM1:1", false), is("bob realm1@edumfa 1"));
        assert_eq!(read(&one, "bob@realm1@edumfa:1", false), is("bob realm1@edumfa 1"));
        assert_eq!(read(&one, "bob@realm1@edumfa:1", true), is("bob realm1@edumfa 1"));
        assert_eq!(read(&one, "bob@example.org:1", false), is("bob@example.org realm1@edumfa 1"));
        assert_eq!(read(&two, "bob@realm2:1", false), is("bob realm2@edumfa 1"));
        assert_eq!(read(&twins, "bob@realm1@privacyidea:1", false), is("bob realm1@privacyidea 1"));
        for (realms, text, in_full) in [
            (&one[..], "bob", false),
            (&one, ":1", false),
            (&one, "@realm1:1", false),
            (&one, "bob@realm1:1", true),
            (&two, "bob:1", false),
            (&two, "bob@realm3:1", false),
            (&twins, "bob@realm1:1", false),
            (&one, "bób:1", false),
            (&one, " bob:1", false),
            (&one, "b*:1", false),
            (&one, "realm1\\bob:1", false),
            (&one, "bob%:1", false),
            (&[], "bob:1", false),
        ] {
            assert_eq!(read(realms, text, in_full), None, "{text}");
        }
    }
}
