//! Blocks of the slot that are not as their hashes say: the kernel gives EIO to who reads one, and
//! tells of it by a uevent.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::unix::AsyncFd;

use super::{DEVICE, Letter, REMEDY, Slot};
use crate::machine::Notices;

/// The uevent's variable: which of data (0) and hashes (1), and the 4096-byte block of the partition
/// (drivers/md/dm-verity-target.c, `verity_handle_err`).
const VARIABLE: &str = "DM_VERITY_ERR_BLOCK_NR";
/// So many are named.
const NAMED: usize = 3;
/// The kernel tells no more, `DM_VERITY_MAX_CORRUPTED_ERRS`: a block counts at each read.
const MOST: u32 = 100;

/// Listens for as long as PID 1 lives, and lets the notice of the slot say which blocks are bad.
pub(super) async fn listen(uevents: AsyncFd<OwnedFd>, slot: Slot, notices: Notices) {
    let mut bad = Vec::new();
    let mut told = 0_u32;
    while let Ok(mut ready) = uevents.readable().await {
        let received = ready.try_io(|socket| next(socket.get_ref()));
        let Ok(Ok(Some(block))) = received else {
            continue;
        };
        told = told.saturating_add(1);
        let is_new = !bad.contains(&block);
        if is_new {
            bad.push(block);
        }
        if is_new || told == MOST {
            let key = match slot.letter {
                Letter::A => "slot-a",
                Letter::B => "slot-b",
            };
            notices.add(key, sentence(&slot, &bad, told));
        }
    }
}

/// The first bad block that the kernel has told of and nobody has taken off the socket.
pub(super) fn first(uevents: &OwnedFd) -> Option<u64> {
    loop {
        match next(uevents) {
            Ok(None) => {}
            Ok(found) => return found,
            Err(_) => return None,
        }
    }
}

/// One uevent.
fn next(uevents: &OwnedFd) -> io::Result<Option<u64>> {
    let value = orlop_sys::uevent::receive_value(uevents.as_fd(), DEVICE, VARIABLE)?;
    Ok(value.as_deref().and_then(parse))
}

fn parse(value: &str) -> Option<u64> {
    value.split_once(',')?.1.parse().ok()
}

fn sentence(slot: &Slot, bad: &[u64], told: u32) -> String {
    let which = described(bad);
    let silent = match told < MOST {
        true => "",
        false => " (the kernel names no further one)",
    };
    format!("{slot}: {which}, whoever reads there gets EIO{silent}; {REMEDY}")
}

/// `block 7 does not match its hash`; of several the first and how many more.
pub(super) fn described(bad: &[u64]) -> String {
    let (begin, end) = match bad {
        [_] => ("block ", " does not match its hash"),
        _ => ("blocks ", " do not match their hashes"),
    };
    let mut text = begin.to_owned();
    for (index, block) in bad.iter().take(NAMED).enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        text.push_str(&format!("{comma}{block}"));
    }
    if bad.len() > NAMED {
        text.push_str(&format!(" and {} more", bad.len() - NAMED));
    }
    text.push_str(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_variable_names_kind_and_block() {
        assert_eq!(parse("0,1234"), Some(1234));
        assert_eq!(parse("1,18446744073709551615"), Some(u64::MAX));
        for strange in ["", "0", "0,", "0,x", "0,18446744073709551616"] {
            assert_eq!(parse(strange), None, "{strange}");
        }
    }

    #[test]
    fn the_notice_names_slot_block_and_remedy_and_when_the_kernel_falls_silent() {
        let slot = Slot {
            letter: Letter::B,
            partition: "nvme0n1p3".to_owned(),
            disk: "nvme0n1".to_owned(),
        };
        let begin =
            "slot B (nvme0n1p3): block 7 does not match its hash, whoever reads there gets EIO";
        let remedy = "; flash the disk again with `orlop flash`";
        assert_eq!(sentence(&slot, &[7], 99), format!("{begin}{remedy}"));
        let silent = format!("{begin} (the kernel names no further one){remedy}");
        assert_eq!(sentence(&slot, &[7], 100), silent);
    }

    #[test]
    fn many_are_counted() {
        assert_eq!(described(&[7]), "block 7 does not match its hash");
        assert_eq!(described(&[7, 9]), "blocks 7, 9 do not match their hashes");
        let many: Vec<u64> = (1..=100).collect();
        let text = "blocks 1, 2, 3 and 97 more do not match their hashes";
        assert_eq!(described(&many), text);
    }
}
