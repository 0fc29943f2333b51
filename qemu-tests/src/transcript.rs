//! What is kept of a test that failed.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::tool;

/// How much of the console is shown at once.
const SHOWN_LINES: usize = 60;

/// Keeps the console and the events of `name` below `target/qemu-tests/`, and shows their ends.
pub(crate) fn keep(name: &str, console: &Path, events: &[Value]) -> std::io::Result<()> {
    let folder = tool::target().join("qemu-tests").join(name);
    fs::create_dir_all(&folder)?;
    let text = fs::read(console).unwrap_or_default();
    fs::write(folder.join("console.log"), &text)?;
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    fs::write(folder.join("events.jsonl"), events.join("\n"))?;

    let mut err = std::io::stderr().lock();
    writeln!(
        err,
        "---- transcript of {name}, kept in {}",
        folder.display()
    )?;
    let text = String::from_utf8_lossy(&text);
    for line in last(&text.lines().collect::<Vec<_>>()) {
        writeln!(err, "{line}")?;
    }
    writeln!(err, "---- events")?;
    for line in last(&events) {
        writeln!(err, "{line}")?;
    }
    Ok(())
}

fn last<T>(lines: &[T]) -> &[T] {
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(from..).unwrap_or_default()
}
