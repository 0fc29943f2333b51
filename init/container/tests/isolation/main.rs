//! `docs/isolation.md` says what a launch does: its tables are made from the plans of three
//! manifests, and compared. `ORLOP_BLESS=1` writes them anew.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use nix::sched::CloneFlags;
use orlop_config::{Capability, Service, ServiceName, SourceFile, Sources, check};
use orlop_container::cgroup::plan_limits;
use orlop_container::namespaces::ID_COUNT;
use orlop_container::plan::{
    Credentials, LaunchInputs, LaunchPlan, MountSource, Place, Step, namespace_spec, plan,
};
use orlop_sys::mount_api::MountFlags;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/isolation.md");
const BEGIN: &str =
    "<!-- from the plans: `ORLOP_BLESS=1 cargo test -p orlop-container --test isolation` -->\n";
const END: &str = "<!-- end -->";
const BASE: u32 = ID_COUNT;

const ISOLATIONS: [&str; 3] = ["restricted", "baseline", "privileged"];

fn service(isolation: &str) -> Service {
    let text = format!("image = \"web\"\ncommand = [\"/bin/web\"]\nisolation = \"{isolation}\"\n");
    let file = SourceFile {
        path: "service.toml".to_owned(),
        text,
    };
    let sources = Sources {
        services: [("web".to_owned(), file)].into(),
        images: ["web".to_owned()].into(),
        ..Sources::default()
    };
    let mut checked = check(&sources);
    let service = checked.services.remove(&ServiceName::new("web").unwrap());
    service.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn plan_of(service: &Service) -> LaunchPlan {
    let user = orlop_container::user::resolve(&service.user, "", "").unwrap();
    let inputs = LaunchInputs {
        service,
        rootfs: Path::new("/images/web"),
        staging: Path::new("/run/orlop/staging"),
        user: &user,
        id_base: BASE,
        volumes: &[],
        file_binds: &[],
        control_socket: None,
        notify: None,
        ready_fd: None,
        listen_names: &[],
    };
    plan(&inputs).unwrap()
}

/// What a column says of one isolation, by the row's name.
fn column(isolation: &str) -> BTreeMap<&'static str, String> {
    let service = service(isolation);
    let plan = plan_of(&service);
    let mut another = service.clone();
    another.user.user = "1000".to_owned();
    let steps = &plan.steps;
    let has = |wanted: fn(&Step) -> bool| steps.iter().any(wanted);
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let spec = namespace_spec(&service, BASE);
    let ids = match spec.id_base {
        Some(_) => format!("{ID_COUNT} of its own, 0–{} inside", ID_COUNT - 1),
        None => "the machine's".to_owned(),
    };
    let root = steps.iter().find_map(|step| match step {
        Step::AttachRoot(root) => Some(root),
        _ => None,
    });
    let root = root.unwrap();
    let limit = |file: &str| {
        let limits = plan_limits(&service);
        let found = limits.iter().find(|limit| limit.file == file);
        found.map_or("none".to_owned(), |limit| limit.value.clone())
    };
    BTreeMap::from([
        ("own namespaces", namespaces(&plan, &service)),
        ("ids", ids),
        (
            "capabilities of root",
            capabilities(steps, |root| root.capabilities),
        ),
        (
            "of another user, without `cap_add`",
            capabilities(&plan_of(&another).steps, |user| user.ambient),
        ),
        (
            "no_new_privs",
            yes(has(|step| matches!(step, Step::NoNewPrivileges))),
        ),
        (
            "seccomp filter",
            yes(has(|step| matches!(step, Step::Seccomp(_)))),
        ),
        (
            "root file system",
            match &root.overlay {
                None => "read-only",
                Some(_) => "writable, in memory, until the next start",
            }
            .to_owned(),
        ),
        ("image idmapped", yes(root.idmap)),
        (
            "hidden paths",
            count(steps, |step| matches!(step, Step::Mask(_))),
        ),
        (
            "read-only paths",
            count(steps, |step| matches!(step, Step::ReadOnlyPath(_))),
        ),
        ("/dev", devices(steps)),
        ("processes at the most", limit("pids.max")),
        ("memory", limit("memory.max")),
        ("resource limits", resource_limits(steps)),
        (
            "own session, no terminal",
            yes(has(|step| matches!(step, Step::NewSession))),
        ),
        (
            "mounts locked (R23)",
            yes(has(|step| matches!(step, Step::EnterUser))),
        ),
    ])
}

const ROWS: [&str; 16] = [
    "own namespaces",
    "ids",
    "capabilities of root",
    "of another user, without `cap_add`",
    "no_new_privs",
    "seccomp filter",
    "root file system",
    "image idmapped",
    "mounts locked (R23)",
    "hidden paths",
    "read-only paths",
    "/dev",
    "processes at the most",
    "memory",
    "resource limits",
    "own session, no terminal",
];

