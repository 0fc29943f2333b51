//! The manifest reference, `docs/manifests.md`, printed from the key table.

use std::fmt::Write as _;

use crate::PROGRAMS;
use crate::keys::{Column, Key, Section, Support};
use crate::value::GRANTS;

const HEAD: &str = "# Manifests

<!-- Printed from the key table in config/src/keys. Regenerate with
     ORLOP_BLESS=1 cargo test -p orlop-config --test reference -->

A machine is a folder: `system.toml`, and one folder a service, `services/<name>/service.toml`. The
keys of `service.toml` are those of the service in the Compose Specification, with their meaning;
what differs is in [Deviations from Compose](#deviations-from-compose). `orlop check DIR` reads all
files and prints every error with its place and what to write instead.
";

/// What differs from Compose: subject, Compose, Orlop.
const DEVIATIONS: &[(&str, &str, &str)] = &[
    (
        "format",
        "YAML, all services in one file",
        "TOML, one file a service; the service's name is its folder's",
    ),
    (
        "`$`",
        "`${VAR}` is replaced, `$$` is a dollar sign",
        "an ordinary character; nothing is replaced",
    ),
    ("`restart`", "`no`", "`always`; `no` for a oneshot"),
    (
        "`restart` after a run of 10 s",
        "after 100 ms",
        "at once; `restart_reset_after` says how long",
    ),
    (
        "`deploy.restart_policy.delay`",
        "the same before each restart",
        "before the first; doubles up to `restart_max_delay`",
    ),
    (
        "an unhealthy service",
        "is only shown",
        "is ended, and `restart` decides; `on_unhealthy = \"none\"` is Compose's",
    ),
    (
        "`healthcheck`",
        "`test`, a program of the image",
        "`http`, `tcp` and `file` too, which need none",
    ),
    (
        "`scale`",
        "instances `web-1`, …",
        "the same from 2 on; `scale = 1` is `web` itself; an instance finds its number in `ORLOP_REPLICA`",
    ),
    (
        "`read_only`",
        "`false`",
        "`true`; `false` with `isolation` `baseline` or `privileged`",
    ),
    (
        "`userns_mode`",
        "the engine's",
        "an own user namespace of 65,536 ids; `\"host\"` leaves it, `isolation = \"privileged\"` implies that, nothing else does",
    ),
    (
        "capabilities",
        "Docker's fourteen",
        "none; `isolation = \"baseline\"` gives Docker's",
    ),
    ("`pids_limit`", "no limit", "2048"),
    (
        "`mem_limit`",
        "a limit",
        "a limit, and when the machine is out of memory services without one are killed first",
    ),
    (
        "low ports and ping",
        "a capability, or the engine's sysctl",
        "in a network of its own a service opens any port from 0 and pings without a capability",
    ),
    (
        "`image`",
        "a registry's, pulled when missing",
        "one that a `build` of this machine or of the catalogue makes",
    ),
    (
        "`build`",
        "`context` and `dockerfile`",
        "`debian`, `files`, `programs`, `users`, `directories`",
    ),
    (
        "`command`",
        "the image's by default",
        "no image has one: `command` or `entrypoint` must be written",
    ),
    (
        "`ports`",
        "`\"80\"` gets a port of the host at random",
        "the machine's port must be written: `\"8080:80\"`",
    ),
    (
        "names of other services",
        "asked of the engine's DNS server",
        "in `/etc/hosts`, instances in the order of their numbers; with `network_mode = \"host\"` a service is found too, where the machine is; `host.docker.internal` is always there",
    ),
    (
        "`ports` with `network_mode` `host` or `none`",
        "dropped or refused when it runs",
        "an error of the check",
    ),
    (
        "`volumes`",
        "host paths, anonymous volumes",
        "volumes declared in `system.toml`, and files of the service's own folder, which are read-only",
    ),
    (
        "`tmpfs`",
        "unlimited",
        "64 MiB and mode 1777 when not said otherwise",
    ),
    ("`user`", "the image's", "root of the user namespace"),
    (
        "`depends_on.<name>.condition`",
        "must be written",
        "`service_started` by default",
    ),
    (
        "`restart: unless-stopped`",
        "remembers a stop over a reboot",
        "as `always` until generations remember it",
    ),
    (
        "`isolation`",
        "a Windows setting",
        "`restricted`, `baseline` or `privileged`: the names of the Kubernetes Pod Security Standards",
    ),
    (
        "added keys",
        "–",
        "`control`, and the ones of `build` above; `http`, `tcp`, `file`, `expect` of `healthcheck`; `propagate` of `depends_on`; `type`, `remain_after_exit`, `readiness`, `start_timeout`, `watchdog`, `on_unhealthy`, `restart_delay`, `restart_max_delay`, `restart_reset_after`, `start_limit`, `success_exit_status`, `restart_prevent_exit_status`, `restart_force_exit_status`, `on_failure`, `oom_policy`, `after`, `before`, `needs` (systemd has most of these by such names); `schedule`",
    ),
    ("`x-…` keys", "ignored", "refused"),
];

/// The whole page: a table of keys for each section, the deviations, the keys not supported yet.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in Section::ALL {
        let title = section.title();
        let title = if title.starts_with('[') || title.contains('<') {
            format!("`{title}`")
        } else {
            title.to_owned()
        };
        let _ = write!(page, "\n## {title}\n\n");
        key_table(&mut page, section);
    }
    let _ = write!(page, "\n## Words\n\n");
    let _ = writeln!(page, "| word | is |\n|---|---|");
    let _ = writeln!(
        page,
        "| size | `512m`, `1.5g`, `64k`: powers of 1024; without a letter bytes |"
    );
    let _ = writeln!(
        page,
        "| duration | `1m30s`, `500ms`, `1h`: a day at the most; `every 7d` a year |"
    );
    let _ = writeln!(
        page,
        "| cron expression | as in crontab(5), in UTC: minute, hour, day, month, weekday, each `*`, `5`, `1-5`, `*/15`, `mon-fri` or a list of these; when day and weekday are both written, either will do; `@yearly`, `@monthly`, `@weekly`, `@daily`, `@hourly` |"
    );
    let _ = writeln!(page, "| signal | `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3` |");
    let _ = writeln!(
        page,
        "| capability | `NET_ADMIN` or `CAP_NET_ADMIN`, as in capabilities(7) |"
    );
    let _ = writeln!(page, "| program | {} |", in_code(&PROGRAMS));
    let _ = writeln!(
        page,
        "| grant | {}; a family such as `services.*`; `*` for all |",
        in_code(&GRANTS)
    );

    let _ = write!(
        page,
        "\n## Deviations from Compose\n\n| what | Compose | Orlop |\n|---|---|---|\n"
    );
    for (what, compose, orlop) in DEVIATIONS {
        let _ = writeln!(page, "| {what} | {compose} | {orlop} |");
    }

    let _ = write!(
        page,
        "\n## Compose keys that are not supported yet\n\nEach is refused by name, never ignored.\n"
    );
    for section in Section::ALL {
        unsupported(&mut page, section);
    }
    page
}

