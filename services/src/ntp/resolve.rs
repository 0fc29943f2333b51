//! Names of servers to addresses, by /etc/hosts and the resolvers of /etc/resolv.conf: a static
//! program has no getaddrinfo(3) to ask. One question, one answer, IPv4: what else DNS knows is the
//! resolver's business.

use std::ffi::OsStr;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

/// NTP's port.
const NTP: u16 = 123;
const DNS: u16 = 53;
/// How long one resolver may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a resolver sends over UDP at the most without EDNS (RFC 1035).
const LARGEST: usize = 512;

/// A server as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    name: String,
    port: u16,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    /// There is nobody to ask.
    #[error("/etc/resolv.conf names no resolver yet")]
    NoResolver,
    /// Not a name that DNS could know.
    #[error("not a name")]
    Name,
    /// Nobody answered.
    #[error("no resolver answers")]
    Silent(#[source] io::Error),
    /// There is no such name, or it has no address.
    #[error("the resolver knows no address of it")]
    Unknown,
}

impl Server {
    /// `time.example`, `192.0.2.1`, either with `:port`.
    pub(super) fn parse(word: &OsStr) -> Option<Self> {
        let word = word.to_str()?;
        let (name, port) = match word.split_once(':') {
            Some((name, port)) => (name, port.parse().ok().filter(|port| *port != 0)?),
            None => (word, NTP),
        };
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let whole = (1..=253).contains(&name.len()) && name.bytes().all(good);
        whole.then(|| Self {
            name: name.to_owned(),
            port,
        })
    }

    /// Where it is now.
    ///
    /// # Errors
    /// When it is a name that nobody knows.
    pub(super) fn addresses(&self) -> Result<Vec<SocketAddrV4>, ResolveError> {
        let with_port = |address| SocketAddrV4::new(address, self.port);
        if let Ok(address) = self.name.parse::<Ipv4Addr>() {
            return Ok(vec![with_port(address)]);
        }
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        if let Some(address) = in_hosts(&read("/etc/hosts"), &self.name) {
            return Ok(vec![with_port(address)]);
        }
        let found = ask_all(&resolvers(&read("/etc/resolv.conf")), &self.name)?;
        Ok(found.into_iter().map(with_port).collect())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The address of a name in a hosts(5) file.
fn in_hosts(text: &str, name: &str) -> Option<Ipv4Addr> {
    text.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        let is_it = words.any(|known| known.eq_ignore_ascii_case(name));
        is_it.then_some(address)
    })
}

/// The resolvers of a resolv.conf(5).
fn resolvers(text: &str) -> Vec<SocketAddrV4> {
    let address = |line: &str| match line.strip_prefix("nameserver")?.trim().parse() {
        Ok(IpAddr::V4(address)) => Some(SocketAddrV4::new(address, DNS)),
        _ => None,
    };
    text.lines().filter_map(address).collect()
}

/// The first answer counts, also that there is no such name.
fn ask_all(resolvers: &[SocketAddrV4], name: &str) -> Result<Vec<Ipv4Addr>, ResolveError> {
    let mut last = ResolveError::NoResolver;
    for resolver in resolvers {
        match ask(*resolver, name) {
            Err(error @ ResolveError::Silent(_)) => last = error,
            answered => return answered,
        }
    }
    Err(last)
}

fn ask(resolver: SocketAddrV4, name: &str) -> Result<Vec<Ipv4Addr>, ResolveError> {
    let [a, b, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    let id = u16::from_ne_bytes([a, b]);
    let query = query(id, name)?;
    let mut bytes = [0; LARGEST];
    let exchange = |bytes: &mut [u8; LARGEST]| -> io::Result<Option<Vec<Ipv4Addr>>> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(resolver)?;
        socket.send(&query)?;
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))?;
            let length = socket.recv(bytes)?;
            if let Some(answer) = read(bytes.get(..length).unwrap_or_default(), id, name) {
                return Ok(answer);
            }
        }
    };
    exchange(&mut bytes)
        .map_err(ResolveError::Silent)?
        .ok_or(ResolveError::Unknown)
}

