//! A machine whose clock is hours off: `ntp`, without a capability, has PID 1 set it right, by the
//! words of Debian's chrony; a liar changes nothing. Then Debian's chrony instead of `ntp`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use orlop_qemu_tests::{MachineBuilder, TimeServer, Vm};

/// How far the machine's hardware clock is behind.
const LATE: Duration = Duration::from_hours(5);
/// Thirty years ahead of everybody.
const ABSURD: i64 = 30 * 31_556_952;
/// From the moment that a service reads its clock to the one that the test reads its own, on a busy
/// workstation; five hours are far more.
const SLACK: u64 = 600;

/// Serves the time that it gets from the workstation, and sets no clock: it has no right to (`-x`).
const SERVER: &str = r#"
command = ["/usr/sbin/chronyd", "-d", "-x", "-U", "-u", "chrony", "-f", "/etc/chrony.conf"]
user = "chrony"
[build]
debian = ["chrony"]
users = { chrony = { uid = 100 } }
files = { "chrony.conf" = "/etc/chrony.conf" }
"#;

/// Starts once the clock is right, and says what it reads.
const WAITER: &str = "echo it is $(busybox date +%s) now; exec busybox sleep 1000000";

fn server_conf(server: &TimeServer) -> String {
    format!(
        "server 10.0.2.2 port {} iburst minpoll 1 maxpoll 2\nallow\npidfile /run/chronyd.pid\ncmdport 0\n",
        server.port()
    )
}

fn machine() -> Result<MachineBuilder> {
    Ok(MachineBuilder::with(&["dhcp", "gateway", "log"])?
        .shell_service("waiter", WAITER, "needs = [\"time\"]")
        .arguments(&["--qemu-arg=-rtc", &format!("--qemu-arg=base={}", late()?)]))
}

/// The hardware's time, as QEMU takes it.
fn late() -> Result<String> {
    let mut date = std::process::Command::new("date");
    let before = format!("{} seconds ago", LATE.as_secs());
    let said = date
        .args(["-u", "-d", &before, "+%Y-%m-%dT%H:%M:%S"])
        .output()?;
    Ok(String::from_utf8(said.stdout)?.trim_end().to_owned())
}

/// Once the waiter is up, what it has read is the time.
fn assert_right(vm: &Vm) {
    vm.wait_service("waiter", "up").unwrap();
    vm.log_until("waiter", " now").unwrap();
    let log = vm.orlop(&["logs", "waiter"]).unwrap();
    let read = log.split_once("it is ").unwrap().1;
    let read: u64 = read.split(' ').next().unwrap().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.as_secs().abs_diff(read) < SLACK, "{read} {now:?}");
}

#[test]
fn the_clock_gets_right_without_a_capability_and_a_liar_changes_nothing() {
    let (honest, liar) = (TimeServer::silent().unwrap(), TimeServer::silent().unwrap());
    liar.be_off_by(ABSURD);
    let lied_to = format!(
        "build = {{ programs = [\"ntp\"] }}\ncommand = [\"/usr/bin/ntp\", \"10.0.2.2:{}\"]\n\
         user = \"65534:65534\"\ncontrol = [\"time.adjust\"]\nneeds = [\"address\"]\n",
        liar.port()
    );
    let machine = machine().unwrap().catalogue(&["ntp"]).unwrap();
    let ntp = std::fs::read_to_string(machine.path("services/ntp/service.toml")).unwrap();
    // By its name in the machine.
    let ntp = ntp.replace("2.debian.pool.ntp.org", "timeserver");
    let vm = machine
        .service("ntp", &ntp)
        .service("lied-to", &lied_to)
        .service("timeserver", SERVER)
        .file("services/timeserver/chrony.conf", &server_conf(&honest))
        .boot()
        .unwrap();
    for service in ["lied-to", "ntp"] {
        vm.wait_service(service, "up").unwrap();
    }
    // While nobody knows the time: what is absurd is refused, and the server without a time not asked
    // for it.
    vm.log_until("lied-to", "leads to a time twenty years after")
        .unwrap();
    vm.log_until("ntp", "does not know the time itself")
        .unwrap();
    assert_eq!(vm.status("waiter").unwrap()["state"], "waiting");
    // A service that has said nothing yet is one all the same.
    assert_eq!(vm.orlop(&["logs", "waiter"]).unwrap(), "");

    honest.be_off_by(0);
    assert_right(&vm);
    vm.log_until("ntp", "the clock is 1").unwrap();
    for name in ["ntp", "lied-to"] {
        let info = vm.status(name).unwrap();
        assert_eq!(
            (&info["isolation"], &info["restarts"]),
            (&"restricted".into(), &0.into())
        );
    }
    // Now that the clock is set, also a lie that could be true is one.
    liar.be_off_by(3600);
    vm.log_until("lied-to", "and the clock is synchronised")
        .unwrap();
}

#[test]
fn debians_chrony_sets_the_clock_by_the_one_capability_that_it_has() {
    let server = TimeServer::silent().unwrap();
    server.be_off_by(0);
    let machine = machine().unwrap().catalogue(&["chrony"]).unwrap();
    let conf = std::fs::read_to_string(machine.path("services/chrony/chrony.conf")).unwrap();
    let source = format!("server 10.0.2.2 port {} iburst", server.port());
    let conf = conf.replace("pool 2.debian.pool.ntp.org iburst", &source);
    let vm = machine
        .file("services/chrony/chrony.conf", &conf)
        .boot()
        .unwrap();
    assert_right(&vm);
    let info = vm.status("chrony").unwrap();
    assert_eq!(info["restarts"], 0, "{info}");
}
