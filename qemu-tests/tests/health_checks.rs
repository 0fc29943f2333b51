//! Health checks in a machine: each kind of test is asked in the service's own namespaces, as confined
//! as the service, and whatever a probe does, nothing of it stays.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use orlop_qemu_tests::{MachineBuilder, Vm};
use serde_json::Value;

const STEADY: &str = "exec busybox sleep 1000000";

/// All that a process can tell about how it is confined.
const LOOK: &str = "busybox grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp)' /proc/self/status; \
     for n in pid mnt net ipc uts user cgroup; do busybox readlink /proc/self/ns/$n; done; \
     busybox cat /proc/self/oom_score_adj /proc/self/limits; busybox hostname; pwd; umask; echo $HOME";

fn health(vm: &Vm, service: &str) -> Value {
    let mut services = vm.services().unwrap().into_iter();
    let found = services.find(|info| info["name"] == service);
    let health = found.and_then(|info| info.get("health").cloned());
    health.unwrap_or_default()
}

fn check(test: &str, more: &str) -> String {
    format!("{more}\nhealthcheck = {{ interval = \"1s\", {test} }}")
}

fn ready(test: &str, more: &str) -> String {
    check(
        test,
        &format!("readiness = \"healthy\"\nuser = \"1000:1000\"\n{more}"),
    )
}

#[test]
fn each_kind_of_test_is_asked_as_the_service_itself_would() {
    let look =
        format!("environment = {{ PATH = \"/bin\", LOOK = \"{LOOK}\" }}\nhostname = \"looked-at\"");
    let same = "test = [\"CMD\", \"busybox\", \"sh\", \"-c\", \
         \"busybox sh -c \\\"$LOOK\\\" >/tmp/probe; busybox cmp /tmp/main /tmp/probe && echo same\"]";
    let web = "busybox mkdir /tmp/w; echo hello >/tmp/w/health; exec busybox httpd -f -p 127.0.0.1:8080 -h /tmp/w";
    let vm = MachineBuilder::with(&["log", "gateway"])
        .unwrap()
        .shell_service(
            "look",
            &format!("busybox sh -c \"$LOOK\" >/tmp/main; {STEADY}"),
            &ready(same, &look),
        )
        .shell_service("web", web, &ready("http = \":8080/health\"", ""))
        .shell_service("open", web, &ready("tcp = 8080", ""))
        .shell_service(
            "file",
            &format!(": >/tmp/ready; {STEADY}"),
            &ready("file = \"/tmp/ready\"", ""),
        )
        .shell_service(
            "host",
            web,
            &ready(
                "http = \"http://localhost:8080/health\"",
                "network_mode = \"host\"",
            ),
        )
        .shell_service(
            "root",
            STEADY,
            &check(
                "test = [\"CMD\", \"busybox\", \"id\"]",
                "isolation = \"privileged\"\nreadiness = \"healthy\"",
            ),
        )
        .boot()
        .unwrap();
    for (service, output) in [
        ("look", "same"),
        ("web", "status 200"),
        ("open", "port 8080 accepts"),
        ("file", "/tmp/ready exists"),
        ("host", "status 200"),
        ("root", "uid=0(root) gid=0(root) groups=0(root)"),
    ] {
        vm.wait_service(service, "up").unwrap();
        let health = health(&vm, service);
        assert_eq!(health["verdict"], "healthy", "{service}: {health}");
        assert_eq!(health["output"], output, "{service}");
    }
}

#[test]
fn a_probe_that_does_not_end_is_killed_with_all_that_it_started() {
    let forever = "busybox sleep 999999 & (busybox setsid busybox sleep 999999 &) ; echo half; while :; do :; done";
    let loud = "while :; do echo 0123456789012345678901234567890123456789; done";
    let leaves = "echo >>/tmp/probes; (busybox setsid busybox sleep 999998 &); echo left";
    let test = |script: &str| {
        check(
            &format!(
                "test = [\"CMD\", \"/bin/busybox\", \"sh\", \"-c\", \"{script}\"], timeout = \"2s\", retries = 1"
            ),
            "environment = { PATH = \"/bin\" }\ninit = true",
        )
    };
    let vm = MachineBuilder::with(&["log", "gateway"])
        .unwrap()
        .shell_service("forever", STEADY, &test(forever))
        .shell_service("loud", STEADY, &test(loud))
        .shell_service(
            "leaves",
            STEADY,
            &format!("readiness = \"healthy\"\n{}", test(leaves)),
        )
        .witness()
        .boot()
        .unwrap();
    let condemned = |service: &'static str, why: &str| {
        let event = vm.wait_event(service, |event| {
            event["service"] == service
                && event["cause"]
                    .as_str()
                    .is_some_and(|cause| cause.contains("unhealthy"))
        });
        let cause = event.unwrap()["cause"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(cause.contains(why), "{service}: {cause}");
    };
    condemned("forever", "no end within 2s: half");
    condemned("loud", "no end within 2s: ");
    vm.wait_service("leaves", "up").unwrap();
    assert_eq!(health(&vm, "leaves")["output"], "left");
    // The kernel's own word, after several probes: there are moments when nobody is left of any, and
    // no zombie, and the service that is up is whole.
    let mut witness = vm.witness().unwrap();
    let gone = "read -r main </cgroup/services/leaves/cgroup.procs; \
        until [ $(grep -c ^ /proc/$main/root/tmp/probes) -gt 3 ]; do sleep 0.1; done; \
        until ! grep -qs 99999[89] /proc/[0-9]*/cmdline; do sleep 0.1; done; \
        until ! grep -qs '^State:.Z' /proc/[0-9]*/status; do sleep 0.1; done; \
        grep -c . /cgroup/services/leaves/cgroup.procs";
    assert_eq!(witness.run(gone).unwrap().trim(), "2");
}
