//! Compose's smaller keys, by what they really do: seen from inside, and by a witness outside.
//!
//! One boot for all of it. Each service's program prints what it has of what its manifest asks for.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use anyhow::Result;
use orlop_qemu_tests::{MachineBuilder, Shared, Vm};
use serde_json::Value;

static VM: LazyLock<Shared> = LazyLock::new(|| Shared::new(boot()));

/// One `name: value` a line.
const LOOK: &str = r#"
B=/bin/busybox
echo "env: $A|$B_|$C|$D"
echo "groups: $($B id -G)"
limit() { echo "$1: $($B sed -n "s/^Max $2  *\([a-z0-9]*\)  *\([a-z0-9]*\) .*/\1 \2/p" /proc/self/limits)"; }
limit nofile "open files"; limit core "core file size"; limit nproc processes; limit rtprio "realtime priority"
for f in net/core/somaxconn net/ipv4/tcp_syn_retries kernel/shmmni fs/mqueue/msg_max; do echo "$f: $($B cat /proc/sys/$f 2>/dev/null)"; done
echo "shm: $($B df -k /dev/shm | $B awk "NR == 2 { print \$2 }")"
echo "oom: $($B cat /proc/self/oom_score_adj)"
for f in memory.max memory.low memory.swap.max cpu.weight cpu.max pids.max cpuset.cpus cpuset.cpus.effective io.max; do
    echo "$f: $($B cat /sys/fs/cgroup/$f 2>/dev/null)"
done
for n in pid ipc uts cgroup; do echo "$n: $($B readlink /proc/self/ns/$n)"; done
echo "hostname: $($B hostname)"
echo "first: $($B cat /proc/1/comm)"
echo "cgroup path: $($B cat /proc/self/cgroup)"
$B sed -n "s/^\(NoNewPrivs\|Seccomp\):\t*/\1: /p" /proc/self/status
echo looked; trap "exit 0" TERM; while :; do $B sleep 1000 & wait $!; done
"#;

const IMAGE: &str = "build = { debian = [\"busybox-static\"], users = { app = { uid = 100 } } }\n";

/// A service that looks at itself; `more` are further lines, sections last.
fn looking(more: &str) -> String {
    format!(
        "image = \"look\"\nentrypoint = [\"/bin/busybox\", \"sh\", \"-c\"]\ncommand = ['''{LOOK}''']\n\
         network_mode = \"none\"\n{more}"
    )
}

const KEYED: &str = r#"
user = "app"
env_file = ["app.env", { path = "none.env", required = false }]
environment = { A = "own" }
group_add = ["app", 44]
ulimits = { nofile = { soft = 2048, hard = 65536 }, core = 4096, nproc = 200 }
sysctls = { "net.ipv4.tcp_syn_retries" = 3, "kernel.shmmni" = 77, "fs.mqueue.msg_max" = 20 }
shm_size = "8m"
mem_limit = "64m"
mem_reservation = "16m"
memswap_limit = "80m"
cpu_shares = 512
cpuset = "1"
oom_score_adj = 123
blkio_config = { device_read_bps = [{ path = "/dev/vda", rate = "10m" }], device_write_iops = [{ path = "/dev/vda", rate = 50 }] }
security_opt = ["no-new-privileges:true"]
labels = { team = "web" }
expose = [80]
container_name = "keyed"
platform = "linux/amd64"
pull_policy = "missing"
healthcheck = { test = ["CMD-SHELL", "[ $(ulimit -n) = 2048 ] && /bin/busybox id -G | /bin/busybox grep -qw 44"], interval = "1s" }
"#;

const SHARED: &str = r#"
userns_mode = "host"
pid = "host"
ipc = "host"
uts = "host"
cgroup = "host"
sysctls = { "net.core.somaxconn" = 99 }
"#;

const PRIVILEGED: &str = r#"
privileged = true
security_opt = ["seccomp=unconfined", "no-new-privileges:true"]
ulimits = { rtprio = 50, nofile = 1048576 }
"#;

const DEPLOYED: &str = r#"
[deploy.resources.limits]
cpus = "0.5"
memory = "32M"
pids = 30

[deploy.resources.reservations]
memory = "8M"
"#;

