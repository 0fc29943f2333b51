//! The engine alone, without PID 1: launches a program in a `restricted` container some times, one
//! after the other, and prints how many nanoseconds each took from nothing to nothing: cgroup,
//! namespaces, launch, its end, and the cgroup's removal.
//!
//! `engine IMAGES STAGING CGROUPS COUNT`: IMAGES has a folder `bench` with a static `/bin/true`, on a
//! file system that can be idmapped; STAGING is an empty folder, CGROUPS a folder of cgroup2. For the
//! benchmark (`qemu-tests/bench/engines.rs`), and as an example of the crate.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, fchown, pipe2};
use orlop_config::{Service, ServiceName, SourceFile, Sources, check};
use orlop_container::cgroup::{Cgroup, Limit, plan_limits};
use orlop_container::devices::{DeviceFilter, DeviceRules};
use orlop_container::launch::{LaunchFds, LaunchOutcome, launch};
use orlop_container::namespaces::Holder;
use orlop_container::plan::{LaunchInputs, namespace_spec, plan};
use orlop_container::private_proc::PrivateProc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MANIFEST: &str = "image = \"bench\"\ncommand = [\"/bin/true\"]\nnetwork_mode = \"none\"\n";
/// The machine's id of the container's root.
const BASE: u32 = 7 << 16;

/// Where things are.
#[derive(Debug)]
struct Ground {
    rootfs: PathBuf,
    staging: PathBuf,
    cgroups: PathBuf,
    proc: PrivateProc,
    null: File,
    limits: Vec<Limit>,
    devices: DeviceRules,
    /// In a machine other services keep it loaded; one program is shared by equal rules.
    _filter: Rc<DeviceFilter>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || {
        arguments
            .next()
            .ok_or("engine IMAGES STAGING CGROUPS COUNT")
    };
    let service = service()?;
    let rootfs = Path::new(&next()?).join("bench");
    let staging = next()?.into();
    let cgroups: PathBuf = next()?.into();
    let count: usize = next()?.to_string_lossy().parse()?;
    // A host whose controllers belong to cgroup v1 has no limits to give.
    let mut limits = plan_limits(&service);
    limits.retain(|limit| cgroups.join(limit.file).exists());
    let devices = DeviceRules::of(&service).ok_or("a restricted service has a device filter")?;
    let ground = Ground {
        rootfs,
        staging,
        cgroups,
        proc: PrivateProc::open()?,
        null: File::open("/dev/null")?,
        limits,
        _filter: DeviceFilter::load(&devices)?,
        devices,
    };
    for _ in 0..count {
        let begin = Instant::now();
        once(&ground, &service)?;
        writeln!(std::io::stdout(), "{}", begin.elapsed().as_nanos())?;
    }
    Ok(())
}

fn service() -> Result<Service> {
    let file = SourceFile {
        path: "service.toml".to_owned(),
        text: MANIFEST.to_owned(),
    };
    let sources = Sources {
        services: [("bench".to_owned(), file)].into(),
        images: ["bench".to_owned()].into(),
        ..Sources::default()
    };
    let service = check(&sources)
        .services
        .remove(&ServiceName::new("bench").ok_or("a name")?);
    service.ok_or_else(|| "the manifest is broken".into())
}

/// As `init/src/running/launch.rs` does it, but waiting in place.
fn once(ground: &Ground, service: &Service) -> Result<()> {
    let cgroup = Cgroup::create(&ground.cgroups, "orlop-bench", &ground.limits)?;
    cgroup.restrict_devices(&ground.devices)?;
    let holder = Holder::start(namespace_spec(service, BASE), &ground.proc)?;
    wait(holder.as_fd())?;
    let namespaces = holder.finish()?;
    waitpid(Pid::from_raw(holder.pid()), None)?;
    drop(holder);
    let user = orlop_container::user::resolve(&service.user, "", "")?;
    let inputs = LaunchInputs {
        service,
        rootfs: &ground.rootfs,
        staging: &ground.staging,
        user: &user,
        id_base: BASE,
        volumes: &[],
        file_binds: &[],
        control_socket: None,
        ready_fd: None,
        notify: None,
        listen_names: &[],
    };
    let plan = plan(&inputs)?;
    let flags = nix::fcntl::OFlag::O_CLOEXEC;
    let (out, err) = (pipe2(flags)?, pipe2(flags)?);
    for writing in [&out.1, &err.1] {
        fchown(writing, Some(BASE.into()), Some(BASE.into()))?;
    }
    let fds = LaunchFds {
        proc: &ground.proc,
        namespaces: &namespaces,
        cgroup: cgroup.as_fd(),
        stdin: ground.null.as_fd(),
        stdout: out.1.as_fd(),
        stderr: err.1.as_fd(),
        listen: Vec::new(),
        ready: None,
        init_program: None,
    };
    let launching = launch(&plan, &fds)?;
    wait(launching.as_fd())?;
    if let LaunchOutcome::Failed(failure) = launching.outcome(&plan) {
        return Err(failure.into());
    }
    match waitpid(Pid::from_raw(launching.pid), None)? {
        WaitStatus::Exited(_, 0) => Ok(cgroup.remove()?),
        other => Err(format!("{other:?}").into()),
    }
}

fn wait(fd: BorrowedFd<'_>) -> Result<()> {
    poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::NONE)?;
    Ok(())
}
