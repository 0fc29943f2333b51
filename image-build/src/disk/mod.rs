//! Disks that a machine boots from or keeps its state on.

mod ext4;
pub mod state_template;

pub(crate) use ext4::{Purpose, format};
pub use state_template::StateTemplate;
