//! The text of a hosts(5): who of the machine's services is where. Pure.
//!
//! As in Compose a service is found by its name, an instance of a scaled one by its own and all of
//! them by the common one, and by a `hostname` of one label that no other service is called by: a
//! name with a dot is a name of the world, and what it means to others is not one service's to say.
//! A service in the machine's own network is where the machine is. Who has no network finds and is
//! found by nobody.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::Ipv4Addr;

use orlop_config::{HostAddress, NetworkMode, Service};

use crate::network::Pool;
use orlop_config::compact::gather;

const LOCAL: &str = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

/// The machine as its services call it: Docker Desktop's and Podman's name.
const MACHINE: &str = "host.docker.internal";

/// The names of all services and of the machine.
#[derive(Debug)]
pub(super) struct Hosts {
    lines: Vec<(Ipv4Addr, Vec<String>)>,
}

impl Hosts {
    /// Those of these services.
    pub(super) fn new<'a>(
        services: impl Iterator<Item = &'a Service> + Clone,
        pool: &Pool,
    ) -> Self {
        let mut names: BTreeSet<&str> = gather(["localhost", MACHINE]);
        for service in services.clone() {
            names.extend([service.name.as_str(), service.folder().as_str()]);
        }
        let mut lines = vec![(pool.bridge(), vec![MACHINE.to_owned()])];
        for service in services {
            let mut all = vec![service.name.to_string()];
            all.push(service.folder().to_string());
            let hostname = &service.hostname;
            if !hostname.contains('.') && !names.contains(hostname.as_str()) {
                all.push(hostname.clone());
            }
            lines.extend(address(service, pool).map(|address| (address, all)));
        }
        Self { lines }
    }

    /// What most services read.
    pub(super) fn shared(&self) -> String {
        self.text(LOCAL.to_owned(), &[])
    }

    /// What a service reads that adds something: what it says itself goes before what others are
    /// called.
    pub(super) fn of(&self, service: &Service, pool: &Pool) -> String {
        let mut text = LOCAL.to_owned();
        let mut said: Vec<&str> = Vec::new();
        for host in &service.extra_hosts {
            match host.address {
                HostAddress::Address(address) => line(&mut text, address, &[&host.name]),
                HostAddress::HostGateway => line(&mut text, pool.bridge(), &[&host.name]),
            }
            said.push(&host.name);
        }
        let own = own_names(service);
        let Some(address) = address(service, pool) else {
            return text;
        };
        let own = own.iter().map(String::as_str);
        let own: Vec<&str> = own.filter(|name| !said.contains(name)).collect();
        line(&mut text, address, &own);
        said.extend(own);
        self.text(text, &said)
    }

    /// All lines without the names that were said already.
    fn text(&self, mut text: String, said: &[&str]) -> String {
        for (address, names) in &self.lines {
            let names = names.iter().map(String::as_str);
            let left: Vec<&str> = names.filter(|name| !said.contains(name)).collect();
            line(&mut text, address, &left);
        }
        text
    }
}

/// Where others reach a service.
fn address(service: &Service, pool: &Pool) -> Option<Ipv4Addr> {
    match service.network_mode {
        NetworkMode::Bridge => pool.given(&service.name),
        NetworkMode::Host => Some(pool.bridge()),
        NetworkMode::None => None,
    }
}

/// The full name, the host name, and the first label of both: what Docker writes for a container.
fn own_names(service: &Service) -> [String; 3] {
    let hostname = service.hostname.clone();
    let full = match &service.domainname {
        Some(domain) => format!("{hostname}.{domain}"),
        None => hostname.clone(),
    };
    let first = hostname.split('.').next().unwrap_or_default().to_owned();
    [full, hostname, first]
}

