//! A link that takes its address from DHCP.

use super::*;

fn terms(last: u8, router: u8) -> LeaseTerms {
    LeaseTerms {
        link: "card0".to_owned(),
        address: Ipv4Addr::new(192, 0, 2, last),
        prefix_length: 24,
        router: Some(Ipv4Addr::new(192, 0, 2, router)),
        dns: vec![Ipv4Addr::new(192, 0, 2, 53)],
        domain: None,
        mtu: Some(1400),
        lifetime_s: 100,
    }
}

#[test]
fn a_link_that_appears_gets_its_sockets_and_its_leases() {
    if !in_namespace(
        module_path!(),
        "a_link_that_appears_gets_its_sockets_and_its_leases",
    ) {
        return;
    }
    run(async {
        let mut config = config();
        let by_dhcp = LinkConfig {
            dhcp: true,
            ..LinkConfig::default()
        };
        config.links = BTreeMap::from([("card0".to_owned(), by_dhcp)]);
        let (network, mut events) = start(config);
        network.bring_up().await.unwrap();
        let link = LinkName::new("card0").unwrap();
        let lease = |terms: Option<LeaseTerms>| {
            let link = link.to_string();
            terms.map_or(Lease::Expired { link }, Lease::Bound)
        };
        let refused = network.apply_lease(lease(Some(terms(5, 1)))).await;
        assert!(matches!(refused, Err(LeaseError::NotWanted { .. })));

        let other_end = Container::new();
        let pid = other_end.process.id();
        sh(&format!(
            "ip link add card0 type veth peer name far0 netns {pid}"
        ));
        next(&mut events, |event| {
            matches!(event, NetworkEvent::DhcpLinksChanged).then_some(())
        })
        .await;
        other_end.sh("ip link set far0 up; ip address add 192.0.2.9/24 dev far0");
        next(&mut events, |event| {
            matches!(event, NetworkEvent::CarrierChanged { carrier: true, .. }).then_some(())
        })
        .await;
        assert_eq!(
            network.dhcp_links().await.unwrap(),
            std::slice::from_ref(&link)
        );

        // The filter: of three packets only the one to port 68 comes through.
        let sockets = network.dhcp_sockets().await.unwrap();
        let names: Vec<_> = sockets.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["dhcp4.card0", "udp4.card0"]);
        other_end.sh(
            "for port in 67 68 69; do \
             echo port $port | socat -u - UDP4-DATAGRAM:255.255.255.255:$port,broadcast,so-bindtodevice=far0; \
             done; ping -c1 -W1 192.0.2.77 >/dev/null || true",
        );
        let mut buffer = [0; 2048];
        let mut seen = Vec::new();
        while let Ok(length) = nix::sys::socket::recv(
            std::os::fd::AsRawFd::as_raw_fd(&sockets[0].1),
            &mut buffer,
            nix::sys::socket::MsgFlags::MSG_DONTWAIT,
        ) {
            seen.push(String::from_utf8_lossy(&buffer[28..length]).into_owned());
        }
        assert_eq!(seen, ["port 68\n"]);

        // A lease, its renewal, another one, its end.
        let address = |added: bool| {
            move |event: &NetworkEvent| match event {
                NetworkEvent::AddressAdded(address) if added => Some(address.address.octets()[3]),
                NetworkEvent::AddressRemoved(address) if !added => {
                    Some(address.address.octets()[3])
                }
                _ => None,
            }
        };
        network.apply_lease(lease(Some(terms(5, 1)))).await.unwrap();
        assert_eq!(next(&mut events, address(true)).await, 5);
        let shown = sh("ip address show dev card0; ip route");
        for part in [
            "192.0.2.5/24",
            "valid_lft 100sec",
            "mtu 1400",
            "default via 192.0.2.1 dev card0",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let dns = Ipv4Addr::new(192, 0, 2, 53);
        assert_eq!(network.resolvers().await.unwrap(), [dns]);
        network.apply_lease(lease(Some(terms(5, 1)))).await.unwrap();
        network.apply_lease(lease(Some(terms(6, 2)))).await.unwrap();
        assert_eq!(next(&mut events, address(true)).await, 6);
        let shown = sh("ip address show dev card0; ip route");
        for part in ["192.0.2.5/24", "via 192.0.2.1"] {
            assert!(!shown.contains(part), "{part} in {shown}");
        }
        assert!(shown.contains("default via 192.0.2.2 dev card0"), "{shown}");
        // A router beyond the network.
        let mut beyond = terms(6, 2);
        beyond.router = Some(Ipv4Addr::new(198, 51, 100, 1));
        network.apply_lease(lease(Some(beyond))).await.unwrap();
        assert!(sh("ip route").contains("default via 198.51.100.1 dev card0"));
        network.apply_lease(lease(None)).await.unwrap();
        assert_eq!(next(&mut events, address(false)).await, 6);
        assert!(!sh("ip route").contains("default"));
        assert!(network.resolvers().await.unwrap().is_empty());

        // A lease that nobody renews is ended by the kernel.
        let mut short = terms(7, 1);
        short.lifetime_s = 1;
        network.apply_lease(lease(Some(short))).await.unwrap();
        assert_eq!(next(&mut events, address(false)).await, 7);
        assert!(network.resolvers().await.unwrap().is_empty());

        sh("ip link del card0");
        next(&mut events, |event| {
            matches!(event, NetworkEvent::DhcpLinksChanged).then_some(())
        })
        .await;
        assert!(network.dhcp_links().await.unwrap().is_empty());
    });
}
