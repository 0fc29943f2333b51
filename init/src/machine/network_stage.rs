//! Stage `network`: in the background of the boot. Services that need it wait for it, nobody else.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use orlop_config::NetworkMode;
use orlop_supervisor::{Event, Request, ServiceState};
use serde_json::json;
use tokio::sync::mpsc;

use super::{LoopEvent, Machine};
use crate::clock::boottime;
use crate::network::{NetworkEvent, PublishedService};
use crate::running::{Shared, settled};
use crate::stage::{Stage, chain};
use crate::stages::kernel_modules::{SYSTEM_MODULES, load_batch};

/// How long the first launches go before the modules of a network that no service waits for.
const HEAD_START: Duration = Duration::from_secs(2);

/// Loads what the network needs, brings it up with everything that is published, says how it went.
pub(super) async fn run(
    shared: Rc<Shared>,
    published: Vec<PublishedService>,
    mut news: mpsc::UnboundedReceiver<NetworkEvent>,
) {
    let bridged = |service: &PublishedService| service.network_mode == NetworkMode::Bridge;
    if !published.iter().any(bridged) {
        // Nobody waits for the network but its own services: the others' launches go first, as far
        // as they are not held up by something else.
        let mut launches = shared.early_launches.subscribe();
        let done = launches.wait_for(|waiting| *waiting == 0);
        let _held_up = tokio::time::timeout(HEAD_START, done).await;
    }
    let started = boottime();
    let mut degraded = Vec::new();
    let modules = Path::new(SYSTEM_MODULES);
    let (report, reaper) = (&shared.report, &shared.reaper);
    let names = &shared.info.modules.network;
    if let Err(reason) = load_batch(report, reaper, modules, "network", names).await {
        degraded.push(reason);
    }
    shared.network_loaded.send_replace(true);
    let network = &shared.network;
    // Told before `bring_up`, so that the rules are loaded once.
    for result in [network.publish(published).await, network.bring_up().await] {
        if let Err(error) = result {
            degraded.push(chain(&error));
        }
    }
    shared.report.stage(
        Stage::Network,
        boottime().saturating_sub(started),
        &degraded,
    );
    shared.network_settled.send_replace(true);
    while let Some(event) = news.recv().await {
        let _loop_never_ends = shared.events.send(LoopEvent::Network(event));
    }
}

impl Machine {
    /// What is published by the services of this machine.
    pub(super) fn published(&self) -> Vec<PublishedService> {
        self.units
            .values()
            .map(|unit| PublishedService {
                service: unit.service.name.clone(),
                network_mode: unit.service.network_mode,
                ports: unit.service.ports.clone(),
            })
            .collect()
    }

    pub(super) fn network_event(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::AddressAdded(address) => {
                let text = format!("{}/{}", address.address, address.prefix_length);
                // Once the boot is over the console belongs to whoever works there.
                if self.booted_at.is_zero() {
                    self.show_moment(address.link.as_str(), &text);
                } else {
                    self.shared
                        .report
                        .record(&format!("{} {text}", address.link.as_str()));
                }
                self.shared.report.event(&json!({
                    "event": "network",
                    "link": address.link.as_str(),
                    "address": text,
                }));
            }
            NetworkEvent::DhcpLinksChanged => {
                crate::task::spawn(compare_links(self.shared.clone()));
            }
            NetworkEvent::ReachChanged(reach) => {
                for event in self.needs.reached(&reach) {
                    self.step(event);
                }
                return;
            }
            _ => {}
        }
        crate::task::spawn(keep_resolv_conf(self.shared.clone()));
    }

    /// Restarts the holders of `network.lease` whose sockets are not those of the links any more.
    pub(super) fn dhcp_links(&mut self, links: &[String]) {
        let stale: Vec<_> = self
            .units
            .values()
            .filter(|unit| unit.has_other_dhcp_links(links))
            .map(|unit| unit.service.name.clone())
            .collect();
        for service in stale {
            let is_up = self
                .supervisor
                .status(&service)
                .is_some_and(|status| status.state == ServiceState::Up);
            if is_up {
                // Nobody waits for the answer: the id is no one's.
                let request = Request::Restart(service);
                self.step(Event::Request { request, id: 0 });
            }
        }
    }
}

async fn compare_links(shared: Rc<Shared>) {
    settled(&shared.network_settled).await;
    if let Ok(links) = shared.network.dhcp_links().await {
        let links = links.iter().map(ToString::to_string).collect();
        let _loop_never_ends = shared.events.send(LoopEvent::DhcpLinks(links));
    }
}

/// Tells the resolvers to those who read them.
pub(super) async fn keep_resolv_conf(shared: Rc<Shared>) {
    if let Ok(resolvers) = shared.network.resolvers().await {
        shared.names.follow(&resolvers, &shared.report);
    }
}
