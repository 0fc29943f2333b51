//! What the machine must have before a start.

use orlop_config::{Need, Service};

use super::world::*;
use crate::{Event, ServiceState};

fn needy() -> Service {
    service("ntp").set(|s| s.needs = vec![Need::Online, Need::Link(Some("eth0".to_owned()))])
}

fn tell(world: &mut World, need: Need, present: bool) {
    world.step(Event::Resource { need, present });
}

fn eth0() -> Need {
    Need::Link(Some("eth0".to_owned()))
}

#[test]
fn starts_when_all_is_there() {
    let mut world = World::new([needy(), service("web").needs("ntp")]);
    tell(&mut world, eth0(), true);
    world.boot();
    assert_eq!(world.state("ntp"), ServiceState::Waiting);
    assert_eq!(world.cause("ntp"), "waiting for the machine to be online");
    world.pass(SEC);
    tell(&mut world, eth0(), false);
    tell(&mut world, Need::Online, true);
    assert_eq!(world.cause("ntp"), "waiting for link eth0");
    tell(&mut world, eth0(), true);
    assert_eq!(world.did(), ["launch ntp"]);
    world.launched("ntp");
    tell(&mut world, eth0(), false);
    assert_eq!(world.state("ntp"), ServiceState::Up, "only starts wait");
    world.restart("ntp");
    world.gone("ntp", 0);
    assert_eq!(world.state("ntp"), ServiceState::Waiting);
    tell(&mut world, eth0(), true);
    assert_eq!(world.state("ntp"), ServiceState::Starting);
}

#[test]
fn after_30_s_it_waits_in_vain_and_still_starts_when_it_comes() {
    let mut world = World::new([needy(), service("web").likes("ntp")]);
    world.boot();
    let start = world.start("ntp");
    world.pass(SEC * 20);
    // Another look does not begin the wait anew.
    tell(&mut world, eth0(), true);
    world.pass(SEC * 10 - MS);
    assert_eq!(world.did(), [""; 0]);
    world.pass(MS);
    assert_eq!(world.did(), ["launch web"]);
    let error = failed("waiting for the machine to be online");
    assert_eq!(world.replies(), [(start, error.clone())]);
    world.launched("web");
    assert_eq!(world.did(), ["boot complete"]);
    assert_eq!(world.supervisor.next_deadline(), None);
    tell(&mut world, Need::Online, true);
    assert_eq!(world.did(), ["launch ntp"]);
}

#[test]
fn a_device_that_the_machine_lacks_holds_up_nobody() {
    let port = || Need::Device("/dev/virtio-ports/x".into());
    let gateway = service("gateway").set(|s| s.needs = vec![port()]);
    let mut world = World::new([gateway, service("web").likes("gateway")]);
    world.boot();
    assert_eq!(world.did(), [""; 0], "it may be on its way");
    tell(&mut world, port(), false);
    assert_eq!(world.did(), ["launch web"]);
    world.launched("web");
    assert_eq!(world.did(), ["boot complete"]);
    assert_eq!(world.cause("gateway"), "waiting for /dev/virtio-ports/x");
    assert_eq!(world.supervisor.next_deadline(), None);
    tell(&mut world, port(), true);
    assert_eq!(world.did(), ["launch gateway"]);
}

#[test]
fn a_stop_and_a_new_start_wait_anew() {
    let mut world = World::new([needy()]);
    world.boot();
    world.pass(SEC * 40);
    world.stop("ntp");
    assert_eq!(world.supervisor.next_deadline(), None);
    tell(&mut world, Need::Online, true);
    tell(&mut world, eth0(), true);
    assert_eq!(world.state("ntp"), ServiceState::Down);
    tell(&mut world, eth0(), false);
    world.start("ntp");
    assert_eq!(world.replies(), []);
    let patience = world.supervisor.next_deadline().map(|at| at - world.now);
    assert_eq!(patience, Some(SEC * 30));
}

#[test]
fn a_service_waits_for_its_dependencies_first() {
    let mut world = World::new([needy().needs("db"), service("db")]);
    world.boot();
    assert_eq!(world.cause("ntp"), "waiting for \"db\" to start");
    world.pass(SEC * 20);
    world.launched("db");
    assert_eq!(world.cause("ntp"), "waiting for the machine to be online");
    let patience = world.supervisor.next_deadline().map(|at| at - world.now);
    assert_eq!(patience, Some(SEC * 30));
}

#[test]
fn every_need_is_named() {
    let device = Need::Device("/dev/ttyS0".into());
    for (need, said) in [
        (Need::Link(None), "waiting for a link"),
        (Need::Address, "waiting for an address"),
        (Need::Time, "waiting for the right time"),
        (Need::Path("/run/x".into()), "waiting for /run/x"),
        (device, "waiting for /dev/ttyS0"),
    ] {
        let mut world = World::new([service("a").set(|s| s.needs = vec![need.clone()])]);
        world.boot();
        assert_eq!(world.cause("a"), said);
        tell(&mut world, need, true);
        assert_eq!(world.state("a"), ServiceState::Starting);
    }
}
