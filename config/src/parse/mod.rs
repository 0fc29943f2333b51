//! One file at a time: the tree of a manifest becomes a draft of what it describes.

mod machine;
mod service;

pub(crate) use machine::{MachineDraft, parse_machine};
pub(crate) use service::{Draft, Truth, build_for, pairs, parse_service};
