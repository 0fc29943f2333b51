//! Control calls: what goes to the supervisor, what PID 1 knows itself, what goes on to `log`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;

use orlop_config::{Service, ServiceName, nearest};
use orlop_control::server::{Access, Call, HandOver, Incoming, Reply, Responder, serve};
use orlop_control::{
    ControlError, ExecRequest, Lease, LinkAddress, Listing, LogsCall, MachineInfo, ServiceInfo,
};
use orlop_supervisor::{Event, Request, ServiceState, Shutdown};
use tokio::net::UnixListener;

use super::asked::{Asked, Held};
use super::network_stage::keep_resolv_conf;
use super::service_info::{broken_info, service_info};
use super::time_adjust;
use super::{Machine, state_watch};
use crate::boot::kernel_release;
use crate::clock::boottime;
use crate::logs::LogMessage;
use crate::report::uptime_ms;
use crate::running::{Shared, Unit, exec};
use crate::stage::chain;
use orlop_config::compact::sort_by;

/// Whether one service is stopped before another when both are: it depends on it, or comes after it.
fn goes_first(service: &Service, on: &Service) -> bool {
    service.depends_on.contains_key(&on.name)
        || service.supervision.after.contains(&on.name)
        || on.supervision.before.contains(&service.name)
}

/// Listens for PID 1's own kin: root of the machine.
pub(crate) fn listen_for_root(shared: &Rc<Shared>) {
    let path = Path::new(orlop_control::CONTROL_SOCKET);
    match bind(path) {
        Ok(listener) => {
            crate::task::spawn(serve(listener, Access::root(), shared.calls.clone()));
        }
        Err(error) => shared.report.warn(&format!(
            "listening at {}: {}",
            path.display(),
            chain(&error)
        )),
    }
}

