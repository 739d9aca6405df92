//! `[access] provider=fqdn`: the two tables of One Identity's plugin of that name.
//!
//! The target is known by its names in DNS (the address, asked backwards), each of which has to lead back to that
//! address, because whoever owns the address may write any name there. Without such a name it is known by its address.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use super::pattern::HostPattern;
use super::{Access, AccessProvider, Requirement, Ruling};
use crate::config::list::Entries;
use crate::config::settings::{At, Opt, SettingError, Settings};
use crate::names::{Address, Host};

const HOSTS_FOR_GROUPS: &str = "hosts_for_groups";
const GROUPS_FOR_HOSTS: &str = "groups_for_hosts";
const BY_GROUP: Opt = Opt::new(HOSTS_FOR_GROUPS, "<group>", "");
const BY_HOST: Opt = Opt::new(GROUPS_FOR_HOSTS, "<host pattern>", "");
pub(super) const OPTIONS: &[Opt] = &[BY_GROUP, BY_HOST];

/// The group that everybody is in.
const EVERYBODY: &str = "__all__";

/// Asks for names and addresses.
pub trait Resolver {
    /// Returns the names of an address that lead back to it; none where it has none, or none is found in time.
    fn confirmed_names(&self, address: IpAddr) -> Vec<String>;
}

/// The system's resolver, with a time limit.
pub struct SystemResolver {
    /// The longest wait for everything together.
    pub patience: Duration,
}

impl Resolver for SystemResolver {
    fn confirmed_names(&self, address: IpAddr) -> Vec<String> {
        if self.patience.is_zero() {
            return Vec::new();
        }
        let (sender, receiver) = mpsc::channel();
        // The system's functions know no time limit. A thread that hangs ends with the process, which is soon.
        let asked = std::thread::Builder::new().spawn(move || {
            let name = dns_lookup::lookup_addr(&address).ok();
            let confirmed = name.filter(|name| leads_back(name, address));
            // Nobody listens any more where it took too long.
            let _ = sender.send(confirmed);
        });
        match asked {
            Ok(_) => receiver.recv_timeout(self.patience).ok().flatten().into_iter().collect(),
            Err(_) => Vec::new(),
        }
    }
}

fn leads_back(name: &str, address: IpAddr) -> bool {
    // An address that comes back as its own name is no name, and would confirm itself.
    name.parse::<IpAddr>().is_err()
        && (name, 0_u16)
            .to_socket_addrs()
            .is_ok_and(|mut found| found.any(|found| found.ip().to_canonical() == address.to_canonical()))
}

/// The tables.
pub(super) struct Fqdn<'a> {
    resolver: &'a dyn Resolver,
    /// The group in lower case, as the configuration's options are, and the hosts that it may go to.
    hosts_for_groups: Vec<(String, Vec<HostPattern>)>,
    /// The host pattern and the groups that may go there.
    groups_for_hosts: Vec<(HostPattern, Vec<String>)>,
}

impl<'a> Fqdn<'a> {
    pub(super) fn from_settings(
        settings: &Settings<'_>,
        resolver: &'a dyn Resolver,
    ) -> Result<Self, SettingError> {
        let mut hosts_for_groups = Vec::new();
        for group in settings.ini().own_options(HOSTS_FOR_GROUPS) {
            let at = At::named(HOSTS_FOR_GROUPS, group);
            let entries = split(settings, at)?;
            let patterns = entries.iter().map(|entry| pattern(settings, at, entry));
            hosts_for_groups.push((group.to_lowercase(), patterns.collect::<Result<_, _>>()?));
        }
        let mut groups_for_hosts = Vec::new();
        for host in settings.ini().own_options(GROUPS_FOR_HOSTS) {
            let at = At::named(GROUPS_FOR_HOSTS, host);
            groups_for_hosts.push((pattern(settings, at, host)?, split(settings, at)?));
        }
        Ok(Self { resolver, hosts_for_groups, groups_for_hosts })
    }

