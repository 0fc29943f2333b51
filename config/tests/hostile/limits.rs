//! Files that are too deep, too long or full of errors: nothing takes long, and many errors are told
//! together.

use std::time::{Duration, Instant};

use orlop_config::{SourceFile, Sources, check};

use crate::words::GOOD;
use crate::{assert_inside, check_both};

/// Much more than any of these takes, much less than a quadratic walk would.
const LONG: Duration = Duration::from_secs(20);

fn assert_quick(text: &str, expected: &str) {
    let start = Instant::now();
    let (service, system) = check_both(text);
    assert!(
        start.elapsed() < LONG,
        "{:?} for {expected}",
        start.elapsed()
    );
    assert_inside(text, &service.diagnostics);
    assert_inside(text, &system.diagnostics);
    let told = service
        .diagnostics
        .iter()
        .any(|d| d.message.contains(expected));
    assert!(told, "{expected}: {:?}", service.diagnostics.first());
    assert!(service.diagnostics.len() <= 101);
}

#[test]
fn nesting_does_not_overflow_the_stack() {
    let brackets = format!("x = {}{}\n", "[".repeat(20_000), "]".repeat(20_000));
    assert_quick(&brackets, "nested too deep");
    assert_quick(&format!("x = {}", "[".repeat(900_000)), "nested too deep");
    assert_quick(
        &format!("x = {}1{}", "{a=".repeat(20_000), "}".repeat(20_000)),
        "nested too deep",
    );
    assert_quick(&"x=[{".repeat(200_000), "nested too deep");
    assert_quick(&format!("[{}a]\n", "a.".repeat(400_000)), "too many dots");
    assert_quick(
        &format!("x = 1\nx = {{{}a = 1}}\n", "a.".repeat(400_000)),
        "too many dots",
    );
    let both = format!("{}a = ", "a.".repeat(16));
    let both = format!(
        "{both}{}1{}",
        format!("{{{both}").repeat(80),
        "}".repeat(80)
    );
    assert_quick(&both, "unknown key");
}

#[test]
fn long_lists_and_many_keys_are_quick_and_bounded() {
    let list = |key: &str, entry: &str, count| format!("{GOOD}{key} = [{}]\n", entry.repeat(count));
    assert_quick(
        &list("tmpfs", "1,", 300_000),
        "300000 entries; write at most 4096",
    );
    assert_quick(&list("volumes", "\"a:b\",", 4096), "more errors");
    let keys: String = (0..80_000).map(|n| format!("k{n}=1\n")).collect();
    assert_quick(&keys, "80000 keys; write at most 4096");
    let keys: String = (0..4096).map(|n| format!("k{n}=1\n")).collect();
    assert_quick(&keys, "unknown key");
    assert_quick(&"a\n".repeat(400_000), "more errors");
    assert_quick(&"[a]\n".repeat(200_000), "second time");
    let variables: String = (0..70_000).map(|n| format!("V{n}=1\n")).collect();
    assert_quick(
        &format!("{GOOD}[environment]\n{variables}"),
        "70000 entries",
    );
    assert_quick(
        &list("ports", "\"1-65535:1-65535\",", 4000),
        "more than 4096 ports",
    );
}

#[test]
fn edge_28_lists_of_two_thousand_are_taken() {
    let arguments = "\"argument\",".repeat(2000);
    let names: Vec<String> = (0..2000).map(|n| format!("\"/run/{n}\"")).collect();
    let text = format!(
        "image = \"nginx\"\ncommand = [{arguments}]\ntmpfs = [{}]\n",
        names.join(",")
    );
    let (checked, _) = check_both(&text);
    assert!(checked.diagnostics.is_empty());
    let service = checked.services.values().next().unwrap();
    assert_eq!((service.command.len(), service.tmpfs.len()), (2000, 2000));
}

