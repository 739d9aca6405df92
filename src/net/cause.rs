//! Why a server did not answer, in words for whoever has to mend it.

use std::fmt;
use std::time::Duration;

use super::tls;

/// What a request ended with.
#[derive(Debug)]
pub struct Cause {
    pub(super) error: ureq::Error,
    /// What is said of a wait that was too long.
    late: String,
}

impl Cause {
    /// Takes what the client said; `longest` is the wait that the option for it allows, and `is_of_hook` says whether the
    /// hook had less.
    pub(super) fn new(error: ureq::Error, is_of_hook: bool, longest: Duration) -> Self {
        Self { error, late: late(is_of_hook, longest) }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.error, ureq::Error::Timeout(_)) {
            f.write_str(&self.late)
        } else if matches!(&self.error, ureq::Error::Io(error) if tls::is_another_protocol(error)) {
            f.write_str("no TLS is spoken on this port; is http:// meant?")
        } else if let Some(sentence) = refused_certificate(&self.error.to_string()) {
            f.write_str(sentence)
        } else {
            self.error.fmt(f)
        }
    }
}

/// Says in plain words what the verifier of certificates has only a name for.
fn refused_certificate(error: &str) -> Option<&'static str> {
    if error.contains("CaUsedAsEndEntity") {
        Some(
            "the server presents a CA certificate (CA:TRUE) as its own, which is not accepted, even if ca_cert \
             contains it; have a certificate issued for the server with CA:FALSE",
        )
    } else if error.contains("UnsupportedCertVersion") {
        Some("the server's certificate is not X.509 version 3; have one issued that is")
    } else {
        None
    }
}

impl std::error::Error for Cause {}

/// Says how long a wait was that just ended: as long as the option allows, or as long as the hook had.
pub(super) fn late(is_of_hook: bool, longest: Duration) -> String {
    if is_of_hook {
        "no answer within the time left by [plugin] time_budget".to_owned()
    } else {
        format!("no answer within {} s", longest.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_as_long_as_its_option_says_unless_the_hook_had_less() {
        let told = |is_of_hook, error| Cause::new(error, is_of_hook, Duration::from_millis(2500)).to_string();
        let timeout = || ureq::Error::Timeout(ureq::Timeout::Global);
        assert_eq!(told(false, timeout()), "no answer within 2.5 s");
        assert_eq!(told(true, timeout()), "no answer within the time left by [plugin] time_budget");
        assert_eq!(told(true, ureq::Error::HostNotFound), "host not found");
    }
}
