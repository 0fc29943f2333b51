//! What the kernel tells, and what it does not get through.

use super::*;

#[test]
fn edge_36_notices_lost_in_a_flood_are_made_up_for() {
    if !in_namespace(
        module_path!(),
        "edge_36_notices_lost_in_a_flood_are_made_up_for",
    ) {
        return;
    }
    run(async {
        let (network, mut events) = start(config());
        network.bring_up().await.unwrap();
        // While this thread waits for the script nobody reads the notices: far more of them than
        // the socket holds.
        sh(
            "for n in $(seq 300); do echo link add d$n type bridge; done | ip -batch -;\
            for k in $(seq 10); do for n in $(seq 300); do \
            echo link set d$n mtu $((1000 + k)); done; done | ip -batch -;\
            ip link add eth9 type bridge; ip address add 192.0.2.1/24 dev eth9",
        );
        let told = next(&mut events, |event| match event {
            NetworkEvent::AddressAdded(address) => Some(address.link.to_string()),
            _ => None,
        })
        .await;
        assert_eq!(told, "eth9");
    });
}
