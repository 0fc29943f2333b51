//! From a machine's folder or disk image to a running QEMU.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde_json::{Value, json};

use super::RunOptions;
use super::accel::{self, Choice};
use super::command::{self, Boot, Console, Fds, Plan};
use super::console_log::ConsoleLog;
use super::firmware::{self, Firmware};
use super::forward::{self, Forward};
use super::image::ImageDisk;
use super::place::{Place, runtime_folder};
use super::progress::Progress;
use super::qmp::Qmp;
use super::relay::Relay;
use super::session::{self, Session};
use super::state_disk::StateDisk;
use super::terminal::SavedTerminal;
use crate::host_program::find_program;
use crate::machine_folder::locate;
use crate::{BuildInfo, BuildOptions, Built};

/// What QEMU is called, and what to do when it is not there.
const QEMU: &str = "qemu-system-x86_64";
const NO_QEMU: &str = "qemu-system-x86_64 is missing; \
     apt-get install --no-install-recommends qemu-system-x86";

/// Builds the machine with `build` when that is needed, boots it, and stays until it ends.
///
/// # Errors
/// Whatever keeps the machine from running, and a machine that did not end well, one sentence.
pub fn run(
    options: &RunOptions,
    build: impl FnOnce(&Path, &BuildOptions) -> Result<Built>,
) -> Result<()> {
    let progress = match (options.headless, options.json) {
        (true, true) => Progress::Json,
        (true, false) => Progress::Lines,
        (false, _) => Progress::Silent,
    };
    let result = prepare(options, progress, build).and_then(|(session, _kept)| session.run());
    progress.tell(&session::exit_event(&result));
    result
}

/// What has to live as long as QEMU does.
struct Kept {
    _place: Place,
    _source: Source,
    _state: Option<StateDisk>,
    _terminal: SavedTerminal,
}

/// What the machine comes from.
enum Source {
    Folder { folder: PathBuf, built: Built },
    Image(ImageDisk),
}

impl Source {
    fn info(&self) -> &BuildInfo {
        match self {
            Self::Folder { built, .. } => &built.info,
            Self::Image(disk) => &disk.image.info,
        }
    }
}

fn prepare(
    options: &RunOptions,
    progress: Progress,
    build: impl FnOnce(&Path, &BuildOptions) -> Result<Built>,
) -> Result<(Session, Kept)> {
    let given = locate(&options.dir)?;
    let (place, source) = match given.is_dir() {
        true => from_folder(options, &given, build)?,
        false => from_image(options, &given)?,
    };
    let info = source.info();
    enough_memory(options, info)?;
    let mut forwards = forward::plan(&info.ports, &options.forwards, options.forward_any);
    if !options.no_network {
        forward::settle(&mut forwards)?;
    }
    let qemu = find_program(QEMU).context(NO_QEMU)?;
    let choice = accel::choose(options.accel, &qemu, &runtime_folder()?)?;
    let state = state_disk(options, &source)?;

    let (our_qmp, their_qmp) = pair()?;
    let (our_events, their_events) = pair()?;
    let (our_control, their_control) = pair()?;
    let fds = Fds {
        qmp: their_qmp.as_raw_fd(),
        events: their_events.as_raw_fd(),
        control: their_control.as_raw_fd(),
    };
    let listener = place.fresh_file("control.sock")?;
    let listener = UnixListener::bind(&listener)
        .with_context(|| format!("listen on {}", listener.display()))?;
    let plan = Plan {
        name: place.name.clone(),
        accel: choice.name(),
        cpu: model(options, &choice),
        cpus: options.cpus,
        memory_mib: options.memory.mib,
        cmdline: cmdline(&info.cmdline, options.append.as_deref()),
        boot: boot(options, &source, state.as_ref(), &place)?,
        forwards: (!options.no_network).then(|| forwards.clone()),
        console: console(options, &place)?,
        transcript: place.fresh_file("console.log")?,
        fds,
        extra: options.qemu_args.clone(),
    };
    if !options.headless {
        introduce(&plan, &choice, &source, state.as_ref())?;
    }
    let (sender, happenings) = channel();
    session::read_signals(sender.clone())?;
    session::read_events(our_events, sender.clone())?;
    let relay = Relay::start(our_control, listener)?;
    let terminal = SavedTerminal::save();
    let child = spawn(&qemu, &plan, options.headless)?;
    let session = Session {
        child,
        qmp: Qmp::start(our_qmp, sender)?,
        console: ConsoleLog::new(plan.transcript.clone()),
        progress,
        relay,
        happenings,
        ready: ready(&plan, &choice, &place),
    };
    let kept = Kept {
        _place: place,
        _source: source,
        _state: state,
        _terminal: terminal,
    };
    Ok((session, kept))
}

