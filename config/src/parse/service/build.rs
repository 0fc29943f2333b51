//! `build`: what an image is made of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::keys::Section;
use crate::nearest::nearest;
use crate::parse::machine::{package, suite};
use crate::scalar::{absolute, folder_relative};
use crate::tree::{Fields, Findings, Node, quoted};
use crate::{Build, BuildUser, PROGRAMS};

pub(super) fn build(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Build> {
    if node.value.is_str() {
        node.refuse(
            findings,
            "a Dockerfile is not supported yet: an image is made of packages and files",
        );
        return None;
    }
    let table = node.table(findings)?;
    let before = findings.errors();
    let fields = Fields::read(table, Section::Build, "build", findings);
    let debian = fields.get("debian").and_then(|n| packages(n, findings));
    let files = fields.get("files").and_then(|n| files_of(n, findings));
    let programs = fields
        .get("programs")
        .and_then(|n| programs_of(n, findings));
    let written = ["debian", "files", "programs"]
        .iter()
        .any(|name| fields.get(name).is_some());
    if !written && findings.errors() > before {
        // What was meant has been told.
    } else if !written && table.is_empty() {
        node.refuse(findings, "is empty");
    } else if !written {
        node.refuse(
            findings,
            "has none of debian, files and programs, so the image would be empty",
        );
    }
    Some(Build {
        debian: debian.unwrap_or_default(),
        suite: fields
            .get("suite")
            .and_then(|n| suite(n, findings))
            .unwrap_or_else(|| "bookworm".to_owned()),
        files: files.unwrap_or_default(),
        programs: programs.unwrap_or_default(),
        users: fields
            .get("users")
            .and_then(|n| users(n, findings))
            .unwrap_or_default(),
        directories: fields
            .get("directories")
            .and_then(|n| directories(n, findings))
            .unwrap_or_default(),
    })
}

fn packages(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    let entries = node.list(findings)?;
    Some(
        entries
            .iter()
            .filter_map(|entry| package(entry, findings))
            .collect(),
    )
}

fn files_of(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<BTreeMap<PathBuf, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut list = node
        .value
        .as_array()
        .into_iter()
        .flat_map(|list| list.iter());
    let pair = list.find_map(|entry| entry.get_ref().as_str()?.split_once(':'));
    if let Some((source, target)) = pair {
        let (source, target) = (quoted(source), quoted(target));
        node.error(
            findings,
            format!("must be a table; write files = {{ {source} = {target} }}"),
        );
        return None;
    }
    for (source, place, target) in node.named(findings)? {
        let target = path_at(&target, findings);
        match folder_relative(source) {
            Ok(source) => files.extend(target.map(|target| (source, target))),
            Err(what) => findings.error(
                &place,
                format!("{} {what}, but a source lies in the service's own folder; write files = {{ \"app.conf\" = \"/etc/app.conf\" }}", quoted(source)),
            ),
        }
    }
    Some(files)
}

/// An absolute path that is not the root itself.
fn path_at(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<PathBuf> {
    let text = node.string(findings)?;
    let path = node.parsed(findings, text, absolute(text))?;
    if path.as_os_str() == "/" {
        node.refuse(findings, "\"/\" is the whole image");
        return None;
    }
    Some(path)
}

fn programs_of(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    let mut programs = Vec::new();
    for entry in node.list(findings)? {
        let Some(name) = entry.string(findings) else {
            continue;
        };
        if PROGRAMS.contains(&name) {
            programs.push(name.to_owned());
            continue;
        }
        let quoted = quoted(name);
        let message = match nearest(name, PROGRAMS) {
            Some(near) => format!("there is no program {quoted}; write \"{near}\""),
            None => format!(
                "there is no program {quoted}; write one of {}, or name your own under files",
                PROGRAMS.join(", ")
            ),
        };
        entry.error(findings, message);
    }
    Some(programs)
}

/// Whether a user or group could have that name (useradd(8), Debian's limits).
pub(super) fn is_account_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    name.len() <= 32 && bytes.next().is_some_and(first) && bytes.all(rest)
}

fn users(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<BTreeMap<String, BuildUser>> {
    let mut users: BTreeMap<String, BuildUser> = BTreeMap::new();
    for (name, place, user) in node.named(findings)? {
        if !is_account_name(name) {
            findings.error(
                &place,
                format!(
                    "{} is no user's name; write letters, digits, _ and - only, at most 32",
                    quoted(name)
                ),
            );
        }
        let Some(table) = user.table(findings) else {
            continue;
        };
        let fields = Fields::read(table, Section::BuildUser, &user.place.key, findings);
        let home = fields.get("home").and_then(|n| path_at(n, findings));
        let shell = fields.get("shell").and_then(|n| path_at(n, findings));
        let Some(uid_node) = fields.get("uid") else {
            findings.error(&place, "has no uid; write users = { app = { uid = 100 } }");
            continue;
        };
        let Some(uid) = uid_node.integer(findings) else {
            continue;
        };
        let Some(uid @ 1..=65_534) = u32::try_from(uid).ok() else {
            uid_node.refuse(
                findings,
                &format!("{uid} is no id of a container's user, which are 1 to 65534"),
            );
            continue;
        };
        if let Some((other, _)) = users.iter().find(|(_, user)| user.uid == uid) {
            uid_node.error(
                findings,
                format!(
                    "user {} has the uid {uid} too; write another one",
                    quoted(other)
                ),
            );
        }
        users.insert(
            name.to_owned(),
            BuildUser {
                uid,
                home: home.unwrap_or_else(|| "/nonexistent".into()),
                shell: shell.unwrap_or_else(|| "/usr/sbin/nologin".into()),
            },
        );
    }
    Some(users)
}

fn directories(
    node: &Node<'_>,
    findings: &mut Findings<'_>,
) -> Option<BTreeMap<PathBuf, (String, String, u32)>> {
    let mut directories = BTreeMap::new();
    for (path, place, owner) in node.named(findings)? {
        let path = match absolute(path) {
            Ok(path) => Some(path),
            Err(what) => {
                findings.error(
                    &place,
                    format!("{} {what}; write {}", quoted(path), node.key.example),
                );
                None
            }
        };
        let Some(text) = owner.string(findings) else {
            continue;
        };
        match owner_and_mode(text) {
            Some(owner) => directories.extend(path.map(|path| (path, owner))),
            None => owner.refuse(
                findings,
                &format!("{} is not \"user:group mode\"", quoted(text)),
            ),
        }
    }
    Some(directories)
}

/// `redis:redis 0750` → owner, group, mode.
fn owner_and_mode(text: &str) -> Option<(String, String, u32)> {
    let (owner, mode) = text.split_once(' ')?;
    let (user, group) = owner.split_once(':')?;
    let account = |name: &str| {
        let id = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        is_account_name(name) || id && name.parse::<u16>().is_ok()
    };
    let mode = mode.trim_start();
    let octal =
        !mode.is_empty() && mode.len() <= 5 && mode.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(mode, 8)
        .ok()
        .filter(|mode| octal && *mode <= 0o7777)?;
    (account(user) && account(group)).then(|| (user.to_owned(), group.to_owned(), mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_modes() {
        assert_eq!(
            owner_and_mode("redis:adm 0750"),
            Some(("redis".into(), "adm".into(), 0o750))
        );
        assert_eq!(
            owner_and_mode("100:65535 1777"),
            Some(("100".into(), "65535".into(), 0o1777))
        );
        for text in [
            "",
            "redis 0755",
            "redis:redis",
            "redis:redis 0888",
            "a:b 77777",
            "a:b +755",
            ":b 755",
            "65536:b 755",
        ] {
            assert_eq!(owner_and_mode(text), None, "{text}");
        }
    }
}
