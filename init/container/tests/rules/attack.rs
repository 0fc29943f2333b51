//! What the tests attack with: the intruder's program in the images, places of a thread's own.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use orlop_container::cgroup::Cgroup;
use orlop_container::namespaces::KeptNamespaces;

use crate::ground::{self, Ground, Started, Trial, emptied};

/// The ground with the intruder in its images. Unlike an ordinary test, one of these is never
/// passed over: without root nothing of it would be shown.
pub(crate) fn ground() -> &'static Ground {
    static READY: OnceLock<()> = OnceLock::new();
    let ground = ground::ground().expect("root");
    READY.get_or_init(|| prepare(ground));
    ground
}

fn prepare(ground: &Ground) {
    let outside = outside(ground);
    let _ = fs::remove_dir_all(&outside);
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret"), "the machine's secret\n").unwrap();
    let probe = ground.images.join("probe");
    compile(&probe.join("bin/intruder"));
    fs::copy(
        probe.join("bin/intruder"),
        ground.images.join("guest/bin/intruder"),
    )
    .unwrap();
    let raised = probe.join("bin/raised");
    fs::copy(probe.join("bin/intruder"), &raised).unwrap();
    fs::set_permissions(&raised, fs::Permissions::from_mode(0o4755)).unwrap();
    // A link that leads to the same path inside and outside: what differs is whose root it is.
    symlink(&outside, probe.join("link")).unwrap();
    let inside = probe.join(outside.strip_prefix("/").unwrap());
    fs::create_dir_all(&inside).unwrap();
    fs::write(inside.join("kept"), "of the image\n").unwrap();
    for id in [100, 101] {
        let own = inside.join(id.to_string());
        fs::write(&own, "").unwrap();
        chown(&own, Some(id), Some(id)).unwrap();
    }
}

fn compile(program: &Path) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../qemu-tests/intruder");
    let files = fs::read_dir(&sources)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    let status = Command::new("cc")
        .args(["-static", "-O1", "-w", "-o"])
        .arg(program)
        .args(files)
        .status()
        .expect("a C compiler");
    assert!(status.success(), "compiling {}", sources.display());
}

/// A directory of the machine that no container is given.
pub(crate) fn outside(ground: &Ground) -> PathBuf {
    ground.state.join("outside")
}

/// A service that runs the intruder with these words.
pub(crate) fn intruder<'a>(words: &[&str], keys: &str) -> Trial<'a> {
    Trial::new(&format!(
        "command = {:?}\n{keys}",
        [&["/bin/intruder"], words].concat()
    ))
}

/// A trial that sleeps for ever, once it does.
pub(crate) fn sleeper(trial: &Trial<'_>, kept: &KeptNamespaces, cgroup: &Cgroup) -> Started {
    let mut started = trial.start(ground(), kept, cgroup.as_fd()).unwrap();
    started.output.read_exact(&mut [0]).unwrap();
    started
}

/// Waits for the end of a trial that was killed.
pub(crate) fn end(started: Started, cgroup: &Cgroup) {
    started.end().unwrap();
    emptied(cgroup);
}

/// What a trial that must start printed.
pub(crate) fn output(trial: &Trial<'_>) -> String {
    trial.run(ground()).unwrap().output
}

/// Mounts that the rest of the test sees and nobody else does: they end with the test's thread.
pub(crate) fn own_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, flags, none).unwrap();
}

/// A tmpfs that anybody may write.
pub(crate) fn open_tmpfs(target: &str) {
    mount(
        Some("t"),
        target,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=1777"),
    )
    .unwrap();
}

pub(crate) fn bind(source: &Path, target: &str) {
    let none = None::<&str>;
    mount(Some(source), target, none, MsFlags::MS_BIND, none).unwrap();
}
