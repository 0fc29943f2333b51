//! What the figures were taken on: hardware and versions, never a name or a path of the workstation.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

/// One line each: what, which.
pub(crate) fn describe(machines: &Path) -> Result<Vec<(String, String)>> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let count = cpus
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let model = value(&cpus, "model name", ':');
    let memory = value(&read("/proc/meminfo"), "MemTotal", ':');
    let built = fs::read_to_string(machines.join("bridge/build/build.json")).unwrap_or_default();
    let built: Value = serde_json::from_str(&built).unwrap_or_default();
    let release = built.get("kernel_release").and_then(Value::as_str);
    let lines = [
        ("processor", format!("{count} × {model}")),
        ("memory", memory),
        (
            "load at the end",
            read("/proc/loadavg")
                .split(' ')
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
        ),
        (
            "system",
            value(&read("/etc/os-release"), "PRETTY_NAME", '='),
        ),
        (
            "kernel",
            format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        ),
        ("emulator", first_line("qemu-system-x86_64", "--version")),
        (
            "kernel in the machines",
            format!("Debian's {}", release.unwrap_or("(unknown)")),
        ),
        (
            "busybox in the machines",
            "Debian's busybox-static".to_owned(),
        ),
        (
            "compilers",
            format!(
                "{}; {}",
                first_line("rustc", "--version"),
                first_line("musl-gcc", "--version")
            ),
        ),
        (
            "Orlop",
            first_line("git", "describe --always --dirty --abbrev=12"),
        ),
    ];
    Ok(lines.map(|(what, which)| (what.to_owned(), which)).to_vec())
}

/// What stands behind `name` and the separator, without quotes.
fn value(text: &str, name: &str, separator: char) -> String {
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line
        .and_then(|line| line.split_once(separator))
        .map_or("", |(_, value)| value);
    value.trim().trim_matches('"').to_owned()
}

/// What a program says of itself.
fn first_line(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    text.lines().next().unwrap_or("(not found)").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_without_quotes_and_blanks() {
        assert_eq!(
            value("PRETTY_NAME=\"Debian 12\"\n", "PRETTY_NAME", '='),
            "Debian 12"
        );
        assert_eq!(value("MemTotal:     8 kB\n", "MemTotal", ':'), "8 kB");
        assert_eq!(value("", "MemTotal", ':'), "");
    }
}
