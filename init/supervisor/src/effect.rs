//! What the supervisor decided: for PID 1 to do.

use std::time::Duration;

use orlop_config::{ServiceName, Signal};

use crate::{RequestError, ServiceState, Shutdown};

/// What PID 1 shall do. Performed in order; each is idempotent from the supervisor's view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Launch the service: answered by `Launched` or `LaunchFailed`.
    Launch {
        /// Whose.
        service: ServiceName,
        /// Of all launches since boot, which: comes back in what is said of this life.
        life: u64,
    },
    /// Send a signal to the main process by its pidfd.
    Signal {
        /// Whose.
        service: ServiceName,
        /// Which.
        signal: Signal,
    },
    /// The watchdog's time is over: what the service has said so far may only be unread. Read all of
    /// it, tell it, and answer with `ReadOut`.
    ReadOut {
        /// Whose.
        service: ServiceName,
        /// The life that is asked about.
        life: u64,
    },
    /// Write 1 to the service's `cgroup.kill`. Answered by `CgroupEmpty` once the cgroup is empty,
    /// also when it is already: the state is re-read, not inferred (cgroups(7)). Of a launch in
    /// flight, which it ends, the answer is `LaunchFailed` or `Launched` as ever.
    KillCgroup {
        /// Whose.
        service: ServiceName,
    },
    /// Make one health probe now: answered by `ProbeDone`.
    Probe {
        /// Whose.
        service: ServiceName,
        /// The life that is asked about.
        life: u64,
        /// Comes back in the answer.
        serial: u64,
        /// How long it may take; `StopProbe` comes then.
        timeout: Duration,
    },
    /// The probe is not wanted any more, or its time is over (counted as failed already): kill it.
    StopProbe {
        /// Whose.
        service: ServiceName,
        /// Which.
        serial: u64,
    },
    /// The service is no longer wanted and is down: let go of its namespaces, network and ids.
    Release {
        /// Whose.
        service: ServiceName,
    },
    /// A service's state changed: for the log, the console and the event stream.
    StateChanged {
        /// Whose.
        service: ServiceName,
        /// The new state.
        state: ServiceState,
        /// One lower-case fragment: `exited with code 1, restarting in 200 ms`.
        cause: String,
    },
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// Done, or why not.
        result: Result<(), RequestError>,
    },
    /// Every service that is wanted at boot is up (or has completed, or has failed): once a boot.
    BootComplete,
    /// A service failed whose manifest says that the machine shall end with it: go the one way to the
    /// end, which comes back as `Event::Shutdown`.
    EndMachine {
        /// Who failed.
        service: ServiceName,
        /// How.
        kind: Shutdown,
    },
    /// Every service is down: go on with the end of the machine.
    ShutdownComplete(Shutdown),
}
