//! The one table `inet orlop`: what may enter the machine, pass through it, and where published
//! ports lead. Written whole each time: what it says is always the consequence of one value.

use std::net::Ipv4Addr;

use orlop_config::PublishedPort;

use super::batch::{BaseChain, Batch, ChainType, Hook};
use super::expression::{
    CT_ESTABLISHED_OR_RELATED, CT_INVALID, CT_STATUS_DNAT, Comparison, DESTINATION, Expression,
    Meta, Register, SOURCE, Verdict, address, icmp, ipv4, ipv6, link, port, state, status,
    to_machine,
};
use orlop_config::compact::sort_by;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const LOOPBACK: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 0, 0, 0), 8);

/// Where a published port leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::network) enum Destination {
    /// To a service on the bridge, at this address.
    Service(Ipv4Addr),
    /// To a process in the machine's own network (`network_mode: host`): the port is opened. The
    /// container's port counts, as no address is translated.
    Machine,
}

/// One published port with its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::network) struct Publication {
    /// As in the manifest.
    pub(in crate::network) port: PublishedPort,
    /// Where it leads.
    pub(in crate::network) to: Destination,
}

/// All that the ruleset depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::network) struct Published {
    /// The bridge's name.
    pub(in crate::network) bridge: &'static str,
    /// The bridge's network and prefix length.
    pub(in crate::network) pool: (Ipv4Addr, u8),
    /// In any order; the ruleset has them sorted.
    pub(in crate::network) ports: Vec<Publication>,
}

/// The batch that makes the kernel's table `inet orlop` this one, and the sequence number of its
/// acknowledgement.
#[must_use]
pub(in crate::network) fn ruleset(published: &Published) -> (Vec<u8>, u32) {
    let mut ports = published.ports.clone();
    sort_by(&mut ports, Ord::cmp);
    ports.dedup();
    let mut batch = Batch::replace_table("orlop");
    declare_chains(&mut batch);
    input(&mut batch, published.bridge, &ports);
    forward(&mut batch, published);
    published_ports(&mut batch, &ports);
    source_translation(&mut batch, published);
    batch.finish()
}

fn declare_chains(batch: &mut Batch) {
    let filter = |name, hook, priority, drop| BaseChain {
        name,
        kind: ChainType::Filter,
        hook,
        priority,
        drop,
    };
    let nat = |name, hook, priority| BaseChain {
        name,
        kind: ChainType::Nat,
        hook,
        priority,
        drop: false,
    };
    batch.base_chain(&filter("spoofed", Hook::Prerouting, -300, false)); // raw
    batch.base_chain(&filter("input", Hook::Input, 0, true));
    batch.base_chain(&filter("forward", Hook::Forward, 0, true));
    batch.base_chain(&nat("prerouting", Hook::Prerouting, -100)); // dstnat
    batch.base_chain(&nat("output", Hook::Output, -100));
    batch.base_chain(&nat("postrouting", Hook::Postrouting, 100)); // srcnat
    batch.chain("published");
}

/// To the machine: replies, what is published of it, ping. A service reaches nothing of the
/// machine but what is published.
fn input(batch: &mut Batch, bridge: &str, ports: &[Publication]) {
    batch.rule(
        "input",
        &then(
            [&link(Meta::IifName, Comparison::Equal, "lo")],
            Verdict::Accept,
        ),
    );
    batch.rule(
        "input",
        &then([&state(CT_ESTABLISHED_OR_RELATED)], Verdict::Accept),
    );
    batch.rule("input", &then([&state(CT_INVALID)], Verdict::Drop));
    for Publication {
        port: published,
        to,
    } in ports
    {
        if *to == Destination::Machine {
            let host = published.host_ip.map(to_address).unwrap_or_default();
            let target = port(published.protocol, published.target);
            batch.rule("input", &then([&host, &target], Verdict::Accept));
        }
    }
    batch.rule(
        "input",
        &then(
            [&link(Meta::IifName, Comparison::Equal, bridge)],
            Verdict::Drop,
        ),
    );
    let echo = icmp(ICMP, 8, 8);
    batch.rule("input", &then([&ipv4(), echo.as_slice()], Verdict::Accept));
    // ICMPv6 errors, echo and neighbour discovery: without them an IPv6 address would be dead, and
    // they reach no program.
    for (first, last) in [(1, 4), (128, 128), (133, 136)] {
        let types = icmp(ICMPV6, first, last);
        batch.rule("input", &then([&ipv6(), types.as_slice()], Verdict::Accept));
    }
}

