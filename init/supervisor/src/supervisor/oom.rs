//! Kills for want of memory, by `oom_policy`.

use orlop_config::OomPolicy;

use super::Supervisor;
use crate::cause;
use crate::restart::Kind as End;
use crate::unit::{Ending, Id, Why};

impl Supervisor {
    pub(super) fn oom_killed(&mut self, id: Id, serial: u64, count: u32) {
        let now = self.now;
        let unit = &mut self.units[id];
        unit.status.oom_kills = unit.status.oom_kills.saturating_add(u64::from(count));
        let phase = unit.phase;
        let policy = unit.plan.oom_policy;
        let Some(life) = unit.life_of(serial) else {
            return;
        };
        life.oom = Some(now);
        match policy {
            OomPolicy::Stop if phase.runs() => {
                self.trouble(id, End::OutOfMemory, cause::OUT_OF_MEMORY.to_owned());
                self.send_stop(id);
            }
            // The kernel kills the rest of the group by itself; the kill only makes sure.
            OomPolicy::Kill if phase.runs() => {
                self.trouble(id, End::OutOfMemory, cause::OUT_OF_MEMORY.to_owned());
                self.kill_cgroup(id, Ending::new(Why::Itself));
            }
            OomPolicy::Continue | OomPolicy::Stop | OomPolicy::Kill => {}
        }
    }
}
