//! The service `ssh`, by OpenSSH's own clients.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use orlop_qemu_tests::{HANG_LIMIT, MachineBuilder, Vm};

/// A machine with `ssh`, and this below `[access]` in its system.toml.
fn machine(access: &str) -> Result<MachineBuilder> {
    let machine = MachineBuilder::with(&["dhcp", "gateway", "log"])?;
    let system = fs::read_to_string(machine.path("system.toml"))?;
    let system = system.replacen("[access]\n", &format!("[access]\n{access}\n"), 1);
    machine.file("system.toml", &system).catalogue(&["ssh"])
}

/// A new key pair; gives the public line.
fn key(at: &Path) -> String {
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "", "-C", "you@laptop", "-f"])
        .arg(at);
    assert!(make.stdin(Stdio::null()).status().unwrap().success());
    fs::read_to_string(at.with_extension("pub"))
        .unwrap()
        .trim()
        .to_owned()
}

/// Somebody who wants to log in.
struct Person {
    key: PathBuf,
    known_hosts: PathBuf,
    port: u16,
}

impl Person {
    fn options(&self) -> Vec<String> {
        let show = |path: &Path| path.display().to_string();
        [
            ["-F", "none"].map(str::to_owned),
            ["-i".to_owned(), show(&self.key)],
            [
                "-o".to_owned(),
                format!("UserKnownHostsFile={}", show(&self.known_hosts)),
            ],
            // The port is another one at each run.
            ["-o", "HostKeyAlias=orlop"].map(str::to_owned),
            ["-o", "IdentitiesOnly=yes"].map(str::to_owned),
            ["-o", "StrictHostKeyChecking=accept-new"].map(str::to_owned),
            ["-o", "BatchMode=yes"].map(str::to_owned),
            [
                "-o".to_owned(),
                format!("ConnectTimeout={}", HANG_LIMIT.as_secs()),
            ],
        ]
        .concat()
    }

    fn ssh(&self, options: &[&str], words: &[&str], typed: &str) -> Said {
        let mut ssh = Command::new("ssh");
        ssh.args(self.options())
            .args(["-p", &self.port.to_string()]);
        ssh.args(options).arg("admin@127.0.0.1").args(words);
        let streams = ssh
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Whoever is refused reads nothing.
        let _refused = stdin.write_all(typed.as_bytes());
        drop(stdin);
        Said::of(&child.wait_with_output().unwrap())
    }

    fn copy(&self, program: &str, words: &[&str]) -> Said {
        let mut copy = Command::new(program);
        copy.args(self.options())
            .args(["-P", &self.port.to_string()])
            .args(words);
        Said::of(&copy.stdin(Stdio::null()).output().unwrap())
    }

    /// Until the service behind the port answers: QEMU accepts before, and the connection is reset.
    fn wait(&self) {
        let limit = Instant::now() + HANG_LIMIT;
        loop {
            let said = self.ssh(&[], &["true"], "");
            if said.status == 0 {
                return;
            }
            assert!(said.status == 255 && Instant::now() < limit, "{said:?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

#[derive(Debug)]
struct Said {
    status: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

fn reach(vm: &Vm) -> u16 {
    vm.wait_service("ssh", "up").unwrap();
    vm.wait_address_after(0).unwrap();
    vm.forward(22).unwrap()
}

#[test]
fn who_has_a_key_logs_in_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let known = key(&at("known"));
    key(&at("stranger"));
    let access =
        format!("ssh_keys = [\"{known}\"]\nssh_control = [\"services.*\", \"machine.info\"]");
    let mut vm = machine(&access).unwrap().boot().unwrap();
    let mut person = Person {
        key: at("known"),
        known_hosts: at("known_hosts"),
        port: reach(&vm),
    };
    person.wait();

    // A command, its streams and its status; `orlop` with the grants of system.toml and no others.
    let said = person.ssh(&[], &["cat; echo err >&2; exit 7"], "typed");
    assert_eq!(
        (said.status, said.out.as_str(), said.err.as_str()),
        (7, "typed", "err\n")
    );
    let said = person.ssh(&[], &["orlop ps"], "");
    assert!(said.status == 0 && said.out.contains("ssh "), "{said:?}");
    let said = person.ssh(&[], &["orlop poweroff"], "");
    assert!(
        said.status == 1 && said.err.contains("machine.poweroff"),
        "{said:?}"
    );

    // It is confined as every service, and without a capability, daemon and all.
    assert_eq!(vm.status("ssh").unwrap()["isolation"], "restricted");
    let said = person.ssh(
        &[],
        &["id -u; grep -h -E 'CapBnd|NoNewPrivs' /proc/1/status /proc/self/status"],
        "",
    );
    let alike = "CapBnd:\t0000000000000000\nNoNewPrivs:\t1\n";
    assert_eq!(said.out, format!("1000\n{alike}{alike}"), "{said:?}");

    // A shell in a terminal of its own.
    let said = person.ssh(&["-tt"], &[], "tty\nexit 9\n");
    assert_eq!(said.status, 9, "{said:?}");
    assert!(
        said.out.contains("/dev/pts/0") && said.out.contains("admin@ssh:~$"),
        "{said:?}"
    );

    // Files, by the protocol that scp and sftp speak.
    fs::write(at("note"), "over scp").unwrap();
    let there = "admin@127.0.0.1:note";
    let said = person.copy("scp", &[&at("note").display().to_string(), there]);
    assert_eq!(said.status, 0, "{said:?}");
    let said = person.copy("sftp", &[there, &at("back").display().to_string()]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(fs::read_to_string(at("back")).unwrap(), "over scp");

    // Other keys, other names, and passwords, which nobody is even asked for.
    let refused = "Permission denied (publickey).";
    let stranger = Person {
        key: at("stranger"),
        known_hosts: at("known_hosts"),
        port: person.port,
    };
    let said = stranger.ssh(&[], &["true"], "");
    assert!(said.status == 255 && said.err.contains(refused), "{said:?}");
    let methods = "PreferredAuthentications=password,keyboard-interactive";
    let said = person.ssh(&["-o", methods], &["true"], "");
    assert!(said.status == 255 && said.err.contains(refused), "{said:?}");
    let said = person.ssh(&["-l", "root"], &["true"], "");
    assert!(said.status == 255 && said.err.contains(refused), "{said:?}");

    // The host's key is kept on the volume: the client knows it after a reboot, or would refuse.
    vm.orlop(&["poweroff"]).unwrap();
    vm.run_again().unwrap();
    person.port = reach(&vm);
    person.wait();
    assert_eq!(
        fs::read_to_string(at("known_hosts"))
            .unwrap()
            .lines()
            .count(),
        1
    );
}

#[test]
fn without_keys_it_says_what_to_write() {
    let sentence = "nobody could log in; write ssh_keys = [\"ssh-ed25519 AAAA… you@laptop\"] below [access] in system.toml";
    let said = format!("{:#}", machine("").unwrap_err());
    assert!(said.contains(sentence), "{said}");
}
