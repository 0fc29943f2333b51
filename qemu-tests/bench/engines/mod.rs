//! Container engines side by side on the workstation itself: create, start and end of a static
//! `true`, from nothing to nothing, one after the other.
//!
//! Every engine is a command that prints the nanoseconds of each launch on a line; all run in a mount
//! namespace in which `/sys/fs/cgroup` is cgroup2, as in a machine. A round runs each of them, in
//! another order each time; ratios are taken within a round. An engine that is not installed, or that
//! this workstation does not let work, is left out by name.

mod oci;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::figures::Spread;
use crate::programs;

/// Runs its arguments where `/sys/fs/cgroup` is cgroup2, and turns off the controllers that an engine
/// has turned on for everybody.
const WRAPPER: &str = "mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 1
control=/sys/fs/cgroup/cgroup.subtree_control
before=$(cat $control)
\"$@\"
status=$?
for controller in $(cat $control); do
    case \" $before \" in *\" $controller \"*) ;; *) echo -$controller >$control ;; esac
done
exit $status";

/// Launches of an engine in a round; the first one, which fills caches, is not counted.
const LAUNCHES: usize = 8;

/// The engine that the others are compared with.
pub(crate) const FLOOR: &str = "the floor";
/// The one that is ours.
pub(crate) const ORLOP: &str = "Orlop";

/// Where everything is that engines need.
#[derive(Debug)]
struct Ground {
    work: PathBuf,
    engine: PathBuf,
}

/// One engine's figures.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) engine: &'static str,
    /// What it has of the same isolation.
    pub(crate) isolation: &'static str,
    /// Milliseconds of a launch: the medians of the rounds.
    pub(crate) launch: Spread,
    /// The same within each round, divided by the floor's.
    pub(crate) to_floor: Spread,
    /// Orlop's within each round, divided by this one's.
    pub(crate) orlop_to: Spread,
}

/// What was measured, and who was left out for which reason.
#[derive(Debug)]
pub(crate) struct Engines {
    pub(crate) rows: Vec<Row>,
    pub(crate) left_out: Vec<String>,
}

/// Name, isolation, command.
type Engine = (&'static str, &'static str, fn(&Ground) -> Vec<OsString>);

const ALL: &str = "all namespaces, cgroup, ids, root, masks, seccomp, devices";
const ENGINES: [Engine; 5] = [
    (FLOOR, ALL, |ground| {
        resident(&ground.work.join("native"), ground)
    }),
    (ORLOP, ALL, |ground| resident(&ground.engine, ground)),
    (
        "bubblewrap",
        "all namespaces, one id, root, seccomp; no cgroup, no masks",
        bubblewrap,
    ),
    ("crun", ALL, |ground| runtime("crun", ground)),
    ("runc", ALL, |ground| runtime("runc", ground)),
];

