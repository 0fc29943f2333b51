//! Every cut of the power between and within the writes, and what the kernel reads then.

use std::collections::BTreeMap;
use std::process::Command;

use super::change::{Change, PlanError, Write, plan};
use super::table::{Copies, Entry, SECTOR, Table};

const MIB: u64 = (1 << 20) / SECTOR;
const GUID: [u8; 16] = [0x42; 16];
const LEAST: u64 = 64 * MIB;

/// A disk as the sectors that are not all zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Disk {
    sectors: u64,
    written: BTreeMap<u64, Vec<u8>>,
}

impl Disk {
    fn read(&self, sector: u64, length: usize) -> Vec<u8> {
        let sectors = sector..sector + (length as u64).div_ceil(SECTOR);
        let one = |sector| {
            self.written
                .get(&sector)
                .cloned()
                .unwrap_or_else(|| vec![0; 512])
        };
        sectors.flat_map(one).collect()
    }

    fn copies(&self) -> Copies {
        let read = |sector, length| Ok::<_, std::convert::Infallible>(self.read(sector, length));
        Copies::read(self.sectors, read).unwrap()
    }

    fn apply(&mut self, write: &Write) {
        for (sector, bytes) in sectors(write) {
            self.written.insert(sector, bytes);
        }
    }

    fn plan(&self) -> Result<Change, PlanError> {
        plan(&self.copies(), LEAST, GUID)
    }

    fn run(&mut self) -> Change {
        let change = self.plan().unwrap();
        change.writes.iter().for_each(|write| self.apply(write));
        change
    }
}

fn sectors(write: &Write) -> Vec<(u64, Vec<u8>)> {
    let runs = write.runs.iter();
    let one = |(at, bytes): &(u64, Vec<u8>)| {
        let at = *at;
        let sectors = bytes.chunks(512).map(<[u8]>::to_vec);
        (at..).zip(sectors).collect::<Vec<_>>()
    };
    runs.flat_map(one).collect()
}

/// Name, first and last sector.
type Seen = (String, u64, u64);

/// block/partitions/efi.c of Linux 6.1 with `gpt` on its command line, written from that and not from
/// the code under test.
fn kernel_sees(disk: &Disk) -> Option<Vec<Seen>> {
    let number = |bytes: &[u8], at: usize, length: usize| {
        let bytes = &bytes[at..at + length];
        bytes
            .iter()
            .rev()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let crc = |bytes: &[u8]| crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes);
    let last = disk.sectors - 1;
    let valid = |lba: u64| -> Option<(Vec<u8>, Vec<u8>)> {
        let header = disk.read(lba, 512);
        let size = usize::try_from(number(&header, 12, 4)).unwrap();
        if &header[..8] != b"EFI PART" || !(92..=512).contains(&size) {
            return None;
        }
        let mut summed = header[..size].to_vec();
        summed[16..20].fill(0);
        let count = usize::try_from(number(&header, 80, 4)).unwrap();
        let good = u64::from(crc(&summed)) == number(&header, 16, 4)
            && number(&header, 24, 8) == lba
            && number(&header, 40, 8) <= last
            && number(&header, 48, 8) <= last
            && number(&header, 48, 8) >= number(&header, 40, 8)
            && number(&header, 84, 4) == 128;
        if !good {
            return None;
        }
        let entries = disk.read(number(&header, 72, 8), count * 128);
        (u64::from(crc(&entries)) == number(&header, 88, 4)).then_some((header, entries))
    };
    let (_, entries) = valid(1).or_else(|| valid(last))?;
    let used = entries.chunks(128).filter(|entry| entry[..16] != [0; 16]);
    let seen = used.map(|entry| {
        let units: Vec<u16> = entry[56..]
            .chunks(2)
            .map(|u| u16::from_le_bytes([u[0], u[1]]))
            .collect();
        let name = String::from_utf16(&units).unwrap();
        let name = name.trim_end_matches('\0').to_owned();
        (name, number(entry, 32, 8), number(entry, 40, 8))
    });
    Some(seen.collect())
}

