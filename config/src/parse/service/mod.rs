//! `service.toml`: every key that the key table supports, one function each.

mod blkio;
mod build;
mod capabilities;
mod depends_on;
mod env_file;
mod environment;
mod given;
mod image;
mod limits;
mod lists;
mod names;
mod namespaces;
mod network;
mod ports;
mod process;
mod span;
mod supervision;
mod sysctls;
mod tmpfs;
mod ulimits;
mod volumes;

pub(crate) use environment::{Truth, pairs, table};
pub(crate) use image::make as build_for;
pub(super) use lists::{below_dev, control};
pub(super) use process::choice;
pub(super) use span::span;
pub(crate) use supervision::Ordered;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::check::FolderFiles;
use crate::keys::Section;
use crate::tree::{Document, Fields, Findings, Place};
use crate::{
    Dependency, ImageName, Isolation, NetworkMode, PublishedPort, Service, ServiceName, UsernsMode,
    VolumeName,
};

/// What one `service.toml` says, as far as it could be read, with the places of the names and
/// ports that only the other files can judge.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// `image`, or the service's own name when it has a `build`.
    pub(crate) image: Option<(ImageName, Place)>,
    /// Whether `build` is written, readable or not.
    pub(crate) builds: bool,
    /// `depends_on`.
    pub(crate) depends_on: Vec<(ServiceName, Dependency, Place)>,
    /// `ports`, ranges expanded.
    pub(crate) ports: Vec<(PublishedPort, Place)>,
    /// The sources of `devices`.
    pub(crate) devices: Vec<(PathBuf, Place)>,
    /// The named volumes.
    pub(crate) volumes: Vec<(VolumeName, Place)>,
    /// `after` and `before`.
    pub(crate) order: Vec<Ordered>,
    /// `on_failure = "start:name"`.
    pub(crate) rescue: Option<(ServiceName, Place)>,
    /// `scale`, when written: how many instances.
    pub(crate) scale: Option<(u32, Place)>,
    /// Whether `hostname` is written, so that instances share it.
    pub(crate) names_host: bool,
    /// The service, when enough could be read; of use only when the file has no error.
    pub(crate) service: Option<Service>,
}

impl Draft {
    /// How many instances it has.
    pub(crate) fn instances(&self) -> u32 {
        self.scale.as_ref().map_or(1, |(count, _)| *count)
    }
}

/// Reads the `service.toml` of the service called `name`.
pub(crate) fn parse_service(
    name: &ServiceName,
    files: &FolderFiles,
    findings: &mut Findings<'_>,
) -> Draft {
    let document = Document::parse(findings);
    let syntax_errors = findings.len();
    let draft = read(name, &document, files, findings);
    findings.drop_echoes(syntax_errors, document.swallowed_from);
    draft
}

