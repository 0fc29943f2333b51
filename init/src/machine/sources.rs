//! What runs beside the loop and only sends it events: signals, the power button, devices that come.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use orlop_supervisor::Shutdown;
use tokio::io::Interest;
use tokio::sync::mpsc;

use super::{LoopEvent, requests};
use crate::clock::boottime;
use crate::ports;
use crate::running::{Shared, settled};
use crate::signals;
use crate::stage::chain;
use crate::stages::devices;
use crate::stages::kernel_modules::{SYSTEM_MODULES, load_batch};
use crate::watched::watch;

/// How long services wait for granted devices that do not appear.
const DEVICES: Duration = Duration::from_secs(2);

/// Everything that runs beside the loop and only sends it events.
pub(super) fn start_sources(
    shared: &Rc<Shared>,
    events: &mpsc::UnboundedSender<LoopEvent>,
    wanted: Vec<PathBuf>,
) {
    match signals::shutdown_requests() {
        Ok(streams) => {
            for (mut stream, kind) in streams {
                let events = events.clone();
                tokio::task::spawn_local(async move {
                    loop {
                        stream.recv().await;
                        let _loop_never_ends = events.send(LoopEvent::Shutdown(kind));
                    }
                });
            }
        }
        Err(error) => shared
            .report
            .warn(&format!("catching signals: {}", chain(&error))),
    }
    // Ctrl-Alt-Del sends SIGINT instead of resetting at once (reboot(2), LINUX_REBOOT_CMD_CAD_OFF).
    let _absent_in_a_container = orlop_sys::power::route_ctrl_alt_del_to_init();
    tokio::task::spawn_local(machine_devices(shared.clone(), wanted));
    requests::listen_for_root(shared);
}

/// The batch `machine`: ports and the power button, off the path of the services. Modules load one
/// after the other in the kernel, and more services wait for the network's.
///
/// The host names a port some time after its driver is there, so uevents are listened to from before
/// the load on, for good.
async fn machine_devices(shared: Rc<Shared>, wanted: Vec<PathBuf>) {
    settled(&shared.network_loaded).await;
    let uevents = orlop_sys::uevent::open()
        .ok()
        .and_then(|socket| watch(socket, Interest::READABLE).ok());
    let modules = Path::new(SYSTEM_MODULES);
    let (report, reaper) = (&shared.report, &shared.reaper);
    let names = &shared.info.modules.machine;
    if let Err(reason) = load_batch(report, reaper, modules, "machine", names).await {
        shared.report.warn(&reason);
    }
    let mut events_port = Some(Path::new(ports::PORTS).join(ports::EVENTS_PORT));
    let deadline = boottime() + DEVICES;
    let button = ports::power_button();
    tokio::pin!(button);
    loop {
        if let Err(error) = ports::link_ports() {
            shared
                .report
                .warn(&format!("naming virtio ports: {}", chain(&error)));
        }
        if let Some(port) = events_port.take_if(|port| port.exists()) {
            shared.report.open_events(&port);
        }
        let late = deadline.saturating_sub(boottime());
        if late.is_zero() || wanted.iter().all(|device| device.exists()) {
            shared.devices_settled.send_replace(true);
        }
        let settled = *shared.devices_settled.borrow();
        tokio::select! {
            () = devices::changed(uevents.as_ref()) => {}
            () = tokio::time::sleep(late), if !settled => {}
            () = &mut button => {
                let _loop_never_ends = shared.events.send(LoopEvent::Shutdown(Shutdown::PowerOff));
                return;
            }
        }
    }
}
