//! A file written over in place, for readers who hold it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Makes the file say this text, by one write: what was longer ends in empty lines, so that nobody
/// reads the end of the old text after the new one. Nothing is written when it says so already.
///
/// # Errors
/// Those of open(2) and pwrite(2). What is there needs no new room on a /run that is full.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let now = fs::read_to_string(path).unwrap_or_default();
    if path.exists() && now.trim_end() == text.trim_end() {
        return Ok(());
    }
    let mut padded = text.to_owned();
    while padded.len() < now.len() {
        padded.push('\n');
    }
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)?;
    file.write_all_at(padded.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn who_holds_the_file_reads_the_new_text_and_nothing_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        write(&path, "").unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        for text in [
            "nameserver 192.0.2.53\nnameserver 192.0.2.54\n",
            "nameserver 192.0.2.55\n",
            "",
            "nameserver 192.0.2.56\nnameserver 192.0.2.57\nnameserver 192.0.2.58\n",
        ] {
            write(&path, text).unwrap();
            let found = fs::read_to_string(&path).unwrap();
            assert_eq!(found.trim_end(), text.trim_end());
            let changed = fs::metadata(&path).unwrap();
            write(&path, text).unwrap();
            let again = fs::metadata(&path).unwrap();
            assert_eq!(again.ino(), inode);
            assert_eq!(
                (again.mtime_nsec(), again.len()),
                (changed.mtime_nsec(), changed.len())
            );
        }
    }
}
