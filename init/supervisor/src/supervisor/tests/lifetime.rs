//! Restart policies, back-off, stop and kill, of one service alone.

use std::time::Duration;

use orlop_config::RestartPolicy;

use super::world::{MS, SEC, With, World, failed, name, service};
use crate::{Effect, Event, ExitStatus, ServiceState};

const ON_FAILURE_2: RestartPolicy = RestartPolicy::OnFailure {
    max_retries: Some(2),
};

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
fn edge_01_a_service_killed_by_sigkill_is_restarted() {
    let mut world = World::up([service("web")]);
    world.pass(SEC);
    world.ends("web", ExitStatus::Signaled(9));
    assert_eq!(world.did(), ["kill web"], "leftovers at once");
    assert_eq!(world.status("web").pid, None);
    world.empty("web");
    assert_eq!(world.state("web"), ServiceState::BackingOff);
    let cause = world.cause("web");
    assert!(
        cause.starts_with("killed by SIGKILL, restarting in "),
        "{cause}"
    );
    world.pass(110 * MS);
    assert_eq!(world.did(), ["launch web"]);
    assert_eq!(world.status("web").restarts, 1);
    assert_eq!(world.status("web").last_exit, Some(ExitStatus::Signaled(9)));
}

#[test]
fn always_backs_off_to_the_cap_and_never_gives_up() {
    let mut world = World::up([service("web")]);
    let mut nominal = 100 * MS;
    for _ in 0..50 {
        world.gone("web", 1);
        let due = world.supervisor.next_deadline().unwrap() - world.now;
        assert!(
            due >= nominal * 9 / 10 && due <= nominal * 11 / 10,
            "{due:?}"
        );
        world.pass(due);
        assert_eq!(world.did(), ["launch web"]);
        world.launched("web");
        nominal = (nominal * 2).min(60 * SEC);
    }
    assert_eq!(world.status("web").restarts, 50);
}

#[test]
fn after_a_healthy_run_it_restarts_at_once() {
    let mut world = World::up([service("web")]);
    world.pass(10 * SEC);
    world.gone("web", 1);
    assert_eq!(world.did(), ["kill web", "launch web"]);
    assert_eq!(world.cause("web"), "exited with code 1, restart 1");
    world.launched("web");
    world.gone("web", 1);
    assert_eq!(world.state("web"), ServiceState::BackingOff);
}

#[test]
fn back_off_is_counted_from_the_exit() {
    let mut world = World::up([service("web")]);
    world.exits("web", 1);
    world.pass(5 * SEC);
    world.empty("web");
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn policy_no_completes_or_fails_and_releases() {
    let mut world = World::up([service("job").policy(RestartPolicy::No)]);
    world.gone("job", 0);
    assert_eq!(world.state("job"), ServiceState::Down);
    assert_eq!(world.cause("job"), "exited with code 0");
    assert_eq!(world.did(), ["kill job", "release job"]);
    world.start("job");
    assert_eq!(world.did(), ["launch job"]);
    world.launched("job");
    world.gone("job", 2);
    assert_eq!(world.state("job"), ServiceState::Failed);
    assert_eq!(world.did(), ["kill job", "release job"]);
}

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
fn edge_03_a_manual_start_after_the_limit_works_and_starts_anew() {
    let mut world = World::up([service("web").policy(ON_FAILURE_2)]);
    for _ in 0..2 {
        world.gone("web", 1);
        world.pass(SEC);
        assert_eq!(world.did(), ["launch web"]);
        world.launched("web");
    }
    world.gone("web", 1);
    assert_eq!(world.state("web"), ServiceState::Failed);
    assert_eq!(
        world.cause("web"),
        "exited with code 1, gave up after 2 restarts"
    );
    world.pass(1000 * SEC);
    assert!(world.did().is_empty());

    let id = world.start("web");
    assert_eq!(world.did(), ["launch web"]);
    assert_eq!(world.status("web").restarts, 0);
    world.launched("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    world.gone("web", 1);
    assert_eq!(world.state("web"), ServiceState::BackingOff);
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
fn a_crash_that_left_a_stuck_process_restarts_when_it_is_gone() {
    let mut world = World::up([service("web")]);
    world.exits("web", 1);
    world.pass(10 * SEC);
    assert_eq!(world.state("web"), ServiceState::Failed);
    world.empty("web");
    assert_eq!(world.did(), ["launch web"]);
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