#[test]
fn edge_28_lists_of_supervision_are_bounded_too() {
    let names: Vec<String> = (0..2000).map(|n| format!("\"path:/run/{n}\"")).collect();
    let arguments = "\"argument\",".repeat(2000);
    let text = format!(
        "image = \"nginx\"\ncommand = [\"a\"]\nneeds = [{}]\nhealthcheck = {{ test = [\"CMD\", {arguments}] }}\n",
        names.join(",")
    );
    let (checked, _) = check_both(&text);
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    let service = checked.services.values().next().unwrap();
    assert_eq!(service.supervision.needs.len(), 2000);
    let list = |key: &str, entry: &str, count| format!("{GOOD}{key} = [{}]\n", entry.repeat(count));
    for (key, entry) in [
        ("needs", "\"online\","),
        ("after", "\"a\","),
        ("before", "\"b\","),
        ("success_exit_status", "1,"),
        ("restart_force_exit_status", "\"HUP\","),
        ("on_failure", "\"reboot\","),
        ("healthcheck = { test", "\"CMD\","),
    ] {
        let text = list(key, entry, 4097);
        let text = match key.contains('{') {
            true => text.replace("]\n", "] }\n"),
            false => text,
        };
        assert_quick(&text, "4097 entries; write at most 4096");
    }
    assert_quick(&list("before", "\"b\",", 4096), "more errors");
    assert_quick(&list("needs", "\"link:x\",", 4096), "more errors");
    assert_quick(&list("success_exit_status", "7,", 4096), "more errors");
    let expression = format!("schedule = \"{} * * * *\"\n", "1-59/2,".repeat(18_000));
    assert_quick(&format!("{GOOD}{expression}"), "is no minute");
}

#[test]
fn a_file_that_is_too_large_is_one_sentence() {
    let (checked, _) = check_both(&format!("{GOOD}{}", "# comment\n".repeat(110_000)));
    assert_eq!(checked.diagnostics.len(), 1);
    assert!(checked.diagnostics[0].message.contains("at most 1024 KiB"));
    let (checked, _) = check_both(&format!("{GOOD}{}", "# comment\n".repeat(100_000)));
    assert!(checked.diagnostics.is_empty());
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_error() {
    let (checked, _) = check_both("\u{feff}image = \"nginx\"\r\ncommand = [\"a\"]\r\n");
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    let (checked, _) = check_both("\u{feff}imag = \"nginx\"\r\ncommand = [\"a\"]\r\n");
    assert_eq!(
        (checked.diagnostics[0].line, checked.diagnostics[0].column),
        (1, 1)
    );
    assert_eq!(checked.diagnostics[0].line_text, "imag = \"nginx\"");
}

#[test]
fn thousands_of_services_are_checked_quickly() {
    let mut sources = Sources {
        images: ["nginx".to_owned()].into(),
        ..Sources::default()
    };
    for n in 0..3000usize {
        let text = format!(
            "{GOOD}depends_on = [\"s{}\", \"s{}\"]\n",
            (n + 1) % 3000,
            (n + 7) % 3000
        );
        let path = format!("services/s{n}/service.toml");
        sources
            .services
            .insert(format!("s{n}"), SourceFile { path, text });
    }
    let start = Instant::now();
    let checked = check(&sources);
    assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    assert!(
        checked.services.is_empty(),
        "every service is in the circle or behind it"
    );
}

#[test]
fn every_error_of_a_file_is_told_in_line_order() {
    let text = "prots = []\nimage = 5\ncommand = 7\nuser = []\nrestart = \"x\"\ncpus = []\ninit = 3\n\
                stop_signal = \"x\"\nmem_limit = \"y\"\nports = [\"a\", 3]\nvolumes = [5, \"b\"]\n\
                devices = [\"d\"]\ncontrol = [\"c\"]\nisolation = \"z\"\n[depends_on]\na = 1\nB = {}\n";
    let (checked, _) = check_both(text);
    let lines: Vec<usize> = checked.diagnostics.iter().map(|d| d.line).collect();
    assert_eq!(
        lines,
        [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11, 11, 12, 13, 14, 16, 17
        ]
    );
    let first = checked.diagnostics.first().map(ToString::to_string);
    assert_eq!(checked.broken.get("web"), first.as_ref());
}
