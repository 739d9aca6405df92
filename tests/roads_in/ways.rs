//! The ways in that are walked against every demand, and a session of alice's on each of them.

use serde_json::{Value, json};

use crate::approvals::{Approver, Asks, Terms, section};
use crate::support::radius::{ACCEPT, REJECT, SECRET};
use crate::support::service::NOBODY;
use crate::support::{Place, ldap as directory, yubico};
use crate::{Given, ldap, table};

/// Declares an enum together with the list of all its variants, so that a test walks every variant there is.
macro_rules! listed {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+];
        }
    };
}
pub(crate) use listed;

listed! {
    /// How somebody gets in.
    Way {
        /// A user list in the configuration.
        UserList,
        /// A user list in a file.
        UserListFile,
        /// A group of the directory: `[whitelist source=ldap_server_group]`.
        Group,
        /// A cached authentication.
        Remembered,
        Http,
        LinOtp,
        Radius,
        YubiKey,
        /// The password in the directory.
        LdapPassword,
        Chain,
        LocalToken,
        /// The PIN of a local token, and the answer to the question for its code.
        Challenge,
        /// A token here that leads to a server.
        ForwardToken,
        /// A token of alice's own that asks for one approval.
        FourEyesToken,
        Fallback,
        OutageIgnored,
        NoProvider,
    }
}

/// What a way proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proves {
    /// The name.
    Name,
    /// A factor of an earlier session.
    EarlierFactor,
    /// A factor of the user's own.
    Factor,
    /// One approval, and no factor of the user's own.
    Approval,
    /// Nothing, because the server is not there.
    NothingInOutage,
    /// Nothing, because the configuration asks for nothing.
    NothingConfigured,
}

const HTTP: &str = "[mfa]\nprovider=http\n[http]\nserver_url=http://SERVICE\ntoken=t0ken\n";
const LOCAL: &str = "[mfa]\nprovider=local\n";
/// alice's own tokens here, by their PINs.
const STATIC: &str = "135790";
const CHALLENGED: &str = "8642";
const FORWARDED: &str = "2468";

impl Way {
    pub(crate) fn proves(self) -> Proves {
        match self {
            Self::UserList | Self::UserListFile | Self::Group => Proves::Name,
            Self::Remembered => Proves::EarlierFactor,
            Self::Http
            | Self::LinOtp
            | Self::Radius
            | Self::YubiKey
            | Self::LdapPassword
            | Self::Chain
            | Self::LocalToken
            | Self::Challenge
            | Self::ForwardToken
            | Self::Fallback => Proves::Factor,
            Self::FourEyesToken => Proves::Approval,
            Self::OutageIgnored => Proves::NothingInOutage,
            Self::NoProvider => Proves::NothingConfigured,
        }
    }

    /// Whether the local tokens are the only provider: approvals that a connection demands are then the login.
    pub(crate) fn is_local(self) -> bool {
        match self {
            Self::LocalToken | Self::Challenge | Self::ForwardToken | Self::FourEyesToken => true,
            Self::UserList
            | Self::UserListFile
            | Self::Group
            | Self::Remembered
            | Self::Http
            | Self::LinOtp
            | Self::Radius
            | Self::YubiKey
            | Self::LdapPassword
            | Self::Chain
            | Self::Fallback
            | Self::OutageIgnored
            | Self::NoProvider => false,
        }
    }

    /// What is typed first.
    fn answer(self, terms: Terms) -> String {
        match self {
            Self::UserList | Self::UserListFile | Self::Group | Self::Remembered => "000000".to_owned(),
            Self::Http | Self::LinOtp | Self::Radius | Self::Chain => "123456".to_owned(),
            Self::YubiKey => yubico::OTP.to_owned(),
            Self::LdapPassword => directory::ALICE.to_owned(),
            Self::LocalToken | Self::Fallback => STATIC.to_owned(),
            Self::Challenge => CHALLENGED.to_owned(),
            Self::ForwardToken => format!("{FORWARDED}123456"),
            Self::FourEyesToken => terms.needed()[0].approves(0),
            Self::OutageIgnored | Self::NoProvider => "anything".to_owned(),
        }
    }

