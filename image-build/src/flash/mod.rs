//! `orlop flash`: a disk image onto a disk.
//!
//! What is decided is pure: what uses a disk ([`uses`]), why it is refused ([`refusal`]), what would
//! be lost ([`loss`]). [`device`] and [`source`] look at the two ends, [`write`](mod@write) has the
//! effects, [`parts`] reads the image ahead of it.

mod block;
mod device;
mod loss;
mod options;
mod parts;
mod refusal;
mod source;
mod uses;
mod write;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::disk_image;
use crate::host_program::find_program;
use crate::kernel::DISK_DRIVERS;
use crate::progress::Progress;
use block::Disk;
use loss::Content;
pub use options::FlashOptions;
use refusal::size;
use source::{Given, Source};
use write::{FlashError, Job};

/// The disk was begun, and is not bootable now.
const EXIT_SPOILED: u8 = 3;

/// How long a disk that fails may take to be gone: what was under way to it comes first.
const VANISH_LIMIT: Duration = Duration::from_secs(10);
/// How long the kernel's or udev's look at the new table may take.
const REREAD_LIMIT: Duration = Duration::from_secs(3);

/// Writes an image to a disk and gives the exit status: 0 when that is done and verified, 3 when the
/// disk was begun and is not bootable now.
///
/// # Errors
/// When nothing was written; one sentence.
pub fn flash(options: &FlashOptions) -> Result<u8> {
    let progress = Progress::new(false);
    let given = Given::open(&options.image)?;
    // Who may not write to the disk need not wait for the image.
    let disk = device::free_disk(&options.device)?;
    let again = again(options);
    let target = device::open(&disk, &again)?;
    let image = given.unpacked(|format| {
        progress.step(&format!("unpacking {} ({format})", options.image.display()));
    })?;
    device::has_room(&disk, image.bytes())?;
    let placed = image.table.placed(disk.block.bytes / disk.sector.max(1));
    let placed = placed.with_context(|| format!("/dev/{}", disk.block.name))?;
    introduce(options, &image, &disk)?;
    confirm(options, &disk)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("register for signals")?;
    }
    let job = Job {
        source: &image.file,
        end: image.bytes().saturating_sub(placed.backup.len() as u64),
        target: &target,
        room: disk.block.bytes,
        table: &placed,
        stop: &stop,
    };
    let (bytes, done) = (job.bytes(), perform(&job, progress));
    // The kernel reads no table of a disk that somebody has for himself.
    drop(target);
    match done {
        Ok(times) => {
            reread_table(&disk, &image, progress);
            progress.step(&times.shown(&image, &disk, bytes));
            Ok(0)
        }
        Err(error) => {
            progress.error(&spoiled(&error, &disk, &again));
            Ok(EXIT_SPOILED)
        }
    }
}

/// How long the two halves took.
struct Times {
    written: Duration,
    verified: Duration,
}

impl Times {
    fn shown(&self, image: &Source, disk: &Disk, bytes: u64) -> String {
        let part = |took: &Duration| {
            let seconds = took.as_secs_f64();
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
            let rate = bytes.saturating_mul(1000) / millis;
            format!("in {seconds:.1} s ({}/s)", size(rate))
        };
        format!(
            "wrote {} to /dev/{} {}, verified {}: {} boots from it",
            size(image.bytes()),
            disk.block.name,
            part(&self.written),
            part(&self.verified),
            image.info.machine
        )
    }
}

fn perform(job: &Job<'_>, progress: Progress) -> Result<Times, FlashError> {
    let begin = Instant::now();
    let bar = progress.bytes_bar("writing", job.bytes());
    job.write(&mut |bytes| bar.advance_bytes(bytes))?;
    drop(bar);
    let written = begin.elapsed();
    let bar = progress.bytes_bar("verifying", job.bytes());
    job.verify(&mut |bytes| bar.advance_bytes(bytes))?;
    job.finish()?;
    drop(bar);
    let verified = begin.elapsed().saturating_sub(written);
    Ok(Times { written, verified })
}

/// The sentence for a disk that was begun.
fn spoiled(error: &FlashError, disk: &Disk, again: &str) -> String {
    let name = &disk.block.name;
    let (what, then) = match vanished(error, disk) {
        true => (
            format!("/dev/{name} was pulled out while it was written to"),
            "plug it in, see what its name is then, and write it anew",
        ),
        false => (format!("/dev/{name}: {}", chain(error)), "write it anew"),
    };
    format!("{what}: it is not bootable now, and what was on it is lost; {then}: sudo {again}")
}

