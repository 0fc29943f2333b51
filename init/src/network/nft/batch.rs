//! Tables, chains and rules as one atomic nfnetlink batch.

use super::expression::Expression;

const NLMSG_ALIGN: usize = 4;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const NFNL_SUBSYS_NFTABLES: u8 = 10;
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_NEWRULE: u16 = 6;
const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_LIST_ELEM: u16 = 1;
const NLA_F_NESTED: u16 = 0x8000;

/// The `inet` family: IPv4 and IPv6 in one table.
const NFPROTO_INET: u8 = 1;

/// Where in the packet's way a base chain sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    /// Before the routing decision.
    Prerouting = 0,
    /// To the machine itself.
    Input = 1,
    /// Through the machine.
    Forward = 2,
    /// From the machine itself.
    Output = 3,
    /// After the routing decision.
    Postrouting = 4,
}

/// What a base chain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainType {
    /// `type filter`.
    Filter,
    /// `type nat`.
    Nat,
}

/// A chain that the kernel calls from a hook.
#[derive(Debug, Clone, Copy)]
pub(super) struct BaseChain {
    /// The chain's name.
    pub(super) name: &'static str,
    /// Filter or nat.
    pub(super) kind: ChainType,
    /// From which hook.
    pub(super) hook: Hook,
    /// In which order among the chains of that hook.
    pub(super) priority: i32,
    /// What becomes of a packet that no rule decides: dropped when true, else accepted.
    pub(super) drop: bool,
}

/// One transaction of nftables: all of it takes effect, or nothing does.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    sequence: u32,
    table: &'static str,
    /// Where the last message that can be acknowledged starts.
    last: usize,
}

impl Batch {
    /// A batch that replaces the whole table `inet <table>`, if it exists, by what follows.
    pub(super) fn replace_table(table: &'static str) -> Self {
        let mut batch = Self {
            bytes: Vec::new(),
            sequence: 0,
            table,
            last: 0,
        };
        batch.message(
            NFNL_MSG_BATCH_BEGIN,
            0,
            0,
            u16::from(NFNL_SUBSYS_NFTABLES),
            |_| {},
        );
        // Deleting a table that is not there fails; declaring one that is there does not.
        batch.table_message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
        batch.table_message(NFT_MSG_DELTABLE, 0);
        batch.table_message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
        batch
    }

    /// Declares a base chain.
    pub(super) fn base_chain(&mut self, chain: &BaseChain) {
        let table = self.table;
        self.nft_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, |bytes| {
            string(bytes, NFTA_CHAIN_TABLE, table);
            string(bytes, NFTA_CHAIN_NAME, chain.name);
            nested(bytes, NFTA_CHAIN_HOOK, |bytes| {
                attribute(bytes, NFTA_HOOK_HOOKNUM, &(chain.hook as u32).to_be_bytes());
                attribute(bytes, NFTA_HOOK_PRIORITY, &chain.priority.to_be_bytes());
            });
            attribute(
                bytes,
                NFTA_CHAIN_POLICY,
                &u32::from(!chain.drop).to_be_bytes(),
            );
            let kind = match chain.kind {
                ChainType::Filter => "filter",
                ChainType::Nat => "nat",
            };
            string(bytes, NFTA_CHAIN_TYPE, kind);
        });
    }

    /// Declares a chain that only a jump reaches.
    pub(super) fn chain(&mut self, name: &str) {
        let table = self.table;
        self.nft_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, |bytes| {
            string(bytes, NFTA_CHAIN_TABLE, table);
            string(bytes, NFTA_CHAIN_NAME, name);
        });
    }

    /// Appends a rule to a chain.
    pub(super) fn rule(&mut self, chain: &str, expressions: &[Expression]) {
        let table = self.table;
        self.nft_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, |bytes| {
            string(bytes, NFTA_RULE_TABLE, table);
            string(bytes, NFTA_RULE_CHAIN, chain);
            nested(bytes, NFTA_RULE_EXPRESSIONS, |bytes| {
                for expression in expressions {
                    nested(bytes, NFTA_LIST_ELEM, |bytes| expression.encode(bytes));
                }
            });
        });
    }

    /// Ends the transaction: the bytes to send in one message, and the sequence number that the
    /// kernel acknowledges when all of it took effect.
    ///
    /// Only the last message asks for an acknowledgement: one for each would overrun the socket's
    /// buffer in a large batch. Errors are reported for every message, asked for or not.
    #[must_use]
    pub(super) fn finish(mut self) -> (Vec<u8>, u32) {
        let acknowledged = self.sequence;
        if let Some(field) = self.bytes.get_mut(self.last + 6..self.last + 8) {
            for (byte, bits) in field.iter_mut().zip(NLM_F_ACK.to_ne_bytes()) {
                *byte |= bits;
            }
        }
        self.message(
            NFNL_MSG_BATCH_END,
            0,
            0,
            u16::from(NFNL_SUBSYS_NFTABLES),
            |_| {},
        );
        (self.bytes, acknowledged)
    }

    fn table_message(&mut self, kind: u16, flags: u16) {
        let table = self.table;
        self.nft_message(kind, flags, |bytes| string(bytes, NFTA_TABLE_NAME, table));
    }

    fn nft_message(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Vec<u8>)) {
        let kind = u16::from(NFNL_SUBSYS_NFTABLES) << 8 | kind;
        self.message(kind, flags, NFPROTO_INET, 0, body);
    }

    /// One netlink message: nlmsghdr in host order, nfgenmsg, attributes.
    fn message(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        resource: u16,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.sequence += 1;
        self.last = self.bytes.len();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes
            .extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&self.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        body(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.get_mut(start..start + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// Appends one attribute with its padding. Every value here is far below 64 KiB (rule R14): names
/// are at most 16 bytes, and nothing of a rule is as long as its writer likes.
pub(super) fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    filled(bytes, kind, |bytes| bytes.extend_from_slice(value));
}

/// Appends an attribute that ends with a NUL, as the kernel wants its names.
pub(super) fn string(bytes: &mut Vec<u8>, kind: u16, value: &str) {
    filled(bytes, kind, |bytes| {
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
    });
}

/// Appends an attribute that is made of attributes.
pub(super) fn nested(bytes: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    filled(bytes, kind | NLA_F_NESTED, body);
}

/// Appends an attribute: its length, its kind, what `body` appends, then the padding, which the
/// length does not count.
fn filled(bytes: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&kind.to_ne_bytes());
    body(bytes);
    let length = u16::try_from(bytes.len() - start).unwrap_or(u16::MAX);
    if let Some(field) = bytes.get_mut(start..start + 2) {
        field.copy_from_slice(&length.to_ne_bytes());
    }
    while !bytes.len().is_multiple_of(NLMSG_ALIGN) {
        bytes.push(0);
    }
}
