//! The boot loader for a BIOS: SYSLINUX, taken out of Debian's package and told where it lies.
//!
//! ```text
//! MBR's 440 bytes   finds the GPT partition with attribute "legacy BIOS bootable"
//! its boot sector   reads the first sector of /syslinux/ldlinux.sys, which reads the others
//! ldlinux.c32       reads syslinux.cfg and loads the kernel
//! ```
//!
//! The installer wants mtools, a C library as new as the suite's, and an image to write into; what it
//! does is little: the code lies in it as it is, and a few numbers are put in (`libinstaller/syslxmod.c`
//! and `syslxint.h` of SYSLINUX 6). The tests compare every byte with what the installer does.

use super::fat::Volume;
use super::gpt::{MBR_CODE, SECTOR};
use crate::tree::{Blob, Kind, Node, Tree, TreeError};

/// Where its files are on the ESP.
pub const FOLDER: &str = "syslinux";
const LDLINUX: &str = "syslinux/ldlinux.sys";

/// `LDLINUX_MAGIC`, in front of the patch area.
const MAGIC: [u8; 4] = 0x3eb2_02fe_u32.to_le_bytes();
/// The patch area begins at this offset of ldlinux.sys, behind its banner.
const PATCH_AREA: usize = 0x18;
/// A transfer reads at most so many sectors, and so long one extent may be.
const TRANSFER: u64 = 127;
/// The two sectors of the auxiliary data vector, behind the code.
const ADV_SECTORS: u64 = 2;
/// An empty vector: head, checksum, nothing, tail.
const ADV: [u32; 3] = [0x5a2d_2fa5, 0xa304_1767, 0xdd28_bf64];

/// The package is not the one that is known here.
#[derive(Debug, thiserror::Error)]
pub enum SyslinuxError {
    /// A file is not in it.
    #[error("Debian's package syslinux has no {name}")]
    Missing {
        /// The file.
        name: &'static str,
    },
    /// The installer does not hold the code where it should.
    #[error("no {what} in the installer of Debian's package syslinux: another version of it?")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// The loader does not get its place.
    #[error("put ldlinux.sys onto the ESP")]
    Place,
    /// A name does not fit.
    #[error("put the boot loader's files together")]
    Tree(#[source] TreeError),
}

/// The loader as it is in the package.
#[derive(Debug, Clone)]
pub struct Syslinux {
    /// The MBR's code for GPT disks.
    pub mbr: [u8; MBR_CODE],
    boot_sector: [u8; 512],
    /// Whole sectors.
    ldlinux: Vec<u8>,
    module: Vec<u8>,
}

impl Syslinux {
    /// Takes it out of the package's files.
    ///
    /// # Errors
    /// When they are not what is known here.
    pub fn of_package(files: &Tree) -> Result<Self, SyslinuxError> {
        let read = |name: &'static str| {
            let node = files.iter().find(|(path, _)| path.ends_with(name));
            match node.map(|(_, node)| &node.kind) {
                Some(Kind::File(blob)) => blob.read().ok(),
                _ => None,
            }
            .ok_or(SyslinuxError::Missing { name })
        };
        let mbr = read("/SYSLINUX/gptmbr.bin")?;
        let mbr = mbr.try_into().map_err(|_| SyslinuxError::Missing {
            name: "/SYSLINUX/gptmbr.bin of 440 bytes",
        })?;
        Self::of_installer(&read("bin/syslinux")?, mbr)
    }

    /// The installer has all three as arrays, one behind the other: boot sector, ldlinux.sys,
    /// ldlinux.c32.
    fn of_installer(installer: &[u8], mbr: [u8; MBR_CODE]) -> Result<Self, SyslinuxError> {
        let not_found = |what| SyslinuxError::NotFound { what };
        // A boot sector's end, then the banner.
        let banner = b"\x55\xaa\r\nSYSLINUX ";
        let found = installer.windows(banner.len()).position(|at| at == banner);
        let begin = found.ok_or(not_found("ldlinux.sys"))? + 2;
        let sector = begin.checked_sub(512);
        let sector = sector.and_then(|at| installer.get(at..begin)?.try_into().ok());
        let boot_sector = sector.ok_or(not_found("boot sector"))?;
        let rest = installer.get(begin..).unwrap_or_default();
        let modules = rest.chunks(16).enumerate();
        let (at, module) = modules
            .filter_map(|(index, _)| {
                let at = index * 16;
                Some((at, module(rest.get(at..)?)?))
            })
            .next()
            .ok_or(not_found("ldlinux.c32"))?;
        let mut ldlinux = rest.get(..at).unwrap_or_default().to_vec();
        ldlinux.resize(at.next_multiple_of(512), 0);
        if ldlinux.get(PATCH_AREA..PATCH_AREA + 4) != Some(&MAGIC) {
            return Err(not_found("patch area"));
        }
        Ok(Self {
            mbr,
            boot_sector,
            ldlinux,
            module: module.to_vec(),
        })
    }

