//! Reads the `.modinfo` section of a kernel module: what it depends on, what it drives.
//!
//! Debian's kernel packages carry no `modules.dep` (depmod(8) writes it on the installed machine),
//! so that the modules themselves are asked.

/// What a module says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// `name=`: underscores, never dashes.
    pub name: String,
    /// `depends=`: modules whose symbols it uses.
    pub depends: Vec<String>,
    /// `softdep=pre: …`: modules that should be there before it.
    pub soft_pre: Vec<String>,
    /// `alias=`: patterns of the devices that it drives, among others.
    pub alias: Vec<String>,
}

/// Parses a module's bytes; `None` when they are not an ELF64 file with a `.modinfo` section.
#[must_use]
pub fn parse(elf: &[u8]) -> Option<ModuleInfo> {
    let section = section(elf, b".modinfo")?;
    let mut info = ModuleInfo::default();
    for entry in section.split(|byte| *byte == 0) {
        let Some((key, value)) = std::str::from_utf8(entry).ok()?.split_once('=') else {
            continue;
        };
        match key {
            "name" => info.name = value.to_owned(),
            "depends" => info
                .depends
                .extend(value.split(',').filter(|n| !n.is_empty()).map(normalize)),
            "alias" => info.alias.push(value.to_owned()),
            "softdep" => info.soft_pre.extend(soft_pre(value)),
            _ => {}
        }
    }
    Some(info)
}

/// Module names are the same with dashes and underscores (modprobe(8)).
#[must_use]
pub fn normalize(name: &str) -> String {
    name.replace('-', "_")
}

/// `pre: a b post: c` → a, b.
fn soft_pre(value: &str) -> Vec<String> {
    let mut before = false;
    let mut names = Vec::new();
    for word in value.split_whitespace() {
        match word {
            "pre:" => before = true,
            "post:" => before = false,
            name if before => names.push(normalize(name)),
            _ => {}
        }
    }
    names
}

/// The bytes of an ELF64 (little-endian) section by its name (elf(5)).
fn section<'a>(elf: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if elf.get(..6)? != [0x7f, b'E', b'L', b'F', 2, 1] {
        return None;
    }
    let table = usize::try_from(u64_at(elf, 0x28)?).ok()?;
    let entry_size = usize::from(u16_at(elf, 0x3a)?);
    let count = usize::from(u16_at(elf, 0x3c)?);
    let names_index = usize::from(u16_at(elf, 0x3e)?);
    let header = |index: usize| elf.get(table.checked_add(index.checked_mul(entry_size)?)?..);
    let content = |header: &[u8]| {
        let offset = usize::try_from(u64_at(header, 0x18)?).ok()?;
        let size = usize::try_from(u64_at(header, 0x20)?).ok()?;
        elf.get(offset..offset.checked_add(size)?)
    };
    let names = content(header(names_index)?)?;
    (0..count).find_map(|index| {
        let header = header(index)?;
        let at = usize::try_from(u32_at(header, 0)?).ok()?;
        let found = names.get(at..)?.split(|byte| *byte == 0).next()?;
        (found == name).then(|| content(header))?
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF64 file of one `.modinfo` section and the section names.
    pub(super) fn module(modinfo: &[u8]) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1];
        elf.resize(64, 0);
        let modinfo_at = elf.len();
        elf.extend(modinfo);
        let names_at = elf.len();
        elf.extend(names);
        let table = elf.len();
        for (name, at, size) in [
            (0_usize, 0, 0),
            (1, modinfo_at, modinfo.len()),
            (10, names_at, names.len()),
        ] {
            let mut header = vec![0; 64];
            header[..4].copy_from_slice(&u32::try_from(name).unwrap().to_le_bytes());
            header[0x18..0x20].copy_from_slice(&(at as u64).to_le_bytes());
            header[0x20..0x28].copy_from_slice(&(size as u64).to_le_bytes());
            elf.extend(header);
        }
        elf[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
        elf[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
        elf[0x3c..0x3e].copy_from_slice(&3_u16.to_le_bytes());
        elf[0x3e..0x40].copy_from_slice(&2_u16.to_le_bytes());
        elf
    }

    #[test]
    fn depends_and_soft_dependencies_are_read() {
        let elf = module(
            b"license=GPL\0name=ext4\0depends=jbd2,mbcache\0softdep=pre: crc32c-intel b post: c\0alias=fs-ext4\0",
        );
        let info = parse(&elf).unwrap();
        assert_eq!(info.name, "ext4");
        assert_eq!(info.depends, ["jbd2", "mbcache"]);
        assert_eq!(info.soft_pre, ["crc32c_intel", "b"]);
        assert_eq!(info.alias, ["fs-ext4"]);
    }

    #[test]
    fn no_dependency_is_an_empty_list() {
        assert!(
            parse(&module(b"name=x\0depends=\0"))
                .unwrap()
                .depends
                .is_empty()
        );
    }

    #[test]
    fn cut_files_are_refused_not_read_beyond() {
        let elf = module(b"name=x\0depends=\0");
        for len in 0..elf.len() {
            let _ = parse(&elf[..len]);
        }
        assert_eq!(parse(b"\x7fELF"), None);
    }
}
