//! The forms of texts in manifests.

use super::Form;
use crate::value::GRANTS;

const fn form(one: &'static str, many: &'static str, pattern: &'static str) -> Form {
    Form {
        one,
        many,
        pattern,
        known: &[],
    }
}

/// Any text.
pub(super) const TEXT: Form = form("text", "texts", "");
/// A word of a list of arguments.
pub(super) const ARGUMENT: Form = form("text", "arguments", "");
/// A command line.
pub(super) const SHELL_WORDS: Form = form("text split as a shell does", "command lines", "");
/// A command line that a shell of the image runs.
pub(super) const SHELL_LINE: Form = form("text for a shell", "texts", "");
/// The name of a service's folder.
pub(super) const SERVICE: Form = form("service's name", "services", "^[a-z0-9][a-z0-9_.-]{0,62}$");
/// The name of an image.
pub(super) const IMAGE: Form = form("text", "images", "^[a-z0-9][a-z0-9_.-]{0,62}$");
/// The name of a volume.
pub(super) const VOLUME_NAME: Form = form("volume", "volumes", "^[a-z0-9][a-z0-9_.-]{0,62}$");
/// The name of an environment variable.
pub(super) const VARIABLE: Form = form("`KEY`", "variables", "^[^=\\s]+$");
/// A variable with its value.
pub(super) const ASSIGNMENT: Form = form("`KEY=value`", "`KEY=value`", "^[^=\\s]+=");
/// Who runs a process.
pub(super) const USER: Form = form(
    "text: `user`, `user:group`, names or ids",
    "users",
    "^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
);
/// The name of a user of an image.
pub(super) const ACCOUNT: Form = form("user", "users", "^[A-Za-z_][A-Za-z0-9_.-]{0,31}$");
/// Owner, group and mode of a directory.
pub(super) const OWNER: Form = form(
    "`\"user:group mode\"`",
    "owners",
    "^[A-Za-z0-9_][A-Za-z0-9_.-]*:[A-Za-z0-9_][A-Za-z0-9_.-]* +[0-7]{1,5}$",
);
/// An absolute path.
pub(super) const PATH: Form = form("absolute path", "absolute paths", "^/");
/// A path below the service's folder.
pub(super) const SOURCE: Form = form("`\"source\"`", "sources", "^[^/]");
/// A host name (RFC 1123).
pub(super) const HOSTNAME: Form = form(
    "text",
    "host names",
    "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
);
/// A name of `/etc/hosts`.
pub(super) const HOST: Form = form("name", "names", "^[A-Za-z0-9._-]+$");
/// Where such a name leads.
pub(super) const HOST_ADDRESS: Form = form(
    "address",
    "addresses",
    "^(host-gateway|\\[?[0-9A-Fa-f:.]+\\]?)$",
);
/// An entry of `extra_hosts`.
pub(super) const EXTRA_HOST: Form = form(
    "`name:address`",
    "`name:address` or `name=address`",
    "^\\s*[A-Za-z0-9._-]+\\s*[:=]\\s*(host-gateway|\\[?[0-9A-Fa-f:.]+\\]?)\\s*$",
);
/// A domain that names are looked for in.
pub(super) const DOMAIN: Form = form("domain", "domains", "^[A-Za-z0-9._-]+$");
/// An option of resolv.conf(5).
pub(super) const RESOLVER_OPTION: Form = Form {
    one: "option",
    many: "options",
    pattern: "^[A-Za-z0-9:-]{1,63}$",
    known: &[
        "ndots:1",
        "timeout:5",
        "attempts:2",
        "rotate",
        "edns0",
        "single-request",
        "single-request-reopen",
        "no-aaaa",
        "trust-ad",
        "use-vc",
    ],
};
/// An entry of `volumes`.
pub(super) const MOUNT: Form = form(
    "`name:/path[:ro]` or `./folder:/path[:ro]`",
    "`name:/path[:ro]` or `./folder:/path[:ro]`",
    "^(\\.[^:]*|[a-z0-9][a-z0-9_.-]{0,62}):/[^:]*(:(ro|rw))?$",
);
/// An entry of `tmpfs`.
pub(super) const TMPFS: Form = form(
    "`/path[:size=64m,mode=1777]`",
    "`/path[:size=64m,mode=1777]`",
    "^/[^:]*(:((size|mode)=[^,]*)?(,((size|mode)=[^,]*)?)*)?$",
);
/// An entry of `ports`.
pub(super) const PORT: Form = form(
    "`[ip:]host:container[/udp]`",
    "`[ip:]host:container[/udp]`, ranges too",
    "^([0-9.]+:)?[0-9]+(-[0-9]+)?:[0-9]+(-[0-9]+)?(/(tcp|udp))?$",
);
/// The name of a kernel module.
pub(super) const MODULE: Form = form("module", "modules", "^[A-Za-z0-9_-]{1,55}$");
/// A disk, as fstab(5) names it.
pub(super) const DISK: Form = form(
    "`LABEL=…`, `UUID=…` or `/dev/…`",
    "disks",
    "^((LABEL|UUID)=.+|/dev/[A-Za-z0-9]+|/dev/disk/by-(label|uuid)/.+)$",
);
/// A device node.
pub(super) const DEVICE_NODE: Form = form("path below `/dev`", "paths below `/dev`", "^/");
/// An entry of `devices`.
pub(super) const DEVICE: Form = form(
    "`/dev/node[:/dev/target][:rw]`",
    "`/dev/node[:/dev/target][:rw]`",
    "^/[^:]*(:/[^:]*)?(:[rw]{1,2})?$",
);
/// A duration, a day at the most.
pub(super) const DURATION: Form = form(
    "duration",
    "durations",
    "^([0-9]+(\\.[0-9]+)?(us|ms|s|m|h))+$",
);
/// A duration, a year at the most.
pub(super) const LONG_DURATION: Form = form(
    "duration, days too",
    "durations",
    "^([0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d))+$",
);
/// A size in bytes.
pub(super) const SIZE: Form = form(
    "size",
    "sizes",
    "^\\s*[0-9]+(\\.[0-9]+)?\\s*([bB]|[kKmMgGtT]([iI]?[bB])?)?\\s*$",
);
/// A number of CPUs.
pub(super) const CPUS: Form = form("number", "numbers", "^[0-9]+(\\.[0-9]+)?$");
/// A TCP port.
pub(super) const PORT_NUMBER: Form = form("port", "ports", "^[0-9]{1,5}$");
/// A signal.
pub(super) const SIGNAL: Form = Form {
    one: "signal, by name or number",
    many: "signals",
    pattern: "^[A-Za-z0-9]+([+-][0-9]+)?$",
    known: &[
        "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGABRT",
        "SIGWINCH", "SIGPIPE",
    ],
};
/// A capability.
pub(super) const CAPABILITY: Form = Form {
    one: "capability, or `ALL`",
    many: "capabilities, or `ALL`",
    pattern: "^[A-Za-z_]+$",
    known: &crate::value::CAPABILITIES_AND_ALL,
};
/// A public key of SSH.
pub(super) const SSH_KEY: Form = form(
    "line of a .pub file",
    "lines of .pub files",
    "^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com) +[A-Za-z0-9+/]+={0,2}( .*)?$",
);
/// A grant of the control interface.
pub(super) const GRANT: Form = Form {
    one: "grant",
    many: "grants",
    pattern: "^([a-z]+\\.)?\\*$",
    known: &GRANTS,
};
/// An entry of `needs`.
pub(super) const NEED: Form = Form {
    one: "`link[:name]`, `address`, `online`, `time`, `path:/…` or `device:/dev/…`",
    many: "`link[:name]`, `address`, `online`, `time`, `path:/…`, `device:/dev/…`",
    pattern: "^(link(:.+)?|address|online|time|(path|device):/.*)$",
    known: &["link", "address", "online", "time"],
};
/// When a schedule is due.
pub(super) const SCHEDULE: Form = form(
    "cron expression in UTC, `every 1h`",
    "schedules",
    "^\\s*(@[A-Za-z]+|every .+|\\S+(\\s+\\S+){4})\\s*$",
);
/// A cron expression.
pub(super) const CRON: Form = form(
    "text: minute, hour, day, month, weekday; or `@hourly`, `@daily`, …",
    "cron expressions",
    "^\\s*(@[A-Za-z]+|\\S+(\\s+\\S+){4})\\s*$",
);
/// A restart policy.
pub(super) const RESTART: Form = Form {
    one: "`no`, `always`, `unless-stopped`, `on-failure[:tries]`, `on-success`, `on-abnormal`, `on-abort` or `on-watchdog`",
    many: "restart policies",
    pattern: "^on-failure:[0-9]+$",
    known: &[
        "no",
        "always",
        "unless-stopped",
        "on-failure",
        "on-success",
        "on-abnormal",
        "on-abort",
        "on-watchdog",
    ],
};
/// When a started service is up.
pub(super) const READINESS: Form = Form {
    one: "`started`, `notify`, `fd:N` or `healthy`",
    many: "kinds of readiness",
    pattern: "^fd:[0-9]+$",
    known: &["started", "notify", "healthy"],
};
/// What happens after a failure.
pub(super) const ON_FAILURE: Form = Form {
    one: "`restart-dependents`, `start:service`, `reboot` or `poweroff`",
    many: "these",
    pattern: "^start:.+$",
    known: &["restart-dependents", "reboot", "poweroff"],
};
/// Where a health check sends a GET.
pub(super) const HTTP: Form = form(
    "`http://localhost:port/path` or `:port/path`",
    "URLs",
    "^(http://)?(localhost|127\\.0\\.0\\.1)?(:[0-9]{1,5})?(/\\S*)?$",
);
/// Answers that pass a health check.
pub(super) const STATUS: Form = form(
    "status, or range of them",
    "statuses",
    "^[0-9]{3}(-[0-9]{3})?$",
);
/// A Debian package.
pub(super) const PACKAGE: Form = form(
    "package name",
    "package names",
    "^[a-z0-9][a-z0-9+.-]{1,127}$",
);
/// A Debian suite.
pub(super) const SUITE: Form = form("text", "suites", "^[a-z][a-z0-9-]{0,63}$");
/// An IPv4 address.
pub(super) const IPV4: Form = form(
    "IPv4 address",
    "IPv4 addresses",
    "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$",
);
/// An IPv4 network.
pub(super) const IPV4_NETWORK: Form = form(
    "IPv4 network",
    "IPv4 networks",
    "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$",
);
/// An address with the prefix length of its network.
pub(super) const INTERFACE_ADDRESS: Form = form(
    "`address/prefix`",
    "`address/prefix`",
    "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$",
);
/// A network link.
pub(super) const LINK: Form = form("link", "links", "^[^\\s/:.][^\\s/:]{0,14}$");
/// A kernel setting.
pub(super) const SYSCTL: Form = form(
    "`\"name\"`",
    "sysctls",
    "^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)+$",
);
/// A file of the service's folder.
pub(super) const FILE: Form = form("file", "files", "^[^/]");
/// A group of an image.
pub(super) const GROUP: Form = form(
    "group, name or id",
    "groups, names or ids",
    "^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
);
/// A resource limit.
pub(super) const ULIMIT: Form = Form {
    one: "limit",
    many: "limits",
    pattern: "^[a-z]+$",
    known: &[
        "core",
        "cpu",
        "data",
        "fsize",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ],
};
/// The name of a label.
pub(super) const LABEL: Form = form("`name`", "labels", "");
/// A label with its value.
pub(super) const LABELLED: Form = form("`name=value`", "`name=value`", "=");
/// A size in bytes, or none.
pub(super) const SWAP: Form = form(
    "size, -1 for no limit",
    "sizes",
    "^(-1|\\s*[0-9]+(\\.[0-9]+)?\\s*([bB]|[kKmMgGtT]([iI]?[bB])?)?\\s*)$",
);
/// CPUs by number.
pub(super) const CPUSET: Form = form(
    "text: numbers and ranges",
    "CPUs",
    "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$",
);
/// An entry of `security_opt`.
pub(super) const SECURITY: Form = Form {
    one: "option",
    many: "`no-new-privileges:true`, `seccomp=unconfined`",
    pattern: "^(no-new-privileges([:=](true|false))?|(seccomp|systempaths)[:=]unconfined)$",
    known: &["no-new-privileges:true", "seccomp=unconfined"],
};
/// A profile.
pub(super) const PROFILE: Form = form("profile", "profiles", "");
/// An entry of `expose`.
pub(super) const EXPOSED: Form = form("port", "ports", "^[0-9]+(-[0-9]+)?(/(tcp|udp))?$");
/// A device node of the machine.
pub(super) const NODE: Form = form("device node", "device nodes", "^/+dev/");
