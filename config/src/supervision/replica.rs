//! `scale`: one manifest, several services.

use crate::ServiceName;

/// Which instance of a scaled service a service is: `web-2` is 2 of 3 of `web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The manifest's folder, whose image and volumes all instances share.
    pub of: ServiceName,
    /// From 1.
    pub index: u32,
    /// How many there are, at least 2.
    pub count: u32,
}
