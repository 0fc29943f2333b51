//! How `system.toml` names a disk: `[storage] state`.

use std::fmt;

/// What is looked for among the block devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskName {
    /// `LABEL=…` or `/dev/disk/by-label/…`: the label of the ext4 file system on it.
    Label(String),
    /// `UUID=…` or `/dev/disk/by-uuid/…`: that file system's own number.
    Uuid([u8; 16]),
    /// `/dev/vdb`: the kernel's name, below `/dev`.
    Node(String),
}

impl DiskName {
    /// Reads what fstab(5) has as its first field.
    ///
    /// # Errors
    /// A fragment that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let tagged = |tag: &str, links: &str| {
            let rest = text.strip_prefix(tag);
            rest.or_else(|| text.strip_prefix("/dev/disk/")?.strip_prefix(links))
        };
        if let Some(label) = tagged("LABEL=", "by-label/") {
            // ext4's superblock has room for 16 bytes; udev's links spell odd ones otherwise.
            let good = (1..=16).contains(&label.len()) && !label.contains(['/', '\\']);
            return match good {
                true => Ok(Self::Label(label.to_owned())),
                false => Err("is no label of ext4, 1 to 16 letters"),
            };
        }
        if let Some(uuid) = tagged("UUID=", "by-uuid/") {
            let uuid = parse_uuid(uuid).ok_or("is no UUID as blkid(8) prints it")?;
            return Ok(Self::Uuid(uuid));
        }
        if text.starts_with("/dev/disk/") || text.starts_with("PART") || text.starts_with("ID=") {
            return Err(
                "names a disk in a way that is not supported yet, only by label, UUID and kernel's name",
            );
        }
        let good = |b: u8| b.is_ascii_alphanumeric();
        match text.strip_prefix("/dev/") {
            Some(name) if (1..=31).contains(&name.len()) && name.bytes().all(good) => {
                Ok(Self::Node(name.to_owned()))
            }
            _ => Err("names no disk"),
        }
    }
}

impl fmt::Display for DiskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "LABEL={label}"),
            Self::Node(name) => write!(f, "/dev/{name}"),
            Self::Uuid(bytes) => {
                f.write_str("UUID=")?;
                for (at, byte) in bytes.iter().enumerate() {
                    let hyphen = if matches!(at, 4 | 6 | 8 | 10) {
                        "-"
                    } else {
                        ""
                    };
                    write!(f, "{hyphen}{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

/// RFC 9562's text: 8-4-4-4-12 digits, large or small.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let hyphens: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
    let digits = text.replace('-', "");
    if hyphens != [8, 13, 18, 23] || digits.len() != 32 || digits.starts_with('+') {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_fstab_and_of_udev_are_the_same() {
        let uuid = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
        for (text, shown) in [
            ("LABEL=data".to_owned(), "LABEL=data".to_owned()),
            (
                "/dev/disk/by-label/data".to_owned(),
                "LABEL=data".to_owned(),
            ),
            (
                format!("UUID={}", uuid.to_uppercase()),
                format!("UUID={uuid}"),
            ),
            (format!("/dev/disk/by-uuid/{uuid}"), format!("UUID={uuid}")),
            ("/dev/nvme0n1p2".to_owned(), "/dev/nvme0n1p2".to_owned()),
        ] {
            let name = DiskName::parse(&text).unwrap();
            assert_eq!(name.to_string(), shown);
            assert_eq!(DiskName::parse(&shown), Ok(name));
        }
    }

    #[test]
    fn what_names_no_disk_is_refused() {
        for text in [
            "",
            "data",
            "LABEL=",
            "LABEL=seventeen letters",
            "LABEL=a/b",
            "UUID=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            "UUID=+a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
            "UUID=xa1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
            "PARTUUID=0a1b2c3d-01",
            "/dev/disk/by-id/virtio-data",
            "/dev/mapper/data",
            "/dev/../etc",
            "/dev/",
            "vdb",
        ] {
            assert!(DiskName::parse(text).is_err(), "{text}");
        }
    }
}