fn read(
    name: &ServiceName,
    document: &Document<'_>,
    files: &FolderFiles,
    findings: &mut Findings<'_>,
) -> Draft {
    let fields = Fields::read(&document.table, Section::Service, "", findings);
    let head = fields.first().cloned().unwrap_or_default();

    let builds = fields.get("build").is_some();
    let build = fields
        .get("build")
        .and_then(|node| build::build(node, findings));
    // One service's keys in a table of a whole project's: nothing is missing but the place.
    let whole = document.whole && !fields.meant(&["services", "service"]);
    let image = image::image(name, &fields, whole, &head, findings);

    let entrypoint = fields
        .get("entrypoint")
        .map(|n| process::arguments(n, findings));
    let command = fields
        .get("command")
        .map(|n| process::arguments(n, findings));
    let nothing = |list: &Option<Option<Vec<String>>>| match list {
        None => true,
        Some(list) => list.as_ref().is_some_and(Vec::is_empty),
    };
    if whole
        && nothing(&entrypoint)
        && nothing(&command)
        && !fields.meant(&["command", "entrypoint"])
    {
        let place = fields
            .place("command")
            .or(fields.place("entrypoint"))
            .unwrap_or(&head);
        let place = Place {
            span: place.span.clone(),
            key: "command".to_owned(),
        };
        findings.error(
            &place,
            "is missing or empty, and no image has a default one; write command = [\"/usr/bin/program\", \"argument\"]",
        );
    }

    let isolation = fields
        .get("isolation")
        .and_then(|n| process::isolation(n, findings));
    let isolation = given::privileged(&fields, isolation, findings);
    given::check(name, &fields, findings);
    let userns = fields
        .get("userns_mode")
        .and_then(|n| network::userns_mode(n, findings));
    // Privileged is what Docker means by it: no user namespace.
    let userns_mode = match isolation {
        Isolation::Privileged => UsernsMode::Host,
        _ => userns.unwrap_or_default(),
    };
    let network_mode = fields
        .get("network_mode")
        .and_then(|n| network::network_mode(n, findings))
        .unwrap_or_default();
    let ports = ports_of(&fields, network_mode, findings);
    let volumes = fields
        .get("volumes")
        .map(|n| volumes::volumes(n, findings))
        .unwrap_or_default();
    let tmpfs = fields
        .get("tmpfs")
        .and_then(|n| tmpfs::tmpfs(n, findings))
        .unwrap_or_default();
    volumes::refuse_shared_targets(&volumes, &tmpfs, findings);
    let depends_on = fields
        .get("depends_on")
        .map(|n| depends_on::depends_on(n, findings))
        .unwrap_or_default();

    let devices = fields
        .get("devices")
        .and_then(|n| lists::devices(n, findings))
        .unwrap_or_default();
    let resolver = names::resolver(&fields, findings);
    let supervised = supervision::supervised(&fields, findings);
    let user = fields
        .get("user")
        .and_then(|n| process::user(n, userns_mode, findings));
    let limits = limits::limits(&fields, findings);
    let host_namespaces = namespaces::host_namespaces(&fields, userns_mode, findings);
    let capabilities = capabilities::capabilities(&fields, isolation, findings);
    // Every key is read even when the image could not be: all errors are told in one go.
    let run = match &image {
        Some((image, _)) => Some(image.clone()),
        None => ImageName::new(name.as_str()),
    };
    let service = run.map(|image| Service {
        name: name.clone(),
        image,
        build,
        entrypoint: entrypoint.flatten().unwrap_or_default(),
        command: command.flatten().unwrap_or_default(),
        environment: environment_of(name, &fields, files, findings),
        user: user.unwrap_or_else(process::root),
        working_dir: fields
            .get("working_dir")
            .and_then(|n| process::working_dir(n, findings))
            .unwrap_or_else(|| "/".into()),
        hostname: fields
            .get("hostname")
            .and_then(|n| super::machine::hostname(n, findings))
            .unwrap_or_else(|| name.to_string()),
        domainname: fields
            .get("domainname")
            .and_then(|n| super::machine::hostname(n, findings)),
        extra_hosts: fields
            .get("extra_hosts")
            .and_then(|n| names::extra_hosts(n, findings))
            .unwrap_or_default(),
        resolver,
        volumes: volumes.iter().map(|(mount, _)| mount.clone()).collect(),
        tmpfs: tmpfs.into_iter().map(|(mount, _)| mount).collect(),
        read_only: fields
            .get("read_only")
            .and_then(|n| n.boolean(findings))
            .unwrap_or(isolation == Isolation::Restricted),
        ports: ports.iter().map(|(port, _)| *port).collect(),
        network_mode,
        userns_mode,
        depends_on: depends_on
            .iter()
            .map(|(name, how, _)| (name.clone(), *how))
            .collect(),
        restart: supervised.restart,
        stop_signal: fields
            .get("stop_signal")
            .and_then(|n| process::stop_signal(n, findings))
            .unwrap_or(crate::Signal::TERM),
        stop_grace_period: fields
            .get("stop_grace_period")
            .and_then(|n| span(n, Duration::ZERO, findings))
            .unwrap_or(process::GRACE),
        capabilities: capabilities.held,
        added_capabilities: capabilities.added,
        mem_limit: limits.mem_limit,
        milli_cpus: limits.milli_cpus,
        pids_limit: limits.pids_limit,
        devices: devices.iter().map(|(device, _)| device.clone()).collect(),
        init: fields
            .get("init")
            .and_then(|n| n.boolean(findings))
            .unwrap_or_default(),
        isolation,
        group_add: fields
            .get("group_add")
            .and_then(|n| process::groups(n, userns_mode, findings))
            .unwrap_or_default(),
        host_namespaces,
        no_new_privileges: given::no_new_privileges(&fields, isolation, findings),
        sysctls: fields
            .get("sysctls")
            .map(|n| sysctls::sysctls(n, network_mode, host_namespaces, findings))
            .unwrap_or_default(),
        ulimits: fields
            .get("ulimits")
            .and_then(|n| ulimits::ulimits(n, isolation, findings))
            .unwrap_or_default(),
        shm_size: shm_size(&fields, isolation, findings).unwrap_or(SHM_SIZE),
        oom_score_adj: fields
            .get("oom_score_adj")
            .and_then(|n| limits::oom_score_adj(n, isolation, findings)),
        resources: limits.resources,
        labels: fields
            .get("labels")
            .map(|n| table(pairs(n, Truth::Text, findings)))
            .unwrap_or_default(),
        profiles: fields
            .get("profiles")
            .and_then(|n| n.strings(findings))
            .unwrap_or_default(),
        control: fields
            .get("control")
            .and_then(|n| control(n, findings))
            .unwrap_or_default(),
        supervision: supervised.supervision,
    });
    Draft {
        image,
        builds,
        depends_on,
        ports,
        devices: devices
            .into_iter()
            .map(|(device, place)| (device.source, place))
            .collect(),
        volumes: volumes::named(&volumes),
        order: supervised.order,
        rescue: supervised.rescue,
        scale: supervised.scale,
        names_host: fields.get("hostname").is_some(),
        service,
    }
}

