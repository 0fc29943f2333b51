//! A launch: answered late, never, or after the service was to end.

use orlop_config::RestartPolicy;

use super::world::{MS, SEC, With, World, name, service};
use crate::{Event, ServiceState};

#[test]
fn launch_failed_counts_as_a_failure() {
    let mut world = World::new([service("job").policy(RestartPolicy::No), service("web")]);
    world.boot();
    world.launch_failed("job");
    assert_eq!(world.state("job"), ServiceState::Failed);
    assert_eq!(world.cause("job"), "image \"x\": no such image");
    assert_eq!(world.did(), ["release job"]);
    world.launch_failed("web");
    assert_eq!(world.state("web"), ServiceState::BackingOff);
    assert_eq!(world.did(), ["boot complete"]);
}

#[test]
fn the_end_may_be_reported_before_the_launch() {
    let job = service("job").policy(RestartPolicy::No);
    let mut world = World::new([job, service("web").needs("job")]);
    world.boot();
    world.exits("job", 0);
    assert!(world.last.is_empty());
    world.empty("job");
    world.launched("job");
    assert_eq!(world.state("job"), ServiceState::Down);
    assert_eq!(world.did(), ["launch web", "release job"]);
}

#[test]
fn a_launch_that_is_never_answered_is_bounded() {
    let mut world = World::new([service("web")]);
    world.boot();
    world.pass(30 * SEC);
    assert_eq!(world.did(), ["kill web"]);
    assert_eq!(world.cause("web"), "launch took longer than 30 s");
    world.launch_failed("web");
    assert_eq!(world.state("web"), ServiceState::BackingOff);

    world.pass(110 * MS);
    world.pass(40 * SEC);
    assert_eq!(world.state("web"), ServiceState::Failed);
    world.launched("web");
    assert_eq!(world.did(), ["kill web"], "the kill came too early");
}

#[test]
fn a_launch_that_waits_for_the_machine_is_not_late() {
    let mut world = World::new([service("web")]);
    world.boot();
    let waits = |life, seconds: u32| Event::LaunchWaits {
        service: name("web"),
        life,
        bound: seconds * SEC,
    };
    world.pass(20 * SEC);
    world.step(waits(1, 120));
    world.pass(149 * SEC);
    assert_eq!(world.state("web"), ServiceState::Starting);
    world.step(waits(1, 0));
    world.step(waits(7, 120));
    world.pass(29 * SEC);
    assert_eq!(world.state("web"), ServiceState::Starting);
    world.pass(SEC);
    assert_eq!(
        world.did(),
        ["kill web"],
        "another life's wait does not count"
    );
    assert_eq!(world.cause("web"), "launch took longer than 30 s");
    world.step(waits(1, 120));
    world.pass(10 * SEC);
    assert_eq!(
        world.state("web"),
        ServiceState::Failed,
        "an end waits no longer"
    );
}

#[test]
fn a_launch_that_waits_for_the_machine_for_ever_is_bounded() {
    let mut world = World::new([service("web")]);
    world.boot();
    world.step(Event::LaunchWaits {
        service: name("web"),
        life: 1,
        bound: 120 * SEC,
    });
    world.pass(149 * SEC);
    world.pass(SEC);
    assert_eq!(world.did(), ["kill web"]);
    world.launch_failed("web");
    assert_eq!(world.state("web"), ServiceState::BackingOff);
}

/// A launch that has no process yet, in life 1, waits for so many seconds at the most.
fn waits(world: &mut World, seconds: u32) {
    world.step(Event::LaunchWaits {
        service: name("web"),
        life: 1,
        bound: seconds * SEC,
    });
}

#[test]
fn a_launch_without_a_process_takes_no_grace_period() {
    let mut world = World::new([service("web").grace(30 * SEC)]);
    world.boot();
    waits(&mut world, 180);
    let id = world.stop("web");
    assert_eq!(world.did(), ["kill web"], "stopped while it waits");
    world.launch_failed("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    assert_eq!(world.state("web"), ServiceState::Down);

    let mut world = World::new([service("web").grace(30 * SEC)]);
    world.boot();
    world.stop("web");
    assert!(world.did().is_empty());
    waits(&mut world, 180);
    assert_eq!(world.did(), ["kill web"], "stopped before it waits");
    world.pass(10 * SEC - MS);
    assert_eq!(world.state("web"), ServiceState::Stopping);
    world.pass(MS);
    assert_eq!(
        world.state("web"),
        ServiceState::Failed,
        "bounded as a kill is"
    );
    world.launch_failed("web");
    assert_eq!(world.state("web"), ServiceState::Down);

    let mut world = World::new([service("web").grace(30 * SEC)]);
    world.boot();
    waits(&mut world, 180);
    waits(&mut world, 0);
    world.stop("web");
    assert!(world.did().is_empty(), "it is being launched");
    world.launched("web");
    assert_eq!(world.did(), ["signal web 15", "signal web 18"]);
}

#[test]
fn only_who_has_readiness_to_show_is_said_to_have_shown_none() {
    let mut world = World::new([service("web")]);
    world.boot();
    world.stop("web");
    world.start("web");
    world.launched("web");
    world.gone("web", 1);
    let exits = &world.status("web").last_exits;
    assert_eq!(exits.back().unwrap().cause, "exited with code 1");
}

#[test]
fn a_kill_before_a_launch_waits_is_sent_again() {
    let mut world = World::new([service("web").grace(SEC)]);
    world.boot();
    world.stop("web");
    world.pass(SEC);
    assert_eq!(world.did(), ["kill web"], "nobody to hear it");
    waits(&mut world, 180);
    assert_eq!(world.did(), ["kill web"]);
    world.launch_failed("web");
    assert_eq!(world.state("web"), ServiceState::Down);

    let mut world = World::new([service("web").grace(SEC)]);
    world.boot();
    world.stop("web");
    world.pass(11 * SEC);
    assert_eq!(world.state("web"), ServiceState::Failed, "stuck");
    waits(&mut world, 180);
    assert_eq!(world.did(), ["kill web"]);
    waits(&mut world, 0);
    assert!(world.did().is_empty());
    world.launch_failed("web");
    assert_eq!(world.state("web"), ServiceState::Down);
}

#[test]
fn a_launch_that_comes_after_the_kill_is_killed_again() {
    let mut world = World::new([service("web").grace(SEC)]);
    world.boot();
    let id = world.stop("web");
    world.pass(SEC);
    assert_eq!(world.did(), ["kill web"]);
    world.pass(9 * SEC);
    world.launched("web");
    assert_eq!(world.did(), ["kill web"]);
    world.pass(9 * SEC);
    assert!(world.did().is_empty(), "it has ten seconds again");
    world.gone("web", 1);
    assert_eq!(world.replies(), [(id, Ok(()))]);
}
