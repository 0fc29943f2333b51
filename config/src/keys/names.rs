//! The keys of `service.toml` for names: its own, and those that it finds.

use super::{Row, Shape, form, key};

pub(super) const NAMES: &[Row] = &[
    key(
        "domainname",
        Shape::Text(&form::HOSTNAME),
        "–",
        "The domain: the container's NIS domain name, and with `hostname` the full name that the service itself finds in `/etc/hosts`.",
        "domainname = \"example.org\"",
    ),
    key(
        "extra_hosts",
        Shape::Any(&[
            Shape::List(&Shape::Text(&form::EXTRA_HOST)),
            Shape::Named(
                &form::HOST,
                &Shape::Any(&[
                    Shape::Text(&form::HOST_ADDRESS),
                    Shape::List(&Shape::Text(&form::HOST_ADDRESS)),
                ]),
            ),
        ]),
        "empty",
        "More names in the container's `/etc/hosts`, which go before those of services; `host-gateway` is the machine.",
        "extra_hosts = [\"db:192.0.2.10\", \"machine:host-gateway\"]",
    ),
    key(
        "dns",
        Shape::Any(&[
            Shape::Text(&form::IPV4),
            Shape::List(&Shape::Text(&form::IPV4)),
        ]),
        "those of `[network] dns` or the DHCP lease",
        "The resolvers that the service asks.",
        "dns = [\"192.0.2.53\"]",
    )
    .unlike_compose("IPv4 and IPv6", "IPv4 only"),
    key(
        "dns_search",
        Shape::Any(&[
            Shape::Text(&form::DOMAIN),
            Shape::List(&Shape::Text(&form::DOMAIN)),
        ]),
        "none",
        "Domains that short names are looked for in; `.` for none.",
        "dns_search = [\"example.org\"]",
    ),
    key(
        "dns_opt",
        Shape::Any(&[
            Shape::Text(&form::RESOLVER_OPTION),
            Shape::List(&Shape::Text(&form::RESOLVER_OPTION)),
        ]),
        "none",
        "Options of resolv.conf(5).",
        "dns_opt = [\"ndots:2\"]",
    ),
];
