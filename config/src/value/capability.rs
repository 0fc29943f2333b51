//! Capabilities by name and number (capabilities(7), `linux/capability.h`).

use std::fmt;

use crate::nearest::nearest;

/// A capability by number, written as `"NET_ADMIN"` or `"CAP_NET_ADMIN"` (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

/// Names without `CAP_`, from 0; 40 is the last one that Linux 6.1 to 6.18 has.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Every name, and the word for all of them: what `cap_add` and `cap_drop` take.
pub(crate) const CAPABILITIES_AND_ALL: [&str; 42] = {
    let mut words = ["ALL"; 42];
    let (names, _) = words.split_at_mut(NAMES.len());
    names.copy_from_slice(&NAMES);
    words
};

/// Docker's default list (moby, `oci/defaults.go`): what `baseline` holds.
const BASELINE: [u8; 14] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];

impl Capability {
    /// The capability's number, as in `linux/capability.h`.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Every capability, 0 to 40.
    pub fn all() -> impl Iterator<Item = Capability> {
        (0u8..).zip(NAMES).map(|(number, _)| Self(number))
    }

    /// Docker's fourteen, which `isolation = "baseline"` starts from.
    pub fn baseline() -> impl Iterator<Item = Capability> {
        BASELINE.into_iter().map(Self)
    }

    /// Reads `NET_ADMIN` or `CAP_NET_ADMIN`, in capital or small letters.
    ///
    /// # Errors
    /// A sentence fragment that names the nearest capability.
    pub fn parse(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let known = (0u8..).zip(NAMES).find(|(_, known)| *known == name);
        known.map(|(number, _)| Self(number)).ok_or_else(|| {
            let quoted = crate::tree::quoted(text);
            match nearest(name, NAMES) {
                Some(near) => format!("there is no capability {quoted}; write \"{near}\""),
                None => format!("there is no capability {quoted}; write a name of capabilities(7) such as \"NET_ADMIN\""),
            }
        })
    }

    /// The name with `CAP_`.
    #[must_use]
    pub fn name(self) -> String {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => format!("CAP_{name}"),
            None => format!("CAP_{}", self.0),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_read_back_from_its_name() {
        assert_eq!(Capability::all().count(), 41);
        for capability in Capability::all() {
            assert_eq!(Capability::parse(&capability.name()), Ok(capability));
        }
        assert_eq!(
            Capability::parse("sys_admin").map(Capability::number),
            Ok(21)
        );
        assert_eq!(
            Capability::parse("CAP_CHECKPOINT_RESTORE").map(Capability::number),
            Ok(40)
        );
    }

    #[test]
    fn baseline_is_dockers_list() {
        let names: Vec<String> = Capability::baseline().map(Capability::name).collect();
        let mut docker = [
            "CHOWN",
            "DAC_OVERRIDE",
            "FSETID",
            "FOWNER",
            "MKNOD",
            "NET_RAW",
            "SETGID",
            "SETUID",
            "SETFCAP",
            "SETPCAP",
            "NET_BIND_SERVICE",
            "SYS_CHROOT",
            "KILL",
            "AUDIT_WRITE",
        ]
        .map(|name| Capability::parse(name).unwrap());
        docker.sort_unstable();
        assert_eq!(names, docker.map(Capability::name));
    }

    #[test]
    fn an_unknown_one_names_the_nearest() {
        assert!(
            Capability::parse("NET_ADMN")
                .unwrap_err()
                .contains("\"NET_ADMIN\"")
        );
        assert!(Capability::parse("").is_err());
    }
}
