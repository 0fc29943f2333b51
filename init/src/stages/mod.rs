//! The stages of the boot, one file each, in the order of `boot.rs`.

pub mod devices;
pub mod early_mounts;
pub mod identity;
pub mod kernel_modules;
pub mod load_config;
pub mod slot;
pub mod state_disk;
pub mod storage;
pub mod switch_root;
