//! The command line of `orlop run`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Accel, Firmware, ForwardSpec};

/// What `orlop run` is asked for. Its doc comments are the texts of `orlop run --help`.
#[derive(Debug, Clone, clap::Args)]
pub struct RunOptions {
    /// The machine's folder, or a disk image that `orlop build --format` made
    #[arg(default_value = ".", value_name = "DIR|IMAGE")]
    pub dir: PathBuf,
    /// The machine's name for `orlop -m NAME …`; its folder's name when not given
    #[arg(long)]
    pub name: Option<String>,
    /// Memory of the machine, such as 512M or 2G
    #[arg(long, default_value = "512M")]
    pub memory: Memory,
    /// Processors of the machine
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub cpus: u32,
    /// Forward a port of the workstation, [IP:]PORT:MACHINE-PORT[/udp]; replaces the one that the
    /// manifests ask for; port 0 takes a free one
    #[arg(long = "forward", value_name = "SPEC")]
    pub forwards: Vec<ForwardSpec>,
    /// Forward each published port from a free port of the workstation
    #[arg(long)]
    pub forward_any: bool,
    /// No network device
    #[arg(long, conflicts_with_all = ["forwards", "forward_any"])]
    pub no_network: bool,
    /// The state disk's file; DIR/state.img when not given
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Size of a new state disk; the file takes only what is used of it
    #[arg(long, default_value = "2G", value_name = "SIZE")]
    pub state_size: Memory,
    /// Begin with a new, empty state disk; a disk image is not written to
    #[arg(long)]
    pub fresh: bool,
    /// What a disk image is started by [default: bios]
    #[arg(long, value_enum)]
    pub firmware: Option<Firmware>,
    /// How the disk of a disk image is attached [default: virtio]
    #[arg(long, value_enum, value_name = "BUS")]
    pub disk: Option<DiskBus>,
    /// Make the disk of a disk image larger, for good: the machine takes the space at its boot
    #[arg(long, value_name = "SIZE", conflicts_with = "fresh")]
    pub disk_size: Option<Memory>,
    /// No state disk: what the machine keeps is lost when it ends
    #[arg(long, conflicts_with_all = ["fresh", "state"])]
    pub no_state: bool,
    /// Another kernel than the one that was built in
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// The system inside the initramfs instead of on a disk
    #[arg(long)]
    pub initramfs_system: bool,
    /// What runs the guest's instructions; auto takes KVM when a probe guest really runs under it
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,
    /// The processor's model, as QEMU names it
    #[arg(long, value_name = "MODEL")]
    pub cpu: Option<String>,
    /// Words added to the kernel's command line
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// No console in the terminal: it goes to a file and a socket
    #[arg(long)]
    pub headless: bool,
    /// One JSON object a line on stdout for everything that happens
    #[arg(long, requires = "headless")]
    pub json: bool,
    /// Run what was built before
    #[arg(long)]
    pub no_build: bool,
    /// Build although some services have errors
    #[arg(long)]
    pub keep_going: bool,
    /// The folder with the static programs `init` and `services`
    #[arg(long, value_name = "DIR")]
    pub runtime: Option<PathBuf>,
    /// One more argument for QEMU, as it is
    #[arg(long = "qemu-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub qemu_args: Vec<String>,
}

/// `--disk`: what the machine's disk hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DiskBus {
    /// virtio-blk, the fastest.
    Virtio,
    /// An NVMe controller.
    Nvme,
    /// SATA.
    Ahci,
    /// SCSI on a virtio adapter.
    Scsi,
}

impl DiskBus {
    /// The drivers that the machine's kernel needs for it, by their modules' names.
    pub(super) fn drivers(self) -> &'static [&'static str] {
        match self {
            Self::Virtio => &["virtio_blk"],
            Self::Nvme => &["nvme"],
            Self::Ahci => &["ahci", "sd_mod"],
            Self::Scsi => &["virtio_scsi", "sd_mod"],
        }
    }
}

/// An amount of memory or disk, written `512M`, `2G`, `1048576K` or in MiB without a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    /// Whole MiB, at least one.
    pub mib: u64,
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no size; write 512M or 2G");
        let lower = text.trim().to_ascii_lowercase();
        let lower = lower.strip_suffix("ib").unwrap_or(&lower);
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let mib = match lower.get(digits.len()..) {
            Some("" | "m") => Some(number),
            Some("g") => number.checked_mul(1024),
            Some("k") => Some(number / 1024),
            _ => None,
        };
        match mib {
            Some(mib) if mib > 0 && mib < 1 << 30 => Ok(Self { mib }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.mib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        let mib = |text: &str| text.parse::<Memory>().map(|m| m.mib);
        assert_eq!(mib("512M"), Ok(512));
        assert_eq!(mib("512"), Ok(512));
        assert_eq!(mib("2g"), Ok(2048));
        assert_eq!(mib("2GiB"), Ok(2048));
        assert_eq!(mib("1048576K"), Ok(1024));
        for wrong in ["", "0", "M", "-1", "1T", "1.5G", "100K", "99999999999G"] {
            let sentence = format!("{wrong:?} is no size; write 512M or 2G");
            assert_eq!(mib(wrong), Err(sentence));
        }
    }
}
