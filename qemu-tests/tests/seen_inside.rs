//! What a service sees of itself, against a golden list: `tests/golden/seen_inside.txt`.

use std::collections::BTreeSet;

use orlop_qemu_tests::{MachineBuilder, Vm};

const GOLDEN: &str = include_str!("golden/seen_inside.txt");

/// Prints everything that must be the same at every boot.
const LOOK: &str = r#"
PATH=/bin; B=/bin/busybox
$B grep -E "^(Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap...):" /proc/self/status
echo "cgroup: $($B cat /proc/self/cgroup)"
echo "hostname: $($B hostname)"
echo "pids: $($B ls /proc | $B grep -E "^[0-9]+$" | $B wc -l)"
echo "links: $($B ls /sys/class/net | $B xargs)"
echo "dev: $($B ls /dev | $B xargs)"
echo "fds: $($B ls /proc/1/fd | $B xargs)"
echo "mapped ids: $($B awk "{print \$1, \$3}" /proc/self/uid_map), $($B awk "{print \$1, \$3}" /proc/self/gid_map)"
$B awk "{print \"mount:\", \$2, \$3, \$4}" /proc/self/mounts | $B sed "s/,\(size\|nr_inodes\|uid\|gid\)=[0-9k]*//g"
for d in / /etc /proc/sys/kernel /sys/fs/cgroup; do
    $B touch $d/x 2>/dev/null && echo "writable: $d"
done
$B mount -t tmpfs t /tmp 2>/dev/null && echo "mounts: yes" || echo "mounts: no"
$B unshare -U true 2>/dev/null && echo "user namespaces: yes" || echo "user namespaces: no"
"#;

/// Prints the namespaces by number.
const NAMESPACES: &str = r#"
for n in cgroup ipc mnt net pid user uts; do /bin/busybox readlink /proc/self/ns/$n; done
echo looked; exec /bin/busybox sleep 1000000
"#;

/// Those of the machine itself have the numbers of linux/proc_ns.h, except net and mnt.
const THE_MACHINES: [&str; 5] = [
    "ipc:[4026531839]",
    "uts:[4026531838]",
    "user:[4026531837]",
    "pid:[4026531836]",
    "cgroup:[4026531835]",
];

fn boot() -> anyhow::Result<Vm> {
    let look = format!("{LOOK}\necho looked; exec /bin/busybox sleep 1000000");
    MachineBuilder::with(&["log", "gateway"])?
        .shell_service("look", &look, "")
        .shell_service("one", NAMESPACES, "")
        .shell_service("two", NAMESPACES, "")
        .boot()
}

#[test]
fn a_restricted_service_sees_the_golden_list_and_shares_no_namespace() {
    let vm = boot().unwrap();
    let seen = vm.log_until("look", "looked").unwrap();
    // `-- started --` is the machine's note, not the service's word.
    let own = seen.iter().filter(|line| !line.starts_with("-- "));
    let seen: String = own.map(|line| format!("{line}\n")).collect();
    assert_eq!(seen, GOLDEN, "\n--- seen:\n{seen}");

    let one = vm.log_until("one", "looked").unwrap();
    let two = vm.log_until("two", "looked").unwrap();
    let all = one.iter().chain(&two);
    let all: BTreeSet<&String> = all.filter(|line| !line.starts_with("-- ")).collect();
    assert_eq!(all.len(), 14, "{all:?}");
    for namespace in all {
        assert!(!THE_MACHINES.contains(&namespace.as_str()), "{namespace}");
    }
}
