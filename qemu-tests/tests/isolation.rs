//! An intruder inside a `restricted` service of a whole machine: a battery of attempts against a
//! list that was written before they were made, the same ones from a `privileged` service, where
//! they come through, and hogs, beside which the neighbours live on.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use orlop_qemu_tests::{MachineBuilder, Vm};

/// What the intruder is answered, written by hand: `attempt: errno`.
const GOLDEN: &str = include_str!("golden/battery.txt");

/// Attempts that a privileged service is answered no better: it has a root, processes and a cgroup
/// namespace of its own, a network behind the bridge, no more system calls than the kernel, and the
/// machine's hardening (kernel.kptr_restrict).
const NO_BETTER: [&str; 19] = [
    "CAN socket",
    "a port of the machine",
    "another's abstract socket",
    "climb out of a volume",
    "dump core",
    "follow a link out of a volume",
    "mount cgroup v1",
    "others' environment",
    "read another's manifest",
    "read kernel addresses",
    "read the control socket",
    "read the machine's state",
    "read through process 1's root",
    "signal others",
    "unknown call",
    "vsock",
    "write uid_map",
    "write upper cgroup.procs",
    "x32 call",
];

const HOGS: [&str; 7] = [
    "processor",
    "forks",
    "files",
    "/tmp/full",
    "log",
    "memory",
    "small-memory",
];

const REQUESTS: usize = 100;

const IMAGE: &str = r#"
build = { debian = ["busybox-static"], files = { "intruder" = "/bin/intruder" }, directories = { "/shared" = "root:root 1777", "/only" = "root:root 1777" } }
"#;

/// The static program, compiled into a service's folder.
fn compile(service: &Path) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("intruder");
    let files = std::fs::read_dir(&sources).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    let mut compiler = Command::new("cc");
    compiler
        .args(["-static", "-O1", "-w", "-o"])
        .arg(service.join("intruder"))
        .args(files);
    assert!(compiler.status().expect("a C compiler").success());
}

fn shell(script: &str) -> String {
    format!("command = [\"/bin/busybox\", \"sh\", \"-c\", '''{script}''']\n")
}

fn port(number: usize) -> u16 {
    u16::try_from(7001 + number).unwrap()
}

fn machine() -> MachineBuilder {
    let stay = "exec /bin/busybox sleep 1000000";
    let shared = "volumes = [\"shared:/shared\"]\n";
    let battery = shell(&format!("/bin/intruder battery; {stay}"));
    let victim = shell(
        "echo victim > /shared/secret; /bin/busybox chmod 600 /shared/secret; echo ready; \
         exec /bin/intruder attack listen @victim",
    );
    let undo = shell(&format!("/bin/intruder attack undo all; {stay}"));
    let network = shell(&format!(
        "/bin/busybox grep @ /proc/net/unix && echo ABSTRACT; \
         /bin/busybox sed -n 's/Cpus_allowed_list:./may use: /p' /proc/self/status; \
         echo has: $(/bin/busybox cat /sys/devices/system/cpu/online); echo looked; {stay}"
    ));
    let mut machine = MachineBuilder::with(&["log", "gateway", "dhcp", "nginx"])
        .unwrap()
        .file(
            "system.toml",
            "hostname = \"isolation\"\n[volumes.logs]\n[volumes.shared]\n[volumes.only]\n",
        )
        .service("intruder", &format!("{battery}{shared}depends_on = [\"victim\"]{IMAGE}"))
        .service(
            "insider",
            &format!("{battery}{shared}isolation = \"privileged\"\nimage = \"intruder\"\ndepends_on = [\"victim\"]\n"),
        )
        .service(
            "victim",
            &format!("{victim}{shared}user = \"1000:1000\"\nenvironment = {{ SECRET = \"s\" }}\nimage = \"intruder\"\nmem_limit = \"32m\"\n"),
        )
        .service(
            "admin",
            &format!("{undo}image = \"intruder\"\ncap_add = [\"SYS_ADMIN\"]\nvolumes = [\"only:/only:ro\", \"shared:/shared\"]\n"),
        )
        .service("network", &format!("{network}image = \"intruder\"\nnetwork_mode = \"host\"\n"));
    for (number, hog) in HOGS.iter().enumerate() {
        let script = format!(
            "/bin/busybox nc -l -p 7000 < /dev/null > /dev/null; exec /bin/intruder hog {hog}"
        );
        machine = machine.service(
            &format!("hog{number}"),
            &format!(
                "{}image = \"intruder\"\nrestart = \"no\"\nports = [\"{}:7000\"]\n",
                shell(&script),
                port(number)
            ),
        );
    }
    compile(&machine.path("services/intruder"));
    machine.argument("--memory=512M")
}

