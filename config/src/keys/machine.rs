//! The keys of `system.toml`.

use super::{Section, Shape, Table, form, key, not_yet, refused, table};

pub(super) const SYSTEM: Table = table!(&[
    key(
        "hostname",
        Shape::Text(&form::HOSTNAME),
        "`orlop`",
        "The machine's host name.",
        "hostname = \"orlop\"",
    ),
    key(
        "kernel",
        Shape::Table(Section::Kernel),
        "–",
        "See `[kernel]` below.",
        "[kernel]"
    ),
    key(
        "network",
        Shape::Table(Section::Network),
        "–",
        "See `[network]` below.",
        "[network]",
    ),
    key(
        "storage",
        Shape::Table(Section::Storage),
        "–",
        "See `[storage]` below.",
        "[storage]"
    ),
    key(
        "access",
        Shape::Table(Section::Access),
        "–",
        "See `[access]` below.",
        "[access]"
    ),
    key(
        "watchdog",
        Shape::Table(Section::Watchdog),
        "–",
        "See `[watchdog]` below.",
        "[watchdog] with timeout = \"30s\"",
    ),
    key(
        "sysctls",
        Shape::Named(&form::SYSCTL, &Shape::TextOrNumber(&form::TEXT)),
        "empty",
        "Kernel settings on top of the hardening defaults.",
        "[sysctls] with \"net.core.somaxconn\" = 4096",
    ),
    key(
        "volumes",
        Shape::Named(&form::VOLUME_NAME, &Shape::Table(Section::Volume)),
        "empty",
        "The volumes that services may use, each `[volumes.<name>]`.",
        "[volumes.data]",
    ),
    key(
        "profiles",
        Shape::List(&Shape::Text(&form::PROFILE)),
        "empty",
        "Services of these profiles are started at the boot, too.",
        "profiles = [\"debug\"]",
    ),
    refused(
        "services",
        "services are not written here; write each into a file of its own, services/<name>/service.toml",
    ),
    refused(
        "memory",
        "the machine's memory is given when it is run; remove it, and use `orlop run --memory 2G`",
    ),
    refused(
        "ssh",
        "ssh is a service; remove it, and use `orlop add ssh`, which takes the keys of [access] ssh_keys",
    ),
    refused(
        "timezone",
        "the machine's clock is in UTC; remove it, and write TZ into the environment of a service and tzdata into its build",
    ),
    refused("version", "nothing reads a version here; remove it"),
    refused(
        "name",
        "the machine goes by its host name; write hostname = \"name\" instead",
    ),
    refused(
        "networks",
        "there is one network yet, the bridge that all services share; remove it, or write network_mode = \"none\" into a service.toml to keep that service off it",
    ),
    not_yet(
        "configs",
        "put the file into the service's folder and name it under volumes in its service.toml",
    ),
    not_yet("secrets", "keep them in a volume: [volumes.secrets]"),
    not_yet("include", "write everything into this file"),
    not_yet("models", "remove it"),
]);

pub(super) const KERNEL: Table = table!(&[
    key(
        "debian",
        Shape::Text(&form::PACKAGE),
        "`linux-image-cloud-amd64`",
        "The Debian package of the kernel.",
        "debian = \"linux-image-cloud-amd64\"",
    ),
    key(
        "suite",
        Shape::Text(&form::SUITE),
        "`bookworm`",
        "The Debian suite that it is from.",
        "suite = \"bookworm\"",
    ),
    key(
        "cmdline",
        Shape::Text(&form::TEXT),
        "empty",
        "Added to the kernel's command line.",
        "cmdline = \"quiet\"",
    ),
    key(
        "modules",
        Shape::List(&Shape::Text(&form::MODULE)),
        "empty",
        "Kernel modules that are loaded at boot beside those that the machine itself and its devices need.",
        "modules = [\"softdog\"]",
    ),
    key(
        "blacklist",
        Shape::List(&Shape::Text(&form::MODULE)),
        "empty",
        "Kernel modules that are not loaded for the sake of a device (`modprobe.d(5)`).",
        "blacklist = [\"vmxnet3\"]",
    ),
]);

pub(super) const WATCHDOG: Table = table!(&[
    key(
        "timeout",
        Shape::Text(&form::DURATION),
        "–",
        "The hardware resets the machine when PID 1 has not moved for so long, 2s at the least; also while it ends. Without it there is no watchdog.",
        "timeout = \"30s\"",
    ),
    key(
        "device",
        Shape::Text(&form::DEVICE_NODE),
        "`/dev/watchdog`",
        "The watchdog's device; a machine without one can have the kernel's own: `[kernel] modules = [\"softdog\"]`.",
        "device = \"/dev/watchdog1\"",
    ),
]);

