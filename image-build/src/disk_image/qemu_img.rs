//! What QEMU's own tool does with the formats that are not raw.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Format;
use crate::host_program::find_program;

/// The first `mib` MiB of the disk in `image`, into the file `output`.
pub(super) fn first_part(image: &Path, format: &str, mib: u64, output: &Path) -> Result<()> {
    let file = |key: &str, path: &Path| {
        let mut word = OsString::from(key);
        word.push(path);
        word
    };
    let words = ["dd", "-f", format, "-O", "raw", "bs=1M"].map(OsString::from);
    let more = [
        OsString::from(format!("count={mib}")),
        file("if=", image),
        file("of=", output),
    ];
    qemu_img(words.into_iter().chain(more), image)
}

/// The whole disk in `image` into the file `output`, raw and sparse.
pub(super) fn to_raw(image: &Path, format: &str, output: &Path) -> Result<()> {
    let words = ["convert", "-f", format, "-O", "raw"].map(OsString::from);
    let files = [image, output].map(OsString::from);
    qemu_img(words.into_iter().chain(files), image)
}

/// Makes the disk in `image` larger, which must be of a format that can grow.
pub(crate) fn grow(image: &Path, format: Format, mib: u64) -> Result<()> {
    let format = format.of_qemu().unwrap_or_default();
    let words = ["resize", "-q", "-f", format].map(OsString::from);
    let size = [image.as_os_str().to_owned(), format!("{mib}M").into()];
    qemu_img(words.into_iter().chain(size), image)
}

/// Runs it; `image` is what a failure is said of.
///
/// # Errors
/// When it is missing, or with what it says.
pub(crate) fn qemu_img(words: impl Iterator<Item = OsString>, image: &Path) -> Result<()> {
    let program = find_program("qemu-img")
        .context("qemu-img is missing; apt-get install --no-install-recommends qemu-utils")?;
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .context("start qemu-img")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: qemu-img says: {}", image.display(), said.trim());
    }
    Ok(())
}
