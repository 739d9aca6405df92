//! The asset of an entry: the host of its URL, or its title.

const PATTERN: &str =
    "a * or ? in its URL or title would be read as a pattern; store patterns with credential set";

/// Returns the asset, or why there is none.
pub(super) fn asset<'t>(url: Option<&'t str>, title: Option<&'t str>) -> Result<&'t str, &'static str> {
    let text = |text: Option<&'t str>| text.map(str::trim).filter(|text| !text.is_empty());
    let asset = match (text(url), text(title)) {
        (Some(url), _) => host(url)?,
        (None, Some(title)) => title,
        (None, None) => return Err("it has no URL and no title"),
    };
    if asset.contains(['*', '?']) {
        return Err(PATTERN);
    }
    if asset.contains(|c: char| c.is_whitespace() || "{}\"'<>\\".contains(c)) {
        return Err("its URL or title is not a host name");
    }
    Ok(asset)
}

/// Returns the host of a URL: `ssh://root@db1:22/x` is `db1`, and so is `db1` itself.
fn host(url: &str) -> Result<&str, &'static str> {
    let (scheme, rest) = url.split_once("://").map_or((None, url), |(scheme, rest)| (Some(scheme), rest));
    let is_scheme = |scheme: &str| scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if let Some(scheme) = scheme {
        // Commands, files and apps, which KeePass opens; none has a host.
        let others = ["cmd", "file", "kdbx", "androidapp", "iosapp", "otpauth", "ref", "about"];
        if !is_scheme(scheme) || others.iter().any(|other| scheme.eq_ignore_ascii_case(other)) {
            return Err("its URL is a command, file or app and has no host");
        }
    }
    let rest = rest.split(['/', '#']).next().unwrap_or_default();
    let rest = match rest.split_once('?') {
        Some((host, query)) if query.contains('=') => host,
        // A query has names and values; this is a pattern.
        Some(_) => return Err(PATTERN),
        None => rest,
    };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = match rest.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        // One colon is before a port; more are in an IPv6 address.
        None => match rest.split_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            Some((_, more)) if more.contains(':') => rest,
            Some(_) => return Err("its URL has no host"),
            None => rest,
        },
    };
    if host.is_empty() { Err("its URL has no host") } else { Ok(host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asset_is_the_host_of_the_url_and_else_the_title() {
        for (url, title, found) in [
            ("ssh://root@db1.lan:22/x", "t", "db1.lan"),
            ("db1", "t", "db1"),
            ("db1:22", "t", "db1"),
            ("https://db1?a=b", "t", "db1"),
            ("https://[fd00::1]:8443/a?b#c", "t", "fd00::1"),
            ("fd00::1", "t", "fd00::1"),
            ("rdp://10.0.0.7", "t", "10.0.0.7"),
            ("", " db2 ", "db2"),
            ("", "fd00::1", "fd00::1"),
        ] {
            assert_eq!(asset(Some(url), Some(title)), Ok(found), "{url}");
        }
    }

    #[test]
    fn what_names_no_host_is_left_out() {
        for url in [
            "cmd://ssh root@db1",
            "CMD://plink db1",
            "file:///etc/passwd",
            "kdbx://other.kdbx",
            "androidapp://com.example",
            "mailto:root@db1:x",
            "https://",
            "ssh://*.lan",
            "https://db?.lan@*",
            "two words",
            "ssh://{S:host}",
        ] {
            assert!(asset(Some(url), Some("t")).is_err(), "{url}");
        }
        for title in ["", "my database", "*.lan", "db?"] {
            assert!(asset(None, Some(title)).is_err(), "{title}");
        }
    }
}
