//! The bridge, the rules, and who reaches whom.

use super::*;

#[test]
fn a_machine_without_a_card_comes_up() {
    if !in_namespace(module_path!(), "a_machine_without_a_card_comes_up") {
        return;
    }
    run(async {
        let (network, _events) = start(config());
        network.bring_up().await.unwrap();
        assert_eq!(network.dhcp_links().await.unwrap(), []);
        assert!(network.dhcp_sockets().await.unwrap().is_empty());
        assert!(network.addresses().await.unwrap().is_empty());
        let bridge = sh("ip -br address show dev orlop0");
        assert!(bridge.contains("172.29.0.1/16"), "{bridge}");
        assert!(sh("ip -br address show dev lo").contains("127.0.0.1/8"));
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
        // A second time, as after a failure: nothing is there twice.
        network.bring_up().await.unwrap();
    });
}

#[test]
fn the_kernel_reads_the_ruleset_as_it_is_meant() {
    if !in_namespace(
        module_path!(),
        "the_kernel_reads_the_ruleset_as_it_is_meant",
    ) {
        return;
    }
    run(async {
        let (network, _events) = start(config());
        network.bring_up().await.unwrap();
        let web = PublishedService {
            service: service("web"),
            network_mode: NetworkMode::Bridge,
            ports: vec![
                port(None, 8080, 80),
                port(Some(Ipv4Addr::LOCALHOST), 8443, 443),
            ],
        };
        let host = PublishedService {
            service: service("host"),
            network_mode: NetworkMode::Host,
            ports: vec![port(None, 22, 22)],
        };
        network.publish(vec![web, host]).await.unwrap();
        // Newer versions of nft name this priority.
        let found =
            sh("nft list ruleset").replace("output priority -100", "output priority dstnat");
        assert_eq!(found, include_str!("../nft/golden.nft"), "{found}");
        network.publish(Vec::new()).await.unwrap();
        assert!(!sh("nft list ruleset").contains("dport"));
    });
}

#[test]
fn published_ports_lead_to_the_service_and_nothing_else_is_open() {
    if !in_namespace(
        module_path!(),
        "published_ports_lead_to_the_service_and_nothing_else_is_open",
    ) {
        return;
    }
    run(async {
        // The machine's card leads to an outside that has a route to nothing behind the machine.
        let outside = Container::new();
        let pid = outside.process.id();
        sh(&format!(
            "ip link add eth0 type veth peer name eth0 netns {pid}; ip link set eth0 up"
        ));
        outside.sh("ip link set lo up; ip link set eth0 up; ip address add 192.0.2.2/24 dev eth0");
        let mut config = config();
        let addresses = vec![(Ipv4Addr::new(192, 0, 2, 1), 24)];
        let link = LinkConfig {
            addresses,
            gateway: Some(Ipv4Addr::new(192, 0, 2, 2)),
            ..LinkConfig::default()
        };
        config.links = BTreeMap::from([("eth0".to_owned(), link)]);
        let (network, _events) = start(config);
        network.bring_up().await.unwrap();

        let (web, other) = (Container::new(), Container::new());
        let attach = async |name: &str, container: &Container| {
            let netlink = container.netlink();
            let service = service(name);
            network
                .attach(&service, container.netns.as_fd(), netlink)
                .await
                .unwrap()
        };
        // Both at once: neither waits for the other's answer.
        let (web_address, other_address) =
            tokio::join!(attach("web", &web), attach("other", &other));
        assert_ne!(web_address, other_address);
        assert_eq!(attach("web", &web).await, web_address, "attaching again");
        let seen = web.sh("ip -4 -br address; ip -4 route");
        assert!(seen.contains(&format!("{web_address}/16")), "{seen}");
        assert!(seen.contains("default via 172.29.0.1 dev eth0"), "{seen}");
        assert!(sh("ip link show type veth").contains("alias web"));

        let everywhere = port(None, 8080, 80);
        let local = port(Some(Ipv4Addr::LOCALHOST), 8081, 80);
        let services = vec![PublishedService {
            service: service("web"),
            network_mode: NetworkMode::Bridge,
            ports: vec![everywhere, local],
        }];
        network.publish(services).await.unwrap();
        let _web = web.listen(80, "web");
        let _outside = outside.listen(7, "outside");
        let _machine = Command::new("socat")
            .args(["TCP-LISTEN:9000,fork,reuseaddr", "SYSTEM:echo machine"])
            .spawn()
            .map(Listener)
            .unwrap();
        while sh("ss -Hltn sport = :9000").is_empty() {
            tokio::task::yield_now().await;
        }

        let service_at = |address: &str| web_address.to_string() + address;
        // From outside: the published port, with the client's own address; nothing else.
        assert_eq!(outside.sh(&asking("192.0.2.1:8080")), "web 192.0.2.2\n");
        for closed in ["192.0.2.1:8081", "192.0.2.1:9000", "192.0.2.1:80"] {
            assert_eq!(outside.sh(&asking(closed)), "", "{closed}");
        }
        outside.sh("ip route add 172.29.0.0/16 via 192.0.2.1");
        assert_eq!(
            outside.sh(&asking(&service_at(":80"))),
            "",
            "by a route of one's own"
        );
        // From the machine: by any of its addresses.
        assert_eq!(sh(&asking("192.0.2.1:8080")), "web 192.0.2.1\n");
        assert_eq!(sh(&asking("127.0.0.1:8080")), "web 172.29.0.1\n");
        assert_eq!(sh(&asking("127.0.0.1:8081")), "web 172.29.0.1\n");
        // From services: each other, what is published (hairpin too), the outside in the machine's
        // name; not the machine.
        let straight = other.sh(&asking(&service_at(":80")));
        assert_eq!(straight, format!("web {other_address}\n"));
        assert_eq!(other.sh(&asking("192.0.2.1:8080")), "web 172.29.0.1\n");
        assert_eq!(
            web.sh(&asking("192.0.2.1:8080")),
            "web 172.29.0.1\n",
            "hairpin"
        );
        assert_eq!(other.sh(&asking("192.0.2.2:7")), "outside 192.0.2.1\n");
        for closed in ["192.0.2.1:9000", "172.29.0.1:9000", "172.29.0.1:8081"] {
            assert_eq!(other.sh(&asking(closed)), "", "{closed}");
        }
        // Not even by the machine's loopback, which the bridge knows a way to.
        other.sh("ip route add 127.0.0.2 via 172.29.0.1 dev eth0");
        other.sh("ip link set lo down; ip address flush dev lo");
        assert_eq!(other.sh(&asking("127.0.0.2:9000")), "");
        // Nor with an address that is not the bridge's.
        other.sh("ip address add 198.51.100.1/32 dev eth0");
        let spoofing = "TCP:192.0.2.2:7,bind=198.51.100.1,connect-timeout=1";
        let spoofed = format!("socat -T2 - {spoofing} 2>/dev/null </dev/null || true");
        assert_eq!(other.sh(&spoofed), "");

        // Gone with its namespace; a new one comes back with the same address.
        network.detach(&service("other")).await.unwrap();
        drop(other);
        let again = Container::new();
        assert_eq!(attach("other", &again).await, other_address);
        assert_eq!(
            again.sh(&asking(&service_at(":80"))),
            format!("web {other_address}\n")
        );
    });
}
