//! The small checked values that manifests are made of.

mod capability;
mod grant;
mod signal;

use std::fmt;

pub(crate) use capability::CAPABILITIES_AND_ALL;
pub use capability::Capability;
pub(crate) use grant::GRANTS;
pub use grant::Grant;
pub use signal::Signal;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name when it is one: `[a-z0-9][a-z0-9_.-]{0,62}`, without `..`
            /// (stricter than Compose's service names; rule R17).
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                let mut bytes = text.bytes();
                let first = bytes.next()?;
                let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
                let rest = |b: u8| good(b) || matches!(b, b'_' | b'.' | b'-');
                (text.len() <= 63 && good(first) && bytes.all(rest) && !text.contains(".."))
                    .then(|| Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// The name of a service: its folder's under `services/`, its cgroup's, its hostname's default.
    ServiceName
);
name_type!(
    /// The name of an image that a `build` of this machine or of the catalogue makes.
    ImageName
);
name_type!(
    /// The name of a volume declared under `[volumes]` in `system.toml`.
    VolumeName
);

/// A published port's transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP, written `"53:53/udp"`.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}
