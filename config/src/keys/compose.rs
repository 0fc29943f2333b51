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
        "cgroup_parent",
        "remove it: every service has a cgroup of its own",
    ),
    not_yet(
        "configs",
        "put the file into the service's folder and write volumes = [\"./app.conf:/etc/app.conf\"]",
    ),
    not_yet("cpu_count", "write cpus = 2"),
    not_yet("cpu_percent", "write cpus = 0.5 for half of one CPU"),
    not_yet("cpu_period", "write cpus = 0.5 for half of one CPU"),
    not_yet("cpu_quota", "write cpus = 0.5 for half of one CPU"),
    not_yet("cpu_rt_period", "remove it, or write cpus = 0.5"),
    not_yet("cpu_rt_runtime", "remove it, or write cpus = 0.5"),
    not_yet("credential_spec", "remove it: it is for Windows containers"),
    not_yet("develop", "remove it, and run `orlop build` after a change"),
    refused(
        "device_cgroup_rules",
        "would open nothing: a container has no other device nodes than those of devices; write devices = [\"/dev/ttyS0\"]",
    ),
    refused(
        "extends",
        "a folder is one service and says all of it; copy the keys of the other service to here",
    ),
    not_yet("external_links", "remove it"),
    not_yet(
        "gpus",
        "name the nodes: devices = [\"/dev/dri/renderD128\"]",
    ),
    not_yet("label_file", "remove it, or keep the labels as # comments"),
    not_yet("links", "write depends_on = [\"name\"]"),
    refused(
        "logging",
        "all output goes to the service log, which keeps and bounds it for all; remove logging, and read it with `orlop logs`",
    ),
    not_yet("mac_address", "remove it"),
    not_yet("mem_swappiness", "remove it: the machine has no swap"),
    not_yet("models", "remove it"),
    refused(
        "networks",
        "there is one network yet, the bridge that all services share; remove it, or write network_mode = \"none\" to keep this one off it",
    ),
    not_yet("oom_kill_disable", "remove it, or raise mem_limit"),
    not_yet("post_start", "do it in a script that command runs"),
    not_yet("pre_stop", "do it in the program when stop_signal arrives"),
    not_yet("provider", "remove it"),
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
        "storage_opt",
        "write tmpfs = [\"/path:size=64m\"] or a volume",
    ),
    not_yet(
        "use_api_socket",
        "write control = [\"services.list\"] for Orlop's own control socket",
    ),
    not_yet(
        "volumes_from",
        "name the same volume in both: volumes = [\"data:/path\"]",
    ),
    refused(
        "services",
        "this file is one service; write its keys at the top, without [services.<name>]",
    ),
    refused(
        "service",
        "this file is one service; write its keys at the top, without [service]",
    ),
    refused(
        "enabled",
        "every service is started at the boot; remove it, or write profiles = [\"manual\"] for one that waits for `orlop start`",
    ),
    refused(
        "autostart",
        "every service is started at the boot; remove it, or write profiles = [\"manual\"] for one that waits for `orlop start`",
    ),
    refused(
        "pre_start",
        "nothing runs before the program; remove it, and do it in a script that command runs",
    ),
    refused(
        "name",
        "a service is called as its folder is; remove it, or rename the folder",
    ),
    refused("version", "nothing reads a version here; remove it"),
];
