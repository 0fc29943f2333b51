//! `[volumes.<name>]` in the text of a `system.toml` that somebody wrote. Pure.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

/// The file with its new volumes.
#[derive(Debug)]
pub(super) struct Declared {
    /// The whole file.
    pub text: String,
    /// What was not declared before, in order.
    pub new: Vec<String>,
}

/// Declares these volumes; all else stays as it is written, comments and order too.
///
/// # Errors
/// When the text is no TOML, or `volumes` no table.
pub(super) fn volumes(text: &str, wanted: &BTreeSet<String>) -> Result<Declared> {
    let mut document = match text.parse::<DocumentMut>() {
        Ok(document) => document,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            bail!(
                "system.toml:{line}: {}; mend it first, `orlop check` shows the place",
                error.message()
            )
        }
    };
    let mut new = Vec::new();
    for name in wanted {
        let volumes = document
            .entry("volumes")
            .or_insert_with(|| Item::Table(implicit()));
        let Some(table) = volumes.as_table_like() else {
            bail!("system.toml: volumes must be a table; write [volumes.{name}]")
        };
        if table.contains_key(name) {
            continue;
        }
        let is_first = table.is_empty();
        match volumes {
            Item::Value(_) => {
                volumes[name] = Item::Value(Value::InlineTable(InlineTable::new()));
            }
            _ => volumes[name] = Item::Table(beside(is_first)),
        }
        new.push(name.clone());
    }
    Ok(Declared {
        text: document.to_string(),
        new,
    })
}

/// A table that is only there for those below it: `[volumes]` itself is not written.
fn implicit() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

/// An empty table, with an empty line before the first one of its kind.
fn beside(is_first: bool) -> Table {
    let mut table = Table::new();
    if !is_first {
        table.decor_mut().set_prefix("");
    }
    table
}

/// The line, counted from 1, of a byte.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new::SYSTEM_TOML;

    fn declared(text: &str, names: &[&str]) -> String {
        let wanted = names.iter().map(|name| (*name).to_owned()).collect();
        volumes(text, &wanted).unwrap().text
    }

    #[test]
    fn the_starters_file_gets_one_more_line() {
        let text = declared(SYSTEM_TOML, &["postgres-data", "logs"]);
        // Among the other volumes, whatever stands after them.
        let last = "[volumes.redis-data]\n";
        let expected = SYSTEM_TOML.replace(last, &format!("{last}[volumes.postgres-data]\n"));
        assert_eq!(text, expected);
    }

    #[test]
    fn a_file_without_volumes_keeps_all_that_it_says() {
        let before = "# mine\nhostname = \"a\" # and this\n\n[network]\ndhcp = false\n# the end\n";
        let text = declared(before, &["a", "b"]);
        assert!(
            text.starts_with("# mine\nhostname = \"a\" # and this\n\n[network]\ndhcp = false\n"),
            "{text}"
        );
        assert!(text.contains("# the end\n"), "{text}");
        assert!(
            text.contains("[volumes.a]\n") && text.contains("[volumes.b]\n"),
            "{text}"
        );
        assert_eq!(declared("", &["a"]), "[volumes.a]\n");
    }

    #[test]
    fn each_way_to_write_volumes_is_understood() {
        assert_eq!(
            declared("volumes = { a = {} }\n", &["a", "b"]),
            "volumes = { a = {} , b = {} }\n"
        );
        assert_eq!(
            declared("[volumes]\na = {}\n", &["b"]),
            "[volumes]\na = {}\n[volumes.b]\n"
        );
        for text in ["volumes.a = {}\n", "[volumes]\n", "volumes = {}\n"] {
            let after = declared(text, &["b"]);
            let read: toml::Table = after.parse().unwrap();
            assert!(
                read["volumes"].as_table().unwrap().contains_key("b"),
                "{after}"
            );
        }
    }

    #[test]
    fn what_is_broken_is_left_alone() {
        let said = |text: &str| {
            let wanted = BTreeSet::from(["a".to_owned()]);
            volumes(text, &wanted).unwrap_err().to_string()
        };
        let broken = said("hostname = \"x\"\n[network\n");
        assert!(broken.starts_with("system.toml:2: "), "{broken}");
        assert_eq!(
            said("volumes = 3\n"),
            "system.toml: volumes must be a table; write [volumes.a]"
        );
    }
}
