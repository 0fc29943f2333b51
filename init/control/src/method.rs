//! The methods and what allows them.

/// A method of the interface, besides those of `org.varlink.service`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// All services with their state.
    List,
    /// When what of the last boot began and ended.
    Boot,
    /// Desired state up.
    Start,
    /// Desired state down.
    Stop,
    /// Down, then up.
    Restart,
    /// A signal to the main process.
    Kill,
    /// A further process in a service.
    Exec,
    /// What services wrote.
    Logs,
    /// About the machine.
    Info,
    /// Waits for the end of the boot.
    Booted,
    /// Power off.
    PowerOff,
    /// Reboot.
    Reboot,
    /// Stop, keep the power.
    Halt,
    /// An address from DHCP.
    Lease,
    /// A correction of the clock.
    Adjust,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::List,
        Self::Boot,
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Kill,
        Self::Exec,
        Self::Logs,
        Self::Info,
        Self::Booted,
        Self::PowerOff,
        Self::Reboot,
        Self::Halt,
        Self::Lease,
        Self::Adjust,
    ];

    /// The full name, as in a call.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "io.orlop.services.List",
            Self::Boot => "io.orlop.services.Boot",
            Self::Start => "io.orlop.services.Start",
            Self::Stop => "io.orlop.services.Stop",
            Self::Restart => "io.orlop.services.Restart",
            Self::Kill => "io.orlop.services.Kill",
            Self::Exec => "io.orlop.services.Exec",
            Self::Logs => "io.orlop.services.Logs",
            Self::Info => "io.orlop.machine.Info",
            Self::Booted => "io.orlop.machine.Booted",
            Self::PowerOff => "io.orlop.machine.PowerOff",
            Self::Reboot => "io.orlop.machine.Reboot",
            Self::Halt => "io.orlop.machine.Halt",
            Self::Lease => "io.orlop.network.Lease",
            Self::Adjust => "io.orlop.time.Adjust",
        }
    }

    /// What a manifest's `control` must cover.
    #[must_use]
    pub const fn grant(self) -> &'static str {
        match self {
            // No more than the list tells, with the times of it.
            Self::List | Self::Boot => "services.list",
            Self::Start => "services.start",
            Self::Stop => "services.stop",
            Self::Restart => "services.restart",
            Self::Kill => "services.kill",
            Self::Exec => "services.exec",
            Self::Logs => "services.logs",
            Self::Info => "machine.info",
            Self::Booted => "machine.booted",
            Self::PowerOff => "machine.poweroff",
            Self::Reboot => "machine.reboot",
            Self::Halt => "machine.halt",
            Self::Lease => "network.lease",
            Self::Adjust => "time.adjust",
        }
    }

    /// The method of that full name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_the_name_in_lower_case_without_the_prefix() {
        for method in Method::ALL {
            let name = method.name().strip_prefix("io.orlop.").unwrap();
            let expected = match method {
                Method::Boot => "services.list".to_owned(),
                _ => name.to_lowercase(),
            };
            assert_eq!(method.grant(), expected);
            assert_eq!(Method::from_name(method.name()), Some(method));
        }
    }
}
