//! The keys of `service.toml` that say what else of the machine a container is given, and those that
//! are taken because what they ask for is so anyway.

use super::{Row, Section, Shape, Table, form, key, not_yet, refused, table};

pub(super) const CONTAINER: &[Row] = &[
    key(
        "env_file",
        Shape::Any(&[
            Shape::Text(&form::FILE),
            Shape::Table(Section::EnvFile),
            Shape::List(&Shape::Any(&[
                Shape::Text(&form::FILE),
                Shape::Table(Section::EnvFile),
            ])),
        ]),
        "empty",
        "Files of the service's folder with a `KEY=value` a line; `environment` wins.",
        "env_file = \"app.env\"",
    ),
    key(
        "group_add",
        Shape::List(&Shape::TextOrNumber(&form::GROUP)),
        "empty",
        "Further groups of the main process; names are those of the image.",
        "group_add = [\"video\"]",
    ),
    key(
        "ulimits",
        Shape::Named(
            &form::ULIMIT,
            &Shape::Any(&[Shape::Whole(-1, i64::MAX), Shape::Table(Section::Ulimit)]),
        ),
        "`nofile = 1024`, `core = 0`",
        "Resource limits of each process, as in getrlimit(2).",
        "ulimits = { nofile = { soft = 1024, hard = 65536 } }",
    )
    .unlike_compose("the engine's defaults", "`nofile` 1024 and `core` 0 when not said otherwise"),
    key(
        "sysctls",
        Shape::Any(&[
            Shape::Named(&form::SYSCTL, &Shape::TextOrNumber(&form::TEXT)),
            Shape::List(&Shape::Text(&form::ASSIGNMENT)),
        ]),
        "empty",
        "Kernel settings of its own network (`net.…`) and IPC (`kernel.msg…`, `kernel.sem`, `kernel.shm…`, `fs.mqueue.…`); Linux 6.1 has `net.core.…` with `userns_mode = \"host\"` only.",
        "sysctls = { \"net.ipv4.tcp_keepalive_time\" = 600 }",
    )
    .unlike_compose("any of its namespaces", "`net.core.…` only with `userns_mode = \"host\"` on Linux 6.1"),
    key(
        "shm_size",
        Shape::TextOrNumber(&form::SIZE),
        "`64m`",
        "The size of `/dev/shm`.",
        "shm_size = \"256m\"",
    ),
    key(
        "mem_reservation",
        Shape::TextOrNumber(&form::SIZE),
        "–",
        "So much of its memory is taken back last when the machine runs short.",
        "mem_reservation = \"64m\"",
    ),
    key(
        "memswap_limit",
        Shape::TextOrNumber(&form::SWAP),
        "`-1`",
        "The most memory and swap together; a machine has no swap of its own.",
        "memswap_limit = \"512m\"",
    ),
    key(
        "cpu_shares",
        Shape::Whole(2, 262_144),
        "1024",
        "Its part of the CPU time when there is too little: 512 is half of everybody's.",
        "cpu_shares = 512",
    ),
    key(
        "cpuset",
        Shape::TextOrNumber(&form::CPUSET),
        "all",
        "The CPUs that it may run on.",
        "cpuset = \"0-1\"",
    ),
    key(
        "blkio_config",
        Shape::Table(Section::Blkio),
        "–",
        "How fast it may use the machine's disks; see `blkio_config` below.",
        "blkio_config = { device_read_bps = [{ path = \"/dev/vda\", rate = \"10m\" }] }",
    )
    .unlike_compose("also weights", "limits only"),
    key(
        "oom_score_adj",
        Shape::Whole(-1000, 1000),
        "-900 with a `mem_limit`, else 0",
        "Who is killed first when the machine is out of memory: the higher.",
        "oom_score_adj = 500",
    )
    .unlike_compose("0", "-900 with a `mem_limit` when not said otherwise"),
    key(
        "pid",
        Shape::Choice(&["private", "host"]),
        "`private`",
        "`host`, with the machine's user namespace: it sees all processes of the machine.",
        "pid = \"host\"",
    )
    .unlike_compose("also `service:NAME` and `container:NAME`", "`host` asks for the machine's user namespace, too"),
    key(
        "ipc",
        Shape::Choice(&["private", "host"]),
        "`private`",
        "`host`, with the machine's user namespace: the machine's System V IPC and message queues.",
        "ipc = \"host\"",
    )
    .unlike_compose("also `shareable`, `service:NAME` and `container:NAME`", "`private` is the default; `host` asks for the machine's user namespace, too"),
    key(
        "uts",
        Shape::Choice(&["private", "host"]),
        "`private`",
        "`host`, with the machine's user namespace: the machine's host name.",
        "uts = \"host\"",
    )
    .unlike_compose("`host`", "`host` asks for the machine's user namespace, too"),
    key(
        "cgroup",
        Shape::Choice(&["private", "host"]),
        "`private`",
        "`host`, with the machine's user namespace: it sees all cgroups of the machine.",
        "cgroup = \"host\"",
    )
    .unlike_compose("`host` or `private`, the engine's default", "`host` asks for the machine's user namespace, too"),
    key(
        "privileged",
        Shape::Boolean,
        "`false`",
        "The same as `isolation = \"privileged\"`.",
        "privileged = true",
    ),
    key(
        "security_opt",
        Shape::List(&Shape::Text(&form::SECURITY)),
        "`no-new-privileges:true`, unless privileged",
        "`seccomp=unconfined` is what privileged services have; others have their filter.",
        "security_opt = [\"no-new-privileges:true\"]",
    )
    .unlike_compose("also `apparmor`, `label`, `systempaths` and profiles", "`no-new-privileges:true` and `seccomp=unconfined`"),
    key(
        "profiles",
        Shape::List(&Shape::Text(&form::PROFILE)),
        "empty",
        "With some: started at the boot only when `profiles` of `system.toml` lists one of them, else by `orlop start`.",
        "profiles = [\"debug\"]",
    ),
    key(
        "labels",
        Shape::Any(&[
            Shape::Named(&form::LABEL, &Shape::TextOrNumber(&form::TEXT)),
            Shape::List(&Shape::Text(&form::LABELLED)),
        ]),
        "empty",
        "Words for people and programs that read manifests.",
        "labels = { team = \"web\" }",
    ),
    key(
        "expose",
        Shape::List(&Shape::TextOrNumber(&form::EXPOSED)),
        "empty",
        "Checked, and opens nothing: services reach all ports of each other on the bridge.",
        "expose = [\"8080\"]",
    ),
    key(
        "container_name",
        Shape::Text(&form::SERVICE),
        "the folder's name",
        "Only the folder's name: a service is called as its folder is.",
        "container_name = \"web\"",
    )
    .unlike_compose("any", "only the folder's name: a service is called as its folder is"),
    key(
        "platform",
        Shape::Choice(&["linux/amd64", "linux/x86_64"]),
        "`linux/amd64`",
        "Only the machine's own.",
        "platform = \"linux/amd64\"",
    )
    .unlike_compose("any", "only the machine's own, `linux/amd64`"),
    key(
        "pull_policy",
        Shape::Choice(&["missing", "if_not_present", "never", "build"]),
        "`missing`",
        "All the same: images are made by `orlop build`, never pulled.",
        "pull_policy = \"missing\"",
    )
    .unlike_compose("all of them", "`missing`, `never` and `build`: nothing is pulled, so the others are refused"),
    key(
        "tty",
        Shape::Boolean,
        "`false`",
        "Only `false`: a terminal is given by `devices`.",
        "tty = false",
    )
    .unlike_compose("a terminal", "only `false`: a terminal is given by `devices`"),
    key(
        "stdin_open",
        Shape::Boolean,
        "`false`",
        "Only `false`: a terminal is given by `devices`.",
        "stdin_open = false",
    )
    .unlike_compose("standard input that stays open", "only `false`"),
];

