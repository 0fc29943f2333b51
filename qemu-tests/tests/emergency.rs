//! The emergency console: the reason in one sentence, a shell where `[access]` allows one.

use orlop_qemu_tests::{MachineBuilder, Vm};

/// Asked for on the command line: the machine is whole, and stops before its first service.
fn emergency(system: &str) -> anyhow::Result<Vm> {
    MachineBuilder::with(&["console"])?
        .file("system.toml", system)
        .append("orlop.emergency")
        .boot()
}

#[test]
fn it_gives_a_shell_from_memory() {
    let vm = emergency("").unwrap();
    let mut console = vm.console().unwrap();
    console.expect("asked for by orlop.emergency").unwrap();
    // busybox is a file no more, and still there: the initramfs was emptied before.
    console.type_line("ls -l /proc/self/exe").unwrap();
    console.expect("memfd:busybox").unwrap();
    console.type_line("poweroff -f").unwrap();
    let mut vm = vm;
    assert_eq!(vm.wait_exit().unwrap(), 0);
}

#[test]
fn access_off_forbids_the_shell_and_leaves_the_console_service_out() {
    let vm = emergency("[access]\nconsole = \"off\"\n").unwrap();
    let mut console = vm.console().unwrap();
    let said = console
        .expect("No shell: [access] console is \"off\"")
        .unwrap();
    assert!(said.contains("asked for by orlop.emergency"), "{said}");
}
