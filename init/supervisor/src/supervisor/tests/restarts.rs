//! Restart policies and back-off, of one service alone.

use orlop_config::RestartPolicy;

use super::world::{MS, SEC, With, World, service};
use crate::{ExitStatus, ServiceState};

const ON_FAILURE_2: RestartPolicy = RestartPolicy::OnFailure {
    max_retries: Some(2),
};

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
fn a_crash_that_left_a_stuck_process_restarts_when_it_is_gone() {
    let mut world = World::up([service("web")]);
    world.exits("web", 1);
    world.pass(10 * SEC);
    assert_eq!(world.state("web"), ServiceState::Failed);
    world.empty("web");
    assert_eq!(world.did(), ["launch web"]);
}
