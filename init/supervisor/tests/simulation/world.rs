//! What is true of the processes, and when PID 1 reads of it.
//!
//! Truth and report are apart: the end of a process, of its cgroup and of its launch are reported
//! with random delays, in any order. `CgroupEmpty` is re-read when it is delivered, as PID 1 does.

use std::collections::BTreeMap;
use std::time::Duration;

use orlop_config::{Kind, Readiness, RestartPolicy, Service, Signal};
use orlop_supervisor::{Event, ExitStatus, Notice, ProbeResult, Time};

use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Launch {
    None,
    /// `Launch` came; the child is not in the cgroup yet.
    Queued,
    /// It waits for the machine, without a child.
    Waiting,
    /// The child is in the cgroup, before `execve`.
    Forked,
    /// `execve` happened.
    Done,
}

#[derive(Debug, Clone)]
pub(crate) struct Process {
    launch: Launch,
    main: bool,
    leftovers: bool,
    /// Dies of its stop signal.
    obeys: bool,
    /// Sits in the kernel until then, whatever is sent.
    unkillable_until: Time,
    /// The number of its launch: tells earlier lives' plans from this one's.
    life: u64,
    /// Says that it is ready, and feeds its watchdog.
    talks: bool,
    /// Answers its probes.
    healthy: bool,
    /// When it fed its watchdog last.
    pub(crate) fed: Time,
    /// What PID 1 has been told of this life.
    pub(crate) told_launched: bool,
    pub(crate) told_exit: bool,
}

impl Process {
    pub(crate) fn populated(&self) -> bool {
        self.main || self.leftovers || self.launch == Launch::Forked
    }

    /// Its launch waits for the machine, without a child.
    pub(crate) fn waits(&self) -> bool {
        self.launch == Launch::Waiting
    }

