//! Every key of the Compose Specification's service beside Orlop's: `docs/compose.md`, and
//! `orlop config --deviations`. From the key table, so a new key appears by itself.

use std::fmt::Write as _;

use crate::keys::{Column, Key, Section, Support};
use crate::reference::in_code;

const HEAD: &str = "# Compose and Orlop

<!-- Printed from the key table in config/src/keys. Regenerate with
     ORLOP_BLESS=1 cargo test -p orlop-config --test reference -->

A `service.toml` has the keys of one service of the [Compose Specification][spec], in TOML. This is
the table of all that differs; `orlop config --deviations` prints it. What each key is, with types
and defaults, is in [manifests.md](manifests.md).

[spec]: https://github.com/compose-spec/compose-spec/blob/main/05-services.md
";

/// What differs and is no key: subject, Compose, Orlop.
const GENERAL: &[(&str, &str, &str)] = &[
    (
        "format",
        "YAML, all services in one file",
        "TOML, one file a service; the service's name is its folder's",
    ),
    (
        "`$`",
        "`${VAR}` is replaced, `$$` is a dollar sign",
        "an ordinary character; nothing is replaced, and `orlop check` warns of `${VAR}` in `environment`",
    ),
    (
        "low ports and ping",
        "a capability, or the engine's sysctl",
        "in a network of its own a service opens any port from 0 and pings without a capability",
    ),
    (
        "names of other services",
        "asked of the engine's DNS server",
        "in `/etc/hosts`, instances in the order of their numbers; with `network_mode = \"host\"` a service is found too, where the machine is; `host.docker.internal` is always there",
    ),
    ("`x-…` keys", "ignored", "refused"),
];

/// The sections that the Compose Specification has too, with its keys (schema/compose-spec.json of
/// 2025).
const SPECIFICATION: &[(Section, &str)] = &[
    (
        Section::Service,
        "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs \
         container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime \
         cpu_shares cpus cpuset credential_spec depends_on deploy develop device_cgroup_rules devices \
         dns dns_opt dns_search domainname entrypoint env_file environment expose extends \
         external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation \
         label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness \
         memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit \
         platform ports post_start pre_stop privileged profiles provider pull_policy \
         pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open \
         stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user \
         userns_mode uts volumes volumes_from working_dir",
    ),
    (
        Section::Build,
        "additional_contexts args cache_from cache_to context dockerfile dockerfile_inline \
         entitlements extra_hosts isolation labels network no_cache platforms privileged provenance \
         pull sbom secrets shm_size ssh tags target ulimits",
    ),
    (Section::Dependency, "condition required restart"),
    (
        Section::Healthcheck,
        "disable interval retries start_interval start_period test timeout",
    ),
    (
        Section::Deploy,
        "endpoint_mode labels mode placement replicas resources restart_policy rollback_config \
         update_config",
    ),
    (
        Section::RestartPolicy,
        "condition delay max_attempts window",
    ),
    (Section::Volume, "driver driver_opts external labels name"),
];

/// How a key of Compose fares.
enum Fate {
    Same,
    Differs(&'static str, &'static str),
    Not(&'static str),
}

/// One key of Compose.
struct Row {
    section: Section,
    name: &'static str,
    fate: Fate,
}

/// Every key of the specification, section by section; one that the table does not know is missing
/// here, which a test refuses.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (section, names) in SPECIFICATION {
        let table = || section.keys().iter().zip(section.columns());
        for name in names.split_whitespace() {
            let found = table().find(|(key, _)| key.name == name);
            rows.extend(found.map(|(key, column)| Row {
                section: *section,
                name,
                fate: fate(key, column),
            }));
        }
    }
    rows
}

fn fate(key: &Key, column: &Column) -> Fate {
    match (key.support, column.differs) {
        (Support::Supported, None) => Fate::Same,
        (Support::Supported, Some((there, here))) => Fate::Differs(there, here),
        (Support::NotYet(instead) | Support::Refused(instead), _) => Fate::Not(instead),
    }
}