/// One line, each name once; none without a name.
fn line(text: &mut String, address: impl Display, names: &[&str]) {
    let mut written: Vec<&str> = Vec::new();
    for name in names {
        if !written.contains(name) {
            written.push(name);
        }
    }
    if !written.is_empty() {
        text.push_str(&format!("{address} {}\n", written.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use orlop_config::{Machine, ServiceName, SourceFile, Sources, check};

    struct All {
        services: BTreeMap<ServiceName, Service>,
        pool: Pool,
    }

    /// Services by name and further lines of their manifests.
    fn all(services: &[(&str, &str)]) -> All {
        let source = |(name, more): &(&str, &str)| {
            let text = format!("image = \"web\"\ncommand = [\"/bin/web\"]\n{more}");
            let path = format!("services/{name}/service.toml");
            ((*name).to_owned(), SourceFile { path, text })
        };
        let checked = check(&Sources {
            services: services.iter().map(source).collect(),
            images: ["web".to_owned()].into(),
            ..Sources::default()
        });
        assert_eq!(checked.broken, BTreeMap::new());
        All {
            pool: Pool::new(Machine::default().network.pool, checked.services.keys()),
            services: checked.services,
        }
    }

    impl All {
        fn hosts(&self) -> Hosts {
            Hosts::new(self.services.values(), &self.pool)
        }

        fn of(&self, name: &str) -> String {
            let name = ServiceName::new(name).unwrap();
            self.hosts().of(&self.services[&name], &self.pool)
        }

        /// The text with the addresses of these services in the place of `{name}`.
        fn expect(&self, text: &str) -> String {
            let mut text = format!("{LOCAL}{text}");
            for name in self.services.keys() {
                let address = self.pool.given(name).unwrap();
                text = text.replace(&format!("{{{name}}}"), &address.to_string());
            }
            text
        }
    }

    #[test]
    fn every_service_on_a_network_is_found_by_its_name() {
        let all = all(&[
            ("db", ""),
            ("cache", "scale = 2"),
            ("proxy", "network_mode = \"host\""),
            ("log", "network_mode = \"none\""),
            ("app", "hostname = \"www\"\ndomainname = \"example.org\""),
        ]);
        let expected = all.expect(
            "172.29.0.1 host.docker.internal\n{app} app www\n\
             {cache-1} cache-1 cache\n{cache-2} cache-2 cache\n{db} db\n172.29.0.1 proxy\n",
        );
        assert_eq!(all.hosts().shared(), expected);
    }

    #[test]
    fn no_service_says_what_a_name_of_the_world_means_to_others() {
        let all = all(&[
            ("app", "hostname = \"www.bank.example\""),
            ("odd", "hostname = \"bank\"\ndomainname = \"example\""),
        ]);
        let expected = all.expect("172.29.0.1 host.docker.internal\n{app} app\n{odd} odd bank\n");
        assert_eq!(all.hosts().shared(), expected);
        // It is so called by itself alone.
        let expected = "{app} www.bank.example www\n172.29.0.1 host.docker.internal\n{app} app\n{odd} odd bank\n";
        assert_eq!(all.of("app"), all.expect(expected));
    }

    #[test]
    fn no_hostname_takes_another_services_name_from_it() {
        let all = all(&[
            ("db", ""),
            ("old", "hostname = \"db\""),
            ("odd", "hostname = \"localhost\""),
        ]);
        let shared = all.hosts().shared();
        let expected = "172.29.0.1 host.docker.internal\n{db} db\n{odd} odd\n{old} old\n";
        assert_eq!(shared, all.expect(expected));
        // The service itself is what it says it is.
        let expected = "{old} db\n172.29.0.1 host.docker.internal\n{odd} odd\n{old} old\n";
        assert_eq!(all.of("old"), all.expect(expected));
    }

    #[test]
    fn instances_that_share_a_hostname_find_themselves_by_it() {
        let all = all(&[("web", "scale = 2\nhostname = \"www\"")]);
        let shared = all.hosts().shared();
        let expected =
            "172.29.0.1 host.docker.internal\n{web-1} web-1 web www\n{web-2} web-2 web www\n";
        assert_eq!(shared, all.expect(expected));
        let expected =
            "{web-2} www\n172.29.0.1 host.docker.internal\n{web-1} web-1 web\n{web-2} web-2 web\n";
        assert_eq!(all.of("web-2"), all.expect(expected));
    }

    #[test]
    fn the_full_name_goes_first_as_docker_writes_it() {
        let all = all(&[("web", "domainname = \"example.org\""), ("db", "")]);
        let expected = "{web} web.example.org web\n172.29.0.1 host.docker.internal\n{db} db\n";
        assert_eq!(all.of("web"), all.expect(expected));
        assert!(!all.hosts().shared().contains("example.org"));
    }

    #[test]
    fn extra_hosts_go_before_everything_and_hide_a_service_of_that_name() {
        let extra =
            "extra_hosts = [\"db:192.0.2.10\", \"db:2001:db8::1\", \"machine:host-gateway\"]";
        let all = all(&[("web", extra), ("db", "hostname = \"data\"")]);
        let expected = "192.0.2.10 db\n2001:db8::1 db\n172.29.0.1 machine\n{web} web\n\
                        172.29.0.1 host.docker.internal\n{db} data\n";
        assert_eq!(all.of("web"), all.expect(expected));
    }

    #[test]
    fn who_has_no_network_finds_only_what_it_says() {
        let all = all(&[
            (
                "job",
                "network_mode = \"none\"\nextra_hosts = [\"self:127.0.0.1\"]",
            ),
            ("db", ""),
        ]);
        assert_eq!(all.of("job"), format!("{LOCAL}127.0.0.1 self\n"));
    }
}
