//! Debian packages by the host's apt, in a root of lists and cache of our own.
//!
//! apt itself resolves dependencies and checks the archive's signatures; it runs unprivileged
//! against a dpkg status of our own, so that the answer is the whole closure and nothing of the
//! host is read but where its archive is, its keyring and its proxy.

mod archive;
mod root;
mod stand_in;
mod stanza;

pub use archive::{ArchiveSource, sources_for, sources_text};
pub use root::{AptRoot, Available};