pub(super) const NETWORK: Table = table!(&[
    key(
        "dhcp",
        Shape::Boolean,
        "`true`",
        "Whether links that `links` does not name get their address by DHCP.",
        "dhcp = false",
    ),
    key(
        "dns",
        Shape::List(&Shape::Text(&form::IPV4)),
        "those of the DHCP lease",
        "The resolvers.",
        "dns = [\"192.0.2.53\"]",
    ),
    key(
        "pool",
        Shape::Text(&form::IPV4_NETWORK),
        "`172.29.0.0/16`",
        "The network of the bridge that services are on; its first address is the machine's.",
        "pool = \"172.29.0.0/16\"",
    ),
    key(
        "links",
        Shape::Named(&form::LINK, &Shape::Table(Section::Link)),
        "empty",
        "Network links by name, each `[network.links.<name>]`.",
        "[network.links.eth0]",
    ),
]);

pub(super) const LINK: Table = table!(&[
    key(
        "dhcp",
        Shape::Boolean,
        "`true` unless `addresses` is given",
        "Whether the link gets its address by DHCP.",
        "dhcp = false",
    ),
    key(
        "addresses",
        Shape::List(&Shape::Text(&form::INTERFACE_ADDRESS)),
        "empty",
        "Static IPv4 addresses.",
        "addresses = [\"192.0.2.10/24\"]",
    ),
    key(
        "gateway",
        Shape::Text(&form::IPV4),
        "–",
        "The default route.",
        "gateway = \"192.0.2.1\"",
    ),
    key(
        "mtu",
        Shape::Whole(576, 65535),
        "the link's own",
        "The largest packet in bytes.",
        "mtu = 1500",
    ),
]);

pub(super) const STORAGE: Table = table!(&[key(
    "state",
    Shape::Text(&form::DISK),
    "the disk that `orlop run` makes",
    "The disk that volumes, logs and all other state are kept on: an ext4 file system, by label, UUID or the kernel's name.",
    "state = \"LABEL=orlop-state\"",
)]);

pub(super) const ACCESS: Table = table!(&[
    key(
        "console",
        Shape::Choice(&["shell", "off"]),
        "`shell`",
        "What the console offers: a shell without a password, or nothing. The emergency shell follows it.",
        "console = \"off\"",
    ),
    key(
        "ssh_keys",
        Shape::List(&Shape::Text(&form::SSH_KEY)),
        "empty",
        "The public keys that may log in, for the service that has `control = [\"access.ssh\"]`; there are no passwords.",
        "ssh_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnmmMJwMBmTLLZBsXAQTVCCyRPSzRmgJmeBcATgV3bL you@laptop\"]",
    ),
    key(
        "ssh_control",
        Shape::List(&Shape::Text(&form::GRANT)),
        "empty",
        "What `orlop` may do in such a login: grants of `control`, of `services` and `machine` only.",
        "ssh_control = [\"services.list\", \"services.logs\"]",
    ),
]);

pub(super) const VOLUME: Table = table!(&[
    key(
        "driver_opts",
        Shape::Table(Section::VolumeOptions),
        "empty",
        "How large the volume may become.",
        "driver_opts = { size = \"1g\" }",
    )
    .unlike_compose("those of the volume's driver", "`size` alone"),
    not_yet(
        "driver",
        "remove it: a volume is a directory of the state disk",
    ),
    not_yet(
        "external",
        "remove it: a volume is made at its first use and kept",
    ),
    not_yet("labels", "remove it, or keep them as # comments"),
    not_yet("name", "remove it: a volume is called as its section is"),
]);

pub(super) const VOLUME_OPTIONS: Table = table!(&[
    key(
        "size",
        Shape::TextOrNumber(&form::SIZE),
        "what the disk has",
        "The most that is kept in the volume: who writes more gets EDQUOT, and the other volumes keep their room.",
        "size = \"1g\"",
    ),
    not_yet(
        "type",
        "remove it: a volume is a directory of the state disk",
    ),
    not_yet(
        "device",
        "remove it: a volume is a directory of the state disk",
    ),
    not_yet("o", "write size = \"1g\" for a size, or remove it"),
]);
