//! Drivers for devices that the build did not foresee: the applet `modprobe`, in a child.

use std::ffi::CStr;
use std::time::Duration;

use orlop_sys::credentials::CapabilitySet;

use crate::children::{self, ChildError};
use crate::reaper::Reaper;

/// How long loading drivers may take.
const LOAD: Duration = Duration::from_secs(60);
/// The multi-call binary's applet: in the system, and in the initramfs of a disk.
const MODPROBE: [&CStr; 2] = [c"/usr/lib/orlop/services", c"modprobe"];
/// CAP_SYS_MODULE of linux/capability.h.
const SYS_MODULE: CapabilitySet = 1 << 16;

/// Loads what devices want that sysfs shows and no driver has taken.
///
/// # Errors
/// As [`children::exec`].
pub(crate) async fn load(reaper: &Reaper) -> Result<(), ChildError> {
    children::exec(reaper, LOAD, &MODPROBE, SYS_MODULE).await
}
