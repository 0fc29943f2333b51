//! A key that is not there: which one was meant, by its letters, by other systems' words for it, or by
//! the section that it belongs to.

use super::{Key, Section, supported};
use crate::nearest::nearest;

/// Other words that people know for a key, such as the options of `docker run`.
const ALSO_KNOWN_AS: &[(&str, &str)] = &[
    ("caps", "cap_add"),
    ("capabilities", "cap_add"),
    ("cmd", "command"),
    ("cmd", "test"),
    ("command", "test"),
    ("url", "http"),
    ("cpu", "cpus"),
    ("cpu_limit", "cpus"),
    ("depends", "depends_on"),
    ("env", "environment"),
    ("grants", "control"),
    ("memory", "mem_limit"),
    ("mem", "mem_limit"),
    ("mounts", "volumes"),
    ("net", "network_mode"),
    ("network", "network_mode"),
    ("publish", "ports"),
    ("requires", "depends_on"),
    ("restart_policy", "restart"),
    ("apt", "debian"),
    ("from", "debian"),
    ("copy", "files"),
    ("kill_signal", "stop_signal"),
    ("ip", "addresses"),
    ("device", "state"),
    ("disk", "state"),
    ("userns", "userns_mode"),
    ("probe", "healthcheck"),
    ("instances", "scale"),
    ("replicas", "scale"),
    ("cron", "schedule"),
    ("timer", "schedule"),
    ("ready", "readiness"),
    ("watchdog_sec", "watchdog"),
    ("runtime_watchdog_sec", "timeout"),
    ("watchdog_device", "device"),
    ("health_cmd", "healthcheck"),
    ("exec_start", "command"),
    ("on_calendar", "schedule"),
    ("restart_sec", "restart_delay"),
    ("start_limit_burst", "start_limit"),
    ("start_limit_interval_sec", "start_limit"),
    ("stop_timeout", "stop_grace_period"),
    ("timeout_stop_sec", "stop_grace_period"),
    ("timeout_start_sec", "start_timeout"),
    ("wants", "depends_on"),
    ("workdir", "working_dir"),
    ("cwd", "working_dir"),
    ("packages", "debian"),
    ("nameservers", "dns"),
    ("disk", "storage"),
    ("state_disk", "state"),
    ("address", "addresses"),
];

/// The supported key that was probably meant.
pub(crate) fn nearest_key(section: Section, name: &str) -> Option<&'static Key> {
    let folded = name.to_lowercase().replace('-', "_");
    other_word(section, name)
        .or_else(|| section.key(nearest(&folded, supported(section).map(|key| key.name))?))
}

/// The supported key that other systems call by this name: `RestartSec` as well as `restart-sec`.
fn other_word(section: Section, name: &str) -> Option<&'static Key> {
    let bare = |word: &str| {
        let letters = word.bytes().filter(|b| !matches!(b, b'_' | b'-'));
        letters.map(|b| b.to_ascii_lowercase()).collect::<Vec<u8>>()
    };
    let name = bare(name);
    let mut words = ALSO_KNOWN_AS.iter().filter(|(word, _)| bare(word) == name);
    words.find_map(|(_, key)| supported(section).find(|known| known.name == *key))
}

/// Whether a key that this section does not know is one of the file's own: what stands below
/// `[healthcheck]` in TOML belongs to it, unlike in YAML where the indentation says so.
pub(crate) fn belongs_to_the_file(section: Section, name: &str) -> bool {
    let file = match section {
        Section::Service | Section::System => return false,
        Section::Kernel
        | Section::Network
        | Section::Link
        | Section::Storage
        | Section::Access
        | Section::Watchdog
        | Section::Volume
        | Section::VolumeOptions => Section::System,
        _ => Section::Service,
    };
    other_word(section, name).is_none() && supported(file).any(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_names_a_supported_key_somewhere() {
        for (word, meant) in ALSO_KNOWN_AS {
            let known = Section::ALL
                .iter()
                .any(|s| nearest_key(*s, word).is_some_and(|k| k.name == *meant));
            assert!(known, "{word}");
        }
    }
}
