//! KVM or TCG: KVM only when a guest was seen to run under it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::probe_rom;

/// Where the answer is kept, in the runtime folder; its first line is the boot it holds for.
const CACHE: &str = "kvm-probe";
/// A guest that needs longer than this for the probe's work does not run under KVM.
const LIMIT: Duration = Duration::from_secs(2);

/// `--accel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Accel {
    /// KVM when a probe guest runs under it, else TCG.
    Auto,
    /// KVM without a question.
    Kvm,
    /// QEMU's own translator, which runs everywhere.
    Tcg,
}

/// What was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// Whether it is KVM.
    pub(super) kvm: bool,
    /// One fragment for the person at the terminal.
    pub(super) reason: String,
}

impl Choice {
    /// As QEMU names it.
    pub(super) fn name(&self) -> &'static str {
        if self.kvm { "kvm" } else { "tcg" }
    }
}

/// Settles `--accel`. The probe's answer is kept in `runtime` until the workstation boots anew.
pub(super) fn choose(asked: Accel, qemu: &Path, runtime: &Path) -> Result<Choice> {
    let (kvm, reason) = match asked {
        Accel::Kvm => (true, "asked for"),
        Accel::Tcg => (false, "asked for"),
        Accel::Auto => return automatic(qemu, runtime),
    };
    Ok(Choice {
        kvm,
        reason: reason.to_owned(),
    })
}

fn automatic(qemu: &Path, runtime: &Path) -> Result<Choice> {
    let open = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    if let Err(error) = open {
        return Ok(Choice {
            kvm: false,
            reason: format!("/dev/kvm: {error}"),
        });
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("read the boot id")?;
    let cache = runtime.join(CACHE);
    if let Some(choice) = fs::read_to_string(&cache)
        .ok()
        .and_then(|text| cached(&text, boot.trim()))
    {
        return Ok(choice);
    }
    let choice = probe(qemu, runtime)?;
    let text = format!("{}\n{}\n{}\n", boot.trim(), choice.name(), choice.reason);
    fs::write(&cache, text).with_context(|| format!("write {}", cache.display()))?;
    Ok(choice)
}

/// The answer of an earlier probe in the same boot of the workstation.
fn cached(text: &str, boot: &str) -> Option<Choice> {
    let mut lines = text.lines();
    if lines.next()? != boot {
        return None;
    }
    let kvm = match lines.next()? {
        "kvm" => true,
        "tcg" => false,
        _ => return None,
    };
    Some(Choice {
        kvm,
        reason: lines.next()?.to_owned(),
    })
}

fn probe(qemu: &Path, runtime: &Path) -> Result<Choice> {
    let rom = runtime.join("kvm-probe.rom");
    fs::write(&rom, probe_rom::image()).with_context(|| format!("write {}", rom.display()))?;
    let mut command = Command::new(qemu);
    command
        .args([
            "-machine", "pc", "-accel", "kvm", "-cpu", "host", "-m", "16",
        ])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-bios"])
        .arg(&rom)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let started = Instant::now();
    let child = command.spawn().context("start the KVM probe")?;
    let status = wait_until(child, started + LIMIT)?;
    let _ = fs::remove_file(&rom);
    let (kvm, reason) = match status {
        Some(probe_rom::DONE) => (
            true,
            format!("a probe guest ran in {} ms", started.elapsed().as_millis()),
        ),
        Some(_) => (false, "QEMU cannot use /dev/kvm".to_owned()),
        None => (
            false,
            format!(
                "/dev/kvm opens, but a probe guest got nowhere in {} s",
                LIMIT.as_secs()
            ),
        ),
    };
    Ok(Choice { kvm, reason })
}

/// The exit status (-1 for a signal), or nothing when it had to be killed.
fn wait_until(mut child: Child, deadline: Instant) -> Result<Option<i32>> {
    loop {
        if let Some(status) = child.try_wait().context("wait for the KVM probe")? {
            return Ok(Some(status.code().unwrap_or(-1)));
        }
        if Instant::now() >= deadline {
            child.kill().context("kill the KVM probe")?;
            child.wait().context("wait for the KVM probe")?;
            return Ok(None);
        }
        // There is no wait with a time limit for one child without unsafe code or a signal.
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_holds_for_one_boot() {
        let choice = cached("b1\ntcg\nno luck\n", "b1").unwrap();
        assert_eq!((choice.name(), choice.reason.as_str()), ("tcg", "no luck"));
        assert_eq!(cached("b1\ntcg\nno luck\n", "b2"), None);
        assert_eq!(cached("b1\nhvf\nx\n", "b1"), None);
        assert_eq!(cached("", "b1"), None);
    }

    #[test]
    fn the_firmware_ends_with_a_jump_to_its_begin() {
        let rom = probe_rom::image();
        assert_eq!(rom.len(), 64 * 1024);
        assert_eq!(rom[rom.len() - 16..][..5], [0xea, 0, 0, 0, 0xf0]);
    }
}
