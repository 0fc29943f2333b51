//! Order without a dependency, and what an end or a return does to those that run.

use orlop_config::{Propagate, RestartPolicy, Service};

use super::world::*;
use crate::ServiceState;

fn tied(text: &str, on: &str, propagate: Propagate) -> Service {
    service(text).edge(on, |edge| edge.propagate = propagate)
}

#[test]
fn nothing_is_done_to_dependents_by_default() {
    let mut world = World::up([service("db"), service("web").needs("db")]);
    world.gone("db", 1);
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.did(), [""; 0]);
    world.restart("db");
    world.gone("db", 0);
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Up);
}

#[test]
fn propagate_restart_restarts_when_the_dependency_is_back() {
    let web = tied("web", "db", Propagate::Restart);
    let app = tied("app", "web", Propagate::Restart);
    let mut world = World::up([service("db"), web, app]);
    world.gone("db", 1);
    assert_eq!(world.state("web"), ServiceState::Up);
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.did(), ["signal web 15", "signal web 18"]);
    assert_eq!(world.cause("web"), "restarted because \"db\" was");
    world.gone("web", 0);
    assert_eq!(world.did(), ["kill web", "launch web"]);
    world.launched("web");
    assert_eq!(world.did(), ["signal app 15", "signal app 18"]);
    world.gone("app", 0);
    world.launched("app");
    assert_eq!(world.did(), [""; 0]);
    // A restart by request is another thing.
    world.restart("db");
    world.gone("db", 0);
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Up);
}

#[test]
fn a_launch_that_failed_was_never_up_and_so_never_comes_back() {
    let web = service("web").edge("db", |edge| {
        edge.propagate = Propagate::Restart;
        edge.required = false;
    });
    let mut world = World::new([service("db"), web]);
    world.boot();
    world.launch_failed("db");
    world.launched("web");
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Up);
}

#[test]
fn restart_of_a_dependency_by_request_restarts_those_who_ask() {
    let web = service("web").edge("db", |edge| edge.restart = true);
    let mut world = World::up([service("db"), web, service("other").needs("db")]);
    world.gone("db", 1);
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Up, "not by request");
    world.restart("db");
    world.gone("db", 0);
    world.launched("db");
    assert_eq!(world.did(), ["signal web 15", "signal web 18"]);
    assert_eq!(world.cause("web"), "restarted with \"db\"");
    assert_eq!(world.state("other"), ServiceState::Up);
    world.gone("web", 0);
    world.launched("web");
    // Of what is stopped it is a start, and its dependents come along.
    world.stop("db");
    world.gone("db", 0);
    world.restart("db");
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Stopping);
}

#[test]
fn a_restart_that_is_refused_restarts_nobody() {
    let web = service("web").edge("db", |edge| edge.restart = true);
    let mut world = World::up([service("db"), web]);
    world.exits("db", 1);
    world.pass(SEC * 10);
    assert_eq!(world.state("db"), ServiceState::Failed, "stuck");
    world.restart("db");
    assert!(world.replies()[0].1.is_err());
    world.empty("db");
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.state("db"), ServiceState::Up);
    assert_eq!(world.state("web"), ServiceState::Up);
}

#[test]
fn a_stop_forgets_that_somebody_would_follow() {
    let web = service("web").edge("db", |edge| edge.restart = true);
    let mut world = World::up([service("db"), web]);
    world.restart("db");
    world.stop("db");
    world.gone("db", 0);
    world.start("db");
    world.launched("db");
    assert_eq!(world.state("web"), ServiceState::Up);
}

