//! How a service says that it is ready: sd_notify(3)'s socket, or a line on a descriptor (s6).
//!
//! Nothing here is made for a service whose manifest does not ask for it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};
use orlop_config::{Readiness, Service};
use orlop_container::namespaces::ID_COUNT;
use orlop_supervisor::{Event, Notice};
use tokio::io::Interest;

use super::{SERVICES_CGROUP, Shared, Unit};
use crate::machine::LoopEvent;
use crate::notify::{NOTIFY, NotifySocket, Origin, Said};
use crate::watched::watch;

/// Whether a service may speak sd_notify(3).
fn wants_socket(service: &Service) -> bool {
    let supervision = &service.supervision;
    supervision.readiness == Readiness::Notify || supervision.watchdog.is_some()
}

/// Makes the unit's notify socket at its first launch; before each further one, waits until what was
/// left unread is told as the last life's.
///
/// # Errors
/// One fragment.
pub(super) async fn prepare_socket(shared: &Rc<Shared>, unit: &Unit) -> Result<(), String> {
    if !wants_socket(&unit.service) {
        return Ok(());
    }
    let made = unit.held().notify.clone();
    if let Some(socket) = made {
        return socket.read_out().await;
    }
    let name = &unit.service.name;
    let socket = NotifySocket::open(Path::new(NOTIFY).join(format!("{name}.sock")))
        .map_err(|error| format!("making its notification socket: {error}"))?;
    unit.held_mut().notify = Some(socket.clone());
    let cgroup = Path::new(SERVICES_CGROUP).join(name.as_str());
    let origin = Origin {
        cgroup: format!("/services/{name}"),
        uids: (unit.id_base != 0).then(|| unit.id_base..unit.id_base + ID_COUNT),
    };
    let reaper = shared.reaper.clone();
    let (shared, unit) = (shared.clone(), unit.clone());
    crate::task::spawn(async move {
        let mut strangers = 0_u64;
        let tell = |said| match said {
            Said::Notice(notice) => tell(&shared, &unit, notice),
            Said::Reached(answer) => {
                let _loop_never_ends = shared.events.send(LoopEvent::Reached(answer));
            }
            Said::Stranger(pid) => {
                strangers += 1;
                // Once: it is the stranger who decides how often.
                if strangers == 1 {
                    let name = &unit.service.name;
                    shared.report.record(&format!(
                        "{name}: ignored a notification of process {pid}, which is not in its cgroup"
                    ));
                }
            }
        };
        socket.read(reaper, origin, cgroup, tell).await;
    });
    Ok(())
}

/// Tells the loop once all is told that the unit has said so far.
pub async fn read_out(shared: Rc<Shared>, unit: Unit, life: u64) {
    let socket = unit.held().notify.clone();
    if let Some(socket) = socket {
        // Whoever goes on writing for ten seconds is waited for no longer.
        let _as_far_as_it_was_read = socket.read_out().await;
    }
    let service = unit.service.name.clone();
    let event = Event::ReadOut { service, life };
    let _loop_never_ends = shared.events.send(LoopEvent::Supervisor(event));
}

fn tell(shared: &Rc<Shared>, unit: &Unit, notice: Notice) {
    if let Notice::MainPid(pid) = notice
        && unit.declare_main(shared, pid).is_err()
    {
        // It has ended meanwhile.
        return;
    }
    let event = Event::Notice {
        service: unit.service.name.clone(),
        life: unit.life(),
        notice,
    };
    let _loop_never_ends = shared.events.send(LoopEvent::Supervisor(event));
}

/// The pipe of a launch whose service says by a line that it is ready.
pub(super) struct ReadyPipe {
    /// The number of the writing end in the service.
    pub(super) number: u32,
    pub(super) writing: OwnedFd,
    reading: OwnedFd,
}

/// Makes the pipe, for a service that wants one.
///
/// # Errors
/// One fragment.
pub(super) fn pipe(service: &Service) -> Result<Option<ReadyPipe>, String> {
    let Readiness::Fd(number) = service.supervision.readiness else {
        return Ok(None);
    };
    let made = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK);
    let (reading, writing) =
        made.map_err(|errno| format!("making its readiness pipe: {errno:?}"))?;
    // The flag belongs to each end by itself: the service's writes are as it expects them.
    let blocking = nix::fcntl::FcntlArg::F_SETFL(OFlag::empty());
    nix::fcntl::fcntl(&writing, blocking)
        .map_err(|errno| format!("making its readiness pipe: {errno:?}"))?;
    Ok(Some(ReadyPipe {
        number,
        writing,
        reading,
    }))
}

impl ReadyPipe {
    /// Tells the loop when the line has come. What comes after it goes nowhere, as with s6.
    pub(super) fn listen(self, shared: &Rc<Shared>, unit: &Unit) {
        let Self {
            reading, writing, ..
        } = self;
        drop(writing);
        let (shared, unit, life) = (shared.clone(), unit.clone(), unit.life());
        crate::task::spawn(async move {
            if has_line(reading).await {
                let event = Event::Notice {
                    service: unit.service.name.clone(),
                    life,
                    notice: Notice::Ready,
                };
                let _loop_never_ends = shared.events.send(LoopEvent::Supervisor(event));
            }
        });
    }
}

/// Whether a newline comes before the end.
async fn has_line(reading: OwnedFd) -> bool {
    let Ok(pipe) = watch(reading, Interest::READABLE) else {
        return false;
    };
    let mut bytes = [0; 64];
    while let Ok(mut ready) = pipe.readable().await {
        match ready.try_io(|pipe| read(pipe.get_ref(), &mut bytes).map_err(io::Error::from)) {
            Ok(Ok(0)) => return false,
            Ok(Ok(count)) if bytes.get(..count).is_some_and(|new| new.contains(&b'\n')) => {
                return true;
            }
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(_)) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(bytes: &'static [u8]) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (reading, writing) = pipe2(OFlag::O_NONBLOCK).unwrap();
            let write = async move {
                for piece in bytes.chunks(64) {
                    nix::unistd::write(&writing, piece).unwrap();
                    tokio::task::yield_now().await;
                }
            };
            tokio::join!(has_line(reading), write).0
        })
    }

    #[test]
    fn only_a_whole_line_means_ready() {
        assert!(says(b"\n"));
        assert!(says(b"ready\nand more"));
        assert!(says(
            b"a line that is longer than the buffer of the one who reads it, by far, at last\n"
        ));
        assert!(!says(b""));
        assert!(!says(b"almost"));
    }
}
