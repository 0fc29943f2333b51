//! What a process holds when it starts, and what it can open again.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use orlop_container::weaken::{Rule, without};
use orlop_sys::{fd, memfd};

use crate::attack::{bind, ground, intruder, open_tmpfs, output, outside, own_mounts};
use crate::ground::Trial;

#[test]
fn r01_nothing_that_a_container_can_reopen_is_a_writable_program() {
    let ground = ground();
    let path = ground.state.join("init-program");
    fs::copy(ground.images.join("probe/bin/intruder"), &path).unwrap();
    let run = |program: File| {
        let mut trial = Trial::new("command = [\"x\"]\ninit = true");
        let program = std::os::fd::OwnedFd::from(program);
        trial.init_program = Some(program.as_fd());
        trial.run(ground).map(|_| ())
    };
    // What a container makes of a descriptor of it, as /proc/1/exe gives one.
    let rewrite = |program: &dyn AsFd| {
        let mut trial = intruder(
            &["attack", "rewrite", "/proc/self/fd/3"],
            "isolation = \"privileged\"\ncap_drop = [\"SYS_RESOURCE\"]",
        );
        trial.listen = vec![("program".to_owned(), program.as_fd())];
        output(&trial)
    };
    let refused = run(File::open(&path).unwrap()).unwrap_err();
    assert!(
        refused.contains(": ETXTBSY (it could be written"),
        "{refused}"
    );
    let sealed = memfd::sealed_copy(c"init", File::open(&path).unwrap().as_fd()).unwrap();
    run(File::from(sealed.try_clone().unwrap())).unwrap();
    assert!(!rewrite(&sealed).contains("DONE"));

    without(Rule::R01, || run(File::open(&path).unwrap())).unwrap();
    let done = rewrite(&File::open(&path).unwrap());
    assert!(done.contains("DONE"), "{done}");
    assert!(fs::read(&path).unwrap().starts_with(b"#!/bin/intruder"));
}

#[test]
fn r02_no_descriptor_but_the_planned_ones_survives_exec() {
    let ground = ground();
    let machine = File::open(outside(ground)).unwrap();
    let leaked = fd::duplicate_from(machine.as_fd(), 300).unwrap();
    // As a caller leaks one.
    fcntl(&leaked, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let script = format!(
        "cat /proc/self/fd/{}/secret; ls /proc/self/fd",
        leaked.as_raw_fd()
    );
    let trial = Trial::shell("", &script);
    let guarded = output(&trial);
    assert!(!guarded.contains("the machine's secret"), "{guarded}");
    let attacked = without(Rule::R02, || output(&trial));
    assert!(attacked.contains("the machine's secret"), "{attacked}");
}

#[test]
fn r03_the_working_directory_is_inside() {
    let ground = ground();
    let machine = File::open(outside(ground)).unwrap();
    let held = fd::duplicate_from(machine.as_fd(), 400).unwrap();
    let number = held.as_raw_fd();
    let trial = Trial::shell(
        &format!("working_dir = \"/proc/self/fd/{number}\""),
        "cat secret; cat ../outside/secret",
    );
    let refused = trial.run(ground).unwrap_err();
    let sentence = format!(
        "entering the working directory /proc/self/fd/{number}: EXDEV (it lies outside the container)"
    );
    assert!(refused.ends_with(&sentence), "{refused}");
    let attacked = without(Rule::R03, || output(&trial));
    assert_eq!(
        attacked.matches("the machine's secret").count(),
        2,
        "{attacked}"
    );
}

#[test]
fn r22_a_node_of_the_machine_keeps_its_owner() {
    let ground = ground();
    own_mounts();
    open_tmpfs("/dev/shm");
    let node = "/dev/shm/r22";
    let (kind, mode) = (
        nix::sys::stat::SFlag::S_IFCHR,
        nix::sys::stat::Mode::S_IRWXU,
    );
    nix::sys::stat::mknod(node, kind, mode, libc::makedev(1, 3)).unwrap();
    let trial = Trial::shell(
        "user = \"probe\"\ndevices = [\"/dev/shm/r22:/dev/granted\"]",
        "echo x > /dev/granted && echo granted",
    );
    assert_eq!(trial.run(ground).unwrap().output, "granted\n");
    assert_eq!(fs::metadata(node).unwrap().uid(), 0);
    without(Rule::R22, || trial.run(ground)).unwrap();
    assert_eq!(fs::metadata(node).unwrap().uid(), trial.base + 100);
}

#[test]
fn r22_a_mask_is_no_way_to_the_machines_null() {
    let ground = ground();
    own_mounts();
    open_tmpfs("/dev/shm");
    let (kind, mode) = (
        nix::sys::stat::SFlag::S_IFCHR,
        nix::sys::stat::Mode::from_bits_truncate(0o666),
    );
    let null = "/dev/shm/null";
    nix::sys::stat::mknod(null, kind, mode, libc::makedev(1, 3)).unwrap();
    fs::set_permissions(null, fs::Permissions::from_mode(0o666)).unwrap();
    bind(Path::new(null), "/dev/null");
    // Root of the machine, without a capability: it owns the node.
    let trial = Trial::shell(
        "userns_mode = \"host\"",
        "chmod 600 /proc/keys; chmod 640 /proc/timer_list; echo x > /proc/keys && cat /proc/keys && echo masked",
    );
    let refused = trial.run(ground).unwrap().output;
    assert!(refused.contains("Read-only file system"), "{refused}");
    assert!(refused.ends_with("masked\n"), "{refused}");
    let mode = || fs::metadata(null).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o666);
    without(Rule::R22, || trial.run(ground)).unwrap();
    assert_ne!(mode(), 0o666);
}
