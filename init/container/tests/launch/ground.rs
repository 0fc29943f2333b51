//! A machine to launch on: the running kernel, images with one static busybox, a cgroup of its own.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use orlop_config::{Service, ServiceName, SourceFile, Sources, check};
use orlop_container::cgroup::{Cgroup, Controller, enable_controllers, plan_limits};
use orlop_container::devices::DeviceRules;
use orlop_container::launch::{LaunchError, LaunchFds, LaunchOutcome, Launching, launch};
use orlop_container::namespaces::{Holder, KeptNamespaces, NamespaceError, NamespaceSpec};
use orlop_container::plan::{
    FileBind, LaunchInputs, LaunchPlan, Notify, PlanError, ResolvedVolume, namespace_spec, plan,
};
use orlop_container::private_proc::PrivateProc;
use orlop_container::user;

/// What all tests share.
pub(crate) struct Ground {
    pub(crate) images: PathBuf,
    pub(crate) state: PathBuf,
    staging: PathBuf,
    pub(crate) cgroups: PathBuf,
    proc: PrivateProc,
}

/// The ground, or `None` (said aloud) where launches cannot work: they need root.
pub(crate) fn ground() -> Option<&'static Ground> {
    static GROUND: OnceLock<Option<Ground>> = OnceLock::new();
    let ground = GROUND
        .get_or_init(|| nix::unistd::geteuid().is_root().then(prepare))
        .as_ref();
    if ground.is_none() {
        eprintln!("SKIPPED: launching containers needs root");
    }
    ground
}

impl Ground {
    pub(crate) fn proc(&self) -> &PrivateProc {
        &self.proc
    }

    /// Whether limits can be set here.
    pub(crate) fn has_controllers(&self) -> bool {
        let on = fs::read_to_string(self.cgroups.join("cgroup.subtree_control")).unwrap();
        let on: Vec<_> = on.split_whitespace().collect();
        ["memory", "cpu", "pids"].iter().all(|one| on.contains(one))
    }
}

fn prepare() -> Ground {
    let scratch = std::env::var_os("ORLOP_TEST_STATE").map_or_else(
        || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("launch"),
        PathBuf::from,
    );
    let images = std::env::var_os("ORLOP_TEST_IMAGES")
        .map(PathBuf::from)
        .unwrap_or_else(|| build_images(&scratch));
    let staging = scratch.join("staging");
    fs::create_dir_all(&staging).unwrap();
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let hierarchy = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|line| line[2] == "cgroup2");
    let cgroups = PathBuf::from(hierarchy.expect("a cgroup2 mount")[1]);
    // A host whose controllers belong to cgroup v1 has none to give.
    let available = fs::read_to_string(cgroups.join("cgroup.controllers")).unwrap();
    let limits = [Controller::Memory, Controller::Cpu, Controller::Pids];
    if ["memory", "cpu", "pids"]
        .iter()
        .all(|name| available.contains(name))
    {
        enable_controllers(&cgroups, &limits).unwrap();
        enable_controllers(&cgroups, &limits).unwrap();
    }
    Ground {
        images,
        state: scratch,
        staging,
        cgroups,
        proc: PrivateProc::open().unwrap(),
    }
}

/// Images: `probe`; `evil`, whose `/proc` is a link; `guest`, which a test may change.
fn build_images(scratch: &Path) -> PathBuf {
    let images = scratch.join("images");
    let _ = fs::remove_dir_all(&images);
    for (name, directories) in [
        (
            "probe",
            &[
                "bin",
                "dev",
                "etc",
                "proc",
                "run",
                "sys",
                "tmp",
                "var/lib/probe",
                "volume",
            ][..],
        ),
        ("evil", &["bin", "dev", "etc", "tmp", "run", "sys"][..]),
        ("guest", &["bin", "dev", "etc", "proc", "tmp", "run", "sys"]),
    ] {
        let image = images.join(name);
        for directory in directories {
            fs::create_dir_all(image.join(directory)).unwrap();
        }
        fs::copy("/bin/busybox", image.join("bin/busybox")).expect("busybox-static");
        symlink("busybox", image.join("bin/sh")).unwrap();
        fs::write(
            image.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nprobe:x:100:101::/var/lib/probe:/bin/sh\n",
        )
        .unwrap();
        fs::write(image.join("etc/group"), "root:x:0:\nprobe:x:101:\n").unwrap();
        fs::write(image.join("bin/not-executable"), "").unwrap();
    }
    std::os::unix::fs::chown(images.join("probe/var/lib/probe"), Some(100), Some(101)).unwrap();
    symlink("/tmp", images.join("evil/proc")).unwrap();
    images
}

/// What came of a launch.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) output: String,
    pub(crate) status: WaitStatus,
}

