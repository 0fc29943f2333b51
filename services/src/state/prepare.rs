//! Before the mount: the table of the boot disk, the state partition, the template.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use orlop_sys::error::chain;

use super::answer::Answer;
use super::check;
use super::disk::{Disk, DiskError, partition_path};
use super::gpt::{self, Change, Copies, SECTOR};
use super::signature;
use super::size;
use super::template::{Template, TemplateError};

/// The least that a new state partition has.
const LEAST: u64 = (64 << 20) / SECTOR;

/// Repairs and changes the table, and prepares the partition `orlop-state`.
pub(super) fn boot_disk(path: &Path) -> Answer {
    let mut answer = Answer::default();
    match partition(path, &mut answer) {
        Ok(Some(device)) => prepare(&device, &mut answer),
        Ok(None) => {}
        Err(error) => answer.warn(format!("the state partition: {}", chain(&error))),
    }
    answer
}

/// Prepares the disk that `system.toml` names.
pub(super) fn named(device: &Path) -> Answer {
    let mut answer = Answer::default();
    prepare(device, &mut answer);
    answer
}

/// The state partition as the kernel has it now; what keeps there from being one is said.
fn partition(path: &Path, answer: &mut Answer) -> Result<Option<PathBuf>, DiskError> {
    let disk = Disk::open(path)?;
    if !disk.has_small_sectors() {
        answer.warn(format!(
            "{} has sectors of 4096 bytes: its partition table is left as it is",
            path.display()
        ));
        return Ok(None);
    }
    let read = |sector: u64, length: usize| disk.read(sector * SECTOR, length);
    let copies = Copies::read(disk.size / SECTOR, read).map_err(|source| disk.unread(source))?;
    let change = match gpt::plan(&copies, LEAST, random_uuid()) {
        Ok(change) => change,
        Err(why) => {
            answer.warn(format!(
                "{}: {why}; its partition table is left as it is",
                path.display()
            ));
            let known = copies.believed().and_then(gpt::Table::state);
            return Ok(known.map(|number| partition_path(path, number)));
        }
    };
    if let Err(error) = write(&disk, &change) {
        // As large as it was, it can be used.
        answer.warn(format!("the partition table: {}", chain(&error)));
        let old = (change.state.before > 0).then_some(change.state.number);
        return Ok(old.map(|number| partition_path(path, number)));
    }
    tell(path, &change, answer);
    disk.show_partition(change.state).map(Some)
}

fn write(disk: &Disk, change: &Change) -> Result<(), DiskError> {
    for write in &change.writes {
        for (sector, bytes) in &write.runs {
            disk.write(sector * SECTOR, bytes)?;
        }
        disk.sync()?;
    }
    Ok(())
}

fn tell(disk: &Path, change: &Change, answer: &mut Answer) {
    let (disk, state) = (disk.display(), change.state);
    let bytes = |sectors: u64| size(sectors * SECTOR);
    if change.repaired {
        answer.say(format!(
            "{disk}: its partition table was repaired from the copy at its end"
        ));
    }
    match state.before {
        0 => answer.say(format!(
            "{disk}: partition {} was made for the state, {}",
            state.number,
            bytes(state.sectors)
        )),
        before if before != state.sectors => answer.say(format!(
            "{disk}: partition {}, the state's, grew from {} to {}",
            state.number,
            bytes(before),
            bytes(state.sectors)
        )),
        _ => {}
    }
}

/// Takes what is an ext4, writes to what is blank, and leaves everything else alone.
fn prepare(device: &Path, answer: &mut Answer) {
    let named = device.display();
    match look(device) {
        // Whether it is sound is looked at when it is mounted.
        Ok(Found::Ext4) => answer.device = Some(named.to_string()),
        Ok(Found::Other(what)) => answer.warn(format!(
            "{named} holds {what} and is left alone; to use it for the state, empty it with `wipefs -a`"
        )),
        Ok(Found::Blank(disk)) => match read_template().and_then(|template| template.write(&disk)) {
            Ok(()) => {
                answer.device = Some(named.to_string());
                answer.say(format!("{named} was blank, and holds the state from now on"));
            }
            Err(error) => answer.warn(format!("{named}: {}", chain(&error))),
        },
        Err(error) => answer.warn(chain(&error)),
    }
}

enum Found {
    Ext4,
    Other(&'static str),
    Blank(Disk),
}

fn look(device: &Path) -> Result<Found, DiskError> {
    let disk = Disk::open(device)?;
    let found = signature::find(disk.size, |at, length| disk.read(at, length));
    Ok(match found.map_err(|source| disk.unread(source))? {
        Some(signature::EXT) => Found::Ext4,
        Some(other) => Found::Other(other),
        None => Found::Blank(disk),
    })
}

/// Beside this program, in the system that was mounted before.
fn read_template() -> Result<Template, TemplateError> {
    let file = check::beside("state.template").and_then(File::open);
    let mut stream = BufReader::new(file.map_err(TemplateError::Read)?);
    Template::read(&mut stream)
}

/// A random UUID (RFC 9562, version 4), in the bytes' order as written. All zeros without a source of
/// chance, which no kernel lacks.
pub(super) fn random_uuid() -> [u8; 16] {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    if read.is_ok() {
        if let Some(version) = bytes.get_mut(6) {
            *version = *version & 0x0f | 0x40;
        }
        if let Some(variant) = bytes.get_mut(8) {
            *variant = *variant & 0x3f | 0x80;
        }
    }
    bytes
}
