//! The keys of `service.toml` that say what runs and with what rights: the Compose Specification's, and
//! Orlop's own.

use super::{Row, Section, Shape, form, key};

pub(super) const PROGRAM: &[Row] = &[
    key(
        "image",
        Shape::Text(&form::IMAGE),
        "the service's name, with `build`",
        "The image to run: one that a `build` of this machine or of the catalogue makes.",
        "image = \"web\"",
    )
    .unlike_compose("a registry's, pulled when missing", "one that a `build` of this machine or of the catalogue makes"),
    key(
        "build",
        Shape::Table(Section::Build),
        "–",
        "What the image is made of; see `build` below.",
        "build = { debian = [\"nginx-light\"] }",
    )
    .unlike_compose("`context` and `dockerfile`", "`debian`, `files`, `programs`, `users`, `directories`"),
    key(
        "command",
        Shape::Any(&[
            Shape::Text(&form::SHELL_WORDS),
            Shape::List(&Shape::Text(&form::ARGUMENT)),
        ]),
        "–",
        "What to run, after `entrypoint`.",
        "command = [\"/usr/sbin/nginx\", \"-g\", \"daemon off;\"]",
    )
    .unlike_compose("the image's by default", "no image has one: `command` or `entrypoint` must be written"),
    key(
        "entrypoint",
        Shape::Any(&[
            Shape::Text(&form::SHELL_WORDS),
            Shape::List(&Shape::Text(&form::ARGUMENT)),
        ]),
        "empty",
        "What to run; `command` gives its arguments.",
        "entrypoint = [\"/usr/bin/redis-server\"]",
    )
    .unlike_compose("the image's by default", "no image has one: `command` or `entrypoint` must be written"),
    key(
        "environment",
        Shape::Any(&[
            Shape::Named(&form::VARIABLE, &Shape::TextOrNumber(&form::TEXT)),
            Shape::List(&Shape::Text(&form::ASSIGNMENT)),
        ]),
        "empty",
        "Environment variables.",
        "environment = { TZ = \"UTC\" }",
    ),
    key(
        "user",
        Shape::TextOrNumber(&form::USER),
        "root of the user namespace",
        "Who runs the main process.",
        "user = \"www-data\"",
    )
    .unlike_compose("the image's", "root of the user namespace"),
    key(
        "working_dir",
        Shape::Text(&form::PATH),
        "`/`",
        "The directory to start in.",
        "working_dir = \"/srv\"",
    ),
    key(
        "hostname",
        Shape::Text(&form::HOSTNAME),
        "the service's name",
        "The host name that the container sees.",
        "hostname = \"web\"",
    )
    .unlike_compose("no name for other services", "other services find it by this name, too, unless the name has a dot or is another service's"),
    key(
        "volumes",
        Shape::List(&Shape::Text(&form::MOUNT)),
        "empty",
        "Volumes declared in `system.toml`, and read-only files of the service's own folder.",
        "volumes = [\"data:/var/lib/app\", \"./app.conf:/etc/app.conf\"]",
    )
    .unlike_compose("host paths, anonymous volumes", "volumes declared in `system.toml`, and files of the service's own folder, which are read-only"),
    key(
        "tmpfs",
        Shape::Any(&[
            Shape::Text(&form::TMPFS),
            Shape::List(&Shape::Text(&form::TMPFS)),
        ]),
        "empty",
        "Empty file systems in memory, 64 MiB each when not said otherwise.",
        "tmpfs = [\"/run\", \"/tmp:size=64m\"]",
    )
    .unlike_compose("unlimited", "64 MiB and mode 1777 when not said otherwise"),
    key(
        "read_only",
        Shape::Boolean,
        "`true` (`false` for `baseline` and `privileged`)",
        "Whether the root file system is read-only.",
        "read_only = false",
    )
    .unlike_compose("`false`", "`true`; `false` with `isolation` `baseline` or `privileged`"),
    key(
        "ports",
        Shape::List(&Shape::Text(&form::PORT)),
        "empty",
        "Ports of the machine that lead into the container.",
        "ports = [\"8080:80\"]",
    )
    .unlike_compose("`\"80\"` gets a port of the host at random; dropped or refused with `network_mode` `host` or `none` when it runs", "the machine's port must be written: `\"8080:80\"`; an error of the check with `network_mode` `host` or `none`"),
    key(
        "network_mode",
        Shape::Choice(&["bridge", "none", "host"]),
        "`bridge`",
        "An own network behind the machine's bridge, loopback only, or the machine's own network.",
        "network_mode = \"bridge\"",
    )
    .unlike_compose("also `service:NAME` and `container:NAME`", "`bridge`, `none` or `host`"),
    key(
        "userns_mode",
        Shape::Choice(&["host"]),
        "an own user namespace",
        "`host` leaves the user namespace: root inside is root of the machine.",
        "userns_mode = \"host\"",
    )
    .unlike_compose("the engine's", "an own user namespace of 65,536 ids; `\"host\"` leaves it, `isolation = \"privileged\"` implies that, nothing else does"),
    key(
        "depends_on",
        Shape::Any(&[
            Shape::List(&Shape::Text(&form::SERVICE)),
            Shape::Named(&form::SERVICE, &Shape::Table(Section::Dependency)),
        ]),
        "empty",
        "Services to wait for before this one starts.",
        "depends_on = [\"db\"]",
    ),
    key(
        "stop_signal",
        Shape::TextOrNumber(&form::SIGNAL),
        "`SIGTERM`",
        "What asks the main process to end.",
        "stop_signal = \"SIGQUIT\"",
    ),
    key(
        "stop_grace_period",
        Shape::Text(&form::DURATION),
        "`10s`",
        "How long after that until everything is killed.",
        "stop_grace_period = \"1m30s\"",
    ),
    key(
        "cap_add",
        Shape::List(&Shape::Text(&form::CAPABILITY)),
        "empty",
        "Capabilities on top of those of `isolation`; a user who is not root holds no others.",
        "cap_add = [\"NET_ADMIN\"]",
    )
    .unlike_compose("on top of Docker's fourteen", "on top of none; `isolation = \"baseline\"` gives Docker's"),
    key(
        "cap_drop",
        Shape::List(&Shape::Text(&form::CAPABILITY)),
        "empty",
        "Capabilities to take away from those of `isolation`.",
        "cap_drop = [\"ALL\"]",
    )
    .unlike_compose("of Docker's fourteen", "of those that `isolation` gives, which is none"),
    key(
        "mem_limit",
        Shape::TextOrNumber(&form::SIZE),
        "–",
        "The most memory that the service may use.",
        "mem_limit = \"512m\"",
    )
    .unlike_compose("a limit", "a limit, and when the machine is out of memory services without one are killed first"),
    key(
        "cpus",
        Shape::TextOrNumber(&form::CPUS),
        "–",
        "The most CPU time: 0.5 is half of one CPU.",
        "cpus = 0.5",
    ),
    key(
        "pids_limit",
        Shape::Any(&[Shape::Whole(1, 4_194_304), Shape::Whole(-1, -1)]),
        "`2048`",
        "The most processes and threads.",
        "pids_limit = 100",
    )
    .unlike_compose("no limit", "2048"),
    key(
        "devices",
        Shape::List(&Shape::Text(&form::DEVICE)),
        "empty",
        "Device nodes of the machine that the container gets.",
        "devices = [\"/dev/ttyS0:/dev/console:rw\"]",
    )
    .unlike_compose("also folders and CDI names", "nodes only"),
    key(
        "init",
        Shape::Boolean,
        "`false`",
        "A small init as process 1 of the container, which reaps orphans and passes signals on.",
        "init = true",
    ),
    key(
        "isolation",
        Shape::Choice(&["restricted", "baseline", "privileged"]),
        "`restricted`",
        "How much the container may do: nothing beyond what is granted here; Docker's defaults; everything.",
        "isolation = \"baseline\"",
    )
    .unlike_compose("a Windows setting", "`restricted`, `baseline` or `privileged`: the names of the Kubernetes Pod Security Standards"),
    key(
        "control",
        Shape::List(&Shape::Text(&form::GRANT)),
        "empty",
        "Control methods that the service may call at `/run/orlop/control.sock`.",
        "control = [\"services.list\"]",
    ),
];
