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
what differs, and which are refused with what to write instead, is in [compose.md](compose.md). `orlop check DIR` reads all
files and prints every error with its place and what to write instead.
";

/// The whole page: a table of keys for each section, and the words in them.
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
            ..
        } = column;
        let kind = shape.words();
        let _ = writeln!(
            page,
            "| `{name}` | {kind} | {default} | {about} | `{example}` |"
        );
    }
}

pub(crate) fn in_code(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