/// Measures all, `rounds` times. `sources` is this folder, `engine` the example of init/container.
pub(crate) fn measure(
    sources: &Path,
    work: &Path,
    engine: &Path,
    rounds: usize,
) -> Result<Engines> {
    let ground = prepare(sources, &work.join("engines"), engine)?;
    let mut left_out = Vec::new();
    let mut able: Vec<&Engine> = Vec::new();
    for candidate in &ENGINES {
        match once(&ground, candidate) {
            Ok(_) => able.push(candidate),
            Err(error) => left_out.push(format!("{}: {error:#}", candidate.0)),
        }
    }
    let mut samples: Vec<(&'static str, Vec<f64>)> =
        able.iter().map(|engine| (engine.0, Vec::new())).collect();
    for round in 0..rounds {
        let mut order = able.clone();
        order.rotate_left(round % able.len().max(1));
        for engine in order {
            let ms = once(&ground, engine)?;
            let mine = samples.iter_mut().find(|(name, _)| *name == engine.0);
            mine.context("an engine without samples")?.1.push(ms);
        }
    }
    let of = |name: &str| {
        let mine = samples.iter().find(|(engine, _)| *engine == name);
        mine.map(|(_, values)| values.as_slice())
            .unwrap_or_default()
    };
    let ratio = |over: &[f64], under: &[f64]| {
        Spread::of(over.iter().zip(under).map(|(over, under)| over / under))
    };
    let rows = able.iter().map(|(engine, isolation, _)| {
        let values = of(engine);
        Ok(Row {
            engine,
            isolation,
            launch: Spread::of(values.iter().copied()).context("no round")?,
            to_floor: ratio(values, of(FLOOR)).context("no floor")?,
            orlop_to: ratio(of(ORLOP), values).context("no Orlop")?,
        })
    });
    Ok(Engines {
        rows: rows.collect::<Result<_>>()?,
        left_out,
    })
}

/// The image, the programs and the OCI bundle.
fn prepare(sources: &Path, work: &Path, engine: &Path) -> Result<Ground> {
    let rootfs = work.join("images/bench");
    for folder in ["bin", "dev", "etc", "proc", "run", "sys", "tmp"] {
        fs::create_dir_all(rootfs.join(folder)).context("make the image")?;
    }
    fs::create_dir_all(work.join("staging")).context("make staging")?;
    // The engines' users are others.
    for folder in [work, &work.join("images"), &rootfs] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).context("chmod")?;
    }
    let native = sources.join("floor-native");
    programs::compile(&[native.join("true.c")], &rootfs.join("bin/true"))?;
    programs::compile(&[native.join("timer.c")], &work.join("timer"))?;
    let floor = [
        native.join("native.c"),
        sources.join("floor/devices.c"),
        sources.join("floor/filesystem.c"),
        sources.join("floor/service.c"),
    ];
    programs::compile(&floor, &work.join("native"))?;
    let filter = Command::new(work.join("native")).arg("filter").output();
    fs::write(
        work.join("filter.bpf"),
        filter.context("start native")?.stdout,
    )
    .context("write the filter")?;
    oci::bundle(work)?;
    ensure!(
        engine.exists(),
        "{} is missing: `make bench` builds it",
        engine.display()
    );
    Ok(Ground {
        work: work.to_owned(),
        engine: engine.to_owned(),
    })
}

/// The median of one engine's launches in milliseconds.
fn once(ground: &Ground, (name, _, command): &Engine) -> Result<f64> {
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", WRAPPER, "sh"])
        .args(command(ground))
        .output()
        .context("start unshare")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}", said.lines().next_back().unwrap_or("not installed"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let launches = text.lines().skip(1).map(str::parse::<f64>);
    let launches: Vec<f64> = launches.collect::<Result<_, _>>().context("a number")?;
    let spread = Spread::of(launches.into_iter().map(|nanoseconds| nanoseconds / 1e6));
    Ok(spread
        .with_context(|| format!("{name} printed nothing"))?
        .median)
}

/// An engine that stays and launches from within, as PID 1 does.
fn resident(program: &Path, ground: &Ground) -> Vec<OsString> {
    let folder = |name: &str| ground.work.join(name).into_os_string();
    vec![
        program.into(),
        folder("images"),
        folder("staging"),
        "/sys/fs/cgroup".into(),
        LAUNCHES.to_string().into(),
    ]
}

fn timed(ground: &Ground, file: &Path, words: &[&str]) -> Vec<OsString> {
    let timer = ground.work.join("timer");
    let mut all = vec![timer.into(), LAUNCHES.to_string().into(), file.into()];
    all.extend(words.iter().map(OsString::from));
    all
}

fn bubblewrap(ground: &Ground) -> Vec<OsString> {
    let image = ground.work.join("images/bench");
    let image = image.to_string_lossy();
    let words = [
        "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--cap-drop",
        "ALL",
        "--ro-bind",
        &image,
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--tmpfs",
        "/run",
        "--seccomp",
        "9",
        "/bin/true",
    ];
    timed(ground, &ground.work.join("filter.bpf"), &words)
}

fn runtime(name: &str, ground: &Ground) -> Vec<OsString> {
    let bundle = ground.work.join("bundle");
    let root = ground.work.join(name);
    let (bundle, root) = (bundle.to_string_lossy(), root.to_string_lossy());
    let words = [
        name,
        "--root",
        &root,
        "run",
        "--bundle",
        &bundle,
        "orlop-bench",
    ];
    timed(ground, Path::new("/dev/null"), &words)
}