/// A launched service's test run.
pub(crate) struct Trial<'a> {
    pub(crate) volumes: Vec<ResolvedVolume>,
    pub(crate) listen: Vec<(String, BorrowedFd<'a>)>,
    pub(crate) base: u32,
    pub(crate) control_socket: Option<PathBuf>,
    pub(crate) notify_socket: Option<PathBuf>,
    pub(crate) ready: Option<(u32, BorrowedFd<'a>)>,
    pub(crate) file_binds: Vec<FileBind>,
    pub(crate) init_program: Option<BorrowedFd<'a>>,
    pub(crate) service: Service,
}

/// An id range that no other test of this machine is likely to have at the time.
fn range(number: u32) -> u32 {
    (1_000 + std::process::id() % 250 * 256 + number % 256) * 65_536
}

impl<'a> Trial<'a> {
    /// A service of this manifest (the image is `probe` unless it says another) on the ground.
    pub(crate) fn new(manifest: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let image = if manifest.contains("image =") {
            ""
        } else {
            "image = \"probe\"\n"
        };
        let file = SourceFile {
            path: "service.toml".to_owned(),
            text: format!("{image}{manifest}"),
        };
        let name = format!("trial{number}");
        let sources = Sources {
            services: [(name.clone(), file)].into(),
            images: ["probe", "evil", "guest"].map(str::to_owned).into(),
            ..Sources::default()
        };
        let mut checked = check(&sources);
        let service = checked.services.remove(&ServiceName::new(&name).unwrap());
        let service = service.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        Self {
            volumes: Vec::new(),
            listen: Vec::new(),
            base: range(number),
            control_socket: None,
            notify_socket: None,
            ready: None,
            file_binds: Vec::new(),
            init_program: None,
            service,
        }
    }

    /// A manifest that runs a shell script.
    pub(crate) fn shell(keys: &str, script: &str) -> Self {
        Self::new(&format!(
            "command = [\"/bin/sh\", \"-c\", '''\n{script}\n''']\n{keys}"
        ))
    }

    pub(crate) fn volume(mut self, source: &Path, target: &str, read_only: bool) -> Self {
        let (source, target) = (source.to_owned(), PathBuf::from(target));
        self.volumes.push(ResolvedVolume {
            name: Some("data".to_owned()),
            source,
            target,
            read_only,
            idmap: true,
        });
        self
    }

    pub(crate) fn rootfs(&self, ground: &Ground) -> PathBuf {
        ground.images.join(self.service.image.as_str())
    }

    /// As PID 1 makes it: with limits and the device filter.
    pub(crate) fn cgroup(&self, ground: &Ground) -> Cgroup {
        let cgroup = self.unfiltered_cgroup(ground);
        if let Some(rules) = DeviceRules::of(&self.service) {
            cgroup.restrict_devices(&rules).unwrap();
        }
        cgroup
    }

    /// The same without the device filter.
    pub(crate) fn unfiltered_cgroup(&self, ground: &Ground) -> Cgroup {
        let mut limits = plan_limits(&self.service);
        if !ground.has_controllers() {
            limits.clear();
        }
        let path = self.cgroup_path(ground);
        let name = path.file_name().unwrap().to_str().unwrap();
        Cgroup::create(&ground.cgroups, name, &limits).unwrap()
    }

    pub(crate) fn cgroup_path(&self, ground: &Ground) -> PathBuf {
        let name = format!("orlop-test-{}-{}", std::process::id(), self.service.name);
        ground.cgroups.join(name)
    }

    pub(crate) fn namespace_spec(&self) -> NamespaceSpec {
        namespace_spec(&self.service, self.base)
    }

    pub(crate) fn namespaces(&self, ground: &Ground) -> KeptNamespaces {
        let holder = Holder::start(self.namespace_spec(), &ground.proc).unwrap();
        reap(&holder).unwrap()
    }

    /// Launches it and waits for its end.
    pub(crate) fn run(&self, ground: &Ground) -> Result<Ended, String> {
        let kept = self.namespaces(ground);
        let cgroup = self.cgroup(ground);
        let ended = self.run_in(ground, &kept, &cgroup);
        end(&cgroup);
        ended
    }

    pub(crate) fn run_in(
        &self,
        ground: &Ground,
        kept: &KeptNamespaces,
        cgroup: &Cgroup,
    ) -> Result<Ended, String> {
        self.start(ground, kept, cgroup.as_fd()).unwrap().end()
    }

    pub(crate) fn start(
        &self,
        ground: &Ground,
        kept: &KeptNamespaces,
        cgroup: BorrowedFd<'_>,
    ) -> Result<Started, LaunchError> {
        let plan = self.plan(ground);
        let null = fs::File::open("/dev/null").unwrap();
        let (output, writer) = std::io::pipe().unwrap();
        let fds = self.fds(ground, kept, cgroup, null.as_fd(), writer.as_fd());
        let launching = launch(&plan, &fds)?;
        Ok(Started {
            plan,
            launching,
            output,
        })
    }

    pub(crate) fn plan(&self, ground: &Ground) -> LaunchPlan {
        self.try_plan(ground).unwrap()
    }

    pub(crate) fn try_plan(&self, ground: &Ground) -> Result<LaunchPlan, PlanError> {
        let rootfs = self.rootfs(ground);
        let names: Vec<_> = self.listen.iter().map(|(name, _)| name.clone()).collect();
        let text = |file: &str| fs::read_to_string(rootfs.join(file)).unwrap();
        let (passwd, group) = (text("etc/passwd"), text("etc/group"));
        let user = user::resolve(&self.service.user, &passwd, &group)?;
        let inputs = LaunchInputs {
            service: &self.service,
            rootfs: &rootfs,
            staging: &ground.staging,
            user: &user,
            id_base: self.base,
            volumes: &self.volumes,
            file_binds: &self.file_binds,
            control_socket: self.control_socket.as_deref(),
            listen_names: &names,
            ready_fd: self.ready.map(|(number, _)| number),
            notify: self.notify_socket.as_deref().map(|socket| Notify {
                socket,
                watchdog: Some(Duration::from_secs(20)),
            }),
        };
        plan(&inputs)
    }

    pub(crate) fn fds<'f>(
        &'f self,
        ground: &'f Ground,
        kept: &'f KeptNamespaces,
        cgroup: BorrowedFd<'f>,
        stdin: BorrowedFd<'f>,
        output: BorrowedFd<'f>,
    ) -> LaunchFds<'f> {
        LaunchFds {
            proc: &ground.proc,
            namespaces: kept,
            cgroup,
            stdin,
            stdout: output,
            stderr: output,
            listen: self.listen.iter().map(|(_, fd)| *fd).collect(),
            ready: self.ready.map(|(_, fd)| fd),
            init_program: self.init_program,
        }
    }
}

