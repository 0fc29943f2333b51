//! From text to a tree of TOML values that know their place, and the findings on the way.

mod depth;
mod fields;
mod findings;
mod habit;
mod node;
mod project;
mod sentence;
mod syntax;
mod text;

pub(crate) use fields::Fields;
pub(crate) use findings::{Findings, Place};
pub(crate) use node::{Node, key_text};
pub(crate) use syntax::Document;
pub(crate) use text::{Text, quoted, shown};
