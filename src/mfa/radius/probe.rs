//! What changes nothing at a RADIUS server: Status-Server (RFC 5997), signed as every request is, so that the reply proves
//! the secret. A server may know no such question, and one that holds another secret says nothing either; nobody can tell
//! the two apart without asking about a person.

use std::time::Duration;

use data_encoding::HEXLOWER;
use secrecy::ExposeSecret;

use super::Radius;
use super::exchange::Lost;
use super::packet::{Code, Request, Sent, Unfit, Unusable, kind};
use crate::finding::{Finding, Grade};
use crate::logging::Chain;
use crate::mfa::outage::{self, Life};
use crate::net::udp::Peer;

const QUESTION: &str = "Status-Server";
/// The shortest time in which a server could answer a second question.
const LEAST: Duration = Duration::from_millis(20);

impl Radius<'_> {
    pub(super) fn look(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for peer in &self.peers {
            let mut note = |question, grade, detail: &str| {
                findings.push(Finding::new("[radius]", peer.name(), question, grade, detail));
            };
            let sent = match self.status_server() {
                Some(sent) => sent,
                None => {
                    note(QUESTION, Grade::Error, "not asked: the system gives no random bytes");
                    continue;
                }
            };
            match self.manner.try_ask(peer, &sent, self.tools.budget) {
                Ok(reply) if reply.code == Code::Accept => {
                    note(QUESTION, Grade::Ok, "the server answers, and the answer is signed with the secret");
                }
                Ok(_) => note(
                    QUESTION,
                    Grade::Warning,
                    "the answer is signed with the secret, but is not the one to this question",
                ),
                Err(Lost::Silent(_)) => note(
                    QUESTION,
                    Grade::Warning,
                    "no answer, and the network does not say that the port is closed. Not known: whether the server is down, \
                     knows no Status-Server, does not know this client, or has another secret for it; it says nothing in each \
                     case, and a login would show it",
                ),
                Err(Lost::Unusable(_, unusable @ Unusable::NotSigned)) => {
                    note("secret", Grade::Error, &format!("{unusable}; put the same secret at both ends"));
                }
                Err(Lost::Unusable(_, Unusable::NoMessageAuthenticator)) => note(
                    QUESTION,
                    Grade::Warning,
                    "the answer is signed with the secret, but has no Message-Authenticator; where the answers to logins have \
                     none either, require_message_authenticator refuses them: update the server",
                ),
                Err(lost @ Lost::Unusable(..)) => note(QUESTION, Grade::Error, &Chain(&lost).to_string()),
                Err(lost @ (Lost::Unreachable(..) | Lost::Broken(..) | Lost::NoTime(_))) => {
                    note("connection", Grade::Error, &Chain(&lost).to_string());
                }
            }
        }
        findings
    }

    /// Asks a server whether it is there: by Status-Server and, because not every server knows that, by a request about
    /// a random name, with a random password.
    pub(super) fn life(&self, peer: &Peer) -> Life {
        let (Some(status), Some(stranger)) = (self.status_server(), self.stranger()) else {
            return Life::Unknown;
        };
        // A server holds a reject back for a second or two.
        let tries = self.manner.timeout.saturating_mul(self.manner.retries);
        let time = outage::second(self.tools.budget, tries);
        // Less than a few milliseconds is no time to answer in.
        if time.remaining() < LEAST {
            return Life::Unknown;
        }
        self.manner.life(peer, &[status, stranger], time)
    }

    /// Makes a request about somebody who does not exist.
    fn stranger(&self) -> Option<Sent> {
        let mut random = [0_u8; 49];
        getrandom::fill(&mut random).ok()?;
        let (head, rest) = random.split_first_chunk::<17>()?;
        let (name, password) = rest.split_at_checked(16)?;
        let [identifier, authenticator @ ..] = *head;
        let secret = self.manner.secret.expose_secret().as_bytes();
        let mut request = Request::new(identifier, authenticator);
        let name = format!("sps-plugin-probe-{}", HEXLOWER.encode(name));
        let added: Result<(), Unfit> = request
            .add(kind::USER_NAME, name.as_bytes())
            .and_then(|()| request.add_password(HEXLOWER.encode(password).as_bytes(), secret))
            .and_then(|()| request.add(kind::NAS_IDENTIFIER, self.nas_identifier.as_bytes()));
        added.ok()?;
        Some(request.sign(secret))
    }

    fn status_server(&self) -> Option<Sent> {
        let mut random = [0_u8; 17];
        getrandom::fill(&mut random).ok()?;
        let [identifier, authenticator @ ..] = random;
        let mut request = Request::new(identifier, authenticator);
        let added: Result<(), Unfit> = request.add(kind::NAS_IDENTIFIER, self.nas_identifier.as_bytes());
        // Its length was looked at when it was read.
        added.ok()?;
        Some(request.sign_status(self.manner.secret.expose_secret().as_bytes()))
    }
}
