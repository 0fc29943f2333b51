//! The keys of `service.toml` that say how a service is kept running: Compose's, and those of systemd
//! that Compose has no word for.

use super::{Row, Section, Shape, Table, form, key, not_yet, table};

/// A number that is counted to.
pub(super) const COUNT: Shape = Shape::Whole(1, u32::MAX as i64);
/// Ends of a process, in a list.
const EXIT_STATUSES: Shape = Shape::List(&Shape::Any(&[
    Shape::Whole(0, 255),
    Shape::Text(&form::SIGNAL),
]));

pub(super) const SUPERVISION: &[Row] = &[
    key(
        "type",
        Shape::Choice(&["service", "oneshot"]),
        "`service` (`oneshot` with `schedule`)",
        "A oneshot does its work and ends; those who wait for it go on once it has ended with success.",
        "type = \"oneshot\"",
    ),
    key(
        "remain_after_exit",
        Shape::Boolean,
        "`false`",
        "Whether a oneshot counts as up after its success, until it is stopped.",
        "remain_after_exit = true",
    ),
    key(
        "readiness",
        Shape::Text(&form::READINESS),
        "`started`",
        "When a started service is up: once its program runs; says READY=1 (sd_notify); writes a line to descriptor N, 3 or above (s6); passes its health check.",
        "readiness = \"notify\"",
    ),
    key(
        "start_timeout",
        Shape::Any(&[Shape::Text(&form::DURATION), Shape::Choice(&["infinity"])]),
        "`90s`; `infinity` for `readiness = \"started\"` and for a oneshot",
        "How long after its launch a service may take to be up, and a oneshot to be done; then it has failed.",
        "start_timeout = \"5m\"",
    ),
    key(
        "watchdog",
        Shape::Text(&form::DURATION),
        "–",
        "The longest time between two WATCHDOG=1 (sd_notify); then the service is aborted, and `restart` decides.",
        "watchdog = \"30s\"",
    ),
    key(
        "healthcheck",
        Shape::Table(Section::Healthcheck),
        "–",
        "How to ask the service whether it is well; see `healthcheck` below.",
        "healthcheck = { http = \":80/\" }",
    )
    .unlike_compose("`test`, a program of the image; an unhealthy service is only shown", "`http`, `tcp` and `file` too, which need no program; an unhealthy service is ended, and `restart` decides (`on_unhealthy = \"none\"` is Compose's)"),
    key(
        "on_unhealthy",
        Shape::Choice(&["restart", "none"]),
        "`restart`",
        "What an unhealthy service is: ended, so that `restart` decides; or only shown.",
        "on_unhealthy = \"none\"",
    ),
    key(
        "restart",
        Shape::Text(&form::RESTART),
        "`always`; `no` for a oneshot",
        "After which ends to start again; the last four are systemd's.",
        "restart = \"on-failure:3\"",
    )
    .unlike_compose("`no`; `unless-stopped` remembers a stop over a reboot", "`always`, and `no` for a oneshot; after a run of 10 s at once instead of after 100 ms (`restart_reset_after`); `unless-stopped` as `always` until generations remember it; systemd's four policies too"),
    key(
        "restart_delay",
        Shape::Text(&form::DURATION),
        "`100ms`",
        "How long to wait before the first restart in a row; each further one waits twice as long.",
        "restart_delay = \"1s\"",
    ),
    key(
        "restart_max_delay",
        Shape::Text(&form::DURATION),
        "`1m`, or `restart_delay` if that is longer",
        "The longest wait before a restart.",
        "restart_max_delay = \"5m\"",
    ),
    key(
        "restart_reset_after",
        Shape::Text(&form::DURATION),
        "`10s`",
        "Who was up for so long begins its row of restarts anew.",
        "restart_reset_after = \"1m\"",
    ),
    key(
        "start_limit",
        Shape::Table(Section::StartLimit),
        "no limit",
        "How many automatic restarts are too many; see `start_limit` below.",
        "start_limit = { burst = 5, interval = \"10s\", retry_after = \"5m\" }",
    ),
    key(
        "success_exit_status",
        EXIT_STATUSES,
        "empty",
        "Ends that are a success beside code 0 and SIGHUP, SIGINT, SIGTERM, SIGPIPE (the signals not for a oneshot).",
        "success_exit_status = [75, \"SIGUSR1\"]",
    ),
    key(
        "restart_prevent_exit_status",
        EXIT_STATUSES,
        "empty",
        "Ends after which it is not started again, whatever `restart` says.",
        "restart_prevent_exit_status = [78]",
    ),
    key(
        "restart_force_exit_status",
        EXIT_STATUSES,
        "empty",
        "Ends after which it is started again, whatever `restart` says.",
        "restart_force_exit_status = [133]",
    ),
    key(
        "on_failure",
        Shape::Any(&[
            Shape::Text(&form::ON_FAILURE),
            Shape::List(&Shape::Text(&form::ON_FAILURE)),
        ]),
        "empty",
        "What happens when it has failed for good: by its policy or its `start_limit`.",
        "on_failure = [\"restart-dependents\"]",
    ),
    key(
        "oom_policy",
        Shape::Choice(&["continue", "stop", "kill"]),
        "`continue`",
        "When the kernel kills a process of it for want of memory: the rest goes on; is stopped; is killed at once with it.",
        "oom_policy = \"kill\"",
    ),
    key(
        "after",
        Shape::List(&Shape::Text(&form::SERVICE)),
        "empty",
        "Order only: waits for these when they are being started too, and ends before them.",
        "after = [\"db\"]",
    ),
    key(
        "before",
        Shape::List(&Shape::Text(&form::SERVICE)),
        "empty",
        "The same from the other side: these wait for it.",
        "before = [\"db\"]",
    ),
    key(
        "needs",
        Shape::List(&Shape::Text(&form::NEED)),
        "empty",
        "What the machine must have before a start; what is lost later stops nothing.",
        "needs = [\"online\", \"device:/dev/ttyS1\"]",
    ),
    key(
        "schedule",
        Shape::Any(&[
            Shape::Text(&form::SCHEDULE),
            Shape::Table(Section::Schedule),
        ]),
        "–",
        "Runs it at these times instead of at the boot; see `schedule` below.",
        "schedule = \"0 3 * * *\"",
    ),
    key(
        "scale",
        Shape::Whole(0, 1000),
        "1",
        "How many instances run, `web-1`, `web-2`, …; 0 defines it without starting it, and nobody waits for it.",
        "scale = 3",
    )
    .unlike_compose("instances `web-1`, …", "the same from 2 on; `scale = 1` is `web` itself; an instance finds its number in `ORLOP_REPLICA`"),
    key(
        "deploy",
        Shape::Table(Section::Deploy),
        "–",
        "Compose's other spelling of `scale` and of the restart keys.",
        "deploy = { replicas = 3 }",
    ),
];

