//! The workstation tool `orlop`: what `new`, `add`, `check`, `build` and `run` do, as plain functions.
//!
//! No root, no Docker, no loop device; nothing of the host's is changed but the user's cache
//! folder. `main.rs` is the command line over this library.
//!
//! The way of a build: the machine's folder is read and checked ([`machine_folder`]), packages are
//! resolved and fetched ([`packages`], [`apt`]), each image becomes a [`tree::Tree`] in memory
//! ([`image`]), all of them become one EROFS file ([`system`], [`erofs`]), and the kernel's
//! modules and PID 1 become the initramfs ([`kernel`], [`initramfs`]).
#![forbid(unsafe_code)]

mod add;
pub mod apt;
mod astray;
mod audit;
pub mod boot_json;
mod build;
pub mod build_info;
pub mod cache;
pub mod catalogue;
mod check;
mod cmdline;
mod config;
pub mod cpio;
pub mod deb;
mod directory;
pub mod disk;
mod disk_image;
mod editor;
pub mod erofs;
mod exec;
mod flash;
mod host_program;
pub mod image;
pub mod initramfs;
pub mod kernel;
pub mod lock;
pub mod machine_folder;
mod new;
pub mod options;
pub mod other_words;
pub mod packages;
pub mod progress;
pub mod run;
pub mod runtime;
pub mod system;
pub mod tree;

pub use add::{AddOptions, add};
pub use audit::{AuditOptions, audit};
pub use build::build;
pub use build_info::{BuildInfo, ForwardedPort};
pub use catalogue::{CatalogueService, catalogue};
pub use check::check;
pub use config::{ConfigOptions, config};
pub use disk::{DiskFormat, DiskReport};
pub use editor::{SchemaOf, print_schema, with_schema_line, write_schemas};
pub use exec::exec;
pub use flash::{FlashOptions, flash};
pub use new::new;
pub use options::{BuildOptions, Built};
