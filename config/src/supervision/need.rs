//! `needs`: what the machine must have before a service is started.

use std::fmt;
use std::path::PathBuf;

/// One entry of `needs`. Only starts wait for it: what is lost later stops nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// `"link"`: some link other than loopback has a carrier; `"link:eth0"`: that one.
    Link(Option<String>),
    /// `"address"`: the machine has an IPv4 address that is not loopback's.
    Address,
    /// `"online"`: there is a default route too.
    Online,
    /// `"time"`: the clock is known to be right.
    Time,
    /// `"path:/…"`: the path exists on the machine.
    Path(PathBuf),
    /// `"device:/dev/…"`: the node exists.
    Device(PathBuf),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Link(None) => f.write_str("link"),
            Need::Link(Some(name)) => write!(f, "link:{name}"),
            Need::Address => f.write_str("address"),
            Need::Online => f.write_str("online"),
            Need::Time => f.write_str("time"),
            Need::Path(path) => write!(f, "path:{}", path.display()),
            Need::Device(path) => write!(f, "device:{}", path.display()),
        }
    }
}
