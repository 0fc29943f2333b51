//! The network against the real kernel, in network namespaces of their own. They need root, and
//! say so where they are skipped.

mod changes;
mod leases;
mod services;
mod turns;

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

use orlop_config::{LinkConfig, Machine, Protocol};
use orlop_control::LeaseTerms;

use super::*;

const INSIDE: &str = "ORLOP_TEST_NETNS";

/// Runs the test of that module and name again in a fresh network namespace; true inside of it.
fn in_namespace(module: &str, test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED {test}: it makes network namespaces, which needs root");
        return false;
    }
    let test = format!("{}::{test}", module.split_once("::").unwrap().1);
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

fn start(config: NetworkConfig) -> (NetworkHandle, mpsc::UnboundedReceiver<NetworkEvent>) {
    let pool = Pool::new(config.pool, []);
    NetworkHandle::start(config, pool)
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
