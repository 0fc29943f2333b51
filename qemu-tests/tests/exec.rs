//! `orlop exec` at both ends: in the machine over the control socket, on the workstation over the
//! gateway.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::Child;
use std::sync::LazyLock;

use orlop_qemu_tests::{MachineBuilder, Outcome, Shared, Vm, Witness};

const STEADY: &str = "exec busybox sleep 1000000";
const PATH: &str =
    "stop_grace_period = \"1s\"\nenvironment = { PATH = \"/bin\", WHO = \"manifest\" }";

/// One machine for all tests: console and gateway beside services to look into.
static MACHINE: LazyLock<Shared> = LazyLock::new(|| Shared::new(boot()));

fn boot() -> anyhow::Result<Vm> {
    MachineBuilder::with(&["console", "gateway", "log"])?
        .shell_service(
            "web",
            STEADY,
            &format!("{PATH}\nuser = \"1000:1000\"\ninit = true"),
        )
        .shell_service(
            "root",
            STEADY,
            &format!("{PATH}\ncap_add = [\"NET_ADMIN\", \"SETUID\"]"),
        )
        .shell_service("few", STEADY, &format!("{PATH}\npids_limit = 3"))
        .shell_service("down", STEADY, &format!("{PATH}\nrestart = \"no\""))
        .service("peer", &peer("peer", "[\"services.list\"]"))
        .service("guest", &peer("guest", "[\"services.exec\"]"))
        .witness()
        .boot()
}

/// A service with `orlop` in its image, and grants.
fn peer(name: &str, control: &str) -> String {
    format!(
        "command = [\"/bin/busybox\", \"sleep\", \"1000000\"]\nhostname = \"{name}\"\n\
         environment = {{ PATH = \"/bin:/usr/bin\" }}\ncontrol = {control}\n\
         build = {{ debian = [\"busybox-static\"], programs = [\"orlop\"] }}\n"
    )
}

fn exec(vm: &Vm, words: &[&str]) -> Outcome {
    vm.orlop_outcome(&[&["exec"], words].concat()).unwrap()
}

/// Status, stdout, stderr.
fn all(outcome: &Outcome) -> (i32, &str, &str) {
    (outcome.status, &outcome.stdout, &outcome.stderr)
}

#[test]
fn status_streams_and_options_come_through() {
    let vm = MACHINE.hold_booted().unwrap();
    let both = exec(
        &vm,
        &[
            "web",
            "busybox",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 42",
        ],
    );
    assert_eq!(all(&both), (42, "out\n", "err\n"));
    let killed = exec(&vm, &["web", "busybox", "sh", "-c", "kill -9 $$"]);
    assert_eq!(all(&killed), (137, "", ""));
    let missing = exec(&vm, &["web", "nosuch"]);
    assert_eq!(missing.status, 127);
    let sentence = "orlop: web: executing /bin/nosuch: ENOENT (the image \"web\" has no such file";
    assert!(missing.stderr.starts_with(sentence), "{}", missing.stderr);
    let forbidden = exec(&vm, &["web", "/etc/passwd"]);
    assert_eq!(forbidden.status, 126, "{}", forbidden.stderr);
    let elsewhere = exec(&vm, &["-w", "/nosuch", "web", "busybox", "true"]);
    assert_eq!(elsewhere.status, 127, "{}", elsewhere.stderr);
    assert!(
        elsewhere
            .stderr
            .contains("entering the working directory /nosuch: ENOENT")
    );
    let look = "echo $WHO $MORE; pwd; busybox id -u; busybox id -g; cat /dev/null; echo $HOME";
    let look = look.replace("cat", "busybox cat");
    let plain = exec(&vm, &["web", "--", "busybox", "sh", "-c", &look]);
    assert_eq!(all(&plain), (0, "manifest\n/\n1000\n1000\n/\n", ""));
    let options = [
        "-e",
        "WHO=me",
        "-eMORE=a=b",
        "-w",
        "/tmp",
        "-u",
        "4242:8",
        "web",
    ];
    let other = exec(
        &vm,
        &[&options[..], &["busybox", "sh", "-c", &look]].concat(),
    );
    assert_eq!(all(&other), (0, "me a=b\n/tmp\n4242\n8\n/\n", ""));
    let nobody = exec(&vm, &["-u", "nosuch", "web", "busybox", "true"]);
    assert_eq!(nobody.status, 126);
    assert!(
        nobody.stderr.contains("the image has no user \"nosuch\""),
        "{}",
        nobody.stderr
    );
}

