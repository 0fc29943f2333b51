//! Random services with random edges, without cycles.

use std::time::Duration;

use orlop_config::{
    Condition, Cron, Dependency, EndStatus, HealthCheck, HealthTest, Kind, MachineAction, Missed,
    Need, OnUnhealthy, OomPolicy, Overlap, Propagate, Readiness, RestartPolicy, Schedule, Service,
    ServiceName, StartLimit, Supervision, Trigger,
};

use crate::random::Random;
use crate::service::{name, service};

/// What services may need.
pub(crate) fn needs() -> [Need; 4] {
    [
        Need::Online,
        Need::Time,
        Need::Link(Some("eth0".to_owned())),
        Need::Device("/dev/ttyUSB0".into()),
    ]
}

pub(crate) fn services(random: &mut Random, count: u64) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    for number in 0..count {
        // Names in no relation to the order of the edges.
        let mut made = service(&format!("{}{number}", ["x", "a", "m"][random.index(3)]));
        made.restart = policy(random);
        made.stop_grace_period = match random.below(5) {
            0 => Duration::ZERO,
            1 => Duration::from_secs(30),
            _ => random.millis(10_000),
        };
        if random.percent(50) {
            supervise(random, &mut made);
        }
        for before in &mut services {
            connect(random, &mut made, before);
        }
        if random.percent(2) {
            let dependency = Dependency {
                required: random.percent(50),
                ..Dependency::default()
            };
            made.depends_on.insert(name("missing"), dependency);
        }
        services.push(made);
    }
    let names: Vec<ServiceName> = services.iter().map(|s| s.name.clone()).collect();
    for service in &mut services {
        let action = &mut service.supervision.on_failure;
        if random.percent(8) {
            action.start = Some(names[random.index(names.len())].clone());
        }
        action.restart_dependents = random.percent(8);
        action.machine = random.percent(1).then_some(MachineAction::Reboot);
    }
    services
}

fn policy(random: &mut Random) -> RestartPolicy {
    match random.below(12) {
        0..5 => RestartPolicy::Always,
        5 => RestartPolicy::No,
        6 | 7 => RestartPolicy::OnFailure {
            max_retries: Some(1 + u32::try_from(random.below(3)).unwrap()),
        },
        8 => RestartPolicy::OnFailure { max_retries: None },
        9 => RestartPolicy::OnSuccess,
        10 => RestartPolicy::OnAbnormal,
        _ => [RestartPolicy::OnAbort, RestartPolicy::OnWatchdog][random.index(2)],
    }
}

/// An edge to a service that was made before: no cycle can come of it.
fn connect(random: &mut Random, made: &mut Service, before: &mut Service) {
    match random.below(10) {
        0..3 => {
            let once = before.supervision.kind != Kind::Service
                || before.supervision.schedule.is_some()
                || !matches!(before.restart, RestartPolicy::Always);
            let dependency = Dependency {
                condition: match random.below(4) {
                    0 if once => Condition::CompletedSuccessfully,
                    1 => Condition::Healthy,
                    _ => Condition::Started,
                },
                required: random.percent(75),
                restart: random.percent(20),
                propagate: match random.below(8) {
                    0 => Propagate::Restart,
                    1 => Propagate::Stop,
                    _ => Propagate::None,
                },
            };
            made.depends_on.insert(before.name.clone(), dependency);
        }
        3 if random.percent(50) => {
            made.supervision.after.insert(before.name.clone());
        }
        4 if random.percent(50) => {
            before.supervision.before.insert(made.name.clone());
        }
        _ => {}
    }
}

fn supervise(random: &mut Random, made: &mut Service) {
    let s = &mut made.supervision;
    if random.percent(20) {
        s.kind = Kind::Oneshot {
            remain_after_exit: random.percent(50),
        };
        if random.percent(60) {
            made.restart = RestartPolicy::No;
        }
    } else {
        s.readiness = match random.below(4) {
            0 => Readiness::Notify,
            1 => Readiness::Fd(3),
            2 => Readiness::Healthy,
            _ => Readiness::Started,
        };
    }
    if s.readiness != Readiness::Started || random.percent(10) {
        s.start_timeout = Some(Duration::from_secs(20) + random.millis(60_000));
    }
    if s.readiness == Readiness::Healthy || random.percent(20) {
        s.health = Some(health(random));
        s.on_unhealthy = [OnUnhealthy::Restart, OnUnhealthy::None][random.index(2)];
    }
    if random.percent(20) {
        s.watchdog = Some(Duration::from_secs(1) + random.millis(30_000));
    }
    if random.percent(30) {
        s.restart_delay = random.millis(2000);
        s.restart_max_delay = s.restart_delay + random.millis(20_000);
        s.restart_reset_after = random.millis(20_000);
    }
    limit(random, s);
    if random.percent(10) {
        s.success_exit_status = vec![EndStatus::Code(1)];
    }
    if random.percent(10) {
        s.restart_prevent_exit_status = vec![EndStatus::Code(1)];
    }
    if random.percent(10) {
        s.restart_force_exit_status = vec![EndStatus::Code(1)];
    }
    s.oom_policy = [OomPolicy::Continue, OomPolicy::Stop, OomPolicy::Kill][random.index(3)];
    for need in needs() {
        if random.percent(10) {
            s.needs.push(need);
        }
    }
    s.start_at_boot = !random.percent(8);
    if random.percent(10) {
        s.start_at_boot = false;
        s.schedule = Some(schedule(random));
    }
}

fn limit(random: &mut Random, s: &mut Supervision) {
    if random.percent(30) {
        s.start_limit = Some(StartLimit {
            burst: 1 + u32::try_from(random.below(4)).unwrap(),
            interval: random.millis(30_000),
            retry_after: random.percent(50).then(|| random.millis(60_000)),
        });
    }
    if random.percent(10) {
        s.max_attempts = Some(u32::try_from(random.below(4)).unwrap());
    }
}

fn health(random: &mut Random) -> HealthCheck {
    HealthCheck {
        test: HealthTest::Tcp { port: 80 },
        interval: random.millis(20_000),
        timeout: random.millis(10_000),
        retries: u32::try_from(random.below(4)).unwrap(),
        start_period: random.millis(20_000),
        start_interval: random.millis(8000),
    }
}

fn schedule(random: &mut Random) -> Schedule {
    Schedule {
        trigger: match random.percent(50) {
            true => Trigger::Every(Duration::from_secs(1 + random.below(300))),
            false => Trigger::Cron(Cron::parse("*/5 * * * *").unwrap()),
        },
        missed: [Missed::Skip, Missed::Run][random.index(2)],
        overlap: [Overlap::Skip, Overlap::Queue, Overlap::Restart][random.index(3)],
    }
}
