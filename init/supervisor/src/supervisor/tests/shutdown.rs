//! The end of the machine.

use orlop_config::RestartPolicy;

use super::world::{MS, SEC, With, World, failed, name, service};
use crate::{Event, Request, RequestError, ServiceState, Shutdown};

const COMPLETE: &str = "shutdown complete PowerOff";

#[test]
fn dependents_stop_first_and_others_in_parallel() {
    let services = [
        service("db"),
        service("web").needs("db"),
        service("api").likes("db"),
        service("alone"),
    ];
    let mut world = World::up(services);
    world.shut_down();
    let mut signals = world.did();
    signals.retain(|did| did.ends_with(" 15"));
    signals.sort();
    assert_eq!(
        signals,
        ["signal alone 15", "signal api 15", "signal web 15"]
    );
    world.gone("web", 0);
    assert_eq!(world.state("db"), ServiceState::Up);
    world.gone("api", 0);
    assert!(world.did().contains(&"signal db 15".to_owned()));
    world.gone("alone", 0);
    world.gone("db", 0);
    assert_eq!(world.did(), ["kill db", "release db", COMPLETE]);
}

#[test]
fn the_log_stops_last_and_what_it_needs_after_it() {
    let services = [
        service("store"),
        service("log").needs("store").granted("log.streams"),
        service("web").granted("*"),
    ];
    let mut world = World::new(services);
    world.boot();
    world.answer_launches();
    world.shut_down();
    assert_eq!(world.did(), ["signal web 15", "signal web 18"]);
    world.gone("web", 0);
    assert!(world.did().contains(&"signal log 15".to_owned()));
    world.gone("log", 0);
    assert!(world.did().contains(&"signal store 15".to_owned()));
    world.gone("store", 0);
    assert!(world.did().contains(&COMPLETE.to_owned()));
}

#[test]
fn requests_are_refused_and_pending_ones_answered() {
    let mut world = World::new([service("db"), service("web").needs("db")]);
    world.boot();
    let stop = world.stop("db");
    let start = world.start("db");
    let stopped = world.replies();
    assert_eq!(stopped, [(stop, failed("superseded by start"))]);
    let other = world.stop("web");
    assert_eq!(world.replies(), [(other, Ok(()))]);
    world.shut_down();
    assert_eq!(world.replies(), [(start, Err(RequestError::ShuttingDown))]);
    for request in [
        Request::Start(name("web")),
        Request::Stop(name("web")),
        Request::Kill(name("nobody"), orlop_config::Signal::TERM),
    ] {
        let id = world.request(request);
        assert_eq!(world.replies(), [(id, Err(RequestError::ShuttingDown))]);
    }
    world.launched("db");
    world.gone("db", 0);
    assert!(world.did().contains(&COMPLETE.to_owned()));
}

#[test]
fn a_stop_that_was_asked_before_is_answered_when_it_is_down() {
    let mut world = World::up([service("web")]);
    let stop = world.stop("web");
    world.shut_down();
    world.gone("web", 0);
    assert_eq!(world.replies(), [(stop, Ok(()))]);
    assert_eq!(world.did(), ["kill web", "release web", COMPLETE]);
}

#[test]
fn edge_09_a_shutdown_while_a_launch_hangs_is_bounded() {
    let mut world = World::new([service("web").grace(SEC)]);
    world.boot();
    world.shut_down();
    world.pass(SEC);
    assert_eq!(world.did(), ["kill web"]);
    world.pass(10 * SEC);
    assert_eq!(world.did(), [COMPLETE]);
}

#[test]
fn edge_10_a_service_that_never_stops_does_not_stop_the_shutdown() {
    let services = [service("db").grace(2 * SEC), service("web").needs("db")];
    let mut world = World::up(services);
    world.shut_down();
    world.pass(20 * SEC);
    assert!(world.did().contains(&"signal db 15".to_owned()));
    world.pass(12 * SEC);
    assert_eq!(world.did(), ["kill db", COMPLETE]);
    // What comes late is noted, and nothing is said twice.
    world.gone("web", 0);
    assert_eq!(world.state("web"), ServiceState::Down);
    assert_eq!(world.did(), ["release web"]);
}

#[test]
fn edge_13_a_process_stuck_in_the_kernel_does_not_stop_the_power_off() {
    let mut world = World::up([service("db"), service("web").needs("db")]);
    // Its main process ended; something of its pid namespace never does.
    world.exits("web", 1);
    world.shut_down();
    world.pass(SEC * 10);
    assert_eq!(world.did(), ["signal db 15", "signal db 18"]);
    world.gone("db", 0);
    assert!(
        world
            .did()
            .contains(&"shutdown complete PowerOff".to_owned())
    );
}

#[test]
fn edge_10_a_crash_loop_does_not_block_the_shutdown() {
    let mut world = World::up([service("web")]);
    world.gone("web", 1);
    world.shut_down();
    assert_eq!(world.did(), ["release web", COMPLETE]);
    world.pass(100 * SEC);
    assert!(world.last.is_empty());
}

#[test]
fn the_first_shutdown_holds() {
    let mut world = World::up([service("web")]);
    world.shut_down();
    world.step(Event::Shutdown(Shutdown::Reboot));
    assert!(world.last.is_empty());
    world.gone("web", 0);
    assert!(world.did().contains(&COMPLETE.to_owned()));
    world.step(Event::Shutdown(Shutdown::Halt));
    assert!(world.last.is_empty(), "once");
}

#[test]
fn a_crash_during_the_shutdown_is_not_restarted() {
    let mut world = World::up([service("db"), service("web").needs("db")]);
    world.shut_down();
    world.gone("db", 1);
    assert_eq!(world.state("db"), ServiceState::Down);
    assert_eq!(world.cause("db"), "exited with code 1");
    world.gone("web", 0);
    assert!(world.did().contains(&COMPLETE.to_owned()));
}

#[test]
fn a_restart_in_progress_becomes_a_stop() {
    let mut world = World::up([service("web")]);
    let id = world.restart("web");
    world.shut_down();
    assert_eq!(world.replies(), [(id, Err(RequestError::ShuttingDown))]);
    world.gone("web", 0);
    assert_eq!(world.did(), ["kill web", "release web", COMPLETE]);
}

#[test]
fn before_the_boot_and_of_nothing() {
    let mut world = World::new([service("web")]);
    world.shut_down();
    assert_eq!(world.did(), [COMPLETE]);
    world.boot();
    assert!(world.last.is_empty());
    let mut world = World::new([]);
    world.shut_down();
    assert_eq!(world.did(), [COMPLETE]);
}

#[test]
fn what_is_down_or_failed_is_gone_already() {
    let services = [
        service("job").policy(RestartPolicy::No),
        service("web").needs("job"),
    ];
    let mut world = World::new(services);
    world.boot();
    world.launch_failed("job");
    world.pass(MS);
    world.shut_down();
    assert_eq!(world.did(), [COMPLETE]);
    assert_eq!(world.state("web"), ServiceState::Failed);
}
