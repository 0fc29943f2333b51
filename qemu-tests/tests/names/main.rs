//! Names: services find each other, the machine and what their manifests say by `/etc/hosts`, and the
//! resolvers of the lease in `/etc/resolv.conf`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context as _, Result, ensure};
use orlop_qemu_tests::{MachineBuilder, Shared, Vm, curl};
use serde_json::{Value, json};

/// Answers with what the C libraries find of a name.
const FIND: &str = r#"#!/bin/busybox sh
printf 'Content-Type: text/plain\r\n\r\n'
name=$QUERY_STRING
echo "glibc: $(/usr/bin/getent ahostsv4 $name | awk '$2 == "STREAM" { print $1 }' | xargs)"
echo "musl: $(/bin/lookup $name)"
"#;

/// Answers with the page that is there.
const FETCH: &str = r#"#!/bin/busybox sh
printf 'Content-Type: text/plain\r\n\r\n'
exec wget -q -O - http://$QUERY_STRING/
"#;

/// Tells its own name.
const PAGE: &str =
    "mkdir /tmp/w; hostname >/tmp/w/index.html; exec /bin/busybox httpd -f -p 80 -h /tmp/w";
/// A shell's child as process 1 hears no SIGTERM.
const ANSWERS: &str = "stop_signal = \"SIGKILL\"\nreadiness = \"healthy\"\nhealthcheck = { tcp = 80, start_interval = \"1s\", start_period = \"100s\" }\n";

const STAY: &str = "echo told; exec /bin/busybox sleep 1000000";

/// A second card on a hub whose other end drops everything, until the test plugs a server in.
const SECOND_CARD: [&str; 8] = [
    "--qemu-arg=-netdev",
    "--qemu-arg=hubport,id=second,hubid=0",
    "--qemu-arg=-netdev",
    "--qemu-arg=socket,id=sink,udp=127.0.0.1:9,localaddr=127.0.0.1:0",
    "--qemu-arg=-netdev",
    "--qemu-arg=hubport,id=hub-sink,hubid=0,netdev=sink",
    "--qemu-arg=-device",
    "--qemu-arg=virtio-net-pci,netdev=second,romfile=",
];

/// A static program with musl's resolver, next to the machine's files.
fn compile_lookup(into: &Path) -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new("rustc")
        .args(["--edition", "2024", "--target", "x86_64-unknown-linux-musl"])
        .args(["-C", "strip=symbols", "-o"])
        .arg(into)
        .arg(here.join("tests/names/lookup.rs"))
        .current_dir(here)
        .status()?;
    ensure!(status.success(), "rustc: {status}");
    Ok(())
}

fn boot() -> Result<Vm> {
    let look = format!(
        "command = [\"/bin/busybox\", \"httpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/www\"]\n\
         ports = [\"8081:80\"]\n{ANSWERS}\n[build]\ndebian = [\"busybox-static\", \"libc-bin\"]\n\
         files = {{ \"cgi-bin\" = \"/www/cgi-bin\", \"lookup\" = \"/bin/lookup\" }}\n"
    );
    let says = |more: &str| format!("cat /etc/hosts; cat /etc/resolv.conf; {more}; {STAY}");
    let extra = says(
        "echo \"domain: $(cat /proc/sys/kernel/domainname)\"; wget -q -O - http://machine:8081/cgi-bin/fetch?api",
    );
    let hosted = says("wget -q -O - http://api/");
    let admin = "grep Cap /proc/self/status
        for try in 'mount -o remount,bind,rw /etc/hosts' 'mount -o remount,rw /etc/hosts' 'umount /etc/hosts' 'umount -l /etc/hosts'; do
            $try 2>/dev/null && echo \"it went: $try\"
        done
        echo evil >>/etc/hosts; rm /etc/hosts; tail -n 1 /proc/mounts; cat /etc/hosts";
    let machine = MachineBuilder::with(&["dhcp", "log", "gateway"])?
        .service("look", &look)
        .file("services/look/cgi-bin/find", FIND)
        .file("services/look/cgi-bin/fetch", FETCH)
        .shell_service("api", PAGE, ANSWERS)
        .shell_service("app", PAGE, &format!("scale = 2\n{ANSWERS}"))
        .shell_service(
            "extra",
            &extra,
            "hostname = \"www\"\ndomainname = \"example.org\"\ndepends_on = { look = { condition = \"service_healthy\" } }\n\
             extra_hosts = [\"machine:host-gateway\", \"db=192.0.2.10\"]\n\
             dns = [\"192.0.2.53\"]\ndns_search = [\"example.org\", \"corp\"]\ndns_opt = \"ndots:2\"\n",
        )
        .shell_service(
            "hosted",
            &hosted,
            "network_mode = \"host\"\ndepends_on = { api = { condition = \"service_healthy\" } }\n",
        )
        .shell_service("alone", &says("true"), "network_mode = \"none\"\n")
        .shell_service(
            "searching",
            &format!("until grep 10.0.9.7 /etc/resolv.conf; do sleep 1; done; cat /etc/resolv.conf; {STAY}"),
            "dns_search = \"example.org\"\n",
        )
        .shell_service(
            "following",
            &format!("until grep 10.0.9.7 /etc/resolv.conf; do sleep 1; done; cat /etc/resolv.conf; {STAY}"),
            "",
        )
        .shell_service("admin", &format!("{admin}\n{STAY}"), "cap_add = [\"SYS_ADMIN\"]\n")
        .arguments(&SECOND_CARD);
    compile_lookup(&machine.path("services/look/lookup"))?;
    for script in ["find", "fetch"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let path = machine.path("services/look/cgi-bin").join(script);
        std::fs::set_permissions(path, mode)?;
    }
    machine.boot()
}

