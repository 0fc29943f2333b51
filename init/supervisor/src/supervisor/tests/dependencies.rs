//! Who waits for whom, who fails with whom, and when the boot is complete.

use orlop_config::RestartPolicy;

use super::world::{MS, SEC, With, World, failed, service};
use crate::ServiceState;

fn job(name: &str) -> orlop_config::Service {
    service(name).policy(RestartPolicy::No)
}

#[test]
fn started_is_met_when_it_is_up() {
    let mut world = World::new([service("db"), service("web").needs("db")]);
    world.boot();
    assert_eq!(world.did(), ["launch db"]);
    assert_eq!(world.cause("web"), "waiting for \"db\" to start");
    world.launched("db");
    assert_eq!(world.did(), ["launch web"]);
    world.launched("web");
    assert_eq!(world.did(), ["boot complete"]);
}

#[test]
fn completed_is_met_by_code_0_only() {
    let services = [
        job("migrate"),
        service("web").after_completion_of("migrate"),
    ];
    let mut world = World::new(services.clone());
    world.boot();
    world.launched("migrate");
    assert_eq!(world.cause("web"), "waiting for \"migrate\" to complete");
    world.gone("migrate", 0);
    assert_eq!(
        world.did(),
        ["kill migrate", "release migrate", "launch web"]
    );

    let mut world = World::up(services);
    world.gone("migrate", 1);
    assert_eq!(world.state("web"), ServiceState::Failed);
    assert_eq!(world.cause("web"), "requires \"migrate\", which failed");
}

#[test]
fn what_is_waited_for_is_named_as_it_is() {
    let stopping = |request: &dyn Fn(&mut World)| {
        let mut world = World::up([service("db"), service("web").needs("db")]);
        world.gone("web", 1);
        request(&mut world);
        world.pass(SEC);
        assert_eq!(world.state("db"), ServiceState::Stopping);
        world.cause("web").to_owned()
    };
    let stop = |world: &mut World| {
        world.stop("db");
    };
    assert_eq!(stopping(&stop), "waiting for \"db\", which is stopped");
    let restart = |world: &mut World| {
        world.restart("db");
    };
    assert_eq!(stopping(&restart), "waiting for \"db\" to start");
}

#[test]
fn a_restarted_service_never_completes() {
    let services = [service("tick"), service("web").after_completion_of("tick")];
    let mut world = World::up(services);
    world.gone("tick", 0);
    assert_eq!(world.state("tick"), ServiceState::BackingOff);
    assert_eq!(world.state("web"), ServiceState::Waiting);
    assert_eq!(world.did(), ["kill tick", "boot complete"]);
}

