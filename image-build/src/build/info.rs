//! What `build.json` says: the kernel's command line, the least memory, the ports.

use std::collections::BTreeMap;

use orlop_config::Checked;

use super::inputs::Inputs;
use crate::ForwardedPort;
use crate::tree::{Kind, Tree};

/// The kernel and PID 1 (measured: the cloud kernel reaches PID 1 with 96 MiB and prints nothing
/// with 64), what each service needs at the least, and twice a system that is unpacked into RAM.
pub(super) fn least_memory(inputs: &Inputs<'_>, images: &BTreeMap<String, Tree>) -> u64 {
    const MIB: u64 = 1 << 20;
    let services = inputs.checked.services.len() as u64;
    let in_ram = match inputs.options.initramfs_system {
        true => bytes_of(images),
        false => 0,
    };
    let least = 128 + 4 * services + (2 * in_ram).div_ceil(MIB);
    least.next_multiple_of(16)
}

/// Equal files count once, as in the system image.
fn bytes_of(images: &BTreeMap<String, Tree>) -> u64 {
    let blobs: BTreeMap<&[u8; 32], u64> = images
        .values()
        .flat_map(Tree::iter)
        .filter_map(|(_, node)| match &node.kind {
            Kind::File(blob) => Some((blob.sha256(), blob.len())),
            _ => None,
        })
        .collect();
    blobs.values().sum()
}

pub(super) fn ports(checked: &Checked) -> Vec<ForwardedPort> {
    let mut ports = Vec::new();
    for service in checked.services.values() {
        for port in &service.ports {
            ports.push(ForwardedPort {
                service: service.name.as_str().to_owned(),
                host_ip: port.host_ip,
                published: port.published,
                target: port.target,
                protocol: port.protocol.to_string(),
            });
        }
    }
    ports
}
