//! The key table against its printed page and against what the walker really reads.

use std::fs;
use std::path::Path;

use orlop_config::keys::{Section, Support};
use orlop_config::{SourceFile, Sources, check, deviations_markdown, reference_markdown};

#[test]
fn the_reference_pages_are_the_key_table() {
    for (name, page) in [
        ("manifests.md", reference_markdown()),
        ("compose.md", deviations_markdown()),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(name);
        if std::env::var_os("ORLOP_BLESS").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let written = fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page,
            "docs/{name} is old; run ORLOP_BLESS=1 cargo test -p orlop-config --test reference"
        );
    }
}

/// README.md shows the keys of `service.toml`, between two comments.
#[test]
fn the_readme_has_the_table_of_service_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let page = reference_markdown();
    let (_, from_title) = page.split_once("\n## service.toml\n\n").unwrap();
    let (table, _) = from_title.split_once("\n\n").unwrap();
    let readme = fs::read_to_string(&path).unwrap();
    let (before, from_mark) = readme.split_once("<!-- keys: ").unwrap();
    let (mark, from_table) = from_mark.split_once("-->\n").unwrap();
    let (_, after) = from_table.split_once("<!-- end of keys -->").unwrap();
    let wanted = format!("{before}<!-- keys: {mark}-->\n\n{table}\n\n<!-- end of keys -->{after}");
    if std::env::var_os("ORLOP_BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        readme == wanted,
        "README.md's table is old; run ORLOP_BLESS=1 cargo test -p orlop-config --test reference"
    );
}

/// The messages about one file that consists of a key in its section.
fn messages(section: Section, line: &str) -> Vec<String> {
    let text = match section {
        Section::Service | Section::System => line.to_owned(),
        Section::Build => format!("[build]\n{line}"),
        Section::BuildUser => format!("[build.users.app]\n{line}"),
        Section::EnvFile => format!("[env_file]\n{line}"),
        Section::Ulimit => format!("[ulimits.core]\n{line}"),
        Section::Blkio => format!("[blkio_config]\n{line}"),
        Section::BlkioDevice => format!("[[blkio_config.device_read_bps]]\n{line}"),
        Section::Dependency => format!("[depends_on.db]\n{line}"),
        Section::Healthcheck => format!("[healthcheck]\n{line}"),
        Section::StartLimit => format!("[start_limit]\n{line}"),
        Section::Schedule => format!("[schedule]\n{line}"),
        Section::Deploy => format!("[deploy]\n{line}"),
        Section::RestartPolicy => format!("[deploy.restart_policy]\n{line}"),
        Section::Resources => format!("[deploy.resources]\n{line}"),
        Section::ResourceLimits => format!("[deploy.resources.limits]\n{line}"),
        Section::Reservations => format!("[deploy.resources.reservations]\n{line}"),
        Section::Kernel => format!("[kernel]\n{line}"),
        Section::Network => format!("[network]\n{line}"),
        Section::Link => format!("[network.links.eth0]\n{line}"),
        Section::Storage => format!("[storage]\n{line}"),
        Section::Access => format!("[access]\n{line}"),
        Section::Watchdog => format!("[watchdog]\n{line}"),
        Section::Volume => format!("[volumes.data]\n{line}"),
        Section::VolumeOptions => format!("[volumes.data.driver_opts]\n{line}"),
    };
    let of_the_machine = [
        Section::System,
        Section::Kernel,
        Section::Network,
        Section::Link,
        Section::Storage,
        Section::Access,
        Section::Watchdog,
        Section::Volume,
        Section::VolumeOptions,
    ];
    let path = "file.toml".to_owned();
    let mut sources = Sources::default();
    let file = SourceFile { path, text };
    if of_the_machine.contains(&section) {
        sources.system = Some(file);
    } else {
        sources.services.insert("web".to_owned(), file);
    }
    check(&sources)
        .diagnostics
        .iter()
        .map(|d| format!("{}: {}", d.key, d.message))
        .collect()
}

#[test]
fn every_supported_key_is_read() {
    for section in Section::ALL {
        for key in section
            .keys()
            .iter()
            .filter(|key| key.support == Support::Supported)
        {
            // No key is a date, so one that is read complains.
            let found = messages(section, &format!("{} = 2026-11-20", key.name));
            assert!(
                found
                    .iter()
                    .any(|m| m.contains(key.name) && m.contains("not a date")),
                "{section:?} {}: {found:?}",
                key.name
            );
        }
    }
}

#[test]
fn every_other_key_is_refused_by_name_with_its_advice() {
    for section in Section::ALL {
        for key in section.keys() {
            let advice = match key.support {
                Support::Supported => continue,
                Support::NotYet(advice) | Support::Refused(advice) => advice,
            };
            let found = messages(section, &format!("{} = 1", key.name));
            assert!(
                found
                    .iter()
                    .any(|m| m.contains(key.name) && m.contains(advice)),
                "{section:?} {}: {found:?}",
                key.name
            );
        }
    }
}

#[test]
fn every_example_is_accepted_as_it_is_shown() {
    for section in Section::ALL {
        for key in section
            .keys()
            .iter()
            .filter(|key| key.support == Support::Supported)
        {
            if key.example.contains(" with ") || key.name == "users" && section == Section::Build {
                continue;
            }
            let place = format!("{}: ", key.name);
            let about_it = |m: &String| {
                let own = m.starts_with(&place) || m.contains(&format!(".{place}"));
                own && !["no image", "no service", "not declared", "does not exist"]
                    .iter()
                    .any(|s| m.contains(s))
            };
            // What another key must be written for.
            let beside = match key.name {
                "remain_after_exit" => "\ntype = \"oneshot\"",
                "on_unhealthy" => "\nhealthcheck = { tcp = 80 }",
                "expect" => "\nhttp = \":80/\"",
                "on_failure" => "\nrestart = \"no\"",
                "start_timeout" => "\nreadiness = \"notify\"",
                "pid" | "ipc" | "uts" | "cgroup" => "\nuserns_mode = \"host\"",
                "memswap_limit" => "\nmem_limit = \"512m\"",
                _ => "",
            };
            let mut found = messages(section, &format!("{}{beside}", key.example));
            found.retain(about_it);
            assert!(found.is_empty(), "{section:?} {}: {found:?}", key.example);
        }
    }
}
