//! The small checked values that manifests are made of.

use std::fmt;

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

/// A signal by number, written in manifests as `"SIGTERM"`, `"TERM"` or `"15"` (signal(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// A capability by number, written as `"NET_ADMIN"` or `"CAP_NET_ADMIN"` (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

/// A control method, or a family of them, that a service may call: `"network.lease"`,
/// `"services.*"`, `"*"`. The method `io.orlop.network.Lease` is granted by `network.lease`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant(String);

/// A published port's transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP, written `"53:53/udp"`.
    Udp,
}

impl Signal {
    /// SIGTERM, the default `stop_signal`.
    pub const TERM: Signal = Signal(15);
    /// SIGKILL.
    pub const KILL: Signal = Signal(9);
    /// SIGCONT.
    pub const CONT: Signal = Signal(18);

    /// The signal's number, 1 to 64.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }
}

impl Capability {
    /// The capability's number, as in `linux/capability.h`.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Grant {
    /// Whether this grant covers the method written in grant form, such as `services.list`.
    #[must_use]
    pub fn covers(&self, method: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => method.starts_with(prefix),
            None => self.0 == method,
        }
    }

    /// The grant as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
