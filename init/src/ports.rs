//! Devices that PID 1 itself uses once the batch `machine` is loaded: the virtio console ports and
//! the ACPI power buttons.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::watched::watch;

/// Where the ports are found by name, as udev would have it.
pub const PORTS: &str = "/dev/virtio-ports";
/// The port of the machine's events.
pub const EVENTS_PORT: &str = "orlop.events";

/// KEY_POWER of linux/input-event-codes.h.
const KEY_POWER: u16 = 116;
/// EV_KEY of linux/input-event-codes.h.
const EV_KEY: u16 = 1;
/// struct input_event on 64-bit: two 8-byte times, type u16, code u16, value i32.
const INPUT_EVENT: usize = 24;

/// Makes `/dev/virtio-ports/<name>` for every port of /sys/class/virtio-ports.
///
/// # Errors
/// When a link cannot be made. No port at all is no error.
pub fn link_ports() -> io::Result<()> {
    let Ok(entries) = fs::read_dir("/sys/class/virtio-ports") else {
        return Ok(());
    };
    fs::create_dir_all(PORTS)?;
    for entry in entries.flatten() {
        let Ok(name) = fs::read_to_string(entry.path().join("name")) else {
            continue;
        };
        let name = name.trim();
        if name.is_empty() || name.contains('/') {
            continue;
        }
        let node = PathBuf::from("..").join(entry.file_name());
        match symlink(node, Path::new(PORTS).join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The power buttons that there are: a board may have one by ACPI's fixed hardware and one as a
/// device, of which one is wired.
#[must_use]
pub fn power_buttons() -> Vec<AsyncFd<fs::File>> {
    let entries = fs::read_dir("/sys/class/input").into_iter().flatten();
    entries
        .flatten()
        .filter_map(|entry| open_button(&entry))
        .collect()
}

/// Resolves when the button is pressed; never when it tells nothing any more.
pub async fn pressed(button: AsyncFd<fs::File>) {
    let mut event = [0_u8; INPUT_EVENT];
    while let Ok(mut ready) = button.readable().await {
        match ready.try_io(|device| device.get_ref().read(&mut event)) {
            Ok(Ok(INPUT_EVENT)) if is_power_press(&event) => return,
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(_)) => break,
        }
    }
    std::future::pending().await
}

fn open_button(entry: &fs::DirEntry) -> Option<AsyncFd<fs::File>> {
    let name = fs::read_to_string(entry.path().join("device/name")).ok()?;
    // Beside `event0` there may be an `input0` of the same device.
    if name.trim() != "Power Button" || !entry.file_name().to_string_lossy().starts_with("event") {
        return None;
    }
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(Path::new("/dev/input").join(entry.file_name()))
        .ok()?;
    watch(file, Interest::READABLE).ok()
}

fn is_power_press(event: &[u8; INPUT_EVENT]) -> bool {
    let [.., t0, t1, c0, c1, v0, v1, v2, v3] = *event;
    u16::from_ne_bytes([t0, t1]) == EV_KEY
        && u16::from_ne_bytes([c0, c1]) == KEY_POWER
        && i32::from_ne_bytes([v0, v1, v2, v3]) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> [u8; INPUT_EVENT] {
        let mut bytes = [0_u8; INPUT_EVENT];
        bytes[16..18].copy_from_slice(&kind.to_ne_bytes());
        bytes[18..20].copy_from_slice(&code.to_ne_bytes());
        bytes[20..].copy_from_slice(&value.to_ne_bytes());
        bytes
    }

    #[test]
    fn only_the_press_of_the_power_key_counts() {
        assert!(is_power_press(&event(EV_KEY, KEY_POWER, 1)));
        assert!(!is_power_press(&event(EV_KEY, KEY_POWER, 0)));
        assert!(!is_power_press(&event(0, 0, 0)));
    }
}
