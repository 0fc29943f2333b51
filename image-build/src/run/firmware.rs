//! What starts the machine of a disk image: QEMU's BIOS, or UEFI from the package `ovmf`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::place::Place;

/// Where distributions keep UEFI for virtual machines: the code, and variables to begin with.
const UEFI: &[(&str, &str)] = &[
    // Debian, Ubuntu.
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
    // Fedora.
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    // Arch.
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
];

/// `--firmware`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Firmware {
    /// SeaBIOS, which comes with QEMU.
    Bios,
    /// OVMF, of the package `ovmf`.
    Uefi,
}

/// The two files of UEFI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UefiFiles {
    pub(super) code: PathBuf,
    /// The machine's own.
    pub(super) vars: PathBuf,
}

/// The files for a machine, which begins with no variables but those of the package: what one boot
/// leaves there changes no other. None for BIOS.
pub(super) fn files(firmware: Firmware, place: &Place) -> Result<Option<UefiFiles>> {
    if firmware == Firmware::Bios {
        return Ok(None);
    }
    let (code, begin) = installed(UEFI).context(
        "UEFI for virtual machines is missing; apt-get install --no-install-recommends ovmf, or \
         leave --firmware uefi out",
    )?;
    let vars = place.fresh_file("uefi-vars.fd")?;
    // Written rather than copied: the package's file may be read-only, and this one is not.
    fs::read(begin)
        .and_then(|content| fs::write(&vars, content))
        .with_context(|| format!("copy {} to {}", begin.display(), vars.display()))?;
    let code = code.to_owned();
    Ok(Some(UefiFiles { code, vars }))
}

fn installed<'a>(known: &[(&'a str, &'a str)]) -> Option<(&'a Path, &'a Path)> {
    let mut pairs = known
        .iter()
        .map(|(code, vars)| (Path::new(*code), Path::new(*vars)));
    pairs.find(|(code, vars)| code.is_file() && vars.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_counts_with_its_variables_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let names = ["code", "vars", "code2", "vars2"].map(path);
        let [code, vars, code2, vars2] = names.each_ref().map(String::as_str);
        for file in [code, code2, vars2] {
            fs::write(file, "").unwrap();
        }
        let pairs = [(code, vars), (code2, vars2)];
        let found = installed(&pairs).unwrap();
        assert_eq!(found, (Path::new(code2), Path::new(vars2)));
        assert_eq!(installed(&pairs[..1]), None);
    }
}
