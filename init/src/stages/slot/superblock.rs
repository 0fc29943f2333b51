//! What a slot says of itself: the size in the EROFS's superblock, and behind the EROFS the superblock
//! of dm-verity. Pure but for the two reads.
//!
//! Nothing of it is trusted: the root hash alone says what the blocks are to be.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;

use crate::cmdline::RootHash;

/// Of data and of hashes, bytes.
const BLOCK: u64 = 4096;
/// Where an EROFS has its superblock (fs/erofs/erofs_fs.h, `erofs_super_block`).
const EROFS_OFFSET: u64 = 1024;
const EROFS_MAGIC: u32 = 0xe0f5_e1e2;
/// A superblock of dm-verity (cryptsetup's lib/verity/verity.c, `struct verity_sb`).
const VERITY_LENGTH: usize = 512;

/// What the kernel is told to open a slot, but for the root hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The EROFS's size, 4096-byte blocks; the superblock of dm-verity is the next one, the hashes
    /// follow.
    pub(super) blocks: u64,
    /// In hexadecimal, as the kernel takes it.
    pub(super) salt: String,
    /// In hexadecimal.
    uuid: String,
}

/// Reads the slot's superblocks. Waits for the disk: for a forked child.
///
/// # Errors
/// EMEDIUMTYPE when there is no EROFS, EUCLEAN when the superblock behind it is damaged, ENOENT when it
/// is that of another root hash; else the errno of open(2) or pread(2).
pub(super) fn read(partition: &Path, root: &RootHash) -> Result<Layout, Errno> {
    let errno = |error: io::Error| match error.kind() {
        // The partition ends before.
        io::ErrorKind::UnexpectedEof => Errno::EUCLEAN,
        _ => Errno::from_raw(error.raw_os_error().unwrap_or_default()),
    };
    let file = File::open(partition).map_err(errno)?;
    let mut erofs = [0; 40];
    file.read_exact_at(&mut erofs, EROFS_OFFSET)
        .map_err(errno)?;
    let blocks = parse_erofs(&erofs).ok_or(Errno::EMEDIUMTYPE)?;
    let mut verity = [0; VERITY_LENGTH];
    file.read_exact_at(&mut verity, blocks * BLOCK)
        .map_err(errno)?;
    let layout = parse_verity(&verity, blocks).ok_or(Errno::EUCLEAN)?;
    match layout.uuid == root.uuid() {
        true => Ok(layout),
        false => Err(Errno::ENOENT),
    }
}

/// How many blocks the EROFS has: 32 bits, so that no offset overflows.
fn parse_erofs(superblock: &[u8; 40]) -> Option<u64> {
    let is_erofs = number(superblock, 0)? == EROFS_MAGIC;
    let block_bits = *superblock.get(12)?;
    let blocks = number(superblock, 36)?;
    (is_erofs && block_bits == 12 && blocks > 0).then_some(blocks.into())
}

/// Only what `orlop build` writes: version 1, sha256, blocks of 4096 bytes, as many as the EROFS has.
fn parse_verity(superblock: &[u8; VERITY_LENGTH], blocks: u64) -> Option<Layout> {
    let at = |from: usize, length: usize| superblock.get(from..from + length);
    let numbers = [8, 12, 64, 68].map(|at| number(superblock, at));
    let is_ours = at(0, 8)? == b"verity\0\0"
        && numbers == [Some(1), Some(1), Some(4096), Some(4096)]
        && at(32, 7)? == b"sha256\0"
        && at(72, 8)? == blocks.to_le_bytes();
    let [low, high] = *at(80, 2)? else {
        return None;
    };
    let salt_length = usize::from(u16::from_le_bytes([low, high]));
    // The field's length; none is written as a dash.
    let salt = at(88, salt_length).filter(|salt| (1..=256).contains(&salt.len()))?;
    is_ours.then(|| Layout {
        blocks,
        salt: hexadecimal(salt),
        uuid: hexadecimal(at(16, 16).unwrap_or_default()),
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(four))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _a_string_takes_all = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const BLOCKS: u64 = 24;
    const ROOT: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff";

    /// A slot with an EROFS of [`BLOCKS`] and what veritysetup(8) writes behind it.
    fn slot(salt: &str, options: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slot");
        let file = File::create(&path).unwrap();
        let mut erofs = [0; 40];
        erofs[..4].copy_from_slice(&EROFS_MAGIC.to_le_bytes());
        erofs[12] = 12;
        erofs[36..].copy_from_slice(&u32::try_from(BLOCKS).unwrap().to_le_bytes());
        file.write_all_at(&erofs, EROFS_OFFSET).unwrap();
        file.set_len(64 * BLOCK).unwrap();
        let made = Command::new("veritysetup")
            .args(["format", "--uuid", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"])
            .args(["--salt", salt])
            .arg(format!("--data-blocks={BLOCKS}"))
            .arg(format!("--hash-offset={}", BLOCKS * BLOCK))
            .args(options)
            .args([&path, &path])
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        (folder, path)
    }

    fn root(text: &str) -> RootHash {
        RootHash::parse(text).unwrap()
    }

    #[test]
    fn a_slot_is_read_as_veritysetup_writes_it() {
        let salt = "5a".repeat(32);
        let (_folder, path) = slot(&salt, &[]);
        let layout = read(&path, &root(ROOT)).unwrap();
        assert_eq!((layout.blocks, layout.salt), (BLOCKS, salt));
        let other = ROOT.replace("0a1b", "0a1c");
        assert_eq!(read(&path, &root(&other)), Err(Errno::ENOENT));
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(b"x", BLOCKS * BLOCK).unwrap();
        assert_eq!(read(&path, &root(ROOT)), Err(Errno::EUCLEAN));
        file.set_len(BLOCKS * BLOCK).unwrap();
        assert_eq!(read(&path, &root(ROOT)), Err(Errno::EUCLEAN));
        file.write_all_at(b"x", EROFS_OFFSET).unwrap();
        assert_eq!(read(&path, &root(ROOT)), Err(Errno::EMEDIUMTYPE));
        let absent = path.with_extension("absent");
        assert_eq!(read(&absent, &root(ROOT)), Err(Errno::ENOENT));
    }

    #[test]
    fn what_orlop_does_not_write_is_refused() {
        for options in [
            &["--hash=sha512"][..],
            &["--format=0"],
            &["--hash-block-size=1024"],
        ] {
            let (_folder, path) = slot(&"5a".repeat(32), options);
            assert_eq!(read(&path, &root(ROOT)), Err(Errno::EUCLEAN), "{options:?}");
        }
        let (_folder, path) = slot("-", &[]);
        assert_eq!(read(&path, &root(ROOT)), Err(Errno::EUCLEAN), "no salt");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_stumble(
            erofs in any::<[u8; 40]>(),
            salt_length in any::<u16>(),
            at in 0..VERITY_LENGTH,
            byte in any::<u8>(),
        ) {
            let _any = parse_erofs(&erofs);
            let mut verity = [0; VERITY_LENGTH];
            verity[..8].copy_from_slice(b"verity\0\0");
            verity[8] = 1;
            verity[12] = 1;
            verity[32..38].copy_from_slice(b"sha256");
            verity[65] = 16;
            verity[69] = 16;
            verity[72] = 7;
            verity[80..82].copy_from_slice(&salt_length.to_le_bytes());
            let whole = parse_verity(&verity, 7);
            prop_assert_eq!(whole.is_some(), (1..=256).contains(&salt_length));
            verity[at] = byte;
            if let Some(layout) = parse_verity(&verity, 7) {
                prop_assert!((2..=512).contains(&layout.salt.len()));
            }
        }
    }
}
