//! Launches on the running kernel, as root: what a container sees of itself, what it tries and must
//! not get, and what a person reads when a launch fails.

#[cfg(test)]
mod devices;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod ground;

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use nix::sys::wait::WaitStatus;

use orlop_container::launch::LaunchError;
use orlop_container::namespaces::{Holder, NamespaceError, NamespaceSpec};
use orlop_container::plan::FileBind;

use ground::{Trial, field, ground, pipe_with, volume};

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
fn a_low_port_needs_no_capability() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "user = \"probe\"",
        "nc -l -p 80 -e echo hello & until nc 127.0.0.1 80 </dev/null 2>/dev/null; do :; done",
    );
    assert_eq!(trial.run(ground).unwrap().output, "hello\n");
}

#[test]
fn the_machines_network_shows_in_sys_and_stays_read_only() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "network_mode = \"host\"",
        "echo net $(readlink /proc/self/ns/net); touch /sys/kernel/x 2>/dev/null && echo WRITABLE; ls /sys/class/net; cat /proc/self/uid_map",
    );
    let output = trial.run(ground).unwrap().output;
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert!(
        output.contains(ours.to_str().unwrap()) && !output.contains("WRITABLE"),
        "{output}"
    );
    assert!(output.contains(&trial.base.to_string()), "{output}");
}

#[test]
fn the_machines_user_namespace_maps_nothing() {
    let Some(ground) = ground() else { return };
    let output = Trial::shell(
        "userns_mode = \"host\"",
        "cat /proc/self/uid_map /proc/self/status; touch /x /sys/x",
    )
    .run(ground)
    .unwrap()
    .output;
    assert!(
        output.lines().next().unwrap().ends_with("4294967295"),
        "{output}"
    );
    assert_eq!(field(&output, "CapEff"), "0000000000000000");
    assert!(output.contains("/x: Read-only file system"), "{output}");
}

#[test]
fn privileged_has_no_filter_and_the_machines_devices() {
    let Some(ground) = ground() else { return };
    // SYS_RESOURCE: the tests' own machine may not have it to give.
    let output = Trial::shell(
        "isolation = \"privileged\"\ncap_drop = [\"SYS_RESOURCE\"]",
        "cat /proc/self/status; ls /dev; unshare -m true && echo unshared; echo w > /etc/x && echo written",
    )
    .run(ground)
    .unwrap()
    .output;
    assert_eq!(field(&output, "Seccomp"), "0");
    assert_eq!(field(&output, "CapEff"), "000001fffeffffff");
    assert_eq!(field(&output, "NoNewPrivs"), "0");
    assert!(
        output.contains("unshared")
            && output.contains("written")
            && output.contains("loop-control"),
        "{output}"
    );
}

#[test]
fn a_user_who_is_not_root_holds_granted_capabilities_as_ambient() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "user = \"probe\"\ncap_add = [\"NET_ADMIN\"]",
        "cat /proc/self/status; ip link add d type dummy; ip link set lo down && echo down",
    );
    let output = trial.run(ground).unwrap().output;
    for key in ["CapEff", "CapPrm", "CapBnd", "CapAmb"] {
        assert_eq!(field(&output, key), "0000000000001000", "{key}");
    }
    assert!(output.contains("down"), "{output}");
}

#[test]
fn passed_sockets_are_the_only_further_descriptors() {
    let Some(ground) = ground() else { return };
    let (one, two) = (pipe_with(b"first\n"), pipe_with(b"second\n"));
    let mut trial = Trial::shell(
        "",
        "read a <&3; read b <&4; echo $a $b $LISTEN_FDS $LISTEN_FDNAMES $LISTEN_PID; exec ls /proc/self/fd",
    );
    trial.listen = vec![
        ("one".to_owned(), one.as_fd()),
        ("two".to_owned(), two.as_fd()),
    ];
    let output = trial.run(ground).unwrap().output;
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], "first second 2 one:two 1");
    // 5 is what ls has open itself.
    assert_eq!(lines[1..], ["0", "1", "2", "3", "4", "5"], "{output}");
}

