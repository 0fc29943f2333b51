//! What comes in and what goes out.

use std::time::Duration;

use orlop_config::{Need, ServiceName, Signal};

/// A point in time: CLOCK_BOOTTIME since boot, as PID 1 read it.
pub type Time = Duration;

/// How a process ended, as waitid(2) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called exit with this code.
    Exited(i32),
    /// A signal ended it.
    Signaled(i32),
    /// A signal ended it, and the kernel wrote a core dump.
    Dumped(i32),
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
    /// The launch has no process yet and waits for a stage of the machine; what bounds a launch
    /// begins after that. A `KillCgroup` ends it with `LaunchFailed`.
    LaunchWaits {
        /// Whose.
        service: ServiceName,
        /// The number that `Effect::Launch` gave.
        life: u64,
        /// How long at most; zero when it waits no more.
        bound: Duration,
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
    /// A service said something over its notification socket or descriptor, attributed already:
    /// who may speak for it, and in which life, is PID 1's to know.
    Notice {
        /// Whose.
        service: ServiceName,
        /// The number that `Effect::Launch` gave: what an earlier life left unread does not count.
        life: u64,
        /// What it said; of a datagram with several assignments, one event each, in their order.
        notice: Notice,
    },
    /// All that the service had said when `Effect::ReadOut` came has been told.
    ReadOut {
        /// Whose.
        service: ServiceName,
        /// The life that `Effect::ReadOut` named.
        life: u64,
    },
    /// A health probe ended.
    ProbeDone {
        /// Whose.
        service: ServiceName,
        /// The life that `Effect::Probe` named.
        life: u64,
        /// The number that `Effect::Probe` gave: the answer to a stopped probe does not count.
        serial: u64,
        /// What came of it.
        result: ProbeResult,
    },
    /// The kernel killed processes of the service's cgroup for want of memory. Read from
    /// `memory.events.local` before its `MainExited` and `CgroupEmpty` are told, so that the end of
    /// the main process has its true cause. With `memory.oom.group` the whole group counts as one.
    OomKilled {
        /// Whose.
        service: ServiceName,
        /// The number that `Effect::Launch` gave.
        life: u64,
        /// How many more than at the last report.
        count: u32,
    },
    /// Whether the machine has something that services need. Everything is absent until told.
    Resource {
        /// As written in `needs`.
        need: Need,
        /// It is there, or it is there no more: only starts wait for it. A device that is not there
        /// is waited for in vain from then on.
        present: bool,
    },
    /// What CLOCK_REALTIME reads at this step's `now`: at the start, and after each jump of it
    /// (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). Schedules rest until the first one.
    WallClock {
        /// Since 1970 UTC.
        unix: Duration,
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

/// What a service says of itself: sd_notify(3), or a line on its readiness descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// `READY=1`, or the line.
    Ready,
    /// `RELOADING=1`: up, and `Ready` comes again.
    Reloading,
    /// `STOPPING=1`: its end is its own wish; health and watchdog are not looked at any more.
    Stopping,
    /// `STATUS=`: one line for people.
    Status(String),
    /// `ERRNO=`: why it fails, as an errno(3).
    Errno(u16),
    /// `MAINPID=`, checked by PID 1 and in the machine's pid namespace; `MainExited` is this one's
    /// from now on.
    MainPid(u32),
    /// `WATCHDOG=1`: alive.
    WatchdogPing,
    /// `WATCHDOG=trigger`: as if the watchdog had expired.
    WatchdogTrigger,
    /// `WATCHDOG_USEC=`: the watchdog's time from now on; zero turns it off.
    WatchdogUsec(Duration),
    /// `EXTEND_TIMEOUT_USEC=`: what bounds its start or stop is over so much after now, not sooner.
    ExtendTimeout(Duration),
}

/// What came of one health probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// It passed, with what it said (its output's end; may be empty).
    Passed(String),
    /// It failed, with why.
    Failed(String),
    /// It could not be made (no such program in the image, no memory): counts as failed.
    Unable(String),
}