pub(super) const ENV_FILE: Table = table!(&[
    key(
        "path",
        Shape::Text(&form::FILE),
        "–",
        "The file.",
        "path = \"app.env\"",
    ),
    key(
        "required",
        Shape::Boolean,
        "`true`",
        "Whether it must be there.",
        "required = false",
    ),
    key(
        "format",
        Shape::Choice(&["raw"]),
        "quotes and comments behind values as in a shell",
        "`raw`: values are taken as they are, as `docker run --env-file` does.",
        "format = \"raw\"",
    ),
]);

pub(super) const ULIMIT: Table = table!(&[
    key(
        "soft",
        Shape::Whole(-1, i64::MAX),
        "–",
        "What holds until a process raises it.",
        "soft = 1024",
    ),
    key(
        "hard",
        Shape::Whole(-1, i64::MAX),
        "–",
        "How far it may raise it.",
        "hard = 65536",
    ),
]);

pub(super) const BLKIO: Table = table!(&[
    key(
        "device_read_bps",
        Shape::List(&Shape::Table(Section::BlkioDevice)),
        "empty",
        "Bytes read a second, at the most.",
        "device_read_bps = [{ path = \"/dev/vda\", rate = \"10m\" }]",
    ),
    key(
        "device_write_bps",
        Shape::List(&Shape::Table(Section::BlkioDevice)),
        "empty",
        "Bytes written a second, at the most.",
        "device_write_bps = [{ path = \"/dev/vda\", rate = \"10m\" }]",
    ),
    key(
        "device_read_iops",
        Shape::List(&Shape::Table(Section::BlkioDevice)),
        "empty",
        "Reads a second, at the most.",
        "device_read_iops = [{ path = \"/dev/vda\", rate = 100 }]",
    ),
    key(
        "device_write_iops",
        Shape::List(&Shape::Table(Section::BlkioDevice)),
        "empty",
        "Writes a second, at the most.",
        "device_write_iops = [{ path = \"/dev/vda\", rate = 100 }]",
    ),
    refused("weight", NO_WEIGHT),
    refused("weight_device", NO_WEIGHT),
]);