#[test]
fn the_readiness_pipe_has_its_number_and_ends_with_the_service() {
    let Some(ground) = ground() else { return };
    let socket = pipe_with(b"socket\n");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut trial = Trial::shell(
        "",
        "read a <&3; echo $a; echo >&7; exec 7>&-; exec ls /proc/self/fd",
    );
    trial.listen = vec![("one".to_owned(), socket.as_fd())];
    trial.ready = Some((7, writer.as_fd()));
    let output = trial.run(ground).unwrap().output;
    let lines: Vec<_> = output.lines().collect();
    // 4 is what ls has open itself: nothing lies between the socket and the pipe.
    assert_eq!(lines, ["socket", "0", "1", "2", "3", "4"], "{output}");
    drop(trial);
    drop(writer);
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut said).unwrap();
    assert_eq!(said, b"\n");
}

#[test]
fn the_notify_socket_takes_what_the_services_user_says() {
    let Some(ground) = ground() else { return };
    let path = volume(ground, "notify").join("web.sock");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .unwrap();
    // Busybox has no datagram client: what is shown is the socket, who may write it, and the words.
    let mut trial = Trial::shell(
        "user = \"probe\"",
        "echo $NOTIFY_SOCKET $WATCHDOG_USEC $WATCHDOG_PID; test -S $NOTIFY_SOCKET && echo socket; \
         test -w $NOTIFY_SOCKET && echo writable; rm $NOTIFY_SOCKET 2>/dev/null || echo stays",
    );
    std::os::unix::fs::chown(&path, Some(trial.base + 100), Some(trial.base + 101)).unwrap();
    trial.notify_socket = Some(path);
    let output = trial.run(ground).unwrap().output;
    assert_eq!(
        output,
        "/run/orlop/notify.sock 20000000\nsocket\nwritable\nstays\n"
    );
}

#[test]
fn a_failed_launch_is_one_sentence_with_a_remedy() {
    let Some(ground) = ground() else { return };
    for (manifest, sentence) in [
        (
            "command = [\"/bin/nginx\"]",
            ": executing /bin/nginx: ENOENT (the image \"probe\" has no such file, or not the interpreter that it names; list its package in build.debian or the file in build.files)",
        ),
        (
            "command = [\"nginx\", \"-g\"]",
            ": executing nginx: ENOENT (the image \"probe\" has no such program in PATH; write its absolute path or add its package to build.debian)",
        ),
        (
            "command = [\"/bin/not-executable\"]",
            ": executing /bin/not-executable: EACCES (in the image \"probe\" it is not executable by this user; check its mode and `user`)",
        ),
        (
            "command = [\"/bin/sh\"]\nworking_dir = \"/srv\"",
            ": entering the working directory /srv: ENOENT (the image \"probe\" has no such directory; list it in build.directories or change working_dir)",
        ),
        (
            "command = [\"/bin/sh\"]\ntmpfs = [\"/var/cache/web\"]",
            ": mounting tmpfs on /var/cache/web: ENOENT (the image \"probe\" has no /var/cache/web, and is read-only; create it by build.directories)",
        ),
        (
            "command = [\"/bin/sh\"]\nimage = \"evil\"",
            ": mounting proc on /proc: ELOOP (it is a symbolic link in the image \"evil\", which is refused)",
        ),
        (
            "command = [\"/bin/sh\"]\ndevices = [\"/dev/absent\"]",
            ": making /dev/absent from the machine's /dev/absent: ENOENT (the machine does not have it)",
        ),
    ] {
        let error = Trial::new(manifest).run(ground).unwrap_err();
        assert!(
            error.starts_with("trial") && error.ends_with(sentence),
            "{error}"
        );
    }
}

