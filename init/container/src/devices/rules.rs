//! Which devices a service may use.

use std::collections::BTreeMap;

use nix::libc::{S_IFBLK, S_IFCHR, S_IFMT};
use nix::sys::stat::{major, minor, stat};
use orlop_config::{Isolation, Service};

/// The kind of a device node, by its number in linux/bpf.h (BPF_DEVCG_DEV_…).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// A block device.
    Block = 1,
    /// A character device.
    Character = 2,
}

/// A device, or all with one major number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceRule {
    /// Block or character.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number; all when absent.
    pub minor: Option<u32>,
}

/// What may be done with which devices; all others are denied. Two equal sets are one filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceRules(BTreeMap<DeviceRule, u8>);

/// BPF_DEVCG_ACC_… of linux/bpf.h.
pub(super) const MAKE: u8 = 1;
pub(super) const READ: u8 = 2;
pub(super) const WRITE: u8 = 4;
pub(super) const ALL: u8 = MAKE | READ | WRITE;

impl Default for DeviceRules {
    /// OCI's default devices: null, zero, full, random, urandom, tty, ptmx and terminals of pts. Not
    /// console, which OCI gives with a terminal only.
    fn default() -> Self {
        let character = |major, minor| DeviceRule {
            kind: DeviceKind::Character,
            major,
            minor,
        };
        let devices = [
            (1, Some(3)),
            (1, Some(5)),
            (1, Some(7)),
            (1, Some(8)),
            (1, Some(9)),
            (5, Some(0)),
            (5, Some(2)),
            (136, None),
        ];
        Self(
            devices
                .map(|(major, minor)| (character(major, minor), ALL))
                .into(),
        )
    }
}

impl DeviceRules {
    /// The rules of a service with the devices that the machine has now; `None` when it is
    /// privileged. A granted device that is missing fails the launch at its node, which names it.
    #[must_use]
    pub fn of(service: &Service) -> Option<Self> {
        if service.isolation == Isolation::Privileged {
            return None;
        }
        let mut rules = Self::default();
        for grant in &service.devices {
            let Ok(status) = stat(&grant.source) else {
                continue;
            };
            let kind = match status.st_mode & S_IFMT {
                S_IFBLK => DeviceKind::Block,
                S_IFCHR => DeviceKind::Character,
                _ => continue,
            };
            let number = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
            let rule = DeviceRule {
                kind,
                major: number(major(status.st_rdev)),
                minor: Some(number(minor(status.st_rdev))),
            };
            rules.grant(rule, grant.read, grant.write);
        }
        Some(rules)
    }

    /// Adds to what the device's rule allows. Nodes may be made of what is granted: the launch
    /// itself does, inside.
    pub fn grant(&mut self, rule: DeviceRule, read: bool, write: bool) {
        let bits = |granted, bits| if granted { bits } else { 0 };
        *self.0.entry(rule).or_default() |= MAKE | bits(read, READ) | bits(write, WRITE);
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (DeviceRule, u8)> {
        self.0.iter().map(|(&rule, &access)| (rule, access))
    }
}
