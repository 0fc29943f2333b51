//! Devices after the boot's own: the batch `machine`, drivers for what the build did not foresee,
//! the power button, the watchdog.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use orlop_supervisor::Shutdown;
use tokio::io::Interest;
use tokio::sync::Notify;

use super::LoopEvent;
use crate::boot::open_console;
use crate::clock::boottime;
use crate::drivers;
use crate::ports;
use crate::running::{Shared, settled};
use crate::stage::chain;
use crate::stages::devices;
use crate::stages::kernel_modules::{SYSTEM_MODULES, load_batch};
use crate::watchdog;
use crate::watched::watch;

/// How long services wait for granted devices that do not appear, once all drivers are loaded.
const DEVICES: Duration = Duration::from_secs(2);
/// How long drivers wait for the boot's end at the most: it may be a device that the boot waits for.
const BOOT: Duration = Duration::from_secs(1);

/// Between the listener and who loads drivers.
#[derive(Debug, Default)]
struct Drivers {
    /// A device came that may want one.
    wanted: Notify,
    /// For the first time all were loaded that there are.
    loaded: Notify,
}

/// Listens to the kernel's uevents for good. First the batch `machine`, off the path of the services:
/// modules load one after the other in the kernel, and more services wait for the network's.
///
/// The host names a port some time after its driver is there, so uevents are listened to from before
/// the load on.
pub(super) async fn follow(shared: Rc<Shared>, wanted: Vec<PathBuf>) {
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
    listen_for_button(&shared);
    let drivers = Rc::new(Drivers::default());
    crate::task::spawn(load_drivers(shared.clone(), drivers.clone()));
    let mut events_port = Some(Path::new(ports::PORTS).join(ports::EVENTS_PORT));
    let mut deadline: Option<Duration> = None;
    loop {
        open_console(&shared.report);
        if let Err(error) = ports::link_ports() {
            shared
                .report
                .warn(&format!("naming virtio ports: {}", chain(&error)));
        }
        if let Some(port) = events_port.take_if(|port| port.exists()) {
            shared.report.open_events(&port);
        }
        let _told_once_all_are_loaded = watchdog::arm_if_there(&shared);
        let late = deadline.map(|deadline| deadline.saturating_sub(boottime()));
        let all_there = wanted.iter().all(|device| device.exists());
        if all_there || late.is_some_and(|late| late.is_zero()) {
            shared.devices_settled.send_replace(true);
        }
        let settled = *shared.devices_settled.borrow();
        tokio::select! {
            wants_driver = devices::changed(uevents.as_ref()) => {
                if wants_driver {
                    drivers.wanted.notify_one();
                }
            }
            () = tokio::time::sleep(late.unwrap_or_default()), if !settled && late.is_some() => {}
            () = drivers.loaded.notified(), if deadline.is_none() => {
                deadline = Some(boottime() + DEVICES);
                if !watchdog::arm_if_there(&shared) {
                    watchdog::tell_missing(&shared);
                }
            }
        }
    }
}

/// Coldplug once the boot is over, and again whenever devices come: the applet `modprobe` looks at
/// what sysfs shows.
async fn load_drivers(shared: Rc<Shared>, drivers: Rc<Drivers>) {
    let _the_boot_may_wait_for_them = tokio::time::timeout(BOOT, settled(&shared.booted)).await;
    loop {
        if let Err(error) = drivers::load(&shared.reaper).await {
            shared
                .report
                .warn(&format!("loading drivers: {}", chain(&error)));
        }
        drivers.loaded.notify_one();
        drivers.wanted.notified().await;
    }
}

/// A press of any power button ends the machine in good order.
fn listen_for_button(shared: &Rc<Shared>) {
    for button in ports::power_buttons() {
        let events = shared.events.clone();
        crate::task::spawn(async move {
            ports::pressed(button).await;
            let _loop_never_ends = events.send(LoopEvent::Shutdown(Shutdown::PowerOff));
        });
    }
}
