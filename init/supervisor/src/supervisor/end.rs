//! The end of a life: nothing of it is left, and what comes next is decided.

use std::collections::VecDeque;

use orlop_config::{Kind, Readiness};

use super::Supervisor;
use crate::restart::{Kind as End, Record, Verdict, classify, verdict};
use crate::unit::{Id, Life, Phase, Plan, Return, Unit, Why};
use crate::{ExitStatus, KEPT_EXITS, PastExit, Time, cause};

impl Supervisor {
    /// Nothing of this life is left: decides what comes next. `Err` is a launch that failed.
    pub(super) fn over(&mut self, id: Id, how: Result<ExitStatus, String>) {
        self.set_deadline(id, None);
        let shutdown = self.leaving.is_some();
        let now = self.now;
        let unit = &mut self.units[id];
        let life = unit.life.take().unwrap_or_default();
        unit.status.pid = None;
        unit.status.reloading = false;
        let (why, overdue) = match unit.phase {
            Phase::Ending(ending) | Phase::Stuck(ending) => (ending.why, ending.overdue),
            _ => (Why::Itself, None),
        };
        // Who asked for the end asked for the start: a request, a schedule, an edge.
        let again = match unit.phase {
            Phase::Ending(_) => unit.status.cause.clone(),
            _ => cause::BY_REQUEST.to_owned(),
        };
        let status = how.as_ref().ok().copied();
        let (kind, mut text) = describe(&unit.plan, &life, how);
        if why != Why::Itself && !unit.wanted {
            text = match shutdown {
                true => cause::SHUTDOWN.to_owned(),
                false => unit.stopped_by.clone(),
            };
            if let Some(after) = overdue {
                text = format!("{text}, killed after {}", cause::duration(after));
            }
        }
        remember(unit, now, status, &text);
        if !unit.wanted {
            self.down(id, text);
        } else if why == Why::Itself {
            self.judge(id, &life, status, kind, text);
        } else {
            self.begin(id, &again);
        }
    }

    /// It ended by itself: asks the policy.
    fn judge(
        &mut self,
        id: Id,
        life: &Life,
        status: Option<ExitStatus>,
        kind: End,
        reason: String,
    ) {
        let ended = life.exit.map_or(self.now, |(_, at)| at);
        let unit = &mut self.units[id];
        let rules = &unit.plan.restart;
        let record = Record {
            status,
            kind,
            healthy: life.proved_itself(rules.reset_after),
            in_row: unit.in_row,
        };
        let verdict = verdict(rules, record);
        if record.healthy {
            unit.in_row = 0;
        }
        let completed = verdict == Verdict::Complete && kind == End::Clean;
        if life.was_ready && !completed {
            unit.returns = unit.returns.or(Some(Return::Automatic));
        }
        match verdict {
            Verdict::Complete => {
                unit.completed = completed;
                self.complete(id, reason);
            }
            Verdict::Fail => self.fail_for_good(id, reason),
            Verdict::GiveUp(restarts) => {
                let plural = if restarts == 1 { "" } else { "s" };
                let cause = format!("{reason}, gave up after {restarts} restart{plural}");
                self.fail_for_good(id, cause);
            }
            Verdict::Retry(delay) => {
                // Counted from the end of the main process, not of its leftovers.
                let due = ended.saturating_add(self.jitter.apply(delay));
                self.try_again(id, due, &reason);
            }
        }
        if life.was_ready && !completed {
            self.stop_tied(id);
        }
        self.run_queued(id);
    }

    /// Ended with success, and its policy wants no restart.
    fn complete(&mut self, id: Id, reason: String) {
        let unit = &self.units[id];
        let completed = unit.completed;
        let remains = unit.plan.kind
            == Kind::Oneshot {
                remain_after_exit: true,
            };
        if completed {
            self.answer_up(id, &Ok(()));
        }
        match remains && completed {
            true => {
                self.enter(id, Phase::Remains, reason);
                self.release(id);
            }
            false => self.down(id, reason),
        }
        if completed {
            self.came_back(id);
        }
    }

    /// A restart is due then, if the limit allows.
    fn try_again(&mut self, id: Id, due: Time, reason: &str) {
        let unit = &self.units[id];
        let limit = unit.plan.restart.limit;
        let due = due.max(self.now);
        let Some(limit) = limit.filter(|limit| unit.window.is_full(*limit, due)) else {
            self.back_off(id, due, reason);
            return;
        };
        let cause = cause::quarantined(reason, limit, &unit.status.last_exits);
        self.fail_for_good(id, cause);
        let retry = limit.retry_after.filter(|_| self.leaving.is_none());
        // Not sooner than its back-off, either.
        let at = retry.map(|after| self.now.saturating_add(after).max(due));
        self.set_deadline(id, at);
    }
}

/// What kind of end it was, and how a person reads it.
fn describe(plan: &Plan, life: &Life, how: Result<ExitStatus, String>) -> (End, String) {
    if let Some(trouble) = &life.trouble {
        return trouble.clone();
    }
    let status = match how {
        Ok(status) => status,
        Err(reason) => return (End::Launch, reason),
    };
    let kind = classify(&plan.restart.lists, status, life.out_of_memory());
    let mut text = match kind {
        End::OutOfMemory => cause::OUT_OF_MEMORY.to_owned(),
        _ => cause::exit(status),
    };
    if let Some(errno) = life.errno {
        text = format!("{text} (errno {errno})");
    }
    let early = plan.kind == Kind::Service && plan.readiness != Readiness::Started;
    match early && !life.was_ready {
        true if kind.is_clean() => (End::Protocol, format!("{text} before it was ready")),
        true => (kind, format!("{text} before it was ready")),
        false => (kind, text),
    }
}

fn remember(unit: &mut Unit, at: Time, status: Option<ExitStatus>, cause: &str) {
    let exits: &mut VecDeque<PastExit> = &mut unit.status.last_exits;
    if exits.len() == KEPT_EXITS {
        exits.pop_front();
    }
    exits.push_back(PastExit {
        at,
        status,
        cause: cause.to_owned(),
    });
}