fn namespaces(plan: &LaunchPlan, service: &Service) -> String {
    let spec = namespace_spec(service, BASE);
    let mut names = Vec::new();
    for (flag, name) in [
        (CloneFlags::CLONE_NEWPID, "pid"),
        (CloneFlags::CLONE_NEWNS, "mount"),
        (CloneFlags::CLONE_NEWIPC, "ipc"),
        (CloneFlags::CLONE_NEWUTS, "uts"),
        (CloneFlags::CLONE_NEWCGROUP, "cgroup"),
    ] {
        if plan.namespaces.contains(flag) {
            names.push(name);
        }
    }
    if spec.network {
        names.push("network");
    }
    if spec.id_base.is_some() {
        names.push("user");
    }
    names.join(", ")
}

fn capabilities(steps: &[Step], set: fn(&Credentials) -> u64) -> String {
    let held = steps.iter().find_map(|step| match step {
        Step::Credentials(credentials) => Some(set(credentials)),
        _ => None,
    });
    let held = held.unwrap();
    let all: Vec<Capability> = Capability::all().collect();
    let names: Vec<String> = all
        .iter()
        .filter(|capability| held & (1 << capability.number()) != 0)
        .map(|capability| capability.name())
        .collect();
    match names.len() {
        0 => "none".to_owned(),
        count if count == all.len() => format!("all {count}"),
        _ => names.join(" "),
    }
}

fn count(steps: &[Step], wanted: fn(&Step) -> bool) -> String {
    match steps.iter().filter(|step| wanted(step)).count() {
        0 => "none".to_owned(),
        count => format!("{count}, below"),
    }
}

fn devices(steps: &[Step]) -> String {
    let nodes: Vec<&Place> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Node { path, .. } => Some(path),
            _ => None,
        })
        .collect();
    if nodes.is_empty() {
        return "the machine's".to_owned();
    }
    let names: Vec<_> = nodes
        .iter()
        .map(|place| place.name.to_string_lossy())
        .collect();
    format!("fresh nodes: {}", names.join(" "))
}

fn resource_limits(steps: &[Step]) -> String {
    let limits = steps.iter().filter_map(|step| match step {
        Step::Limit(limit) => Some(format!("{} {}", limit.name, limit.soft)),
        _ => None,
    });
    limits.collect::<Vec<_>>().join(", ")
}

fn flags(flags: MountFlags) -> String {
    let words = [
        (flags.read_only, "ro"),
        (flags.nosuid, "nosuid"),
        (flags.nodev, "nodev"),
        (flags.noexec, "noexec"),
    ];
    let set: Vec<&str> = words
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| *word)
        .collect();
    set.join(" ")
}

/// Where something is mounted: by what and how, for each isolation.
fn mounts() -> String {
    let mut rows: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for isolation in ISOLATIONS {
        for step in plan_of(&service(isolation)).steps {
            let Step::Mount(mount) = step else { continue };
            let what = match &mount.source {
                MountSource::Fresh { fstype, .. } => fstype.to_string_lossy().into_owned(),
                MountSource::Machine { path, .. } => {
                    format!("the machine's {}", path.to_string_lossy())
                }
            };
            let target = format!("/{}", mount.target.to_string_lossy());
            let how = format!("{what} {}", flags(mount.flags));
            rows.entry(target)
                .or_default()
                .insert(isolation, how.trim().to_owned());
        }
    }
    let mut text =
        String::from("| mount | restricted | baseline | privileged |\n|---|---|---|---|\n");
    for (target, columns) in rows {
        let cells = ISOLATIONS.map(|name| columns.get(name).map_or("–", String::as_str));
        writeln!(text, "| `{target}` | {} |", cells.join(" | ")).unwrap();
    }
    text
}

fn paths(wanted: fn(&Step) -> Option<String>) -> String {
    let plans = ["restricted", "baseline"].map(|isolation| {
        let steps = plan_of(&service(isolation)).steps;
        steps.iter().filter_map(wanted).collect::<BTreeSet<_>>()
    });
    let [restricted, baseline] = plans;
    assert_eq!(restricted, baseline, "the page has one list for both");
    restricted.into_iter().collect::<Vec<_>>().join(", ")
}

fn tables() -> String {
    let mut text = String::from("| | restricted | baseline | privileged |\n|---|---|---|---|\n");
    let columns = ISOLATIONS.map(column);
    for row in ROWS {
        let cells = columns.each_ref().map(|column| column[row].as_str());
        writeln!(text, "| {row} | {} |", cells.join(" | ")).unwrap();
    }
    let masked = paths(|step| match step {
        Step::Mask(path) => Some(format!("`/{}`", path.to_string_lossy())),
        _ => None,
    });
    let closed = paths(|step| match step {
        Step::ReadOnlyPath(path) => Some(format!("`/{}`", path.to_string_lossy())),
        _ => None,
    });
    writeln!(text, "\nHidden in restricted and baseline: {masked}.").unwrap();
    writeln!(text, "\nRead-only there: {closed}.\n").unwrap();
    text + &mounts()
}

#[test]
fn the_page_says_what_a_launch_does() {
    assert_eq!(ROWS.len(), column("restricted").len());
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (now, after) = rest.split_once(END).unwrap();
    let tables = format!("\n{}\n", tables());
    if std::env::var_os("ORLOP_BLESS").is_some() {
        fs::write(PAGE, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(now, tables, "docs/isolation.md is not what a launch does");
}
