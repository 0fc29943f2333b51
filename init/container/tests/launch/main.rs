//! Launches on the running kernel, as root: what a container sees of itself, and what it tries and
//! must not get.

#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod privileges;

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sys::wait::WaitStatus;

use ground::{Trial, field, ground, volume};

#[test]
fn a_restricted_service_sees_only_itself() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "hostname = \"probe-host\"\nuser = \"probe\"",
        "cat /proc/self/status /proc/self/uid_map /proc/self/gid_map; hostname; echo pid $$; \
         for n in pid mnt net ipc uts cgroup user; do echo ns-$n $(readlink /proc/self/ns/$n); done; \
         echo cgroup $(cat /proc/self/cgroup); echo links $(ls /sys/class/net); id; pwd; env; \
         cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /proc/self/oom_score_adj; umask; \
         ulimit -n; ulimit -c",
    );
    let ended = trial.run(ground).unwrap();
    let output = ended.output.as_str();
    for (key, value) in [
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("SigIgn", "0000000000000000"),
        ("SigBlk", "0000000000000000"),
        ("Groups", "101"),
    ] {
        assert_eq!(field(output, key), value, "{key} in:\n{output}");
    }
    let words: Vec<_> = output
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        format!("0 {} 65536", trial.base).as_str(),
        "probe-host",
        "pid 1",
        "cgroup 0::/",
        "links lo",
        "uid=100(probe) gid=101(probe) groups=101(probe)",
        "HOME=/var/lib/probe",
        "0022",
        "1024",
        "0",
    ] {
        // A host with cgroup v1 hierarchies beside lists those too.
        let found = words
            .iter()
            .any(|word| word == line || line == "cgroup 0::/" && word.contains("0::/"));
        assert!(found, "{line:?} in:\n{output}");
    }
    for name in ["pid", "mnt", "net", "ipc", "uts", "cgroup", "user"] {
        let ours = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert!(output.contains(&format!("ns-{name} {name}:")), "{output}");
        assert!(
            !output.contains(ours.to_str().unwrap()),
            "shares {name}:\n{output}"
        );
    }
}

#[test]
fn the_root_is_read_only_and_dev_holds_fresh_nodes() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "devices = [\"/dev/zero:/dev/deep/grant:r\"]",
        "for p in / /etc /dev /sys /proc/sys/kernel /sys/fs/cgroup; do touch $p/x 2>/dev/null && echo WRITABLE $p; done; \
         for p in /run /tmp /dev/shm; do touch $p/x && echo writable $p; done; \
         ls -ln /dev /dev/deep; cat /proc/kcore /proc/keys | wc -c; ls /sys/firmware | wc -l; \
         head -c 3 /dev/deep/grant | wc -c; echo x >/dev/null && echo null-works; ls /proc/self/fd; \
         mknod /tmp/n c 1 3; unshare -m true; mount -t tmpfs x /tmp; cat /proc/mounts; echo end",
    );
    let ended = trial.run(ground).unwrap();
    let output = ended.output.as_str();
    assert!(!output.contains("WRITABLE"), "{output}");
    for line in [
        "writable /run",
        "writable /tmp",
        "writable /dev/shm",
        "null-works",
        "end",
    ] {
        assert!(
            output.lines().any(|found| found == line),
            "{line:?} in:\n{output}"
        );
    }
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let node = output
            .lines()
            .find(|line| line.starts_with("crw-rw-rw-") && line.ends_with(&format!(" {name}")));
        let owner: Vec<_> = node
            .unwrap_or_else(|| panic!("{name}:\n{output}"))
            .split_whitespace()
            .collect();
        assert_eq!(owner[2..4], ["0", "0"], "{output}");
    }
    assert!(
        output
            .lines()
            .any(|line| line.starts_with("cr--r-----") && line.ends_with("grant")),
        "{output}"
    );
    for refused in [
        "mknod: /tmp/n: Operation not permitted",
        "unshare",
        "mount: permission denied",
    ] {
        assert!(output.contains(refused), "{refused:?} in:\n{output}");
    }
    let root = output
        .lines()
        .find(|line| line.split(' ').nth(1) == Some("/"))
        .unwrap();
    assert!(
        root.split(' ')
            .nth(3)
            .unwrap()
            .starts_with("ro,nosuid,nodev"),
        "{root}"
    );
    // Only what a container is given: no mount of the machine's is left.
    let known = ["/", "/proc", "/sys", "/dev", "/run", "/tmp"];
    for line in output
        .lines()
        .filter(|line| line.split(' ').count() == 6 && line.ends_with(" 0 0"))
    {
        let target = line.split(' ').nth(1).unwrap();
        let inside = ["/proc/", "/sys/", "/dev/"]
            .iter()
            .any(|prefix| target.starts_with(prefix));
        assert!(known.contains(&target) || inside, "{line}");
    }
}

