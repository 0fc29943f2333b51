//! The network against the real kernel, in network namespaces of their own. They need root, and
//! say so where they are skipped.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

use orlop_config::{LinkConfig, Machine, Protocol};
use orlop_control::LeaseTerms;

use super::*;

const INSIDE: &str = "ORLOP_TEST_NETNS";

/// Runs the test of that name again in a fresh network namespace; true inside of it.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED {test}: it makes network namespaces, which needs root");
        return false;
    }
    let test = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let status = Command::new("unshare")
        .args(["--net", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed in its namespace");
    false
}

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-euc", script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{script}\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

fn config() -> NetworkConfig {
    Machine::default().network
}

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn port(host_ip: Option<Ipv4Addr>, published: u16, target: u16) -> PublishedPort {
    PublishedPort {
        host_ip,
        published,
        target,
        protocol: Protocol::Tcp,
    }
}

/// A process that sits in a network namespace of its own, as a service's holder does.
struct Container {
    process: Child,
    netns: OwnedFd,
}

impl Container {
    fn new() -> Self {
        let process = Command::new("unshare")
            .args(["--net", "sleep", "600"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let path = format!("/proc/{}/ns/net", process.id());
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        while std::fs::read_link(&path).unwrap() == own {
            std::thread::yield_now();
        }
        let netns = std::fs::File::open(path).unwrap().into();
        Self { process, netns }
    }

    /// A NETLINK_ROUTE socket opened inside: a thread of its own may enter the namespace.
    fn netlink(&self) -> OwnedFd {
        let netns = self.netns.try_clone().unwrap();
        std::thread::spawn(move || {
            use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
            nix::sched::setns(netns, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            socket(
                AddressFamily::Netlink,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::NetlinkRoute,
            )
            .unwrap()
        })
        .join()
        .unwrap()
    }

    fn sh(&self, script: &str) -> String {
        let pid = self.process.id();
        sh(&format!("nsenter --target {pid} --net sh -euc '{script}'"))
    }

    /// Answers connections to the port with its name until it is dropped.
    fn listen(&self, port: u16, says: &str) -> Listener {
        let pid = self.process.id().to_string();
        let address = format!("TCP-LISTEN:{port},fork,reuseaddr");
        let command = format!("SYSTEM:echo {says} $SOCAT_PEERADDR");
        let child = Command::new("nsenter")
            .args(["--target", &pid, "--net", "socat", &address, &command])
            .spawn()
            .unwrap();
        let listening = format!("ss -Hltn sport = :{port}");
        while self.sh(&listening).is_empty() {
            std::thread::yield_now();
        }
        Listener(child)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A script that prints what a TCP server answers; nothing when no connection is made.
fn asking(address: &str) -> String {
    format!("socat -T2 - TCP:{address},connect-timeout=1 2>/dev/null </dev/null || true")
}

#[test]
fn a_machine_without_a_card_comes_up() {
    if !in_namespace("a_machine_without_a_card_comes_up") {
        return;
    }
    run(async {
        let (network, _events) = NetworkHandle::start(config());
        network.bring_up().await.unwrap();
        assert_eq!(network.dhcp_links().await.unwrap(), []);
        assert!(network.dhcp_sockets().await.unwrap().is_empty());
        assert!(network.addresses().await.unwrap().is_empty());
        let bridge = sh("ip -br address show dev orlop0");
        assert!(bridge.contains("172.29.0.1/16"), "{bridge}");
        assert!(sh("ip -br address show dev lo").contains("127.0.0.1/8"));
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
        // A second time, as after a failure: nothing is there twice.
        network.bring_up().await.unwrap();
    });
}

#[test]
fn the_kernel_reads_the_ruleset_as_it_is_meant() {
    if !in_namespace("the_kernel_reads_the_ruleset_as_it_is_meant") {
        return;
    }
    run(async {
        let (network, _events) = NetworkHandle::start(config());
        network.bring_up().await.unwrap();
        let web = PublishedService {
            service: service("web"),
            network_mode: NetworkMode::Bridge,
            ports: vec![
                port(None, 8080, 80),
                port(Some(Ipv4Addr::LOCALHOST), 8443, 443),
            ],
        };
        let host = PublishedService {
            service: service("host"),
            network_mode: NetworkMode::Host,
            ports: vec![port(None, 22, 22)],
        };
        network.publish(vec![web, host]).await.unwrap();
        // Newer versions of nft name this priority.
        let found =
            sh("nft list ruleset").replace("output priority -100", "output priority dstnat");
        assert_eq!(found, include_str!("nft/golden.nft"), "{found}");
        network.publish(Vec::new()).await.unwrap();
        assert!(!sh("nft list ruleset").contains("dport"));
    });
}

#[test]
fn published_ports_lead_to_the_service_and_nothing_else_is_open() {
    if !in_namespace("published_ports_lead_to_the_service_and_nothing_else_is_open") {
        return;
    }
    run(async {
        // The machine's card leads to an outside that has a route to nothing behind the machine.
        let outside = Container::new();
        let pid = outside.process.id();
        sh(&format!(
            "ip link add eth0 type veth peer name eth0 netns {pid}; ip link set eth0 up"
        ));
        outside.sh("ip link set lo up; ip link set eth0 up; ip address add 192.0.2.2/24 dev eth0");
        let mut config = config();
        let addresses = vec![(Ipv4Addr::new(192, 0, 2, 1), 24)];
        let link = LinkConfig {
            addresses,
            gateway: Some(Ipv4Addr::new(192, 0, 2, 2)),
            ..LinkConfig::default()
        };
        config.links = BTreeMap::from([("eth0".to_owned(), link)]);
        let (network, _events) = NetworkHandle::start(config);
        network.bring_up().await.unwrap();

        let (web, other) = (Container::new(), Container::new());
        let attach = async |name: &str, container: &Container| {
            let netlink = container.netlink();
            let service = service(name);
            network
                .attach(&service, container.netns.as_fd(), netlink)
                .await
                .unwrap()
        };
        // Both at once: neither waits for the other's answer.
        let (web_address, other_address) =
            tokio::join!(attach("web", &web), attach("other", &other));
        assert_ne!(web_address, other_address);
        assert_eq!(attach("web", &web).await, web_address, "attaching again");
        let seen = web.sh("ip -4 -br address; ip -4 route");
        assert!(seen.contains(&format!("{web_address}/16")), "{seen}");
        assert!(seen.contains("default via 172.29.0.1 dev eth0"), "{seen}");
        assert!(sh("ip link show type veth").contains("alias web"));

        let everywhere = port(None, 8080, 80);
        let local = port(Some(Ipv4Addr::LOCALHOST), 8081, 80);
        let services = vec![PublishedService {
            service: service("web"),
            network_mode: NetworkMode::Bridge,
            ports: vec![everywhere, local],
        }];
        network.publish(services).await.unwrap();
        let _web = web.listen(80, "web");
        let _outside = outside.listen(7, "outside");
        let _machine = Command::new("socat")
            .args(["TCP-LISTEN:9000,fork,reuseaddr", "SYSTEM:echo machine"])
            .spawn()
            .map(Listener)
            .unwrap();
        while sh("ss -Hltn sport = :9000").is_empty() {
            tokio::task::yield_now().await;
        }

        let service_at = |address: &str| web_address.to_string() + address;
        // From outside: the published port, with the client's own address; nothing else.
        assert_eq!(outside.sh(&asking("192.0.2.1:8080")), "web 192.0.2.2\n");
        for closed in ["192.0.2.1:8081", "192.0.2.1:9000", "192.0.2.1:80"] {
            assert_eq!(outside.sh(&asking(closed)), "", "{closed}");
        }
        outside.sh("ip route add 172.29.0.0/16 via 192.0.2.1");
        assert_eq!(
            outside.sh(&asking(&service_at(":80"))),
            "",
            "by a route of one's own"
        );
        // From the machine: by any of its addresses.
        assert_eq!(sh(&asking("192.0.2.1:8080")), "web 192.0.2.1\n");
        assert_eq!(sh(&asking("127.0.0.1:8080")), "web 172.29.0.1\n");
        assert_eq!(sh(&asking("127.0.0.1:8081")), "web 172.29.0.1\n");
        // From services: each other, what is published (hairpin too), the outside in the machine's
        // name; not the machine.
        let straight = other.sh(&asking(&service_at(":80")));
        assert_eq!(straight, format!("web {other_address}\n"));
        assert_eq!(other.sh(&asking("192.0.2.1:8080")), "web 172.29.0.1\n");
        assert_eq!(
            web.sh(&asking("192.0.2.1:8080")),
            "web 172.29.0.1\n",
            "hairpin"
        );
        assert_eq!(other.sh(&asking("192.0.2.2:7")), "outside 192.0.2.1\n");
        for closed in ["192.0.2.1:9000", "172.29.0.1:9000", "172.29.0.1:8081"] {
            assert_eq!(other.sh(&asking(closed)), "", "{closed}");
        }
        // Not even by the machine's loopback, which the bridge knows a way to.
        other.sh("ip route add 127.0.0.2 via 172.29.0.1 dev eth0");
        other.sh("ip link set lo down; ip address flush dev lo");
        assert_eq!(other.sh(&asking("127.0.0.2:9000")), "");
        // Nor with an address that is not the bridge's.
        other.sh("ip address add 198.51.100.1/32 dev eth0");
        let spoofing = "TCP:192.0.2.2:7,bind=198.51.100.1,connect-timeout=1";
        let spoofed = format!("socat -T2 - {spoofing} 2>/dev/null </dev/null || true");
        assert_eq!(other.sh(&spoofed), "");

        // Gone with its namespace; a new one comes back with the same address.
        network.detach(&service("other")).await.unwrap();
        drop(other);
        let again = Container::new();
        assert_eq!(attach("other", &again).await, other_address);
        assert_eq!(
            again.sh(&asking(&service_at(":80"))),
            format!("web {other_address}\n")
        );
    });
}

/// The next event that the test is about.
async fn next<T>(
    events: &mut mpsc::UnboundedReceiver<NetworkEvent>,
    wanted: impl Fn(&NetworkEvent) -> Option<T>,
) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(&events.recv().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found)
        .await
        .unwrap()
}

fn terms(last: u8, router: u8) -> LeaseTerms {
    LeaseTerms {
        link: "card0".to_owned(),
        address: Ipv4Addr::new(192, 0, 2, last),
        prefix_length: 24,
        router: Some(Ipv4Addr::new(192, 0, 2, router)),
        dns: vec![Ipv4Addr::new(192, 0, 2, 53)],
        domain: None,
        mtu: Some(1400),
        lifetime_s: 100,
    }
}

#[test]
fn a_link_that_appears_gets_its_sockets_and_its_leases() {
    if !in_namespace("a_link_that_appears_gets_its_sockets_and_its_leases") {
        return;
    }
    run(async {
        let mut config = config();
        let by_dhcp = LinkConfig {
            dhcp: true,
            ..LinkConfig::default()
        };
        config.links = BTreeMap::from([("card0".to_owned(), by_dhcp)]);
        let (network, mut events) = NetworkHandle::start(config);
        network.bring_up().await.unwrap();
        let link = LinkName::new("card0").unwrap();
        let lease = |terms: Option<LeaseTerms>| {
            let link = link.to_string();
            terms.map_or(Lease::Expired { link }, Lease::Bound)
        };
        let refused = network.apply_lease(lease(Some(terms(5, 1)))).await;
        assert!(matches!(refused, Err(LeaseError::NotWanted { .. })));

        let other_end = Container::new();
        let pid = other_end.process.id();
        sh(&format!(
            "ip link add card0 type veth peer name far0 netns {pid}"
        ));
        next(&mut events, |event| {
            matches!(event, NetworkEvent::DhcpLinksChanged).then_some(())
        })
        .await;
        other_end.sh("ip link set far0 up; ip address add 192.0.2.9/24 dev far0");
        next(&mut events, |event| {
            matches!(event, NetworkEvent::CarrierChanged { carrier: true, .. }).then_some(())
        })
        .await;
        assert_eq!(
            network.dhcp_links().await.unwrap(),
            std::slice::from_ref(&link)
        );

        // The filter: of three packets only the one to port 68 comes through.
        let sockets = network.dhcp_sockets().await.unwrap();
        let names: Vec<_> = sockets.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["dhcp4.card0", "udp4.card0"]);
        other_end.sh(
            "for port in 67 68 69; do \
             echo port $port | socat -u - UDP4-DATAGRAM:255.255.255.255:$port,broadcast,so-bindtodevice=far0; \
             done; ping -c1 -W1 192.0.2.77 >/dev/null || true",
        );
        let mut buffer = [0; 2048];
        let mut seen = Vec::new();
        while let Ok(length) = nix::sys::socket::recv(
            std::os::fd::AsRawFd::as_raw_fd(&sockets[0].1),
            &mut buffer,
            nix::sys::socket::MsgFlags::MSG_DONTWAIT,
        ) {
            seen.push(String::from_utf8_lossy(&buffer[28..length]).into_owned());
        }
        assert_eq!(seen, ["port 68\n"]);

        // A lease, its renewal, another one, its end.
        let address = |added: bool| {
            move |event: &NetworkEvent| match event {
                NetworkEvent::AddressAdded(address) if added => Some(address.address.octets()[3]),
                NetworkEvent::AddressRemoved(address) if !added => {
                    Some(address.address.octets()[3])
                }
                _ => None,
            }
        };
        network.apply_lease(lease(Some(terms(5, 1)))).await.unwrap();
        assert_eq!(next(&mut events, address(true)).await, 5);
        let shown = sh("ip address show dev card0; ip route");
        for part in [
            "192.0.2.5/24",
            "valid_lft 100sec",
            "mtu 1400",
            "default via 192.0.2.1 dev card0",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let dns = Ipv4Addr::new(192, 0, 2, 53);
        assert_eq!(network.resolvers().await.unwrap(), [dns]);
        network.apply_lease(lease(Some(terms(5, 1)))).await.unwrap();
        network.apply_lease(lease(Some(terms(6, 2)))).await.unwrap();
        assert_eq!(next(&mut events, address(true)).await, 6);
        let shown = sh("ip address show dev card0; ip route");
        for part in ["192.0.2.5/24", "via 192.0.2.1"] {
            assert!(!shown.contains(part), "{part} in {shown}");
        }
        assert!(shown.contains("default via 192.0.2.2 dev card0"), "{shown}");
        // A router beyond the network.
        let mut beyond = terms(6, 2);
        beyond.router = Some(Ipv4Addr::new(198, 51, 100, 1));
        network.apply_lease(lease(Some(beyond))).await.unwrap();
        assert!(sh("ip route").contains("default via 198.51.100.1 dev card0"));
        network.apply_lease(lease(None)).await.unwrap();
        assert_eq!(next(&mut events, address(false)).await, 6);
        assert!(!sh("ip route").contains("default"));
        assert!(network.resolvers().await.unwrap().is_empty());

        // A lease that nobody renews is ended by the kernel.
        let mut short = terms(7, 1);
        short.lifetime_s = 1;
        network.apply_lease(lease(Some(short))).await.unwrap();
        assert_eq!(next(&mut events, address(false)).await, 7);
        assert!(network.resolvers().await.unwrap().is_empty());

        sh("ip link del card0");
        next(&mut events, |event| {
            matches!(event, NetworkEvent::DhcpLinksChanged).then_some(())
        })
        .await;
        assert!(network.dhcp_links().await.unwrap().is_empty());
    });
}

#[test]
fn edge_36_notices_lost_in_a_flood_are_made_up_for() {
    if !in_namespace("edge_36_notices_lost_in_a_flood_are_made_up_for") {
        return;
    }
    run(async {
        let (network, mut events) = NetworkHandle::start(config());
        network.bring_up().await.unwrap();
        // While this thread waits for the script nobody reads the notices: far more of them than
        // the socket holds.
        sh(
            "for n in $(seq 300); do echo link add d$n type bridge; done | ip -batch -;\
            for k in $(seq 10); do for n in $(seq 300); do \
            echo link set d$n mtu $((1000 + k)); done; done | ip -batch -;\
            ip link add eth9 type bridge; ip address add 192.0.2.1/24 dev eth9",
        );
        let told = next(&mut events, |event| match event {
            NetworkEvent::AddressAdded(address) => Some(address.link.to_string()),
            _ => None,
        })
        .await;
        assert_eq!(told, "eth9");
    });
}
