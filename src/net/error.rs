//! Errors of requests to servers.

use super::{Cause, Progress, stream};

/// Why there is no usable answer. Only [`NetError::Unreachable`] may be an outage.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No answer: no such host, refused, time-out, or the connection ended before the answer began.
    #[error("{host} cannot be reached{}", through(via.as_deref()))]
    Unreachable {
        /// Which server, without path and credentials.
        host: String,
        /// The proxy that was to lead there, by host and port.
        via: Option<String>,
        /// How far the request got; if it was sent, a code in it may be used up.
        progress: Progress,
        /// What the client said.
        source: Box<Cause>,
    },
    /// One side rejected or ended TLS, or the proxy refused the connection.
    #[error("no connection to {host}{}", through(via.as_deref()))]
    Refused {
        /// Which server, without path and credentials.
        host: String,
        /// The proxy that was to lead there, by host and port.
        via: Option<String>,
        /// What the client said.
        source: Box<Cause>,
    },
    /// The time of this hook is used up.
    #[error("no time is left to ask {0}; see [plugin] time_budget")]
    NoTime(String),
    /// The answer is not HTTP, has more than [`MAX_BODY`](super::MAX_BODY) bytes, or breaks off after it began.
    #[error("{host} answered with something that is not a valid HTTP response")]
    Garbled {
        /// Which server, without path and credentials.
        host: String,
        /// What the client said.
        source: Box<Cause>,
    },
}

impl NetError {
    /// Whether TLS failed, and not the connection.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Unreachable { source, .. }
            | Self::Refused { source, .. }
            | Self::Garbled { source, .. } => is_tls_error(&source.error),
            Self::NoTime(_) => false,
        }
    }

    /// Whether the connection was refused, or there is no route.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Unreachable { source, progress: Progress::NothingSent, .. } => {
                matches!(&source.error, ureq::Error::Io(error) if is_refused(error))
            }
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Garbled { .. } | Self::NoTime(_) => false,
        }
    }
}

/// Tells whether a connection was refused, or there is no route. `false` if in doubt.
pub fn is_refused(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
    )
}

pub(super) fn is_tls_error(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Tls(_) | ureq::Error::Rustls(_))
        || matches!(error, ureq::Error::Io(error) if is_tls(error))
}

fn through(proxy: Option<&str>) -> String {
    proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
}

/// Tells whether an error of a stream is one of TLS.
pub fn is_tls(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>() || inner.is::<stream::NoHandshake>())
}