    pub(crate) fn nothing_left(&self) -> bool {
        !self.populated() && matches!(self.launch, Launch::None | Launch::Done)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    Wait,
    Settle,
    Fork,
    Exec,
    Fail,
    MainDies(ExitStatus),
    ChildDies,
    LeftoversDie,
    TellLaunched,
    TellFailed,
    TellExit(ExitStatus),
    TellEmpty,
    /// Something it said, read now; maybe after its end.
    Tell(Notice),
    /// It feeds its watchdog, and goes on.
    Feed,
    /// What it fed its watchdog with is read.
    TellPing,
    /// What it has said so far has been read.
    TellReadOut,
    /// A probe, by number.
    Probe(u64, ProbeResult),
    /// Killed for want of memory, the main process or another.
    Starve,
    TellOom,
}

pub(crate) struct World {
    services: Vec<Service>,
    pub(crate) processes: Vec<Process>,
    agenda: BTreeMap<(Time, u64), (usize, u64, Turn)>,
    order: u64,
    pub(crate) calm: bool,
}

impl World {
    pub(crate) fn new(services: &[Service]) -> Self {
        let process = Process {
            launch: Launch::None,
            main: false,
            leftovers: false,
            obeys: true,
            unkillable_until: Time::ZERO,
            life: 0,
            talks: true,
            healthy: true,
            fed: Time::ZERO,
            told_launched: false,
            told_exit: false,
        };
        Self {
            services: services.to_vec(),
            processes: vec![process; services.len()],
            agenda: BTreeMap::new(),
            order: 0,
            calm: false,
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    fn plan(&mut self, at: Time, service: usize, turn: Turn) {
        self.order += 1;
        let life = self.processes[service].life;
        self.agenda.insert((at, self.order), (service, life, turn));
    }

    /// A report arrives a little later than what it tells of.
    fn tell(&mut self, random: &mut Random, now: Time, service: usize, turn: Turn) {
        let delay = match random.percent(60) {
            true => Duration::ZERO,
            false => random.millis(6),
        };
        self.plan(now + delay, service, turn);
    }

    pub(crate) fn launch(&mut self, random: &mut Random, now: Time, service: usize, life: u64) {
        let chaos = !self.calm;
        let process = &mut self.processes[service];
        process.launch = Launch::Queued;
        process.life = life;
        process.talks = !chaos || random.percent(85);
        process.healthy = !chaos || random.percent(70);
        process.told_launched = false;
        process.told_exit = false;
        process.leftovers = false;
        process.obeys = !chaos || random.percent(70);
        process.unkillable_until = match chaos && random.percent(4) {
            true => now + random.millis(90_000),
            false => Time::ZERO,
        };
        let queue = match chaos && random.percent(3) {
            true => random.millis(60_000),
            false => random.millis(5),
        };
        let next = match chaos && random.percent(5) {
            true => Turn::Wait,
            false => Turn::Fork,
        };
        self.plan(now + queue, service, next);
    }

    pub(crate) fn signal(&mut self, random: &mut Random, now: Time, service: usize, which: Signal) {
        let process = &self.processes[service];
        let deadly = which == Signal::KILL
            || (matches!(which, Signal::TERM | Signal::ABRT) && process.obeys);
        if process.main && deadly {
            let at = (now + random.millis(2000)).max(process.unkillable_until);
            let status = ExitStatus::Signaled(which.number());
            self.plan(at, service, Turn::MainDies(status));
        }
    }

    pub(crate) fn kill_cgroup(&mut self, random: &mut Random, now: Time, service: usize) {
        let process = self.processes[service].clone();
        let at = (now + random.millis(4)).max(process.unkillable_until);
        if process.launch == Launch::Forked {
            self.plan(at, service, Turn::ChildDies);
        }
        if process.launch == Launch::Waiting {
            self.processes[service].launch = Launch::None;
            self.tell(random, now, service, Turn::TellFailed);
        }
        if process.main {
            self.plan(at, service, Turn::MainDies(ExitStatus::Signaled(9)));
        }
        if process.leftovers {
            self.plan(at, service, Turn::LeftoversDie);
        }
        if !process.populated() {
            self.tell(random, now, service, Turn::TellEmpty);
        }
    }

    /// The supervisor asks for a probe.
    pub(crate) fn probe(&mut self, random: &mut Random, now: Time, service: usize, serial: u64) {
        let passes = match self.calm {
            true => self.processes[service].healthy,
            false => self.processes[service].healthy && random.percent(90),
        };
        let result = match passes {
            true => ProbeResult::Passed(String::new()),
            false if random.percent(20) => ProbeResult::Unable("no memory".to_owned()),
            false => ProbeResult::Failed("503".to_owned()),
        };
        let slow = !self.calm && random.percent(10);
        let took = match slow {
            true => random.millis(20_000),
            false => Duration::ZERO,
        };
        self.plan(now + took, service, Turn::Probe(serial, result));
    }

    /// Something random said by a random service, or want of memory.
    pub(crate) fn accident(&mut self, random: &mut Random, now: Time, service: usize) {
        let notice = match random.below(12) {
            0 => Notice::Ready,
            1 => Notice::Reloading,
            2 => Notice::Stopping,
            3 => Notice::Status("busy".to_owned()),
            4 => Notice::Errno(12),
            5 => Notice::MainPid(101),
            6 => Notice::WatchdogTrigger,
            7 => Notice::WatchdogUsec(random.millis(30_000)),
            8 => Notice::ExtendTimeout(random.millis(60_000)),
            _ => return self.plan(now, service, Turn::Starve),
        };
        // Some are read so late that the life may be over.
        let late = match random.percent(30) {
            true => random.millis(30_000),
            false => Duration::ZERO,
        };
        self.plan(now + late, service, Turn::Tell(notice));
    }

    /// Somebody else.
    pub(crate) fn murder(&mut self, now: Time, service: usize) {
        if self.processes[service].main {
            self.plan(now, service, Turn::MainDies(ExitStatus::Signaled(9)));
        }
    }

    /// Lets the next thing happen; the report that PID 1 gets of it, if any.
    pub(crate) fn turn(&mut self, random: &mut Random) -> Option<Event> {
        let ((now, _), (service, life, turn)) = self.agenda.pop_first()?;
        let name = self.services[service].name.clone();
        let process = &mut self.processes[service];
        if turn == Turn::TellEmpty {
            // Re-read now: of whatever life.
            return (!process.populated()).then_some(Event::CgroupEmpty { service: name });
        }
        if let Turn::Tell(notice) = turn {
            return Some(Event::Notice {
                service: name,
                life,
                notice,
            });
        }
        if let Turn::Probe(serial, result) = turn {
            return Some(Event::ProbeDone {
                service: name,
                life,
                serial,
                result,
            });
        }
        if life != process.life {
            return None;
        }
        match turn {
            Turn::Wait => {
                process.launch = Launch::Waiting;
                self.plan(now + random.millis(100_000), service, Turn::Settle);
                return Some(Event::LaunchWaits {
                    service: name,
                    life,
                    bound: Duration::from_secs(180),
                });
            }
            Turn::Settle if process.launch == Launch::Waiting => {
                process.launch = Launch::Queued;
                self.plan(now + random.millis(5), service, Turn::Fork);
                return Some(Event::LaunchWaits {
                    service: name,
                    life,
                    bound: Duration::ZERO,
                });
            }
            Turn::Fork => {
                process.launch = Launch::Forked;
                let next = match random.below(100) {
                    0..7 if !self.calm => Turn::Fail,
                    7..9 if !self.calm => return None,
                    _ => Turn::Exec,
                };
                let at = now + random.millis(30);
                self.plan(at, service, next);
            }
            Turn::Exec if process.launch == Launch::Forked => self.exec(random, now, service),
            Turn::Fail | Turn::ChildDies if process.launch == Launch::Forked => {
                process.launch = Launch::None;
                self.tell(random, now, service, Turn::TellFailed);
            }
            Turn::MainDies(status) if process.main => {
                process.main = false;
                self.tell(random, now, service, Turn::TellExit(status));
                if !self.processes[service].populated() {
                    self.tell(random, now, service, Turn::TellEmpty);
                }
            }
            Turn::LeftoversDie if process.leftovers => {
                process.leftovers = false;
                if !process.main {
                    self.tell(random, now, service, Turn::TellEmpty);
                }
            }
            Turn::Feed if process.main && process.talks => {
                process.fed = now;
                let every = self.services[service].supervision.watchdog;
                self.plan(now + every.unwrap_or_default() / 2, service, Turn::Feed);
                // PID 1 may be busy elsewhere.
                let unread = match !self.calm && random.percent(20) {
                    true => random.millis(20_000),
                    false => Duration::ZERO,
                };
                self.plan(now + unread, service, Turn::TellPing);
            }
            Turn::TellPing => {
                return Some(Event::Notice {
                    service: name,
                    life,
                    notice: Notice::WatchdogPing,
                });
            }
            Turn::TellReadOut => match self.unread_ping(service, life) {
                Some(unread) => {
                    self.agenda.remove(&unread);
                    self.plan(now, service, Turn::TellReadOut);
                    return Some(Event::Notice {
                        service: name,
                        life,
                        notice: Notice::WatchdogPing,
                    });
                }
                None => {
                    return Some(Event::ReadOut {
                        service: name,
                        life,
                    });
                }
            },
            Turn::Starve if process.main => {
                self.tell(random, now, service, Turn::TellOom);
                if random.percent(60) {
                    self.plan(now, service, Turn::MainDies(ExitStatus::Signaled(9)));
                }
            }
            Turn::TellOom => {
                return Some(Event::OomKilled {
                    service: name,
                    life,
                    count: 1,
                });
            }
            Turn::TellLaunched => {
                process.told_launched = true;
                return Some(Event::Launched {
                    service: name,
                    pid: 100,
                });
            }
            Turn::TellFailed => {
                let reason = "no such image".to_owned();
                return Some(Event::LaunchFailed {
                    service: name,
                    reason,
                });
            }
            Turn::TellExit(status) => {
                process.told_exit = true;
                return Some(Event::MainExited {
                    service: name,
                    status,
                });
            }
            _ => {}
        }
        None
    }

    /// PID 1 reads what the service has said so far.
    pub(crate) fn read_out(&mut self, random: &mut Random, now: Time, service: usize) {
        self.tell(random, now, service, Turn::TellReadOut);
    }

    /// What of it lies unread longest.
    fn unread_ping(&self, service: usize, life: u64) -> Option<(Time, u64)> {
        let ping = (service, life, Turn::TellPing);
        let mut agenda = self.agenda.iter();
        agenda.find_map(|(at, turn)| (*turn == ping).then_some(*at))
    }

    fn exec(&mut self, random: &mut Random, now: Time, service: usize) {
        let of = &self.services[service];
        let oneshot = of.supervision.kind != Kind::Service;
        let once = oneshot || of.supervision.schedule.is_some();
        let job = once || !matches!(of.restart, RestartPolicy::Always);
        let notifies = matches!(
            of.supervision.readiness,
            Readiness::Notify | Readiness::Fd(_)
        );
        let watched = of.supervision.watchdog.is_some();
        let chaos = !self.calm;
        let process = &mut self.processes[service];
        process.launch = Launch::Done;
        process.main = true;
        process.leftovers = random.percent(20);
        let talks = process.talks;
        self.tell(random, now, service, Turn::TellLaunched);
        if notifies && talks {
            let most = if chaos { 30_000 } else { 1000 };
            self.plan(
                now + random.millis(most),
                service,
                Turn::Tell(Notice::Ready),
            );
        }
        if watched {
            self.plan(now, service, Turn::Feed);
        }
        let life = match random.below(4) {
            0 => Duration::ZERO,
            1 => random.millis(20),
            2 => random.millis(3000),
            _ => random.millis(30_000),
        };
        if chaos && random.percent(50) {
            let status = match random.below(5) {
                0 => ExitStatus::Exited(0),
                1 => ExitStatus::Exited(1),
                2 => ExitStatus::Exited(2),
                3 => ExitStatus::Dumped(6),
                _ => ExitStatus::Signaled(11),
            };
            self.plan(now + life, service, Turn::MainDies(status));
        } else if once || job && random.percent(50) {
            // In the end after it was ready.
            let least = if notifies { 1000 } else { 0 };
            let at = now + Duration::from_millis(least) + life;
            self.plan(at, service, Turn::MainDies(ExitStatus::Exited(0)));
        }
    }
}
