//! Grants: what a service may ask of PID 1 (the table in `docs/architecture.md`).

use std::fmt;

use crate::nearest::nearest;

/// A control method, or a family of them, that a service may call: `"network.lease"`,
/// `"services.*"`, `"*"`. The method `io.orlop.network.Lease` is granted by `network.lease`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant(String);

/// Every grant there is.
pub(crate) const GRANTS: [&str; 16] = [
    "access.ssh",
    "log.streams",
    "machine.booted",
    "machine.halt",
    "machine.info",
    "machine.poweroff",
    "machine.reboot",
    "network.lease",
    "services.exec",
    "services.kill",
    "services.list",
    "services.logs",
    "services.restart",
    "services.start",
    "services.stop",
    "time.adjust",
];

impl Grant {
    /// Reads a grant of the table, a family such as `services.*`, or `*`.
    ///
    /// # Errors
    /// A sentence fragment that names the nearest grant.
    pub fn parse(text: &str) -> Result<Self, String> {
        let family = |text: &str| {
            let prefix = text
                .strip_suffix('*')
                .filter(|prefix| prefix.ends_with('.'));
            prefix.is_some_and(|prefix| GRANTS.iter().any(|grant| grant.starts_with(prefix)))
        };
        if text == "*" || GRANTS.contains(&text) || family(text) {
            return Ok(Self(text.to_owned()));
        }
        let families = [
            "access.*",
            "log.*",
            "machine.*",
            "network.*",
            "services.*",
            "time.*",
        ];
        let method = text
            .strip_prefix("io.orlop.")
            .unwrap_or(text)
            .to_lowercase();
        let quoted = crate::tree::quoted(text);
        Err(match nearest(&method, GRANTS.into_iter().chain(families)) {
            Some(near) => format!("there is no grant {quoted}; write \"{near}\""),
            None => format!(
                "there is no grant {quoted}; write one of {}, or a family such as \"services.*\"",
                GRANTS.join(", ")
            ),
        })
    }

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

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_families_and_everything() {
        for text in GRANTS.into_iter().chain([
            "*",
            "services.*",
            "machine.*",
            "network.*",
            "log.*",
            "access.*",
        ]) {
            assert!(Grant::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            ".*",
            "**",
            "s*",
            "services*",
            "services.l*",
            "nosuch.*",
            "Services.list",
        ] {
            assert!(Grant::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_family_covers_its_own_only() {
        let family = Grant::parse("services.*").unwrap();
        assert!(family.covers("services.list"));
        assert!(!family.covers("machine.halt"));
        assert!(Grant::parse("*").unwrap().covers("machine.halt"));
        assert!(
            !Grant::parse("services.list")
                .unwrap()
                .covers("services.lists")
        );
    }

    #[test]
    fn the_method_leads_to_its_grant() {
        assert!(
            Grant::parse("io.orlop.services.List")
                .unwrap_err()
                .contains("write \"services.list\"")
        );
    }
}