    /// Puts its files and `config` into the ESP's; [`Syslinux::install`] wants them there.
    ///
    /// # Errors
    /// When something is in their way.
    pub fn add_files(&self, esp: &mut Tree, config: &str) -> Result<(), SyslinuxError> {
        let mut ldlinux = self.ldlinux.clone();
        for _ in 0..ADV_SECTORS {
            ldlinux.extend(adv());
        }
        for (name, bytes) in [
            (LDLINUX, ldlinux.as_slice()),
            ("syslinux/ldlinux.c32", &self.module),
            ("syslinux/syslinux.cfg", config.as_bytes()),
        ] {
            let node = Node::file(Blob::from_bytes(bytes), 0o644);
            esp.insert(name, node).map_err(SyslinuxError::Tree)?;
        }
        Ok(())
    }

    /// Tells the loader where it lies on the volume; returns the volume's boot sector.
    ///
    /// # Errors
    /// When the volume has no ldlinux.sys, or that is another version's.
    pub fn install(&self, volume: &mut Volume) -> Result<[u8; 512], SyslinuxError> {
        let sectors = volume.sectors(LDLINUX).ok_or(SyslinuxError::Place)?;
        let (code, mut boot) = self.patched(sectors.start)?;
        if !volume.replace(LDLINUX, Blob::from_bytes(code)) {
            return Err(SyslinuxError::Place);
        }
        // The jump and the code are the loader's, the fields between them the volume's.
        let fields = volume.boot_sector();
        if let (Some(to), Some(from)) = (boot.get_mut(11..90), fields.get(11..90)) {
            to.copy_from_slice(from);
        }
        Ok(boot)
    }

    /// ldlinux.sys that lies in one piece from sector `first` of its volume on, and the boot sector
    /// that reads it.
    fn patched(&self, first: u64) -> Result<(Vec<u8>, [u8; 512]), SyslinuxError> {
        let mut code = self.ldlinux.clone();
        let sectors = code.len() as u64 / SECTOR;
        let extended = usize::from(u16_at(&code, PATCH_AREA + 22)?);
        let field = |at: usize| u16_at(&self.ldlinux, extended + 2 * at).map(usize::from);
        let (adv_pointers, folder, folder_len) = (field(0)?, field(1)?, field(2)?);
        let (extents, low, high) = (field(5)?, field(7)?, field(8)?);
        if sectors > TRANSFER || folder_len <= FOLDER.len() + 1 {
            return Err(SyslinuxError::Place);
        }
        // The boot sector reads the first one, that the others.
        let mut boot = self.boot_sector;
        let [a, b, c, d, high_bytes @ ..] = first.to_le_bytes();
        put(&mut boot, low, &[a, b, c, d])?;
        put(&mut boot, high, &high_bytes)?;
        let count = |number: u64| u16::try_from(number).unwrap_or(0).to_le_bytes();
        put(&mut code, extents, &(first + 1).to_le_bytes())?;
        put(&mut code, extents + 8, &count(sectors - 1))?;
        let behind = first + sectors;
        put(&mut code, adv_pointers, &behind.to_le_bytes())?;
        put(&mut code, adv_pointers + 8, &(behind + 1).to_le_bytes())?;
        put(&mut code, folder, format!("/{FOLDER}\0").as_bytes())?;
        put(&mut code, PATCH_AREA + 8, &count(sectors))?;
        put(&mut code, PATCH_AREA + 10, &count(ADV_SECTORS))?;
        let words = u32::try_from(code.len() / 4).map_err(|_| SyslinuxError::Place)?;
        put(&mut code, PATCH_AREA + 12, &words.to_le_bytes())?;
        put(&mut code, PATCH_AREA + 16, &[0; 4])?;
        let sum = checksum(&code);
        put(&mut code, PATCH_AREA + 16, &sum.to_le_bytes())?;
        for _ in 0..ADV_SECTORS {
            code.extend(adv());
        }
        Ok((code, boot))
    }
}

