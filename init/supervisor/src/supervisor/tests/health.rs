//! Health checks: Docker's verdicts, sooner readiness.

use std::time::Duration;

use orlop_config::{Condition, OnUnhealthy, Readiness, Service};

use super::world::*;
use crate::{Effect, Event, Health, ProbeResult, ServiceState};

fn checked(text: &str) -> Service {
    service(text).set(|s| s.health = Some(check()))
}

#[test]
fn healthy_by_the_first_probe_that_passes_then_every_interval() {
    let web = service("web").edge("db", |e| e.condition = Condition::Healthy);
    let mut world = World::new([checked("db"), web]);
    world.boot();
    world.launched("db");
    assert_eq!(world.state("db"), ServiceState::Up);
    assert_eq!(world.state("web"), ServiceState::Waiting);
    assert_eq!(world.cause("web"), "waiting for \"db\" to be healthy");
    let launched = world.now;
    world.until_probe();
    assert_eq!(world.now - launched, MS * 100);
    world.passes("db");
    assert_eq!(world.health("db"), Health::Healthy);
    assert_eq!(world.did(), ["launch web"]);
    world.launched("web");
    let passed = world.now;
    world.until_probe();
    assert_eq!(world.now - passed, SEC * 10);
}

#[test]
fn the_health_of_an_earlier_life_is_not_this_ones() {
    let web = service("web").edge("db", |e| e.condition = Condition::Healthy);
    let mut world = World::up([checked("db"), web]);
    world.until_probe();
    world.passes("db");
    world.launched("web");
    world.gone("db", 1);
    world.gone("web", 1);
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Waiting);
    world.until_probe();
    world.passes("db");
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn until_then_it_is_asked_more_often_and_condemned_no_sooner_than_by_docker() {
    let mut world = World::up([checked("db")]);
    let launched = world.now;
    let mut probes = Vec::new();
    while world.state("db") == ServiceState::Up {
        world.until_probe();
        probes.push(world.now - launched);
        world.misses("db");
    }
    assert_eq!(
        &probes[..6],
        [
            MS * 100,
            MS * 300,
            MS * 700,
            MS * 1500,
            MS * 3100,
            MS * 5100
        ]
    );
    assert_eq!(
        probes.last(),
        Some(&(MS * 31_100)),
        "three intervals and no less"
    );
    assert_eq!(world.did(), ["signal db 15", "signal db 18"]);
    assert_eq!(world.cause("db"), "unhealthy: 503");
    assert_eq!(world.health("db"), Health::Unhealthy);
    world.gone("db", 0);
    assert!(
        world
            .cause("db")
            .starts_with("unhealthy: 503, restarting in "),
        "not healthy: backs off"
    );
    assert_eq!(
        world.supervisor.clone().next_deadline(),
        world.supervisor.next_deadline()
    );
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.health("db"), Health::Starting);
    assert_eq!(
        world.status("db").health.as_ref().unwrap().failing_streak,
        0
    );
}

#[test]
fn failures_in_the_start_period_do_not_count() {
    let mut health = check();
    health.start_period = SEC * 60;
    let mut world = World::up([service("db").set(|s| s.health = Some(health))]);
    let launched = world.now;
    while world.state("db") == ServiceState::Up {
        world.until_probe();
        world.misses("db");
    }
    let took = world.now - launched;
    assert!(took >= SEC * 80 && took < SEC * 83, "{took:?}");
}

#[test]
fn once_healthy_every_failure_in_a_row_counts() {
    let mut world = World::up([checked("db")]);
    world.until_probe();
    world.passes("db");
    for streak in 1..=2 {
        world.until_probe();
        world.misses("db");
        let health = world.status("db").health.clone().unwrap();
        assert_eq!(health.failing_streak, streak);
        assert_eq!(health.last_output, "503\nmore");
        assert_eq!(health.health, Health::Healthy);
    }
    world.until_probe();
    world.passes("db");
    assert_eq!(
        world.status("db").health.as_ref().unwrap().failing_streak,
        0
    );
    assert_eq!(
        world.status("db").health.as_ref().unwrap().last_output,
        "200"
    );
    for _ in 0..3 {
        assert_eq!(world.state("db"), ServiceState::Up);
        world.until_probe();
        world.misses("db");
    }
    assert_eq!(world.state("db"), ServiceState::Stopping);
}

#[test]
fn a_probe_that_takes_too_long_is_stopped_and_its_answer_ignored() {
    let mut world = World::up([checked("db")]);
    world.until_probe();
    let Some(Effect::Probe { serial, life, .. }) = world.last.last().cloned() else {
        panic!("{:?}", world.last);
    };
    world.pass(SEC * 5 - MS);
    assert_eq!(world.did(), [""; 0]);
    world.pass(MS);
    assert_eq!(world.did(), ["stop probe db"]);
    let output = |world: &World| world.status("db").health.clone().unwrap().last_output;
    assert_eq!(output(&world), "no answer within 5 s");
    let answer = |serial, life| Event::ProbeDone {
        service: name("db"),
        life,
        serial,
        result: ProbeResult::Passed("200".to_owned()),
    };
    world.step(answer(serial, life));
    assert_eq!(world.health("db"), Health::Starting);
    world.until_probe();
    world.step(answer(serial + 1, life + 1));
    assert_eq!(world.health("db"), Health::Starting, "of another life");
    world.step(answer(serial + 1, life));
    assert_eq!(world.health("db"), Health::Healthy);
}

