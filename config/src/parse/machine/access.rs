//! `[access]`: who gets a shell, and where.

use crate::keys::Section;
use crate::parse::service::{choice, control};
use crate::scalar::decode_base64;
use crate::tree::{Fields, Findings, Node, quoted};
use crate::{Access, ConsoleAccess, Grant};

/// All keys together: they are part of one service's environment, where a text has at most 128 KiB.
const MOST: usize = 64 * 1024;

/// The kinds of keys that OpenSSH makes and dropbear takes.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

pub(super) fn access(node: &Node<'_>, access: &mut Access, findings: &mut Findings<'_>) {
    let Some(table) = node.table(findings) else {
        return;
    };
    let fields = Fields::read(table, Section::Access, "access", findings);
    if let Some(console) = fields.get("console").and_then(|n| console(n, findings)) {
        access.console = console;
    }
    if let Some(keys) = fields.get("ssh_keys").and_then(|n| ssh_keys(n, findings)) {
        access.ssh_keys = keys;
    }
    if let Some(grants) = fields
        .get("ssh_control")
        .and_then(|n| ssh_control(n, findings))
    {
        access.ssh_control = grants;
    }
}

fn console(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<ConsoleAccess> {
    if let Some(is) = node.value.as_bool() {
        let word = if is { "shell" } else { "off" };
        node.error(
            findings,
            format!("must be text in quotes; write console = \"{word}\""),
        );
        return None;
    }
    match node.string(findings)? {
        "shell" => Some(ConsoleAccess::Shell),
        "off" => Some(ConsoleAccess::Off),
        "login" => {
            node.error(findings, "\"login\" is not supported yet; write \"off\", or \"shell\" for a shell without a password");
            None
        }
        text => {
            choice(node, findings, text, &["shell", "off"]);
            None
        }
    }
}

/// A key that is wrong is left out, the others are used.
fn ssh_keys(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    let mut keys: Vec<String> = Vec::new();
    for entry in node.list(findings)? {
        let Some(text) = entry.string(findings) else {
            continue;
        };
        match ssh_key(text.trim()) {
            Err(what) => entry.error(findings, what),
            Ok(key) if keys.iter().any(|known| known == key) => {
                entry.error(findings, "this key is here a second time; remove it");
            }
            Ok(key) => keys.push(key.to_owned()),
        }
    }
    if keys.iter().map(String::len).sum::<usize>() > MOST {
        node.error(
            findings,
            "the keys are longer than 64 KiB together; remove some",
        );
        return None;
    }
    Some(keys)
}

/// One line of authorized_keys(5), without options.
fn ssh_key(text: &str) -> Result<&str, String> {
    const WRITE: &str =
        "write the one line of the .pub file, such as \"ssh-ed25519 AAAA… you@laptop\"";
    if text.contains("PRIVATE KEY") {
        return Err(format!(
            "this is a private key, which nobody else should see; {WRITE}"
        ));
    }
    if text.contains(char::is_control) {
        return Err(format!("a key has one line; {WRITE}"));
    }
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let kind = words.next().unwrap_or_default();
    if !KINDS.contains(&kind) {
        let path = text.starts_with(['/', '~', '.']) || text.ends_with(".pub");
        return Err(match kind {
            _ if path => format!("{} is a path; {WRITE}", quoted(text)),
            "ssh-dss" => {
                "DSA keys are too weak; make another one with `ssh-keygen -t ed25519`".to_owned()
            }
            _ if KINDS.iter().any(|kind| text.contains(kind)) => {
                format!("options before a key are not supported; {WRITE}")
            }
            _ => format!("{} is no kind of key; {WRITE}", quoted(kind)),
        });
    }
    let blob = words.next().and_then(decode_base64);
    // It begins with its kind, after the length of that (RFC 4253, section 6.6).
    let named = blob
        .as_deref()
        .and_then(|blob| blob.get(4..)?.get(..kind.len()));
    if named != Some(kind.as_bytes()) {
        return Err(format!("this {kind} key is cut or changed; {WRITE}"));
    }
    Ok(text)
}

fn ssh_control(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<Grant>> {
    let grants = control(node, findings)?;
    let method = |grant: &&Grant| {
        ["services.", "machine."]
            .iter()
            .any(|family| grant.as_str().starts_with(family))
    };
    let other = grants.iter().find(|grant| !method(grant));
    if let Some(other) = other {
        let message = format!(
            "{} is not for a login; write grants of services and machine, such as \"services.list\"",
            quoted(other.as_str())
        );
        node.error(findings, message);
        return None;
    }
    Some(grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnmmMJwMBmTLLZBsXAQTVCCyRPSzRmgJmeBcATgV3bL you@laptop";

    #[test]
    fn a_line_of_a_pub_file_is_a_key() {
        assert_eq!(ssh_key(GOOD), Ok(GOOD));
        let without = GOOD.strip_suffix(" you@laptop").unwrap();
        assert_eq!(ssh_key(without), Ok(without));
    }

    #[test]
    fn what_people_write_instead_is_named() {
        let cases = [
            ("~/.ssh/id_ed25519.pub", "is a path"),
            ("id_ed25519.pub", "is a path"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
            (&GOOD.replace("IMnm", "IMn"), "cut or changed"),
            (&GOOD.replace("ssh-ed25519", "ssh-rsa"), "cut or changed"),
            ("ssh-ed25519", "cut or changed"),
            (&format!("no-pty {GOOD}"), "options before a key"),
            (&format!("{GOOD}\n{GOOD}"), "one line"),
            ("ssh-dss AAAA", "too weak"),
            ("hunter2", "no kind of key"),
            ("", "no kind of key"),
        ];
        for (text, what) in cases {
            let error = ssh_key(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