#[test]
fn who_cannot_be_entered_says_so() {
    let vm = MACHINE.hold_booted().unwrap();
    vm.orlop(&["stop", "down"]).unwrap();
    let cases = [
        (
            "wbe",
            "orlop: no service is called wbe; did you mean web?\n",
        ),
        ("down", "orlop: down is not running\n"),
    ];
    for (service, sentence) in cases {
        assert_eq!(
            all(&exec(&vm, &[service, "busybox", "true"])),
            (1, "", sentence)
        );
    }
    let terminal = exec(&vm, &["-it", "web", "busybox", "sh"]);
    assert_eq!(terminal.status, 2);
    assert!(
        terminal
            .stderr
            .contains("exec has no terminal yet, so neither -i nor -t")
    );
    // Three processes are sleep, and what fits: the fourth is told why it does not.
    let fork = "busybox sleep 600 & busybox sleep 600 & busybox sleep 600 & wait";
    let full = exec(&vm, &["few", "busybox", "sh", "-c", fork]);
    assert!(full.status != 0 && full.stderr.contains("fork"), "{full:?}");
}

#[test]
fn much_goes_in_and_out_whole_whoever_is_slow() {
    let vm = MACHINE.hold_booted().unwrap();
    let bytes: Vec<u8> = (0..10_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut cat = begin(&vm, &["web", "busybox", "cat"]);
    let mut stdin = cat.stdin.take().unwrap();
    let sent = bytes.clone();
    let giver = std::thread::spawn(move || stdin.write_all(&sent));
    let output = cat.wait_with_output().unwrap();
    giver.join().unwrap().unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(0), bytes.len())
    );
    assert!(output.stdout == bytes, "10 MB came back changed");
    // What looks like the port's own frames is only bytes.
    let reset = "printf 'OGW1\\0\\0\\0\\0\\0\\0\\0\\005reset'";
    let frame = exec(&vm, &["web", "busybox", "sh", "-c", reset]);
    assert_eq!(frame.stdout, "OGW1\0\0\0\0\0\0\0\u{5}reset");
    // Nobody reads this one: the others do not wait for it, and its writer is held up.
    let mut stuck = begin(
        &vm,
        &[
            "web",
            "busybox",
            "sh",
            "-c",
            "exec busybox yes stuck-behind",
        ],
    );
    let mut witness = vm.witness().unwrap();
    until(
        &mut witness,
        "grep -qs pipe_write $(grep -ls stuck-behind /proc/[0-9]*/cmdline | sed s/cmdline/wchan/)",
    );
    assert_eq!(
        exec(&vm, &["web", "busybox", "echo", "free"]).stdout,
        "free\n"
    );
    stuck.kill().unwrap();
    stuck.wait().unwrap();
    until(&mut witness, "! grep -qs stuck-behind /proc/[0-9]*/cmdline");
}

#[test]
fn nothing_stays_of_a_process_whose_caller_has_gone() {
    let vm = MACHINE.hold_booted().unwrap();
    let mut witness = vm.witness().unwrap();
    let deaf = "trap '' HUP; (busybox setsid busybox sleep 987654 &); busybox sleep 987654; busybox sleep 987654";
    for script in ["busybox sleep 987654; echo", deaf] {
        let mut caller = begin(&vm, &["web", "busybox", "sh", "-c", script]);
        until(&mut witness, "grep -qs 987654 /proc/[0-9]*/cmdline");
        caller.kill().unwrap();
        caller.wait().unwrap();
        until(&mut witness, "! grep -qs 987654 /proc/[0-9]*/cmdline");
    }
    // What it started goes with it when it ends by itself, too, and the caller does not wait for that.
    let leaves = "(busybox setsid busybox sleep 987654 &); echo left";
    assert_eq!(
        exec(&vm, &["web", "busybox", "sh", "-c", leaves]).stdout,
        "left\n"
    );
    until(&mut witness, "! grep -qs 987654 /proc/[0-9]*/cmdline");
    until(&mut witness, "! ls -d /cgroup/services/*/.exec-*");
}

#[test]
fn the_services_end_is_the_end_of_all_in_it() {
    let vm = MACHINE.hold_booted().unwrap();
    let mut witness = vm.witness().unwrap();
    let caller = begin(&vm, &["root", "busybox", "sleep", "987655"]);
    until(&mut witness, "grep -qs 987655 /proc/[0-9]*/cmdline");
    vm.orlop(&["restart", "root"]).unwrap();
    assert_eq!(caller.wait_with_output().unwrap().status.code(), Some(137));
    assert_eq!(
        witness
            .run("grep -s 987655 /proc/[0-9]*/cmdline || echo none")
            .unwrap()
            .trim(),
        "none"
    );
}