/// Lines of `attempt: answer` in the log of a service.
fn answers(vm: &Vm, service: &str, end: &str) -> BTreeMap<String, String> {
    let lines = vm.log_until(service, end).unwrap();
    let own = lines.iter().filter(|line| !line.starts_with("-- "));
    own.filter_map(|line| line.rsplit_once(": "))
        .map(|(attempt, answer)| (attempt.to_owned(), answer.to_owned()))
        .collect()
}

/// The 99th percentile of a page's time, in milliseconds.
fn p99(port: u16, requests: usize) -> f64 {
    let mut times: Vec<Duration> = (0..requests).map(|_| request(port)).collect();
    times.sort();
    let index = (requests * 99).div_ceil(100) - 1;
    times[index].as_secs_f64() * 1000.0
}

fn request(port: u16) -> Duration {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(orlop_qemu_tests::HANG_LIMIT))
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.0\r\nHost: isolation\r\n\r\n")
        .unwrap();
    let mut page = Vec::new();
    stream.read_to_end(&mut page).unwrap();
    assert!(
        page.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&page)
    );
    begin.elapsed()
}

fn check_battery(vm: &Vm) {
    let expected: BTreeMap<String, String> = GOLDEN
        .lines()
        .map(|line| line.rsplit_once(": ").unwrap())
        .map(|(attempt, answer)| (attempt.to_owned(), answer.to_owned()))
        .collect();
    let seen = answers(vm, "intruder", "battery over");
    let insider = answers(vm, "insider", "battery over");
    let different = expected
        .iter()
        .filter(|(attempt, answer)| seen.get(*attempt) != Some(*answer));
    let different: Vec<_> = different.map(|(a, e)| (a, e, seen.get(a))).collect();
    let unlisted: Vec<_> = seen
        .keys()
        .filter(|attempt| !expected.contains_key(*attempt))
        .collect();
    let same = expected
        .keys()
        .filter(|attempt| insider.get(*attempt) == seen.get(*attempt));
    let same: BTreeSet<&str> = same.map(String::as_str).collect();
    eprintln!("{} attempts; privileged: {insider:?}", seen.len());
    assert!(
        different.is_empty() && unlisted.is_empty(),
        "{different:#?} {unlisted:?}"
    );
    assert_eq!(same, BTreeSet::from(NO_BETTER));
}

#[test]
fn an_intruder_is_denied_or_contained() {
    let vm = machine().boot().unwrap();
    vm.wait_boot().unwrap();
    vm.wait_address_after(0).unwrap();
    check_battery(&vm);

    let undone = vm.log_until("admin", "undone:").unwrap();
    assert!(
        !undone.iter().any(|line| line.contains("UNDONE")),
        "{undone:#?}"
    );
    let abstracts = vm.log_until("network", "looked").unwrap();
    assert!(
        !abstracts.iter().any(|line| line.contains("ABSTRACT")),
        "{abstracts:#?}"
    );

    let web = vm.forward(8080).unwrap();
    let mark = vm.mark();
    let before = p99(web, REQUESTS);
    for (number, hog) in HOGS.iter().enumerate() {
        let name = format!("hog{number}");
        drop(TcpStream::connect(("127.0.0.1", vm.forward(port(number)).unwrap())).unwrap());
        let during = p99(web, REQUESTS);
        println!(
            "neighbour's p99 under {hog}: {:.1} times {before:.1} ms",
            during / before
        );
        // It may have ended by itself.
        vm.orlop_outcome(&["stop", &name]).unwrap();
    }
    let events = vm.events();
    let after = events.iter().skip(mark);
    let disturbed: Vec<_> = after
        .filter(|event| event["event"] == "service")
        .filter(|event| {
            !event["service"]
                .as_str()
                .unwrap_or_default()
                .starts_with("hog")
        })
        .collect();
    assert!(disturbed.is_empty(), "{disturbed:#?}");
}
