//! The whole set of manifests checked together: what one file cannot know alone.

mod before_build;
mod conditions;
mod cycles;
mod logins;
mod names;
mod ports;
mod replicas;
mod rescue;
mod room;
mod sources;
mod terminals;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::compact::gather;
use crate::parse::{Draft, MachineDraft, parse_machine, parse_service};
use crate::tree::{Findings, Place, quoted};
use crate::{ConsoleAccess, Diagnostic, Machine, Service, ServiceName, Severity};
pub use before_build::check_before_build;
pub(crate) use logins::{AUTHORIZED_KEYS, lets_people_in};
pub(crate) use replicas::INDEX_VARIABLE;
pub use room::MOST_SERVICES;
pub use sources::{Content, FolderFiles, Sources};

/// What the check found. A broken section of `system.toml` falls back to its defaults; a broken
/// service is left out and named; the rest is good to run.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The machine.
    pub machine: Machine,
    /// The services that can run, each instance of a scaled one by itself.
    pub services: BTreeMap<ServiceName, Service>,
    /// The services that cannot, each with its first error's sentence (the very line that `orlop
    /// check` prints), or with the broken service that it requires.
    pub broken: BTreeMap<String, String>,
    /// Every finding of every file: `system.toml` first, then by service, each in line order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// Whether any finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }
}

/// One service's file on its way through the checks.
struct File<'a> {
    findings: Findings<'a>,
    draft: Draft,
}

type Files<'a> = BTreeMap<ServiceName, File<'a>>;

/// What a check says of files while it reads all of them.
#[derive(Default)]
struct Said(Vec<(ServiceName, Severity, Place, String)>);

impl Said {
    fn error(&mut self, file: &ServiceName, place: &Place, message: String) {
        let entry = (file.clone(), Severity::Error, place.clone(), message);
        self.0.push(entry);
    }

    fn warning(&mut self, file: &ServiceName, place: &Place, message: String) {
        let entry = (file.clone(), Severity::Warning, place.clone(), message);
        self.0.push(entry);
    }

    fn tell(self, files: &mut Files<'_>) {
        for (file, severity, place, message) in self.0 {
            let Some(file) = files.get_mut(&file) else {
                continue;
            };
            match severity {
                Severity::Error => file.findings.error(&place, message),
                Severity::Warning => file.findings.warning(&place, message),
            }
        }
    }
}

/// Parses and checks everything: each file alone, then names across files, cycles, ports.
#[must_use]
pub fn check(sources: &Sources) -> Checked {
    check_with(sources, |_, _| ())
}

