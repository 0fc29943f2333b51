//! The pure supervisor: `step(event, now) -> effects`.
//!
//! No IO, no clock, no async: time is an argument, so tests simulate millions of steps. PID 1
//! performs the effects and reports what came of them as events. Only this crate changes the state
//! of a service. No randomness but a seeded jitter. `docs/supervision.md` is the same for users.
//!
//! # Desired and actual
//!
//! Of each service the supervisor keeps, apart from each other:
//! - **wanted**: up or down. Up from the boot (unless `scale = 0`, or a schedule starts it); a stop,
//!   the end of what it is tied to, or the shutdown makes it down; a start, a restart, its schedule,
//!   or another one's `on_failure` up.
//! - **the phase**: where it stands, below. [`ServiceState`] follows from it.
//! - **the life**: what was reported since `Launch`: launched? ready? main process ended, how? cgroup
//!   empty? A life is over with `LaunchFailed`, or when it was launched, its main process has ended
//!   and its cgroup is empty, in whatever order that came (the exit and the empty cgroup of a short
//!   life may be read before its launch; edge case 14). Lives are numbered, and what a service says
//!   carries the number: what an earlier life left unread means nothing.
//!
//! ```text
//!        Boot, start,                                  not ready yet           ready
//!        schedule      met                  Launched   (a oneshot: runs)
//!   Down ─────► Waiting ─────► Starting ─────────────► Readying ───────────► Up
//!    ▲          │  ▲ ▲           │  │                     │                  │
//!    │ required │  │ │ back-off  │  │ stop, restart,      │ the same, start  │ the same, watchdog,
//!    │ one fails│  │ │ is over   │  │ over 30 s           │ timeout, health  │ health, OOM, its exit
//!    │          ▼  │ │           │  ▼                     ▼                  │
//!    │       Failed┘ └BackingOff │ Stopping ◄────────────────────────────────┘
//!    │          ▲       ▲        │  │ │ CgroupEmpty and MainExited
//!    │          │       │ Launch │  │ ▼ (or LaunchFailed)
//!    │          │       │ Failed └──┼─► the life is over
//!    │  no more │ again │           │     │
//!    │          └───────┴───────────┼─────┤ by itself: the policy decides
//!    │                              │     │ a restart or a start came: Waiting, at once
//!    └──────────────────────────────┼─────┘ not wanted, or done: Down
//!                   10 s after kill │       (a oneshot that remains: Up, without a process)
//!                                   ▼
//!                          Failed (stuck) ── the life is over ──► as above
//! ```
//!
//! | from | cause | to |
//! |---|---|---|
//! | Down, Failed, BackingOff, Waiting | start, restart; start of one that requires it | Waiting |
//! | Down, Failed | its schedule; another one's `on_failure` | Waiting (BackingOff if it had failed) |
//! | Waiting | every dependency met, or not required and making no progress; needs present | Starting (`Launch`) |
//! | Waiting | a required dependency failed or does not exist | Failed, and back when that changes |
//! | Starting | `Launched`; ready by that, or ready was said already | Up |
//! | Starting | `Launched`; a oneshot, or readiness to be waited for | Readying (shown as starting) |
//! | Starting | `LaunchFailed` | the policy |
//! | Starting | no answer for 30 s (after `LaunchWaits`: after its bound) | Stopping (`KillCgroup`), then the policy (timeout) |
//! | Readying | `Ready`, or the health check passes | Up |
//! | Readying | `start_timeout` | Stopping (signals), then the policy (timeout) |
//! | Readying, Up | `MainExited` | Stopping (`KillCgroup` for the rest), then the policy |
//! | Readying, Up | its health check's verdict; `oom_policy = "stop"` | Stopping (signals), then the policy |
//! | Readying, Up | `oom_policy = "kill"` | Stopping (`KillCgroup`), then the policy |
//! | Up | the watchdog: `ReadOut`, and no sign of life is among what was unread (or 10 s passed) | Stopping (SIGABRT), then the policy |
//! | Readying, Up | `Stopping` | Stopping (nothing is sent), then the policy |
//! | Readying, Up, Starting | stop, restart, tied to an end, shutdown's turn | Stopping (signals now, or when launched; a launch that waits for the machine is killed) |
//! | Stopping | grace period over, or main process gone | `KillCgroup` |
//! | Stopping | 10 s after `KillCgroup` | Failed, stuck: named, not waited for, starts refused, killed again every 60 s |
//! | Stopping, stuck | life over, not wanted | Down |
//! | Stopping, stuck | life over, wanted again by request | Waiting |
//! | Stopping, stuck | life over after an end by itself | the policy: Down, Up (remains), Failed, BackingOff, Waiting |
//! | BackingOff | its time is over | Waiting |
//! | Failed (limit) | `retry_after` | Waiting |
//! | Waiting, BackingOff, Up (remains), Down, Failed | stop, shutdown | Down (never another start; Failed stays at a shutdown) |
//!
//! Waiting is passed through silently when nothing is to be waited for.
//!
//! # Dependencies
//!
//! - `service_started` is met while the dependency is Up, or has completed. It is needed to start,
//!   not to run: nobody is stopped or restarted because a dependency went. Who crashes meanwhile
//!   waits for it (edge case 7).
//! - `service_healthy` is met while it is Up and its health check, if it has one, passes.
//! - `service_completed_successfully` is met when the dependency ended with success (exit code 0 or
//!   `success_exit_status`, not a signal) and its policy wants no restart; until it is started anew
//!   or stopped. A service with `restart = "always"` (the default) never completes.
//! - `required = false`: waited for as long as it makes progress; passed over when it does not exist,
//!   is stopped, failed, backs off, or waits for something of that kind.
//! - `after`, `before`: the order alone; exactly as not required.
//! - `restart = true`: a restart by request of the dependency restarts this one once the dependency
//!   is up again; and so on over its own dependents.
//! - `propagate = "restart"`: the same after an end by itself of a dependency that was up.
//!   `"stop"`: that end stops this one, and who is tied to it; it stays down until a start.
//! - `needs`: launched once the machine has all of it. What goes later stops nothing. After 30 s
//!   without it, or once the machine is known to lack the device, the service counts as waiting in
//!   vain (the boot and those that do not require it go on; requests are answered), and still starts
//!   when it comes.
//!
//! `stop x` stops x alone, as in Compose. `start x` also starts all that x requires, directly or not,
//! and that is not there: stopped, failed, or backing off. What is not required is left alone.
//!
//! # Ends, restarts
//!
//! What was wrong is decided in this order: what the supervisor itself found (timeout, watchdog,
//! unhealthy, out of memory), a failed launch, want of memory if a SIGKILL came within a second of
//! the kernel's report, else exit code or signal; a clean end before it was ready is `protocol`.
//! Whether it is started again: never after `restart_prevent_exit_status`; never after a success of a
//! oneshot or a scheduled one; always after `restart_force_exit_status`; else by systemd's table,
//! which is the documentation of `restart::end::policy_restarts`.
//!
//! When: `restart_delay` after the end of the main process, doubled for each restart in a row up to
//! `restart_max_delay`, each ± 10 %. At once when it had been well (ready and, with a health check,
//! healthy) for `restart_reset_after`, which also starts the row anew. Over `max_attempts` in a row,
//! or over `start_limit`'s burst within its interval, it has failed for good: with `retry_after` it
//! is tried once more after that. Only automatic restarts count. A manual start starts row and window
//! anew, sets `restarts` to 0 and lifts Failed. Whoever failed for good sets off `on_failure`.
//!
//! # Requests: which pre-empts which
//!
//! | pending ↓, new → | start | restart | stop | shutdown |
//! |---|---|---|---|---|
//! | start, restart | both wait for Up | both wait for Up | `superseded by stop` | `ShuttingDown` |
//! | stop | `superseded by start` | `superseded by start` | both wait for Down | answered when down |
//! | shutdown | refused | refused | refused | the first kind holds |
//!
//! Each request gets exactly one reply. Start and restart are answered when the service is Up (a
//! oneshot: has completed); or with the cause as soon as the attempt failed or nothing under way
//! leads to Up, though the supervisor goes on trying. Stop is answered when it is Down; with the
//! cause when it is stuck. A restart of what does not run is a start; of a launch in flight it waits
//! for that launch. A second shutdown of whatever kind changes nothing: the first is bounded anyway,
//! and a power-off that was asked for must not end as a reboot (edge case 10).
//!
//! A stop also suspends a schedule; a start runs it now and puts the schedule in force again. A
//! schedule, a propagated restart and `on_failure` never pre-empt a request's stop.
//!
//! # Shutdown
//!
//! Dependents before what they depend on, required or not, order included; otherwise all at once,
//! each with its own grace period. Who is granted `log.streams` (spelled out, not by a `*`), and what
//! that one depends on, goes after all others, and is launched first at the boot. What is stuck
//! counts as gone, so that the end comes within the grace periods along the longest chain plus 20 s
//! for each link. A service may extend its stop by `EXTEND_TIMEOUT_USEC`, to 300 s in all.
//!
//! # The boot is complete
//!
//! Once every service that is wanted has been Up, Down, Failed or BackingOff, or waits for one that
//! makes no progress; 90 s after `Boot` in any case; never once a shutdown has begun.
//!
//! # The cost of a step
//!
//! Timers are one ordered set; a change of a service looks at its dependents that wait, and at their
//! own edges; a lack that ends looks at those that need it. No step but the boot, the shutdown and a
//! jump of the clock (schedules only) looks at all. When nothing is due, `next_deadline` is `None`.
#![forbid(unsafe_code)]

mod cause;
mod effect;
mod event;
mod graph;
mod restart;
mod status;
mod supervisor;
mod timers;
mod unit;

pub use effect::Effect;
pub use event::{Event, ExitStatus, Notice, ProbeResult, Request, RequestError, Shutdown, Time};
pub use status::{
    Health, HealthStatus, KEPT_EXITS, Kept, PastExit, ServiceState, ServiceStatus, Stopping,
};
pub use supervisor::Supervisor;