static MACHINE: LazyLock<Shared> = LazyLock::new(|| Shared::new(boot()));

/// What `look` finds of a name: by glibc and by musl.
fn find(vm: &Vm, name: &str) -> Result<[String; 2]> {
    let said = curl(vm.forward(8081)?, &format!("/cgi-bin/find?{name}"))?;
    let of = |word: &str| {
        let mut lines = said.lines();
        let found = lines.find_map(|line| line.strip_prefix(word));
        let found = found.with_context(|| format!("{word} in {said}"))?;
        Ok::<_, anyhow::Error>(found.trim().to_owned())
    };
    Ok([of("glibc:")?, of("musl:")?])
}

/// Who answers `look` at a name.
fn fetch(vm: &Vm, name: &str) -> Result<String> {
    let page = curl(vm.forward(8081)?, &format!("/cgi-bin/fetch?{name}"))?;
    Ok(page.trim().to_owned())
}

fn address(vm: &Vm, service: &str) -> Result<String> {
    let address = |info: &Value| Some(info.get("address")?.as_str()?.to_owned());
    let info = vm.wait_ps(service, |info| address(info).is_some())?;
    address(&info).context("an address")
}

/// The service's own words.
fn told(vm: &Vm, service: &str) -> Result<Vec<String>> {
    let mut lines = vm.log_until(service, "told")?;
    lines.retain(|line| !line.starts_with("-- "));
    Ok(lines)
}

#[test]
fn a_service_is_found_by_its_name_also_after_restarts_and_while_it_is_away() {
    let vm = MACHINE.hold_booted().unwrap();
    let api = address(&vm, "api").unwrap();
    let found = || find(&vm, "api").unwrap();
    assert_eq!(found(), [&*api, &*api]);
    assert_eq!(fetch(&vm, "api").unwrap(), "api");

    let mark = vm.mark();
    vm.orlop(&["restart", "api"]).unwrap();
    vm.wait_service_after(mark, "api", "up").unwrap();
    assert_eq!(found(), [&*api, &*api]);
    assert_eq!(fetch(&vm, "api").unwrap(), "api");

    // Its network is gone, its name and address are kept for it.
    vm.orlop(&["stop", "api"]).unwrap();
    assert_eq!(found(), [&*api, &*api]);
    let mark = vm.mark();
    vm.orlop(&["start", "api"]).unwrap();
    vm.wait_service_after(mark, "api", "up").unwrap();
    assert_eq!(found(), [&*api, &*api]);
    assert_eq!(fetch(&vm, "api").unwrap(), "api");
    assert_eq!(address(&vm, "api").unwrap(), api);
}

