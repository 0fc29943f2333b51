//! `mem_limit cpus pids_limit`, their spelling in `deploy.resources`, and the shares and limits that
//! few services have.

use toml::de::DeValue;

use super::blkio;
use super::supervision::refuse_second_spelling;
use crate::keys::{Key, Section};
use crate::scalar::{size, thousandths};
use crate::tree::{Fields, Findings, Node, quoted};
use crate::{Isolation, Resources};

/// `pids_limit` when it is not written: Podman's.
const PIDS: u64 = 2048;
/// The most processes that 64-bit Linux can have (PID_MAX_LIMIT).
const MOST_PIDS: i64 = 4_194_304;
/// The most CPUs that an x86-64 kernel knows (NR_CPUS).
const MOST_CPUS: u64 = 8192;

/// What the keys of limits come to.
pub(super) struct Limits {
    pub(super) mem_limit: Option<u64>,
    pub(super) milli_cpus: Option<u64>,
    pub(super) pids_limit: Option<u64>,
    pub(super) resources: Resources,
}

pub(super) fn limits(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Limits {
    let resources = below_deploy(fields, findings);
    let deployed = |section, name, findings: &mut Findings<'_>| {
        let node = resources.as_ref()?.get(name)?;
        Some(Fields::read(
            node.table(findings)?,
            section,
            &node.place.key,
            findings,
        ))
    };
    let upper = deployed(Section::ResourceLimits, "limits", findings);
    let lower = deployed(Section::Reservations, "reservations", findings);
    let mut either = |name, other, spelling| written(fields, name, other, spelling, findings);
    let memory = either("mem_limit", upper.as_ref(), "memory");
    let cpus = either("cpus", upper.as_ref(), "cpus");
    let pids = either("pids_limit", upper.as_ref(), "pids");
    let reserved = either("mem_reservation", lower.as_ref(), "memory");

    let mem_limit = memory.and_then(|n| bytes(n, 6, findings));
    let mem_reservation = reserved.and_then(|n| {
        let reserved = bytes(n, 0, findings)?;
        if mem_limit.is_some_and(|limit| reserved > limit) {
            n.error(
                findings,
                "is more than the limit of memory; write a smaller one",
            );
        }
        Some(reserved)
    });
    Limits {
        milli_cpus: cpus.and_then(|n| milli_cpus(n, findings)),
        pids_limit: match pids {
            Some(node) => pids_limit(node, findings),
            None => Some(PIDS),
        },
        resources: Resources {
            mem_reservation,
            swap_limit: fields
                .get("memswap_limit")
                .and_then(|n| swap_limit(n, mem_limit, findings)),
            cpu_shares: fields
                .get("cpu_shares")
                .and_then(|n| within(n, 2, 262_144, findings))
                .and_then(|shares| u32::try_from(shares).ok()),
            cpuset: fields.get("cpuset").and_then(|n| cpuset(n, findings)),
            io_limits: fields
                .get("blkio_config")
                .and_then(|n| blkio::io_limits(n, findings))
                .unwrap_or_default(),
        },
        mem_limit,
    }
}

/// The service's own key, or the same of `deploy.resources`.
fn written<'a, 't>(
    fields: &'a Fields<'t>,
    name: &str,
    deployed: Option<&'a Fields<'t>>,
    spelling: &str,
    findings: &mut Findings<'_>,
) -> Option<&'a Node<'t>> {
    let deployed = deployed.and_then(|fields| fields.get(spelling));
    if let (Some(first), Some(second)) = (fields.place(name), deployed) {
        refuse_second_spelling(&second.place, name, first, findings);
    }
    fields.get(name).or(deployed)
}

/// `deploy.resources`; that `deploy` is a table is said where its other keys are read.
fn below_deploy<'t>(fields: &Fields<'t>, findings: &mut Findings<'_>) -> Option<Fields<'t>> {
    let table = fields.get("deploy")?.value.as_table()?;
    let key: &'static Key = Section::Deploy.key("resources")?;
    let node = Node::new("deploy.resources".to_owned(), table.get(key.name)?, key);
    let table = node.table(findings)?;
    Some(Fields::read(
        table,
        Section::Resources,
        &node.place.key,
        findings,
    ))
}

/// A size of memory, of so many MiB at the least.
pub(super) fn bytes(node: &Node<'_>, least: u64, findings: &mut Findings<'_>) -> Option<u64> {
    let text = node.string_or_number(findings)?;
    let what = match size(&text) {
        Some(bytes) if bytes < least << 20 => format!("is less than {least}m, the least"),
        Some(bytes) if i64::try_from(bytes).is_ok() => return Some(bytes),
        _ => "is no size of memory".to_owned(),
    };
    node.refuse(findings, &format!("{} {what}", quoted(&text)));
    None
}

/// `oom_score_adj`. Who is never killed takes the memory of all others: not by default.
pub(super) fn oom_score_adj(
    node: &Node<'_>,
    isolation: Isolation,
    findings: &mut Findings<'_>,
) -> Option<i16> {
    let score = within(node, -1000, 1000, findings)?;
    if isolation == Isolation::Restricted && score < -900 {
        node.error(
            findings,
            "lets others be killed in its place; write -900, or a lower one with isolation = \"baseline\"",
        );
        return None;
    }
    i16::try_from(score).ok()
}

/// A whole number within bounds.
pub(super) fn within(
    node: &Node<'_>,
    least: i64,
    most: i64,
    findings: &mut Findings<'_>,
) -> Option<i64> {
    let number = node.integer(findings)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    node.refuse(
        findings,
        &format!("{number} is not one of {least} to {most}"),
    );
    None
}

/// What `memswap_limit` leaves for swap: Compose counts the memory in.
fn swap_limit(node: &Node<'_>, mem_limit: Option<u64>, findings: &mut Findings<'_>) -> Option<u64> {
    if node
        .value
        .as_integer()
        .is_some_and(|number| number.as_str() == "-1")
        || node.value.as_str() == Some("-1")
    {
        return None;
    }
    let both = bytes(node, 0, findings)?;
    let Some(memory) = mem_limit else {
        node.error(
            findings,
            "counts mem_limit in, which is not written; write mem_limit = \"512m\" too, or remove it",
        );
        return None;
    };
    let swap = both.checked_sub(memory);
    if swap.is_none() {
        node.error(
            findings,
            "counts mem_limit in and is less; write the same or more",
        );
    }
    swap
}

fn cpuset(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.string_or_number(findings)?;
    let number = |text: &str| text.parse::<u64>().ok().filter(|cpu| *cpu < MOST_CPUS);
    let part = |part: &str| match part.split_once('-') {
        Some((first, last)) => number(first) <= number(last) && number(first).is_some(),
        None => number(part).is_some(),
    };
    if text.bytes().all(|b| b != b'+') && text.split(',').all(part) {
        return Some(text);
    }
    node.refuse(findings, &format!("{} names no CPUs", quoted(&text)));
    None
}

fn milli_cpus(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<u64> {
    const MOST: u64 = MOST_CPUS * 1000;
    let text = node.string_or_number(findings)?;
    match thousandths(&text) {
        // cpu.max cannot be less than a millisecond of 100.
        Some(milli @ 10..=MOST) => Some(milli),
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
                    "{} is no number of CPUs from 0.01 to {MOST_CPUS} with at most three decimals",
                    quoted(&text)
                ),
            );
            None
        }
    }
}

/// The limit; `None` both for no limit and for an error.
fn pids_limit(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<u64> {
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
