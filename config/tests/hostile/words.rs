//! Words, values and files that lead somewhere in the walker, or nowhere.

use proptest::prelude::*;

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
            "env_file",
            "group_add",
            "ulimits",
            "nofile",
            "soft",
            "hard",
            "labels",
            "profiles",
            "expose",
            "security_opt",
            "cpuset",
            "memswap_limit",
            "oom_score_adj",
            "pid",
            "privileged",
            "blkio_config",
            "device_read_bps",
            "path",
            "rate",
            "resources",
            "limits",
            "memory",
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

pub(crate) fn value() -> impl Strategy<Value = String> {
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

pub(crate) fn toml() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        8 => (word(), value()).prop_map(|(k, v)| format!("{k} = {v}")),
        1 => (word(), word()).prop_map(|(a, b)| format!("[{a}.{b}]")),
        1 => word().prop_map(|a| format!("[[{a}]]")),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

/// What each file of [`GOOD_KEYS`] begins with.
pub(crate) const GOOD: &str = "image = \"nginx\"\ncommand = [\"a\"]\n";

/// Ways to write each key.
pub(crate) const GOOD_KEYS: &[&[&str]] = &[
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
