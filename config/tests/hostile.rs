//! Text that no person would write: nothing panics, nothing takes long, every finding points into
//! the file, and many errors are told together.

use std::time::{Duration, Instant};

use orlop_config::{
    Checked, Diagnostic, Kind, Readiness, RestartPolicy, Service, SourceFile, Sources, check,
};
use proptest::prelude::*;

fn check_both(text: &str) -> (Checked, Checked) {
    let file = |path: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let service = Sources {
        services: [("web".to_owned(), file("services/web/service.toml"))].into(),
        images: ["nginx".to_owned()].into(),
        ..Sources::default()
    };
    let system = Sources {
        system: Some(file("system.toml")),
        ..Sources::default()
    };
    (check(&service), check(&system))
}

/// Every finding lies in the file and can be printed on a terminal.
#[expect(
    clippy::expect_used,
    reason = "a finding outside of the file fails the test"
)]
fn assert_inside(text: &str, diagnostics: &[Diagnostic]) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').collect();
    for diagnostic in diagnostics {
        let line = lines.get(diagnostic.line - 1).expect("a line of the file");
        let characters = line.chars().count();
        assert!(
            (1..=characters + 1).contains(&diagnostic.column),
            "{diagnostic:?}"
        );
        let shown = diagnostic.line_text.chars().count();
        assert!(shown <= 122, "{diagnostic:?}");
        assert!(diagnostic.caret <= shown, "{diagnostic:?}");
        assert!(diagnostic.caret_width >= 1);
        assert!(
            diagnostic.caret + diagnostic.caret_width <= shown + 1,
            "{diagnostic:?}"
        );
        assert!(!diagnostic.message.is_empty());
        let printed = diagnostic.render();
        assert!(
            !printed.chars().any(|c| c.is_control() && c != '\n'),
            "{printed:?}"
        );
        assert!(printed.split('\n').count() <= 3, "{printed:?}");
    }
}

fn assert_sound(text: &str) {
    let (service, system) = check_both(text);
    assert_inside(text, &service.diagnostics);
    assert_inside(text, &system.diagnostics);
    let runs = service.services.values().next().map(Service::folder);
    assert_eq!(usize::from(runs.is_some()) + service.broken.len(), 1);
    service.services.values().for_each(assert_supervisable);
    assert_eq!(service.has_errors(), !service.broken.is_empty());
}

/// What the supervisor may rely on, whatever was written.
fn assert_supervisable(service: &Service) {
    let supervision = &service.supervision;
    let delays = [
        supervision.restart_delay,
        supervision.restart_max_delay,
        supervision.restart_reset_after,
    ];
    assert!(delays.iter().all(|delay| !delay.is_zero()), "{service:?}");
    assert!(supervision.restart_delay <= supervision.restart_max_delay);
    assert_ne!(service.max_attempts(), Some(0));
    let again = [
        RestartPolicy::Always,
        RestartPolicy::UnlessStopped,
        RestartPolicy::OnSuccess,
    ];
    if supervision.kind != Kind::Service {
        assert!(!again.contains(&service.restart), "{service:?}");
        assert_eq!(supervision.readiness, Readiness::Started);
        assert!(supervision.health.is_none() && supervision.watchdog.is_none());
    }
    if supervision.readiness == Readiness::Healthy {
        assert!(supervision.health.is_some(), "{service:?}");
    }
    if let Some(health) = &supervision.health {
        assert!(health.interval >= Duration::from_millis(100) && health.retries > 0);
        assert!(health.start_interval >= Duration::from_millis(100));
        assert!(!health.timeout.is_zero());
    }
    if let Some(limit) = &supervision.start_limit {
        assert!(limit.burst > 0 && !limit.interval.is_zero());
    }
    if let Some(schedule) = &supervision.schedule {
        assert!(
            schedule
                .next(1_800_000_000)
                .is_some_and(|at| at > 1_800_000_000)
        );
        assert!(matches!(
            supervision.kind,
            Kind::Oneshot {
                remain_after_exit: false
            }
        ));
        assert!(!supervision.start_at_boot && supervision.replica.is_none());
    }
    if let Some(replica) = &supervision.replica {
        assert!((1..=replica.count).contains(&replica.index) && replica.count > 1);
        assert!(service.ports.is_empty());
    }
}

