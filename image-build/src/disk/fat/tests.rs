//! Against fsck.vfat and mtools, which know nothing of how it was written.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::tree::Node;

fn output_of(program: &str, arguments: &[&str], path: &Path) -> String {
    let output = Command::new(program)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .args(arguments)
        .arg(path)
        .output()
        .unwrap_or_else(|error| panic!("run {program}: {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn fsck_and_mtools_read_what_was_written() {
    let mut tree = Tree::default();
    let blob = |byte: u8, len: usize| Blob::from_bytes(vec![byte; len]);
    for (name, blob) in [
        ("EFI/BOOT/BOOTX64.EFI", blob(1, 3_000_001)),
        ("orlop/initramfs", blob(2, 70_000)),
        ("orlop/a name of more than 26 letters", blob(3, 4096)),
        ("orlop/build.json", blob(4, 1)),
        ("orlop/empty", blob(4, 0)),
        ("syslinux/syslinux.cfg", blob(5, 512)),
    ] {
        tree.insert(name, Node::file(blob, 0o644)).unwrap();
    }
    // The least size of each cluster's.
    for len in [34_u64 << 20, 68 << 20, 300 << 20] {
        let volume = Volume::plan(&tree, len, 1 << 20, 0x1234_abcd).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("volume");
        let disk = SparseFile::create(&path, len).unwrap();
        volume.write(&volume.boot_sector(), &disk, 0).unwrap();
        let said = output_of("fsck.vfat", &["-n", "-v"], &path);
        assert!(said.contains("FATs, 32 bit entries"), "{said}");
        assert!(said.contains(" 11 files,"), "{said}");
        let image = path.to_str().unwrap();
        let listed = Command::new("mdir")
            .args(["-/", "-b", "-i", image])
            .output()
            .expect("run mdir, of Debian's package mtools");
        let listed = String::from_utf8(listed.stdout).unwrap();
        let names: Vec<&str> = listed.lines().collect();
        assert!(names.contains(&"::/orlop/initramfs"), "{listed}");
        assert!(names.contains(&"::/syslinux/syslinux.cfg"), "{listed}");
        for (name, byte, len) in [
            ("::/efi/boot/bootx64.efi", 1, 3_000_001),
            ("::/orlop/a name of more than 26 letters", 3, 4096),
            ("::/orlop/build.json", 4, 1),
        ] {
            let read = Command::new("mtype").args(["-i", image, name]).output();
            let read = read.expect("run mtype, of Debian's package mtools").stdout;
            assert!(read == vec![byte; len], "{name}");
        }
        let sectors = volume.sectors("orlop/initramfs").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let first = usize::try_from(sectors.start * SECTOR).unwrap();
        assert_eq!(bytes[first..first + 70_000], vec![2; 70_000]);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut tree = Tree::default();
    let blob = Blob::from_range(Path::new("/nowhere").into(), 0, 70 << 20, [0; 32]);
    tree.insert("large", Node::file(blob, 0o644)).unwrap();
    let error = Volume::plan(&tree, 64 << 20, 0, 0).unwrap_err();
    assert!(matches!(error, FatError::Full { .. }), "{error}");
    let error = Volume::plan(&Tree::default(), 16 << 20, 0, 0).unwrap_err();
    assert!(matches!(error, FatError::Small { .. }), "{error}");
    tree.insert("link", Node::symlink("large")).unwrap();
    let error = Volume::plan(&tree, 128 << 20, 0, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/link: not a file or folder that FAT can hold"
    );
}
