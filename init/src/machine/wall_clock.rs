//! CLOCK_REALTIME for the schedules: told at the start and after each jump (timerfd_create(2)).
//!
//! Only on a machine that has a schedule.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use orlop_supervisor::Event;
use std::os::fd::AsFd;
use tokio::io::Interest;
use tokio::sync::mpsc;

use super::LoopEvent;
use crate::watched::watch;

/// A time that never comes; the timer is there to be cancelled.
const NEVER: Duration = Duration::from_secs(i32::MAX as u64 * 128);

/// What the clock reads.
pub(super) fn read() -> Event {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    Event::WallClock {
        unix: unix.unwrap_or_default(),
    }
}

/// Tells each jump of the clock, for ever.
///
/// # Errors
/// When the kernel gives no timer.
pub(super) async fn follow(events: mpsc::UnboundedSender<LoopEvent>) -> nix::Result<()> {
    let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
    let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
    let jumps = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    let never = Expiration::OneShot(TimeSpec::from_duration(NEVER));
    timer.set(never, jumps)?;
    let watched = watch(timer.as_fd(), Interest::READABLE).map_err(|_| nix::Error::EMFILE)?;
    while let Ok(mut ready) = watched.readable().await {
        ready.clear_ready();
        // ECANCELED, which is the news, counts as a success here.
        if timer.wait().is_ok() {
            let _loop_never_ends = events.send(LoopEvent::Supervisor(read()));
        }
    }
    Ok(())
}
