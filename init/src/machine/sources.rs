//! What runs beside the loop and only sends it events: signals, devices, calls of root.

use std::path::PathBuf;
use std::rc::Rc;

use tokio::sync::mpsc;

use super::{LoopEvent, hardware, requests, state_watch};
use crate::running::Shared;
use crate::signals;
use crate::stage::chain;

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
                crate::task::spawn(async move {
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
    crate::task::spawn(hardware::follow(shared.clone(), wanted));
    crate::task::spawn(state_watch::follow(shared.clone()));
    requests::listen_for_root(shared);
}