    /// The group of [`Fqdn::hosts_for_groups`] that lets in.
    fn by_group(&self, hosts: &[String], groups: &[String]) -> Option<&str> {
        let is_mine =
            |group: &str| group == EVERYBODY || groups.iter().any(|mine| mine.to_lowercase() == group);
        let fits = |patterns: &[HostPattern]| {
            hosts.iter().any(|host| patterns.iter().any(|pattern| pattern.matches(host)))
        };
        let found = self.hosts_for_groups.iter().find(|(group, patterns)| is_mine(group) && fits(patterns));
        found.map(|(group, _)| group.as_str())
    }

    /// The pattern of [`Fqdn::groups_for_hosts`] that lets in; for each host, the first that fits is asked.
    fn by_host(&self, hosts: &[String], groups: &[String]) -> Option<&str> {
        hosts.iter().find_map(|host| {
            let (pattern, allowed) =
                self.groups_for_hosts.iter().find(|(pattern, _)| pattern.matches(host))?;
            allowed.iter().any(|group| groups.contains(group)).then_some(pattern.as_str())
        })
    }
}

impl AccessProvider for Fqdn<'_> {
    fn decide(&self, access: &Access<'_>, explain: &mut dyn FnMut(String)) -> Ruling {
        let Some(address) = access.address.as_ref().map(Address::canonical) else {
            explain("the target's address is not known".to_owned());
            return Ruling::Deny { by: "fqdn: no address".to_owned() };
        };
        let mut hosts: Vec<String> = self
            .resolver
            .confirmed_names(address)
            .iter()
            .filter_map(|name| Host::parse(name).ok())
            .map(|host| host.to_string())
            .collect();
        if hosts.is_empty() {
            explain(format!("{address} has no name in DNS that leads back to it"));
            hosts.push(address.to_string());
        }
        explain(format!("the target is known as {}", hosts.join(", ")));
        let accept = |by: String| Ruling::Accept { by, requirement: Requirement::Nothing };
        let groups = access.groups.unwrap_or_default();
        if let Some(group) = self.by_group(&hosts, groups) {
            explain(format!("[{HOSTS_FOR_GROUPS}] {group} lets in"));
            return accept(format!("{HOSTS_FOR_GROUPS} {group}"));
        }
        explain(format!("[{HOSTS_FOR_GROUPS}] has no group of the user with this target"));
        if let Some(pattern) = self.by_host(&hosts, groups) {
            explain(format!("[{GROUPS_FOR_HOSTS}] {pattern} lets in"));
            return accept(format!("{GROUPS_FOR_HOSTS} {pattern}"));
        }
        explain(format!("[{GROUPS_FOR_HOSTS}] has no pattern of this target with a group of the user"));
        Ruling::Deny { by: "fqdn".to_owned() }
    }
}

/// Splits at commas, blanks and line ends, as the Python plugin does.
fn split(settings: &Settings<'_>, at: At<'_>) -> Result<Vec<String>, SettingError> {
    settings.list(at.with_entries(Entries::Spaced))
}

