//! What the command line says about the session.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use crate::cli::words::OneOf;
use crate::clock::UnixTime;
use crate::protocol::invocation::PluginType;

/// What `--help` ends with.
pub(in crate::cli) const HELP: &str = "\
A session without --gateway-user is one without gateway authentication. The questions are asked here; without a terminal \
the answers are read from stdin, one a line. Ctrl-C or the end of stdin gives the session up, and it is ended as any other. \
The state is that of the configuration: a code that is typed here is used up. SCB_PLUGIN_STATE_DIRECTORY names another one \
where the configuration does not.

Exit status: 0 the session was let in, and ended; 1 it was denied or given up, or a hook could not do its work; 2 the \
command line or the configuration is unusable.";

/// The protocols in which SPS asks questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ssh,
    Rdp,
    Telnet,
}

impl Protocol {
    const ALL: [Self; 3] = [Self::Ssh, Self::Rdp, Self::Telnet];

    /// What SPS calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Rdp => "rdp",
            Self::Telnet => "telnet",
        }
    }

    /// The port of a server that says nothing else.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Ssh => 22,
            Self::Rdp => 3389,
            Self::Telnet => 23,
        }
    }
}

/// Options of `sps-plugin scenario`.
#[derive(Args)]
pub(in crate::cli) struct ScenarioOptions {
    /// The configuration file (else $SPS_PLUGIN_CONFIG, else plugin.ini beside the executable). With a section
    /// [credentials] it is that of the credential store plugin too
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The configuration file of the credential store plugin, if it has one of its own
    #[arg(long, value_name = "FILE", conflicts_with = "plugin_type")]
    pub(super) credentials_config: Option<PathBuf>,
    /// Play one of the plugins only: aa or credentialstore
    #[arg(long = "type", value_name = "TYPE", value_parser = crate::cli::plugin_type(), hide_possible_values = true)]
    pub(super) plugin_type: Option<PluginType>,
    /// ssh, rdp or telnet
    #[arg(long, default_value = "ssh", value_parser = protocol(), hide_possible_values = true)]
    pub(super) protocol: Protocol,
    /// The user whom SPS authenticated at the gateway before
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) gateway_user: Option<String>,
    /// The domain of the gateway user
    #[arg(long, value_name = "NAME", value_parser = name, requires = "gateway_user")]
    pub(super) gateway_domain: Option<String>,
    /// A group of the gateway user; may be given several times
    #[arg(long = "gateway-group", value_name = "NAME", value_parser = name, requires = "gateway_user")]
    pub(super) gateway_groups: Vec<String>,
    /// Ask for the password of the gateway user, which the credential store plugin gets
    #[arg(long, requires = "gateway_user")]
    pub(super) gateway_password: bool,
    /// The user on the server; else the gateway user
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) server_user: Option<String>,
    /// The domain of the user on the server
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) server_domain: Option<String>,
    /// The host name of the server; else it has none
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) server_host: Option<String>,
    /// The address of the server
    #[arg(long, value_name = "IP", value_parser = address, default_value = "192.0.2.22")]
    pub(super) server_ip: IpAddr,
    /// The port of the server; else 22 (ssh), 3389 (rdp) or 23 (telnet)
    #[arg(long, value_name = "PORT")]
    pub(super) server_port: Option<u16>,
    /// The address of the client
    #[arg(long, value_name = "IP", value_parser = address, default_value = "192.0.2.11")]
    pub(super) client_ip: IpAddr,
    /// The connection policy
    #[arg(long, value_name = "NAME", value_parser = name, default_value = "scenario")]
    pub(super) connection: String,
    /// The session's identifier; else a new one
    #[arg(long, value_name = "ID", value_parser = name)]
    pub(super) session_id: Option<String>,
    /// What the client says before it is asked, such as gu=alice; may be given several times. Without a value, as it has to
    /// be for otp, the value is asked for
    #[arg(long = "key-value", value_name = "KEY[=VALUE]", value_parser = pair)]
    pub(super) key_values: Vec<Pair>,
    /// A JSON file with the invocation's member `appliance`: the policies that live on the appliance
    #[arg(long, value_name = "FILE")]
    pub(super) appliance: Option<PathBuf>,
    /// A fixed time for tests: RFC 3339 or Unix seconds
    #[arg(long, value_name = "TIME", value_parser = UnixTime::parse, allow_negative_numbers = true)]
    pub(super) clock: Option<UnixTime>,
    /// Write every invocation and every response to stdout, each on a line, and everything else to stderr
    #[arg(long)]
    pub(super) json: bool,
    /// Show passwords, private keys and answers instead of ***
    #[arg(long)]
    pub(super) show_secrets: bool,
    /// Write to stderr which steps and rules decided, and why the others did not
    #[arg(long)]
    pub(super) explain: bool,
}

/// `--key-value`: a key, and the value unless it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: Option<String>,
}

fn protocol() -> OneOf<Protocol> {
    OneOf::new(&Protocol::ALL.map(Protocol::word), |text| {
        Protocol::ALL.into_iter().find(|protocol| protocol.word() == text.to_ascii_lowercase())
    })
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "an IP address such as 192.0.2.22 is needed".to_owned())
}

/// Takes a name, which SPS never passes empty.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Reads `KEY=VALUE` or `KEY`. The parser would quote the value in its message, so that of `otp` is left to [`check`].
fn pair(text: &str) -> Result<Pair, String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if key.is_empty() {
        Err("the key is missing".to_owned())
    } else {
        Ok(Pair { key: key.to_owned(), value })
    }
}

impl ScenarioOptions {
    /// Refuses a session of nobody, and a code on the command line, which everybody on the machine can read there.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.server_user.is_none() && self.gateway_user.is_none() {
            return Err("nobody is named: give --server-user NAME, --gateway-user NAME, or both".to_owned());
        }
        if self.key_values.iter().any(|pair| pair.key == super::OTP && pair.value.is_some()) {
            return Err(
                "--key-value otp=... would show the code to everybody on this machine; leave the value out to be asked for it, or answer the question"
                    .to_owned(),
            );
        }
        Ok(())
    }
}