fn from_folder(
    options: &RunOptions,
    folder: &Path,
    build: impl FnOnce(&Path, &BuildOptions) -> Result<Built>,
) -> Result<(Place, Source)> {
    if let Some(option) = of_an_image(options) {
        bail!(
            "{option} is for a disk image, and {} is a folder, whose kernel QEMU starts itself; \
             `orlop build --format raw` makes an image of it",
            folder.display()
        );
    }
    let place = Place::claim(&machine_name(options, folder)?, folder)?;
    let built = built(options, folder, build)?;
    let folder = folder.to_owned();
    Ok((place, Source::Folder { folder, built }))
}

fn from_image(options: &RunOptions, path: &Path) -> Result<(Place, Source)> {
    let disk = ImageDisk::open(path, options)?;
    let name = options.name.as_ref().unwrap_or(&disk.image.info.machine);
    let place = Place::claim(name, path)?;
    for warning in disk.warnings(options.fresh) {
        // A closed stderr is no reason not to run.
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    Ok((place, Source::Image(disk)))
}

/// An option that was given and has no meaning for a folder.
fn of_an_image(options: &RunOptions) -> Option<&'static str> {
    let given = [
        (options.firmware.is_some(), "--firmware"),
        (options.disk.is_some(), "--disk"),
        (options.disk_size.is_some(), "--disk-size"),
    ];
    let mut given = given.into_iter().filter(|(is, _)| *is);
    given.next().map(|(_, option)| option)
}

fn boot(
    options: &RunOptions,
    source: &Source,
    state: Option<&StateDisk>,
    place: &Place,
) -> Result<Boot> {
    Ok(match source {
        Source::Folder { built, .. } => Boot::Kernel {
            kernel: options.kernel.clone().unwrap_or(built.vmlinuz.clone()),
            initramfs: built.initramfs.clone(),
            system: (!built.info.initramfs_system).then(|| built.system.clone()),
            state: state.map(|disk| disk.path.clone()),
        },
        Source::Image(disk) => Boot::Disk {
            image: disk.image.path.clone(),
            // Opening refuses those that QEMU does not read.
            format: disk.image.format.of_qemu().unwrap_or_default(),
            bus: disk.bus,
            snapshot: disk.snapshot,
            uefi: firmware::files(options.firmware.unwrap_or(Firmware::Bios), place)?,
        },
    })
}

fn machine_name(options: &RunOptions, folder: &Path) -> Result<String> {
    match (&options.name, folder.file_name().and_then(|n| n.to_str())) {
        (Some(name), _) => Ok(name.clone()),
        (None, Some(name)) => Ok(name.to_owned()),
        (None, None) => bail!("{} gives the machine no name; use --name", folder.display()),
    }
}

fn built(
    options: &RunOptions,
    folder: &Path,
    build: impl FnOnce(&Path, &BuildOptions) -> Result<Built>,
) -> Result<Built> {
    if !options.no_build {
        let wanted = BuildOptions {
            keep_going: options.keep_going,
            runtime: options.runtime.clone(),
            initramfs_system: options.initramfs_system,
            quiet: options.json,
            ..BuildOptions::default()
        };
        return build(folder, &wanted);
    }
    let outputs = folder.join("build");
    let info = BuildInfo::load(&outputs)?;
    if options.initramfs_system && !info.initramfs_system {
        bail!("the initramfs that was built has no system in it; leave --no-build out");
    }
    Ok(Built {
        vmlinuz: outputs.join("vmlinuz"),
        initramfs: outputs.join("initramfs"),
        system: outputs.join("system.erofs"),
        disks: Vec::new(),
        info,
        up_to_date: true,
    })
}

fn enough_memory(options: &RunOptions, info: &BuildInfo) -> Result<()> {
    let (asked, least) = (options.memory.mib, info.min_memory_mib);
    if asked < least {
        bail!(
            "{asked} MiB of memory are too few for this machine's image, which needs at least \
             {least} MiB; give it --memory {least}M"
        );
    }
    Ok(())
}

