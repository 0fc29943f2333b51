//! The machine that `orlop new` writes, as a new user meets it: one boot for all tests of this file.

use std::sync::LazyLock;

use orlop_qemu_tests::{MachineBuilder, Shared, curl, redis, rounds};

static VM: LazyLock<Shared> =
    LazyLock::new(|| Shared::new(MachineBuilder::starter().and_then(MachineBuilder::boot)));

const SERVICES: [&str; 6] = ["console", "dhcp", "gateway", "log", "nginx", "redis"];

#[test]
fn nginx_answers_curl_on_the_workstation() {
    let vm = VM.hold().unwrap();
    vm.wait_service("nginx", "up").unwrap();
    let page = curl(vm.forward(8080).unwrap(), "/").unwrap();
    assert!(page.contains("<html"), "{page}");
}

#[test]
fn redis_answers_redis_cli_on_the_workstation() {
    let vm = VM.hold().unwrap();
    vm.wait_service("redis", "up").unwrap();
    vm.wait_address_after(0).unwrap();
    assert_eq!(redis(vm.forward(6379).unwrap(), &["ping"]).unwrap(), "PONG");
}

#[test]
fn every_service_comes_up_and_the_boot_completes_once() {
    let vm = VM.hold().unwrap();
    vm.wait_boot().unwrap();
    for service in SERVICES {
        vm.wait_service(service, "up").unwrap();
    }
    let events = vm.events();
    let boots = events.iter().filter(|e| e["event"] == "boot-complete");
    assert_eq!(boots.count(), 1);
}

#[test]
fn the_link_gets_its_address_from_dhcp() {
    let vm = VM.hold().unwrap();
    let event = vm.wait_address_after(0).unwrap();
    assert_eq!(event["address"], "10.0.2.15/24");
}

#[test]
fn a_good_boot_fits_one_screen() {
    let vm = VM.hold().unwrap();
    vm.wait_boot().unwrap();
    let transcript = vm.transcript_until("Ready").unwrap();
    let lines: Vec<&str> = transcript.lines().collect();
    let complete = lines.iter().position(|l| l.contains("Ready"));
    assert!(complete.unwrap() < 40, "{transcript}");
}

#[test]
fn kill_9_of_each_main_process_brings_the_service_back() {
    let vm = VM.hold().unwrap();
    // Each kill doubles the back-off of the next: a few rounds are minutes.
    for service in SERVICES.repeat(rounds().min(5)) {
        let before = vm.wait_service(service, "up").unwrap();
        let mark = vm.mark();
        // The answer may be lost: the gateway that carries it is one of those killed.
        let _ = vm.orlop_outcome(&["kill", "-s", "KILL", service]).unwrap();
        let after = vm
            .wait_event_after(mark, &format!("{service} up again"), |e| {
                e["service"] == service && e["state"] == "up"
            })
            .unwrap();
        assert_ne!(before["pid"], after["pid"], "{service}");
        assert!(
            after["restarts"].as_u64() > before["restarts"].as_u64(),
            "{after}"
        );
    }
    curl(vm.forward(8080).unwrap(), "/").unwrap();
    assert_eq!(redis(vm.forward(6379).unwrap(), &["ping"]).unwrap(), "PONG");
}

#[test]
fn ps_lists_what_runs_and_as_whom() {
    let vm = VM.hold().unwrap();
    vm.wait_boot().unwrap();
    let list = vm.services().unwrap();
    let names: Vec<&str> = list.iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, SERVICES);
    assert!(
        list.iter().all(|s| s["isolation"] == "restricted"),
        "{list:?}"
    );
}

#[test]
fn stop_and_start_are_answered_when_they_are_done() {
    let vm = VM.hold().unwrap();
    vm.wait_service("nginx", "up").unwrap();
    vm.orlop(&["stop", "nginx"]).unwrap();
    vm.wait_service("nginx", "down").unwrap();
    vm.orlop(&["start", "nginx"]).unwrap();
    vm.wait_service("nginx", "up").unwrap();
    curl(vm.forward(8080).unwrap(), "/").unwrap();
}

#[test]
fn a_service_that_does_not_exist_is_named_with_the_nearest_that_does() {
    let vm = VM.hold().unwrap();
    vm.wait_boot().unwrap();
    let answer = vm.orlop_outcome(&["stop", "ngnix"]).unwrap();
    assert_eq!(answer.status, 1);
    assert!(answer.stderr.contains("ngnix"), "{}", answer.stderr);
    assert!(answer.stderr.contains("nginx"), "{}", answer.stderr);
}

#[test]
fn the_console_has_a_shell_with_the_machines_orlop() {
    let vm = VM.hold().unwrap();
    vm.wait_service("console", "up").unwrap();
    let mut console = vm.console().unwrap();
    console.type_line("").unwrap();
    console.type_line("orlop ps; echo end-$((6 * 7))").unwrap();
    let said = console.expect("end-42").unwrap();
    assert!(said.contains("redis"), "{said}");
    console
        .type_line("orlop boot; echo end-$((6 * 7))")
        .unwrap();
    let said = console.expect("end-42").unwrap();
    // A terminal: coloured, and no wider than a serial line, which does not say how wide it is.
    assert!(said.contains("\u{1b}[32m●\u{1b}[0m"), "{said}");
}

#[test]
fn the_waterfall_shows_every_stage_and_service_of_the_boot() {
    let vm = VM.hold().unwrap();
    vm.wait_boot().unwrap();
    let text = vm.orlop(&["boot"]).unwrap();
    let stages = vm.events();
    let stages = stages.iter().filter_map(|event| event["stage"].as_str());
    for name in stages.chain(SERVICES).chain(["kernel", "network modules"]) {
        let is_row = |line: &str| line.trim_start_matches(['▸', ' ']).starts_with(name);
        assert!(text.lines().any(is_row), "{name} in {text}");
    }
    assert!(text.contains("The slowest path, "), "{text}");
    // No colours in a pipe.
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let picture = vm.orlop(&["boot", "--svg"]).unwrap();
    assert!(
        picture.starts_with("<svg ") && picture.ends_with("</svg>\n"),
        "{picture}"
    );
}

#[test]
fn what_nginx_writes_is_in_its_log() {
    let vm = VM.hold().unwrap();
    vm.wait_service("nginx", "up").unwrap();
    curl(vm.forward(8080).unwrap(), "/?token=in-the-log").unwrap();
    vm.log_until("nginx", "token=in-the-log").unwrap();
}