#[test]
fn edge_02_a_failed_dependency_fails_its_dependents_and_lifts_them_when_it_comes() {
    let services = [
        job("db"),
        service("api").needs("db"),
        service("web").needs("api"),
    ];
    let mut world = World::new(services);
    world.boot();
    world.launch_failed("db");
    assert_eq!(world.state("api"), ServiceState::Failed);
    assert_eq!(world.cause("api"), "requires \"db\", which failed");
    assert_eq!(world.cause("web"), "requires \"api\", which failed");
    assert_eq!(world.did(), ["release db", "boot complete"]);

    // Edge case 8: its return is seen by those that wait.
    world.start("db");
    assert_eq!(world.state("web"), ServiceState::Waiting);
    world.launched("db");
    assert_eq!(world.did(), ["launch api"]);
    world.launched("api");
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn a_dependency_that_does_not_exist() {
    let services = [service("web").needs("db"), service("log").likes("db")];
    let mut world = World::new(services);
    world.boot();
    assert_eq!(world.cause("web"), "requires \"db\", which does not exist");
    assert_eq!(world.did(), ["launch log"]);
    let id = world.start("web");
    let reason = "requires \"db\", which does not exist";
    assert_eq!(world.replies(), [(id, failed(reason))]);
}

#[test]
fn what_is_not_required_is_waited_for_but_not_for_ever() {
    let mut world = World::new([service("db"), service("web").likes("db")]);
    world.boot();
    assert_eq!(world.did(), ["launch db"]);
    world.launch_failed("db");
    assert_eq!(world.state("db"), ServiceState::BackingOff);
    assert_eq!(world.did(), ["launch web"]);

    // Also when what hangs is further away.
    let services = [
        service("db"),
        service("api").needs("db"),
        service("web").likes("api"),
    ];
    let mut world = World::new(services);
    world.boot();
    world.launch_failed("db");
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn edge_07_a_dependent_that_crashes_with_its_dependency_waits_for_it() {
    let mut world = World::up([service("db"), service("web").needs("db")]);
    world.stop("db");
    world.gone("db", 0);
    assert_eq!(world.state("web"), ServiceState::Up, "stop x stops only x");
    world.gone("web", 1);
    world.pass(110 * MS);
    assert!(world.did().is_empty());
    assert_eq!(world.state("web"), ServiceState::Waiting);
    assert_eq!(world.status("web").pid, None);
    assert_eq!(world.cause("web"), "waiting for \"db\", which is stopped");
    world.start("db");
    world.launched("db");
    assert_eq!(world.did(), ["launch web"]);
}

#[test]
fn boot_completes_when_a_dependency_keeps_failing() {
    let services = [
        service("db"),
        service("api").needs("db"),
        service("web").needs("api"),
    ];
    let mut world = World::new(services);
    world.boot();
    world.launch_failed("db");
    assert_eq!(world.did(), ["boot complete"]);
    world.pass(SEC);
    world.launched("db");
    assert_eq!(world.did(), ["launch api"], "once a boot");
}

#[test]
fn boot_completes_in_bounded_time_when_a_job_runs_long() {
    let services = [
        job("migrate"),
        service("web").after_completion_of("migrate"),
    ];
    let mut world = World::up(services);
    world.pass(89 * SEC);
    assert!(world.did().is_empty());
    world.pass(SEC);
    assert_eq!(world.did(), ["boot complete"]);
    world.gone("migrate", 0);
    assert_eq!(
        world.did(),
        ["kill migrate", "release migrate", "launch web"]
    );
}

#[test]
fn boot_of_nothing_is_complete() {
    let mut world = World::new([]);
    world.boot();
    assert_eq!(world.did(), ["boot complete"]);
}

#[test]
fn the_log_starts_first() {
    let mut world = World::new([
        service("a").granted("*"),
        service("b").granted("services.*"),
        service("log").granted("log.streams"),
    ]);
    world.boot();
    assert_eq!(world.did(), ["launch log", "launch a", "launch b"]);
}

#[test]
fn edge_40_a_cycle_that_slipped_through_hangs_nothing() {
    let services = [
        service("a").needs("b"),
        service("b").needs("a"),
        service("c").needs("c"),
        service("d").needs("a"),
    ];
    let mut world = World::up(services);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(world.state(name), ServiceState::Up, "{name}");
    }
    world.shut_down();
    for name in ["d", "a", "b", "c"] {
        world.gone(name, 0);
    }
    assert!(
        world
            .did()
            .contains(&"shutdown complete PowerOff".to_owned())
    );
}

#[test]
fn two_thousand_in_a_chain_and_two_thousand_around_one() {
    let chain = (0..2000).map(|n| {
        let made = service(&format!("c{n}"));
        match n {
            0 => made,
            _ => made.needs(&format!("c{}", n - 1)),
        }
    });
    let star = (0..2000).map(|n| service(&format!("s{n}")).needs("c0"));
    let mut world = World::up(chain.chain(star));
    assert_eq!(world.state("c1999"), ServiceState::Up);
    assert_eq!(world.did(), ["boot complete"]);
    // A crash in the middle concerns one service.
    world.pass(10 * SEC);
    world.gone("c0", 1);
    assert_eq!(world.did(), ["kill c0", "launch c0"]);
}
