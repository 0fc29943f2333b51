//! Oneshots: up is done.

use orlop_config::{Kind, RestartPolicy, Service};

use super::world::*;
use crate::{ExitStatus, ServiceState};

fn oneshot(remain_after_exit: bool) -> Service {
    let job = service("job").policy(RestartPolicy::No);
    job.set(|s| s.kind = Kind::Oneshot { remain_after_exit })
}

#[test]
fn up_is_done_for_those_who_wait() {
    let mut world = World::new([oneshot(false), service("web").needs("job")]);
    world.boot();
    world.launched("job");
    let start = world.start("job");
    assert_eq!(world.state("job"), ServiceState::Starting);
    assert_eq!(world.cause("job"), "runs");
    assert_eq!(world.state("web"), ServiceState::Waiting);
    world.exits("job", 0);
    world.empty("job");
    assert_eq!(world.did(), ["release job", "launch web"]);
    assert_eq!(world.replies(), [(start, Ok(()))]);
    assert_eq!(world.state("job"), ServiceState::Down);
    world.launched("web");
    assert_eq!(world.supervisor.next_deadline(), None);
}

#[test]
fn a_oneshot_that_remains_is_up_until_it_is_stopped() {
    let mut world = World::new([oneshot(true), service("web").needs("job")]);
    world.boot();
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(world.state("job"), ServiceState::Up);
    assert_eq!(world.status("job").pid, None);
    let start = world.start("job");
    assert_eq!(world.replies(), [(start, Ok(()))]);
    assert_eq!(world.did(), [""; 0]);
    let stop = world.stop("job");
    assert_eq!(world.replies(), [(stop, Ok(()))]);
    assert_eq!(world.state("job"), ServiceState::Down);
    let restart = world.restart("job");
    assert_eq!(world.did(), ["launch job"]);
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(world.replies(), [(restart, Ok(()))]);
    // A restart of what remains runs it once more.
    world.restart("job");
    assert_eq!(world.did(), ["launch job"]);
    world.launched("job");
    world.gone("job", 0);
    world.launched("web");
    world.shut_down();
    world.gone("web", 0);
    assert_eq!(world.state("job"), ServiceState::Down);
    assert!(
        world
            .did()
            .contains(&"shutdown complete PowerOff".to_owned())
    );
}

#[test]
fn a_failure_fails_and_a_signal_is_one() {
    for remain in [false, true] {
        let mut world = World::new([oneshot(remain), service("web").needs("job")]);
        world.boot();
        world.launched("job");
        world.ends("job", ExitStatus::Signaled(15));
        world.empty("job");
        assert_eq!(world.state("job"), ServiceState::Failed);
        assert_eq!(world.cause("job"), "killed by SIGTERM");
        assert_eq!(world.state("web"), ServiceState::Failed);
    }
}

#[test]
fn a_success_is_never_restarted_and_a_failure_is_when_asked() {
    let job = oneshot(false).policy(RestartPolicy::Always);
    let mut world = World::new([job]);
    world.boot();
    world.launched("job");
    world.gone("job", 1);
    assert_eq!(world.state("job"), ServiceState::BackingOff);
    world.pass(SEC);
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(world.state("job"), ServiceState::Down);
    assert_eq!(world.supervisor.next_deadline(), None);
}

#[test]
fn a_oneshot_may_have_a_timeout() {
    let mut world = World::new([oneshot(false).set(|s| s.start_timeout = Some(SEC * 5))]);
    world.boot();
    world.launched("job");
    world.pass(SEC * 5);
    assert_eq!(world.did(), ["signal job 15", "signal job 18"]);
    world.gone("job", 0);
    assert_eq!(world.cause("job"), "not done after 5 s");
    assert_eq!(world.state("job"), ServiceState::Failed);
}

#[test]
fn a_stop_during_the_run_answers_the_start() {
    let mut world = World::new([oneshot(false).set(|s| s.start_at_boot = false)]);
    world.boot();
    assert_eq!(world.did(), ["boot complete"]);
    let start = world.start("job");
    world.launched("job");
    let stop = world.stop("job");
    assert_eq!(world.replies(), [(start, failed("superseded by stop"))]);
    world.gone("job", 0);
    assert_eq!(world.replies(), [(stop, Ok(()))]);
    assert_eq!(world.cause("job"), "stopped by request");
}

#[test]
fn edge_39_a_oneshot_runs_once_under_racing_requests() {
    let mut world = World::new([oneshot(false)]);
    world.boot();
    world.start("job");
    world.restart("job");
    world.stop("job");
    world.start("job");
    world.launched("job");
    let launches = world.status("job").life;
    assert_eq!(launches, 1);
    world.gone("job", 0);
    // The stop had begun: what runs is a run after it.
    assert_eq!(world.status("job").life, 2);
}

#[test]
fn who_restarts_with_a_oneshot_does_so_when_it_is_done() {
    for remain in [false, true] {
        let web = service("web").edge("job", |edge| edge.restart = true);
        let mut world = World::new([oneshot(remain), web]);
        world.boot();
        world.launched("job");
        world.gone("job", 0);
        world.launched("web");
        world.restart("job");
        world.launched("job");
        assert_eq!(world.state("web"), ServiceState::Up);
        world.gone("job", 0);
        assert_eq!(world.state("web"), ServiceState::Stopping);
    }
}

#[test]
fn scale_zero_is_started_by_request_only() {
    let db = service("db").set(|s| s.start_at_boot = false);
    let mut world = World::new([db, service("web").needs("db")]);
    world.boot();
    assert_eq!(world.state("db"), ServiceState::Down);
    assert_eq!(world.cause("web"), "waiting for \"db\", which is stopped");
    assert_eq!(world.did(), ["boot complete"]);
    world.start("web");
    assert_eq!(world.did(), ["launch db"]);
}