/// The names of the keys that Orlop has beside Compose's, of a section of both.
fn added(section: Section, specified: &str) -> Vec<&'static str> {
    let keys = section.keys().iter();
    keys.filter(|key| key.support == Support::Supported)
        .map(|key| key.name)
        .filter(|name| !specified.split_whitespace().any(|known| known == *name))
        .collect()
}

/// The page `docs/compose.md`.
#[must_use]
pub fn deviations_markdown() -> String {
    let mut page = format!("{HEAD}\n## In general\n\n| what | Compose | Orlop |\n|---|---|---|\n");
    for (what, there, here) in GENERAL {
        let _ = writeln!(page, "| {what} | {there} | {here} |");
    }
    let rows = rows();
    let supported = rows.iter().filter(|row| !matches!(row.fate, Fate::Not(_)));
    let _ = write!(
        page,
        "\nOf the {} keys below {} are taken; each of the others is refused by name, never ignored.\n",
        rows.len(),
        supported.count()
    );
    for (section, specified) in SPECIFICATION {
        let title = match section {
            Section::Service => "a service".to_owned(),
            other => format!("`{}`", other.title()),
        };
        let _ = write!(
            page,
            "\n## Keys of {title}\n\n| key | | Compose | Orlop |\n|---|---|---|---|\n"
        );
        for row in rows.iter().filter(|row| row.section == *section) {
            let name = row.name;
            let _ = match row.fate {
                Fate::Same => writeln!(page, "| `{name}` | same | | |"),
                Fate::Differs(there, here) => {
                    writeln!(page, "| `{name}` | differs | {there} | {here} |")
                }
                Fate::Not(instead) => writeln!(page, "| `{name}` | no | | {instead} |"),
            };
        }
        let added = added(*section, specified);
        if !added.is_empty() {
            let _ = writeln!(page, "\nOrlop's own: {}.", in_code(&added));
        }
    }
    page
}

/// The same for a terminal.
#[must_use]
pub fn deviations_text() -> String {
    let mut text = "IN GENERAL\n".to_owned();
    for (what, there, here) in GENERAL {
        let _ = write!(
            text,
            "  {what}\n      Compose: {there}\n      Orlop:   {here}\n"
        );
    }
    let mut last = None;
    for Row {
        section,
        name,
        fate,
    } in rows()
    {
        if last != Some(section) {
            let title = section.title().to_uppercase();
            let _ = write!(text, "\nKEYS OF {title}\n");
            last = Some(section);
        }
        let _ = match fate {
            Fate::Same => writeln!(text, "  {name}: as in Compose"),
            Fate::Differs(there, here) => writeln!(
                text,
                "  {name}: differs\n      Compose: {there}\n      Orlop:   {here}"
            ),
            Fate::Not(instead) => writeln!(text, "  {name}: refused; {instead}"),
        };
    }
    text.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_specification_has_a_fate() {
        for (section, names) in SPECIFICATION {
            for name in names.split_whitespace() {
                assert!(section.key(name).is_some(), "{section:?} {name}");
            }
        }
        assert!(rows().len() > 120);
    }

    #[test]
    fn only_keys_of_compose_are_compared_with_it() {
        for section in Section::ALL {
            let specified = SPECIFICATION.iter().find(|(of, _)| *of == section);
            let names = specified.map_or("", |(_, names)| names);
            for (key, column) in section.keys().iter().zip(section.columns()) {
                let known = names.split_whitespace().any(|name| name == key.name);
                assert!(known || column.differs.is_none(), "{}", key.name);
            }
        }
    }

    #[test]
    fn the_text_says_what_the_page_says() {
        let (page, text) = (deviations_markdown().replace('`', ""), deviations_text());
        for row in rows() {
            assert!(
                text.contains(&format!("\n  {}: ", row.name)),
                "{}",
                row.name
            );
            if let Fate::Not(words) | Fate::Differs(_, words) = row.fate {
                let words = words.replace('`', "");
                assert!(text.contains(&words) && page.contains(&words), "{words}");
            }
        }
    }
}
