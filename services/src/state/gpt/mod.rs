//! The GUID partition table of the boot disk: read as the kernel reads it, changed so that it can be
//! read at every instant.
//!
//! UEFI specification 2.10, chapter 5; the kernel's reading is block/partitions/efi.c.

mod change;
mod table;

pub use change::{Change, Partition, PlanError, Write, plan};
pub use table::{Copies, SECTOR, Table};

#[cfg(test)]
mod tests;
