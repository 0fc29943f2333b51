//! What an installation script does beyond what the builder does itself.

use std::collections::BTreeSet;

use orlop_config::Build;

/// Commands that change the file system or the users: what a container could miss. `mv` and
/// `touch` are not among them: in these scripts they migrate the files of older versions.
const CHANGES: [&str; 17] = [
    "addgroup",
    "adduser",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "dpkg-divert",
    "dpkg-statoverride",
    "groupadd",
    "install",
    "ln",
    "mkdir",
    "mkfifo",
    "mknod",
    "setcap",
    "update-ca-certificates",
    "useradd",
];

/// Packages whose scripts were read, and leave nothing behind that a container needs: they migrate
/// old installations, serve an administrator's choices, or make what the builder makes. (ping
/// needs no capability where PID 1 sets `ping_group_range`.)
const KNOWN: [&str; 22] = [
    "base-files",
    "base-passwd",
    "bash",
    "ca-certificates",
    "coreutils",
    "dash",
    "debconf",
    "debianutils",
    "iproute2",
    "iputils-ping",
    "libc-bin",
    "libc6",
    "libgssapi-krb5-2",
    "libpam-modules",
    "login",
    "netbase",
    "openssl",
    "passwd",
    "procps",
    "readline-common",
    "tcpdump",
    "tzdata",
];

/// The commands of a `postinst` that the builder does not know the outcome of, and that the
/// manifest declares no replacement for.
pub(super) fn unknown_commands(package: &str, script: &str, build: &Build) -> BTreeSet<String> {
    if is_known(package) {
        return BTreeSet::new();
    }
    let mut found = BTreeSet::new();
    let mut generated = false;
    for line in script.lines().map(str::trim) {
        // debhelper's snippets register units, triggers and migrations of old installations.
        if line.starts_with("# Automatically added by") {
            generated = true;
        } else if line.starts_with("# End automatically added") {
            generated = false;
        }
        if generated || line.starts_with('#') {
            continue;
        }
        found.extend(
            commands(line)
                .filter(|name| CHANGES.contains(name))
                .map(str::to_owned),
        );
    }
    found.retain(|name| !declared(name, build));
    found
}

/// Whether somebody has read the package's script and found nothing that a container needs.
pub(super) fn is_known(package: &str) -> bool {
    KNOWN.contains(&package)
}

/// The words of a line that stand where a command does.
fn commands(line: &str) -> impl Iterator<Item = &str> {
    line.split(['|', ';', '&', '(', '`', '{'])
        .filter_map(|part| {
            part.split_whitespace().find(|word| {
                !matches!(
                    *word,
                    "if" | "then" | "else" | "elif" | "do" | "!" | "while"
                )
            })
        })
        .map(|word| word.rsplit('/').next().unwrap_or(word))
}

/// Whether the manifest's author has thought of it.
fn declared(command: &str, build: &Build) -> bool {
    match command {
        "adduser" | "addgroup" | "useradd" | "groupadd" => !build.users.is_empty(),
        "setcap" => false,
        _ => !build.directories.is_empty() || !build.files.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/bin/sh\nset -e\nif [ x = y ]; then adduser --system redis; fi\n\
        # Automatically added by dh_installinit\nmkdir /run/x\n# End automatically added section\n\
        \t/usr/sbin/setcap cap_net_raw+ep /bin/ping || chmod u+s /bin/ping\necho ln chown\n";

    #[test]
    fn commands_are_found_where_commands_stand() {
        let found = unknown_commands("x", SCRIPT, &Build::default());
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["adduser", "chmod", "setcap"]);
    }

    #[test]
    fn what_the_manifest_declares_is_no_surprise() {
        let build = Build {
            directories: [("/x".into(), ("root".to_owned(), "root".to_owned(), 0o755))].into(),
            ..Build::default()
        };
        let found = unknown_commands("x", SCRIPT, &build);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["adduser", "setcap"]);
    }
}
