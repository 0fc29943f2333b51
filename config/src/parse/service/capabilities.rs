//! `cap_add`, `cap_drop` and `isolation` resolved into one set, as Docker resolves them.

use std::collections::BTreeSet;

use crate::compact::gather;
use crate::tree::{Fields, Findings, Place, quoted};
use crate::{Capability, Isolation};

/// A list of capabilities as written.
#[derive(Default)]
struct Listed {
    all: bool,
    names: Vec<(Capability, Place)>,
}

impl Listed {
    fn asks_for(&self, capability: Capability) -> bool {
        self.all || self.names.iter().any(|(name, _)| *name == capability)
    }
}

/// The sets that the keys come to, sorted.
pub(super) struct Resolved {
    /// What root holds.
    pub(super) held: Vec<Capability>,
    /// Of those what `cap_add` asks for.
    pub(super) added: Vec<Capability>,
}

pub(super) fn capabilities(
    fields: &Fields<'_>,
    isolation: Isolation,
    findings: &mut Findings<'_>,
) -> Resolved {
    let add = listed(fields, "cap_add", findings);
    let drop = listed(fields, "cap_drop", findings);
    let dropped: BTreeSet<Capability> = gather(drop.names.iter().map(|(cap, _)| *cap));
    for (capability, place) in &add.names {
        if dropped.contains(capability) {
            findings.error(
                place,
                format!(
                    "{} is in cap_drop too; remove it from one of the two",
                    quoted(&capability.name())
                ),
            );
        }
    }
    if add.all && drop.all {
        let place = fields.place("cap_drop").cloned().unwrap_or_default();
        findings.error(
            &place,
            "\"ALL\" is in cap_add too; remove it from one of the two",
        );
    }
    let held = resolve(isolation, &add, &drop);
    let added = held
        .iter()
        .copied()
        .filter(|capability| add.asks_for(*capability));
    Resolved {
        added: added.collect(),
        held: held.into_iter().collect(),
    }
}

/// moby's `TweakCapabilities`: ALL in `cap_add` starts from everything, ALL in `cap_drop` from
/// nothing, else from what the isolation holds.
fn resolve(isolation: Isolation, add: &Listed, drop: &Listed) -> BTreeSet<Capability> {
    let mut held: BTreeSet<Capability> = match isolation {
        _ if add.all => gather(Capability::all()),
        _ if drop.all => BTreeSet::new(),
        Isolation::Restricted => BTreeSet::new(),
        Isolation::Baseline => gather(Capability::baseline()),
        Isolation::Privileged => gather(Capability::all()),
    };
    for (capability, _) in &drop.names {
        held.remove(capability);
    }
    held.extend(add.names.iter().map(|(capability, _)| *capability));
    held
}

fn listed(fields: &Fields<'_>, key: &str, findings: &mut Findings<'_>) -> Listed {
    let mut listed = Listed::default();
    let Some(entries) = fields.get(key).and_then(|node| node.list(findings)) else {
        return listed;
    };
    for entry in entries {
        let Some(text) = entry.string(findings) else {
            continue;
        };
        if text.eq_ignore_ascii_case("ALL") {
            listed.all = true;
            continue;
        }
        match Capability::parse(text) {
            Ok(capability) => listed.names.push((capability, entry.place)),
            Err(message) => entry.error(findings, message),
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(all: bool, names: &[&str]) -> Listed {
        let names = names
            .iter()
            .map(|name| (Capability::parse(name).unwrap(), Place::default()));
        Listed {
            all,
            names: names.collect(),
        }
    }

    #[test]
    fn each_isolation_starts_from_its_own_set() {
        let none = Listed::default();
        assert_eq!(resolve(Isolation::Restricted, &none, &none).len(), 0);
        assert_eq!(resolve(Isolation::Baseline, &none, &none).len(), 14);
        assert_eq!(resolve(Isolation::Privileged, &none, &none).len(), 41);
    }

    #[test]
    fn all_and_names_as_in_docker() {
        let chown = &list(false, &["CHOWN"]);
        let all = &list(true, &[]);
        let none = &Listed::default();
        assert_eq!(resolve(Isolation::Baseline, chown, all).len(), 1);
        assert_eq!(resolve(Isolation::Restricted, all, chown).len(), 40);
        assert_eq!(resolve(Isolation::Baseline, none, chown).len(), 13);
        assert_eq!(resolve(Isolation::Restricted, chown, none).len(), 1);
    }
}
