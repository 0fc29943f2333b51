//! The ext4 of every state disk, as mke2fs(8) makes it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::host_program::find_program;

/// The label by which the machine knows its state disk.
const LABEL: &str = "orlop-state";

/// All of them, so that no mke2fs.conf of the workstation adds one. Linux 6.1 and the e2fsck of
/// Debian 12 know each. `metadata_csum_seed` lets the UUID change while mounted.
const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,\
     flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum,\
     metadata_csum_seed";

/// What is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// A disk for one machine: its UUID is made up, and it has its size.
    OneMachine {
        /// Whether a volume of it has a size.
        quota: bool,
    },
    /// The same bytes each time, to be grown by the machine that it lands on.
    Template {
        /// The file system's UUID.
        uuid: &'a str,
        /// The seed of the directories' hashes, a UUID too.
        hash_seed: &'a str,
        /// Seconds since 1970 of every time in it.
        epoch: u64,
    },
}

/// What a template has to have, as it cannot be added later: `quota` and `project`, by which sizes of
/// volumes are enforced; a journal for the large disk that it will be; twice the usual inodes, since
/// 64 MiB are half a group, and every group that is added gets as many as the first; and room for
/// the descriptors of 4 TiB. Beyond, the kernel goes over to `meta_bg` by itself (ext4_resize_fs). Not
/// for more: adding a group takes as many credits of the journal as there are such blocks, and a
/// transaction has a quarter of it (ENOSPC, ext4_flex_group_add).
const QUOTA_FEATURES: &str = ",quota,project";
const QUOTA_EXTENDED: &str = ",quotatype=prjquota";
const TEMPLATE: [&str; 4] = ["-J", "size=16", "-i", "8192"];
const TEMPLATE_EXTENDED: &str = ",resize=1073741824,hash_seed=";

/// Makes an empty ext4 of `size` bytes in the empty file `path`, which gets its size.
///
/// # Errors
/// When mke2fs is missing or refuses.
pub(crate) fn format(path: &Path, size: u64, purpose: Purpose<'_>) -> Result<()> {
    let mke2fs = find_program("mke2fs").context("mke2fs is missing; apt-get install e2fsprogs")?;
    // A file that was just made reads as zeros: nothing to write, now or after the mount.
    let mut features = FEATURES.to_owned();
    let mut extended = "root_owner=0:0,assume_storage_prezeroed=1".to_owned();
    let mut command = Command::new(mke2fs);
    command
        .args(["-q", "-F", "-t", "ext4", "-L", LABEL])
        // Root keeps 1 % to itself: a service that fills the disk leaves the machine some room.
        .args(["-b", "4096", "-I", "256", "-m", "1", "-e", "remount-ro"]);
    if !matches!(purpose, Purpose::OneMachine { quota: false }) {
        features.push_str(QUOTA_FEATURES);
        extended.push_str(QUOTA_EXTENDED);
    }
    if let Purpose::Template {
        uuid,
        hash_seed,
        epoch,
    } = purpose
    {
        extended.push_str(TEMPLATE_EXTENDED);
        extended.push_str(hash_seed);
        let epoch = epoch.to_string();
        command
            .args(TEMPLATE)
            .args(["-U", uuid])
            .env("E2FSPROGS_FAKE_TIME", &epoch)
            .env("SOURCE_DATE_EPOCH", &epoch);
    }
    let output = command
        .args(["-O", &features, "-E", &extended])
        .arg(path)
        .arg(format!("{}k", size / 1024))
        .env("MKE2FS_CONFIG", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .context("start mke2fs")?;
    if !output.status.success() {
        bail!(
            "mke2fs could not make {}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
