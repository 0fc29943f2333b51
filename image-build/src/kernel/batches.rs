//! Which modules a machine asks for, before their dependencies (`docs/architecture.md`).

use super::Wanted;

const fn required(name: &'static str) -> Wanted<'static> {
    Wanted {
        name,
        required: true,
    }
}

const fn optional(name: &'static str) -> Wanted<'static> {
    Wanted {
        name,
        required: false,
    }
}

/// Finding and mounting the system: as few as can be, since everything waits for them.
const BOOT: &[Wanted<'static>] = &[
    required("virtio_pci"),
    required("virtio_blk"),
    required("erofs"),
    required("ext4"),
];

/// Control ports, entropy, the power button; `[kernel] modules` come behind them.
const MACHINE: &[Wanted<'static>] = &[
    required("virtio_console"),
    optional("virtio_rng"),
    optional("button"),
    // Without it the button has no device to read.
    optional("evdev"),
];

/// Links, the services' bridge, and what the nftables batch of `init/src/network` uses. The rules'
/// expressions `meta`, `payload`, `cmp`, `bitwise`, `immediate` are part of nf_tables itself; the
/// `inet` family of fib loads both of its others.
const NETWORK: &[Wanted<'static>] = &[
    required("virtio_net"),
    required("af_packet"),
    required("bridge"),
    required("veth"),
    required("nf_tables"),
    required("nft_ct"),
    required("nft_chain_nat"),
    required("nft_nat"),
    required("nft_masq"),
    required("nft_fib_inet"),
];

/// A writable root over an image.
const OVERLAY: &[Wanted<'static>] = &[required("overlay")];

/// Opening the system on a disk: its slot is a dm-verity device, whose hashes are SHA-256.
pub const DISK: &[Wanted<'static>] = &[
    required("dm_verity"),
    // The faster ones first: the kernel takes what is there with the highest priority, and loads
    // nothing by itself, since nobody serves its requests (`kernel.modprobe`).
    optional("sha256_ssse3"),
    optional("sha256_generic"),
];

/// What ext4 keeps account of volumes' sizes by; it asks for it by a number, which nothing here answers.
const QUOTA: &[Wanted<'static>] = &[optional("quota_v2")];

/// What of a machine decides about its batches.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// The system is a file in the initramfs.
    pub initramfs_system: bool,
    /// A service writes to its root.
    pub writable_root: bool,
    /// The kernel's console is on a virtio port.
    pub virtio_console: bool,
    /// `[kernel] modules`.
    pub modules: &'a [String],
}

/// The batches in the order in which they are loaded: boot, machine, network, overlay, quota.
#[must_use]
pub fn batches<'a>(needs: &Needs<'a>) -> [Vec<Wanted<'a>>; 5] {
    let mut boot = BOOT.to_vec();
    if needs.initramfs_system {
        boot.push(required("loop"));
    }
    if needs.virtio_console {
        // Before the first line is said.
        boot.push(required("virtio_console"));
    }
    let mut machine = MACHINE.to_vec();
    machine.extend(needs.modules.iter().map(|name| Wanted {
        name,
        required: true,
    }));
    let overlay = if needs.writable_root { OVERLAY } else { &[] };
    [
        boot,
        machine,
        NETWORK.to_vec(),
        overlay.to_vec(),
        QUOTA.to_vec(),
    ]
}