/// The same, and what `more` finds in files that have been read.
fn check_with(sources: &Sources, more: impl FnOnce(&Machine, &mut Files<'_>)) -> Checked {
    let (mut machine, mut diagnostics) = machine_of(sources);
    let mut files = Files::new();
    let mut misnamed = Vec::new();
    for (folder, source) in &sources.services {
        let mut findings = Findings::new(source);
        let Some(name) = ServiceName::new(folder) else {
            let message = format!(
                "the folder {} cannot be a service's name; rename it with small letters, digits, - _ and . only, at most 63",
                quoted(folder)
            );
            findings.error(&Place::default(), message);
            misnamed.push((folder.clone(), findings));
            continue;
        };
        let draft = parse_service(&name, &sources.files, &mut findings);
        files.insert(name, File { findings, draft });
    }

    names::check_images(&mut files, &sources.images);
    let unread = sources
        .unreadable
        .keys()
        .filter(|folder| !folder.is_empty());
    let folders = misnamed.iter().map(|(folder, _)| folder).chain(unread);
    let known: BTreeSet<String> = gather(
        files
            .keys()
            .map(ServiceName::as_str)
            .chain(folders.map(String::as_str))
            .map(str::to_owned),
    );
    names::check_services(&mut files, &known, &sources.catalogue);
    names::check_volumes(&mut files, &mut machine);
    ports::check_ports(&mut files);
    let mut said = Said::default();
    replicas::check_names(&files, &known, &mut said);
    conditions::check_conditions(&files, &machine.machine, &mut said);
    terminals::check_terminals(&files, &mut said);
    rescue::check_rescues(&files, &mut said);
    logins::give_access(&mut files, &machine.machine.access, &mut said);
    said.tell(&mut files);
    let cyclic = cycles::check_cycles(&mut files);
    more(&machine.machine, &mut files);
    let scales = replicas::scales(&files);

    let mut broken = BTreeMap::new();
    let mut services = BTreeMap::new();
    let mut by_folder: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    for (folder, findings) in misnamed {
        let found = findings.into_diagnostics();
        broken.extend(first_error(&found).map(|sentence| (folder.clone(), sentence)));
        by_folder.insert(folder, found);
    }
    for (folder, finding) in &sources.unreadable {
        if folder.is_empty() {
            continue;
        }
        broken.insert(folder.clone(), finding.to_string());
        by_folder.insert(folder.clone(), vec![finding.clone()]);
    }
    for (name, file) in files {
        let found = file.findings.into_diagnostics();
        match (first_error(&found), file.draft.service) {
            (Some(sentence), _) => {
                broken.insert(name.to_string(), sentence);
            }
            (None, Some(mut service)) => {
                service.supervision.start_at_boot &= machine.machine.starts(&service);
                services.insert(name.clone(), service);
            }
            (None, None) => {
                broken.insert(
                    name.to_string(),
                    "its service.toml could not be read".to_owned(),
                );
            }
        }
        by_folder.insert(name.to_string(), found);
    }
    if machine.machine.access.console == ConsoleAccess::Off {
        leave_out_consoles(&mut services, &mut broken);
    }
    leave_out_cyclic(&mut services, &mut broken, cyclic);
    leave_out_dependents(&mut services, &mut broken);
    let mut services = replicas::expand(services, &scales);
    if services.len() > MOST_SERVICES {
        room::leave_out_beyond(MOST_SERVICES, &mut services, &mut broken);
        leave_out_dependents(&mut services, &mut broken);
    }
    diagnostics.extend(by_folder.into_values().flatten());
    Checked {
        machine: machine.machine,
        services,
        broken,
        diagnostics,
    }
}

fn machine_of(sources: &Sources) -> (MachineDraft, Vec<Diagnostic>) {
    match &sources.system {
        Some(source) => {
            let mut findings = Findings::new(source);
            let draft = parse_machine(&mut findings);
            (draft, findings.into_diagnostics())
        }
        None => {
            let unreadable = sources.unreadable.get("");
            let draft = MachineDraft {
                machine: Machine::default(),
                volumes_known: unreadable.is_none(),
            };
            (draft, unreadable.cloned().into_iter().collect())
        }
    }
}

fn first_error(diagnostics: &[Diagnostic]) -> Option<String> {
    let mut errors = diagnostics.iter();
    let first = errors.find(|d| d.severity == Severity::Error)?;
    Some(first.to_string())
}

/// Nobody gets the machine's console when the machine says so: no edit of the service is needed.
fn leave_out_consoles(
    services: &mut BTreeMap<ServiceName, Service>,
    broken: &mut BTreeMap<String, String>,
) {
    let console = Path::new("/dev/console");
    services.retain(|name, service| {
        let mut devices = service.devices.iter();
        let holds = devices.any(|device| device.source == console || device.target == console);
        if holds {
            let reason = "[access] console = \"off\" in system.toml".to_owned();
            broken.insert(name.to_string(), reason);
        }
        !holds
    });
}

/// The cycle is told once, at its first service; the others of it are broken by the same sentence.
fn leave_out_cyclic(
    services: &mut BTreeMap<ServiceName, Service>,
    broken: &mut BTreeMap<String, String>,
    cyclic: Vec<(ServiceName, String)>,
) {
    for (name, sentence) in cyclic {
        services.remove(&name);
        broken.entry(name.to_string()).or_insert(sentence);
    }
}

/// What requires a broken service cannot run either, and so on.
fn leave_out_dependents(
    services: &mut BTreeMap<ServiceName, Service>,
    broken: &mut BTreeMap<String, String>,
) {
    let mut dependents: BTreeMap<String, Vec<ServiceName>> = BTreeMap::new();
    for (name, service) in services.iter() {
        let required = service.depends_on.iter().filter(|(_, how)| how.required);
        for (needed, _) in required {
            dependents
                .entry(needed.to_string())
                .or_default()
                .push(name.clone());
        }
    }
    let mut next: Vec<String> = broken.keys().cloned().collect();
    while let Some(needed) = next.pop() {
        for name in dependents.remove(&needed).unwrap_or_default() {
            if services.remove(&name).is_some() {
                broken.insert(
                    name.to_string(),
                    format!("depends on {}, which is broken", quoted(&needed)),
                );
                next.push(name.to_string());
            }
        }
    }
}