#[test]
fn an_instance_is_found_by_its_own_name_and_all_by_the_common_one() {
    let vm = MACHINE.hold_booted().unwrap();
    let both = ["app-1", "app-2"].map(|name| {
        let own = address(&vm, name).unwrap();
        assert_eq!(find(&vm, name).unwrap(), [&*own, &*own]);
        assert_eq!(fetch(&vm, name).unwrap(), name);
        own
    });
    for found in find(&vm, "app").unwrap() {
        let found: BTreeSet<&str> = found.split(' ').collect();
        assert_eq!(found, both.iter().map(String::as_str).collect());
    }
    assert!(fetch(&vm, "app").unwrap().starts_with("app-"));
}

#[test]
fn what_the_manifest_says_is_in_both_files() {
    let vm = MACHINE.hold_booted().unwrap();
    let told = told(&vm, "extra").unwrap();
    let own = format!("{} www.example.org www", address(&vm, "extra").unwrap());
    let api = format!("{} api", address(&vm, "api").unwrap());
    for line in [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
        "172.29.0.1 machine",
        "192.0.2.10 db",
        &own,
        &api,
        "nameserver 192.0.2.53",
        "search example.org corp",
        "options ndots:2",
        "domain: example.org",
        // Through the machine, at its published port.
        "api",
    ] {
        assert!(told.iter().any(|told| told == line), "{line} in {told:#?}");
    }
    assert!(
        !told.contains(&"nameserver 10.0.2.3".to_owned()),
        "{told:#?}"
    );
    // The others know the host name, and not the full one, which is a name of the world.
    let [glibc, _] = find(&vm, "www").unwrap();
    let extra = address(&vm, "extra").unwrap();
    assert_eq!(glibc, extra);
    let others = self::told(&vm, "hosted").unwrap();
    let line = format!("{extra} extra www");
    assert!(others.contains(&line), "{line} in {others:#?}");
    let full = |line: &String| line.contains("www.example.org");
    assert!(!others.iter().any(full), "{others:#?}");
}

#[test]
fn without_an_own_network_names_are_dockers() {
    let vm = MACHINE.hold_booted().unwrap();
    let hosted = told(&vm, "hosted").unwrap();
    let api = format!("{} api", address(&vm, "api").unwrap());
    for line in ["127.0.0.1 localhost", &api, "172.29.0.1 hosted", "api"] {
        assert!(
            hosted.iter().any(|told| told == line),
            "{line} in {hosted:#?}"
        );
    }
    let local = [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
    ];
    assert_eq!(told(&vm, "alone").unwrap(), local);
}

#[test]
fn nobody_inside_writes_to_them() {
    let vm = MACHINE.hold_booted().unwrap();
    let told = told(&vm, "admin").unwrap();
    let all = told.join("\n");
    assert!(all.contains("CapEff:\t0000000000200000"), "{all}");
    assert!(!all.contains("it went") && !all.contains("evil\n"), "{all}");
    assert!(all.contains("127.0.0.1 localhost"), "{all}");
    // The file is the one that all others read.
    let [glibc, _] = find(&vm, "api").unwrap();
    assert_eq!(glibc, address(&vm, "api").unwrap());
}

#[test]
fn the_resolvers_of_a_new_lease_are_seen_by_who_runs() {
    let vm = MACHINE.hold_booted().unwrap();
    let server = json!({"type": "user", "id": "late", "net": "10.0.9.0/24", "dhcpstart": "10.0.9.15", "dns": "10.0.9.7"});
    vm.qmp("netdev_add", &server).unwrap();
    let port = json!({"type": "hubport", "id": "hub-late", "hubid": 0, "netdev": "late"});
    vm.qmp("netdev_add", &port).unwrap();
    // It asks at once, not after the pause that it was in.
    vm.orlop(&["restart", "dhcp"]).unwrap();
    let following = told(&vm, "following").unwrap();
    for line in ["nameserver 10.0.2.3", "nameserver 10.0.9.7"] {
        assert!(following.iter().any(|told| told == line), "{following:#?}");
    }
    let searching = told(&vm, "searching").unwrap();
    for line in ["nameserver 10.0.9.7", "search example.org"] {
        assert!(searching.iter().any(|told| told == line), "{searching:#?}");
    }
}
