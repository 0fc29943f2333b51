//! A disk image of any format as a raw, sparse file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use super::{Format, qemu_img};

/// Zeroes are left out in pieces of this size.
const PIECE: usize = 64 << 10;

/// Writes the disk in `image` to `output`, which is empty.
///
/// # Errors
/// When the image is damaged, or there is no space for it.
pub(crate) fn unpack(image: &Path, format: Format, output: &NamedTempFile) -> Result<()> {
    let said = || format!("unpack {} to {}", image.display(), output.path().display());
    match format.of_qemu() {
        Some(name) => qemu_img::to_raw(image, name, output.path()).with_context(said),
        None => from_zst(image, output.as_file()).with_context(said),
    }
}

fn from_zst(image: &Path, output: &File) -> io::Result<()> {
    let mut packed = zstd::Decoder::new(File::open(image)?)?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        let count = fill(&mut packed, &mut piece)?;
        let found = piece.get(..count).unwrap_or_default();
        if found.iter().any(|byte| *byte != 0) {
            output.write_all_at(found, at)?;
        }
        at += count as u64;
        if count < PIECE {
            return output.set_len(at);
        }
    }
}

/// As many bytes as there are, up to the buffer's end.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn packed(content: &[u8]) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        zstd::stream::copy_encode(content, file.as_file(), 1).unwrap();
        file
    }

    #[test]
    fn zst_comes_out_sparse_and_of_its_full_length() {
        let mut content = vec![0; 20 << 20];
        content[5 << 20..(5 << 20) + 9].copy_from_slice(b"something");
        let output = NamedTempFile::new().unwrap();
        let image = packed(&content);
        unpack(image.path(), Format::RawZst, &output).unwrap();
        assert!(std::fs::read(output.path()).unwrap() == content);
        let blocks = output.as_file().metadata().unwrap().blocks();
        assert!(blocks * 512 <= 1 << 20, "{blocks} blocks");
    }

    #[test]
    fn a_damaged_image_is_named() {
        let image = packed(&[7; 1000]);
        let bytes = std::fs::read(image.path()).unwrap();
        std::fs::write(image.path(), &bytes[..bytes.len() - 3]).unwrap();
        let output = NamedTempFile::new().unwrap();
        let error = unpack(image.path(), Format::RawZst, &output).unwrap_err();
        let named = format!("unpack {} to ", image.path().display());
        assert!(error.to_string().starts_with(&named), "{error:#}");
    }
}
