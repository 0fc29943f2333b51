//! `org.varlink.service`: the descriptions of the interfaces, for `varlinkctl` and the like.

use serde::Serialize;

/// Name and description of every interface.
pub const INTERFACES: [(&str, &str); 6] = [
    (
        "org.varlink.service",
        include_str!("org.varlink.service.varlink"),
    ),
    ("io.orlop", include_str!("io.orlop.varlink")),
    (
        "io.orlop.services",
        include_str!("io.orlop.services.varlink"),
    ),
    ("io.orlop.machine", include_str!("io.orlop.machine.varlink")),
    ("io.orlop.network", include_str!("io.orlop.network.varlink")),
    ("io.orlop.time", include_str!("io.orlop.time.varlink")),
];

/// The reply of `GetInfo`.
#[derive(Debug, Serialize)]
pub struct ServiceDescription {
    vendor: &'static str,
    product: &'static str,
    version: &'static str,
    url: &'static str,
    interfaces: Vec<&'static str>,
}

/// The reply of `GetInterfaceDescription`.
#[derive(Debug, Serialize)]
pub struct InterfaceDescription {
    description: &'static str,
}

impl ServiceDescription {
    /// What this build is.
    #[must_use]
    pub fn new() -> Self {
        Self {
            vendor: "Orlop",
            product: "Orlop",
            version: env!("CARGO_PKG_VERSION"),
            url: "",
            interfaces: INTERFACES.map(|(name, _)| name).to_vec(),
        }
    }
}

impl Default for ServiceDescription {
    fn default() -> Self {
        Self::new()
    }
}

impl InterfaceDescription {
    /// The description of that interface.
    #[must_use]
    pub fn of(interface: &str) -> Option<Self> {
        let found = INTERFACES.iter().find(|(name, _)| *name == interface);
        found.map(|(_, description)| Self { description })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ControlError, Method};

    #[test]
    fn every_method_is_described_and_nothing_else() {
        let described = INTERFACES.iter().skip(1).flat_map(|(name, text)| {
            let lines = text.lines().filter_map(|line| line.strip_prefix("method "));
            lines.map(move |line| format!("{name}.{}", line.split('(').next().unwrap()))
        });
        let mut described: Vec<String> = described.collect();
        let mut methods = Method::ALL.map(Method::name).to_vec();
        described.sort_unstable();
        methods.sort_unstable();
        assert_eq!(described, methods);
    }

    #[test]
    fn every_error_is_described() {
        let errors = [
            ControlError::ShuttingDown {},
            ControlError::ExpectedMore {},
            ControlError::NotRunning {
                name: String::new(),
            },
            ControlError::Denied {
                method: String::new(),
                grant: String::new(),
            },
        ];
        for error in errors {
            let json = serde_json::to_value(&error).unwrap();
            let (interface, short) = json["error"].as_str().unwrap().rsplit_once('.').unwrap();
            let (_, text) = INTERFACES.iter().find(|(n, _)| *n == interface).unwrap();
            assert!(text.contains(&format!("error {short} (")), "{short}");
        }
    }

    #[test]
    fn each_description_begins_with_its_own_name() {
        for (name, text) in INTERFACES {
            assert!(text.contains(&format!("\ninterface {name}\n")), "{name}");
        }
    }
}
