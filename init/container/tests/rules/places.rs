//! Where mounts land, and what holds them there.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use orlop_container::namespaces::{Holder, NamespaceSpec};
use orlop_container::private_proc::PrivateProc;
use orlop_container::weaken::{Rule, without};
use orlop_sys::mount_api::{MountFlags, clone_tree, restrict};

use crate::attack::{bind, ground, intruder, open_tmpfs, output, outside, own_mounts};
use crate::ground::{Trial, reap, volume};

#[test]
fn r04_masks_only_with_a_verified_null() {
    let ground = ground();
    let planted = ground.state.join("planted");
    fs::write(&planted, "planted\n").unwrap();
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o666)).unwrap();
    own_mounts();
    bind(&planted, "/dev/null");
    let trial = Trial::shell("", "cat /proc/interrupts; echo owned > /proc/interrupts");
    let refused = trial.run(ground).unwrap_err();
    assert!(
        refused.ends_with("opening the machine's /dev/null: ENODEV"),
        "{refused}"
    );
    let attacked = without(Rule::R04, || output(&trial));
    assert!(attacked.starts_with("planted\n"), "{attacked}");
    // That the mask is a read-only mount (R22) saves it from being written, too.
    assert_eq!(fs::read_to_string(&planted).unwrap(), "planted\n");
}

#[test]
fn r06_writes_to_proc_cannot_be_redirected() {
    own_mounts();
    open_tmpfs("/proc/sys");
    fs::create_dir_all("/proc/sys/net/ipv4").unwrap();
    for file in ["ip_unprivileged_port_start", "ping_group_range"] {
        let file = Path::new("/proc/sys/net/ipv4").join(file);
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    }
    let redirected =
        || fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let make = || {
        let spec = NamespaceSpec {
            id_base: Some(900_000),
            network: true,
        };
        let holder = Holder::start(spec, &PrivateProc::open().unwrap()).unwrap();
        reap(&holder).unwrap();
    };
    make();
    assert_eq!(redirected(), "");
    without(Rule::R06, make);
    assert_eq!(redirected(), "0");
}

#[test]
fn r07_a_link_of_the_image_leads_nowhere_outside() {
    let ground = ground();
    let made = outside(ground).join("made");
    let trial = Trial::shell("tmpfs = [\"/link/made\"]", "true");
    let refused = trial.run(ground).unwrap_err();
    assert!(
        refused.contains("mounting tmpfs on /link/made: ENOENT"),
        "{refused}"
    );
    assert!(!made.exists());
    without(Rule::R07, || trial.run(ground)).unwrap();
    assert!(
        made.is_dir(),
        "the machine got a directory of the image's choice"
    );
}

#[test]
fn r07_edge_55_proc_sys_and_dev_are_no_links() {
    let ground = ground();
    let trial = Trial::shell("image = \"evil\"", "cat /proc/self/status; echo ran");
    let refused = trial.run(ground).unwrap_err();
    assert!(
        refused.contains("mounting proc on /proc: ELOOP"),
        "{refused}"
    );
    // It lands on the machine's /tmp: the image decides where.
    let attacked = without(Rule::R07, || output(&trial));
    assert!(
        attacked.contains("ran") && !attacked.contains("Name:"),
        "{attacked}"
    );
}

/// Whoever else writes the volume chose where the mount below it landed.
#[test]
fn r07_a_link_of_a_volume_leads_no_mount_elsewhere() {
    let ground = ground();
    let [shared, own] = ["r07-shared", "r07-own"].map(|name| volume(ground, name));
    fs::write(own.join("passwd"), "of the volume below\n").unwrap();
    let trial = Trial::shell("", "cat /etc/passwd")
        .volume(&shared, "/volume", false)
        .volume(&own, "/volume/x", true);
    fs::create_dir_all(shared.join("x")).unwrap();
    let honest = output(&trial);
    assert!(honest.starts_with("root:"), "{honest}");
    for content in ["../etc", "..", "../proc", "/etc"] {
        let _ = fs::remove_dir(shared.join("x"));
        let _ = fs::remove_file(shared.join("x"));
        symlink(content, shared.join("x")).unwrap();
        let refused = trial.run(ground).unwrap_err();
        assert!(
            refused.ends_with(
                "mounting volume \"data\" on /volume/x: ELOOP (a symbolic link in the volume \"data\" or on the way to it is \
                 refused: who writes it would choose where this lands)"
            ),
            "{refused}"
        );
    }
    fs::remove_file(shared.join("x")).unwrap();
    symlink("../etc", shared.join("x")).unwrap();
    let attacked = without(Rule::R07, || output(&trial));
    assert_eq!(attacked, "of the volume below\n");
}

#[test]
fn r08_a_place_is_resolved_once() {
    let ground = ground();
    let data = volume(ground, "r08");
    fs::write(data.join("kept"), "of the volume\n").unwrap();
    let trial = Trial::shell("read_only = false", "cat /link/kept").volume(&data, "/link", true);
    assert_eq!(output(&trial), "of the volume\n");
    // The second look follows the link on the machine: the volume covers a directory there.
    let attacked = without(Rule::R08, || output(&trial));
    assert_eq!(attacked, "of the image\n");
}

#[test]
fn r18_a_flag_holds_for_every_mount_below() {
    let ground = ground();
    own_mounts();
    open_tmpfs("/sys/kernel/debug");
    let script = "echo x > /sys/kernel/debug/written && echo WRITTEN";
    let trial = Trial::shell("network_mode = \"host\"", script);
    let guarded = trial.run(ground).unwrap().output;
    assert!(guarded.contains("Read-only file system"), "{guarded}");
    let attacked = without(Rule::R18, || trial.run(ground)).unwrap().output;
    assert!(attacked.contains("WRITTEN"), "{attacked}");
}

/// Every way that mount(2), umount(2) and mount_setattr(2) know, on every mount of the container.
#[test]
fn r23_sys_admin_cannot_undo_what_it_was_given() {
    let ground = ground();
    let kept = volume(ground, "r23-rules");
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o777)).unwrap();
    let admin = "cap_add = [\"SYS_ADMIN\"]\ntmpfs = [\"/var/lib/probe\"]";
    let trial = intruder(&["attack", "undo", "all"], admin).volume(&kept, "/volume", true);
    let tried = output(&trial);
    assert!(tried.contains("\nundone: 0 of "), "{tried}");
    assert!(tried.contains("umount /: Invalid argument"), "{tried}");
    assert!(!tried.contains("write /volume: DONE"), "{tried}");
    assert!(
        tried.contains("write /tmp: DONE"),
        "the intruder can write at all: {tried}"
    );
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);

    // The same mount, attached by who is inside already: nothing locks it.
    let tree = clone_tree(AT_FDCWD, &path(&kept), false).unwrap();
    let read_only = MountFlags {
        read_only: true,
        ..MountFlags::default()
    };
    restrict(tree.as_fd(), read_only, None, false).unwrap();
    let mut accomplice = intruder(&["attack", "attach"], "cap_add = [\"SYS_ADMIN\"]");
    accomplice.listen = vec![("tree".to_owned(), tree.as_fd())];
    let attacked = output(&accomplice);
    assert!(
        attacked.contains("setattr /tmp: DONE\nwrite /tmp: DONE"),
        "{attacked}"
    );
    assert!(kept.join("intruder").exists());
}

fn path(path: &Path) -> std::ffi::CString {
    std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap()
}
