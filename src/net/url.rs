//! The address of a server that speaks HTTP.

/// The address of a server, checked.
pub struct Url {
    text: String,
    pub(super) https: bool,
    pub(super) host: String,
}

impl Url {
    /// Takes `http://…` or `https://…` with a host, without user, query and fragment; returns `None` for others.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('/');
        let uri: ureq::http::Uri = text.parse().ok()?;
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@')
            || uri.query().is_some()
            || text.contains('#')
            || uri.host()?.is_empty()
        {
            return None;
        }
        Some(Self { text: text.to_owned(), https, host: authority.as_str().to_owned() })
    }

    /// Returns host and port as written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns host and port in one form.
    pub fn endpoint(&self) -> String {
        let host = self.host.to_lowercase();
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && !port.contains(']'));
        match (has_port, self.https) {
            (true, _) => host,
            (false, true) => format!("{}:443", host.trim_end_matches(':')),
            (false, false) => format!("{}:80", host.trim_end_matches(':')),
        }
    }

    /// Returns the whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the address with a path appended.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.text)
    }
}