pub(super) const DEPENDENCY: Table = table!(&[
    key(
        "condition",
        Shape::Choice(&[
            "service_started",
            "service_healthy",
            "service_completed_successfully"
        ]),
        "`service_started`",
        "What to wait for.",
        "condition = \"service_started\"",
    )
    .unlike_compose("must be written", "`service_started` by default"),
    key(
        "required",
        Shape::Boolean,
        "`true`",
        "Whether this service fails when the other one does.",
        "required = false",
    ),
    key(
        "restart",
        Shape::Boolean,
        "`false`",
        "Whether a restart of the other one by request restarts this one too.",
        "restart = true",
    ),
    key(
        "propagate",
        Shape::Choice(&["none", "restart", "stop"]),
        "`none`",
        "What happens to this one when the other one ends by itself.",
        "propagate = \"restart\"",
    ),
]);

pub(super) const START_LIMIT: Table = table!(&[
    key(
        "burst",
        COUNT,
        "5",
        "So many automatic restarts within `interval` are allowed; one more, and the service has failed.",
        "burst = 5",
    ),
    key(
        "interval",
        Shape::Text(&form::DURATION),
        "`10s`",
        "How far back restarts are counted.",
        "interval = \"10s\"",
    ),
    key(
        "retry_after",
        Shape::Text(&form::DURATION),
        "never",
        "How long after that it is tried once more.",
        "retry_after = \"5m\"",
    ),
]);

pub(super) const SCHEDULE: Table = table!(&[
    key(
        "cron",
        Shape::Text(&form::CRON),
        "–",
        "When it is due, in UTC, as in crontab(5).",
        "cron = \"0 3 * * *\"",
    ),
    key(
        "every",
        Shape::Text(&form::LONG_DURATION),
        "–",
        "How long from one time to the next, whatever the clock says.",
        "every = \"1h\"",
    ),
    key(
        "missed",
        Shape::Choice(&["skip", "run"]),
        "`skip`",
        "What becomes of times that the clock jumped over: nothing; or one run at once for all of them.",
        "missed = \"run\"",
    ),
    key(
        "overlap",
        Shape::Choice(&["skip", "queue", "restart"]),
        "`skip`",
        "When it is due and the last run still goes on: passed over; run once more after it; that run is stopped.",
        "overlap = \"queue\"",
    ),
]);

pub(super) const DEPLOY: Table = table!(&[
    key(
        "replicas",
        Shape::Whole(0, 1000),
        "1",
        "The same as `scale`.",
        "replicas = 3",
    ),
    key(
        "restart_policy",
        Shape::Table(Section::RestartPolicy),
        "–",
        "The same as `restart` and its kin; see `deploy.restart_policy` below.",
        "restart_policy = { condition = \"on-failure\", max_attempts = 3 }",
    ),
    key(
        "resources",
        Shape::Table(Section::Resources),
        "–",
        "Another spelling of limits; see `deploy.resources` below.",
        "resources = { limits = { memory = \"512m\" } }",
    ),
    not_yet(
        "endpoint_mode",
        "remove it: each instance has an address of its own",
    ),
    not_yet("labels", "remove it, or keep them as # comments"),
    not_yet("mode", "remove it, and write replicas = 3 for three of it"),
    not_yet("placement", "remove it: there is one machine"),
    not_yet(
        "rollback_config",
        "remove it: nothing is updated step by step yet",
    ),
    not_yet(
        "update_config",
        "remove it: nothing is updated step by step yet",
    ),
]);

pub(super) const RESTART_POLICY: Table = table!(&[
    key(
        "condition",
        Shape::Choice(&["any", "on-failure", "none"]),
        "`any`",
        "`restart` as `always`, `on-failure` or `no`.",
        "condition = \"on-failure\"",
    ),
    key(
        "delay",
        Shape::Text(&form::DURATION),
        "`100ms`",
        "The same as `restart_delay`.",
        "delay = \"5s\"",
    )
    .unlike_compose(
        "the same before each restart",
        "before the first; doubles up to `restart_max_delay`"
    ),
    key(
        "max_attempts",
        COUNT,
        "no limit",
        "So many restarts in a row, then it has failed.",
        "max_attempts = 3",
    ),
    key(
        "window",
        Shape::Text(&form::DURATION),
        "`10s`",
        "The same as `restart_reset_after`.",
        "window = \"1m\"",
    ),
]);