#[test]
fn a_probe_that_cannot_be_made_has_failed() {
    let mut world = World::up([checked("db")]);
    world.until_probe();
    world.probe_says("db", ProbeResult::Unable("no such program".to_owned()));
    let output = world.status("db").health.clone().unwrap().last_output;
    assert_eq!(output, "the probe was not made: no such program");
}

#[test]
fn the_end_of_a_life_ends_its_probe() {
    let mut world = World::up([checked("db")]);
    world.until_probe();
    world.stop("db");
    assert_eq!(
        world.did(),
        ["stop probe db", "signal db 15", "signal db 18"]
    );
    world.gone("db", 0);
    assert_eq!(world.supervisor.next_deadline(), None);
}

#[test]
fn unhealthy_may_be_shown_only() {
    let db = checked("db").set(|s| s.on_unhealthy = OnUnhealthy::None);
    let web = service("web").edge("db", |e| {
        e.condition = Condition::Healthy;
        e.required = false;
    });
    let mut world = World::up([db, web]);
    while world.health("db") == Health::Starting {
        world.until_probe();
        world.misses("db");
    }
    assert_eq!(world.state("db"), ServiceState::Up);
    assert_eq!(world.did(), ["launch web"], "waits for it no longer");
    world.until_probe();
    world.passes("db");
    assert_eq!(world.health("db"), Health::Healthy);
}

#[test]
fn up_may_mean_healthy() {
    let db = checked("db").set(|s| {
        s.readiness = Readiness::Healthy;
        s.start_timeout = Some(SEC * 90);
    });
    let mut world = World::new([db, service("web").needs("db")]);
    world.boot();
    world.launched("db");
    assert_eq!(world.state("db"), ServiceState::Starting);
    world.until_probe();
    world.misses("db");
    assert_eq!(world.state("db"), ServiceState::Starting);
    world.until_probe();
    world.passes("db");
    assert_eq!(world.state("db"), ServiceState::Up);
    assert_eq!(world.cause("db"), "healthy");
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn what_notifies_is_asked_before_and_after_it_is_ready() {
    let db = checked("db").set(|s| s.readiness = Readiness::Notify);
    let mut world = World::new([db]);
    world.boot();
    world.launched("db");
    world.until_probe();
    world.passes("db");
    assert_eq!(
        world.state("db"),
        ServiceState::Starting,
        "healthy is not ready"
    );
    let passed = world.now;
    world.ready("db");
    assert_eq!(world.state("db"), ServiceState::Up);
    world.until_probe();
    assert_eq!(world.now - passed, SEC * 10);
}

#[test]
fn ready_and_healthy_for_10_s_is_a_healthy_run() {
    let mut world = World::up([checked("db")]);
    world.until_probe();
    world.misses("db");
    world.pass(SEC * 5);
    world.until_probe();
    world.passes("db");
    world.pass(SEC * 10 - MS);
    world.gone("db", 1);
    assert_eq!(
        world.state("db"),
        ServiceState::BackingOff,
        "up longer, healthy for less"
    );
    world.pass(SEC);
    world.launched("db");
    world.until_probe();
    world.passes("db");
    world.pass(SEC * 10);
    world.gone("db", 1);
    assert_eq!(world.state("db"), ServiceState::Starting, "at once");
}

#[test]
fn zero_times_do_not_spin() {
    let mut health = check();
    health.interval = Duration::ZERO;
    health.timeout = Duration::ZERO;
    health.start_interval = Duration::ZERO;
    let mut world = World::up([service("db").set(|s| s.health = Some(health))]);
    world.pass(MS * 20);
    assert_ne!(world.state("db"), ServiceState::Up, "three failures");
}

#[test]
fn long_output_is_cut() {
    let mut world = World::up([checked("db").set(|s| {
        let mut check = check();
        check.retries = 1;
        check.interval = MS;
        s.health = Some(check);
    })]);
    world.until_probe();
    let output = "x".repeat(5000);
    world.probe_says("db", ProbeResult::Failed(output));
    let kept = world.status("db").health.clone().unwrap().last_output;
    assert_eq!(kept.len(), 4096);
    assert_eq!(world.cause("db").len(), "unhealthy: ".len() + 160);
}

#[test]
fn a_failure_without_a_word_is_named_too() {
    let mut world = World::up([checked("db").set(|s| {
        let mut check = check();
        check.retries = 0;
        check.interval = MS;
        s.health = Some(check);
    })]);
    world.until_probe();
    world.probe_says("db", ProbeResult::Failed(String::new()));
    assert_eq!(world.cause("db"), "unhealthy");
}

#[test]
fn who_is_up_by_its_health_is_well_from_then_on() {
    for (well, state) in [
        (SEC * 10, ServiceState::Starting),
        (SEC * 10 - MS, ServiceState::BackingOff),
    ] {
        let mut world = World::new([checked("db").set(|s| s.readiness = Readiness::Healthy)]);
        world.boot();
        world.launched("db");
        world.until_probe();
        world.passes("db");
        world.pass(well);
        world.gone("db", 1);
        assert_eq!(world.state("db"), state, "{well:?}");
    }
}
