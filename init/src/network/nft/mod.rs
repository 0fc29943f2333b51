//! nftables over its own small netlink batch encoder: no `nft` binary, no C library.
//!
//! Pure: rules become bytes here, `network::exchange` sends them. Numbers are those of
//! `linux/netfilter/nf_tables.h`; the tests hold the bytes against golden ones and against the real
//! kernel with `nft list ruleset` as the oracle.

mod batch;
mod expression;
mod ruleset;

pub(super) use ruleset::{Destination, Publication, Published, ruleset};
