//! Who a process is, and whose word is taken for it.

use std::fs;

use orlop_config::{ServiceName, TmpfsMount, UserSpec};
use orlop_container::cgroup::Cgroup;
use orlop_container::user::{self, UserError};
use orlop_container::weaken::{Rule, without};

use crate::attack::{ground, intruder, output};
use crate::ground::{Trial, field};

#[test]
fn r09_nothing_is_inheritable_unless_it_is_ambient() {
    let root = Trial::shell("cap_add = [\"NET_ADMIN\"]", "cat /proc/self/status");
    let seen = output(&root);
    assert_eq!(field(&seen, "CapPrm"), "0000000000001000");
    assert_eq!(field(&seen, "CapInh"), "0000000000000000");
    assert_eq!(field(&seen, "CapAmb"), "0000000000000000");
    let attacked = without(Rule::R09, || output(&root));
    assert_eq!(field(&attacked, "CapInh"), "0000000000001000");
    // Ambient, and inheritable with it, only what was granted, for a user who could not hold it else.
    let granted = Trial::shell(
        "user = \"probe\"\ncap_add = [\"NET_ADMIN\"]",
        "cat /proc/self/status",
    );
    assert_eq!(field(&output(&granted), "CapAmb"), "0000000000001000");
    let nothing = Trial::shell("user = \"probe\"", "cat /proc/self/status");
    assert_eq!(field(&output(&nothing), "CapAmb"), "0000000000000000");
}

/// A setuid program of the image: nosuid and no_new_privs each stop it.
#[test]
fn r09_a_setuid_program_raises_nobody() {
    let words = "command = [\"/bin/raised\", \"attack\", \"ids\"]\nuser = \"probe\"";
    assert_eq!(output(&Trial::new(words)), "uid 100 euid 100\n");
    // The same bits, where a file system honours them: on the machine.
    let program = ground().images.join("probe/bin/raised");
    let seen = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups"])
        .arg(&program)
        .args(["attack", "ids"])
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(
        seen.ends_with("euid 0\n") && !seen.starts_with("uid 0"),
        "{seen}"
    );
}

#[test]
fn r10_an_id_that_is_not_one_is_refused() {
    let root = |text: &str| UserSpec {
        user: text.to_owned(),
        group: None,
    };
    for text in ["65536", "4294967296", "18446744073709486080"] {
        let refused = user::resolve(&root(text), "", "");
        assert_eq!(refused, Err(UserError::IdOutOfRange(text.to_owned())));
        let attacked = without(Rule::R10, || user::resolve(&root(text), "", ""));
        assert_eq!(attacked.unwrap().uid, 0, "{text} is root");
    }
    let passwd = "wrap:x:4294967296:0::/:/bin/sh\n";
    let malformed = UserError::Malformed {
        file: "/etc/passwd",
        line: 1,
    };
    assert_eq!(user::resolve(&root("wrap"), passwd, ""), Err(malformed));
    let attacked = without(Rule::R10, || user::resolve(&root("wrap"), passwd, ""));
    assert_eq!(attacked.unwrap().uid, 0);
}

#[test]
fn r14_no_length_wraps() {
    let mut trial = Trial::shell("", "true");
    let tmpfs = |number: usize| TmpfsMount {
        target: format!("/t/{number}").into(),
        size: 1,
        mode: 0o755,
    };
    trial.service.tmpfs = (0..70_000).map(tmpfs).collect();
    let refused = trial.try_plan(ground()).unwrap_err().to_string();
    assert!(
        refused.ends_with("are more than the 65,535 of one launch"),
        "{refused}"
    );
}

#[test]
fn r16_what_a_guest_writes_decides_nothing() {
    let ground = ground();
    let line = "probe:x:0:0::/:/bin/sh";
    let guest = "image = \"guest\"\nisolation = \"baseline\"";
    let write = Trial::shell(
        guest,
        &format!("echo {line} > /etc/passwd; cat /etc/passwd"),
    );
    assert_eq!(output(&write), format!("{line}\n"));
    let words = ["attack", "ids"];
    let again = intruder(&words, "image = \"guest\"\nuser = \"probe\"");
    assert_eq!(output(&again), "uid 100 euid 100\n");
    // A runtime that reads the file where the guest wrote it, takes the guest's word.
    fs::write(ground.images.join("guest/etc/passwd"), line).unwrap();
    assert_eq!(output(&again), "uid 0 euid 0\n");
}

#[test]
fn r17_a_name_is_no_path() {
    let ground = ground();
    for name in ["..", ".", "", "../x", "a/b", "a\0b", "-a", "a\n"] {
        assert!(ServiceName::new(name).is_none(), "{name:?}");
    }
    // What such a name would do.
    let inside = ground.cgroups.join("orlop-test-r17");
    fs::create_dir(&inside).unwrap();
    let escaped = Cgroup::create(&inside, "../orlop-test-r17-outside", &[]).unwrap();
    assert!(ground.cgroups.join("orlop-test-r17-outside").is_dir());
    escaped.remove().unwrap();
    fs::remove_dir(&inside).unwrap();
}
