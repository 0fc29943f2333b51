//! The pure supervisor: `step(event, now) -> effects`.
//!
//! No IO, no clock, no async: time is an argument, so tests simulate millions of steps. PID 1
//! performs the effects and reports what came of them as events. Only this crate changes the state
//! of a service. No randomness but a seeded jitter.
//!
//! # Desired and actual
//!
//! Of each service the supervisor keeps, apart from each other:
//! - **wanted**: up or down. Up from the start; a stop or the shutdown makes it down, a start or a
//!   restart (of it, or of a service that requires it) up.
//! - **the phase**: where it stands, below. [`ServiceState`] follows from it.
//! - **the life**: what was reported since `Launch`: launched? main process ended, how? cgroup empty?
//!   A life is over with `LaunchFailed`, or when all three are known, in whatever order they came
//!   (the exit and the empty cgroup of a short life may be read before its launch; edge case 14).
//!
//! ```text
//!        Boot, start            dependencies met              Launched
//!   Down ───────────► Waiting ───────────────────► Starting ───────────► Up
//!    ▲                 │  ▲ ▲                       │  │                 │
//!    │       required  │  │ │ back-off              │  │ stop, restart,  │ stop, restart,
//!    │       one fails │  │ │ is over               │  │ over 30 s       │ shutdown, MainExited
//!    │                 ▼  │ │                       │  ▼                 ▼
//!    │            Failed ─┘ └─ BackingOff           │ Stopping ◄─────────┘
//!    │              ▲ it comes     ▲   LaunchFailed │  │ │ CgroupEmpty
//!    │              │              │                │  │ ▼ (or LaunchFailed)
//!    │              │              │                └──┼─► the life is over
//!    │              │              │                   │     │
//!    │              │  policy: no  │ policy: again     │     │ wanted, a restart or a start came:
//!    │              └──────────────┴───────────────────┼─────┤   Waiting, at once
//!    └─────────────────────────────────────────────────┼─────┘ not wanted, or done: Down
//!                                      10 s after kill │
//!                                                      ▼
//!                                       Failed (stuck) ── the life is over ──► as above
//! ```
//!
//! | from | cause | to |
//! |---|---|---|
//! | Down, Failed, BackingOff, Waiting | start, restart; start of one that requires it | Waiting |
//! | Waiting | every dependency met, or not required and making no progress | Starting (`Launch`) |
//! | Waiting | a required dependency failed or does not exist | Failed, and back when that changes |
//! | Starting | `Launched` | Up |
//! | Starting | `LaunchFailed` | the policy |
//! | Starting | no answer for 30 s | Stopping (`KillCgroup`), then the policy |
//! | Up, Starting | stop, restart of one that is up, shutdown's turn | Stopping (signals now, or when launched) |
//! | Up | `MainExited` | Stopping (`KillCgroup` for the rest), then the policy |
//! | Stopping | grace period over, or main process gone | `KillCgroup` |
//! | Stopping | 10 s after `KillCgroup` | Failed, stuck: named, not waited for, starts refused, killed again every 60 s |
//! | Stopping, stuck | life over, not wanted | Down |
//! | Stopping, stuck | life over, wanted again by request | Waiting |
//! | Stopping, stuck | life over after an end by itself | the policy: Down, Failed, BackingOff, Waiting |
//! | BackingOff | its time is over | Waiting |
//! | Waiting, BackingOff, Down, Failed | stop, shutdown | Down (never another start; Failed stays at a shutdown) |
//!
//! Waiting is passed through silently when nothing is to be waited for.
//!
//! # Dependencies
//!
//! - `service_started` is met while the dependency is Up, or has completed. It is needed to start,
//!   not to run: nobody is stopped or restarted because a dependency went. Who crashes meanwhile
//!   waits for it (edge case 7).
//! - `service_completed_successfully` is met when the dependency exited with code 0 and its policy
//!   wants no restart; until it is started anew or stopped. A service with `restart = "always"` (the
//!   default) never completes: such a dependency wants `restart = "no"` or `"on-failure"`.
//! - `required = false`: waited for as long as it makes progress; passed over when it does not exist,
//!   is stopped, failed, backs off, or waits for something of that kind.
//! - `stop x` stops x alone, as in Compose. `start x` also starts all that x requires, directly or
//!   not, and that is not there: stopped, failed, or backing off. What is not required is left alone.
//!
//! # Restarts
//!
//! | policy | exit code 0 | any other end, launch failure |
//! |---|---|---|
//! | `no` | Down, completed | Failed |
//! | `on-failure[:max]` | Down, completed | again; after `max` in a row Failed |
//! | `always`, `unless-stopped` | again | again, for ever |
//!
//! Again: 100 ms after the end of the main process, doubled for each restart in a row up to 60 s,
//! each ± 10 %; at once after 10 s or more up, which also starts the row anew. A manual start starts
//! the row anew, sets `restarts` to 0 and lifts Failed. A `kill` is an end by itself.
//!
//! # Requests: which pre-empts which
//!
//! | pending ↓, new → | start | restart | stop | shutdown |
//! |---|---|---|---|---|
//! | start, restart | both wait for Up | both wait for Up | `superseded by stop` | `ShuttingDown` |
//! | stop | `superseded by start` | `superseded by start` | both wait for Down | answered when down |
//! | shutdown | refused | refused | refused | the first kind holds |
//!
//! Each request gets exactly one reply. Start and restart are answered when the service is Up; or
//! with the cause as soon as the attempt failed or nothing under way leads to Up, though the
//! supervisor goes on trying. Stop is answered when it is Down; with the cause when it is stuck. A
//! restart of what does not run is a start; of a launch in flight it waits for that launch. A second
//! shutdown of whatever kind changes nothing: the first is bounded anyway, and a power-off that was
//! asked for must not end as a reboot (edge case 10).
//!
//! # Shutdown
//!
//! Dependents before what they depend on, required or not; otherwise all at once, each with its own
//! grace period. Who is granted `log.streams` (spelled out, not by a `*`), and what that one depends
//! on, goes after all others, and is launched first at the boot. What is stuck counts as gone, so
//! that the end comes within the grace periods along the longest chain plus 20 s for each link.
//!
//! # The boot is complete
//!
//! Once every service has been Up, Down, Failed or BackingOff, or waits for one that makes no
//! progress; 90 s after `Boot` in any case; never once a shutdown has begun.
#![forbid(unsafe_code)]

mod cause;
mod effect;
mod event;
mod graph;
mod restart;
mod status;
mod supervisor;
mod unit;

pub use effect::Effect;
pub use event::{Event, ExitStatus, Notice, ProbeResult, Request, RequestError, Shutdown, Time};
pub use status::{Health, HealthStatus, KEPT_EXITS, PastExit, ServiceState, ServiceStatus};
pub use supervisor::Supervisor;
