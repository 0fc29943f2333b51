//! A service that ends at once is restarted ever more slowly, and nobody else notices.

use orlop_qemu_tests::MachineBuilder;

#[test]
fn a_crash_loop_backs_off_while_the_rest_runs() {
    let machine = MachineBuilder::with(&[])
        .unwrap()
        .shell_service("crash", "exit 7", "")
        .shell_service("steady", "exec busybox sleep 1000000", "");
    let vm = machine.boot().unwrap();
    let steady = vm.wait_service("steady", "up").unwrap();

    let crashed = |count: u64| {
        vm.wait_event("a restart of crash", |e| {
            e["service"] == "crash" && e["state"] == "up" && e["restarts"] == count
        })
        .unwrap()["uptime_ms"]
            .as_u64()
            .unwrap()
    };
    let (first, second, fourth, fifth) = (crashed(1), crashed(2), crashed(4), crashed(5));
    assert!(
        fifth - fourth > 2 * (second - first),
        "{first} {second} {fourth} {fifth}"
    );

    assert_eq!(
        vm.wait_service("steady", "up").unwrap()["pid"],
        steady["pid"]
    );
    let why = vm.wait_event("its end", |e| {
        e["service"] == "crash" && e["cause"].as_str().is_some_and(|c| c.contains("code 7"))
    });
    why.unwrap();
}
