//! One machine from boot to shutdown.

use std::time::Duration;

use orlop_config::{Service, Signal};
use orlop_supervisor::{Effect, Event, Request, Shutdown, Supervisor, Time};

use crate::invariants::Invariants;
use crate::machine::services;
use crate::random::Random;
use crate::service::name;
use crate::world::World;

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
        self.rest()?;
        self.invariants.at_rest()?;
        if !early {
            self.shut_down()?;
            self.rest()?;
        }
        self.invariants.at_the_end()?;
        Ok(self.steps)
    }

    /// Lets everything happen that is going to happen.
    fn rest(&mut self) -> Result<(), String> {
        let bound = self.now + Duration::from_secs(10_000);
        self.until(bound)?;
        match self.next() {
            Some(at) => Err(format!("no rest: something is due at {at:?}")),
            None => Ok(()),
        }
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
        let request = match self.random.below(20) {
            0..6 => Request::Start(service),
            6..11 => Request::Stop(service),
            11..15 => Request::Restart(service),
            15..17 => Request::Kill(service, signals[self.random.index(3)]),
            17 => return self.step(Event::Deadline),
            _ => {
                self.world.murder(self.now, index);
                return Ok(());
            }
        };
        self.requests += 1;
        let id = self.requests;
        self.step(Event::Request { request, id })
    }

    fn step(&mut self, event: Event) -> Result<(), String> {
        self.steps += 1;
        if self.trace {
            println!("{:?} {event:?}", self.now);
        }
        self.invariants.event(&event, self.now);
        for effect in self.supervisor.step(event, self.now) {
            if self.trace {
                println!("    {effect:?}");
            }
            if self.lose_replies && matches!(effect, Effect::Reply { .. }) {
                continue;
            }
            self.invariants.effect(&effect, self.now, &self.world)?;
            let (now, random) = (self.now, &mut self.random);
            match effect {
                Effect::Launch { service, .. } => {
                    let id = self.invariants.id(&service);
                    self.world.launch(random, now, id);
                }
                Effect::Signal { service, signal } => {
                    let id = self.invariants.id(&service);
                    self.world.signal(random, now, id, signal);
                }
                Effect::KillCgroup { service } => {
                    let id = self.invariants.id(&service);
                    self.world.kill_cgroup(random, now, id);
                }
                _ => {}
            }
        }
        self.invariants
            .agree(&self.supervisor, self.now, &self.world)
    }
}
