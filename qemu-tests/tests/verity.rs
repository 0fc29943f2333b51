//! A disk whose system slot is not what its root hash says: the kernel checks every block that is
//! read, the machine goes on as far as it can and says which block of which slot is bad.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use orlop_qemu_tests::{MachineBuilder, Vm};
use serde_json::{Value, json};
use tempfile::TempDir;

const BLOCK: usize = 4096;
/// What the program of service `marked` has in its first block, and no other file of the system.
const MARK: &str = "a block that the test damages";

/// The image of all tests here, and the folder that it is in: built once, each boots a copy.
static BUILT: LazyLock<(MachineBuilder, PathBuf)> = LazyLock::new(|| {
    let machine = MachineBuilder::with(&["console", "gateway", "log"]).unwrap();
    // Larger than a block: what is shorter lies among others.
    let padding = "# more than one block of the disk\n".repeat(300);
    let script = format!("# {MARK}\n{padding}exec busybox sleep 1000000");
    let machine = machine
        .main_service("marked", &script, "")
        .main_service("steady", "exec busybox sleep 1000000", "")
        .image("raw");
    machine.build().unwrap();
    let image = machine.image_path().unwrap();
    (machine, image)
});

/// A copy of the image, to be damaged.
struct Disk {
    _folder: TempDir,
    path: PathBuf,
    file: File,
    /// Where slot A is, bytes from the disk's begin.
    slot: Range<usize>,
}

impl Disk {
    fn new() -> Self {
        let folder = TempDir::with_prefix("orlop-verity-").unwrap();
        let path = folder.path().join("disk.raw");
        fs::copy(&BUILT.1, &path).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let mut disk = Self {
            _folder: folder,
            path,
            file,
            slot: 0..0,
        };
        // The partition table's entries are at LBA 2: first and last sector, then the name.
        let table = disk.read(0..2048);
        let name: Vec<u8> = "orlop-system-a\0"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let entry = find(&table, &name)[0] - 56;
        let sector = |at: usize| {
            let number: [u8; 8] = table[entry + at..][..8].try_into().unwrap();
            usize::try_from(u64::from_le_bytes(number)).unwrap()
        };
        disk.slot = sector(32) * 512..(sector(40) + 1) * 512;
        disk
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = vec![0; range.len()];
        let at = range.start.try_into().unwrap();
        self.file.read_exact_at(&mut bytes, at).unwrap();
        bytes
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        self.file
            .write_all_at(bytes, at.try_into().unwrap())
            .unwrap();
    }

    /// Changes one bit of slot A; gives the block that it is in.
    fn flip(&self, at: usize) -> usize {
        let at = self.slot.start + at;
        let byte = self.read(at..at + 1)[0];
        self.write(at, &[byte ^ 1]);
        (at - self.slot.start) / BLOCK
    }

    fn boot(&self) -> Vm {
        let machine = MachineBuilder::of_image(&self.path).unwrap();
        machine.start().unwrap()
    }

    /// What the emergency console of a boot says.
    fn emergency(&self) -> String {
        let vm = self.boot();
        let said = vm
            .transcript_until("`poweroff -f` ends the machine")
            .unwrap();
        let (_, reason) = said.split_once("EMERGENCY\u{1b}[0m ").unwrap();
        reason.lines().next().unwrap().trim_end().to_owned()
    }
}

/// Everywhere that `needle` begins.
fn find(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let places = bytes.windows(needle.len()).enumerate();
    let found = places.filter(|(_, window)| *window == needle);
    found.map(|(at, _)| at).collect()
}

#[test]
fn a_bad_block_met_later_is_an_error_of_its_reader_and_named_once() {
    let disk = Disk::new();
    let marks = find(&disk.read(disk.slot.clone()), MARK.as_bytes());
    let bad: Vec<usize> = marks.iter().map(|at| disk.flip(*at)).collect();
    let vm = disk.boot();
    let is_notice = |event: &Value| event["event"] == "notice";
    let notice = vm.wait_event("a notice", is_notice).unwrap();
    let text = notice["text"].as_str().unwrap();
    let named = |block: &usize| {
        text == format!(
            "slot A (vda2): block {block} does not match its hash, whoever reads there gets EIO; flash the \
             disk again with `orlop flash`"
        )
    };
    assert!(bad.iter().any(named), "{text}: {bad:?}");
    assert_eq!(notice["key"], "slot-a");

    // The service whose program it is fails as every launch does; it is tried again, and the kernel
    // tells of the block each time.
    vm.wait_boot().unwrap();
    let failed_again = |info: &Value| {
        let cause = info["cause"].as_str().unwrap_or_default();
        info["restarts"].as_u64() >= Some(2) && cause.contains("/bin/main-marked: EIO")
    };
    vm.wait_ps("marked", failed_again).unwrap();
    let notices = vm.events().into_iter().filter(is_notice).count();
    assert_eq!(notices, 1);

    // All others run, and the notice stands wherever somebody looks.
    for service in ["console", "gateway", "log", "steady"] {
        vm.wait_service(service, "up").unwrap();
    }
    assert_eq!(vm.listing().unwrap()["notices"], json!([text]));
    let shown = vm.orlop(&["ps"]).unwrap();
    assert!(shown.ends_with(&format!("\nmachine: {text}\n")), "{shown}");
    vm.log_until("log", text).unwrap();
    vm.transcript_until(text).unwrap();
}

#[test]
fn a_bad_block_that_the_mount_reads_ends_on_the_emergency_console() {
    let disk = Disk::new();
    // The volume's name in the EROFS's superblock, which nobody needs but the hash.
    assert_eq!(disk.flip(1024 + 64), 0);
    assert_eq!(
        disk.emergency(),
        "stage storage: slot A (vda2) does not open: block 0 does not match its hash; flash the disk again \
         with `orlop flash`"
    );
}

#[test]
fn another_root_hash_ends_on_the_emergency_console() {
    let disk = Disk::new();
    // Wherever in the EFI system partition the kernel's command line is.
    let before = disk.read(0..disk.slot.start);
    let word = b"roothash=";
    let mut hash = String::new();
    for at in find(&before, word) {
        let at = at + word.len();
        let first = if before[at] == b'0' { b'1' } else { b'0' };
        disk.write(at, &[first]);
        hash = String::from_utf8(disk.read(at..at + 64)).unwrap();
    }
    assert_eq!(
        disk.emergency(),
        format!(
            "stage devices: no slot holds the system of roothash={hash}: slot A (vda2) holds another \
             system, slot B (vda3) holds none; flash the disk again with `orlop flash`"
        )
    );
}
