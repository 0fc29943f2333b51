//! The key table: what may be written in which section of which manifest. The walker follows it,
//! the reference page is printed from it.

mod build;
mod compose;
mod container;
mod form;
mod healthcheck;
mod machine;
mod names;
mod service;
mod shape;
mod supervision;
mod words;

pub use shape::{Form, Shape};
pub(crate) use words::{belongs_to_the_file, nearest_key};

/// One key that a manifest may or may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// How it is written, a line of TOML.
    pub example: &'static str,
    /// Whether it may be written.
    pub support: Support,
}

/// What the reference page says of a supported key besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What may stand as its value.
    pub shape: Shape,
    /// Its default as shown to people; `–` for none.
    pub default: &'static str,
    /// What it does, one line.
    pub about: &'static str,
    /// How Compose has it and how it is here, when that is not the same.
    pub differs: Option<(&'static str, &'static str)>,
}

/// A row of the key table as it is written in these files.
#[derive(Clone, Copy)]
struct Row {
    key: Key,
    column: Column,
}

/// A section's rows in two tables. The walker needs the keys alone, so the linker leaves the columns
/// out of PID 1: half of the table.
struct Table {
    keys: &'static [Key],
    columns: &'static [Column],
}

/// Both tables of a section's rows.
macro_rules! table {
    ($rows:expr) => {{
        const ROWS: &[$crate::keys::Row] = $rows;
        static KEYS: [$crate::keys::Key; ROWS.len()] = $crate::keys::keys_of(ROWS);
        static COLUMNS: [$crate::keys::Column; ROWS.len()] = $crate::keys::columns_of(ROWS);
        $crate::keys::Table {
            keys: &KEYS,
            columns: &COLUMNS,
        }
    }};
}
use table;

