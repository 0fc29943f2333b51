//! The command line of `orlop flash`.

use std::path::PathBuf;

/// What `orlop flash` is asked for. Its doc comments are the texts of `orlop flash --help`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Status: 0 when the disk is written and verified, 1 when nothing was done to \
                        it, 3 when it was begun and is not bootable now."
)]
pub struct FlashOptions {
    /// A disk image that `orlop build --format` made: raw, raw.zst, qcow2, vmdk or vhd
    pub image: PathBuf,
    /// The disk to write it to, such as /dev/sdb; all that is on it is lost
    pub device: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}
