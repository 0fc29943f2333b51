//! Which modules a machine asks for, before their dependencies (`docs/architecture.md`).

use super::Wanted;

const fn required(name: &'static str) -> Wanted {
    Wanted {
        name,
        required: true,
    }
}

const fn optional(name: &'static str) -> Wanted {
    Wanted {
        name,
        required: false,
    }
}

/// Finding and mounting the system: as few as can be, since everything waits for them.
const BOOT: &[Wanted] = &[
    required("virtio_pci"),
    required("virtio_blk"),
    required("erofs"),
    required("ext4"),
];

/// The same for a system that comes inside the initramfs, where it is a file.
const BOOT_WITHOUT_DISK: &[Wanted] = &[
    required("virtio_pci"),
    required("virtio_blk"),
    required("erofs"),
    required("ext4"),
    required("loop"),
];

/// Control ports, entropy, the power button.
const MACHINE: &[Wanted] = &[
    required("virtio_console"),
    optional("virtio_rng"),
    optional("button"),
    // Without it the button has no device to read.
    optional("evdev"),
];

/// Links, the services' bridge, and what the nftables batch of `init/src/network` uses. The rules'
/// expressions `meta`, `payload`, `cmp`, `bitwise`, `immediate` are part of nf_tables itself; the
/// `inet` family of fib loads both of its others.
const NETWORK: &[Wanted] = &[
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
const OVERLAY: &[Wanted] = &[required("overlay")];

/// The batches in the order in which they are loaded: boot, machine, network, overlay.
#[must_use]
pub fn batches(initramfs_system: bool, writable_root: bool) -> [&'static [Wanted]; 4] {
    let boot = if initramfs_system {
        BOOT_WITHOUT_DISK
    } else {
        BOOT
    };
    let overlay = if writable_root { OVERLAY } else { &[] };
    [boot, MACHINE, NETWORK, overlay]
}