#[test]
fn a_volume_that_is_not_there_is_named_with_its_remedy() {
    let Some(ground) = ground() else { return };
    let absent = ground.state.join("volumes/absent");
    let trial = Trial::shell("", "").volume(&absent, "/volume", false);
    let error = trial.run(ground).unwrap_err();
    let sentence =
        ": mounting volume \"data\" on /volume: ENOENT (declare it under [volumes] in system.toml)";
    assert!(error.ends_with(sentence), "{error}");
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
fn the_control_socket_and_further_files_are_there_and_read_only() {
    let Some(ground) = ground() else { return };
    let socket = ground.state.join("control.sock");
    let _ = fs::remove_file(&socket);
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let hosts = ground.state.join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    // Anybody could write it, were it not for the mount.
    fs::set_permissions(&hosts, PermissionsExt::from_mode(0o666)).unwrap();
    let mut trial = Trial::shell(
        "user = \"probe\"",
        "[ -S /run/orlop/control.sock ] && [ -w /run/orlop/control.sock ] && echo socket; \
         cat /etc/group; echo x >> /etc/group; ls /etc",
    );
    std::os::unix::fs::chown(&socket, Some(trial.base + 100), None).unwrap();
    trial.control_socket = Some(socket);
    let bind = |target: &str| FileBind {
        source: hosts.clone(),
        target: target.into(),
        required: false,
    };
    trial.file_binds = vec![bind("/etc/group"), bind("/etc/absent")];
    let output = trial.run(ground).unwrap().output;
    assert!(
        output.starts_with("socket\n127.0.0.1 localhost\n"),
        "{output}"
    );
    assert!(
        output.contains("/etc/group: Read-only file system") && !output.contains("absent"),
        "{output}"
    );
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

#[test]
fn an_id_map_that_the_kernel_refuses_is_named() {
    let Some(ground) = ground() else { return };
    let spec = NamespaceSpec {
        id_base: Some(u32::MAX - 5),
        network: true,
    };
    let error = Holder::start(spec, ground.proc()).unwrap_err();
    assert_eq!(
        error,
        NamespaceError::Map {
            file: "uid_map",
            source: nix::errno::Errno::EINVAL
        }
    );
}

/// The tests' own program stands for the multi-call one: it takes what follows `--` as names of
/// tests, of which it has none such.
#[test]
fn init_is_executed_from_the_descriptor() {
    let Some(ground) = ground() else { return };
    if !cfg!(target_env = "musl") {
        eprintln!("SKIPPED: needs a static test program (the musl target)");
        return;
    }
    let program = fs::File::open("/proc/self/exe").unwrap();
    let program = orlop_sys::memfd::sealed_copy(c"init", program.as_fd()).unwrap();
    let mut trial = Trial::new("command = [\"no-such-test\"]\ninit = true");
    trial.init_program = Some(program.as_fd());
    let output = trial.run(ground).unwrap().output;
    assert!(output.contains("running 0 tests"), "{output}");
}

#[test]
fn baseline_holds_dockers_capabilities_in_its_own_user_namespace() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "isolation = \"baseline\"",
        "cat /proc/self/status /proc/self/uid_map; echo x > /etc/x && echo written",
    );
    let output = trial.run(ground).unwrap().output;
    for key in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(field(&output, key), "00000000a80425fb", "{key}");
    }
    assert_eq!(field(&output, "CapInh"), "0000000000000000");
    assert_eq!(field(&output, "Seccomp"), "2");
    assert!(
        output.contains(&trial.base.to_string()) && output.contains("written"),
        "{output}"
    );
}

#[test]
fn a_clone_that_fails_leaves_nothing() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell("", "");
    let kept = trial.namespaces(ground);
    let not_a_cgroup = fs::File::open("/").unwrap();
    let error = trial
        .start(ground, &kept, not_a_cgroup.as_fd())
        .unwrap_err();
    assert_eq!(error, LaunchError::Clone(nix::errno::Errno::EBADF));
}
