//! How many services a machine has ids for.

use std::collections::BTreeMap;

use crate::{Service, ServiceName};

/// As many services fit on a machine: user ids have 32 bits, each service has 65,536 of them for
/// itself, the first as many are the machine's own, and the last two user ids mean "nobody" or "not
/// changed" to the kernel, so that the range around them is not given away.
pub const MOST_SERVICES: usize = 65_534;

/// Leaves out those that no ids are left for: the last by name. (What requires them goes with them,
/// which is the caller's part.)
pub(super) fn leave_out_beyond(
    most: usize,
    services: &mut BTreeMap<ServiceName, Service>,
    broken: &mut BTreeMap<String, String>,
) {
    let mut room = most;
    services.retain(|name, _| {
        let fits = room > 0;
        room = room.saturating_sub(1);
        if !fits {
            let reason = format!("a machine has ids for {most} services; remove some");
            broken.insert(name.to_string(), reason);
        }
        fits
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceFile, Sources, check};

    fn manifest(text: &str) -> SourceFile {
        SourceFile {
            path: "service.toml".to_owned(),
            text: format!("image = \"base\"\n{text}"),
        }
    }

    #[test]
    fn services_beyond_the_ids_are_left_out_by_name() {
        let sources = Sources {
            services: ["a", "b", "c"]
                .map(|name| (name.to_owned(), manifest("command = [\"/x\"]")))
                .into(),
            images: ["base".to_owned()].into(),
            ..Sources::default()
        };
        let checked = check(&sources);
        for (most, kept) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)] {
            let (mut services, mut broken) = (checked.services.clone(), BTreeMap::new());
            leave_out_beyond(most, &mut services, &mut broken);
            let names: Vec<_> = services.keys().map(ServiceName::as_str).collect();
            assert_eq!(names, ["a", "b", "c"][..kept]);
            let left: Vec<_> = broken.keys().map(String::as_str).collect();
            assert_eq!(left, ["a", "b", "c"][kept..]);
        }
    }
}
