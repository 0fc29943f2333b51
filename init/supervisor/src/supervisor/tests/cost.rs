//! What a step costs, and that nothing is due when nothing is asked for.

use std::time::Instant;

use orlop_config::Service;

use super::world::*;
use crate::{Effect, Event, Notice, ServiceState, Supervisor};

fn idle(count: usize) -> Vec<Service> {
    (0..count).map(|n| service(&format!("s{n}"))).collect()
}

#[test]
fn fifty_idle_services_wake_nobody() {
    let world = World::up(idle(50));
    assert_eq!(world.supervisor.next_deadline(), None);
}

/// Median nanoseconds of one crash and restart, of one notice, and of nothing, in a machine of so
/// many services that run.
fn nanoseconds(count: usize) -> u128 {
    let mut world = World::up(idle(count));
    let mut taken = Vec::new();
    for _ in 0..400 {
        world.now += SEC * 20;
        let begin = Instant::now();
        world.notice("s3", Notice::WatchdogPing);
        world.exits("s3", 1);
        world.empty("s3");
        world.launched("s3");
        world.step(Event::Deadline);
        taken.push(begin.elapsed().as_nanos());
        assert_eq!(world.state("s3"), ServiceState::Up);
    }
    taken.sort_unstable();
    taken[taken.len() / 2]
}

/// A scan of all services in any of these steps would make it a hundred times dearer.
#[test]
fn a_step_costs_the_same_among_ten_and_among_a_thousand() {
    let (ten, thousand) = (nanoseconds(10), nanoseconds(1000));
    println!("5 steps: {ten} ns among 10 services, {thousand} ns among 1000");
    assert!(
        thousand < ten * 5,
        "{ten} ns among 10, {thousand} ns among 1000"
    );
}

/// Each requires the ten before it, in a hundred layers.
fn layered() -> Vec<Service> {
    let text = |layer: usize, column: usize| format!("s{layer}x{column}");
    let layers = (0..100).flat_map(|layer| (0..10).map(move |column| (layer, column)));
    layers
        .map(|(layer, column)| {
            let mut made = service(&text(layer, column));
            if layer > 0 {
                for other in 0..10 {
                    made = made.needs(&text(layer - 1, other));
                }
            }
            made
        })
        .collect()
}

#[test]
fn a_thousand_services_are_solved_and_started() {
    let services = layered();
    let begin = Instant::now();
    let mut supervisor = Supervisor::new(services.iter(), 1);
    let solved = begin.elapsed();
    let mut open = supervisor.step(Event::Boot, SEC);
    let mut longest = begin.elapsed() - solved;
    let mut launches = 0;
    let mut complete = false;
    while let Some(effect) = open.pop() {
        complete |= effect == Effect::BootComplete;
        if let Effect::Launch { service, .. } = effect {
            launches += 1;
            let step = Instant::now();
            open.extend(supervisor.step(Event::Launched { service, pid: 100 }, SEC));
            longest = longest.max(step.elapsed());
        }
    }
    println!(
        "1000 services, 9900 edges: solved in {solved:?}, started in {:?}, longest step {longest:?}",
        begin.elapsed()
    );
    assert_eq!(launches, 1000);
    assert!(complete);
    assert!(
        supervisor
            .services()
            .all(|(_, status)| status.state == ServiceState::Up)
    );
}