fn key_table(page: &mut String, section: Section) {
    let rows = section.keys().iter().zip(section.columns());
    let supported: Vec<(&Key, &Column)> = rows
        .filter(|(key, _)| key.support == Support::Supported)
        .collect();
    if supported.is_empty() {
        page.push_str("No keys: the section alone declares it.\n");
        return;
    }
    page.push_str("| key | type | default | what | example |\n|---|---|---|---|---|\n");
    for (Key { name, example, .. }, column) in supported {
        let Column {
            shape,
            default,
            about,
        } = column;
        let kind = shape.words();
        let _ = writeln!(
            page,
            "| `{name}` | {kind} | {default} | {about} | `{example}` |"
        );
    }
}

fn unsupported(page: &mut String, section: Section) {
    let mut rows = String::new();
    for key in section.keys() {
        let name = key.name;
        let _ = match key.support {
            Support::Supported => Ok(()),
            Support::NotYet(instead) => writeln!(rows, "| `{name}` | {instead} |"),
            Support::Refused(reason) => writeln!(rows, "| `{name}` | {reason} |"),
        };
    }
    if !rows.is_empty() {
        let _ = write!(
            page,
            "\n### In {}\n\n| key | instead |\n|---|---|\n{rows}",
            section.title()
        );
    }
}

fn in_code(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
