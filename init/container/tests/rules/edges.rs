//! Runtime edge cases 52–70 that need no feature of their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use crate::attack::{ground, open_tmpfs, output, own_mounts};
use crate::ground::{Trial, field, volume};

fn machine_mounts() -> String {
    fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
}

#[test]
fn edge_52_58_parallel_short_lives_leave_nothing_and_none_hangs() {
    let ground = ground();
    let before = machine_mounts();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let trial =
                        Trial::shell("read_only = false\ntmpfs = [\"/var/lib/probe\"]", "true");
                    trial.run(ground).unwrap();
                }
            });
        }
    });
    assert_eq!(machine_mounts(), before);
}

/// Shared mounts, as systemd leaves them, are where mounts leak from a child to everybody.
#[test]
fn edge_53_with_a_thousand_shared_mounts_nothing_leaks() {
    let ground = ground();
    own_mounts();
    let place = ground.state.join("thousand");
    fs::create_dir_all(&place).unwrap();
    open_tmpfs(place.to_str().unwrap());
    for number in 0..1000 {
        let one = place.join(number.to_string());
        fs::create_dir(&one).unwrap();
        open_tmpfs(one.to_str().unwrap());
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SHARED, none).unwrap();
    let before = machine_mounts();
    let seen = output(&Trial::shell("", "cat /proc/self/mountinfo"));
    assert!(!seen.contains("thousand"), "{seen}");
    assert!(seen.lines().count() < 40, "{seen}");
    assert_eq!(machine_mounts(), before);
}

#[test]
fn edge_54_modes_and_options_are_what_was_asked_for() {
    let data = volume(ground(), "edge54");
    let script = "stat -c '%a %n' /proc /sys /dev /dev/shm /dev/mqueue /dev/pts /tmp /run /t /var/lib/probe /own; \
        echo x > /volume/file && echo writable; cp /bin/busybox /volume/ && /volume/busybox echo executable; \
        mount | grep ' /sys '";
    let keys = "tmpfs = [\"/own:mode=0700,size=1m\", \"/t\"]\nread_only = false";
    let seen = output(&Trial::shell(keys, script).volume(&data, "/volume", false));
    let expected = "555 /proc\n555 /sys\n755 /dev\n1777 /dev/shm\n1777 /dev/mqueue\n755 /dev/pts\n\
        755 /tmp\n755 /run\n1777 /t\n755 /var/lib/probe\n700 /own\nwritable\nexecutable\n";
    assert!(seen.starts_with(expected), "{seen}");
    assert!(seen.contains(" on /sys type sysfs (ro,"), "{seen}");
}

#[test]
fn edge_56_a_source_that_is_read_only_stays_so() {
    let ground = ground();
    own_mounts();
    let data = volume(ground, "edge56");
    fs::write(data.join("kept"), "").unwrap();
    let none = None::<&str>;
    mount(Some(&data), &data, none, MsFlags::MS_BIND, none).unwrap();
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(none, &data, none, flags, none).unwrap();
    let trial = Trial::shell("", "echo x > /volume/x").volume(&data, "/volume", true);
    assert!(output(&trial).contains("Read-only file system"));
    // Asked to be writable: it is, or the launch fails (rule R18).
    let trial = Trial::shell("", "echo ran").volume(&data, "/volume", false);
    let refused = trial.run(ground).unwrap_err();
    assert!(
        refused.ends_with(
            "on /volume: EROFS (what it lies on is read-only; write `:ro`, or look why)"
        ),
        "{refused}"
    );
}

/// The outer half: the tests' own program, started by a caller with odd ways.
#[test]
fn edge_63_the_callers_signals_umask_and_descriptors_change_nothing() {
    let odd = "trap '' CHLD HUP PIPE TERM; umask 0777; exec 9</etc/passwd 8</; exec \"$@\"";
    let program = std::env::current_exe().unwrap();
    let ended = Command::new("/bin/sh")
        .args(["-c", odd, "sh"])
        .arg(program)
        .args(["--exact", "--ignored", "edges::edge_63_inner"])
        .env("ORLOP_TEST_STATE", ground().state.join("odd"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[test]
#[ignore = "run by edge_63, under a caller with odd ways"]
fn edge_63_inner() {
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).unwrap();
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let ground = ground();
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o777));
    let script = "cat /proc/self/status; umask; ls /proc/self/fd; echo x > /tmp/x; stat -c %a /tmp/x /dev /var/lib/probe/d";
    let trial = Trial::shell(
        "read_only = false\ntmpfs = [\"/var/lib/probe/d:mode=0750\"]",
        script,
    );
    let seen = trial.run(ground).unwrap().output;
    for key in ["SigBlk", "SigIgn"] {
        assert_eq!(field(&seen, key), "0000000000000000", "{seen}");
    }
    assert!(
        seen.ends_with("0022\n0\n1\n2\n3\n644\n755\n750\n"),
        "{seen}"
    );
}

#[test]
fn edge_69_what_cannot_be_granted_fails_the_start_by_name() {
    let ground = ground();
    let before = machine_mounts();
    let trial = Trial::shell(
        "devices = [\"/dev/zero:/dev/more\", \"/dev/no-such-device\"]",
        "true",
    );
    let refused = trial.run(ground).unwrap_err();
    let sentence = "making /dev/no-such-device from the machine's /dev/no-such-device: ENOENT (the machine does not have it)";
    assert!(refused.ends_with(sentence), "{refused}");
    assert_eq!(machine_mounts(), before);
    assert_eq!(fs::metadata("/dev/zero").unwrap().uid(), 0);
}

/// A map of the same numbers is still a user namespace of its own: nothing of the machine's is held.
#[test]
fn edge_70_an_identity_map_is_not_the_machines_user_namespace() {
    let ground = ground();
    let data = volume(ground, "edge70");
    let script = "cat /proc/self/uid_map; readlink /proc/self/ns/user; mount -t tmpfs t /tmp && echo mounted; \
        mknod /tmp/n c 1 3; mount -o remount,bind,rw / && echo UNDONE; echo x > /volume/x && echo written";
    let mut trial = Trial::shell("cap_add = [\"SYS_ADMIN\", \"MKNOD\"]", script);
    trial.base = 0;
    let seen = output(&trial.volume(&data, "/volume", false));
    let ours = fs::read_link("/proc/self/ns/user").unwrap();
    assert!(
        seen.starts_with("         0          0      65536\n"),
        "{seen}"
    );
    assert!(!seen.contains(ours.to_str().unwrap()), "{seen}");
    assert!(
        seen.contains("mounted") && seen.contains("written"),
        "{seen}"
    );
    assert!(
        !seen.contains("UNDONE") && seen.contains("mknod: /tmp/n: Operation not permitted"),
        "{seen}"
    );
}