/// One question for the addresses of a name.
fn query(id: u16, name: &str) -> Result<Vec<u8>, ResolveError> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(|_| ResolveError::Name)?;
    let (kind, class) = (QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN));
    packet
        .questions
        .push(Question::new(name, kind, class, false));
    packet.build_bytes_vec().map_err(|_| ResolveError::Name)
}

/// The answer to that question: `None` when it is none, `Some(None)` when there is no address.
fn read(bytes: &[u8], id: u16, name: &str) -> Option<Option<Vec<Ipv4Addr>>> {
    let packet = Packet::parse(bytes).ok()?;
    let asked = packet.questions.first()?;
    let same_name = asked
        .qname
        .to_string()
        .eq_ignore_ascii_case(name.trim_end_matches('.'));
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) || !same_name {
        return None;
    }
    if packet.rcode() != RCODE::NoError {
        return Some(None);
    }
    // A resolver follows aliases itself; whatever the addresses are called, they are the name's.
    let addresses: Vec<Ipv4Addr> = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::A(found) => Some(Ipv4Addr::from(found.address)),
            _ => None,
        })
        .filter(|address| !address.is_unspecified() && !address.is_broadcast())
        .collect();
    Some((!addresses.is_empty()).then_some(addresses))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, CNAME};

    use super::*;

    fn server(text: &str) -> Option<(String, u16)> {
        Server::parse(OsStr::new(text)).map(|server| (server.name, server.port))
    }

    #[test]
    fn servers_are_names_or_addresses_with_or_without_a_port() {
        assert_eq!(
            server("time.example"),
            Some(("time.example".to_owned(), 123))
        );
        assert_eq!(
            server("192.0.2.1:1123"),
            Some(("192.0.2.1".to_owned(), 1123))
        );
        for bad in ["", ":1", "a:0", "a:b", "a b", "a:1:2", "--help me", "ä"] {
            assert_eq!(server(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_machines_own_names_come_first() {
        let hosts = "127.0.0.1 localhost\n172.29.1.2\ttime clock # mine\n::1 time\n";
        assert_eq!(in_hosts(hosts, "Clock"), Some(Ipv4Addr::new(172, 29, 1, 2)));
        assert_eq!(in_hosts(hosts, "mine"), None);
        let resolv =
            "# x\nsearch a\nnameserver 192.0.2.53\nnameserver ::1\nnameserver 192.0.2.54 \n";
        let found: Vec<String> = resolvers(resolv).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.53:53", "192.0.2.54:53"]);
    }

    fn reply(id: u16, asked: &str, code: RCODE) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        *packet.rcode_mut() = code;
        let question = |name: &'static str| Name::new_unchecked(name);
        let name = Name::new(asked).unwrap().into_owned();
        let (kind, class) = (QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN));
        packet
            .questions
            .push(Question::new(name.clone(), kind, class, false));
        let alias = RData::CNAME(CNAME(question("real.example")));
        packet
            .answers
            .push(ResourceRecord::new(name, CLASS::IN, 60, alias));
        let address = RData::A(A::from(Ipv4Addr::new(192, 0, 2, 7)));
        let record = ResourceRecord::new(question("real.example"), CLASS::IN, 60, address);
        packet.answers.push(record);
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn an_answer_is_read_and_a_strangers_passed_over() {
        let found = Some(Some(vec![Ipv4Addr::new(192, 0, 2, 7)]));
        let good = reply(7, "Time.example", RCODE::NoError);
        assert_eq!(read(&good, 7, "time.example"), found);
        assert_eq!(read(&good, 8, "time.example"), None);
        assert_eq!(read(&good, 7, "other.example"), None);
        assert_eq!(
            read(&query(7, "time.example").unwrap(), 7, "time.example"),
            None
        );
        let none = reply(7, "time.example", RCODE::NameError);
        assert_eq!(read(&none, 7, "time.example"), Some(None));
        for length in 0..good.len() {
            let _any_answer = read(&good[..length], 7, "time.example");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _any_answer = read(&bytes, 7, "time.example");
        }
    }
}