fn state_disk(options: &RunOptions, source: &Source) -> Result<Option<StateDisk>> {
    let folder = match source {
        Source::Folder { folder, .. } if !options.no_state => folder,
        // An image's state is on its own disk.
        _ => return Ok(None),
    };
    let path = options.state.clone();
    let path = path.unwrap_or_else(|| folder.join("state.img"));
    let quota = source.info().has_volume_sizes;
    StateDisk::open(&path, options.state_size, options.fresh, quota).map(Some)
}

fn model(options: &RunOptions, choice: &Choice) -> String {
    let best = if choice.kvm { "host" } else { "max" };
    options.cpu.clone().unwrap_or_else(|| best.to_owned())
}

fn cmdline(built: &str, append: Option<&str>) -> String {
    match append {
        Some(words) => format!("{built} {words}"),
        None => built.to_owned(),
    }
}

fn console(options: &RunOptions, place: &Place) -> Result<Console> {
    if !options.headless {
        return Ok(Console::Terminal);
    }
    Ok(Console::Sockets {
        console: place.fresh_file("console.sock")?,
        monitor: place.fresh_file("qmp.sock")?,
    })
}

/// Our end and QEMU's, which alone is inherited.
fn pair() -> Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair().context("make a socket pair")?;
    fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).context("let QEMU inherit a socket")?;
    Ok((ours, theirs))
}

/// Starts QEMU so that it dies with the thread that calls this: the main one.
fn spawn(qemu: &Path, plan: &Plan, headless: bool) -> Result<Child> {
    let setpriv =
        find_program("setpriv").context("setpriv is missing; apt-get install util-linux")?;
    let mut command = Command::new(setpriv);
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(qemu)
        .args(command::arguments(plan));
    if headless {
        // Ctrl-C is for the tool, which asks the machine to power off; QEMU would just end.
        command.process_group(0).stdin(Stdio::null());
        command.stdout(Stdio::from(std::io::stderr()));
    }
    command.spawn().context("start QEMU")
}

/// The tool's own event, for scripts and tests.
fn ready(plan: &Plan, choice: &Choice, place: &Place) -> Value {
    let forwards = plan.forwards.clone().unwrap_or_default();
    json!({
        "event": "ready",
        "name": place.name,
        "accel": choice.name(),
        "accel_reason": choice.reason,
        "forwards": forwards,
        "control": place.folder.join("control.sock"),
        "console": place.folder.join("console.sock"),
        "qmp": place.folder.join("qmp.sock"),
        "transcript": plan.transcript,
        "qemu_args": command::arguments(plan)
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect::<Vec<_>>(),
    })
}

/// What a person sees before the machine takes the terminal.
fn introduce(
    plan: &Plan,
    choice: &Choice,
    source: &Source,
    state: Option<&StateDisk>,
) -> Result<()> {
    let mut lines = vec![
        format!(
            "machine   {} ({} MiB, {} CPUs)",
            plan.name, plan.memory_mib, plan.cpus
        ),
        format!("accel     {}: {}", choice.name(), choice.reason),
        kept(source, state),
    ];
    for forward in plan.forwards.iter().flatten().map(Forward::to_string) {
        lines.push(format!("forward   {forward}"));
    }
    lines.push(format!(
        "leave     orlop -m {} poweroff in another terminal; at once: Ctrl-A X",
        plan.name
    ));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n", lines.join("\n")).context("write to the terminal")
}

/// Where the machine keeps what it keeps.
fn kept(source: &Source, state: Option<&StateDisk>) -> String {
    const LOST: &str = "what the machine keeps is lost when it ends";
    match source {
        Source::Folder { .. } => match state {
            Some(disk) if disk.new => format!("state     {} (new)", shown(&disk.path)),
            Some(disk) => format!("state     {}", shown(&disk.path)),
            None => format!("state     none: {LOST}"),
        },
        Source::Image(disk) => {
            let path = shown(&disk.image.path);
            match disk.snapshot {
                true => format!("disk      {path}, which is only read: {LOST}"),
                false => format!("disk      {path}"),
            }
        }
    }
}

/// A path as a person here would write it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir()
        .ok()
        .and_then(|dir| fs::canonicalize(dir).ok());
    let relative: Option<PathBuf> =
        here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    relative.as_deref().unwrap_or(path).display().to_string()
}
