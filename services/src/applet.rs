//! Which program of the multi-call binary is meant.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::{console, dhcp, gateway, init, log, modprobe, ntp, orlop, probe, report, state};

/// One program. `build = { programs = [...] }` names these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applet {
    /// A shell on the serial line.
    Console,
    /// The DHCP client of every link.
    Dhcp,
    /// The workstation's way to the control socket.
    Gateway,
    /// pid 1 of a container.
    Init,
    /// What services write.
    Log,
    /// Drivers for devices that have none.
    Modprobe,
    /// The right time.
    Ntp,
    /// The verbs.
    Orlop,
    /// A health check's question.
    Probe,
    /// The state partition.
    State,
}

impl Applet {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 10] = [
        ("console", Self::Console),
        ("dhcp", Self::Dhcp),
        ("gateway", Self::Gateway),
        ("init", Self::Init),
        ("log", Self::Log),
        ("modprobe", Self::Modprobe),
        ("ntp", Self::Ntp),
        ("orlop", Self::Orlop),
        ("probe", Self::Probe),
        ("state", Self::State),
    ];

    fn from_name(name: &OsStr) -> Option<(&'static str, Self)> {
        Self::ALL.into_iter().find(|(known, _)| *known == name)
    }

    /// Which applet these words mean, the program's own name first, and its arguments: the name it
    /// was called by, or else the first argument.
    #[must_use]
    pub fn select(words: &[OsString]) -> Option<(&'static str, Self, &[OsString])> {
        let (called, arguments) = words.split_first()?;
        let base = Path::new(called).file_name().unwrap_or_default();

        if let Some((name, applet)) = Self::from_name(base) {
            return Some((name, applet, arguments));
        }
        let (first, rest) = arguments.split_first()?;
        let (name, applet) = Self::from_name(first)?;
        Some((name, applet, rest))
    }

    /// Runs it and gives the exit status.
    #[must_use]
    pub fn run(self, name: &str, arguments: &[OsString]) -> u8 {
        let failed = |error: &dyn std::error::Error| {
            report::error(name, error);
            1
        };
        match self {
            Self::Console => match console::run(arguments) {
                Ok(never) => match never {},
                Err(error) => failed(&error),
            },
            Self::Dhcp => dhcp::run().map_or_else(|e| failed(&e), |()| 0),
            Self::Gateway => gateway::run(arguments).map_or_else(|e| failed(&e), |()| 0),
            Self::Init => init::run(arguments).unwrap_or_else(|error| {
                report::error(name, &error);
                error.status()
            }),
            Self::Log => log::run().map_or_else(|e| failed(&e), |()| 0),
            Self::Modprobe => modprobe::run().map_or_else(|e| failed(&e), |()| 0),
            Self::Ntp => ntp::run(arguments).map_or_else(|e| failed(&e), |()| 0),
            Self::Orlop => orlop::run(arguments),
            Self::Probe => probe::run(arguments),
            Self::State => state::run(arguments).map_or_else(|e| failed(&e), |()| 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(line: &str) -> Option<(&'static str, usize)> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Applet::select(&words).map(|(name, _, arguments)| (name, arguments.len()))
    }

    #[test]
    fn by_name_or_by_first_argument() {
        assert_eq!(select("/usr/bin/orlop ps --json"), Some(("orlop", 2)));
        assert_eq!(select("/usr/lib/orlop/services log"), Some(("log", 0)));
        assert_eq!(select("/proc/self/fd/5 init -- sh"), Some(("init", 2)));
        assert_eq!(select("services"), None);
        assert_eq!(select("services nginx"), None);
    }
}