/// A word that leads somewhere in the walker, or nowhere.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "image",
            "build",
            "command",
            "entrypoint",
            "environment",
            "user",
            "working_dir",
            "hostname",
            "volumes",
            "tmpfs",
            "read_only",
            "ports",
            "network_mode",
            "userns_mode",
            "depends_on",
            "restart",
            "stop_signal",
            "stop_grace_period",
            "cap_add",
            "cap_drop",
            "mem_limit",
            "cpus",
            "pids_limit",
            "devices",
            "init",
            "isolation",
            "control",
            "debian",
            "files",
            "users",
            "uid",
            "directories",
            "programs",
            "kernel",
            "network",
            "links",
            "dhcp",
            "pool",
            "dns",
            "addresses",
            "gateway",
            "mtu",
            "access",
            "console",
            "sysctls",
            "condition",
            "required",
            "restart",
            "propagate",
            "type",
            "remain_after_exit",
            "readiness",
            "start_timeout",
            "watchdog",
            "healthcheck",
            "test",
            "http",
            "expect",
            "tcp",
            "file",
            "interval",
            "retries",
            "start_period",
            "disable",
            "on_unhealthy",
            "restart_delay",
            "restart_max_delay",
            "start_limit",
            "burst",
            "retry_after",
            "success_exit_status",
            "restart_prevent_exit_status",
            "restart_force_exit_status",
            "on_failure",
            "oom_policy",
            "after",
            "before",
            "needs",
            "schedule",
            "cron",
            "every",
            "missed",
            "overlap",
            "scale",
            "deploy",
            "replicas",
            "restart_policy",
            "max_attempts",
            "oneshot",
            "notify",
            "on-failure",
            "web",
            "nginx",
        ])
        .prop_map(str::to_owned),
        "[a-z_]{1,8}",
        "\"\\PC{0,6}\"",
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f32>().prop_map(|n| format!("{n:?}")),
        Just("true".to_owned()),
        Just("2026-11-20".to_owned()),
        "\"[a-z0-9:/.@*=,~ -]{0,20}\"",
        "\"(every |@)?[0-9*/,-]{1,5}( [0-9*/,-]{1,5}){0,5}\"",
        "\"(fd|link|path|device|start|on-failure|http):[a-z0-9/:.]{0,9}\"",
        (0u32..2000).prop_map(|n| n.to_string()),
        "\"[0-9]{0,5}[-:][0-9]{0,5}:?[0-9]{0,5}(/udp)?\"",
        "\"(\\./|data:|/dev/)?[a-z/.]{0,8}:/[a-z/]{0,8}(:ro|:rw|:z)?\"",
        "\"[0-9.]{0,6}[a-z]{0,3}[0-9.]{0,6}[a-z]{0,2}\"",
        "\"[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(/[0-9]{1,2})?\"",
        "'\\PC{0,10}'",
        word().prop_map(|w| format!("\"{}\"", w.trim_matches('"'))),
    ]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
            prop::collection::vec((word(), inner), 0..4).prop_map(|entries| {
                let entries: Vec<String> =
                    entries.iter().map(|(k, v)| format!("{k} = {v}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    })
}

fn toml() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        8 => (word(), value()).prop_map(|(k, v)| format!("{k} = {v}")),
        1 => (word(), word()).prop_map(|(a, b)| format!("[{a}.{b}]")),
        1 => word().prop_map(|a| format!("[[{a}]]")),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_survived(text in "(?s).{0,200}") {
        assert_sound(&text);
    }

    #[test]
    fn text_of_tomls_own_characters_is_survived(text in "[a-c=\\[\\]{}.,#\"' \n\r\\\\0-9_:-]{0,120}") {
        assert_sound(&text);
    }

    #[test]
    fn arbitrary_toml_is_survived(text in toml()) {
        assert_sound(&text);
    }

    /// Mostly good values, so that many a file is accepted.
    #[test]
    fn whatever_is_accepted_can_be_supervised(lines in prop::collection::btree_map(
        prop::sample::select(GOOD_KEYS), any::<prop::sample::Index>(), 1..8,
    )) {
        let lines: Vec<&str> = lines
            .iter()
            .map(|(alternatives, at)| *at.get(alternatives))
            .collect();
        assert_sound(&format!("{GOOD}{}\n", lines.join("\n")));
    }

    #[test]
    fn a_good_file_cut_anywhere_is_survived(at in 0usize..600, insert in "\\PC{0,2}") {
        let good = include_str!("accept/every_key.toml");
        let at = good.char_indices().map(|(i, _)| i).nth(at).unwrap_or(good.len());
        assert_sound(&good[..at]);
        assert_sound(&format!("{}{insert}{}", &good[..at], &good[at..]));
    }
}

/// Ways to write each key.
const GOOD_KEYS: &[&[&str]] = &[
    &["type = \"oneshot\"", "type = \"service\""],
    &["remain_after_exit = true", "remain_after_exit = false"],
    &[
        "readiness = \"notify\"",
        "readiness = \"fd:3\"",
        "readiness = \"healthy\"",
        "readiness = \"started\"",
    ],
    &["start_timeout = \"1s\"", "start_timeout = \"infinity\""],
    &["watchdog = \"1ms\"", "watchdog = \"24h\""],
    &[
        "healthcheck = { http = \":80\" }",
        "healthcheck = { tcp = 1, interval = \"100ms\", retries = 1 }",
        "healthcheck = { file = \"/a\", start_period = \"0s\" }",
        "healthcheck = { disable = true }",
        "healthcheck = { test = \"true\", timeout = \"1ms\" }",
    ],
    &["on_unhealthy = \"none\"", "on_unhealthy = \"restart\""],
    &[
        "restart = \"no\"",
        "restart = \"always\"",
        "restart = \"on-failure:4294967295\"",
        "restart = \"on-success\"",
        "restart = \"on-watchdog\"",
    ],
    &["restart_delay = \"1ms\"", "restart_delay = \"24h\""],
    &["restart_max_delay = \"1ms\"", "restart_max_delay = \"24h\""],
    &[
        "restart_reset_after = \"1ms\"",
        "restart_reset_after = \"24h\"",
    ],
    &[
        "start_limit = {}",
        "start_limit = { burst = 4294967295, interval = \"24h\" }",
        "start_limit = { burst = 1, interval = \"1ms\", retry_after = \"1ms\" }",
    ],
    &[
        "deploy = { restart_policy = { max_attempts = 1, delay = \"2h\" } }",
        "deploy = { replicas = 2, restart_policy = { condition = \"none\" } }",
        "deploy = { replicas = 0 }",
    ],
    &[
        "schedule = \"0 0 29 2 */7\"",
        "schedule = { every = \"365d\", missed = \"run\" }",
        "schedule = \"every 1s\"",
    ],
    &["scale = 0", "scale = 1", "scale = 3"],
    &["ports = [\"8080:80\"]", "ports = []"],
];

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

const GOOD: &str = "image = \"nginx\"\ncommand = [\"a\"]\n";

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
