//! Directory entries of FAT (Microsoft's "FAT File System Specification", section 6 and 7).

/// Bytes of one entry.
pub(super) const ENTRY: usize = 32;
/// 1 January 1980, FAT's first day: the time of everything.
const DATE: u16 = 1 << 5 | 1;
/// `ATTR_DIRECTORY` and `ATTR_ARCHIVE`.
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
/// `ATTR_VOLUME_ID`.
const VOLUME: u8 = 0x08;
/// The entry of a long name.
const LONG: u8 = 0x0f;

/// What an entry leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// A directory.
    Directory,
    /// A file of so many bytes.
    File(u32),
}

/// The entries of a name: long ones when it does not fit into 8.3, and the short one. `number` tells
/// the short names of long ones in one directory apart.
pub(super) fn entries(name: &str, number: usize, to: To, cluster: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (short, case) = match fits(name) {
        Some(fitting) => fitting,
        None => {
            let short = numbered(name, number);
            long(name, &short, &mut bytes);
            (short, 0)
        }
    };
    bytes.extend(entry(&short, case, to, cluster));
    bytes
}

/// `.` and `..`; the root is cluster 0 here.
pub(super) fn dots(own: u32, parent: u32) -> Vec<u8> {
    let mut bytes = entry(b".          ", 0, To::Directory, own);
    bytes.extend(entry(b"..         ", 0, To::Directory, parent));
    bytes
}

/// The volume's name.
pub(super) fn volume(name: &[u8; 11]) -> Vec<u8> {
    let mut bytes = entry(name, 0, To::File(0), 0);
    if let Some(attributes) = bytes.get_mut(11) {
        *attributes = VOLUME;
    }
    bytes
}

fn entry(short: &[u8; 11], case: u8, to: To, cluster: u32) -> Vec<u8> {
    let (attributes, size) = match to {
        To::Directory => (DIRECTORY, 0),
        To::File(size) => (ARCHIVE, size),
    };
    let [low, high] = [cluster & 0xffff, cluster >> 16].map(|half| half.to_le_bytes());
    let mut bytes = short.to_vec();
    bytes.extend([attributes, case, 0]);
    bytes.extend([0; 2]); // time of creation
    bytes.extend(DATE.to_le_bytes());
    bytes.extend(DATE.to_le_bytes()); // last access
    bytes.extend(high.iter().take(2));
    bytes.extend([0; 2]); // time of the last change
    bytes.extend(DATE.to_le_bytes());
    bytes.extend(low.iter().take(2));
    bytes.extend(size.to_le_bytes());
    bytes
}

/// A name as 8.3, and which of its two parts are lower-case (`NTRes`); nothing when it is too long
/// or of both cases.
fn fits(name: &str) -> Option<([u8; 11], u8)> {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_lower = |part: &str| part.bytes().any(|byte| byte.is_ascii_lowercase());
    let is_upper = |part: &str| part.bytes().any(|byte| byte.is_ascii_uppercase());
    let good = |part: &str, longest: usize| {
        part.len() <= longest && plain(part) && !(is_lower(part) && is_upper(part))
    };
    if base.is_empty() || !good(base, 8) || !good(extension, 3) {
        return None;
    }
    let case = u8::from(is_lower(base)) << 3 | u8::from(is_lower(extension)) << 4;
    Some((short(base, extension), case))
}

/// `INITRA~1`.
fn numbered(name: &str, number: usize) -> [u8; 11] {
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let plain = |part: &str, longest: usize| -> String {
        let letters = part.chars().filter(char::is_ascii_alphanumeric);
        letters.take(longest).collect()
    };
    let base = format!("{}~{number}", plain(base, 6));
    short(&base, &plain(extension, 3))
}

fn short(base: &str, extension: &str) -> [u8; 11] {
    let mut bytes = *b"           ";
    let (left, right) = bytes.split_at_mut(8);
    for (to, from) in left.iter_mut().zip(base.bytes()) {
        *to = from.to_ascii_uppercase();
    }
    for (to, from) in right.iter_mut().zip(extension.bytes()) {
        *to = from.to_ascii_uppercase();
    }
    bytes
}

/// The entries of a long name, its end first: 13 UTF-16 units each.
fn long(name: &str, short: &[u8; 11], bytes: &mut Vec<u8>) {
    let sum = short
        .iter()
        .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let units: Vec<u16> = name.encode_utf16().collect();
    let parts: Vec<&[u16]> = units.chunks(13).collect();
    for (at, part) in parts.iter().enumerate().rev() {
        let last = if at + 1 == parts.len() { 0x40 } else { 0 };
        let mut padded = part.to_vec();
        if padded.len() < 13 {
            padded.push(0);
        }
        padded.resize(13, 0xffff);
        let mut field = padded.iter().flat_map(|unit| unit.to_le_bytes());
        bytes.push(u8::try_from(at + 1).unwrap_or(u8::MAX) | last);
        bytes.extend(field.by_ref().take(10));
        bytes.extend([LONG, 0, sum]);
        bytes.extend(field.by_ref().take(12));
        bytes.extend([0, 0]);
        bytes.extend(field);
    }
}