#[test]
fn twenty_at_once() {
    let vm = MACHINE.hold_booted().unwrap();
    let script = |n: usize| format!("busybox cat; exit {n}");
    let mut callers: Vec<Child> = (0..20)
        .map(|n| begin(&vm, &["web", "busybox", "sh", "-c", &script(n)]))
        .collect();
    for (n, caller) in callers.iter_mut().enumerate() {
        write!(caller.stdin.take().unwrap(), "{n}").unwrap();
    }
    for (n, caller) in callers.into_iter().enumerate() {
        let output = caller.wait_with_output().unwrap();
        assert_eq!(output.status.code(), i32::try_from(n).ok(), "{output:?}");
        assert_eq!(output.stdout, n.to_string().into_bytes());
    }
}

#[test]
fn in_the_machine_who_is_granted_it_may() {
    let vm = MACHINE.hold_booted().unwrap();
    let inside =
        |service: &str, words: &[&str]| exec(&vm, &[&[service, "orlop", "exec"], words].concat());
    let granted = inside(
        "guest",
        &[
            "web",
            "busybox",
            "sh",
            "-c",
            "echo $WHO; echo no >&2; exit 3",
        ],
    );
    assert_eq!(all(&granted), (3, "manifest\n", "no\n"));
    let much = "exec busybox head -c 10000000 /dev/zero";
    let much = exec(
        &vm,
        &[
            "guest",
            "busybox",
            "sh",
            "-c",
            &format!("orlop exec web busybox sh -c '{much}' </dev/null | busybox wc -c"),
        ],
    );
    assert_eq!(much.stdout.trim(), "10000000");
    let piped = "echo through | orlop exec web busybox cat";
    let piped = exec(&vm, &["guest", "busybox", "sh", "-c", piped]);
    assert_eq!(all(&piped), (0, "through\n", ""));
    let denied = inside("peer", &["web", "busybox", "true"]);
    assert_eq!(denied.status, 1);
    let sentence = "io.orlop.services.Exec is not granted; the manifest would need control = [\"services.exec\"]";
    assert!(denied.stderr.contains(sentence), "{}", denied.stderr);
    let mut console = vm.console().unwrap();
    console.type_line("").unwrap();
    console.expect(":~# ").unwrap();
    console
        .type_line("orlop exec web busybox sh -c 'echo hi; exit 9'; echo \"=$?=\"")
        .unwrap();
    console.expect("=9=").unwrap();
}

/// Everything that says how it is confined.
const SELF: &str = "busybox grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp)' /proc/self/status; \
     for n in pid mnt net ipc uts user; do busybox readlink /proc/self/ns/$n; done; \
     busybox cat /proc/self/limits /proc/self/oom_score_adj /proc/self/uid_map";

#[test]
fn r09_it_may_what_the_main_process_may_and_r02_has_three_descriptors() {
    let vm = MACHINE.hold_booted().unwrap();
    let mut witness = vm.witness().unwrap();
    for service in ["web", "root"] {
        let own = exec(&vm, &[service, "busybox", "sh", "-c", SELF]).stdout;
        // With `init` the main process is the program's child.
        let main = "for p in $(cat /cgroup/services/SERVICE/cgroup.procs); do \
             grep -qs 1000000 /proc/$p/cmdline && ! grep -qs init /proc/$p/cmdline && echo $p; done";
        let pid = witness.run(&main.replace("SERVICE", service)).unwrap();
        let of = SELF.replace("busybox ", "").replace("self", pid.trim());
        let of = of.replace("/proc/1/oom", &format!("/proc/{}/oom", pid.trim()));
        let main = witness.run(&of).unwrap();
        assert!(
            own.contains("NoNewPrivs:\t1") && own.contains("Seccomp:\t2"),
            "{own}"
        );
        // The maps are seen from different namespaces; all else is the same to the letter.
        let same = |text: &str| -> Vec<String> {
            let lines = text
                .lines()
                .filter(|line| !line.starts_with(['U', 'G', ' ']));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(same(&own), same(&main), "{service}");
        let fds = exec(
            &vm,
            &[
                service,
                "busybox",
                "sh",
                "-c",
                "busybox ls -l /proc/$$/fd | busybox wc -l",
            ],
        );
        // A line for the total, and 0, 1, 2, all of them pipes or null; 10 is the shell's own none.
        assert_eq!(fds.stdout.trim(), "4", "{service}");
    }
    // What it could reopen of PID 1's is nothing: its directories are the container's (rule R3).
    let outside = exec(&vm, &["-w", "/proc/self/fd/3", "root", "busybox", "pwd"]);
    assert_ne!(outside.status, 0, "{}", outside.stdout);
}

/// A caller that runs on.
fn begin(vm: &Vm, words: &[&str]) -> Child {
    vm.begin(&[&["exec"], words].concat()).unwrap()
}

/// Waits in the machine until this holds.
fn until(witness: &mut Witness, condition: &str) {
    witness
        .run(&format!("until {condition}; do sleep 0.1; done"))
        .unwrap();
}