#[test]
fn propagate_stop_stops_all_that_is_tied() {
    let web = tied("web", "db", Propagate::Stop);
    let app = tied("app", "web", Propagate::Stop);
    let mut world = World::up([service("db"), web, app, service("other").needs("db")]);
    world.gone("db", 1);
    assert_eq!(
        world.did(),
        [
            "kill db",
            "signal web 15",
            "signal web 18",
            "signal app 15",
            "signal app 18"
        ]
    );
    assert_eq!(world.cause("web"), "stopped because \"db\" ended");
    world.gone("web", 0);
    assert_eq!(world.cause("web"), "stopped because \"db\" ended");
    world.gone("app", 0);
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.did(), [""; 0], "until a start");
    assert_eq!(world.state("other"), ServiceState::Up);
    world.start("web");
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn who_is_tied_is_stopped_while_it_backs_off_and_while_it_ends() {
    let web = tied("web", "db", Propagate::Stop);
    let app = tied("app", "db", Propagate::Stop);
    let mut world = World::up([service("db"), web, app]);
    world.gone("web", 1);
    world.exits("app", 1);
    world.gone("db", 1);
    assert_eq!(world.state("web"), ServiceState::Down);
    assert_eq!(world.state("app"), ServiceState::Stopping);
    world.empty("app");
    assert_eq!(world.state("app"), ServiceState::Down);
}

#[test]
fn a_stop_by_request_and_a_completion_end_nobody_else() {
    let job = service("job").policy(RestartPolicy::No);
    let web = tied("web", "job", Propagate::Stop);
    let mut world = World::up([job, web]);
    world.gone("job", 0);
    assert_eq!(world.state("web"), ServiceState::Up);
    let mut world = World::up([service("db"), tied("web", "db", Propagate::Stop)]);
    world.stop("db");
    world.gone("db", 0);
    assert_eq!(world.state("web"), ServiceState::Up, "stop x stops x alone");
}

#[test]
fn order_alone_waits_for_progress_only() {
    let web = service("web").set(|s| s.after.extend([name("db"), name("nobody")]));
    let log = service("log").set(|s| s.before.extend([name("db"), name("nobody")]));
    let mut world = World::new([service("db"), web.clone(), log.clone()]);
    world.boot();
    assert_eq!(world.did(), ["launch log"]);
    world.launched("log");
    assert_eq!(world.did(), ["launch db"]);
    assert_eq!(world.cause("web"), "waiting for \"db\" to start");
    world.launch_failed("db");
    assert_eq!(world.did(), ["launch web"], "passed over");
    // A start pulls nothing in, a stop takes nothing down.
    let mut world = World::up([service("db"), web, log]);
    world.stop("db");
    world.gone("db", 0);
    world.restart("web");
    world.gone("web", 0);
    assert_eq!(world.did(), ["kill web", "launch web"]);
    assert_eq!(world.state("db"), ServiceState::Down);
}

#[test]
fn order_alone_is_turned_around_at_the_shutdown() {
    let log = service("log").set(|s| s.before.extend([name("db")]));
    let db = service("db").set(|s| s.after.extend([name("log")]));
    let mut world = World::up([log, db]);
    world.shut_down();
    assert_eq!(world.did(), ["signal db 15", "signal db 18"]);
    world.gone("db", 0);
    assert_eq!(
        world.did(),
        ["kill db", "release db", "signal log 15", "signal log 18"]
    );
}

#[test]
fn an_order_beside_a_dependency_adds_nothing() {
    let web = service("web")
        .needs("db")
        .set(|s| s.after.extend([name("db")]));
    let db = service("db").set(|s| s.before.extend([name("web")]));
    let mut world = World::new([web, db]);
    world.boot();
    world.launch_failed("db");
    assert_eq!(world.state("web"), ServiceState::Waiting, "still required");
}

#[test]
fn edge_40_a_cycle_through_order_that_slipped_through_hangs_nothing() {
    let a = service("a").needs("b");
    let b = service("b").set(|s| s.after.extend([name("a")]));
    let mut world = World::up([a, b]);
    assert_eq!(world.state("a"), ServiceState::Up);
    assert_eq!(world.state("b"), ServiceState::Up);
    world.shut_down();
    world.gone("a", 0);
    world.gone("b", 0);
    assert!(
        world
            .did()
            .contains(&"shutdown complete PowerOff".to_owned())
    );
}

#[test]
fn what_does_not_run_is_not_restarted() {
    let web = tied("web", "db", Propagate::Restart);
    let mut world = World::up([service("db"), web]);
    world.stop("web");
    world.gone("web", 0);
    world.gone("db", 1);
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(world.state("web"), ServiceState::Down);
}