const NO_WEIGHT: &str = "the machine's disks have no scheduler that heeds weights; write device_read_bps or device_write_bps";

pub(super) const BLKIO_DEVICE: Table = table!(&[
    key(
        "path",
        Shape::Text(&form::NODE),
        "–",
        "The disk, a whole one.",
        "path = \"/dev/vda\"",
    ),
    key(
        "rate",
        Shape::TextOrNumber(&form::SIZE),
        "–",
        "So much a second.",
        "rate = \"10m\"",
    ),
]);

pub(super) const RESOURCES: Table = table!(&[
    key(
        "limits",
        Shape::Table(Section::ResourceLimits),
        "–",
        "See `deploy.resources.limits` below.",
        "limits = { memory = \"512m\" }",
    ),
    key(
        "reservations",
        Shape::Table(Section::Reservations),
        "–",
        "See `deploy.resources.reservations` below.",
        "reservations = { memory = \"64m\" }",
    ),
]);

pub(super) const RESOURCE_LIMITS: Table = table!(&[
    key(
        "cpus",
        Shape::TextOrNumber(&form::CPUS),
        "–",
        "The same as `cpus`.",
        "cpus = 0.5"
    ),
    key(
        "memory",
        Shape::TextOrNumber(&form::SIZE),
        "–",
        "The same as `mem_limit`.",
        "memory = \"512m\"",
    ),
    key(
        "pids",
        Shape::Any(&[Shape::Whole(1, 4_194_304), Shape::Whole(-1, -1)]),
        "`2048`",
        "The same as `pids_limit`.",
        "pids = 100",
    ),
]);

pub(super) const RESERVATIONS: Table = table!(&[
    key(
        "memory",
        Shape::TextOrNumber(&form::SIZE),
        "–",
        "The same as `mem_reservation`.",
        "memory = \"64m\"",
    ),
    not_yet(
        "cpus",
        "remove it, or write cpu_shares = 2048 for twice everybody's part",
    ),
    not_yet("devices", "write the nodes as devices = [\"/dev/ttyS0\"]"),
    not_yet("generic_resources", "remove it"),
]);
