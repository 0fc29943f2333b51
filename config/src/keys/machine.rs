//! The keys of `system.toml`.

use super::{Table, key, not_yet, refused, table};

pub(super) const SYSTEM: Table = table!(&[
    key(
        "hostname",
        "text",
        "`orlop`",
        "The machine's host name.",
        "hostname = \"orlop\"",
    ),
    key("kernel", "table", "–", "See `[kernel]` below.", "[kernel]"),
    key(
        "network",
        "table",
        "–",
        "See `[network]` below.",
        "[network]",
    ),
    key("access", "table", "–", "See `[access]` below.", "[access]"),
    key(
        "sysctls",
        "table of `\"name\" = value`",
        "empty",
        "Kernel settings on top of the hardening defaults.",
        "[sysctls] with \"net.core.somaxconn\" = 4096",
    ),
    key(
        "volumes",
        "table of tables",
        "empty",
        "The volumes that services may use, each `[volumes.<name>]`.",
        "[volumes.data]",
    ),
    refused(
        "services",
        "services are not written here; write each into a file of its own, services/<name>/service.toml",
    ),
    refused("version", "nothing reads a version here; remove it"),
    not_yet("name", "write hostname = \"name\""),
    not_yet(
        "networks",
        "write [network] with its keys dhcp, dns, pool and links",
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
        "package name",
        "`linux-image-cloud-amd64`",
        "The Debian package of the kernel.",
        "debian = \"linux-image-cloud-amd64\"",
    ),
    key(
        "suite",
        "text",
        "`bookworm`",
        "The Debian suite that it is from.",
        "suite = \"bookworm\"",
    ),
    key(
        "cmdline",
        "text",
        "empty",
        "Added to the kernel's command line.",
        "cmdline = \"quiet\"",
    ),
]);

pub(super) const NETWORK: Table = table!(&[
    key(
        "dhcp",
        "true or false",
        "`true`",
        "Whether links that `links` does not name get their address by DHCP.",
        "dhcp = false",
    ),
    key(
        "dns",
        "list of IPv4 addresses",
        "those of the DHCP lease",
        "The resolvers.",
        "dns = [\"192.0.2.53\"]",
    ),
    key(
        "pool",
        "IPv4 network",
        "`172.29.0.0/16`",
        "The network of the bridge that services are on; its first address is the machine's.",
        "pool = \"172.29.0.0/16\"",
    ),
    key(
        "links",
        "table of tables",
        "empty",
        "Network links by name, each `[network.links.<name>]`.",
        "[network.links.eth0]",
    ),
]);

pub(super) const LINK: Table = table!(&[
    key(
        "dhcp",
        "true or false",
        "`true` unless `addresses` is given",
        "Whether the link gets its address by DHCP.",
        "dhcp = false",
    ),
    key(
        "addresses",
        "list of `address/prefix`",
        "empty",
        "Static IPv4 addresses.",
        "addresses = [\"192.0.2.10/24\"]",
    ),
    key(
        "gateway",
        "IPv4 address",
        "–",
        "The default route.",
        "gateway = \"192.0.2.1\"",
    ),
    key(
        "mtu",
        "number, 576 to 65535",
        "the link's own",
        "The largest packet in bytes.",
        "mtu = 1500",
    ),
]);

pub(super) const ACCESS: Table = table!(&[key(
    "console",
    "`shell` or `off`",
    "`shell`",
    "What the serial console offers: a shell without a password, or nothing. The emergency shell follows it.",
    "console = \"off\"",
)]);

pub(super) const VOLUME: Table = table!(&[
    not_yet(
        "driver",
        "remove it: a volume is a directory of the state disk",
    ),
    not_yet(
        "driver_opts",
        "remove it: a volume is a directory of the state disk",
    ),
    not_yet(
        "external",
        "remove it: a volume is made at its first use and kept",
    ),
    not_yet("labels", "remove it, or keep them as # comments"),
    not_yet("name", "remove it: a volume is called as its section is"),
]);
