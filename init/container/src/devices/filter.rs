//! Loaded filters: one for each set of rules, as long as a cgroup has it.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};

use nix::errno::Errno;
use orlop_sys::bpf;

use super::program::program;
use super::rules::DeviceRules;

/// Why a cgroup has no device filter; then nothing is launched in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The kernel did not take the program.
    #[error("loading the device filter (the kernel needs CONFIG_CGROUP_BPF)")]
    Load(#[source] Errno),
    /// The cgroup did not.
    #[error("attaching the device filter to the cgroup (at most 64, if those above allow any)")]
    Attach(#[source] Errno),
}

/// A loaded filter.
#[derive(Debug)]
pub struct DeviceFilter {
    rules: DeviceRules,
    program: OwnedFd,
}

impl DeviceFilter {
    /// The filter for these rules: loaded now, or shared.
    ///
    /// # Errors
    /// [`DeviceError::Load`].
    pub fn load(rules: &DeviceRules) -> Result<Rc<Self>, DeviceError> {
        thread_local! {
            static LOADED: RefCell<Vec<Weak<DeviceFilter>>> = const { RefCell::new(Vec::new()) };
        }
        LOADED.with_borrow_mut(|loaded| {
            loaded.retain(|filter| filter.strong_count() != 0);
            let mut known = loaded.iter().filter_map(Weak::upgrade);
            if let Some(filter) = known.find(|filter| filter.rules == *rules) {
                return Ok(filter);
            }
            let filter = Rc::new(Self {
                rules: rules.clone(),
                program: bpf::load_device_filter(&program(rules)).map_err(DeviceError::Load)?,
            });
            loaded.push(Rc::downgrade(&filter));
            Ok(filter)
        })
    }

    /// Attaches it; in the place of `replaced`, without a moment in which neither holds or both do
    /// (edge 51).
    ///
    /// # Errors
    /// [`DeviceError::Attach`]; then what was there still is.
    pub fn attach(
        &self,
        cgroup: BorrowedFd<'_>,
        replaced: Option<&DeviceFilter>,
    ) -> Result<(), DeviceError> {
        let replaced = replaced.map(|filter| filter.program.as_fd());
        bpf::attach_device_filter(cgroup, self.program.as_fd(), replaced)
            .map_err(DeviceError::Attach)
    }

    /// What it allows.
    #[must_use]
    pub fn rules(&self) -> &DeviceRules {
        &self.rules
    }
}
