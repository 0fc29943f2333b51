//! What the machine has: links, addresses, a right clock, paths, devices.

use orlop_config::Need;

use super::{Supervisor, waits};

impl Supervisor {
    /// Told by PID 1. Only who waits for it is looked at; what is lost stops nothing.
    pub(super) fn resource(&mut self, need: Need, present: bool) {
        let waiting = self.needed_by.get(&need).into_iter().flatten().copied();
        let waiting = waiting.filter(|id| waits(&self.units[*id]));
        self.waiting.extend(waiting);
        match (present, &need) {
            (true, _) => {
                self.missing.remove(&need);
                self.present.insert(need);
            }
            (false, Need::Device(_)) => {
                self.present.remove(&need);
                self.missing.insert(need);
            }
            (false, _) => {
                self.present.remove(&need);
            }
        }
    }
}
