//! Too little memory is refused in a sentence; the least that is asked for is enough.

use anyhow::Context;
use orlop_qemu_tests::MachineBuilder;
use serde_json::Value;

fn least(machine: &MachineBuilder) -> anyhow::Result<u64> {
    machine.tool("build", &[])?.success()?;
    let info: Value = serde_json::from_slice(&std::fs::read(machine.path("build/build.json"))?)?;
    let least = info.get("min_memory_mib").and_then(Value::as_u64);
    least.context("build.json has no min_memory_mib")
}

#[test]
fn less_than_the_least_is_refused() {
    let machine = MachineBuilder::with(&["nginx"]).unwrap();
    let least = least(&machine).unwrap();
    let too_little = format!("--memory={}M", least - 1);
    let answer = machine.tool("run", &["--headless", &too_little]).unwrap();
    assert_eq!(answer.status, 1);
    let sentence = format!("orlop: {} MiB of memory are too few", least - 1);
    assert!(answer.stderr.contains(&sentence), "{}", answer.stderr);
    assert!(
        answer.stderr.contains(&format!("--memory {least}M")),
        "{}",
        answer.stderr
    );
}

#[test]
fn the_least_is_enough_for_the_starter() {
    let machine = MachineBuilder::starter().unwrap();
    let least = least(&machine).unwrap();
    let vm = machine
        .argument(&format!("--memory={least}M"))
        .boot()
        .unwrap();
    vm.wait_boot().unwrap();
    for service in ["nginx", "redis", "console"] {
        vm.wait_service(service, "up").unwrap();
    }
}
