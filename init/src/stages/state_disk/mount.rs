//! The state, mounted: where it may be new the applet `state` prepares it (`services/src/state`), and
//! e2fsck looks at it only when its superblock records errors or the mount failed.

use std::ffi::{CStr, CString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount as mount_now};
use orlop_sys::credentials::CapabilitySet;

use super::superblock::Facts;
use crate::children::{self, ChildError};
use crate::reaper::Reaper;
use crate::report::Report;
use crate::stage::chain;
use crate::stages::kernel_modules::load_batch;

/// The applet, before the system is `/` and after.
const EARLY: &CStr = c"/sysroot/usr/lib/orlop/services";
const LATE: &CStr = c"/usr/lib/orlop/services";
/// The modules of the system that is mounted, but not yet `/`.
const MODULES: &str = "/sysroot/lib/modules";
/// What the applet tells, `services/src/state/answer.rs`.
const ANSWER: &str = "/run/orlop-state";
/// A mount replays the journal; writing a template takes a slow disk seconds.
const DEADLINE: Duration = Duration::from_secs(60);
/// e2fsck reads all of a damaged disk.
const CHECK: Duration = Duration::from_secs(600);
/// Growing to terabytes takes minutes; nobody waits for it.
const SETTLE: Duration = Duration::from_secs(1800);
/// CAP_SYS_ADMIN for partitions and UUIDs, CAP_SYS_RESOURCE for the size (capabilities(7)).
const CAPABILITIES: CapabilitySet = 1 << 21 | 1 << 24;
/// Whatever its superblock says (`errors=panic`, tune2fs(8)), a damaged state disk panics no kernel.
const OPTIONS: &str = "errors=remount-ro";
const OPTIONS_WITH_QUOTA: &str = "errors=remount-ro,prjquota";

/// Where the state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateDisk {
    /// On a disk that was made for it, as large as it is: `orlop run`'s.
    Made(PathBuf),
    /// On the disk or partition that `system.toml` names, which may be blank.
    Named(PathBuf),
    /// On a partition of the disk that the system is on, which may be larger than its image was.
    BootDisk(PathBuf),
}

/// The state as it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Its device.
    pub device: PathBuf,
    /// Whether volumes can have a size.
    pub has_quota: bool,
    /// Whether a UUID of its own or its device's size may be missing still.
    pub settles: bool,
}

/// What is said of it.
#[derive(Debug, Default)]
struct Answer {
    device: Option<PathBuf>,
    /// Each with a mark in front: `!` for what is wrong.
    sentences: Vec<String>,
}

/// Mounts the state at `target`; `None`, with the reason in `degraded`, when it cannot be had.
pub async fn mount(
    report: &Report,
    reaper: &Reaper,
    quota: &[String],
    disk: &StateDisk,
    target: &Path,
    degraded: &mut Vec<String>,
) -> Option<Mounted> {
    let (device, settles) = match disk {
        StateDisk::Made(device) => (device.clone(), false),
        StateDisk::Named(device) => {
            let told = applet(reaper, &[EARLY, c"state", c"prepare"], &[device], DEADLINE).await;
            (tell(report, told, degraded)?, true)
        }
        StateDisk::BootDisk(disk) => {
            let told = applet(
                reaper,
                &[EARLY, c"state", c"prepare-disk"],
                &[disk],
                DEADLINE,
            )
            .await;
            (tell(report, told, degraded)?, true)
        }
    };
    let mut first = attempt(reaper, &device, target, false, false).await;
    let mut loaded = false;
    if let Err(ChildError::Work(Errno::ESRCH)) = first {
        let load = load_batch(report, reaper, Path::new(MODULES), "quota", quota).await;
        degraded.extend(load.err());
        loaded = true;
        first = attempt(reaper, &device, target, true, false).await;
    }
    let damaged = |errno| {
        matches!(
            errno,
            Errno::EUCLEAN | Errno::EBADMSG | Errno::EINVAL | Errno::EIO
        )
    };
    if let Err(ChildError::Work(errno)) = first
        && damaged(errno)
    {
        let told = applet(reaper, &[EARLY, c"state", c"check"], &[&device], CHECK).await;
        tell(report, told, degraded)?;
        first = attempt(reaper, &device, target, true, true).await;
    }
    match first {
        Ok(()) => Some(Mounted {
            has_quota: loaded,
            device,
            settles,
        }),
        Err(error) => {
            degraded.push(format!(
                "mounting the state disk {} (ext4): {}",
                device.display(),
                chain(&error)
            ));
            None
        }
    }
}

/// Looks and mounts, in a child.
async fn attempt(
    reaper: &Reaper,
    device: &Path,
    target: &Path,
    loaded: bool,
    checked: bool,
) -> Result<(), ChildError> {
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOATIME;
    children::run(reaper, DEADLINE, &[], || {
        let facts = Facts::read(device)?;
        if facts.has_quota && !loaded {
            return Err(Errno::ESRCH);
        }
        if facts.has_errors && !checked {
            return Err(Errno::EUCLEAN);
        }
        let options = match facts.has_quota {
            true => OPTIONS_WITH_QUOTA,
            false => OPTIONS,
        };
        mount_now(Some(device), target, Some("ext4"), flags, Some(options))
    })
    .await
}

/// A UUID of its own, its device's size: while the services run.
pub async fn settle(report: &Report, reaper: &Reaper, state: &Mounted) {
    let words = [LATE, c"state", c"settle"];
    let told = applet(
        reaper,
        &words,
        &[&state.device, Path::new("/state")],
        SETTLE,
    )
    .await;
    let mut wrong = Vec::new();
    tell(report, told, &mut wrong);
    for sentence in wrong {
        report.warn(&format!("  ! {sentence}"));
    }
}

/// Runs the applet and reads what it tells.
async fn applet(
    reaper: &Reaper,
    words: &[&CStr; 3],
    operands: &[&Path],
    deadline: Duration,
) -> Answer {
    let operands: Vec<CString> = operands
        .iter()
        .filter_map(|path| CString::new(path.as_os_str().as_bytes()).ok())
        .collect();
    let all: Vec<&CStr> = words
        .iter()
        .copied()
        .chain(operands.iter().map(AsRef::as_ref))
        .collect();
    let ended = children::exec(reaper, deadline, &all, CAPABILITIES).await;
    let text = fs::read_to_string(ANSWER).unwrap_or_default();
    let _none_or_read = fs::remove_file(ANSWER);
    let mut answer = Answer::default();
    for (at, line) in text.lines().enumerate() {
        match (at, line) {
            (0, "") => {}
            (0, device) => answer.device = Some(PathBuf::from(device)),
            (_, sentence) => answer.sentences.push(sentence.to_owned()),
        }
    }
    if let Err(error) = ended {
        answer
            .sentences
            .push(format!("!the state disk: {}", chain(&error)));
    }
    answer
}

/// What is wrong goes to `wrong`, the rest is said; gives the device.
fn tell(report: &Report, answer: Answer, wrong: &mut Vec<String>) -> Option<PathBuf> {
    for sentence in answer.sentences {
        match sentence.strip_prefix('!') {
            Some(sentence) => wrong.push(sentence.to_owned()),
            None => report.line(&format!("  {sentence}")),
        }
    }
    answer.device
}
