//! One machine from boot to shutdown.

use std::time::Duration;

use orlop_config::{Service, Signal};
use orlop_supervisor::{Effect, Event, Request, Shutdown, Supervisor, Time};

use crate::invariants::Invariants;
use crate::machine::{needs, services};
use crate::random::Random;
use crate::service::name;
use crate::world::World;

/// What the clock reads when the machine starts, about: 2020.
const CENTURY: Duration = Duration::from_secs(1_577_836_800);
/// Within this, once the world is calm, every desired state is reached: longer than any launch in
/// flight, start timeout, stop, retry and process that hangs.
const CALM: Duration = Duration::from_secs(600);
/// Longer than any shutdown.
const END: Duration = Duration::from_secs(20_000);

/// What makes one machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) services: u64,
    /// Requests and accidents before the world calms down.
    pub(crate) ops: u64,
}

impl Plan {
    pub(crate) fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(!seed);
        Self {
            seed,
            services: 1 + random.below(12),
            ops: random.below(150),
        }
    }
}

pub(crate) struct Run {
    plan: Plan,
    random: Random,
    services: Vec<Service>,
    supervisor: Supervisor,
    world: World,
    invariants: Invariants,
    now: Time,
    steps: u64,
    requests: u64,
    trace: bool,
    lose_replies: bool,
}

impl Run {
    pub(crate) fn new(plan: Plan, trace: bool) -> Self {
        let mut random = Random::new(plan.seed);
        let services = services(&mut random, plan.services);
        Self {
            plan,
            supervisor: Supervisor::new(services.iter(), plan.seed),
            world: World::new(&services),
            invariants: Invariants::new(&services),
            services,
            random,
            now: Duration::from_millis(500),
            steps: 0,
            requests: 0,
            trace,
            lose_replies: false,
        }
    }

    /// Breaks the run on purpose.
    pub(crate) fn lose_replies(&mut self) {
        self.lose_replies = true;
    }

    pub(crate) fn play(mut self) -> Result<u64, String> {
        if self.trace {
            for s in &self.services {
                println!("{}: {:?} {:?}", s.name, s.restart, s.depends_on);
            }
        }
        let boot_at = self
            .random
            .below(self.plan.ops + 1)
            .min(self.random.below(4));
        let early = self.random.percent(40);
        let shutdown_at = match early {
            true => self.random.below(self.plan.ops + 1),
            false => self.plan.ops,
        };
        for op in 0..=self.plan.ops {
            if op == boot_at {
                self.step(Event::Boot)?;
            }
            if early && op == shutdown_at {
                self.shut_down()?;
            }
            let pause = match self.random.below(4) {
                0 => Duration::ZERO,
                1 => self.random.millis(20),
                2 => self.random.millis(1000),
                _ => self.random.millis(20_000),
            };
            self.until(self.now + pause)?;
            if op < self.plan.ops {
                self.op()?;
            }
        }
        self.world.calm = true;
        for need in needs() {
            // What never comes is waited for in peace.
            if self.random.percent(80) {
                let present = true;
                self.step(Event::Resource { need, present })?;
            }
        }
        self.until(self.now + CALM)?;
        self.invariants.at_rest(&self.supervisor)?;
        if !early && !self.invariants.shuts_down() {
            self.shut_down()?;
        }
        self.until(self.now + END)?;
        if let Some(at) = self.next() {
            return Err(format!("no rest: something is due at {at:?}"));
        }
        self.invariants.at_the_end()?;
        Ok(self.steps)
    }

    fn next(&self) -> Option<Time> {
        let due = [self.world.next(), self.supervisor.next_deadline()];
        due.into_iter().flatten().min()
    }

    fn until(&mut self, end: Time) -> Result<(), String> {
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            if self.world.next().is_some_and(|next| next <= self.now) {
                if let Some(event) = self.world.turn(&mut self.random) {
                    self.step(event)?;
                }
            } else {
                self.step(Event::Deadline)?;
            }
        }
        if self.next().is_some() {
            self.now = end;
        }
        Ok(())
    }

    fn shut_down(&mut self) -> Result<(), String> {
        let kinds = [Shutdown::PowerOff, Shutdown::Reboot, Shutdown::Halt];
        let kind = kinds[self.random.index(3)];
        self.step(Event::Shutdown(kind))
    }

    fn op(&mut self) -> Result<(), String> {
        let index = self.random.index(self.services.len());
        let service = match self.random.percent(1) {
            true => name("nobody"),
            false => self.services[index].name.clone(),
        };
        let signals = [Signal::TERM, Signal::KILL, Signal::CONT];
        let request = match self.random.below(22) {
            0..6 => Request::Start(service),
            6..11 => Request::Stop(service),
            11..15 => Request::Restart(service),
            15..17 => Request::Kill(service, signals[self.random.index(3)]),
            17 => return self.surroundings(),
            18 => {
                self.world.accident(&mut self.random, self.now, index);
                return Ok(());
            }
            _ => {
                self.world.murder(self.now, index);
                return Ok(());
            }
        };
        self.requests += 1;
        let id = self.requests;
        self.step(Event::Request { request, id })
    }

    /// What the machine has, and its clock.
    fn surroundings(&mut self) -> Result<(), String> {
        let event = match self.random.below(3) {
            0 => Event::Deadline,
            1 => {
                let jump = match self.random.below(3) {
                    0 => Duration::from_secs(self.random.below(100)),
                    1 => Duration::from_secs(self.random.below(10_000)),
                    _ => Duration::from_secs(self.random.below(100_000_000)),
                };
                Event::WallClock {
                    unix: CENTURY + self.now + jump,
                }
            }
            _ => Event::Resource {
                need: needs()[self.random.index(4)].clone(),
                present: self.random.percent(60),
            },
        };
        self.step(event)
    }

    fn step(&mut self, event: Event) -> Result<(), String> {
        self.steps += 1;
        if self.trace {
            println!("{:?} {event:?}", self.now);
        }
        let mut end = None;
        self.invariants.event(&event, self.now);
        for effect in self.supervisor.step(event, self.now) {
            if self.trace {
                println!("    {effect:?}");
            }
            if self.lose_replies && matches!(effect, Effect::Reply { .. }) {
                continue;
            }
            self.invariants
                .effect(&effect, self.now, &self.world, &self.supervisor)?;
            let (now, random) = (self.now, &mut self.random);
            match effect {
                Effect::Launch { service, life } => {
                    let id = self.invariants.id(&service);
                    self.world.launch(random, now, id, life);
                }
                Effect::Signal { service, signal } => {
                    let id = self.invariants.id(&service);
                    self.world.signal(random, now, id, signal);
                }
                Effect::KillCgroup { service } => {
                    let id = self.invariants.id(&service);
                    self.world.kill_cgroup(random, now, id);
                }
                Effect::Probe {
                    service, serial, ..
                } => {
                    let id = self.invariants.id(&service);
                    self.world.probe(random, now, id, serial);
                }
                Effect::ReadOut { service, .. } => {
                    let id = self.invariants.id(&service);
                    self.world.read_out(random, now, id);
                }
                Effect::EndMachine { kind, .. } => end = Some(kind),
                _ => {}
            }
        }
        if let Some(kind) = end {
            self.step(Event::Shutdown(kind))?;
        }
        self.invariants
            .agree(&self.supervisor, self.now, &self.world)
    }
}
