//! When a started service counts as up.

use orlop_config::{Readiness, Service, ServiceName};

use super::world::*;
use crate::{ExitStatus, Notice, ServiceState, Stopping};

fn notifies(text: &str) -> Service {
    service(text).set(|s| {
        s.readiness = Readiness::Notify;
        s.start_timeout = Some(SEC * 90);
    })
}

#[test]
fn up_is_when_it_says_so() {
    for readiness in [Readiness::Notify, Readiness::Fd(3)] {
        let db = notifies("db").set(|s| s.readiness = readiness);
        let mut world = World::new([db, service("web").needs("db")]);
        world.boot();
        world.launched("db");
        assert_eq!(world.state("db"), ServiceState::Starting);
        assert_eq!(world.cause("db"), "runs, not ready yet");
        assert_eq!(world.state("web"), ServiceState::Waiting);
        world.ready("db");
        assert_eq!(world.did(), ["launch web"]);
        assert_eq!(world.state("db"), ServiceState::Up);
        assert_eq!(world.cause("db"), "ready");
        world.launched("web");
        assert_eq!(world.supervisor.next_deadline(), None);
    }
}

#[test]
fn ready_may_be_read_before_the_launch() {
    let mut world = World::new([notifies("db")]);
    world.boot();
    world.ready("db");
    assert_eq!(world.state("db"), ServiceState::Starting);
    world.launched("db");
    assert_eq!(world.state("db"), ServiceState::Up);
}

#[test]
fn what_an_earlier_life_said_does_not_count() {
    let mut world = World::new([notifies("db")]);
    world.boot();
    world.launched("db");
    world.gone("db", 1);
    world.pass(SEC);
    world.launched("db");
    world.step(crate::Event::Notice {
        service: name("db"),
        life: 1,
        notice: Notice::Ready,
    });
    assert_eq!(world.state("db"), ServiceState::Starting);
    assert_eq!(world.status("db").life, 2);
    world.ready("db");
    assert_eq!(world.state("db"), ServiceState::Up);
}

#[test]
fn a_start_that_takes_too_long_is_stopped_and_tried_again() {
    let mut world = World::new([notifies("db")]);
    world.boot();
    world.launched("db");
    world.pass(SEC * 90 - MS);
    assert_eq!(world.did(), [""; 0]);
    world.pass(MS);
    assert_eq!(
        world.did(),
        ["signal db 15", "signal db 18", "boot complete"]
    );
    assert_eq!(world.cause("db"), "not ready after 90 s");
    world.pass(SEC * 10);
    assert_eq!(world.did(), ["kill db"]);
    world.gone("db", 0);
    assert_eq!(world.state("db"), ServiceState::BackingOff);
    assert!(
        world
            .cause("db")
            .starts_with("not ready after 90 s, restarting in ")
    );
}

#[test]
fn a_start_may_be_extended_and_never_shortened() {
    let mut world = World::new([notifies("db")]);
    world.boot();
    world.launched("db");
    world.pass(SEC * 60);
    world.notice("db", Notice::ExtendTimeout(SEC));
    world.pass(SEC * 29);
    assert_eq!(world.state("db"), ServiceState::Starting);
    world.notice("db", Notice::ExtendTimeout(SEC * 60));
    world.pass(SEC * 60 - MS);
    assert_eq!(world.state("db"), ServiceState::Starting);
    world.pass(MS);
    assert_eq!(world.state("db"), ServiceState::Stopping);
}

#[test]
fn a_stop_may_be_extended_to_300_s() {
    let mut world = World::up([service("db")]);
    // Nothing to extend.
    world.notice("db", Notice::ExtendTimeout(SEC));
    assert_eq!(world.supervisor.next_deadline(), None);
    world.stop("db");
    let asked = world.now;
    world.notice("db", Notice::ExtendTimeout(SEC * 60));
    assert_eq!(world.supervisor.next_deadline(), Some(asked + SEC * 60));
    world.notice("db", Notice::ExtendTimeout(SEC));
    assert_eq!(world.supervisor.next_deadline(), Some(asked + SEC * 60));
    world.notice("db", Notice::ExtendTimeout(SEC * 9000));
    assert_eq!(world.supervisor.next_deadline(), Some(asked + SEC * 300));
    let db = ServiceName::new("db").unwrap();
    let stopping = |world: &World| world.supervisor.stopping(&db);
    assert_eq!(stopping(&world), Some(Stopping::Until(asked + SEC * 300)));
    world.pass(SEC * 300);
    assert_eq!(world.did(), ["kill db"]);
    world.pass(SEC);
    let killed = Stopping::KilledAt(asked + SEC * 300);
    assert_eq!(stopping(&world), Some(killed));
    world.gone("db", 0);
    assert_eq!(world.cause("db"), "stopped by request, killed after 300 s");
}