/// The rows of `service.toml`, by their files.
const SERVICE: Table = table!({
    const PARTS: [&[Row]; 5] = [
        service::PROGRAM,
        names::NAMES,
        container::CONTAINER,
        supervision::SUPERVISION,
        compose::OTHERS,
    ];
    const COUNT: usize =
        PARTS[0].len() + PARTS[1].len() + PARTS[2].len() + PARTS[3].len() + PARTS[4].len();
    #[expect(
        clippy::large_const_arrays,
        reason = "evaluated by the compiler; a program gets its two halves"
    )]
    const JOINED: [Row; COUNT] = joined(&PARTS);
    &JOINED
});

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn joined<const N: usize>(parts: &[&[Row]]) -> [Row; N] {
    let mut rows = [not_yet("", ""); N];
    let (mut part, mut from, mut at) = (0, 0, 0);
    while at < N {
        while at - from >= parts[part].len() {
            from += parts[part].len();
            part += 1;
        }
        rows[at] = parts[part][at - from];
        at += 1;
    }
    rows
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn keys_of<const N: usize>(rows: &[Row]) -> [Key; N] {
    let mut keys = [not_yet("", "").key; N];
    let mut at = 0;
    while at < N {
        keys[at] = rows[at].key;
        at += 1;
    }
    keys
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn columns_of<const N: usize>(rows: &[Row]) -> [Column; N] {
    let mut columns = [not_yet("", "").column; N];
    let mut at = 0;
    while at < N {
        columns[at] = rows[at].column;
        at += 1;
    }
    columns
}

/// Whether a key may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It may.
    Supported,
    /// Compose has it, Orlop not yet; what to do instead, a fragment.
    NotYet(&'static str),
    /// It may not; the sentence that says why and what to write instead.
    Refused(&'static str),
}

/// A kind of table in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `service.toml` itself.
    Service,
    /// `build` of a service.
    Build,
    /// `build.users.<name>`.
    BuildUser,
    /// An entry of `env_file`.
    EnvFile,
    /// `ulimits.<name>`.
    Ulimit,
    /// `blkio_config`.
    Blkio,
    /// `blkio_config.device_…`.
    BlkioDevice,
    /// `depends_on.<name>`.
    Dependency,
    /// `healthcheck`.
    Healthcheck,
    /// `start_limit`.
    StartLimit,
    /// `schedule`.
    Schedule,
    /// `deploy`.
    Deploy,
    /// `deploy.restart_policy`.
    RestartPolicy,
    /// `deploy.resources`.
    Resources,
    /// `deploy.resources.limits`.
    ResourceLimits,
    /// `deploy.resources.reservations`.
    Reservations,
    /// `system.toml` itself.
    System,
    /// `[kernel]`.
    Kernel,
    /// `[network]`.
    Network,
    /// `[network.links.<name>]`.
    Link,
    /// `[storage]`.
    Storage,
    /// `[access]`.
    Access,
    /// `[watchdog]`.
    Watchdog,
    /// `[volumes.<name>]`.
    Volume,
    /// `driver_opts` of a volume.
    VolumeOptions,
}

impl Section {
    /// Every section, in the order of the reference page.
    pub const ALL: [Section; 25] = [
        Section::Service,
        Section::Build,
        Section::BuildUser,
        Section::EnvFile,
        Section::Ulimit,
        Section::Blkio,
        Section::BlkioDevice,
        Section::Dependency,
        Section::Healthcheck,
        Section::StartLimit,
        Section::Schedule,
        Section::Deploy,
        Section::RestartPolicy,
        Section::Resources,
        Section::ResourceLimits,
        Section::Reservations,
        Section::System,
        Section::Kernel,
        Section::Network,
        Section::Link,
        Section::Storage,
        Section::Access,
        Section::Watchdog,
        Section::Volume,
        Section::VolumeOptions,
    ];

    /// How people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Section::Service => "service.toml",
            Section::Build => "build",
            Section::BuildUser => "build.users.<name>",
            Section::EnvFile => "env_file",
            Section::Ulimit => "ulimits.<name>",
            Section::Blkio => "blkio_config",
            Section::BlkioDevice => "blkio_config.device_…",
            Section::Dependency => "depends_on.<name>",
            Section::Healthcheck => "healthcheck",
            Section::StartLimit => "start_limit",
            Section::Schedule => "schedule",
            Section::Deploy => "deploy",
            Section::RestartPolicy => "deploy.restart_policy",
            Section::Resources => "deploy.resources",
            Section::ResourceLimits => "deploy.resources.limits",
            Section::Reservations => "deploy.resources.reservations",
            Section::System => "system.toml",
            Section::Kernel => "[kernel]",
            Section::Network => "[network]",
            Section::Link => "[network.links.<name>]",
            Section::Storage => "[storage]",
            Section::Access => "[access]",
            Section::Watchdog => "[watchdog]",
            Section::Volume => "[volumes.<name>]",
            Section::VolumeOptions => "[volumes.<name>] driver_opts",
        }
    }

    /// The section's keys, supported ones first.
    #[must_use]
    pub const fn keys(self) -> &'static [Key] {
        self.table().keys
    }

    /// What the reference page and the schema say of each key, in the same order.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        self.table().columns
    }

    const fn table(self) -> Table {
        match self {
            Section::Service => SERVICE,
            Section::Build => build::BUILD,
            Section::BuildUser => build::BUILD_USER,
            Section::EnvFile => container::ENV_FILE,
            Section::Ulimit => container::ULIMIT,
            Section::Blkio => container::BLKIO,
            Section::BlkioDevice => container::BLKIO_DEVICE,
            Section::Dependency => supervision::DEPENDENCY,
            Section::Healthcheck => healthcheck::HEALTHCHECK,
            Section::StartLimit => supervision::START_LIMIT,
            Section::Schedule => supervision::SCHEDULE,
            Section::Deploy => supervision::DEPLOY,
            Section::RestartPolicy => supervision::RESTART_POLICY,
            Section::Resources => container::RESOURCES,
            Section::ResourceLimits => container::RESOURCE_LIMITS,
            Section::Reservations => container::RESERVATIONS,
            Section::System => machine::SYSTEM,
            Section::Kernel => machine::KERNEL,
            Section::Network => machine::NETWORK,
            Section::Link => machine::LINK,
            Section::Storage => machine::STORAGE,
            Section::Access => machine::ACCESS,
            Section::Watchdog => machine::WATCHDOG,
            Section::Volume => machine::VOLUME,
            Section::VolumeOptions => machine::VOLUME_OPTIONS,
        }
    }

    /// The key of that name.
    #[must_use]
    pub fn key(self, name: &str) -> Option<&'static Key> {
        self.keys().iter().find(|key| key.name == name)
    }

    /// What may be written instead of an unknown key.
    pub(crate) fn offer(self) -> String {
        let names: Vec<&str> = supported(self).map(|key| key.name).collect();
        match names.len() {
            0 => "remove it: the section's name alone is enough".to_owned(),
            1 => format!("write {}", names.concat()),
            2..=12 => format!("write one of {}", names.join(", ")),
            _ => "remove it, or look for the right one in docs/manifests.md".to_owned(),
        }
    }
}

fn supported(section: Section) -> impl Iterator<Item = &'static Key> {
    let keys = section.keys().iter();
    keys.filter(|key| key.support == Support::Supported)
}

/// A key that may be written.
const fn key(
    name: &'static str,
    shape: Shape,
    default: &'static str,
    about: &'static str,
    example: &'static str,
) -> Row {
    Row {
        key: Key {
            name,
            example,
            support: Support::Supported,
        },
        column: Column {
            shape,
            default,
            about,
            differs: None,
        },
    }
}

impl Row {
    /// A key that Compose has in another way: how it is there, how it is here.
    const fn unlike_compose(mut self, there: &'static str, here: &'static str) -> Row {
        self.column.differs = Some((there, here));
        self
    }
}

/// A Compose key that is refused by name, with what to do instead.
const fn not_yet(name: &'static str, instead: &'static str) -> Row {
    other(name, Support::NotYet(instead))
}

/// A key that will not be taken, with the sentence that says why.
const fn refused(name: &'static str, reason: &'static str) -> Row {
    other(name, Support::Refused(reason))
}

const fn other(name: &'static str, support: Support) -> Row {
    Row {
        key: Key {
            name,
            example: "",
            support,
        },
        column: Column {
            shape: Shape::Boolean,
            default: "",
            about: "",
            differs: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_section_has_a_key_twice() {
        for section in Section::ALL {
            let mut names: Vec<_> = section.keys().iter().map(|key| key.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), section.keys().len(), "{section:?}");
        }
    }
}
