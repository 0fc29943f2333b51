//! The whole client against a real server, dnsmasq, in network namespaces. Needs root, and says so
//! where it is skipped.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt,
};
use orlop_sys::packet as sockets;

use super::*;

const INSIDE: &str = "ORLOP_TEST_NETNS";
/// What no condition of these tests takes.
const HANG: Duration = Duration::from_secs(60);

/// Runs the test of that name again in fresh namespaces; true inside of them.
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
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed in its namespaces");
    false
}

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-euc", script]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The other end of the cable: a network namespace with 192.0.2.1 on `server0`.
struct Lan {
    namespace: Child,
    server: Option<Child>,
}

impl Lan {
    fn new() -> Self {
        sh("mount -t tmpfs tmpfs /run; ip link set lo up");
        let namespace = Command::new("unshare")
            .args(["--net", "sleep", "600"])
            .spawn()
            .unwrap();
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let path = format!("/proc/{}/ns/net", namespace.id());
        while std::fs::read_link(&path).unwrap() == own {
            std::thread::yield_now();
        }
        let pid = namespace.id();
        sh(&format!(
            "ip link add card0 type veth peer name server0 netns {pid}"
        ));
        sh("ip link set card0 up");
        let lan = Self {
            namespace,
            server: None,
        };
        lan.sh("ip link set server0 up; ip address add 192.0.2.1/24 dev server0");
        lan
    }

    fn sh(&self, script: &str) -> String {
        sh(&format!(
            "nsenter --target {} --net sh -euc '{script}'",
            self.namespace.id()
        ))
    }

    /// Starts dnsmasq (again) with a range of one address, from a fresh lease file when `forget`.
    fn serve(&mut self, address: &str, options: &[&str]) {
        self.stop();
        let _absent = std::fs::remove_file("/run/leases");
        let server = Command::new("nsenter")
            .args([
                "--target",
                &self.namespace.id().to_string(),
                "--net",
                "dnsmasq",
            ])
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--port=0",
                "--user=root",
            ])
            .args([
                "--bind-interfaces",
                "--interface=server0",
                "--dhcp-authoritative",
            ])
            .args([
                "--dhcp-leasefile=/run/leases",
                "--pid-file=/run/dnsmasq.pid",
                "--no-ping",
            ])
            .arg(format!(
                "--dhcp-range={address},{address},255.255.255.0,120"
            ))
            .args([
                "--dhcp-option=option:dns-server,192.0.2.53",
                "--domain=lan.example",
            ])
            .args(["--dhcp-option=option:mtu,1400"])
            .args(options)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.server = Some(server);
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.stop();
        self.namespace.kill().unwrap();
        self.namespace.wait().unwrap();
    }
}

/// The client of `card0` in a thread of its own, with reports into a channel.
struct Running {
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
    reports: Receiver<Option<Lease>>,
}

impl Running {
    fn start() -> Self {
        let index = sh("cat /sys/class/net/card0/ifindex || ip -o link show card0 | cut -d: -f1");
        let index = index.trim().parse().unwrap();
        // ret 65535: the filter is PID 1's part, and tested there.
        let packets = sockets::open(index, 0x0800, &[sockets::Instruction::new(6, 0, 0, 0xffff)]);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let udp = socket(AddressFamily::Inet, SockType::Datagram, flags, None).unwrap();
        setsockopt(&udp, sockopt::BindToDevice, &"card0".into()).unwrap();
        let any = SockaddrIn::new(0, 0, 0, 0, packet::CLIENT_PORT);
        bind(std::os::fd::AsRawFd::as_raw_fd(&udp), &any).unwrap();
        let passed = vec![
            ("dhcp4.card0".to_owned(), packets.unwrap()),
            ("udp4.card0".to_owned(), udp),
        ];
        let (stop, stopped) = UnixStream::pair().unwrap();
        let (sender, reports) = channel();
        let thread = std::thread::spawn(move || {
            let report = |link: &str, lease: Option<&Lease>| {
                assert_eq!(link, "card0");
                // What PID 1 does with it, as far as renewals need it.
                sh("ip address flush dev card0");
                if let Some(lease) = lease {
                    sh(&format!(
                        "ip address add {}/{} dev card0",
                        lease.address, lease.prefix_length
                    ));
                }
                sender
                    .send(lease.cloned())
                    .map_err(|error| error.to_string())
            };
            serve(&stopped, passed, report).unwrap();
        });
        Self {
            stop,
            thread: Some(thread),
            reports,
        }
    }

    fn next(&self) -> Option<Lease> {
        self.reports.recv_timeout(HANG).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.write_all(b"stop").unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_server_that_comes_late_is_found_and_everything_of_its_lease_is_told() {
    if !in_namespace("a_server_that_comes_late_is_found_and_everything_of_its_lease_is_told") {
        return;
    }
    let mut lan = Lan::new();
    let client = Running::start();
    // Two questions that nobody answers, seen at the other end.
    let seen = lan.sh("timeout 30 socat -u UDP4-RECV:67,reuseaddr - | head -c 600 | wc -c");
    assert_eq!(seen.trim(), "600");
    assert!(client.reports.try_recv().is_err());
    lan.serve("192.0.2.50", &[]);
    let expected = Lease {
        address: Ipv4Addr::new(192, 0, 2, 50),
        prefix_length: 24,
        router: Some(Ipv4Addr::new(192, 0, 2, 1)),
        dns: vec![Ipv4Addr::new(192, 0, 2, 53)],
        domain: Some("lan.example".to_owned()),
        mtu: Some(1400),
        seconds: 120,
    };
    assert_eq!(client.next(), Some(expected));
}

#[test]
fn a_lease_is_renewed_until_the_server_refuses() {
    if !in_namespace("a_lease_is_renewed_until_the_server_refuses") {
        return;
    }
    let mut lan = Lan::new();
    let soon = ["--dhcp-option=option:T1,3", "--dhcp-option=option:T2,100"];
    lan.serve("192.0.2.50", &soon);
    let client = Running::start();
    let address = |lease: Option<Lease>| lease.map(|lease| lease.address.octets()[3]);
    assert_eq!(address(client.next()), Some(50));
    let first = Instant::now();
    assert_eq!(address(client.next()), Some(50), "renewed");
    assert!(first.elapsed() >= Duration::from_secs(2), "at T1");
    // Another range, and nothing remembered: the server refuses the renewal, and the client asks
    // anew.
    lan.serve("192.0.2.60", &soon);
    assert_eq!(address(client.next()), None, "refused");
    assert_eq!(address(client.next()), Some(60));
}
