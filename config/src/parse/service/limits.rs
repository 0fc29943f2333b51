//! `mem_limit cpus pids_limit`.

use toml::de::DeValue;

use crate::scalar::{size, thousandths};
use crate::tree::{Findings, Node, quoted};

/// `pids_limit` when it is not written: Podman's.
pub(super) const PIDS: u64 = 2048;
/// The least memory limit: Docker's.
const LEAST_MEMORY: u64 = 6 << 20;
/// The most processes that 64-bit Linux can have (PID_MAX_LIMIT).
const MOST_PIDS: i64 = 4_194_304;
/// The most CPUs that an x86-64 kernel knows (NR_CPUS).
const MOST_MILLI_CPUS: u64 = 8192 * 1000;

pub(super) fn mem_limit(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<u64> {
    let text = node.string_or_number(findings)?;
    match size(&text) {
        Some(bytes) if bytes >= LEAST_MEMORY && i64::try_from(bytes).is_ok() => Some(bytes),
        Some(bytes) if bytes < LEAST_MEMORY => {
            node.refuse(
                findings,
                &format!("{} is less than 6m, the least", quoted(&text)),
            );
            None
        }
        _ => {
            node.refuse(findings, &format!("{} is no size of memory", quoted(&text)));
            None
        }
    }
}

pub(super) fn milli_cpus(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<u64> {
    let text = node.string_or_number(findings)?;
    match thousandths(&text) {
        // cpu.max cannot be less than a millisecond of 100.
        Some(milli @ 10..=MOST_MILLI_CPUS) => Some(milli),
        Some(0) => {
            node.error(
                findings,
                "0 would be no CPU time at all; remove cpus for no limit, or write cpus = 0.5",
            );
            None
        }
        _ => {
            node.refuse(
                findings,
                &format!(
                    "{} is no number of CPUs from 0.01 to 8192 with at most three decimals",
                    quoted(&text)
                ),
            );
            None
        }
    }
}

/// The limit; `None` both for no limit and for an error.
pub(super) fn pids_limit(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<u64> {
    if !matches!(node.value, DeValue::Integer(_)) {
        node.wrong_type(findings, "a whole number");
        return None;
    }
    match node.integer(findings)? {
        -1 => None,
        number @ 1..=MOST_PIDS => u64::try_from(number).ok(),
        number => {
            node.refuse(
                findings,
                &format!("{number} is no limit; 1 to {MOST_PIDS} are, and -1 for none"),
            );
            None
        }
    }
}