    /// What is typed in answer to a question that belongs to the way itself; `None` where there is no such question.
    fn second_answer(self) -> Option<&'static str> {
        match self {
            Self::Chain => Some("123456"),
            // The first code of RFC 4226's other secret.
            Self::Challenge => Some("469711"),
            Self::UserList
            | Self::UserListFile
            | Self::Group
            | Self::Remembered
            | Self::Http
            | Self::LinOtp
            | Self::Radius
            | Self::YubiKey
            | Self::LdapPassword
            | Self::LocalToken
            | Self::ForwardToken
            | Self::FourEyesToken
            | Self::Fallback
            | Self::OutageIgnored
            | Self::NoProvider => None,
        }
    }

    /// The configuration and what stands behind it.
    fn set_up(self) -> Given {
        let outage =
            |more: &str| HTTP.replace("SERVICE", NOBODY).replace("[mfa]\n", &format!("[mfa]\n{more}"));
        let list = "[whitelist source=user_list]\nname=vip\n[user_list vip]\nallow=no_user\n";
        let configuration = match self {
            Self::UserList => format!("{HTTP}{list}except=alice\n"),
            Self::UserListFile => {
                let mut given = Given::new(&format!("{HTTP}{list}except_file=FILE\n"));
                let file = given.place.file("names", "root\nalice\n");
                given.instead("FILE", file.to_str().unwrap());
                return given;
            }
            Self::Group => {
                return ldap::with_directory(&format!(
                    "{HTTP}[ldap_server]\nname=ad\n[whitelist source=ldap_server_group]\nallow=no_user\nexcept=dba\n"
                ));
            }
            Self::Remembered => format!("{HTTP}[authentication_cache]\nreuse_limit=9\n"),
            Self::Http => HTTP.to_owned(),
            Self::LinOtp => "[mfa]\nprovider=linotp\n[linotp]\nserver_url=http://SERVICE\n".to_owned(),
            Self::Radius => {
                let mut given = Given::new(&format!(
                    "[mfa]\nprovider=radius\n[radius]\nserver=RADIUS\nsecret={SECRET}\nconn_timeout=20\n"
                ));
                table::answering(&mut given, |asked| {
                    let known = asked.text(1) == "alice" && asked.password() == "123456";
                    asked.answer(if known { ACCEPT } else { REJECT }, b"")
                });
                return given;
            }
            Self::YubiKey => yubico::asking("http://SERVICE/verify", ""),
            Self::LdapPassword => {
                return ldap::with_directory("[mfa]\nprovider=ldap\n[ldap]\nserver=ad\n");
            }
            Self::Chain => {
                format!(
                    "{}[linotp]\nserver_url=http://SERVICE\n",
                    HTTP.replace("=http\n", "=http + linotp\n")
                )
            }
            Self::LocalToken | Self::Challenge | Self::FourEyesToken => LOCAL.to_owned(),
            Self::ForwardToken => HTTP.replace("provider=http", "provider=local"),
            Self::Fallback => outage("fallback=local\n"),
            Self::OutageIgnored => format!("{}ignore_connection_error=yes\n", outage("")),
            Self::NoProvider => "[mfa]\nprovider=none\n".to_owned(),
        };
        Given::new(&configuration)
    }

    /// The token that this way needs beside those that everybody has in [`tokens`].
    fn token(self) -> Option<String> {
        match self {
            Self::Challenge => Some(format!(
                "enroll --type hotp --serial ASKED --user alice --pin {CHALLENGED} \
                 --secret-hex 3938373635343332313039383736353433323130"
            )),
            Self::ForwardToken => Some(format!(
                "enroll --type forward --serial AHEAD --user alice --pin {FORWARDED} --target http:alice"
            )),
            Self::FourEyesToken => {
                Some("enroll --type 4eyes --serial MINE --user alice --realms ops:1".to_owned())
            }
            Self::UserList
            | Self::UserListFile
            | Self::Group
            | Self::Remembered
            | Self::Http
            | Self::LinOtp
            | Self::Radius
            | Self::YubiKey
            | Self::LdapPassword
            | Self::Chain
            | Self::LocalToken
            | Self::Fallback
            | Self::OutageIgnored
            | Self::NoProvider => None,
        }
    }

    /// A factor of alice's own where a rule asks for one; `None` where there is no server and no token to ask.
    pub(crate) fn own_factor(self) -> Option<&'static str> {
        match self {
            Self::UserList
            | Self::UserListFile
            | Self::Group
            | Self::Remembered
            | Self::Http
            | Self::LinOtp
            | Self::Radius
            | Self::Chain => Some("123456"),
            Self::YubiKey => Some(yubico::OTP),
            Self::LdapPassword => Some(directory::ALICE),
            Self::LocalToken
            | Self::Challenge
            | Self::ForwardToken
            | Self::FourEyesToken
            | Self::Fallback => Some(STATIC),
            Self::OutageIgnored | Self::NoProvider => None,
        }
    }
}

/// A state with the tokens of those who approve, and with one of alice's own. It is made once and copied for each session.
pub(crate) struct Tokens(Place);

impl Tokens {
    pub(crate) fn new() -> Self {
        let given = Given::new("");
        for approver in Approver::ALL {
            given.token(&approver.enrolment());
        }
        given.token(&format!("enroll --type spass --serial ALICE --user alice --pin {STATIC}"));
        Self(given.place)
    }

    /// A session of alice's on this way, ready to be asked.
    pub(crate) fn session(&self, way: Way, asks: Asks, terms: Terms) -> Given {
        let mut given = way.set_up();
        given.place.set_state(&self.0);
        if let Some(command) = way.token() {
            given.token(&command);
        }
        if way == Way::Remembered {
            // Before anything is demanded, so that only the demand stands in the way.
            given.argument("session_id", json!("s0"));
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            assert_eq!(given.ask().verdict(), "ACCEPT");
            given.argument("session_id", json!("s1"));
        }
        given.configuration.push_str(&section(asks, terms));
        given.argument("key_value_pairs", json!({"otp": way.answer(terms)}));
        given
    }
}

/// Asks, and answers the question that belongs to the way.
pub(crate) fn authenticate(given: &mut Given, way: Way) -> Value {
    let response = given.ask().response();
    match way.second_answer() {
        Some(answer) if response["verdict"] == "NEEDINFO" => {
            let key = response["question"][0].as_str().unwrap().to_owned();
            go_on(given, &response["cookie"], json!({key: answer}));
            given.ask().response()
        }
        Some(_) | None => response,
    }
}

/// Goes on with the cookie that came out, and other answers.
pub(crate) fn go_on(given: &mut Given, cookie: &Value, answers: Value) {
    given.argument("cookie", cookie.clone());
    given.argument("key_value_pairs", answers);
}
