//! What stands above the first prompt. Pure. Five lines of at most 80 columns: with the log of the
//! starter's boot they fill a screen of 24 lines.

use orlop_control::MachineInfo;

/// The welcome; shorter when PID 1 could not be asked.
pub(super) fn text(info: Option<&MachineInfo>) -> String {
    let machine = match info {
        Some(info) => format!(
            "{} · Orlop {} · Linux {}{}",
            info.hostname,
            info.version,
            info.kernel,
            addresses(info)
        ),
        None => "Orlop".to_owned(),
    };
    let lines = [
        String::new(),
        machine,
        "This shell has a container of its own. Look around: orlop ps, orlop logs NAME.".to_owned(),
        "Leave: orlop poweroff; QEMU ends at once with Ctrl-A X.".to_owned(),
        String::new(),
    ];
    // The terminal may be in any mode when this is written.
    lines.map(|line| format!("{line}\r\n")).concat()
}

fn addresses(info: &MachineInfo) -> String {
    let addresses = info.addresses.iter();
    addresses
        .map(|a| format!(" · {} {}/{}", a.link, a.address, a.prefix_length))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_control::LinkAddress;
    use std::net::Ipv4Addr;

    #[test]
    fn it_names_the_machine_and_the_way_out() {
        let info = MachineInfo {
            hostname: "box".to_owned(),
            version: "0.1.0".to_owned(),
            kernel: "6.1".to_owned(),
            uptime_ms: 1,
            addresses: vec![LinkAddress {
                link: "eth0".to_owned(),
                address: Ipv4Addr::new(10, 0, 2, 15),
                prefix_length: 24,
            }],
        };
        let text = text(Some(&info));
        assert!(text.contains("box · Orlop 0.1.0 · Linux 6.1 · eth0 10.0.2.15/24\r\n"));
        assert!(text.contains("orlop poweroff"));
        // The boot log and this are one screen.
        assert_eq!(text.lines().count(), 5);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(super::text(None).contains("orlop ps"));
    }
}