#[test]
fn the_wait_for_the_cgroup_is_not_the_services_to_extend() {
    let mut world = World::up([service("db")]);
    world.stop("db");
    world.exits("db", 0);
    assert_eq!(world.did(), ["kill db"]);
    world.notice("db", Notice::ExtendTimeout(SEC * 60));
    assert_eq!(world.supervisor.next_deadline(), Some(world.now + SEC * 10));
}

#[test]
fn edge_17_who_ends_before_it_is_ready_fails_at_once() {
    let mut world = World::new([notifies("db").policy(orlop_config::RestartPolicy::OnAbnormal)]);
    world.boot();
    world.launched("db");
    world.empty("db");
    world.exits("db", 0);
    assert_eq!(world.state("db"), ServiceState::BackingOff);
    assert!(
        world
            .cause("db")
            .starts_with("exited with code 0 before it was ready, restarting")
    );
    world.pass(SEC);
    world.launched("db");
    world.gone("db", 1);
    // An unclean code keeps its own kind, which this policy does not restart.
    assert_eq!(world.state("db"), ServiceState::Failed);
    assert_eq!(world.cause("db"), "exited with code 1 before it was ready");
}

#[test]
fn edge_17_not_while_its_main_process_lives() {
    let mut world = World::new([notifies("db")]);
    world.boot();
    world.launched("db");
    world.empty("db");
    assert_eq!(world.state("db"), ServiceState::Starting);
    world.ready("db");
    assert_eq!(world.state("db"), ServiceState::Up);
}

#[test]
fn edge_08_ready_is_said_anew_after_a_restart() {
    let mut world = World::new([notifies("db"), service("web").needs("db")]);
    world.boot();
    world.launched("db");
    world.ready("db");
    world.launched("web");
    world.pass(SEC * 20);
    world.gone("db", 1);
    world.gone("web", 1);
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Waiting);
    world.ready("db");
    assert_eq!(world.state("web"), ServiceState::Starting);
}

#[test]
fn what_else_it_says_is_shown() {
    let mut world = World::up([service("db")]);
    world.notice("db", Notice::Status("é".repeat(600)));
    let text = world.status("db").text.clone().unwrap();
    assert_eq!(text.len(), 1024);
    world.notice("db", Notice::MainPid(777));
    assert_eq!(world.status("db").pid, Some(777));
    world.notice("db", Notice::Reloading);
    assert!(world.status("db").reloading);
    world.ready("db");
    assert!(!world.status("db").reloading);
    world.notice("db", Notice::Reloading);
    world.notice("db", Notice::Errno(98));
    world.gone("db", 1);
    assert!(!world.status("db").reloading);
    assert!(
        world
            .cause("db")
            .starts_with("exited with code 1 (errno 98), restarting")
    );
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.status("db").text, None);
    // Of a main process that is gone nothing is shown.
    world.notice("db", Notice::Errno(98));
    world.notice("db", Notice::Errno(0));
    world.exits("db", 1);
    world.notice("db", Notice::MainPid(778));
    assert_eq!(world.status("db").pid, None);
    world.empty("db");
    assert_eq!(
        world.status("db").last_exits.back().unwrap().cause,
        "exited with code 1"
    );
}

#[test]
fn reloading_is_of_what_is_up() {
    let mut world = World::new([notifies("db")]);
    world.boot();
    world.launched("db");
    world.notice("db", Notice::Reloading);
    assert!(!world.status("db").reloading);
}

#[test]
fn who_says_that_it_stops_is_bounded_and_judged() {
    let mut world = World::up([service("db")]);
    world.notice("db", Notice::Stopping);
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(world.state("db"), ServiceState::Stopping);
    assert_eq!(world.cause("db"), "stopping by itself");
    world.notice("db", Notice::Stopping);
    world.pass(SEC * 10);
    assert_eq!(world.did(), ["kill db"]);
    world.ends("db", ExitStatus::Signaled(9));
    world.empty("db");
    assert!(
        world
            .cause("db")
            .starts_with("killed by SIGKILL, restarting")
    );
}

#[test]
fn a_restart_of_what_is_not_ready_restarts_it() {
    let mut world = World::new([notifies("db")]);
    world.boot();
    world.launched("db");
    let start = world.start("db");
    let restart = world.restart("db");
    assert_eq!(world.did(), ["signal db 15", "signal db 18"]);
    world.gone("db", 0);
    assert_eq!(world.did(), ["kill db", "launch db"]);
    world.launched("db");
    assert_eq!(world.replies(), []);
    world.ready("db");
    assert_eq!(world.replies(), [(start, Ok(())), (restart, Ok(()))]);
}

#[test]
fn a_shutdown_does_not_wait_for_readiness() {
    let mut world = World::new([notifies("db")]);
    world.boot();
    world.launched("db");
    world.shut_down();
    assert_eq!(world.did(), ["signal db 15", "signal db 18"]);
    world.gone("db", 0);
    assert_eq!(
        world.did(),
        ["kill db", "release db", "shutdown complete PowerOff"]
    );
}
