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
    /// How long after it each service is killed once; `None` for not at all.
    pub(crate) restart_ms: Option<u32>,
}

const fn variant(title: &'static str, machine: &'static str, init: &'static str) -> Variant {
    Variant {
        title,
        machine,
        init,
        floor: None,
        bridged: false,
        settle_ms: None,
        restart_ms: None,
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

/// Who brings ten killed services back, each once: Orlop and the floor what they isolate, the others a
/// plain process. Each waits as long as its restart without a pause asks for: Orlop's services have
/// then been up for 10 s, runit's for one, and the others have come to rest.
pub(crate) const RESTARTS: [Variant; 5] = [
    Variant {
        restart_ms: Some(2000),
        ..variant("floor, none", "none", "/bench/floor none")
    },
    Variant {
        floor: Some("floor, none"),
        restart_ms: Some(11_000),
        ..variant("Orlop, none", "none", "/init")
    },
    Variant {
        restart_ms: Some(2000),
        ..variant("runit, plain", "peers-tree", "/usr/bin/runsvdir -P /etc/sv")
    },
    Variant {
        restart_ms: Some(4000),
        ..variant("finit, plain", "peers-tree", "/sbin/finit")
    },
    Variant {
        restart_ms: Some(4000),
        ..variant(
            "systemd, plain",
            "peers-tree",
            "/lib/systemd/systemd --unit=bench.target --show-status=0",
        )
    },
];
