//! Requests: what each does in each state, and that each is answered once.

use orlop_config::{RestartPolicy, Signal};

use super::world::{MS, SEC, With, World, failed, name, service};
use crate::{Request, RequestError, ServiceState};

#[test]
fn edge_05_restart_starts_what_is_stopped_or_failed() {
    let mut world = World::up([service("web").policy(RestartPolicy::No)]);
    world.gone("web", 1);
    assert_eq!(world.state("web"), ServiceState::Failed);
    let id = world.restart("web");
    assert_eq!(world.did(), ["launch web"]);
    world.launched("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    world.stop("web");
    world.gone("web", 0);
    let id = world.restart("web");
    assert_eq!(world.did(), ["launch web"]);
    world.launched("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
}

#[test]
fn edge_06_stop_during_the_back_off_does_not_start_once_more() {
    let mut world = World::up([service("web")]);
    world.gone("web", 1);
    let id = world.stop("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    assert_eq!(world.did(), ["release web"]);
    world.pass(100 * SEC);
    assert!(world.last.is_empty());
    assert_eq!(world.state("web"), ServiceState::Down);
}

#[test]
fn edge_06_stop_while_waiting_does_not_start_it_later() {
    let mut world = World::new([service("db"), service("web").needs("db")]);
    world.boot();
    let id = world.stop("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    world.launched("db");
    assert_eq!(world.did(), ["boot complete"]);
}

#[test]
fn restart_of_a_running_one_stops_and_starts_and_keeps_the_resources() {
    let mut world = World::up([service("web")]);
    let id = world.restart("web");
    assert_eq!(world.did(), ["signal web 15", "signal web 18"]);
    world.exits("web", 0);
    world.empty("web");
    assert_eq!(world.did(), ["launch web"]);
    assert!(world.replies().is_empty());
    world.launched("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    assert_eq!(world.status("web").restarts, 0);
}

#[test]
fn edge_18_a_restart_asked_for_from_inside_keeps_its_start_and_its_answer() {
    let mut world = World::up([service("db")]);
    let restart = world.restart("db");
    // Who asked dies of it.
    world.pass(SEC * 10);
    assert_eq!(world.did(), ["kill db"]);
    world.ends("db", crate::ExitStatus::Signaled(9));
    world.empty("db");
    assert_eq!(world.did(), ["launch db"]);
    world.launched("db");
    assert_eq!(world.replies(), [(restart, Ok(()))]);
}

#[test]
fn a_restart_starts_what_it_requires() {
    let mut world = World::up([service("db"), service("web").needs("db")]);
    world.stop("db");
    world.gone("db", 0);
    world.restart("web");
    assert_eq!(world.did(), ["launch db", "signal web 15", "signal web 18"]);
    world.gone("web", 0);
    assert_eq!(world.state("web"), ServiceState::Waiting);
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Starting);
}

#[test]
fn start_of_a_running_one_and_stop_of_a_stopped_one_are_done() {
    let mut world = World::up([service("web")]);
    let id = world.start("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    world.stop("web");
    world.gone("web", 0);
    let id = world.stop("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
}

#[test]
fn a_later_request_supersedes() {
    let mut world = World::up([service("web")]);
    let stop = world.stop("web");
    let start = world.start("web");
    assert_eq!(world.replies(), [(stop, failed("superseded by start"))]);
    let again = world.stop("web");
    assert_eq!(world.replies(), [(start, failed("superseded by stop"))]);
    let restart = world.restart("web");
    assert_eq!(world.replies(), [(again, failed("superseded by start"))]);
    world.gone("web", 0);
    assert_eq!(world.did(), ["kill web", "launch web"]);
    world.launched("web");
    assert_eq!(world.replies(), [(restart, Ok(()))]);
}

#[test]
fn edge_39_two_starts_launch_once() {
    let mut world = World::up([service("web")]);
    world.stop("web");
    world.gone("web", 0);
    let one = world.start("web");
    assert_eq!(world.did(), ["launch web"]);
    let two = world.start("web");
    assert!(world.did().is_empty());
    world.launched("web");
    assert_eq!(world.replies(), [(one, Ok(())), (two, Ok(()))]);
}

#[test]
fn stop_of_a_launch_in_flight_signals_it_when_it_is_there() {
    let mut world = World::new([service("web")]);
    world.boot();
    let id = world.stop("web");
    assert!(world.did().is_empty());
    world.launched("web");
    assert_eq!(world.did(), ["signal web 15", "signal web 18"]);
    world.gone("web", 0);
    assert_eq!(world.replies(), [(id, Ok(()))]);
    assert_eq!(world.status("web").pid, None);
}

#[test]
fn a_start_that_fails_is_answered_though_it_is_tried_again() {
    let mut world = World::up([service("web")]);
    world.stop("web");
    world.gone("web", 0);
    let id = world.start("web");
    world.launch_failed("web");
    let [(answered, Err(RequestError::Failed(reason)))] = &world.replies()[..] else {
        panic!("{:?}", world.last);
    };
    assert_eq!(*answered, id);
    assert!(reason.starts_with("image \"x\": no such image, restarting in "));
    world.pass(110 * MS);
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn start_brings_up_what_it_requires() {
    let services = [
        service("db"),
        service("cache"),
        service("api").needs("db").likes("cache"),
        service("web").needs("api").needs("db"),
    ];
    let mut world = World::up(services);
    for name in ["web", "api", "cache", "db"] {
        world.stop(name);
        world.gone(name, 0);
    }
    let id = world.start("web");
    assert_eq!(world.did(), ["launch db"]);
    world.launched("db");
    assert_eq!(world.did(), ["launch api"], "what it only likes stays down");
    world.launched("api");
    world.launched("web");
    assert_eq!(world.replies(), [(id, Ok(()))]);
    assert_eq!(world.state("cache"), ServiceState::Down);
}

#[test]
fn a_start_does_not_hang_on_a_dependency_stopped_meanwhile() {
    let mut world = World::new([service("db"), service("web").needs("db")]);
    world.boot();
    let id = world.start("web");
    assert!(world.replies().is_empty());
    world.stop("db");
    let reason = "waiting for \"db\", which is stopped";
    assert_eq!(world.replies(), [(id, failed(reason))]);
    world.launched("db");
    world.gone("db", 0);
    assert_eq!(world.state("web"), ServiceState::Waiting);
    assert_eq!(world.cause("web"), reason);
    world.start("web");
    assert_eq!(world.did(), ["launch db"]);
}

#[test]
fn kill_signals_and_the_policy_restarts() {
    let mut world = World::up([service("web")]);
    let hup = Signal::KILL;
    let id = world.request(Request::Kill(name("web"), hup));
    assert_eq!(world.did(), ["signal web 9"]);
    assert_eq!(world.replies(), [(id, Ok(()))]);
    world.gone("web", 137);
    assert_eq!(world.state("web"), ServiceState::BackingOff);
    let id = world.request(Request::Kill(name("web"), hup));
    assert_eq!(world.replies(), [(id, Err(RequestError::NotRunning))]);
}

#[test]
fn an_unknown_name_gets_the_nearest() {
    let mut world = World::up([service("nginx"), service("redis")]);
    let id = world.start("ngnix");
    let error = RequestError::NoSuchService {
        name: "ngnix".to_owned(),
        nearest: Some(name("nginx")),
    };
    assert_eq!(world.replies(), [(id, Err(error))]);
    let id = world.stop("rediss");
    let error = RequestError::NoSuchService {
        name: "rediss".to_owned(),
        nearest: Some(name("redis")),
    };
    assert_eq!(world.replies(), [(id, Err(error))]);
    let id = world.stop("postgres");
    let error = RequestError::NoSuchService {
        name: "postgres".to_owned(),
        nearest: None,
    };
    assert_eq!(world.replies(), [(id, Err(error))]);
}

#[test]
fn requests_before_the_boot_are_kept() {
    let mut world = World::new([service("a"), service("b")]);
    let stop = world.stop("a");
    assert_eq!(world.replies(), [(stop, Ok(()))]);
    let start = world.start("b");
    assert!(world.did().is_empty());
    world.boot();
    assert_eq!(world.did(), ["launch b"]);
    world.launched("b");
    assert_eq!(world.replies(), [(start, Ok(()))]);
    assert_eq!(world.did(), ["boot complete"]);
}

#[test]
fn a_start_during_the_end_by_itself_does_not_ask_the_policy() {
    let mut world = World::up([service("job").policy(RestartPolicy::No)]);
    world.exits("job", 0);
    let id = world.start("job");
    world.empty("job");
    assert_eq!(world.did(), ["launch job"]);
    world.launched("job");
    assert_eq!(world.replies(), [(id, Ok(()))]);
}

#[test]
fn a_stop_during_the_end_by_itself_is_a_stop() {
    let mut world = World::up([service("db")]);
    world.exits("db", 1);
    let stop = world.stop("db");
    world.empty("db");
    assert_eq!(world.replies(), [(stop, Ok(()))]);
    assert_eq!(world.cause("db"), "stopped by request");
}