fn boot() -> Result<Vm> {
    let image = format!("command = [\"/bin/busybox\", \"true\"]\nscale = 0\n{IMAGE}");
    let debug = "profiles = [\"debug\"]\n";
    let machine = MachineBuilder::with(&["gateway", "log"])?
        .service("look", &image)
        .service("keyed", &looking(KEYED))
        .file(
            "services/keyed/app.env",
            "# of the file\nA=file\nB_='two words'\nexport C=three # not this\nD=\"a\\tb\"\n",
        )
        .service("plain", &looking(""))
        .service("shared", &looking(SHARED))
        .service("mighty", &looking(PRIVILEGED))
        .service("deployed", &looking(DEPLOYED))
        .service("debug-db", &looking(debug))
        .service(
            "debug-tool",
            &looking(&format!("{debug}depends_on = [\"debug-db\"]\n")),
        )
        .service("bad-env", &looking("env_file = \"bad.env\"\n"))
        .file("services/bad-env/bad.env", "A=1\nB 2\n")
        .service(
            "bad-sysctl",
            &looking("restart = \"no\"\nsysctls = { \"net.core.nothing\" = 1 }\n"),
        )
        .service(
            "bad-group",
            &looking("restart = \"no\"\ngroup_add = [\"nobodys\"]\n"),
        )
        .service(
            "bad-cpus",
            &looking("restart = \"no\"\ncpuset = \"4000\"\n"),
        );
    let vm = machine.argument("--keep-going").witness().boot()?;
    vm.wait_boot()?;
    Ok(vm)
}

/// What a service said of itself.
#[expect(
    clippy::unwrap_used,
    reason = "a service that says nothing fails the test"
)]
fn seen(vm: &Vm, service: &str) -> BTreeMap<String, String> {
    let lines = vm.log_until(service, "looked").unwrap();
    let lines = lines.iter().filter_map(|line| line.split_once(": "));
    lines.map(|(name, is)| (name.into(), is.into())).collect()
}

fn assert_seen(vm: &Vm, service: &str, wanted: &[(&str, &str)]) {
    let seen = seen(vm, service);
    for (name, is) in wanted {
        let found = seen.get(*name).map(String::as_str);
        assert_eq!(found, Some(*is), "{service}: {name} of {seen:#?}");
    }
}

#[test]
fn every_key_has_its_effect() {
    let vm = VM.hold_booted().unwrap();
    assert_seen(
        &vm,
        "keyed",
        &[
            ("env", "own|two words|three|a\tb"),
            ("groups", "100 44"),
            ("nofile", "2048 65536"),
            ("core", "4096 4096"),
            ("nproc", "200 200"),
            ("net/ipv4/tcp_syn_retries", "3"),
            ("kernel/shmmni", "77"),
            ("fs/mqueue/msg_max", "20"),
            ("shm", "8192"),
            ("oom", "123"),
            ("memory.max", "67108864"),
            ("memory.low", "16777216"),
            ("memory.swap.max", "16777216"),
            ("cpu.weight", "50"),
            ("cpuset.cpus", "1"),
            ("cpuset.cpus.effective", "1"),
            ("hostname", "keyed"),
            ("NoNewPrivs", "1"),
        ],
    );
    let disk = seen(&vm, "keyed").remove("io.max").unwrap_or_default();
    for part in ["rbps=10485760", "wbps=max", "wiops=50"] {
        assert!(disk.contains(part), "{disk}");
    }
    // What is run in it later has the same limits and groups.
    vm.wait_ps("keyed", |keyed| {
        let verdict = keyed.pointer("/health/verdict").and_then(Value::as_str);
        verdict == Some("healthy")
    })
    .unwrap();
    // The kernel gives a cgroup no more protection than the one above has.
    let mut witness = vm.witness().unwrap();
    let low = witness.run("cat /cgroup/services/memory.low").unwrap();
    assert_eq!(low.trim(), (24_u64 << 20).to_string());
}

#[test]
fn who_asks_for_nothing_has_what_every_service_has() {
    assert_seen(
        &VM.hold_booted().unwrap(),
        "plain",
        &[
            ("env", "|||"),
            ("groups", "0"),
            ("nofile", "1024 1024"),
            ("core", "0 0"),
            ("shm", "65536"),
            ("oom", "0"),
            ("memory.low", "0"),
            ("cpu.weight", "100"),
            ("cpuset.cpus", ""),
            ("io.max", ""),
        ],
    );
}