/// `shm_size` when it is not written: Docker's.
const SHM_SIZE: u64 = 64 << 20;

/// `environment` over the files of `env_file`.
fn environment_of(
    name: &ServiceName,
    fields: &Fields<'_>,
    files: &FolderFiles,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let mut variables = fields
        .get("env_file")
        .map(|n| env_file::variables(n, name, files, findings))
        .unwrap_or_default();
    if let Some(node) = fields.get("environment") {
        variables.extend(environment::environment(node, findings));
    }
    variables
}

/// `shm_size`, of a service with a `/dev` of its own.
fn shm_size(fields: &Fields<'_>, isolation: Isolation, findings: &mut Findings<'_>) -> Option<u64> {
    let node = fields.get("shm_size")?;
    if isolation == Isolation::Privileged {
        node.error(
            findings,
            "a privileged service has the machine's /dev with its /dev/shm; remove it",
        );
    }
    limits::bytes(node, 1, findings)
}

/// `ports`, which only a service with a network of its own behind the bridge can have.
fn ports_of(
    fields: &Fields<'_>,
    mode: NetworkMode,
    findings: &mut Findings<'_>,
) -> Vec<(PublishedPort, Place)> {
    let Some(node) = fields.get("ports") else {
        return Vec::new();
    };
    let ports = ports::ports(node, findings);
    let why = match mode {
        NetworkMode::Bridge => return ports,
        _ if ports.is_empty() => return ports,
        NetworkMode::Host => "already has the machine's ports with network_mode = \"host\"",
        NetworkMode::None => "cannot be published with network_mode = \"none\"",
    };
    node.error(
        findings,
        format!("the service {why}; remove ports or network_mode"),
    );
    Vec::new()
}