/// An ELF file for i386 from its begin to the end of its section headers (elf(5)): ldlinux.c32.
fn module(bytes: &[u8]) -> Option<&[u8]> {
    const ET_DYN: u16 = 3;
    const EM_386: u16 = 3;
    let number = |at: usize| u16_at(bytes, at).ok();
    let is_module = bytes.starts_with(b"\x7fELF\x01\x01\x01")
        && (number(16)?, number(18)?) == (ET_DYN, EM_386)
        && (number(40)?, number(46)?) == (52, 40);
    if !is_module {
        return None;
    }
    let table = u32::from_le_bytes(bytes.get(32..36)?.try_into().ok()?);
    let end = usize::try_from(table).ok()? + 40 * usize::from(number(48)?);
    bytes.get(..end)
}

/// All words and this one together are `LDLINUX_MAGIC`.
fn checksum(code: &[u8]) -> u32 {
    let words = code.chunks_exact(4).filter_map(|word| word.try_into().ok());
    let sum = words.fold(0_u32, |sum, word| {
        sum.wrapping_add(u32::from_le_bytes(word))
    });
    u32::from_le_bytes(MAGIC).wrapping_sub(sum)
}

/// One sector of an empty auxiliary data vector.
fn adv() -> Vec<u8> {
    let [head, sum, tail] = ADV.map(u32::to_le_bytes);
    let mut sector = [head, sum].concat();
    sector.resize(508, 0);
    sector.extend(tail);
    sector
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, SyslinuxError> {
    let found = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    found.map(u16::from_le_bytes).ok_or(SyslinuxError::Place)
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) -> Result<(), SyslinuxError> {
    let place = bytes.get_mut(at..at + new.len());
    place.ok_or(SyslinuxError::Place)?.copy_from_slice(new);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::disk::sparse::SparseFile;

    /// Where the ESP begins.
    const START: u64 = 1 << 20;

    fn installed() -> Syslinux {
        let installer = std::fs::read("/usr/bin/syslinux").expect("Debian's package syslinux");
        Syslinux::of_installer(&installer, [0; MBR_CODE]).unwrap()
    }

    #[test]
    fn every_byte_is_where_the_installer_puts_it() {
        let loader = installed();
        let mut esp = Tree::default();
        let other = Node::file(Blob::from_bytes(vec![1; 99_999]), 0o644);
        esp.insert("EFI/BOOT/BOOTX64.EFI", other).unwrap();
        loader.add_files(&mut esp, "DEFAULT orlop\n").unwrap();
        let mut volume = Volume::plan(&esp, 64 << 20, START, 7).unwrap();
        let boot = loader.install(&mut volume).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let disk = SparseFile::create(&path, 66 << 20).unwrap();
        volume.write(&boot, &disk, START).unwrap();
        let ours = std::fs::read(&path).unwrap();
        // The installer goes over the same volume, and may put the file elsewhere.
        let installer = Command::new("syslinux")
            .args(["--offset", "1048576", "--directory", "/syslinux"])
            .arg("--install")
            .arg(&path)
            .output()
            .expect("run syslinux");
        assert!(installer.status.success(), "{installer:?}");
        let theirs = std::fs::read(&path).unwrap();
        let sector = |disk: &[u8], at: u64, count: usize| {
            let at = usize::try_from(START + at * SECTOR).unwrap();
            disk[at..at + count * 512].to_vec()
        };
        let of =
            |boot: &[u8]| u64::from(u32::from_le_bytes(boot[0x11a..0x11e].try_into().unwrap()));
        let (our_boot, their_boot) = (sector(&ours, 0, 1), sector(&theirs, 0, 1));
        for (disk, boot) in [(&ours, our_boot), (&theirs, their_boot)] {
            let first = of(&boot);
            let (code, mut expected) = loader.patched(first).unwrap();
            expected[11..90].copy_from_slice(&volume.boot_sector()[11..90]);
            assert!(boot == expected, "boot sector for sector {first}");
            let there = sector(disk, first, code.len() / 512);
            assert!(there == code, "ldlinux.sys from sector {first} on");
        }
        let image = format!("{}@@1M", path.display());
        let mut module = Command::new("mtype");
        module.args(["-i", &image, "::/syslinux/ldlinux.c32"]);
        assert!(module.output().unwrap().stdout == loader.module);
    }

    #[test]
    fn another_program_is_refused() {
        let error = Syslinux::of_installer(b"\x7fELF", [0; MBR_CODE]).unwrap_err();
        assert!(
            error.to_string().starts_with("no ldlinux.sys in"),
            "{error}"
        );
        let installer = std::fs::read("/usr/bin/syslinux").unwrap();
        let cut = &installer[..installer.len() / 2];
        let error = Syslinux::of_installer(cut, [0; MBR_CODE]).unwrap_err();
        assert!(
            error.to_string().starts_with("no ldlinux.c32 in"),
            "{error}"
        );
    }
}
