//! One line: eight hexadecimal digits of CRC-32C, a space, a JSON object with the line's number, a line
//! feed. The checksum covers what lies between the space and the line feed.

use crc::{CRC_32_ISCSI, Crc, Table};
use nix::errno::Errno;
use serde::Serialize;

use super::record::{Numbered, Record};

const CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);
const CHECKSUM: usize = 8;

/// A record without its number.
pub(super) fn json(record: &impl Serialize) -> Result<String, Errno> {
    // Only what is not a string as a key could fail.
    serde_json::to_string(record).map_err(|_| Errno::EINVAL)
}

/// The line of a record as [`json`] wrote it.
pub(super) fn framed(number: u64, json: &str) -> String {
    let rest = json.strip_prefix('{').unwrap_or(json);
    let body = format!("{{\"n\":{number},{rest}");
    format!("{:08x} {body}\n", CRC.checksum(body.as_bytes()))
}

/// The record of a line without its line feed; `None` when it is torn.
pub(super) fn parse(line: &[u8]) -> Option<(u64, Record)> {
    let (checksum, body) = line.split_at_checked(CHECKSUM)?;
    let body = body.strip_prefix(b" ")?;
    let wanted = format!("{:08x}", CRC.checksum(body));
    if checksum != wanted.as_bytes() {
        return None;
    }
    let Numbered { n, record } = serde_json::from_slice(body).ok()?;
    Some((n, record))
}
