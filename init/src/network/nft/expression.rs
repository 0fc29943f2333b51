//! The expressions that a rule is made of: each loads into register 1 and compares, or decides.

use std::net::Ipv4Addr;

use orlop_config::Protocol;

use super::batch::{attribute, nested, string};

const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;

const NFT_REG_VERDICT: u32 = 0;
const NFT_REG_1: u32 = Register::One as u32;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

/// `ct state`, as the kernel's bits.
pub(super) const CT_INVALID: u32 = 1;
/// Replies, and what belongs to a connection, such as its ICMP errors.
pub(super) const CT_ESTABLISHED_OR_RELATED: u32 = 2 | 4;
/// `ct status dnat`: IPS_DST_NAT.
pub(super) const CT_STATUS_DNAT: u32 = 1 << 5;
/// `fib daddr type local`: RTN_LOCAL.
const RTN_LOCAL: u32 = 2;

/// A register of the rule machine, 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    /// What every load fills and every comparison reads.
    One = 1,
    /// The port of a DNAT.
    Two = 2,
}

/// What a `meta` expression loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meta {
    /// The link that a packet came in by, as a name.
    IifName = 6,
    /// The link that a packet goes out by.
    OifName = 7,
    /// The network protocol: NFPROTO_IPV4 or NFPROTO_IPV6.
    Nfproto = 15,
    /// The transport protocol.
    L4proto = 16,
}

/// Which header a `payload` expression reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// IPv4 or IPv6.
    Network = 1,
    /// TCP, UDP or ICMP.
    Transport = 2,
}

/// How a comparison compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// `==`
    Equal = 0,
    /// `!=`
    NotEqual = 1,
    /// `<=`
    AtMost = 3,
    /// `>=`
    AtLeast = 5,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Accept,
    /// It is thrown away.
    Drop,
    /// The rules of another chain follow, then the next one here.
    Jump(&'static str),
}

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    /// Register 1 = a property of the packet.
    Meta(Meta),
    /// Register 1 = `length` bytes at `offset` of a header.
    Payload {
        header: Header,
        offset: u32,
        length: u32,
    },
    /// Register 1 = `ct state`.
    CtState,
    /// Register 1 = `ct status`.
    CtStatus,
    /// Register 1 = the route type of the destination address.
    FibDestinationType,
    /// Register 1 &= mask.
    Mask(Vec<u8>),
    /// Go on with the rule only when register 1 compares so.
    Compare(Comparison, Vec<u8>),
    /// The end of the rule.
    Verdict(Verdict),
    /// Register = a constant.
    Load(Register, Vec<u8>),
    /// Rewrite the destination to the address in register 1 and the port in register 2; replies are
    /// rewritten back.
    Dnat,
    /// Rewrite the source to the outgoing link's address.
    Masquerade,
}

impl Expression {
    /// Appends NFTA_EXPR_NAME and NFTA_EXPR_DATA.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Meta(key) => expression(bytes, "meta", |bytes| {
                number(bytes, 1, NFT_REG_1);
                number(bytes, 2, *key as u32);
            }),
            Self::Payload {
                header,
                offset,
                length,
            } => expression(bytes, "payload", |bytes| {
                number(bytes, 1, NFT_REG_1);
                number(bytes, 2, *header as u32);
                number(bytes, 3, *offset);
                number(bytes, 4, *length);
            }),
            Self::CtState => ct(bytes, 0),
            Self::CtStatus => ct(bytes, 2),
            Self::FibDestinationType => expression(bytes, "fib", |bytes| {
                number(bytes, 1, NFT_REG_1);
                number(bytes, 2, 3); // NFT_FIB_RESULT_ADDRTYPE
                number(bytes, 3, 1 << 1); // NFTA_FIB_F_DADDR
            }),
            Self::Mask(mask) => expression(bytes, "bitwise", |bytes| {
                number(bytes, 1, NFT_REG_1);
                number(bytes, 2, NFT_REG_1);
                number(bytes, 3, u32::try_from(mask.len()).unwrap_or(0));
                nested(bytes, 4, |bytes| attribute(bytes, NFTA_DATA_VALUE, mask));
                nested(bytes, 5, |bytes| {
                    attribute(bytes, NFTA_DATA_VALUE, &vec![0; mask.len()])
                });
            }),
            Self::Compare(comparison, value) => expression(bytes, "cmp", |bytes| {
                number(bytes, 1, NFT_REG_1);
                number(bytes, 2, *comparison as u32);
                nested(bytes, 3, |bytes| attribute(bytes, NFTA_DATA_VALUE, value));
            }),
            Self::Verdict(verdict) => expression(bytes, "immediate", |bytes| {
                number(bytes, 1, NFT_REG_VERDICT);
                nested(bytes, 2, |bytes| {
                    nested(bytes, NFTA_DATA_VERDICT, |bytes| verdict.encode(bytes));
                });
            }),
            Self::Load(register, value) => expression(bytes, "immediate", |bytes| {
                number(bytes, 1, *register as u32);
                nested(bytes, 2, |bytes| attribute(bytes, NFTA_DATA_VALUE, value));
            }),
            Self::Dnat => expression(bytes, "nat", |bytes| {
                number(bytes, 1, 1); // NFT_NAT_DNAT
                number(bytes, 2, u32::from(NFPROTO_IPV4));
                number(bytes, 3, Register::One as u32);
                number(bytes, 5, Register::Two as u32);
            }),
            Self::Masquerade => expression(bytes, "masq", |_| {}),
        }
    }
}

