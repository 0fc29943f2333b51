//! Which ids of the machine are whose: 64 Ki for each service, never shared by two.

use orlop_container::namespaces::ID_COUNT;

/// Where the services' id ranges start, one after the other: the first range is the machine's own. It
/// ends before the ids would begin anew, with as many as [`orlop_config::MOST_SERVICES`].
pub fn id_bases() -> impl Iterator<Item = u32> {
    (1..u32::MAX / ID_COUNT).map(|index| index * ID_COUNT)
}

#[cfg(test)]
mod tests {
    use orlop_config::{MOST_SERVICES, Service, SourceFile, Sources, check};

    use super::*;
    use crate::running::Unit;

    fn service(keys: &str) -> Service {
        let file = SourceFile {
            path: "service.toml".to_owned(),
            text: format!("image = \"base\"\ncommand = [\"/x\"]\n{keys}"),
        };
        let sources = Sources {
            services: [("web".to_owned(), file)].into(),
            images: ["base".to_owned()].into(),
            ..Sources::default()
        };
        let mut checked = check(&sources);
        checked.services.pop_first().unwrap().1
    }

    #[test]
    fn r14_no_two_services_share_an_id_and_none_has_the_machines() {
        let mut free = u64::from(ID_COUNT);
        for base in id_bases() {
            assert!(u64::from(base) >= free, "{base} is another's");
            free = u64::from(base) + u64::from(ID_COUNT);
        }
        // (uid_t) -1 and the one before it are nobody's.
        assert!(free < u64::from(u32::MAX) - 1);
        assert_eq!(id_bases().count(), MOST_SERVICES);
    }

    #[test]
    fn r14_ids_are_added_to_the_last_range_without_a_wrap() {
        let last = id_bases().last().unwrap();
        let unit = Unit::new(&service(""), last);
        assert_eq!(unit.id_base, last);
        assert!(unit.id_base.checked_add(ID_COUNT).is_some());
    }

    #[test]
    fn a_service_in_the_machines_user_namespace_has_the_machines_ids() {
        let unit = Unit::new(&service("isolation = \"privileged\""), 7 * ID_COUNT);
        assert_eq!(unit.id_base, 0);
    }
}
