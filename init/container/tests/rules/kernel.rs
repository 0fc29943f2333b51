//! What the kernel is asked for and by whom: sessions, sockets, calls that are not there.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use orlop_container::weaken::{Rule, without};

use crate::attack::{ground, intruder, output, outside};

#[test]
fn r13_an_abstract_socket_is_anybodys_in_a_shared_network() {
    let path = outside(ground()).join("control.sock");
    let _ = std::fs::remove_file(&path);
    let _pathname = UnixListener::bind(&path).unwrap();
    let name = format!("orlop-r13-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    let (path, name) = (path.display().to_string(), format!("@{name}"));
    let trial = intruder(
        &["attack", "connect", &path, &name],
        "network_mode = \"host\"",
    );
    let seen = output(&trial);
    assert!(
        seen.contains(&format!("connect {path}: No such file")),
        "{seen}"
    );
    assert!(seen.contains(&format!("connect {name}: DONE")), "{seen}");
}

#[test]
fn r15_a_session_of_its_own_and_no_typing_for_others() {
    let session = intruder(&["attack", "session"], "");
    assert_eq!(output(&session), "session 1\n");
    let attacked = without(Rule::R15, || output(&session));
    assert_eq!(attacked, "session 0\n", "0 is one outside");

    let typing = ["TIOCSTI", "TIOCLINUX"];
    let guarded = output(&intruder(&typing, ""));
    assert_eq!(guarded, "TIOCSTI: EPERM\nTIOCLINUX: EPERM\n");
    // Without a filter the terminal gets the character.
    let privileged = "isolation = \"privileged\"\ncap_drop = [\"SYS_RESOURCE\"]";
    let attacked = output(&intruder(&typing, privileged));
    assert!(attacked.starts_with("TIOCSTI: ok\n"), "{attacked}");
}

/// Programs take EPERM for a verdict and ENOSYS for "try the older call".
#[test]
fn r20_what_is_not_there_is_enosys_and_what_is_denied_is_eperm() {
    let calls = ["clone3", "unknown call", "x32 call", "mount tmpfs", "bpf"];
    let seen = output(&intruder(&calls, ""));
    let expected =
        "clone3: ENOSYS\nunknown call: ENOSYS\nx32 call: ENOSYS\nmount tmpfs: EPERM\nbpf: EPERM\n";
    assert_eq!(seen, expected);
    let admin = output(&intruder(
        &["clone3", "mount tmpfs"],
        "cap_add = [\"SYS_ADMIN\"]",
    ));
    assert_eq!(admin, "clone3: ok\nmount tmpfs: ok\n");
}