fn pattern(settings: &Settings<'_>, at: At<'_>, text: &str) -> Result<HostPattern, SettingError> {
    let expected = || {
        format!(
            "host names, addresses or shell patterns of them (*, ?, [a-z]) without scheme and port, not '{text}'"
        )
    };
    HostPattern::parse(text).ok_or_else(|| settings.invalid(at, expected()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;
    use crate::config::ini::Ini;
    use crate::config::reference::NothingElse;

    /// Knows the names of one address.
    struct Names(&'static [&'static str]);

    impl Resolver for Names {
        fn confirmed_names(&self, _: IpAddr) -> Vec<String> {
            self.0.iter().map(|name| (*name).to_owned()).collect()
        }
    }

    /// Decides for somebody in these groups who wants to go to 192.0.2.7.
    fn decide(tables: &str, names: &'static [&'static str], groups: &[&str]) -> Ruling {
        let mut ini = Ini::new();
        ini.read_str("test", tables).unwrap();
        let resolver = Names(names);
        let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
        let access = Access {
            user: None,
            names: &[],
            groups: Some(&groups),
            host: Some("db1.example.org"),
            address: Address::parse("192.0.2.7"),
            protocol: Some("ssh"),
            account: Some("root"),
            now: UnixTime::from_secs(0),
        };
        let fqdn = Fqdn::from_settings(&Settings::new(ini, &NothingElse), &resolver).unwrap();
        fqdn.decide(&access, &mut |_| {})
    }

    fn accepted(by: &str) -> Ruling {
        Ruling::Accept { by: by.to_owned(), requirement: Requirement::Nothing }
    }

    fn denied() -> Ruling {
        Ruling::Deny { by: "fqdn".to_owned() }
    }

    #[test]
    fn either_table_lets_in() {
        let by_group = "[hosts_for_groups]\nDBA = web*,\n db?.example.org db9\n";
        assert_eq!(decide(by_group, &["DB7.example.org"], &["dba"]), accepted("hosts_for_groups dba"));
        assert_eq!(decide(by_group, &["db7.example.org"], &["ops"]), denied());
        assert_eq!(decide(by_group, &["db77.example.org"], &["dba"]), denied());
        let by_host = "[groups_for_hosts]\ndb*.example.org = staff dba\n";
        assert_eq!(
            decide(by_host, &["db7.example.org"], &["dba"]),
            accepted("groups_for_hosts db*.example.org")
        );
        assert_eq!(decide(by_host, &["db7.example.org"], &["DBA"]), denied());
        assert_eq!(decide(by_host, &["web1.example.org"], &["dba"]), denied());
        assert_eq!(decide(&format!("{by_group}{by_host}"), &["web1.example.org"], &["staff"]), denied());
    }

    #[test]
    fn everybody_may_where_all_of_them_are_meant() {
        let tables = "[hosts_for_groups]\n__all__ = web*\n";
        assert_eq!(decide(tables, &["web1"], &[]), accepted("hosts_for_groups __all__"));
        assert_eq!(decide(tables, &["db1"], &["__all__"]), denied());
        let tables = "[groups_for_hosts]\n* = __all__\n";
        assert_eq!(decide(tables, &["web1"], &["dba"]), denied());
    }

    #[test]
    fn for_a_host_the_first_pattern_that_fits_is_asked() {
        let tables = "[groups_for_hosts]\ndb* = staff\ndb7 = dba\n";
        assert_eq!(decide(tables, &["db7"], &["dba"]), denied());
        assert_eq!(decide(tables, &["db7"], &["staff"]), accepted("groups_for_hosts db*"));
        // Another name of the same host has a pattern of its own.
        let tables = "[groups_for_hosts]\ndb7 = staff\nold* = dba\n";
        assert_eq!(decide(tables, &["db7", "old1"], &["dba"]), accepted("groups_for_hosts old*"));
    }

    #[test]
    fn without_a_name_the_address_counts_and_never_what_the_user_calls_the_target() {
        let tables = "[hosts_for_groups]\ndba = 192.0.2.*\n";
        assert_eq!(decide(tables, &[], &["dba"]), accepted("hosts_for_groups dba"));
        assert_eq!(decide(tables, &["web1"], &["dba"]), denied());
        let tables = "[hosts_for_groups]\ndba = db1.example.org\n";
        assert_eq!(decide(tables, &[], &["dba"]), denied());
    }

    #[test]
    fn a_pattern_that_is_none_closes_for_everybody() {
        for tables in ["[hosts_for_groups]\ndba = [\n", "[groups_for_hosts]\n[a = dba\n"] {
            let mut ini = Ini::new();
            ini.read_str("test", tables).unwrap();
            assert!(Fqdn::from_settings(&Settings::new(ini, &NothingElse), &Names(&[])).is_err(), "{tables}");
        }
    }

    #[test]
    fn a_name_has_to_lead_back_to_its_address() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert!(leads_back("localhost", loopback));
        assert!(!leads_back("localhost", IpAddr::from([192, 0, 2, 1])));
        assert!(!leads_back("127.0.0.1", loopback));
    }
}
