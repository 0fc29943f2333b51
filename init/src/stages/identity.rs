//! Stage `identity`: hostname, machine-id, sysctls, entropy, clock.
//!
//! What is written to the state disk is written in a child, by rename and fsync, so that any
//! instant is a good instant for the power to go.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::libc::O_NONBLOCK;
use nix::time::{ClockId, clock_settime};
use nix::unistd::sethostname;
use orlop_config::Machine;

use crate::children;
use crate::reaper::Reaper;
use crate::stage::{Done, Fatal, chain};

const DEADLINE: Duration = Duration::from_secs(10);
/// More than any file that is read here has.
const LARGEST: u64 = 4096;
const SEED_BYTES: usize = 512;

/// Kernel settings of every machine, before `[sysctls]` of `system.toml` (Documentation/admin-guide/sysctl).
const HARDENING: [(&str, &str); 10] = [
    ("fs.protected_fifos", "2"),
    ("fs.protected_hardlinks", "1"),
    ("fs.protected_regular", "2"),
    ("fs.protected_symlinks", "1"),
    ("kernel.dmesg_restrict", "1"),
    ("kernel.kptr_restrict", "2"),
    ("kernel.panic_on_oops", "1"),
    ("kernel.perf_event_paranoid", "3"),
    ("kernel.unprivileged_bpf_disabled", "2"),
    ("kernel.yama.ptrace_scope", "1"),
];

/// What the stage hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// 32 hexadecimal digits (machine-id(5)).
    pub machine_id: String,
}

/// Gives the machine its name, its id, its settings and a plausible clock.
///
/// # Errors
/// Never: what fails is said.
pub async fn run(
    reaper: &Reaper,
    machine: &Machine,
    epoch: u64,
    persistent: bool,
) -> Result<Done<Identity>, Fatal> {
    let mut degraded = Vec::new();
    if let Err(errno) = sethostname(&machine.hostname) {
        degraded.push(format!(
            "setting the hostname {}: {errno:?}",
            machine.hostname
        ));
    }
    apply_sysctls(&machine.sysctls, &mut degraded);
    if !machine.sysctls.contains_key(SYSRQ) {
        switch_sysrq_off(reaper.clone());
    }
    set_clock_forward(epoch, Path::new("/state/clock"), &mut degraded);
    credit_seed(Path::new("/state/random-seed"));
    let machine_id = machine_id(
        reaper,
        Path::new("/state/machine-id"),
        persistent,
        &mut degraded,
    )
    .await;
    Ok(Done {
        value: Identity { machine_id },
        degraded,
    })
}

fn apply_sysctls(wanted: &BTreeMap<String, String>, degraded: &mut Vec<String>) {
    for (key, value) in HARDENING {
        // Not every kernel has every one: yama may be absent.
        let _absent = fs::write(sysctl_path(key), value);
    }
    for (key, value) in wanted {
        if let Err(error) = fs::write(sysctl_path(key), value) {
            degraded.push(format!("sysctl {key} = {value}: {}", chain(&error)));
        }
    }
}

const SYSRQ: &str = "kernel.sysrq";

/// No magic keys on the console (Documentation/admin-guide/sysrq). The kernel waits some 20 ms for
/// its readers to notice, so a child waits with it.
fn switch_sysrq_off(reaper: Reaper) {
    crate::task::spawn(async move {
        let write = || fs::write(sysctl_path(SYSRQ), "0").map_err(errno);
        // A kernel without magic keys has no such file.
        let _absent = children::run(&reaper, DEADLINE, &[], write).await;
    });
}

/// `net.core.somaxconn` is `/proc/sys/net/core/somaxconn`; a slash in the key stands for a dot in a
/// name, as in sysctl(8).
fn sysctl_path(key: &str) -> String {
    let swapped: String = key
        .chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        })
        .collect();
    format!("/proc/sys/{swapped}")
}