#[test]
fn limits_of_deploy_are_the_same_limits() {
    assert_seen(
        &VM.hold_booted().unwrap(),
        "deployed",
        &[
            ("memory.max", "33554432"),
            ("memory.low", "8388608"),
            ("cpu.max", "50000 100000"),
            ("pids.max", "30"),
            ("oom", "-900"),
        ],
    );
}

#[test]
fn privileged_is_what_docker_calls_so() {
    let vm = VM.hold_booted().unwrap();
    assert_seen(
        &vm,
        "mighty",
        &[
            ("nofile", "1048576 1048576"),
            ("rtprio", "50 50"),
            ("NoNewPrivs", "1"),
            ("Seccomp", "0"),
        ],
    );
    let isolation = vm.status("mighty").unwrap();
    let isolation = isolation.get("isolation").and_then(Value::as_str);
    assert_eq!(isolation, Some("privileged"));
}

/// The machine's own namespaces have the numbers of linux/proc_ns.h.
#[test]
fn shared_namespaces_are_the_machines_and_the_service_still_ends() {
    let vm = VM.hold_booted().unwrap();
    let shared = [
        ("pid", "pid:[4026531836]"),
        ("ipc", "ipc:[4026531839]"),
        ("uts", "uts:[4026531838]"),
        ("cgroup", "cgroup:[4026531835]"),
        ("first", "init"),
        ("cgroup path", "0::/services/shared"),
        // A network below a user namespace does not have this one (net/core/sysctl_net_core.c).
        ("net/core/somaxconn", "99"),
    ];
    assert_seen(&vm, "shared", &shared);
    let own = seen(&vm, "plain");
    for (name, is) in &shared[..4] {
        assert_ne!(own.get(*name).map(String::as_str), Some(*is));
    }
    let mut witness = vm.witness().unwrap();
    let hostname = witness.run("hostname").unwrap();
    assert_seen(&vm, "shared", &[("hostname", hostname.trim())]);
    // Its main process is not the first of a pid namespace: what it leaves must end with it.
    let left = "cat /cgroup/services/shared/cgroup.procs | sort";
    let before = witness.run(left).unwrap();
    vm.orlop(&["restart", "shared"]).unwrap();
    let after = witness.run(left).unwrap();
    let again = before
        .lines()
        .filter(|pid| after.lines().any(|p| p == *pid));
    assert_eq!(again.count(), 0, "{before} {after}");
    vm.orlop(&["stop", "shared"]).unwrap();
    let gone = witness.run("ls /cgroup/services").unwrap();
    assert!(!gone.lines().any(|name| name == "shared"), "{gone}");
}

#[test]
fn a_profile_is_started_by_hand_with_what_it_requires() {
    let vm = VM.hold_booted().unwrap();
    for name in ["debug-db", "debug-tool"] {
        let status = vm.status(name).unwrap();
        assert_eq!(status.get("state").and_then(Value::as_str), Some("down"));
    }
    vm.orlop(&["start", "debug-tool"]).unwrap();
    for name in ["debug-db", "debug-tool"] {
        vm.wait_service(name, "up").unwrap();
    }
}

#[test]
fn what_cannot_be_given_is_said_in_a_sentence() {
    let vm = VM.hold_booted().unwrap();
    for (service, sentence) in [
        (
            "bad-env",
            "services/bad-env/bad.env:2:1: has no value; write KEY=value",
        ),
        (
            "bad-sysctl",
            "setting net/core/nothing to \"1\": ENOENT (its own namespaces have no such setting; remove it, or write userns_mode = \"host\", where they have more)",
        ),
        ("bad-group", "the image has no group \"nobodys\""),
        ("bad-cpus", "cpuset.cpus"),
    ] {
        let status = vm
            .wait_ps(service, |status| {
                status.get("state").and_then(Value::as_str) == Some("failed")
            })
            .unwrap();
        let cause = status.get("cause").and_then(Value::as_str).unwrap();
        assert!(cause.contains(sentence), "{service}: {cause}");
    }
}
