//! What is measured: which PID 1 in which machine.

/// One kind of boot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Its name in the tables.
    pub(crate) title: &'static str,
    /// The folder of its machine.
    pub(crate) machine: &'static str,
    /// PID 1 and its arguments.
    pub(crate) init: &'static str,
    /// The variant that it is compared with.
    pub(crate) floor: Option<&'static str>,
    /// Whether the services have networks of their own.
    pub(crate) bridged: bool,
    /// How long after the last service is ready memory is looked at; `None` for not at all.
    pub(crate) settle_ms: Option<u32>,
}

const fn variant(title: &'static str, machine: &'static str, init: &'static str) -> Variant {
    Variant {
        title,
        machine,
        init,
        floor: None,
        bridged: false,
        settle_ms: None,
    }
}

/// All that every round boots.
pub(crate) const VARIANTS: [Variant; 5] = [
    variant("floor, none", "none", "/bench/floor none"),
    Variant {
        floor: Some("floor, none"),
        ..variant("Orlop, none", "none", "/init")
    },
    Variant {
        bridged: true,
        ..variant("floor, bridge", "bridge", "/bench/floor bridge")
    },
    Variant {
        floor: Some("floor, bridge"),
        bridged: true,
        ..variant("Orlop, bridge", "bridge", "/init")
    },
    variant("busybox init, plain", "none", "/busybox init"),
];

/// Ten bridged services and the catalogue's `log`: whose memory is looked at.
pub(crate) const MEMORY: Variant = Variant {
    bridged: true,
    settle_ms: Some(3000),
    ..variant("Orlop with log", "memory", "/init")
};
