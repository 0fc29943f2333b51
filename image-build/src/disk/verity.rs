//! The dm-verity hash tree behind a system (`Documentation/admin-guide/device-mapper/verity.rst` of
//! the kernel, "On-disk format"), as `veritysetup format` writes it.
//!
//! ```text
//! 0            the system, padded to 4096
//! hash offset  superblock, in a block of its own
//!              the top level's one block, …, the blocks with the hashes of the system's own blocks
//! ```

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// Bytes of a block, of the system and of the tree.
pub const BLOCK: u64 = 4096;
const BLOCK_LEN: usize = 4096;
/// Hashes a block holds: SHA-256's have 32 bytes.
const HASHES: usize = BLOCK_LEN / 32;

/// A system's hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTree {
    /// What the kernel's command line names.
    pub root: [u8; 32],
    /// Superblock and tree, to be written behind the system.
    pub bytes: Vec<u8>,
}

/// Hashes `system`, of `blocks` blocks (at least one), with `salt` in front of each.
///
/// # Errors
/// When it cannot be read or is shorter.
pub fn hash_tree(system: &mut dyn Read, blocks: u64, salt: &[u8; 32]) -> io::Result<HashTree> {
    let salted = Sha256::new_with_prefix(salt);
    let hash = |block: &[u8]| -> [u8; 32] {
        let mut hasher = salted.clone();
        hasher.update(block);
        hasher.finalize().into()
    };
    let mut block = vec![0; BLOCK_LEN];
    let mut hashes = Vec::new();
    for _ in 0..blocks {
        system.read_exact(&mut block)?;
        hashes.push(hash(&block));
    }
    // From the lowest level to the highest; on the disk the highest comes first.
    let mut levels: Vec<Vec<u8>> = Vec::new();
    while hashes.len() > 1 {
        let level: Vec<u8> = hashes.chunks(HASHES).flat_map(hash_block).collect();
        hashes = level.chunks(BLOCK_LEN).map(hash).collect();
        levels.push(level);
    }
    let root = hashes.pop().ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut bytes = superblock(&root, blocks, salt);
    levels
        .iter()
        .rev()
        .for_each(|level| bytes.extend_from_slice(level));
    Ok(HashTree { root, bytes })
}

/// Hashes side by side, and zeros.
fn hash_block(hashes: &[[u8; 32]]) -> Vec<u8> {
    let mut block = hashes.concat();
    block.resize(BLOCK_LEN, 0);
    block
}

/// `struct verity_sb` of cryptsetup, padded to a block.
fn superblock(root: &[u8; 32], blocks: u64, salt: &[u8; 32]) -> Vec<u8> {
    let mut bytes = b"verity\0\0".to_vec();
    bytes.extend(1_u32.to_le_bytes()); // version
    bytes.extend(1_u32.to_le_bytes()); // hash type: the salt comes first
    bytes.extend(root.iter().take(16)); // uuid
    let mut algorithm = b"sha256".to_vec();
    algorithm.resize(32, 0);
    bytes.extend(algorithm);
    for size in [BLOCK, BLOCK] {
        bytes.extend(size.to_le_bytes().iter().take(4));
    }
    bytes.extend(blocks.to_le_bytes());
    bytes.extend(32_u16.to_le_bytes()); // bytes of the salt
    bytes.extend([0; 6]);
    bytes.extend(salt);
    bytes.resize(BLOCK_LEN, 0);
    bytes
}

/// Bytes of superblock and tree for a system of so many blocks.
#[must_use]
pub fn tree_len(blocks: u64) -> u64 {
    let mut total = 1;
    let mut level = blocks;
    while level > 1 {
        level = level.div_ceil(HASHES as u64);
        total += level;
    }
    total * BLOCK
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A file of so many different blocks.
    fn system(blocks: u64) -> Vec<u8> {
        (0..blocks)
            .flat_map(|at| {
                let mut block = vec![0; BLOCK_LEN];
                block[..8].copy_from_slice(&at.to_le_bytes());
                block
            })
            .collect()
    }

    #[test]
    fn veritysetup_verifies_it_and_finds_a_changed_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slot");
        // One block, a full one of hashes and one more, three levels.
        for blocks in [1, 2, 128, 129, 128 * 128 + 1] {
            let system = system(blocks);
            let tree = hash_tree(&mut system.as_slice(), blocks, &[9; 32]).unwrap();
            assert_eq!(tree.bytes.len() as u64, tree_len(blocks));
            let mut slot = [system, tree.bytes].concat();
            let verify = |slot: &[u8]| {
                std::fs::write(&path, slot).unwrap();
                let mut command = Command::new("veritysetup");
                command.arg("verify").args([&path, &path]);
                command.arg(hex::encode(tree.root));
                command.arg(format!("--hash-offset={}", blocks * BLOCK));
                let output = command.output();
                output.expect("run veritysetup, of Debian's package cryptsetup-bin")
            };
            let output = verify(&slot);
            assert!(output.status.success(), "{blocks}: {output:?}");
            slot[4000] ^= 1;
            assert!(!verify(&slot).status.success(), "{blocks}");
        }
    }

    #[test]
    fn a_system_cut_short_is_refused() {
        assert!(hash_tree(&mut system(2).as_slice(), 3, &[0; 32]).is_err());
        assert!(hash_tree(&mut [].as_slice(), 0, &[0; 32]).is_err());
    }
}