fn chain(error: &FlashError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Whether the disk is gone. The kernel fails what is under way before it takes the name away: it is
/// given a moment.
fn vanished(error: &FlashError, disk: &Disk) -> bool {
    let of_disk = matches!(
        error,
        FlashError::Write { .. } | FlashError::Sync(_) | FlashError::ReadBack { .. }
    );
    let limit = Instant::now() + VANISH_LIMIT;
    while of_disk && Instant::now() < limit {
        if !device::is_there(disk) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn introduce(options: &FlashOptions, image: &Source, disk: &Disk) -> Result<()> {
    let info = &image.info;
    let mut lines = vec![format!(
        "{}: machine {}, {}",
        options.image.display(),
        info.machine,
        size(image.bytes())
    )];
    let probe = |block: &block::Block| Content::probe(&Path::new("/dev").join(&block.name));
    lines.extend(loss::shown(disk, probe));
    if let Some(driver) = undriven(&disk.drivers, &info.disk_drivers) {
        lines.push(format!(
            "warning: the image's kernel {} has no driver {driver}, on which this disk hangs here: a \
             machine where it hangs on the same will not find it; build the image with `[kernel]` \
             `debian = \"linux-image-amd64\"` in system.toml",
            info.kernel_release
        ));
    }
    if disk_image::was_run(&image.file, &image.table) {
        lines.push(
            "warning: a machine ran from this image: its machine-id, its SSH host keys and its data go \
             with it; `orlop build --format raw` makes an image without them"
                .to_owned(),
        );
    }
    writeln!(io::stderr(), "{}", lines.join("\n")).context("write to the terminal")
}

/// The first driver of the disk here, among those that tell one disk from another, that the image's
/// kernel lacks.
fn undriven<'a>(here: &'a [String], image: &[String]) -> Option<&'a str> {
    let mut here = here.iter().map(String::as_str);
    here.find(|driver| DISK_DRIVERS.contains(driver) && !image.iter().any(|name| name == driver))
}

/// Asks, unless that is not wanted.
fn confirm(options: &FlashOptions, disk: &Disk) -> Result<()> {
    let name = &disk.block.name;
    if options.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        bail!(
            "nobody is there to be asked whether all on /dev/{name} may be lost; nothing was \
             written; with --yes nobody is asked"
        );
    }
    let asked = write!(
        io::stderr(),
        "All that is on /dev/{name} will be lost. Type {name} to go on: "
    );
    asked
        .and_then(|()| io::stderr().flush())
        .context("write to the terminal")?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.context("read from the terminal")?;
    match agreed(&answer, name) {
        true => Ok(()),
        false => bail!("that was not {name}; nothing was written"),
    }
}

fn agreed(answer: &str, name: &str) -> bool {
    let answer = answer.trim();
    answer == name || answer.strip_prefix("/dev/") == Some(name) || answer == "yes"
}

/// Has the kernel read the new partition table. udev, where it runs, has it read too, and keeps others
/// from it meanwhile.
fn reread_table(disk: &Disk, image: &Source, progress: Progress) {
    let path = device::path(disk);
    let limit = Instant::now() + REREAD_LIMIT;
    loop {
        if let Some(program) = find_program("blockdev") {
            let mut command = Command::new(program);
            command.arg("--rereadpt").arg(&path).stdin(Stdio::null());
            // What counts is whether the kernel knows them then.
            let _ = command.output();
        }
        if device::partitions(disk) == image.table.sizes() {
            return;
        }
        if Instant::now() >= limit {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    progress.warn(&format!(
        "the kernel still knows the old partitions of {}; before you use them here, unplug it or run \
         `blockdev --rereadpt {}`",
        path.display(),
        path.display()
    ));
}

/// The command that writes the disk, for another try.
fn again(options: &FlashOptions) -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().unwrap_or(Path::new("orlop"));
    let image = options.image.canonicalize();
    let image = image.as_deref().unwrap_or(&options.image);
    format!(
        "{} flash {} {}",
        uses::quoted(&program.display().to_string()),
        uses::quoted(&image.display().to_string()),
        uses::quoted(&options.device.display().to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_or_yes_is_agreement_and_nothing_else() {
        for answer in ["sdb\n", "/dev/sdb\n", " yes \n"] {
            assert!(agreed(answer, "sdb"), "{answer:?}");
        }
        for answer in ["", "\n", "y\n", "sda\n", "sdb1\n", "Yes\n", "no\n"] {
            assert!(!agreed(answer, "sdb"), "{answer:?}");
        }
    }

    #[test]
    fn a_driver_that_the_image_lacks_is_named() {
        let words = |all: &[&str]| {
            all.iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let sata = words(&["sd_mod", "ahci", "pcieport"]);
        let cloud = words(&["sd_mod", "nvme", "virtio_blk"]);
        assert_eq!(undriven(&sata, &cloud), Some("ahci"));
        assert_eq!(undriven(&sata, &words(&["sd_mod", "ahci"])), None);
        let stick = words(&["sd_mod", "usb_storage", "usb", "xhci_pci"]);
        assert_eq!(undriven(&stick, &cloud), Some("usb_storage"));
        assert_eq!(
            undriven(&words(&["virtio_blk", "virtio_pci"]), &cloud),
            None
        );
    }
}