/// A listener at a path that only root can reach (rule R13).
pub(crate) fn bind(path: &Path) -> std::io::Result<UnixListener> {
    // Of a launch before this one.
    let _absent = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Machine {
    pub(super) fn request(&mut self, incoming: Incoming) {
        let Incoming { call, reply, .. } = incoming;
        match call {
            Call::List => reply.ok(Reply::List(Listing {
                services: self.list(),
                notices: self.notices(),
            })),
            Call::Boot => reply.ok(Reply::Boot(self.boot_times())),
            Call::Start { names } => self.ask(&names, reply, Request::Start),
            Call::Stop { names } => self.ask(&names, reply, Request::Stop),
            Call::Restart { names } => self.ask(&names, reply, Request::Restart),
            Call::Kill { name, signal } => {
                let kill = |service| Request::Kill(service, signal);
                self.ask(&[name], reply, kill);
            }
            Call::Exec(call) => self.exec(call, reply),
            Call::Logs(hand_over) => self.hand_over(hand_over),
            Call::Info => self.info(reply),
            Call::Booted if self.booted_at.is_zero() => self.waiting_for_boot.push(reply),
            Call::Booted => reply.ok(Reply::Done {}),
            Call::PowerOff => self.end_by_call(reply, Shutdown::PowerOff),
            Call::Reboot => self.end_by_call(reply, Shutdown::Reboot),
            Call::Halt => self.end_by_call(reply, Shutdown::Halt),
            Call::Lease(lease) => self.lease(lease, reply),
            Call::Adjust(adjustment) => {
                let epoch = self.shared.info.epoch;
                let adjusted = time_adjust::adjust(adjustment, epoch, &mut self.slew_limit);
                reply.answer(adjusted.map(|()| Reply::Done {}).map_err(|error| {
                    ControlError::InvalidParameter {
                        parameter: chain(&error),
                    }
                }));
            }
        }
    }

    /// All at once, but for stops, which wait for who depends on the service. A name that is nobody's
    /// refuses all.
    fn ask(
        &mut self,
        names: &[String],
        reply: Responder,
        request: impl Fn(ServiceName) -> Request,
    ) {
        let mut services = BTreeSet::new();
        for name in names {
            match self.addressed(name) {
                Ok(meant) => services.extend(meant),
                Err(error) => return reply.err(error),
            }
        }
        let asked = Rc::new(Asked {
            reply: RefCell::new(Some(reply)),
            left: Cell::new(services.len()),
            failed: RefCell::new(None),
        });
        let open = |service| (self.requests.open(&service, &asked), service);
        let opened: Vec<(u64, ServiceName)> = services.into_iter().map(open).collect();
        let mut at_once = Vec::new();
        for (id, service) in &opened {
            let (id, request) = (*id, request(service.clone()));
            let after = match request {
                Request::Stop(_) => self.going_first(service, &opened),
                _ => Vec::new(),
            };
            if after.is_empty() {
                at_once.push(Event::Request { request, id });
            } else {
                let service = service.clone();
                self.requests.held.push(Held { service, id, after });
            }
        }
        for event in at_once {
            self.step(event);
        }
    }

    /// Those that are stopped before the service.
    fn going_first(&self, service: &ServiceName, among: &[(u64, ServiceName)]) -> Vec<u64> {
        let Some(on) = self.units.get(service) else {
            return Vec::new();
        };
        let first = among.iter().filter(|(_, other)| {
            let unit = self.units.get(other);
            unit.is_some_and(|unit| goes_first(&unit.service, &on.service))
        });
        first.map(|(id, _)| *id).collect()
    }

    fn exec(&mut self, call: HandOver<ExecRequest>, reply: Responder) {
        let services = match self.addressed(&call.request.name) {
            Ok(services) => services,
            Err(error) => return drop(call.refuse(&error)),
        };
        let units = || services.iter().filter_map(|name| self.units.get(name));
        // Of several instances, one that can be entered.
        let Some(unit) = units().find(|unit| unit.is_running()).or(units().next()) else {
            return;
        };
        self.requests.execs += 1;
        let exec = exec(
            self.shared.clone(),
            unit.clone(),
            call,
            self.requests.execs,
            reply,
        );
        crate::task::spawn(exec);
    }

    /// The service of that name, or all instances of a scaled one.
    ///
    /// # Errors
    /// When there is none, or it is left out.
    fn addressed(&self, name: &str) -> Result<Vec<ServiceName>, ControlError> {
        if let Some(reason) = self.shared.broken.get(name) {
            return Err(ControlError::Failed {
                name: name.to_owned(),
                reason: reason.clone(),
            });
        }
        let is_meant = |unit: &&Unit| {
            let service = &unit.service;
            let replica = service.supervision.replica.as_ref();
            let of = replica.map(|replica| replica.of.as_str());
            service.name.as_str() == name || of == Some(name)
        };
        let meant = self.units.values().filter(is_meant);
        let meant: Vec<_> = meant.map(|unit| unit.service.name.clone()).collect();
        match meant.is_empty() {
            true => Err(self.no_such_service(name)),
            false => Ok(meant),
        }
    }

    /// The caller is answered before it is stopped itself.
    fn end_by_call(&mut self, reply: Responder, kind: Shutdown) {
        reply.ok(Reply::Done {});
        self.shut_down(kind);
    }

    fn hand_over(&mut self, hand_over: HandOver<LogsCall>) {
        let asked = hand_over.request.parameters.name.as_deref();
        let unknown = asked.filter(|name| !self.names().any(|known| known == *name));
        if let Some(error) = unknown.map(|name| self.no_such_service(name)) {
            let _client_gone = hand_over.refuse(&error);
            return;
        }
        let left_out = asked.and_then(|name| self.shared.broken.get_key_value(name));
        if let Some((name, reason)) = left_out {
            let _client_gone = hand_over.refuse(&ControlError::Failed {
                name: name.clone(),
                reason: format!("has no log, it is left out: {reason}"),
            });
            return;
        }
        let reader = self.units.values().find(|unit| unit.reads_logs());
        let is_up = reader.is_some_and(|unit| {
            self.supervisor
                .status(&unit.service.name)
                .is_some_and(|status| status.state == ServiceState::Up)
        });
        if !is_up {
            let reason = match reader {
                Some(_) => "it does not run; `orlop start` it",
                None => "no service of this machine has control = [\"log.streams\"]",
            };
            let _client_gone = hand_over.refuse(&ControlError::Failed {
                name: reader
                    .map_or("log", |unit| unit.service.name.as_str())
                    .to_owned(),
                reason: reason.to_owned(),
            });
            return;
        }
        self.shared.logs.tell(LogMessage::Read {
            request: hand_over.request,
            client: OwnedFd::from(hand_over.stream),
        });
    }

    /// Every service that has a manifest, a broken one too.
    fn names(&self) -> impl Iterator<Item = &str> {
        let units = self.units.keys().map(ServiceName::as_str);
        units.chain(self.shared.broken.keys().map(String::as_str))
    }

    fn no_such_service(&self, name: &str) -> ControlError {
        ControlError::NoSuchService {
            name: name.to_owned(),
            nearest: nearest(name, self.names())
                .or_else(|| self.first_instance(name))
                .map(str::to_owned),
        }
    }

    /// The first instance of a service that is there only as several.
    fn first_instance(&self, name: &str) -> Option<&str> {
        let unit = self.units.values().find(|unit| {
            let replica = unit.service.supervision.replica.as_ref();
            replica.is_some_and(|replica| replica.of.as_str() == name)
        })?;
        Some(unit.service.name.as_str())
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = self.shared.notices.list();
        notices.extend(state_watch::full(&self.shared));
        notices
    }

    fn list(&self) -> Vec<ServiceInfo> {
        let now = boottime();
        let mut services: Vec<ServiceInfo> = self
            .units
            .values()
            .filter_map(|unit| {
                let status = self.supervisor.status(&unit.service.name)?;
                Some(service_info(unit, status, now))
            })
            .chain(
                self.shared
                    .broken
                    .iter()
                    .map(|(name, reason)| broken_info(name, reason)),
            )
            .collect();
        sort_by(&mut services, |a, b| a.name.cmp(&b.name));
        services
    }

    fn info(&self, reply: Responder) {
        let kernel = kernel_release();
        let shared = self.shared.clone();
        let hostname = shared.machine.hostname.clone();
        crate::task::spawn(async move {
            let addresses = shared.network.addresses().await.unwrap_or_default();
            let addresses = addresses
                .into_iter()
                .map(|on| LinkAddress {
                    link: on.link.to_string(),
                    address: on.address,
                    prefix_length: on.prefix_length,
                })
                .collect();
            reply.ok(Reply::Info(MachineInfo {
                hostname,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                kernel,
                uptime_ms: uptime_ms(),
                addresses,
            }));
        });
    }

    fn lease(&self, lease: Lease, reply: Responder) {
        let shared = self.shared.clone();
        crate::task::spawn(async move {
            let applied = shared.network.apply_lease(lease).await;
            keep_resolv_conf(shared).await;
            reply.answer(match applied {
                Ok(()) => Ok(Reply::Done {}),
                Err(error) => Err(ControlError::InvalidParameter {
                    parameter: chain(&error),
                }),
            });
        });
    }
}
