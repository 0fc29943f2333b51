//! Random services with random edges, without cycles.

use std::time::Duration;

use orlop_config::{Condition, Dependency, RestartPolicy, Service};

use crate::random::Random;
use crate::service::{name, service};

pub(crate) fn services(random: &mut Random, count: u64) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    for number in 0..count {
        // Names in no relation to the order of the edges.
        let mut made = service(&format!("{}{number}", ["x", "a", "m"][random.index(3)]));
        made.restart = match random.below(6) {
            0..3 => RestartPolicy::Always,
            3 => RestartPolicy::No,
            4 => RestartPolicy::OnFailure {
                max_retries: Some(1 + u32::try_from(random.below(3)).unwrap()),
            },
            _ => RestartPolicy::OnFailure { max_retries: None },
        };
        made.stop_grace_period = match random.below(5) {
            0 => Duration::ZERO,
            1 => Duration::from_secs(30),
            _ => random.millis(10_000),
        };
        for before in &services {
            if !random.percent(30) {
                continue;
            }
            let job = !matches!(before.restart, RestartPolicy::Always);
            let dependency = Dependency {
                condition: match job && random.percent(40) {
                    true => Condition::CompletedSuccessfully,
                    false => Condition::Started,
                },
                required: random.percent(75),
                ..Dependency::default()
            };
            made.depends_on.insert(before.name.clone(), dependency);
        }
        if random.percent(2) {
            let dependency = Dependency {
                condition: Condition::Started,
                required: random.percent(50),
                ..Dependency::default()
            };
            made.depends_on.insert(name("missing"), dependency);
        }
        services.push(made);
    }
    services
}
