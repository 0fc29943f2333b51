//! The keys of the Compose Specification's service that are not supported, each refused by name with
//! what to do instead.

use super::{Row, not_yet, refused};

pub(super) const OTHERS: &[Row] = &[
    not_yet("annotations", "remove it, or keep it as a # comment"),
    not_yet(
        "attach",
        "remove it: `orlop logs` shows what every service prints",
    ),
    not_yet(
        "blkio_config",
        "remove it: mem_limit, cpus and pids_limit are the limits there are",
    ),
    not_yet(
        "cgroup",
        "remove it: every service has a cgroup namespace of its own",
    ),
    not_yet(
        "cgroup_parent",
        "remove it: every service has a cgroup of its own",
    ),
    not_yet(
        "configs",
        "put the file into the service's folder and write volumes = [\"./app.conf:/etc/app.conf\"]",
    ),
    not_yet(
        "container_name",
        "remove it: a service is called as its folder is",
    ),
    not_yet("cpu_count", "write cpus = 2"),
    not_yet("cpu_percent", "write cpus = 0.5 for half of one CPU"),
    not_yet("cpu_period", "write cpus = 0.5 for half of one CPU"),
    not_yet("cpu_quota", "write cpus = 0.5 for half of one CPU"),
    not_yet("cpu_rt_period", "remove it, or write cpus = 0.5"),
    not_yet("cpu_rt_runtime", "remove it, or write cpus = 0.5"),
    not_yet("cpu_shares", "write cpus = 0.5 for half of one CPU"),
    not_yet("cpuset", "write cpus = 2 for two CPUs, whichever they are"),
    not_yet("credential_spec", "remove it: it is for Windows containers"),
    not_yet("develop", "remove it, and run `orlop build` after a change"),
    not_yet(
        "device_cgroup_rules",
        "name each node: devices = [\"/dev/ttyS0\"]",
    ),
    not_yet(
        "env_file",
        "write the variables as environment = { KEY = \"value\" }",
    ),
    not_yet(
        "expose",
        "remove it: services reach all ports of each other on the bridge",
    ),
    not_yet("extends", "copy the keys of the other service to here"),
    not_yet("external_links", "remove it"),
    not_yet(
        "gpus",
        "name the nodes: devices = [\"/dev/dri/renderD128\"]",
    ),
    not_yet("group_add", "write the group as user = \"name:group\""),
    not_yet(
        "ipc",
        "remove it: every service has an IPC namespace of its own",
    ),
    not_yet("label_file", "remove it, or keep the labels as # comments"),
    not_yet("labels", "remove it, or keep them as # comments"),
    not_yet("links", "write depends_on = [\"name\"]"),
    not_yet(
        "logging",
        "remove it: `orlop logs` shows what every service prints",
    ),
    not_yet("mac_address", "remove it"),
    not_yet("mem_reservation", "write mem_limit = \"512m\""),
    not_yet("mem_swappiness", "remove it: the machine has no swap"),
    not_yet(
        "memswap_limit",
        "remove it: the machine has no swap; write mem_limit = \"512m\"",
    ),
    not_yet("models", "remove it"),
    not_yet(
        "networks",
        "remove it: services share one bridge; network_mode = \"none\" keeps one off it",
    ),
    not_yet("oom_kill_disable", "remove it, or raise mem_limit"),
    not_yet("oom_score_adj", "remove it, or give the others a mem_limit"),
    not_yet(
        "pid",
        "remove it: every service has a pid namespace of its own",
    ),
    not_yet(
        "platform",
        "remove it: images are for the machine's own architecture",
    ),
    not_yet("post_start", "do it in a script that command runs"),
    not_yet("pre_stop", "do it in the program when stop_signal arrives"),
    not_yet("privileged", "write isolation = \"privileged\""),
    not_yet("profiles", "remove it: every folder below services/ is run"),
    not_yet("provider", "remove it"),
    not_yet(
        "pull_policy",
        "remove it: images are made by `orlop build`, never pulled",
    ),
    not_yet(
        "pull_refresh_after",
        "remove it: images are made by `orlop build`, never pulled",
    ),
    not_yet("runtime", "remove it: PID 1 runs every container itself"),
    not_yet(
        "secrets",
        "keep them in a volume: volumes = [\"secrets:/run/secrets:ro\"]",
    ),
    not_yet(
        "security_opt",
        "write isolation = \"restricted\", \"baseline\" or \"privileged\"",
    ),
    not_yet("shm_size", "remove it"),
    not_yet(
        "stdin_open",
        "remove it: a terminal is given with devices = [\"/dev/ttyS0:/dev/console\"]",
    ),
    not_yet(
        "storage_opt",
        "write tmpfs = [\"/path:size=64m\"] or a volume",
    ),
    not_yet(
        "sysctls",
        "write it under [sysctls] in system.toml, for the whole machine",
    ),
    not_yet(
        "tty",
        "remove it: a terminal is given with devices = [\"/dev/ttyS0:/dev/console\"]",
    ),
    not_yet(
        "ulimits",
        "remove it: mem_limit and pids_limit are the limits there are",
    ),
    not_yet(
        "use_api_socket",
        "write control = [\"services.list\"] for Orlop's own control socket",
    ),
    not_yet(
        "uts",
        "remove it: every service has a UTS namespace of its own; write hostname = \"name\"",
    ),
    not_yet(
        "volumes_from",
        "name the same volume in both: volumes = [\"data:/path\"]",
    ),
    refused(
        "services",
        "this file is one service; write its keys at the top, without [services.name]",
    ),
    refused(
        "service",
        "this file is one service; write its keys at the top, without [service]",
    ),
    refused("version", "nothing reads a version here; remove it"),
];