/// Through the machine: services outward, and published ports inward.
fn forward(batch: &mut Batch, published: &Published) {
    let from_bridge = link(Meta::IifName, Comparison::Equal, published.bridge);
    // A service with raw sockets cannot lend itself another network's address, nor reach what
    // listens on the machine's loopback (`route_localnet` is on for the bridge, for published ports).
    let foreign = address(SOURCE, Comparison::NotEqual, published.pool);
    let loopback = address(DESTINATION, Comparison::Equal, LOOPBACK);
    for forbidden in [foreign, loopback] {
        batch.rule(
            "spoofed",
            &then([&from_bridge, &ipv4(), forbidden.as_slice()], Verdict::Drop),
        );
    }
    batch.rule("forward", &then([&state(CT_INVALID)], Verdict::Drop));
    batch.rule(
        "forward",
        &then([&state(CT_ESTABLISHED_OR_RELATED)], Verdict::Accept),
    );
    batch.rule("forward", &then([&status(CT_STATUS_DNAT)], Verdict::Accept));
    batch.rule("forward", &then([&from_bridge, &ipv4()], Verdict::Accept));
}

/// Destination translation, the same for packets from outside, from services and from the machine.
fn published_ports(batch: &mut Batch, ports: &[Publication]) {
    for chain in ["prerouting", "output"] {
        batch.rule(
            chain,
            &then([&ipv4(), &to_machine()], Verdict::Jump("published")),
        );
    }
    for Publication {
        port: published,
        to,
    } in ports
    {
        let Destination::Service(service) = to else {
            continue;
        };
        let mut rule = match published.host_ip {
            Some(host) => to_address(host),
            None => ipv4().to_vec(),
        };
        rule.extend(port(published.protocol, published.published));
        rule.push(Expression::Load(Register::One, service.octets().to_vec()));
        rule.push(Expression::Load(
            Register::Two,
            published.target.to_be_bytes().to_vec(),
        ));
        rule.push(Expression::Dnat);
        batch.rule("published", &rule);
    }
}

/// Services outward in the machine's name; and what comes back into the bridge by a published port
/// from a service or from the machine's loopback, so that the reply takes the same way.
fn source_translation(batch: &mut Batch, published: &Published) {
    let from_pool = address(SOURCE, Comparison::Equal, published.pool);
    let out = link(Meta::OifName, Comparison::NotEqual, published.bridge);
    let back = link(Meta::OifName, Comparison::Equal, published.bridge);
    let from_loopback = address(SOURCE, Comparison::Equal, LOOPBACK);
    let translated = status(CT_STATUS_DNAT);
    let mut masquerade = |conditions: &[&[Expression]]| {
        let mut rule = conditions.concat();
        rule.push(Expression::Masquerade);
        batch.rule("postrouting", &rule);
    };
    masquerade(&[&out, &ipv4(), &from_pool]);
    masquerade(&[&back, &ipv4(), &from_pool, &translated]);
    masquerade(&[&back, &ipv4(), &from_loopback]);
}

fn to_address(host: Ipv4Addr) -> Vec<Expression> {
    let mut rule = ipv4().to_vec();
    rule.extend(address(DESTINATION, Comparison::Equal, (host, 32)));
    rule
}

fn then<const N: usize>(conditions: [&[Expression]; N], verdict: Verdict) -> Vec<Expression> {
    let mut rule = conditions.concat();
    rule.push(Expression::Verdict(verdict));
    rule
}
