//! What a person reads when a launch fails, and that a failure leaves nothing.

use std::fs;
use std::os::fd::AsFd;

use orlop_container::launch::LaunchError;
use orlop_container::namespaces::{Holder, NamespaceError, NamespaceSpec};

use crate::ground::{Trial, ground};

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
