//! `[kernel]`: where it comes from, what it is told, which modules it loads.

use crate::Kernel;
use crate::keys::Section;
use crate::tree::{Fields, Findings, Node, quoted};

/// MODULE_NAME_LEN of the kernel without its NUL.
const LONGEST_MODULE: usize = 55;

/// The name of a Debian package (Debian policy 5.6.1).
pub(in crate::parse) fn package(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.string(findings)?;
    let mut bytes = text.bytes();
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = |b: u8| first(b) || matches!(b, b'+' | b'-' | b'.');
    if text.len() >= 2 && text.len() <= 128 && bytes.next().is_some_and(first) && bytes.all(rest) {
        return Some(text.to_owned());
    }
    let what = match text.split(['=', ':', '/']).next() {
        Some(name) if name.len() < text.len() && !name.is_empty() => {
            format!(
                "{} is more than a package's name (orlop.lock pins the version); write {}",
                quoted(text),
                quoted(name)
            )
        }
        _ => format!(
            "{} is no Debian package's name; write {}",
            quoted(text),
            node.key.example
        ),
    };
    node.error(findings, what);
    None
}

/// The name of a Debian suite.
pub(in crate::parse) fn suite(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.string(findings)?;
    let mut bytes = text.bytes();
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.len() <= 64 && bytes.next().is_some_and(|b| b.is_ascii_lowercase()) && bytes.all(rest) {
        return Some(text.to_owned());
    }
    node.refuse(findings, &format!("{} is no Debian suite", quoted(text)));
    None
}

pub(super) fn kernel(node: &Node<'_>, kernel: &mut Kernel, findings: &mut Findings<'_>) {
    let Some(table) = node.table(findings) else {
        return;
    };
    let fields = Fields::read(table, Section::Kernel, "kernel", findings);
    if let Some(name) = fields.get("debian").and_then(|n| package(n, findings)) {
        kernel.debian = name;
    }
    if let Some(name) = fields.get("suite").and_then(|n| suite(n, findings)) {
        kernel.suite = name;
    }
    if let Some(node) = fields.get("cmdline")
        && let Some(text) = node.string(findings)
    {
        // The kernel takes 2048 bytes in all; the build adds its own.
        if text.len() > 1024 || text.chars().any(char::is_control) {
            node.refuse(findings, "must be one line of at most 1024 bytes");
        } else {
            kernel.cmdline = text.to_owned();
        }
    }
    if let Some(names) = fields.get("modules").and_then(|n| modules(n, findings)) {
        kernel.modules = names;
    }
    if let Some(names) = fields.get("blacklist").and_then(|n| modules(n, findings)) {
        kernel.blacklist = names;
    }
}

/// Names of kernel modules as the kernel writes them: a hyphen is an underscore (modprobe(8)).
fn modules(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    let before = findings.errors();
    let mut names = Vec::new();
    for entry in node.list(findings)? {
        let Some(text) = entry.string(findings) else {
            continue;
        };
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if text.is_empty() || text.len() > LONGEST_MODULE || !text.bytes().all(good) {
            // People copy what `find` shows.
            let base = text
                .rsplit('/')
                .next()
                .and_then(|name| name.split('.').next());
            let base = base.filter(|base| !base.is_empty() && base.bytes().all(good));
            let advice = base.map_or_else(|| node.key.example.to_owned(), quoted);
            let shown = quoted(text);
            entry.error(
                findings,
                format!("{shown} is no kernel module's name; write {advice}"),
            );
            continue;
        }
        names.push(text.replace('-', "_"));
    }
    (findings.errors() == before).then_some(names)
}
