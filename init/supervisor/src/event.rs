//! What comes in and what goes out.

use std::time::Duration;

use orlop_config::{ServiceName, Signal};

/// A point in time: CLOCK_BOOTTIME since boot, as PID 1 read it.
pub type Time = Duration;

/// How a process ended, as waitid(2) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called exit with this code.
    Exited(i32),
    /// A signal ended it.
    Signaled(i32),
}

/// What PID 1 reports to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// All services may start from now on.
    Boot,
    /// The launch reached `execve`; the main process has this pid in the machine's pid namespace.
    Launched {
        /// Whose.
        service: ServiceName,
        /// The main process.
        pid: u32,
    },
    /// The launch failed before `execve`; nothing of it is left.
    LaunchFailed {
        /// Whose.
        service: ServiceName,
        /// Step, path and errno with a remedy, one sentence.
        reason: String,
    },
    /// The main process ended. Others of its cgroup may be left.
    MainExited {
        /// Whose.
        service: ServiceName,
        /// How.
        status: ExitStatus,
    },
    /// The service's cgroup reads `populated 0`, and its main process has been reaped. May come
    /// before `MainExited`, and more than once.
    CgroupEmpty {
        /// Whose.
        service: ServiceName,
    },
    /// Nothing happened but time: a deadline given by `next_deadline` is over.
    Deadline,
    /// A person or program asks.
    Request {
        /// What.
        request: Request,
        /// Comes back in `Effect::Reply`.
        id: u64,
    },
    /// Stop everything in reverse order, then `Effect::ShutdownComplete`.
    Shutdown(Shutdown),
}

/// What can be asked of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Desired state up; lifts a failed state and the back-off.
    Start(ServiceName),
    /// Desired state down; answered when it is down.
    Stop(ServiceName),
    /// Down, then up; starts what is down. Answered when it runs again (or failed).
    Restart(ServiceName),
    /// Sends a signal to the main process.
    Kill(ServiceName, Signal),
}

/// Why a request was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// No service has that name; the nearest one that exists, if any is near.
    NoSuchService {
        /// The name asked for.
        name: String,
        /// A service of a similar name.
        nearest: Option<ServiceName>,
    },
    /// The machine is shutting down.
    ShuttingDown,
    /// `kill` of a service without a main process.
    NotRunning,
    /// The start failed, with the reason.
    Failed(String),
}

/// How the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Power off.
    PowerOff,
    /// Reboot.
    Reboot,
    /// Halt: stop the CPUs, keep the power.
    Halt,
}

/// What PID 1 shall do. Performed in order; each is idempotent from the supervisor's view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Launch the service: answered by `Launched` or `LaunchFailed`.
    Launch {
        /// Whose.
        service: ServiceName,
    },
    /// Send a signal to the main process by its pidfd.
    Signal {
        /// Whose.
        service: ServiceName,
        /// Which.
        signal: Signal,
    },
    /// Write 1 to the service's `cgroup.kill`. Answered by `CgroupEmpty` once the cgroup is empty,
    /// also when it is already: the state is re-read, not inferred (cgroups(7)). Of a launch in
    /// flight, which it ends, the answer is `LaunchFailed` or `Launched` as ever.
    KillCgroup {
        /// Whose.
        service: ServiceName,
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
    /// Every service is down: go on with the end of the machine.
    ShutdownComplete(Shutdown),
}

/// The actual state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceState {
    /// Wanted, waits for what it depends on.
    Waiting,
    /// Being launched.
    Starting,
    /// Its main process runs.
    Up,
    /// Was asked to stop, or ended by itself and what is left of it is being killed.
    Stopping,
    /// Ended; a restart is due after the back-off.
    BackingOff,
    /// Not running and not wanted, or ended with success and its policy wants no restart.
    Down,
    /// Ended with a failure and its policy wants no restart, or a required dependency failed, or a
    /// process of it survives SIGKILL.
    Failed,
}

/// One service as `orlop ps` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The state.
    pub state: ServiceState,
    /// Since when it is in that state.
    pub since: Time,
    /// The main process, while there is one.
    pub pid: Option<u32>,
    /// Restarts that happened by themselves since boot or the last manual start.
    pub restarts: u32,
    /// How the last main process ended.
    pub last_exit: Option<ExitStatus>,
    /// Why it is in that state.
    pub cause: String,
}
