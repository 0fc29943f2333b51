//! Boot, stop and kill of one service alone, and events that change nothing.

use std::time::Duration;

use orlop_config::RestartPolicy;

use super::world::{MS, SEC, With, World, failed, service};
use crate::{Effect, Event, ExitStatus, ServiceState};

#[test]
fn boots_and_says_why() {
    let mut world = World::new([service("web")]);
    assert_eq!(world.cause("web"), "waiting for the boot");
    world.boot();
    assert_eq!(world.did(), ["launch web"]);
    assert_eq!(world.state("web"), ServiceState::Starting);
    world.launched("web");
    assert_eq!(world.did(), ["boot complete"]);
    assert_eq!(world.status("web").pid, Some(100));
    assert!(world.boot().is_empty(), "a second boot changes nothing");
}

#[test]
fn edge_43_stop_is_signal_then_continue_then_kill() {
    let mut world = World::up([service("web").grace(3 * SEC)]);
    let id = world.stop("web");
    // Edge case 43: a process stopped by SIGSTOP can act on the signal.
    assert_eq!(world.did(), ["signal web 15", "signal web 18"]);
    world.pass(2999 * MS);
    assert!(world.did().is_empty());
    world.pass(MS);
    assert_eq!(world.did(), ["kill web"]);
    world.ends("web", ExitStatus::Signaled(9));
    assert!(world.replies().is_empty(), "down only when all are gone");
    world.empty("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    assert_eq!(world.did(), ["release web"]);
    assert_eq!(world.cause("web"), "stopped by request, killed after 3 s");
    world.pass(1000 * SEC);
    assert!(world.did().is_empty(), "a stopped service stays down");
}

#[test]
fn leftovers_of_a_stopped_service_are_killed_at_once() {
    let mut world = World::up([service("web")]);
    world.stop("web");
    world.exits("web", 0);
    assert_eq!(world.did(), ["kill web"]);
    world.empty("web");
    assert_eq!(world.cause("web"), "stopped by request");
}

#[test]
fn a_grace_period_of_zero_kills_in_the_same_step() {
    let mut world = World::up([service("web").grace(Duration::ZERO)]);
    world.stop("web");
    assert_eq!(world.did(), ["signal web 15", "signal web 18", "kill web"]);
}

#[test]
fn edge_14_cgroup_empty_before_the_exit_status_keeps_the_status() {
    let mut world = World::up([service("web").policy(RestartPolicy::No)]);
    world.empty("web");
    assert_eq!(world.state("web"), ServiceState::Up);
    world.exits("web", 3);
    assert_eq!(world.state("web"), ServiceState::Failed);
    assert_eq!(world.cause("web"), "exited with code 3");
    assert_eq!(world.did(), ["release web"], "nothing to kill");

    let mut world = World::up([service("web")]);
    let id = world.stop("web");
    world.empty("web");
    world.exits("web", 0);
    assert_eq!(world.replies(), [(id, Ok(()))]);
}

#[test]
fn edge_15_an_empty_cgroup_told_twice_or_of_before_changes_nothing() {
    let mut world = World::new([service("db")]);
    world.boot();
    world.empty("db");
    world.launched("db");
    assert_eq!(world.state("db"), ServiceState::Up);
    world.pass(SEC * 20);
    world.exits("db", 1);
    world.empty("db");
    assert_eq!(world.did(), ["launch db"]);
    world.empty("db");
    world.empty("db");
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(world.state("db"), ServiceState::Starting);
}

#[test]
fn edge_16_what_survives_the_kill_is_named_and_nothing_starts_beside_it() {
    let mut world = World::up([service("web")]);
    let stop = world.stop("web");
    world.pass(20 * SEC);
    assert_eq!(world.state("web"), ServiceState::Failed);
    let cause = "a process of \"web\" survives SIGKILL, waiting for its cgroup to empty";
    assert_eq!(world.cause("web"), cause);
    assert_eq!(world.replies(), [(stop, failed(cause))]);
    for id in [world.start("web"), world.restart("web")] {
        let reply = Effect::Reply {
            id,
            result: failed(cause),
        };
        assert!(id == 2 || world.last.contains(&reply));
        assert!(world.did().is_empty());
    }
    let stop = world.stop("web");
    assert_eq!(world.replies(), [(stop, failed(cause))]);
    world.ends("web", ExitStatus::Signaled(9));
    world.empty("web");
    assert_eq!(world.state("web"), ServiceState::Down);
    world.start("web");
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn what_is_stuck_is_killed_again_from_time_to_time() {
    let mut world = World::new([service("web").policy(RestartPolicy::No)]);
    world.boot();
    world.pass(40 * SEC);
    let cause = "the launch of \"web\" survives SIGKILL, waiting for its end";
    assert_eq!(world.cause("web"), cause);
    world.pass(130 * SEC);
    assert_eq!(world.did(), ["kill web", "kill web"]);
    world.launch_failed("web");
    assert_eq!(world.cause("web"), "launch took longer than 30 s");
    let changes = |effect: &&Effect| matches!(effect, Effect::StateChanged { .. });
    assert_eq!(world.last.iter().filter(changes).count(), 1);
    assert_eq!(world.supervisor.next_deadline(), None);
}

#[test]
fn a_clock_that_goes_back_is_not_believed() {
    let mut world = World::up([service("web")]);
    world.pass(20 * SEC);
    world.step(Event::Deadline);
    world.now -= 15 * SEC;
    world.gone("web", 1);
    assert_eq!(world.did(), ["kill web", "launch web"], "up for 20 s");
}

#[test]
fn strange_events_change_nothing() {
    let mut world = World::up([service("web")]);
    let before = world.status("web").clone();
    world.launched("web");
    world.launch_failed("web");
    world.launched("nobody");
    world.empty("nobody");
    assert_eq!(world.status("web"), &before);
    world.stop("web");
    world.gone("web", 0);
    for _ in 0..2 {
        world.gone("web", 1);
        world.launched("web");
        world.launch_failed("web");
        assert!(world.last.is_empty());
    }
}

#[test]
fn a_second_boot_and_one_after_the_shutdown_change_nothing() {
    let mut world = World::up([service("db")]);
    world.boot();
    assert_eq!(world.did(), [""; 0]);
    world.pass(SEC * 100);
    assert_eq!(world.did(), [""; 0]);
    let mut world = World::new([service("db")]);
    world.shut_down();
    world.boot();
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(world.supervisor.next_deadline(), None);
}