/// As an image has it: `state` MiB for the state, none for 0.
fn image(state: u64) -> Disk {
    let size = (19 + state + 1) * MIB;
    let mut table = Table::empty(GUID, size);
    let mut add = |at: usize, name: &str, first: u64, length: u64| {
        let guid = [u8::try_from(at).unwrap() + 1; 16];
        table.entries[at] = Entry::linux(guid, name, first * MIB, (first + length) * MIB - 1);
    };
    add(0, "esp", 1, 8);
    add(1, "orlop-system-a", 9, 5);
    add(2, "orlop-system-b", 14, 5);
    if state > 0 {
        add(3, "orlop-state", 19, state);
    }
    let mut disk = Disk {
        sectors: size,
        written: BTreeMap::new(),
    };
    let all = [table.primary(size), table.backup(size)].map(super::change::whole);
    all.iter().for_each(|write| disk.apply(write));
    disk
}

/// On a larger disk the copy stays where it was.
fn on_larger(mut image: Disk, sectors: u64) -> Disk {
    image.sectors = sectors;
    image
}

/// All that the power may leave of one write: any subset of the sectors that change, and each of them
/// torn within the fields that matter.
fn cuts(before: &Disk, write: &Write) -> Vec<Disk> {
    let changing: Vec<(u64, Vec<u8>)> = sectors(write)
        .into_iter()
        .filter(|(at, bytes)| before.read(*at, 512) != *bytes)
        .collect();
    assert!(
        changing.len() <= 6,
        "{} sectors change at once",
        changing.len()
    );
    let mut disks = Vec::new();
    for subset in 0..1_u32 << changing.len() {
        let mut disk = before.clone();
        for (index, (at, bytes)) in changing.iter().enumerate() {
            if subset >> index & 1 == 1 {
                disk.written.insert(*at, bytes.clone());
            }
        }
        for (at, bytes) in &changing {
            for torn in [16, 24, 64, 88, 92, 400, 440, 500] {
                let mut torn_disk = disk.clone();
                let mut sector = before.read(*at, 512);
                sector[..torn].copy_from_slice(&bytes[..torn]);
                torn_disk.written.insert(*at, sector);
                disks.push(torn_disk);
            }
        }
        disks.push(disk);
    }
    disks
}

/// Whatever is cut off: the kernel finds ESP and slots where they were and the state as it was or is
/// to be, and the next boot comes to the same end.
fn survives_every_cut(start: &Disk) -> usize {
    let mut end = start.clone();
    let change = end.run();
    assert_eq!(end.plan().unwrap().writes, [], "nothing is left to do");
    let (old, new) = (kernel_sees(start).unwrap(), kernel_sees(&end).unwrap());
    let mut trials = 0;
    let mut before = start.clone();
    for write in &change.writes {
        for cut in cuts(&before, write) {
            let seen = kernel_sees(&cut).expect("no table at all");
            assert!(seen == old || seen == new, "{seen:?}");
            let mut next = cut.clone();
            next.run();
            assert_eq!(kernel_sees(&next).unwrap(), new);
            assert!(next.copies() == end.copies());
            trials += 1;
        }
        before.apply(write);
    }
    trials
}

#[test]
fn growing_survives_every_cut() {
    let start = on_larger(image(64), 65536 * MIB);
    assert!(survives_every_cut(&start) > 60);
    let mut grown = start;
    let state = grown.run().state;
    assert_eq!((state.number, state.first), (4, 19 * MIB));
    assert_eq!(state.before, 64 * MIB);
    // Up to the last MiB, a part of which is the copy's.
    assert_eq!(state.sectors, (65536 - 19 - 1) * MIB);
}

#[test]
fn creating_survives_every_cut() {
    let start = on_larger(image(0), 2048 * MIB);
    assert!(survives_every_cut(&start) > 60);
    let mut made = start;
    let state = made.run().state;
    assert_eq!((state.number, state.first, state.before), (4, 19 * MIB, 0));
    assert_eq!(state.sectors, (2048 - 19 - 1) * MIB);
}

#[test]
fn a_torn_first_copy_is_repaired_and_that_survives_every_cut() {
    for torn in [1, 2] {
        let mut start = image(64);
        start.written.insert(torn, vec![0xee; 512]);
        assert!(survives_every_cut(&start) > 5);
        let change = start.run();
        assert!(change.repaired);
        assert!(start.copies() == image(64).copies(), "as it was made");
    }
    // And then a state that has yet to be made: the good copy must not change first.
    let mut start = on_larger(image(0), 2048 * MIB);
    let table = start.copies().primary.unwrap().0;
    start.apply(&super::change::whole(table.backup(start.sectors)));
    start.written.insert(1, vec![0; 512]);
    assert!(survives_every_cut(&start) > 60);
}