/// A machine without a battery-backed clock starts in 1970: never before the image was made, nor
/// before it last ran.
fn set_clock_forward(epoch: u64, stamp: &Path, degraded: &mut Vec<String>) {
    let last_run = fs::metadata(stamp)
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    let earliest = last_run.max(Duration::from_secs(epoch));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    if now < earliest
        && let Err(errno) = clock_settime(ClockId::CLOCK_REALTIME, earliest.into())
    {
        degraded.push(format!("setting the clock forward: {errno:?}"));
    }
}

/// Credits the seed of the last run once, and puts a new one in its place at power-off. The file is
/// used and removed first, so that no two boots start from the same seed (random(4)).
fn credit_seed(path: &Path) {
    if let Ok(seed) = read_small(path)
        && fs::remove_file(path).is_ok()
        && seed.len() == SEED_BYTES
    {
        let _kernel_has_other_sources = File::options()
            .write(true)
            .open("/dev/random")
            .map(|random| orlop_sys::entropy::add(random.as_fd(), &seed));
    }
}

/// Reads a small file of the state disk, which somebody else may have written: no fifo may hold
/// PID 1 up, and no large file fill its memory.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The machine's id: read, or made and kept.
async fn machine_id(
    reaper: &Reaper,
    path: &Path,
    persistent: bool,
    degraded: &mut Vec<String>,
) -> String {
    if let Ok(bytes) = read_small(path)
        && let Some(id) = parse_machine_id(&String::from_utf8_lossy(&bytes))
    {
        return id;
    }
    let mut random = [0_u8; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
    if let Err(error) = read {
        degraded.push(format!("making a machine-id: {}", chain(&error)));
    }
    let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    if !persistent {
        return id;
    }
    let kept = children::run(reaper, DEADLINE, &[], || {
        write_durably(path, format!("{id}\n").as_bytes())
    })
    .await;
    if let Err(error) = kept {
        degraded.push(format!("keeping the machine-id: {}", chain(&error)));
    }
    id
}

fn parse_machine_id(text: &str) -> Option<String> {
    let id = text.trim_end();
    let good = id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    good.then(|| id.to_owned())
}

/// Writes beside, syncs, renames, syncs the directory: after a power cut the old or the new
/// content is there, whole (rename(2), fsync(2)).
///
/// # Errors
/// The first errno.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Errno> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside).map_err(errno)?;
    file.write_all(bytes).map_err(errno)?;
    file.sync_all().map_err(errno)?;
    fs::rename(&beside, path).map_err(errno)?;
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    File::open(directory)
        .and_then(|dir| dir.sync_all())
        .map_err(errno)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` passes it")]
fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

/// What a machine leaves for its next boot: the time, and a seed. Runs in a child at shutdown.
///
/// # Errors
/// The first errno.
pub fn save_for_next_boot(state: &Path) -> Result<(), Errno> {
    write_durably(&state.join("clock"), b"")?;
    let mut seed = vec![0_u8; SEED_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut seed))
        .map_err(errno)?;
    write_durably(&state.join("random-seed"), &seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_id_is_32_hexadecimal_digits() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(parse_machine_id(&format!("{id}\n")), Some(id.to_owned()));
        assert_eq!(parse_machine_id("0123"), None);
        assert_eq!(parse_machine_id(&"x".repeat(32)), None);
    }

    #[test]
    fn sysctl_keys_become_paths() {
        assert_eq!(
            sysctl_path("net.core.somaxconn"),
            "/proc/sys/net/core/somaxconn"
        );
        assert_eq!(
            sysctl_path("net.ipv4.conf.eth0/1.rp_filter"),
            "/proc/sys/net/ipv4/conf/eth0.1/rp_filter"
        );
    }

    #[test]
    fn what_is_no_small_file_is_not_waited_for() {
        let folder = std::env::temp_dir().join(format!("orlop-identity-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let fifo = folder.join("machine-id");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read_small(&fifo).is_err());
        let large = folder.join("random-seed");
        fs::write(&large, vec![1; 1024 * 1024]).unwrap();
        assert_eq!(read_small(&large).unwrap().len(), 4096);
        fs::remove_dir_all(&folder).unwrap();
    }
}