/// A launch under way.
#[derive(Debug)]
pub(crate) struct Started {
    plan: LaunchPlan,
    pub(crate) launching: Launching,
    pub(crate) output: std::io::PipeReader,
}

impl Started {
    /// What it wrote until these words; a service that ends before fails the test.
    pub(crate) fn read_until(&mut self, words: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(words.as_bytes()) {
            let mut byte = [0];
            wait(self.output.as_fd());
            let count = self.output.read(&mut byte).unwrap();
            let outcome = || self.launching.outcome(&self.plan);
            assert_eq!(
                count,
                1,
                "{}: {:?}",
                String::from_utf8_lossy(&text),
                outcome()
            );
            text.extend(byte);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Waits until no living process is in it.
pub(crate) fn emptied(cgroup: &Cgroup) {
    while cgroup.is_populated().unwrap() {
        let mut fds = [PollFd::new(cgroup.events().as_fd(), PollFlags::POLLPRI)];
        assert_eq!(
            poll(&mut fds, PollTimeout::from(60_000_u16)),
            Ok(1),
            "still populated"
        );
    }
}

/// Readable when it is known whether execve happened.
impl AsFd for Started {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.launching.as_fd()
    }
}

impl Started {
    /// Waits for its end.
    pub(crate) fn end(mut self) -> Result<Ended, String> {
        wait(self.launching.as_fd());
        let outcome = self.launching.outcome(&self.plan);
        let mut text = Vec::new();
        self.output.read_to_end(&mut text).unwrap();
        let status = wait_for_end(self.launching.pidfd.as_fd());
        match outcome {
            LaunchOutcome::Executed => Ok(Ended {
                output: String::from_utf8_lossy(&text).into_owned(),
                status,
            }),
            LaunchOutcome::Failed(failure) => Err(failure.to_string()),
            LaunchOutcome::Pending => panic!("readable, and no answer"),
        }
    }
}

/// The namespaces of a holder that has just been started; the holder is gone afterwards.
pub(crate) fn reap(holder: &Holder) -> Result<KeptNamespaces, NamespaceError> {
    wait(holder.as_fd());
    let kept = holder.finish();
    wait_for_end(holder.pidfd());
    kept
}

/// The status of a child; `StillAlive` when the caller ignores SIGCHLD and so is told of none.
fn wait_for_end(pidfd: BorrowedFd<'_>) -> WaitStatus {
    wait(pidfd);
    match waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED) {
        Err(Errno::ECHILD) => WaitStatus::StillAlive,
        status => status.unwrap(),
    }
}

/// Kills what is left in it and removes it.
pub(crate) fn end(cgroup: &Cgroup) {
    cgroup.kill().unwrap();
    emptied(cgroup);
    cgroup.remove().unwrap();
}

/// Until it is readable; a hang fails the test.
pub(crate) fn wait(fd: BorrowedFd<'_>) {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::from(60_000_u16)).unwrap();
    assert_eq!(ready, 1, "nothing within a minute");
}

/// A fresh directory on the ground's disk, owned by root.
pub(crate) fn volume(ground: &Ground, name: &str) -> PathBuf {
    let path = ground.state.join("volumes").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A readable pipe end that holds these bytes.
pub(crate) fn pipe_with(bytes: &[u8]) -> OwnedFd {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    nix::unistd::write(&writer, bytes).unwrap();
    reader
}

/// One `Key: value` line of /proc/self/status.
pub(crate) fn field<'a>(output: &'a str, key: &str) -> &'a str {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{key}:")));
    line.unwrap_or_else(|| panic!("no {key} in:\n{output}"))
        .trim()
}