#[test]
fn a_lost_second_copy_is_written_again() {
    let mut start = image(64);
    let last = start.sectors - 1;
    start.written.insert(last, vec![0; 512]);
    survives_every_cut(&start);
    assert!(!start.run().repaired);
    assert!(start.copies() == image(64).copies());
}

#[test]
fn a_disk_that_is_as_it_should_be_is_not_written_to() {
    let change = image(64).plan().unwrap();
    assert_eq!((change.writes, change.repaired), (vec![], false));
    assert_eq!(change.state.before, change.state.sectors);
}

#[test]
fn what_is_not_ours_stays() {
    // Somebody's partition behind the state: it cannot grow over it.
    let mut disk = on_larger(image(64), 4096 * MIB);
    let mut table = disk.copies().primary.unwrap().0;
    table.last_usable = Table::last_usable_of(disk.sectors);
    table.entries[7] = Entry::linux([9; 16], "home", 1000 * MIB, 1001 * MIB - 1);
    for bytes in [table.primary(disk.sectors), table.backup(disk.sectors)] {
        disk.apply(&super::change::whole(bytes));
    }
    let state = disk.run().state;
    assert_eq!(state.sectors, (1000 - 19) * MIB);
    let seen = kernel_sees(&disk).unwrap();
    assert!(
        seen.contains(&("home".to_owned(), 1000 * MIB, 1001 * MIB - 1)),
        "{seen:?}"
    );

    // All four first entries are taken, or there is no room.
    let mut full = on_larger(image(0), 30 * MIB);
    let mut table = full.copies().primary.unwrap().0;
    table.entries[3] = Entry::linux([9; 16], "home", 19 * MIB, 20 * MIB - 1);
    full.apply(&super::change::whole(table.primary(full.sectors)));
    assert_eq!(full.plan(), Err(PlanError::NoEntry));
    let error = image(0).plan().unwrap_err();
    assert_eq!(error, PlanError::NoRoom(LEAST));
    assert_eq!(
        error.to_string(),
        "it has no partition orlop-state, and no free space of 64 MiB"
    );

    // A partition where the second copy belongs, a disk that is shorter than its table says, and one
    // without a table.
    let mut long = on_larger(image(64), 100 * MIB);
    let mut table = long.copies().primary.unwrap().0;
    table.entries[7] = Entry::linux([9; 16], "home", 99 * MIB, 100 * MIB - 20);
    long.apply(&super::change::whole(table.primary(long.sectors)));
    assert_eq!(long.plan(), Err(PlanError::TooShort));
    assert_eq!(
        on_larger(image(64), 80 * MIB).plan(),
        Err(PlanError::NoTable)
    );
    let empty = Disk {
        sectors: 4096 * MIB,
        ..Disk::default()
    };
    assert_eq!(empty.plan(), Err(PlanError::NoTable));
}

#[test]
fn sgdisk_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let sgdisk = |arguments: &[&str]| {
        let mut command = Command::new("sgdisk");
        command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        let output = command
            .args(arguments)
            .arg(&path)
            .output()
            .expect("package gdisk");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        text
    };
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    sgdisk(&[
        "-n1:1M:+8M",
        "-c1:esp",
        "-n2:0:+8M",
        "-n3:0:+8M",
        "-n4:0:+16M",
        "-c4:orlop-state",
    ]);
    file.set_len(1 << 30).unwrap();
    let read = |sector: u64, length: usize| {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::open(&path)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, sector * SECTOR)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let copies = Copies::read((1 << 30) / SECTOR, read).unwrap();
    let change = plan(&copies, LEAST, GUID).unwrap();
    assert_eq!(change.state.before, 16 * MIB);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for (sector, bytes) in change.writes.iter().flat_map(sectors) {
        use std::os::unix::fs::FileExt;
        file.write_all_at(&bytes, sector * SECTOR).unwrap();
    }
    let said = sgdisk(&["-v"]);
    assert!(said.contains("No problems found"), "{said}");
    let said = sgdisk(&["-p"]);
    let line = said
        .lines()
        .find(|line| line.contains("orlop-state"))
        .unwrap();
    let last = (1024 * MIB - MIB - 1).to_string();
    assert!(line.contains(&last), "{said}");
}
