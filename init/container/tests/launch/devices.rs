//! The device filter on the running kernel: what it stops, that nothing else does, and that it is
//! replaced without a gap.

use std::fs;
use std::os::fd::AsFd;
use std::process::Command;

use orlop_container::devices::{DeviceError, DeviceFilter, DeviceKind, DeviceRule, DeviceRules};
use orlop_sys::bpf::count_device_filters;

use super::ground::{Trial, end, ground};

/// Root with Docker's capabilities, in the machine's user namespace: nobody else may make nodes.
const MIGHTY: &str = "isolation = \"baseline\"\nuserns_mode = \"host\"\n";

#[test]
fn r19_a_node_of_what_was_not_granted_cannot_be_made() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(MIGHTY, "mknod /etc/kmsg c 1 11 && echo MADE; echo end");
    let filtered = trial.run(ground).unwrap().output;
    assert!(
        !filtered.contains("MADE") && filtered.contains("end"),
        "{filtered}"
    );
    let (kept, cgroup) = (trial.namespaces(ground), trial.unfiltered_cgroup(ground));
    let open = trial.run_in(ground, &kept, &cgroup).unwrap().output;
    end(&cgroup);
    assert!(
        open.contains("MADE"),
        "the attack itself does not work: {open}"
    );
}

#[test]
fn a_device_granted_for_reading_is_not_written_whoever_is_root() {
    let Some(ground) = ground() else { return };
    // Devices that are there everywhere and that root opens both ways.
    let device = ["/dev/loop-control", "/dev/fuse", "/dev/net/tun"]
        .into_iter()
        .find(|device| fs::exists(device).unwrap())
        .unwrap();
    let keys = format!("{MIGHTY}devices = [\"{device}:/dev/grant:r\"]");
    let script = "exec 3</dev/grant && echo READ; (exec 3>/dev/grant) && echo WRITTEN; echo end";
    let trial = Trial::shell(&keys, script);
    let filtered = trial.run(ground).unwrap().output;
    assert!(
        filtered.contains("READ") && !filtered.contains("WRITTEN"),
        "{filtered}"
    );
    assert!(filtered.contains("end"), "{filtered}");
    let (kept, cgroup) = (trial.namespaces(ground), trial.unfiltered_cgroup(ground));
    let open = trial.run_in(ground, &kept, &cgroup).unwrap().output;
    end(&cgroup);
    assert!(
        open.contains("WRITTEN"),
        "the attack itself does not work: {open}"
    );
}

#[test]
fn privileged_services_have_no_filter() {
    let Some(ground) = ground() else { return };
    let count = |keys: &str| {
        let cgroup = Trial::shell(keys, "true").cgroup(ground);
        let count = count_device_filters(cgroup.as_fd()).unwrap();
        end(&cgroup);
        count
    };
    assert_eq!(count("isolation = \"privileged\""), 0);
    assert_eq!(count("isolation = \"baseline\""), 1);
    assert_eq!(count(""), 1);
}

/// One more rule than the default.
fn more(minor: u32) -> DeviceRules {
    let mut rules = DeviceRules::default();
    let rule = DeviceRule {
        kind: DeviceKind::Character,
        major: 10,
        minor: Some(minor),
    };
    rules.grant(rule, true, false);
    rules
}

#[test]
fn edge_51_a_thousand_updates_take_one_slot_and_null_is_never_denied() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell("", "true");
    let cgroup = trial.cgroup(ground);
    let flag = ground.state.join("edge51");
    fs::write(&flag, "").unwrap();
    let script = "echo $$ > \"$1/cgroup.procs\"; echo 1; \
        while [ -e \"$0\" ]; do : </dev/null >/dev/null || exit 9; done";
    let mut user = Command::new("/bin/busybox")
        .args(["sh", "-c", script])
        .args([&flag, cgroup.path()])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It is inside, and busy.
    let mut ready = [0; 2];
    std::io::Read::read_exact(user.stdout.as_mut().unwrap(), &mut ready).unwrap();
    for round in 0..1000 {
        cgroup.restrict_devices(&more(round % 7)).unwrap();
        assert_eq!(count_device_filters(cgroup.as_fd()), Ok(1), "round {round}");
    }
    fs::remove_file(&flag).unwrap();
    let status = user.wait().unwrap();
    end(&cgroup);
    assert!(status.success(), "/dev/null was denied: {status}");
}

#[test]
fn r19_a_filter_that_cannot_be_attached_is_an_error_with_a_sentence() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell("", "true");
    let cgroup = trial.unfiltered_cgroup(ground);
    // The kernel has 64 places; these are taken by nobody that Orlop knows.
    let others: Vec<_> = (0..64)
        .map(|minor| DeviceFilter::load(&more(minor)).unwrap())
        .collect();
    for other in &others {
        other.attach(cgroup.as_fd(), None).unwrap();
    }
    let error = cgroup
        .restrict_devices(&DeviceRules::default())
        .unwrap_err();
    let sentence = orlop_sys::error::chain(&error);
    end(&cgroup);
    assert!(
        sentence.ends_with("to the cgroup (at most 64, if those above allow any): E2BIG"),
        "{sentence}"
    );
    let null = fs::File::open("/dev/null").unwrap();
    let error = others[0].attach(null.as_fd(), None).unwrap_err();
    assert_eq!(error, DeviceError::Attach(nix::errno::Errno::EBADF));
}