#[test]
fn r23_sys_admin_cannot_undo_a_mount() {
    let Some(ground) = ground() else { return };
    let kept = volume(ground, "r23");
    let trial = Trial::shell(
        "cap_add = [\"SYS_ADMIN\"]",
        "grep CapEff /proc/self/status; \
         for p in / /volume /dev /sys /sys/fs/cgroup /proc/sys /proc/bus; do \
           mount -o remount,bind,rw $p 2>/dev/null && echo UNDONE rw $p; \
           mount -o remount,bind,ro,suid,dev,exec $p 2>/dev/null && echo UNDONE flags $p; \
           touch $p/x 2>/dev/null && echo UNDONE write $p; done; \
         for p in /proc/keys /proc/kcore /proc/sys /sys/firmware /dev /volume /sys/fs/cgroup; do \
           umount $p 2>/dev/null && echo UNDONE umount $p; \
           umount -l $p 2>/dev/null && echo UNDONE lazy $p; done; \
         mount -t tmpfs own /tmp && echo its-own-mount-works; echo end",
    )
    .volume(&kept, "/volume", true);
    let ended = trial.run(ground).unwrap();
    let output = ended.output.as_str();
    assert_eq!(field(output, "CapEff"), "0000000000200000");
    assert!(!output.contains("UNDONE"), "{output}");
    assert!(
        output.contains("its-own-mount-works") && output.contains("end"),
        "{output}"
    );
}

#[test]
fn a_volume_maps_owners_and_starts_as_the_directory_that_it_covers() {
    let Some(ground) = ground() else { return };
    let data = volume(ground, "data");
    let trial = Trial::shell(
        "user = \"probe\"",
        "echo kept > /var/lib/probe/file && ls -ln /var/lib/probe",
    )
    .volume(&data, "/var/lib/probe", false);
    let ended = trial.run(ground).unwrap();
    assert!(
        ended.output.contains(" 100 ") && ended.output.contains("file"),
        "{}",
        ended.output
    );
    let file = fs::metadata(data.join("file")).unwrap();
    assert_eq!(
        (file.uid(), file.gid()),
        (100, 101),
        "on the disk: ids as the container sees them"
    );
    let root = fs::metadata(&data).unwrap();
    assert_eq!((root.uid(), root.gid()), (100, 101));
    // Another base, the same disk: the owner is the same.
    let again = Trial::shell(
        "user = \"probe\"",
        "echo more >> /var/lib/probe/file && cat /var/lib/probe/file",
    )
    .volume(&data, "/var/lib/probe", false);
    assert_ne!(again.base, trial.base);
    assert_eq!(again.run(ground).unwrap().output, "kept\nmore\n");
}

#[test]
fn a_writable_root_is_a_layer_that_ends_with_the_launch() {
    let Some(ground) = ground() else { return };
    let script = "cat /etc/added 2>/dev/null; echo new > /etc/added && rm /etc/group && ls -ln / /etc && \
                  touch /proc/sys/x 2>/dev/null || echo end";
    for _ in 0..2 {
        let ended = Trial::shell("read_only = false", script)
            .run(ground)
            .unwrap();
        assert!(
            ended.output.contains("end") && !ended.output.contains("new"),
            "{}",
            ended.output
        );
        // proc and sysfs belong to the machine's root, which has no id here.
        let foreign = ended
            .output
            .lines()
            .filter(|line| line.contains("65534"))
            .count();
        assert_eq!(foreign, 2, "an owner is not mapped:\n{}", ended.output);
    }
    assert!(ground.images.join("probe/etc/group").exists());
}

#[test]
fn namespaces_outlive_a_restart() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "",
        "readlink /proc/self/ns/net; readlink /proc/self/ns/user; exit 7",
    );
    let kept = trial.namespaces(ground);
    let cgroup = trial.cgroup(ground);
    let first = trial.run_in(ground, &kept, &cgroup).unwrap();
    let second = trial.run_in(ground, &kept, &cgroup).unwrap();
    cgroup.remove().unwrap();
    assert_eq!(first.output, second.output);
    assert!(
        matches!(second.status, WaitStatus::Exited(_, 7)),
        "{second:?}"
    );
    assert!(first.output.contains("net:") && first.output.contains("user:"));
}

#[test]
fn a_cgroup_kills_all_and_goes_with_nested_ones() {
    let Some(ground) = ground() else { return };
    let cgroup = Trial::shell("", "").cgroup(ground);
    assert!(!cgroup.is_populated().unwrap());
    let nested = cgroup.path().join("nested/deep");
    fs::create_dir_all(&nested).unwrap();
    let mut child = std::process::Command::new("/bin/busybox")
        .args(["sleep", "600"])
        .spawn()
        .unwrap();
    fs::write(nested.join("cgroup.procs"), child.id().to_string()).unwrap();
    assert!(cgroup.is_populated().unwrap());
    assert!(cgroup.remove().is_err());
    cgroup.kill().unwrap();
    child.wait().unwrap();
    assert!(!cgroup.is_populated().unwrap());
    cgroup.remove().unwrap();
    assert!(!cgroup.path().exists());
}

#[test]
fn limits_are_written() {
    let Some(ground) = ground() else { return };
    if !ground.has_controllers() {
        eprintln!("SKIPPED: this machine's cgroup v2 has no controllers");
        return;
    }
    let trial =
        Trial::new("command = [\"/bin/sh\"]\nmem_limit = \"32m\"\ncpus = 0.5\npids_limit = 10");
    let cgroup = trial.cgroup(ground);
    let read = |file: &str| fs::read_to_string(cgroup.path().join(file)).unwrap();
    assert_eq!(read("memory.max"), "33554432\n");
    assert_eq!(read("memory.oom.group"), "1\n");
    assert_eq!(read("cpu.max"), "50000 100000\n");
    assert_eq!(read("pids.max"), "10\n");
    cgroup.remove().unwrap();
}
