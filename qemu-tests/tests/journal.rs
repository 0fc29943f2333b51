//! PID 1's journal, read from a running machine by a reader of its own and held against `orlop ps` and
//! the kernel.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use orlop_qemu_tests::{MachineBuilder, Vm, Witness};
use serde_json::Value;

const STEADY: &str = "exec busybox sleep 1000000";

/// CRC-32C, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg())
        })
    })
}

/// What the journal tells.
#[derive(Debug, Default)]
struct Told {
    machine: Value,
    services: BTreeMap<String, Value>,
    open: BTreeMap<u64, Value>,
}

fn read(witness: &mut Witness) -> Told {
    let find =
        "for f in /proc/1/fd/*; do case $(readlink $f) in *orlop-journal*) cat $f;; esac; done";
    let text = witness.run(find).unwrap();
    let mut told = Told::default();
    let mut last = None;
    for line in text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
    {
        let (sum, body) = line.split_once(' ').unwrap();
        assert_eq!(sum, format!("{:08x}", checksum(body.as_bytes())), "{line}");
        let record: Value = serde_json::from_str(body).unwrap();
        let number = record["n"].as_u64().unwrap();
        assert!(
            last.is_none_or(|last| number == last + 1),
            "{last:?} {line}"
        );
        last = Some(number);
        if let Some(facts) = record.get("service") {
            let name = facts["name"].as_str().unwrap_or_default();
            told.services.insert(name.to_owned(), facts.clone());
        } else if let Some(facts) = record.get("machine") {
            told.machine = facts.clone();
        } else if let Some(intent) = record.get("intent") {
            told.open.insert(number, intent.clone());
        } else if let Some(open) = record.get("still-open") {
            told.open.insert(
                open["intent"].as_u64().unwrap_or_default(),
                open["of"].clone(),
            );
        } else {
            told.open
                .remove(&record["done"]["intent"].as_u64().unwrap());
        }
    }
    told
}

/// The journal says what `orlop ps` and the kernel say of every service.
fn agree(vm: &Vm, witness: &mut Witness) -> Told {
    let told = read(witness);
    let list = vm.services().unwrap();
    assert_eq!(told.services.len(), list.len(), "{told:?}");
    for shown in &list {
        let name = shown["name"].as_str().unwrap();
        let facts = &told.services[name];
        for key in ["state", "pid", "cause", "restarts", "address"] {
            let shown = shown.get(key).unwrap_or(&Value::Null);
            let written = facts.get(key).unwrap_or(&Value::Null);
            assert_eq!(shown, written, "{name}: {key}: {facts}");
        }
        let ends = |list: &Value| list.as_array().map_or(0, Vec::len);
        assert_eq!(ends(&shown["last_exits"]), ends(&facts["exits"]), "{name}");
        if let Some(pid) = facts["pid"].as_u64() {
            let kernel = witness
                .run(&format!(
                    "stat -c %i /cgroup/services/{name}; cut -d' ' -f22 /proc/{pid}/stat"
                ))
                .unwrap();
            let written = format!("{} {}", facts["cgroup"], facts["start_time"]);
            assert_eq!(
                kernel.split_whitespace().collect::<Vec<_>>().join(" "),
                written,
                "{name}"
            );
        }
    }
    told
}

#[test]
fn the_journal_of_a_running_machine_tells_what_is_so() {
    let vm = MachineBuilder::with(&["log", "gateway"])
        .unwrap()
        .shell_service("steady", STEADY, "")
        .shell_service("once", "exit 0", "type = \"oneshot\"")
        .shell_service("broken", "exit 7", "restart = \"no\"")
        .shell_service("off", STEADY, "scale = 0")
        .witness()
        .boot()
        .unwrap();
    vm.wait_boot().unwrap();
    vm.wait_service("broken", "failed").unwrap();
    let mut witness = vm.witness().unwrap();
    let told = agree(&vm, &mut witness);
    assert!(told.open.is_empty(), "{told:?}");
    assert!(told.machine["booted_us"].is_u64(), "{told:?}");
    assert_eq!(told.services["broken"]["exits"][0]["code"], 7);
    assert_eq!(told.services["off"]["wanted"], false);

    let mark = vm.mark();
    vm.orlop(&["kill", "-s", "KILL", "steady"]).unwrap();
    vm.wait_service_after(mark, "steady", "up").unwrap();
    vm.orlop(&["stop", "once"]).unwrap();
    let after = agree(&vm, &mut witness);
    assert_ne!(
        after.services["steady"]["pid"],
        told.services["steady"]["pid"]
    );
    assert_eq!(after.services["steady"]["exits"][0]["signal"], 9);
    assert_eq!(after.services["once"]["wanted"], false);
    assert!(after.open.is_empty(), "{after:?}");
    assert!(after.machine["requests"].as_u64() >= Some(2), "{after:?}");
}
