//! Namespaces that are not its own, capabilities and the filter of each isolation.

use std::fs;

use crate::ground::{Trial, field, ground};

#[test]
fn a_low_port_needs_no_capability() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "user = \"probe\"",
        "nc -l -p 80 -e echo hello & until nc 127.0.0.1 80 </dev/null 2>/dev/null; do :; done",
    );
    assert_eq!(trial.run(ground).unwrap().output, "hello\n");
}

#[test]
fn the_machines_network_shows_in_sys_and_stays_read_only() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "network_mode = \"host\"",
        "echo net $(readlink /proc/self/ns/net); touch /sys/kernel/x 2>/dev/null && echo WRITABLE; ls /sys/class/net; cat /proc/self/uid_map",
    );
    let output = trial.run(ground).unwrap().output;
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert!(
        output.contains(ours.to_str().unwrap()) && !output.contains("WRITABLE"),
        "{output}"
    );
    assert!(output.contains(&trial.base.to_string()), "{output}");
}

#[test]
fn the_machines_user_namespace_maps_nothing() {
    let Some(ground) = ground() else { return };
    let output = Trial::shell(
        "userns_mode = \"host\"",
        "cat /proc/self/uid_map /proc/self/status; touch /x /sys/x",
    )
    .run(ground)
    .unwrap()
    .output;
    assert!(
        output.lines().next().unwrap().ends_with("4294967295"),
        "{output}"
    );
    assert_eq!(field(&output, "CapEff"), "0000000000000000");
    assert!(output.contains("/x: Read-only file system"), "{output}");
}

#[test]
fn privileged_has_no_filter_and_the_machines_devices() {
    let Some(ground) = ground() else { return };
    // SYS_RESOURCE: the tests' own machine may not have it to give.
    let output = Trial::shell(
        "isolation = \"privileged\"\ncap_drop = [\"SYS_RESOURCE\"]",
        "cat /proc/self/status; ls /dev; unshare -m true && echo unshared; echo w > /etc/x && echo written",
    )
    .run(ground)
    .unwrap()
    .output;
    assert_eq!(field(&output, "Seccomp"), "0");
    assert_eq!(field(&output, "CapEff"), "000001fffeffffff");
    assert_eq!(field(&output, "NoNewPrivs"), "0");
    assert!(
        output.contains("unshared")
            && output.contains("written")
            && output.contains("loop-control"),
        "{output}"
    );
}

#[test]
fn a_user_who_is_not_root_holds_granted_capabilities_as_ambient() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "user = \"probe\"\ncap_add = [\"NET_ADMIN\"]",
        "cat /proc/self/status; ip link add d type dummy; ip link set lo down && echo down",
    );
    let output = trial.run(ground).unwrap().output;
    for key in ["CapEff", "CapPrm", "CapBnd", "CapAmb"] {
        assert_eq!(field(&output, key), "0000000000001000", "{key}");
    }
    assert!(output.contains("down"), "{output}");
}

#[test]
fn a_user_who_is_not_root_holds_nothing_that_was_not_added() {
    let Some(ground) = ground() else { return };
    for (keys, bounding, held) in [
        (
            "isolation = \"baseline\"",
            "00000000a80425fb",
            "0000000000000000",
        ),
        (
            "isolation = \"baseline\"\ncap_add = [\"CHOWN\"]",
            "00000000a80425fb",
            "0000000000000001",
        ),
        (
            "cap_add = [\"NET_BIND_SERVICE\"]",
            "0000000000000400",
            "0000000000000400",
        ),
    ] {
        let keys = format!("user = \"1000\"\n{keys}");
        let output = Trial::shell(&keys, "cat /proc/self/status")
            .run(ground)
            .unwrap()
            .output;
        assert_eq!(field(&output, "CapBnd"), bounding, "{keys}");
        for set in ["CapAmb", "CapEff", "CapPrm", "CapInh"] {
            assert_eq!(field(&output, set), held, "{keys}: {set}");
        }
    }
}

#[test]
fn baseline_holds_dockers_capabilities_in_its_own_user_namespace() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "isolation = \"baseline\"",
        "cat /proc/self/status /proc/self/uid_map; echo x > /etc/x && echo written",
    );
    let output = trial.run(ground).unwrap().output;
    for key in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(field(&output, key), "00000000a80425fb", "{key}");
    }
    assert_eq!(field(&output, "CapInh"), "0000000000000000");
    assert_eq!(field(&output, "Seccomp"), "2");
    assert!(
        output.contains(&trial.base.to_string()) && output.contains("written"),
        "{output}"
    );
}
