//! How mount steps are put together.

use std::ffi::{CStr, CString};
use std::path::Path;

use orlop_sys::mount_api::MountFlags;

use super::{Links, Missing, Mount, MountSource, PlanError, Step, absolute, text};

/// Data only.
pub(super) const PLAIN: MountFlags = MountFlags {
    read_only: false,
    nosuid: true,
    nodev: true,
    noexec: true,
};
/// Data only, as it is.
pub(super) const READ_ONLY: MountFlags = MountFlags {
    read_only: true,
    ..PLAIN
};

/// A new file system on a target that the image has or that is made.
pub(super) fn fresh(
    fstype: &CStr,
    target: &CStr,
    flags: MountFlags,
    options: &[(&str, &str)],
) -> Result<Step, PlanError> {
    let source = fresh_source(fstype, options)?;
    Ok(Step::Mount(Mount {
        source,
        target: target.to_owned(),
        flags,
        missing: Missing::Directory,
        links: Links::Followed,
    }))
}

/// Options with an empty value are flags.
pub(super) fn fresh_source(
    fstype: &CStr,
    options: &[(&str, &str)],
) -> Result<MountSource, PlanError> {
    let option = |&(key, value): &(&str, &str)| -> Result<_, PlanError> {
        let value = if value.is_empty() {
            None
        } else {
            Some(text("options", value.as_bytes())?)
        };
        Ok((text("options", key.as_bytes())?, value))
    };
    let options = options.iter().map(option).collect::<Result<_, _>>()?;
    Ok(MountSource::Fresh {
        fstype: fstype.to_owned(),
        options,
    })
}

/// How a path of the machine is mounted.
#[derive(Clone)]
pub(super) struct Bind {
    pub(super) volume: Option<String>,
    pub(super) recursive: bool,
    pub(super) idmap: bool,
    pub(super) adopt_owner: bool,
    pub(super) missing: Missing,
}

impl Default for Bind {
    fn default() -> Self {
        Self {
            volume: None,
            recursive: false,
            idmap: false,
            adopt_owner: false,
            missing: Missing::Directory,
        }
    }
}

/// A path of the machine on a target.
pub(super) fn machine(
    path: &Path,
    target: CString,
    flags: MountFlags,
    bind: Bind,
) -> Result<Step, PlanError> {
    let path = absolute("source", path)?;
    let Bind {
        volume,
        recursive,
        idmap,
        adopt_owner,
        missing,
    } = bind;
    let source = MountSource::Machine {
        path,
        volume,
        recursive,
        idmap,
        adopt_owner,
    };
    Ok(Step::Mount(Mount {
        source,
        target,
        flags,
        missing,
        links: Links::Followed,
    }))
}