impl Verdict {
    fn encode(self, bytes: &mut Vec<u8>) {
        let code: i32 = match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Jump(_) => -3,
        };
        attribute(bytes, NFTA_VERDICT_CODE, &code.to_be_bytes());
        if let Self::Jump(chain) = self {
            string(bytes, NFTA_VERDICT_CHAIN, chain);
        }
    }
}

fn expression(bytes: &mut Vec<u8>, name: &str, body: impl FnOnce(&mut Vec<u8>)) {
    string(bytes, NFTA_EXPR_NAME, name);
    nested(bytes, NFTA_EXPR_DATA, body);
}

fn number(bytes: &mut Vec<u8>, kind: u16, value: u32) {
    attribute(bytes, kind, &value.to_be_bytes());
}

fn ct(bytes: &mut Vec<u8>, key: u32) {
    expression(bytes, "ct", |bytes| {
        number(bytes, 1, NFT_REG_1);
        number(bytes, 2, key);
    });
}

/// `meta nfproto ipv4`: what follows reads an IPv4 header.
pub(super) fn ipv4() -> [Expression; 2] {
    [Expression::Meta(Meta::Nfproto), equal(&[NFPROTO_IPV4])]
}

/// `meta nfproto ipv6`.
pub(super) fn ipv6() -> [Expression; 2] {
    [Expression::Meta(Meta::Nfproto), equal(&[NFPROTO_IPV6])]
}

/// Register 1 == value.
pub(super) fn equal(value: &[u8]) -> Expression {
    Expression::Compare(Comparison::Equal, value.to_vec())
}

/// `iifname "link"` or `oifname "link"`, or their negation.
pub(super) fn link(side: Meta, comparison: Comparison, name: &str) -> [Expression; 2] {
    let mut padded = name.as_bytes().to_vec();
    padded.resize(16, 0); // IFNAMSIZ
    [
        Expression::Meta(side),
        Expression::Compare(comparison, padded),
    ]
}

/// Offset of the source address in an IPv4 header.
pub(super) const SOURCE: u32 = 12;
/// Offset of the destination address.
pub(super) const DESTINATION: u32 = 16;

/// `ip saddr network/prefix` or `ip daddr …`, or their negation. Follows [`ipv4`].
pub(super) fn address(
    offset: u32,
    comparison: Comparison,
    (network, prefix): (Ipv4Addr, u8),
) -> Vec<Expression> {
    let mask = u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0);
    let network = network.to_bits() & mask;
    let mut rule = vec![Expression::Payload {
        header: Header::Network,
        offset,
        length: 4,
    }];
    if prefix < 32 {
        rule.push(Expression::Mask(mask.to_be_bytes().to_vec()));
    }
    rule.push(Expression::Compare(
        comparison,
        network.to_be_bytes().to_vec(),
    ));
    rule
}

/// `tcp dport port` or `udp dport port`.
pub(super) fn port(protocol: Protocol, port: u16) -> Vec<Expression> {
    let number = match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    };
    vec![
        Expression::Meta(Meta::L4proto),
        equal(&[number]),
        Expression::Payload {
            header: Header::Transport,
            offset: 2,
            length: 2,
        },
        equal(&port.to_be_bytes()),
    ]
}

/// ICMP (1) or ICMPv6 (58) of the types `first` to `last`.
pub(super) fn icmp(protocol: u8, first: u8, last: u8) -> Vec<Expression> {
    let mut rule = vec![
        Expression::Meta(Meta::L4proto),
        equal(&[protocol]),
        Expression::Payload {
            header: Header::Transport,
            offset: 0,
            length: 1,
        },
    ];
    if first == last {
        rule.push(equal(&[first]));
    } else {
        rule.push(Expression::Compare(Comparison::AtLeast, vec![first]));
        rule.push(Expression::Compare(Comparison::AtMost, vec![last]));
    }
    rule
}

/// `ct state`: any of the bits.
pub(super) fn state(bits: u32) -> [Expression; 3] {
    any_of(Expression::CtState, bits)
}

/// `ct status`: any of the bits.
pub(super) fn status(bits: u32) -> [Expression; 3] {
    any_of(Expression::CtStatus, bits)
}

/// `fib daddr type local`: addressed to the machine itself.
pub(super) fn to_machine() -> [Expression; 2] {
    [
        Expression::FibDestinationType,
        equal(&RTN_LOCAL.to_ne_bytes()),
    ]
}

/// Bits are in host order in the kernel's registers.
fn any_of(load: Expression, bits: u32) -> [Expression; 3] {
    [
        load,
        Expression::Mask(bits.to_ne_bytes().to_vec()),
        Expression::Compare(Comparison::NotEqual, vec![0; 4]),
    ]
}
